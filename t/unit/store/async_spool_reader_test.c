/*
 * Spooled bodies, in the clear and encrypted, as they are read back.
 */

#include "async_fixture.h"


#define SEGMENT  ASYNC_SEGMENT
#define STORED   (ASYNC_SEGMENT + ASYNC_CIPHER_TAG)


static void
use_key(fixture_t *f, uint8_t seed)
{
    async_keys_t  keys;

    memset(&keys, 0, sizeof(keys));
    keys.n = 1;
    keys.encrypts = true;
    memset(&keys.secrets[0], seed, sizeof(async_secret_t));

    assert_int_equal(async_store_use_keys(f->store, &keys), ASYNC_OK);
}


static char *
pattern(size_t len)
{
    char    *bytes;
    size_t   i;

    bytes = malloc(len + 1);
    assert_non_null(bytes);

    for (i = 0; i < len; i++) {
        bytes[i] = (char) (i * 7 + i / 4099);
    }

    return bytes;
}


/* written in pieces of that size */

static async_body_t
spool(fixture_t *f, const char *bytes, size_t len, size_t piece)
{
    size_t         done, part;
    async_id_t     id;
    async_body_t   body;
    async_spool_t  spool;

    id = fixture_id(1);

    assert_int_equal(async_spool_create(&spool, f->store, &id,
                                        ASYNC_PAYLOAD_RESPONSE_BODY, &f->err),
                     ASYNC_OK);

    for (done = 0; done < len; done += part) {
        part = len - done < piece ? len - done : piece;
        assert_int_equal(async_spool_write(&spool, bytes + done, part,
                                           &f->err), ASYNC_OK);
    }

    assert_int_equal(async_spool_finish(&spool, &body, &f->err), ASYNC_OK);

    return body;
}


static async_rc_t
reopen(fixture_t *f, async_spool_reader_t *reader, const async_body_t *body)
{
    async_id_t  id;

    id = fixture_id(1);

    return async_spool_open(reader, f->store, &id,
                            ASYNC_PAYLOAD_RESPONSE_BODY, body, &f->err);
}


static async_rc_t
verify(fixture_t *f, const async_body_t *body)
{
    bool                   done;
    async_rc_t             rc;
    async_spool_reader_t   reader;

    rc = reopen(f, &reader, body);

    if (rc != ASYNC_OK) {
        return rc;
    }

    do {
        rc = async_spool_verify(&reader, 100000, &done);
    } while (rc == ASYNC_OK && !done);

    async_spool_close(&reader);

    return rc;
}


static void
file(fixture_t *f, char *path, size_t cap, struct stat *st)
{
    async_id_t  id;

    id = fixture_id(1);
    assert_true(async_spool_path(f->store, &id, ASYNC_PAYLOAD_RESPONSE_BODY,
                                 path, cap));
    assert_int_equal(stat(path, st), 0);
}


static void
round_trip(fixture_t *f, bool sealed)
{
    char                   *bytes, *buf, path[600];
    size_t                  i, k, at, len;
    struct stat             st;
    async_body_t            body;
    async_spool_reader_t    reader;
    static const size_t  sizes[] = { 0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1,
                                     2 * SEGMENT, 5 * SEGMENT + 777 };
    static const size_t  pieces[] = { 1000, SEGMENT, 3 * SEGMENT + 5 };

    bytes = pattern(5 * SEGMENT + 777);
    buf = malloc(5 * SEGMENT + 777);

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (k = 0; k < 3; k++) {
            body = spool(f, bytes, sizes[i], pieces[k]);

            assert_int_equal(body.len, sizes[i]);
            assert_int_equal(body.seal.used, sealed);

            file(f, path, sizeof(path), &st);
            assert_int_equal(st.st_size, async_body_stored(&body));
            assert_int_equal(st.st_size,
                             sizes[i] + (sealed ? (sizes[i] + SEGMENT - 1)
                                                  / SEGMENT * 16 : 0));
            assert_int_equal(verify(f, &body), ASYNC_OK);
            assert_int_equal(reopen(f, &reader, &body), ASYNC_OK);

            for (at = 0; at < sizes[i]; at += len) {
                len = sizes[i] - at < pieces[k] ? sizes[i] - at : pieces[k];
                assert_int_equal(async_spool_read(&reader, at, buf, len),
                                 ASYNC_OK);
                assert_memory_equal(buf, bytes + at, len);
            }

            /* and backwards, over the borders */

            for (at = sizes[i]; at > 70000; at -= 70000) {
                assert_int_equal(async_spool_read(&reader, at - 70000, buf,
                                                  70000), ASYNC_OK);
                assert_memory_equal(buf, bytes + at - 70000, 70000);
            }

            assert_int_equal(async_spool_read(&reader, sizes[i], buf, 1),
                             ASYNC_INVALID);
            assert_int_equal(async_spool_read(&reader, UINT64_MAX, buf, 1),
                             ASYNC_INVALID);
            async_spool_close(&reader);
            async_spool_close(&reader);
        }
    }

    free(bytes);
    free(buf);
}


