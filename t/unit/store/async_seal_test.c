/*
 * A store with keys: what lies in it, and what it gives back.
 */

#include "async_fixture.h"


#define MARKER  "xyzzy-plain-marker-xyzzy"


static void
use_keys(fixture_t *f, bool encrypts, unsigned n, const uint8_t *seeds)
{
    unsigned      i, k;
    async_keys_t  keys;

    memset(&keys, 0, sizeof(keys));
    keys.n = n;
    keys.encrypts = encrypts;

    for (i = 0; i < n; i++) {
        for (k = 0; k < ASYNC_SECRET; k++) {
            keys.secrets[i].bytes[k] = (uint8_t) (seeds[i] + k);
        }

        memset(keys.secrets[i].id, seeds[i], ASYNC_KEY_ID);
    }

    assert_int_equal(async_store_use_keys(f->store, &keys), ASYNC_OK);
}

#define keys(f, encrypts, ...)                                               \
    use_keys(f, encrypts, sizeof((uint8_t []) { __VA_ARGS__ }),              \
             (const uint8_t []) { __VA_ARGS__ })


/* as another process would find it, which has only these keys */

static void
open_again(fixture_t *f)
{
    fixture_close(f);
    assert_int_equal(fixture_open_as(f, 256ull << 20, true), ASYNC_OK);
}


static char *
marked(size_t len)
{
    char    *bytes;
    size_t   i;

    bytes = malloc(len + 1);
    assert_non_null(bytes);

    for (i = 0; i < len; i++) {
        bytes[i] = MARKER[i % (sizeof(MARKER) - 1)];
    }

    return bytes;
}


static async_job_t
submit(fixture_t *f, unsigned n, size_t head, const char *bytes, size_t len)
{
    uint8_t       *buf;
    async_job_t    job;
    async_event_t  event;

    buf = malloc(head + 64);
    job = fixture_job(n);
    job.request.len = len;
    job.request.crc = async_crc32c(0, bytes, len);

    event = fixture_submitted(&job);
    event.payload.head = fixture_record(buf, head + 64, ASYNC_RECORD_REQUEST,
                                        head);
    event.payload.body.data = bytes;
    event.payload.body.len = len;

    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    free(buf);

    return job;
}


/* no row of payload holds the words */

static void
assert_hidden(fixture_t *f)
{
    MDB_txn     *txn;
    MDB_val      k, v;
    MDB_cursor  *cursor;

    assert_int_equal(mdb_txn_begin(f->store->env, NULL, MDB_RDONLY, &txn), 0);
    assert_int_equal(mdb_cursor_open(txn, f->store->dbi[ASYNC_DB_PAYLOAD],
                                     &cursor), 0);

    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
        assert_true(v.mv_size <= ASYNC_CHUNK);
        assert_null(memmem(v.mv_data, v.mv_size, "xyzzy", 5));
        assert_null(memmem(v.mv_data, v.mv_size, "xxxxx", 5));
        assert_true(v.mv_size < 4 || memcmp(v.mv_data, "AJ", 2) != 0
                    || ((uint8_t *) v.mv_data)[3] != ASYNC_RECORD_VERSION);
    }

    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
}


static void
assert_body(fixture_t *f, const async_id_t *id, async_payload_kind_t kind,
    const char *bytes, size_t len)
{
    uint8_t  *buf;

    buf = malloc(len + 1);
    assert_int_equal(async_view_body(f->view, id, kind, 0, buf, len),
                     ASYNC_OK);
    assert_memory_equal(buf, bytes, len);
    free(buf);
}


