/*
 * Heads and bodies that lie in chunks.
 */

#include "async_fixture.h"


#define CHUNK  ASYNC_CHUNK


/* bytes in which a chunk out of its order would show */

static char *
pattern(size_t len)
{
    char    *bytes;
    size_t   i;

    bytes = malloc(len + 1);
    assert_non_null(bytes);

    for (i = 0; i < len; i++) {
        bytes[i] = (char) (i * 131 + i / 251);
    }

    return bytes;
}


static void
submit(fixture_t *f, unsigned n, async_str_t head, const char *body,
    size_t len)
{
    async_job_t    job;
    async_event_t  event;

    job = fixture_job(n);
    job.request.len = len;
    job.request.crc = async_crc32c(0, body, len);

    event = fixture_submitted(&job);
    event.payload.head = head;
    event.payload.body = (async_str_t) { body, len };

    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
}


static void
bodies_of_any_length_come_back_whole(void **state)
{
    char                *body;
    uint8_t             *buf;
    unsigned             i;
    fixture_t           *f = *state;
    async_id_t           id;
    static const size_t  sizes[] = {
        0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7,
        ASYNC_CHUNKED_MAX - 1, ASYNC_CHUNKED_MAX
    };

    buf = malloc(ASYNC_CHUNKED_MAX);
    body = pattern(ASYNC_CHUNKED_MAX);

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        submit(f, i, fixture_head(ASYNC_RECORD_REQUEST), body, sizes[i]);

        id = fixture_id(i);
        memset(buf, 0, ASYNC_CHUNKED_MAX);
        assert_int_equal(async_view_body(f->view, &id,
                                         ASYNC_PAYLOAD_REQUEST_BODY, 0, buf,
                                         sizes[i]), ASYNC_OK);
        assert_memory_equal(buf, body, sizes[i]);
    }

    free(body);
    free(buf);
}


static void
a_body_can_be_read_in_any_pieces(void **state)
{
    char        *body;
    uint8_t      buf[2 * CHUNK];
    size_t       len, offset;
    unsigned     i;
    fixture_t   *f = *state;
    async_id_t   id;
    static const size_t  pieces[] = { 1, 1000, CHUNK - 1, CHUNK, CHUNK + 1,
                                      2 * CHUNK };

    len = 5 * CHUNK + 123;
    body = pattern(len);
    submit(f, 1, fixture_head(ASYNC_RECORD_REQUEST), body, len);
    id = fixture_id(1);

    for (i = 0; i < 6; i++) {
        for (offset = i; offset + pieces[i] <= len; offset += 777) {
            assert_int_equal(async_view_body(f->view, &id,
                                             ASYNC_PAYLOAD_REQUEST_BODY,
                                             offset, buf, pieces[i]),
                             ASYNC_OK);
            assert_memory_equal(buf, body + offset, pieces[i]);
        }
    }

    /* past the end */

    assert_int_equal(async_view_body(f->view, &id, ASYNC_PAYLOAD_REQUEST_BODY,
                                     len - 1, buf, 2), ASYNC_CORRUPT);
    assert_int_equal(async_view_body(f->view, &id, ASYNC_PAYLOAD_REQUEST_BODY,
                                     6 * CHUNK, buf, 1), ASYNC_NOT_FOUND);
    assert_int_equal(async_view_body(f->view, &id, ASYNC_PAYLOAD_REQUEST_BODY,
                                     UINT64_MAX, buf, 2), ASYNC_INVALID);
    assert_int_equal(async_view_body(f->view, &id, ASYNC_PAYLOAD_REQUEST_BODY,
                                     ASYNC_CHUNKED_MAX, buf, 1),
                     ASYNC_INVALID);

    free(body);
}