static void
bodies_of_any_length_in_the_clear(void **state)
{
    round_trip(*state, false);
}


static void
bodies_of_any_length_encrypted(void **state)
{
    use_key(*state, 1);
    round_trip(*state, true);
}


static void
flip(const char *path, off_t at)
{
    int   fd;
    char  byte;

    fd = open(path, O_RDWR|O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}


static void
a_changed_byte_is_noticed(void **state)
{
    char                   *bytes, *buf, path[600];
    size_t                  i;
    unsigned                sealed;
    fixture_t              *f = *state;
    struct stat             st;
    async_body_t            body;
    async_spool_reader_t    reader;
    static const off_t  places[] = { 0, SEGMENT, STORED - 1, STORED,
                                     2 * STORED - 1, 2 * STORED };

    bytes = pattern(3 * SEGMENT);
    buf = malloc(3 * SEGMENT);

    for (sealed = 0; sealed < 2; sealed++) {
        body = spool(f, bytes, 3 * SEGMENT, SEGMENT);
        file(f, path, sizeof(path), &st);

        for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
            flip(path, places[i]);
            assert_int_equal(verify(f, &body), ASYNC_CORRUPT);

            if (sealed) {
                assert_int_equal(reopen(f, &reader, &body), ASYNC_OK);
                assert_int_equal(async_spool_read(&reader, 0, buf,
                                                  3 * SEGMENT),
                                 ASYNC_CORRUPT);

                /* the other segments are as they were */

                assert_int_equal(async_spool_read(&reader,
                                                  places[i] < STORED
                                                  ? SEGMENT : 0,
                                                  buf, SEGMENT), ASYNC_OK);
                async_spool_close(&reader);
            }

            flip(path, places[i]);
            assert_int_equal(verify(f, &body), ASYNC_OK);
        }

        use_key(f, 1);
    }

    free(bytes);
    free(buf);
}


static void
a_file_of_another_length_is_not_read(void **state)
{
    char                   *bytes, path[600], byte;
    fixture_t              *f = *state;
    struct stat             st;
    async_body_t            body, other;
    async_spool_reader_t    reader;

    use_key(f, 1);
    bytes = pattern(2 * SEGMENT);
    body = spool(f, bytes, 2 * SEGMENT, SEGMENT);
    file(f, path, sizeof(path), &st);

    /* a whole segment less, and a record that agrees: not the last one */

    assert_int_equal(truncate(path, STORED), 0);
    assert_int_equal(reopen(f, &reader, &body), ASYNC_CORRUPT);
    assert_int_equal(reader.fd, -1);
    other = body;
    other.len = SEGMENT;
    assert_int_equal(reopen(f, &reader, &other), ASYNC_OK);
    assert_int_equal(async_spool_read(&reader, 0, &byte, 1), ASYNC_CORRUPT);
    async_spool_close(&reader);

    assert_int_equal(truncate(path, st.st_size - 1), 0);
    assert_int_equal(reopen(f, &reader, &body), ASYNC_CORRUPT);
    assert_int_equal(truncate(path, st.st_size + 1), 0);
    assert_int_equal(reopen(f, &reader, &body), ASYNC_CORRUPT);

    /* shorter while it is read */

    body = spool(f, bytes, 2 * SEGMENT, SEGMENT);
    assert_int_equal(reopen(f, &reader, &body), ASYNC_OK);
    assert_int_equal(truncate(path, STORED), 0);
    assert_int_equal(async_spool_read(&reader, SEGMENT, &byte, 1),
                     ASYNC_CORRUPT);
    assert_int_equal(async_spool_read(&reader, 0, &byte, 1), ASYNC_OK);
    async_spool_close(&reader);

    assert_int_equal(unlink(path), 0);
    assert_int_equal(reopen(f, &reader, &body), ASYNC_NOT_FOUND);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(reopen(f, &reader, &body), ASYNC_NOT_FOUND);

    free(bytes);
}


static void
without_the_key_nothing_is_read(void **state)
{
    char                   *bytes;
    fixture_t              *f = *state;
    async_body_t            body;
    async_spool_reader_t    reader;

    use_key(f, 1);
    bytes = pattern(SEGMENT);
    body = spool(f, bytes, SEGMENT, SEGMENT);

    fixture_close(f);
    assert_int_equal(fixture_open_as(f, 256ull << 20, true), ASYNC_OK);
    use_key(f, 2);

    assert_int_equal(reopen(f, &reader, &body), ASYNC_NO_KEY);
    assert_int_equal(reader.fd, -1);

    free(bytes);
}