static void
bodies_and_heads_of_any_length(void **state)
{
    char        *bytes;
    size_t       i, len;
    uint8_t     *buf, *record, jobbuf[ASYNC_JOB_MAX];
    fixture_t   *f = *state;
    async_id_t   id;
    async_job_t  job;
    async_str_t  head;
    static const size_t  sizes[] = { 0, 1, 4063, 4064, 4065, 4080, 8128,
                                     8129, 100000, ASYNC_CHUNKED_MAX };
    static const size_t  fills[] = { 0, 100, 4064 - 18, 4064 - 17, 4064 - 19,
                                     4080 - 18, 2 * 4064 - 18, 70000, 5, 6 };

    keys(f, true, 1);
    bytes = marked(ASYNC_CHUNKED_MAX);
    buf = malloc(100000);
    record = malloc(100000);

    for (i = 0; i < 10; i++) {
        submit(f, (unsigned) i, fills[i], bytes, sizes[i]);
        id = fixture_id((unsigned) i);

        assert_body(f, &id, ASYNC_PAYLOAD_REQUEST_BODY, bytes, sizes[i]);

        head = fixture_record(record, 100000, ASYNC_RECORD_REQUEST, fills[i]);
        assert_int_equal(async_view_head(f->view, &id, ASYNC_PAYLOAD_REQUEST,
                                         buf, head.len - 1, &len),
                         ASYNC_NO_SPACE);
        assert_int_equal(len, head.len);
        assert_int_equal(async_view_head(f->view, &id, ASYNC_PAYLOAD_REQUEST,
                                         buf, head.len, &len), ASYNC_OK);
        assert_int_equal(len, head.len);
        assert_memory_equal(buf, head.data, len);

        head = fixture_head(ASYNC_RECORD_CAPTURE);
        assert_int_equal(async_view_head(f->view, &id, ASYNC_PAYLOAD_CAPTURE,
                                         buf, 100000, &len), ASYNC_OK);
        assert_int_equal(len, head.len);
        assert_memory_equal(buf, head.data, len);

        job = fixture_look(f, &id, jobbuf);
        assert_true(job.request.seal.used);
        assert_int_equal(job.request.seal.key[0], 1);
        assert_int_equal(job.request.len, sizes[i]);
        assert_false(job.response.seal.used);
    }

    assert_hidden(f);
    free(bytes);
    free(buf);
    free(record);
}


static void
a_body_can_be_read_in_any_pieces(void **state)
{
    char        *bytes;
    size_t       len, offset;
    uint8_t      buf[9000];
    unsigned     i;
    fixture_t   *f = *state;
    async_id_t   id;
    static const size_t  pieces[] = { 1, 1000, 4063, 4064, 4065, 4080, 9000 };

    keys(f, true, 1);
    len = 5 * 4064 + 123;
    bytes = marked(len);
    submit(f, 1, 8, bytes, len);
    id = fixture_id(1);

    for (i = 0; i < 7; i++) {
        for (offset = i; offset + pieces[i] <= len; offset += 777) {
            assert_int_equal(async_view_body(f->view, &id,
                                             ASYNC_PAYLOAD_REQUEST_BODY,
                                             offset, buf, pieces[i]),
                             ASYNC_OK);
            assert_memory_equal(buf, bytes + offset, pieces[i]);
        }
    }

    assert_int_equal(async_view_body(f->view, &id, ASYNC_PAYLOAD_REQUEST_BODY,
                                     len - 1, buf, 2), ASYNC_CORRUPT);
    assert_int_equal(async_view_body(f->view, &id, ASYNC_PAYLOAD_REQUEST_BODY,
                                     6 * 4064, buf, 1), ASYNC_NOT_FOUND);
    free(bytes);
}


static void
a_response_has_a_seal_of_its_own(void **state)
{
    char           *bytes;
    uint8_t         buf[ASYNC_JOB_MAX];
    fixture_t      *f = *state;
    async_job_t     job;
    async_event_t   event;

    keys(f, true, 1);
    fixture_submit_all(f, 1, 2);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 2), 2);
    assert_true(f->claims[0].job.request.seal.used);

    bytes = marked(10000);
    event = fixture_completed(&f->claims[0].job);
    event.response.len = 10000;
    event.payload.body.data = bytes;
    event.payload.body.len = 10000;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    job = fixture_look(f, &f->claims[0].job.id, buf);
    assert_true(job.response.seal.used);
    assert_memory_not_equal(job.response.seal.salt,
                            f->claims[0].job.request.seal.salt, ASYNC_SALT);
    assert_int_equal(job.response.len, 10000);
    assert_body(f, &job.id, ASYNC_PAYLOAD_RESPONSE_BODY, bytes, 10000);

    /* one that failed without an answer has nothing to seal */

    event = fixture_about(ASYNC_EVENT_FAILED, &f->claims[1].job);
    event.error = ASYNC_JOB_ERROR_TIMEOUT;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    job = fixture_look(f, &f->claims[1].job.id, buf);
    assert_true(job.request.seal.used);
    assert_false(job.response.seal.used);

    assert_hidden(f);
    free(bytes);
}