static void
heads_of_any_length_come_back_whole(void **state)
{
    size_t       len, i;
    uint8_t     *buf, *record;
    fixture_t   *f = *state;
    async_id_t   id;
    async_str_t  head;
    static const size_t  fills[] = { 0, 100, CHUNK - 18, CHUNK - 19, CHUNK,
                                     2 * CHUNK - 18, 70000 };

    buf = malloc(100000);
    record = malloc(100000);

    for (i = 0; i < sizeof(fills) / sizeof(fills[0]); i++) {
        head = fixture_record(record, 100000, ASYNC_RECORD_REQUEST, fills[i]);
        submit(f, (unsigned) i, head, "body", 4);
        id = fixture_id((unsigned) i);

        assert_int_equal(async_view_head(f->view, &id, ASYNC_PAYLOAD_REQUEST,
                                         buf, 100000, &len), ASYNC_OK);
        assert_int_equal(len, head.len);
        assert_memory_equal(buf, head.data, len);

        /* too little room: how much it wants */

        assert_int_equal(async_view_head(f->view, &id, ASYNC_PAYLOAD_REQUEST,
                                         buf, head.len - 1, &len),
                         ASYNC_NO_SPACE);
        assert_int_equal(len, head.len);
        assert_int_equal(async_view_head(f->view, &id, ASYNC_PAYLOAD_REQUEST,
                                         buf, head.len, &len), ASYNC_OK);
    }

    free(buf);
    free(record);
}


static void
the_kinds_of_a_job_do_not_mix(void **state)
{
    size_t       len;
    uint8_t      buf[64];
    fixture_t   *f = *state;
    async_id_t   id;
    async_str_t  capture;

    fixture_submit_all(f, 1, 2);
    id = fixture_id(1);

    capture = fixture_head(ASYNC_RECORD_CAPTURE);
    assert_int_equal(async_view_head(f->view, &id, ASYNC_PAYLOAD_CAPTURE, buf,
                                     sizeof(buf), &len), ASYNC_OK);
    assert_int_equal(len, capture.len);
    assert_memory_equal(buf, capture.data, len);

    assert_int_equal(async_view_head(f->view, &id, ASYNC_PAYLOAD_RESPONSE,
                                     buf, sizeof(buf), &len),
                     ASYNC_NOT_FOUND);
    assert_int_equal(async_view_body(f->view, &id,
                                     ASYNC_PAYLOAD_RESPONSE_BODY, 0, buf, 1),
                     ASYNC_NOT_FOUND);

    id = fixture_id(3);
    assert_int_equal(async_view_head(f->view, &id, ASYNC_PAYLOAD_REQUEST, buf,
                                     sizeof(buf), &len), ASYNC_NOT_FOUND);
}


static void
damage_to_chunks_is_told_of(void **state)
{
    char        *body;
    size_t       len, got;
    uint8_t     *buf, big[CHUNK + 1];
    fixture_t   *f = *state;
    async_id_t   id;
    async_key_t  key;

    len = 3 * CHUNK;
    body = pattern(len);
    buf = malloc(len);
    id = fixture_id(1);

    submit(f, 1, fixture_head(ASYNC_RECORD_REQUEST), body, len);

    async_key_payload(&key, &id, ASYNC_PAYLOAD_REQUEST_BODY, 1);

    fixture_overwrite(f, &key, body, CHUNK - 1);
    assert_int_equal(async_view_body(f->view, &id, ASYNC_PAYLOAD_REQUEST_BODY,
                                     0, buf, len), ASYNC_CORRUPT);

    memset(big, 0, sizeof(big));
    fixture_overwrite(f, &key, big, sizeof(big));
    assert_int_equal(async_view_body(f->view, &id, ASYNC_PAYLOAD_REQUEST_BODY,
                                     0, buf, len), ASYNC_CORRUPT);

    fixture_overwrite(f, &key, NULL, 0);
    assert_int_equal(async_view_body(f->view, &id, ASYNC_PAYLOAD_REQUEST_BODY,
                                     0, buf, len), ASYNC_NOT_FOUND);

    /* the rest of it, and other jobs, can still be read */

    assert_int_equal(async_view_body(f->view, &id, ASYNC_PAYLOAD_REQUEST_BODY,
                                     2 * CHUNK, buf, CHUNK), ASYNC_OK);

    async_key_payload(&key, &id, ASYNC_PAYLOAD_REQUEST, 0);
    fixture_overwrite(f, &key, big, sizeof(big));
    assert_int_equal(async_view_head(f->view, &id, ASYNC_PAYLOAD_REQUEST, buf,
                                     len, &got), ASYNC_CORRUPT);

    free(body);
    free(buf);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(bodies_of_any_length_come_back_whole),
        sound(a_body_can_be_read_in_any_pieces),
        sound(heads_of_any_length_come_back_whole),
        sound(the_kinds_of_a_job_do_not_mix),
        plain(damage_to_chunks_is_told_of)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