static void
what_is_adopted_is_encrypted_and_gone(void **state)
{
    int              fd;
    char            *bytes, *buf, from[600], path[600];
    size_t           i;
    unsigned         named;
    fixture_t       *f = *state;
    async_id_t       id;
    struct stat      st;
    async_body_t     body;
    async_spool_t    spool;
    async_spool_reader_t  reader;

    use_key(f, 1);
    id = fixture_id(1);
    bytes = pattern(300000);
    buf = malloc(300100);

    for (named = 0; named < 2; named++) {
        snprintf(from, sizeof(from), "%s/body", f->path);
        fd = open(from, O_RDWR|O_CREAT|O_TRUNC|O_CLOEXEC, 0600);
        assert_int_equal(write(fd, bytes, 300000), 300000);

        assert_int_equal(async_spool_adopt(&spool, f->store, &id,
                                           ASYNC_PAYLOAD_RESPONSE_BODY,
                                           named ? from : NULL, fd, &f->err),
                         ASYNC_OK);
        assert_int_equal(async_spool_finish(&spool, &body, &f->err),
                         ASYNC_OK);
        assert_int_equal(access(from, F_OK), named ? -1 : 0);
        assert_int_equal(body.len, 300000);
        assert_true(body.seal.used);
        close(fd);

        file(f, path, sizeof(path), &st);
        assert_int_equal(st.st_mode, S_IFREG|0600);
        fd = open(path, O_RDONLY|O_CLOEXEC);
        assert_int_equal(read(fd, buf, 300100), async_body_stored(&body));
        close(fd);
        assert_int_equal(body.crc, async_crc32c(0, buf, st.st_size));

        for (i = 0; i + 16 <= 300000; i += 16 * 1024) {
            assert_null(memmem(buf, (size_t) st.st_size, bytes + i, 16));
        }

        assert_int_equal(reopen(f, &reader, &body), ASYNC_OK);
        assert_int_equal(async_spool_read(&reader, 0, buf, 300000), ASYNC_OK);
        assert_memory_equal(buf, bytes, 300000);
        async_spool_close(&reader);
    }

    free(bytes);
    free(buf);
}


static void
a_spooled_body_decides_for_its_head(void **state)
{
    char            *bytes;
    size_t           len;
    uint8_t          buf[ASYNC_JOB_MAX];
    unsigned         i;
    fixture_t       *f = *state;
    async_id_t       id;
    async_job_t      job, found;
    async_body_t     body;
    async_event_t    event;
    async_spool_t    file;

    bytes = pattern(SEGMENT);

    /* plain, then the keys come; sealed, then they change */

    for (i = 1; i < 3; i++) {
        id = fixture_id(i);
        assert_int_equal(async_spool_create(&file, f->store, &id,
                                            ASYNC_PAYLOAD_REQUEST_BODY,
                                            &f->err), ASYNC_OK);
        assert_int_equal(async_spool_write(&file, bytes, SEGMENT, &f->err),
                         ASYNC_OK);
        assert_int_equal(async_spool_finish(&file, &body, &f->err), ASYNC_OK);

        use_key(f, (uint8_t) i);

        job = fixture_job(i);
        job.request = body;
        event = fixture_submitted(&job);
        assert_int_equal(fixture_event(f, &event), ASYNC_OK);

        found = fixture_look(f, &id, buf);
        assert_int_equal(found.request.seal.used, i == 2);
        assert_int_equal(found.request.crc, body.crc);
        assert_memory_equal(found.request.seal.salt, body.seal.salt,
                            ASYNC_SALT);
        assert_int_equal(async_view_head(f->view, &id, ASYNC_PAYLOAD_REQUEST,
                                         buf, sizeof(buf), &len), ASYNC_OK);
        assert_memory_equal(buf, fixture_head(ASYNC_RECORD_REQUEST).data,
                            len);
    }

    free(bytes);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        plain(bodies_of_any_length_in_the_clear),
        plain(bodies_of_any_length_encrypted),
        plain(a_changed_byte_is_noticed),
        plain(a_file_of_another_length_is_not_read),
        plain(without_the_key_nothing_is_read),
        plain(what_is_adopted_is_encrypted_and_gone),
        sound(a_spooled_body_decides_for_its_head)
    };

    return cmocka_run_group_tests_name("async_spool_reader", tests, NULL,
                                       NULL);
}