static void
an_event_that_is_wrong_stays_wrong(void **state)
{
    fixture_t      *f = *state;
    async_job_t     job;
    async_event_t   events[3];

    keys(f, true, 1);
    job = fixture_job(1);

    events[0] = fixture_submitted(&job);
    events[0].payload.body.len = 3;
    events[1] = fixture_submitted(&job);
    events[2] = fixture_submitted(&job);
    events[2].job = NULL;

    assert_int_equal(fixture_apply(f, events, 3), ASYNC_OK);
    assert_int_equal(events[0].rc, ASYNC_INVALID);
    assert_int_equal(events[1].rc, ASYNC_OK);
    assert_int_equal(events[2].rc, ASYNC_INVALID);

    /* the caller's are as they were */

    assert_ptr_equal(events[1].job, &job);
    assert_false(job.request.seal.used);
    assert_memory_equal(events[1].payload.body.data, "body", 4);
}


static void
damage_is_refused_and_found_without_a_key(void **state)
{
    char                   *bytes;
    size_t                  len, got;
    uint8_t                 row[ASYNC_CHUNK + 1], *buf;
    unsigned                kind, n;
    fixture_t              *f = *state;
    async_id_t              id;
    async_key_t             key, next;
    async_rc_t              rc;
    async_check_figures_t   figures;

    keys(f, true, 1);
    bytes = marked(3 * 4064);
    buf = malloc(3 * 4064);
    submit(f, 1, 5000, bytes, 3 * 4064);
    id = fixture_id(1);

    for (kind = ASYNC_PAYLOAD_REQUEST; kind <= ASYNC_PAYLOAD_REQUEST_BODY;
         kind++)
    {
        for (n = 0; n < (kind == ASYNC_PAYLOAD_CAPTURE ? 1u : 2u); n++) {
            open_again(f);
            async_key_payload(&key, &id, kind, n);
            len = fixture_value(f, &key, row, sizeof(row));
            row[len / 2] ^= 1;
            fixture_overwrite(f, &key, row, len);

            assert_int_equal(async_store_check(f->store, &figures,
                                               fixture_check_fault, NULL,
                                               NULL, &f->err), ASYNC_OK);
            assert_int_equal(figures.faults, 1);

            keys(f, true, 1);
            rc = kind == ASYNC_PAYLOAD_REQUEST_BODY
                 ? async_view_body(f->view, &id, kind, 0, buf, 3 * 4064)
                 : async_view_head(f->view, &id, kind, buf, 3 * 4064, &got);
            assert_int_equal(rc, ASYNC_CORRUPT);

            row[len / 2] ^= 1;
            fixture_overwrite(f, &key, row, len);
        }
    }

    /* two pieces that have changed places, and an end that is missing */

    async_key_payload(&key, &id, ASYNC_PAYLOAD_REQUEST_BODY, 0);
    async_key_payload(&next, &id, ASYNC_PAYLOAD_REQUEST_BODY, 1);
    len = fixture_value(f, &next, row, sizeof(row));
    fixture_overwrite(f, &key, row, len);
    assert_int_equal(async_view_body(f->view, &id, ASYNC_PAYLOAD_REQUEST_BODY,
                                     0, buf, 4064), ASYNC_CORRUPT);

    async_key_payload(&key, &id, ASYNC_PAYLOAD_REQUEST, 1);
    fixture_overwrite(f, &key, NULL, 0);
    assert_int_equal(async_view_head(f->view, &id, ASYNC_PAYLOAD_REQUEST, buf,
                                     3 * 4064, &got), ASYNC_CORRUPT);

    free(bytes);
    free(buf);
}


static void
keys_rotate_and_go(void **state)
{
    size_t       len;
    uint8_t      buf[ASYNC_JOB_MAX];
    fixture_t   *f = *state;
    async_id_t   id[4];
    async_job_t  job;
    unsigned     i;

    for (i = 0; i < 4; i++) {
        id[i] = fixture_id(i);
    }

    fixture_submit_all(f, 0, 1);
    assert_false(async_store_encrypts(f->store));
    keys(f, true, 1);
    assert_true(async_store_encrypts(f->store));
    fixture_submit_all(f, 1, 1);
    keys(f, true, 2, 1);
    fixture_submit_all(f, 2, 1);
    keys(f, false, 2, 1);
    assert_false(async_store_encrypts(f->store));
    fixture_submit_all(f, 3, 1);

    for (i = 0; i < 4; i++) {
        job = fixture_look(f, &id[i], buf);
        assert_int_equal(job.request.seal.used, i == 1 || i == 2);
        assert_int_equal(job.request.seal.key[0], i % 3);
        assert_body(f, &id[i], ASYNC_PAYLOAD_REQUEST_BODY, "body", 4);
    }

    open_again(f);
    keys(f, true, 2);

    for (i = 0; i < 4; i++) {
        job = fixture_look(f, &id[i], buf);
        assert_int_equal(async_store_unlocks(f->store, &job.request.seal),
                         i != 1);
        assert_int_equal(async_view_body(f->view, &id[i],
                                         ASYNC_PAYLOAD_REQUEST_BODY, 0, buf,
                                         4),
                         i != 1 ? ASYNC_OK : ASYNC_NO_KEY);
        assert_int_equal(async_view_head(f->view, &id[i],
                                         ASYNC_PAYLOAD_REQUEST, buf,
                                         sizeof(buf), &len),
                         i != 1 ? ASYNC_OK : ASYNC_NO_KEY);
    }

    /* an id that is right does not make a key right */

    open_again(f);
    keys(f, true, 9);
    memset(f->store->ring->keys.secrets[0].id, 1, ASYNC_KEY_ID);
    assert_int_equal(async_view_body(f->view, &id[1],
                                     ASYNC_PAYLOAD_REQUEST_BODY, 0, buf, 4),
                     ASYNC_CORRUPT);
}


static void
the_same_keys_again_take_no_memory(void **state)
{
    unsigned           i;
    fixture_t         *f = *state;
    async_key_ring_t  *ring;

    keys(f, true, 1);
    ring = f->store->ring;

    for (i = 0; i < 100; i++) {
        keys(f, true, 1);
    }

    assert_ptr_equal(f->store->ring, ring);
    keys(f, false, 1);
    assert_ptr_not_equal(f->store->ring, ring);
    assert_ptr_equal(f->store->ring->before, ring);
}


/* --- claims --- */

static unsigned
claim(fixture_t *f, async_claim_request_t *request)
{
    async_batch_t  batch;

    memset(&batch, 0, sizeof(batch));
    memset(request, 0, sizeof(async_claim_request_t));

    request->epoch = f->epoch;
    request->claims = f->claims;
    request->max = 8;
    batch.claim = request;
    batch.now = f->now;

    assert_int_equal(async_store_apply(f->store, &batch, &f->err), ASYNC_OK);

    return request->n;
}


static void
jobs_without_their_key_wait(void **state)
{
    uint8_t                 buf[ASYNC_JOB_MAX];
    fixture_t              *f = *state;
    async_id_t              id;
    async_job_t             job;
    async_claim_request_t   request;

    keys(f, true, 1);
    fixture_submit_all(f, 1, 2);
    keys(f, true, 2);
    fixture_submit_all(f, 3, 1);
    open_again(f);
    fixture_take_over(f);
    keys(f, true, 2);

    assert_int_equal(claim(f, &request), 1);
    id = fixture_id(3);
    assert_memory_equal(&f->claims[0].job.id, &id, sizeof(id));
    assert_int_equal(request.locked, 2);
    assert_int_equal(request.locked_key[0], 1);
    assert_int_equal(request.next_due, f->now + 10000);

    id = fixture_id(1);
    job = fixture_look(f, &id, buf);
    assert_int_equal(job.state, ASYNC_STATE_QUEUED);
    assert_int_equal(job.attempt, 0);
    assert_int_equal(job.seq, 1);
    assert_true(job.flags & ASYNC_JOB_PARKED);
    fixture_assert_sound(f);

    /* nobody looks at them before their time; then with the key they run */

    assert_int_equal(claim(f, &request), 0);
    assert_int_equal(request.locked, 0);

    f->now += 10000;
    assert_int_equal(claim(f, &request), 0);
    assert_int_equal(request.locked, 2);

    keys(f, true, 2, 1);
    f->now += 10000;
    assert_int_equal(claim(f, &request), 2);
    assert_memory_equal(&f->claims[0].job.id, &id, sizeof(id));
    assert_int_equal(f->claims[0].job.seq, 2);
    assert_int_equal(request.locked, 0);
}


/* --- paths --- */

static void
the_paths_of_key_files_go_through_the_store(void **state)
{
    fixture_t          *f = *state;
    async_key_t         key;
    async_key_files_t   files, found;

    memset(&files, 0, sizeof(files));
    assert_int_equal(async_store_key_files(f->store, &found),
                     ASYNC_NOT_FOUND);

    /* who has none writes nothing */

    files.loaded = 5;
    assert_int_equal(async_store_publish_keys(f->store, &files, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_store_key_files(f->store, &found),
                     ASYNC_NOT_FOUND);

    files.loaded = 10;
    files.encrypts = true;
    files.n = 2;
    strcpy(files.paths[0], "/etc/one");
    memset(files.paths[1], 'p', ASYNC_KEY_PATH - 1);
    memset(files.ids[1], 7, ASYNC_KEY_ID);

    assert_int_equal(async_store_publish_keys(f->store, &files, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_store_key_files(f->store, &found), ASYNC_OK);
    assert_memory_equal(&found, &files, sizeof(files));

    /* an older start of nginx has no say, a newer one has */

    files.loaded = 9;
    files.n = 1;
    assert_int_equal(async_store_publish_keys(f->store, &files, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_store_key_files(f->store, &found), ASYNC_OK);
    assert_int_equal(found.n, 2);

    memset(&files, 0, sizeof(files));
    files.loaded = 11;
    assert_int_equal(async_store_publish_keys(f->store, &files, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_store_key_files(f->store, &found), ASYNC_OK);
    assert_int_equal(found.n, 0);
    assert_false(found.encrypts);
    fixture_assert_sound(f);

    async_key_keys(&key);
    fixture_overwrite(f, &key, "damage", 6);
    assert_int_equal(async_store_key_files(f->store, &found), ASYNC_CORRUPT);
    assert_int_equal(async_store_publish_keys(f->store, &files, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_store_key_files(f->store, &found), ASYNC_OK);
}


/* what a batch is told of the jobs that there were comes through the copy */

static void
who_asks_again_gets_the_id_of_his_job(void **state)
{
    fixture_t      *f = *state;
    async_id_t      id;
    async_job_t     jobs[2];
    async_event_t   events[2];

    keys(f, true, 1);

    for (unsigned i = 0; i < 2; i++) {
        jobs[i] = fixture_job(1 + i);
        events[i] = fixture_submitted(&jobs[i]);
        events[i].idempotency.used = true;
        memset(events[i].idempotency.hash, 'k', ASYNC_SUBMIT_HASH);
    }

    assert_int_equal(fixture_apply(f, events, 2), ASYNC_OK);
    assert_int_equal(events[0].rc, ASYNC_OK);
    assert_int_equal(events[1].rc, ASYNC_EXISTS);

    id = fixture_id(1);
    assert_memory_equal(&events[1].id, &id, sizeof(id));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(bodies_and_heads_of_any_length),
        sound(a_body_can_be_read_in_any_pieces),
        sound(a_response_has_a_seal_of_its_own),
        sound(an_event_that_is_wrong_stays_wrong),
        plain(damage_is_refused_and_found_without_a_key),
        sound(keys_rotate_and_go),
        sound(the_same_keys_again_take_no_memory),
        sound(jobs_without_their_key_wait),
        sound(who_asks_again_gets_the_id_of_his_job),
        sound(the_paths_of_key_files_go_through_the_store)
    };

    return cmocka_run_group_tests_name("async_seal", tests, NULL, NULL);
}
