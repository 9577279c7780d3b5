/*
 * The job record.
 */

#include "async_golden.h"
#include "async_job.h"


/*
 * A failed job of the queue "reports" at its second attempt, sealed, with
 * tag 40 and tag 300 of a version to come.  Written out, the first bytes:
 *
 *   41 4a  01  01  f0 01 00 00  86 be 34 84     AJ, job, 1, 496 bytes, crc
 *   06  09  23  01  03 00  f6 01                failed, 9, 35 %, error 1,
 *                                               flags, 502
 *   02 00 00 00  05 00 00 00  01 00 00 00       attempt 2 of 5, 1 death
 *   07 …  0b …  00 c5 b2 02 a2 01 00 00         epoch, seq, created
 */

static const char  golden[] =
    "414a0101f001000086be3484060923010300f601020000000500000001000000"
    "07000000000000000b0000000000000000c5b202a201000001c5b202a2010000"
    "10ecb202a201000039f5b202a2010000c8f7b202a2010000c87bbf26a2010000"
    "8877665544332211a0a1a2a3a4a5a6a7a8a9aaabacadaeaf0105000000000000"
    "004cbb719a020000000002000000efbeadde0100070000007265706f72747302"
    "00060000002f6a6f62732f030004000000504f535404000f0000002f7265706f"
    "7274733f793d3230323605000a00000070616765203720e29c9306000c000000"
    "687474703a2f2f682f722f31070019000000546865206261636b656e6420616e"
    "737765726564203530322e080020000000b0b1b2b3b4b5b6b7c0c1c2c3c4c5c6"
    "c7c8c9cacbcccdcecf4433221188776655090020000000d0d1d2d3d4d5d6d7e0"
    "e1e2e3e4e5e6e7e8e9eaebecedeeefccbbaa99000000000a0010000000f0f1f2"
    "f3f4f5f6f7f8f9fafbfcfdfeff0c000800000005040302010000000d00380000"
    "00202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e"
    "3f505152535455565758595a5b5c5d5e5f0021d907a20100000e002000000060"
    "6162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f28"
    "000500000001026e65772c0100000000";

#define LENGTH   496
#define UNKNOWN  17                 /* bytes of tags 40 and 300 */

static const async_id_t  id = {
    { 0x01, 0xa2, 0x02, 0xb2, 0xc5, 0x00, 0x7c, 0x3e,
      0x9d, 0x2f, 0x1b, 0x5e, 0x0c, 0x8a, 0x4d, 0x11 }
};


static void
make_job(async_job_t *job)
{
    memset(job, 0, sizeof(async_job_t));

    job->state = ASYNC_STATE_QUEUED;
    job->percent = ASYNC_NO_PERCENT;
    job->queue.data = "default";
    job->queue.len = 7;
}


static void
the_fixed_head_of_the_golden_job(void **state)
{
    size_t       len, i;
    uint8_t     *bytes;
    async_job_t  job;

    (void) state;

    bytes = async_golden_bytes(golden, &len);
    assert_int_equal(async_job_decode(&job, &id, bytes, len), ASYNC_OK);

    assert_memory_equal(job.id.bytes, id.bytes, 16);
    assert_int_equal(job.state, ASYNC_STATE_FAILED);
    assert_int_equal(job.priority, 9);
    assert_int_equal(job.percent, 35);
    assert_int_equal(job.error, ASYNC_JOB_ERROR_BACKEND_STATUS);
    assert_int_equal(job.flags,
                     ASYNC_JOB_REPEATABLE | ASYNC_JOB_CANCEL_WANTED);
    assert_int_equal(job.result_status, 502);
    assert_int_equal(job.attempt, 2);
    assert_int_equal(job.attempts_max, 5);
    assert_int_equal(job.deaths, 1);
    assert_int_equal(job.epoch, 7);
    assert_int_equal(job.seq, 11);
    assert_int_equal(job.created, 1795341600000);
    assert_int_equal(job.queued, 1795341600001);
    assert_int_equal(job.due, 1795341610000);
    assert_int_equal(job.started, 1795341612345);
    assert_int_equal(job.finished, 1795341613000);
    assert_int_equal(job.expires, 1795946413000);
    assert_int_equal(job.server, 0x1122334455667788);

    for (i = 0; i < 16; i++) {
        assert_int_equal(job.policy[i], 0xa0 + i);
    }

    assert_int_equal(job.request.where, ASYNC_BODY_CHUNKS);
    assert_int_equal(job.request.len, 5);
    assert_int_equal(job.request.crc, 0x9a71bb4c);
    assert_int_equal(job.response.where, ASYNC_BODY_SPOOL);
    assert_int_equal(job.response.len, 1ull << 33);
    assert_int_equal(job.response.crc, 0xdeadbeef);
    free(bytes);
}


static void
the_tags_of_the_golden_job(void **state)
{
    size_t       len;
    uint8_t     *bytes;
    async_job_t  job;

    (void) state;

    bytes = async_golden_bytes(golden, &len);
    assert_int_equal(async_job_decode(&job, &id, bytes, len), ASYNC_OK);

    assert_str(job.queue, "reports");
    assert_str(job.status_prefix, "/jobs/");
    assert_str(job.method, "POST");
    assert_str(job.uri, "/reports?y=2026");
    assert_str(job.message, "page 7 \xe2\x9c\x93");
    assert_str(job.resource, "http://h/r/1");
    assert_str(job.detail, "The backend answered 502.");
    assert_str(job.owner, "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7"
                          "\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff");
    assert_int_equal(len, LENGTH);
    assert_int_equal(job.unknown.len, UNKNOWN);
    assert_memory_equal(job.unknown.data, bytes + len - UNKNOWN, UNKNOWN);
    free(bytes);
}


static void
the_seals_of_the_golden_job(void **state)
{
    size_t       len, i;
    uint8_t     *bytes, buf[ASYNC_JOB_MAX];
    async_job_t  job;

    (void) state;

    bytes = async_golden_bytes(golden, &len);
    assert_int_equal(async_job_decode(&job, &id, bytes, len), ASYNC_OK);

    assert_true(job.request.seal.used);
    assert_true(job.response.seal.used);

    for (i = 0; i < ASYNC_KEY_ID; i++) {
        assert_int_equal(job.request.seal.key[i], 0xb0 + i);
        assert_int_equal(job.response.seal.key[i], 0xd0 + i);
    }

    for (i = 0; i < ASYNC_SALT; i++) {
        assert_int_equal(job.request.seal.salt[i], 0xc0 + i);
        assert_int_equal(job.response.seal.salt[i], 0xe0 + i);
    }

    assert_int_equal(job.request.seal.head_crc, 0x11223344);
    assert_int_equal(job.request.seal.capture_crc, 0x55667788);
    assert_int_equal(job.response.seal.head_crc, 0x99aabbcc);
    assert_int_equal(job.response.seal.capture_crc, 0);

    /* without one there is none */

    memset(&job.request.seal, 0, sizeof(async_seal_t));
    memset(&job.response.seal, 0, sizeof(async_seal_t));

    assert_int_equal(async_job_encode(&job, buf, sizeof(buf)),
                     len - 2 * (6 + 32));
    assert_int_equal(async_job_decode(&job, &id, buf, len - 2 * (6 + 32)),
                     ASYNC_OK);
    assert_false(job.request.seal.used);
    assert_false(job.response.seal.used);
    free(bytes);
}


static void
the_keys_of_the_golden_job(void **state)
{
    size_t       len, i;
    uint8_t     *bytes, buf[ASYNC_JOB_MAX];
    async_job_t  job;

    (void) state;

    bytes = async_golden_bytes(golden, &len);
    assert_int_equal(async_job_decode(&job, &id, bytes, len), ASYNC_OK);

    assert_int_equal(job.bucket, 0x0102030405);
    assert_true(job.idempotency.used);
    assert_true(job.coalesce.used);
    assert_int_equal(job.idempotency.expires, 1795428000000);

    for (i = 0; i < ASYNC_SUBMIT_HASH; i++) {
        assert_int_equal(job.idempotency.hash[i], 0x20 + i);
        assert_int_equal(job.coalesce.hash[i], 0x60 + i);
    }

    for (i = 0; i < ASYNC_SUBMIT_PRINT; i++) {
        assert_int_equal(job.idempotency.print[i], 0x50 + i);
    }

    /* without them it is as long as a job that never had any */

    job.bucket = 0;
    job.idempotency.used = false;
    job.coalesce.used = false;

    assert_int_equal(async_job_encode(&job, buf, sizeof(buf)),
                     len - 14 - 62 - 38);
    assert_int_equal(async_job_decode(&job, &id, buf, len - 14 - 62 - 38),
                     ASYNC_OK);
    assert_int_equal(job.bucket, 0);
    assert_false(job.idempotency.used);
    assert_false(job.coalesce.used);
    free(bytes);
}


static void
a_retry_names_the_other_job(void **state)
{
    size_t       len;
    uint8_t      buf[ASYNC_JOB_MAX];
    async_id_t   other;
    async_job_t  job, again;

    (void) state;

    other = id;
    other.bytes[15] = 0x12;

    make_job(&job);
    job.retry_of = id;
    job.retried_as = other;

    len = async_job_encode(&job, buf, sizeof(buf));
    assert_int_equal(async_job_decode(&again, &id, buf, len), ASYNC_OK);
    assert_memory_equal(&again.retry_of, &id, sizeof(id));
    assert_memory_equal(&again.retried_as, &other, sizeof(id));
    assert_false(again.request.seal.moved);

    job.request.seal.moved = true;
    job.request.seal.of = other;

    len = async_job_encode(&job, buf, sizeof(buf));
    assert_int_equal(async_job_decode(&again, &id, buf, len), ASYNC_OK);
    assert_memory_equal(&again.retry_of, &id, sizeof(id));
    assert_true(again.request.seal.moved);
    assert_memory_equal(&again.request.seal.of, &other, sizeof(id));

    /* the last tag: an id that is none, and one of another length */

    buf[len - 10] ^= 0xff;
    async_golden_seal(buf, len);
    assert_int_equal(async_job_decode(&again, &id, buf, len), ASYNC_CORRUPT);

    make_job(&job);
    len = async_job_encode(&job, buf, sizeof(buf));
    assert_int_equal(async_job_decode(&again, &id, buf, len), ASYNC_OK);
    assert_false(async_job_has(&again.retry_of));
    assert_false(async_job_has(&again.retried_as));
}


static void
a_decoded_job_encodes_to_the_same_bytes(void **state)
{
    size_t       len, cap;
    uint8_t     *bytes, buf[ASYNC_JOB_MAX];
    async_job_t  job;

    (void) state;

    bytes = async_golden_bytes(golden, &len);
    assert_int_equal(async_job_decode(&job, &id, bytes, len), ASYNC_OK);

    for (cap = 0; cap < len; cap++) {
        assert_int_equal(async_job_encode(&job, buf, cap), 0);
    }

    assert_int_equal(async_job_encode(&job, buf, len), len);
    assert_memory_equal(buf, bytes, len);
    free(bytes);
}


static void
unknown_tags_survive_a_change(void **state)
{
    size_t       len, out;
    uint8_t     *bytes, buf[ASYNC_JOB_MAX];
    async_job_t  job, again;

    (void) state;

    bytes = async_golden_bytes(golden, &len);
    assert_int_equal(async_job_decode(&job, &id, bytes, len), ASYNC_OK);

    job.message.len = 0;
    job.state = ASYNC_STATE_QUEUED;

    out = async_job_encode(&job, buf, sizeof(buf));
    assert_int_equal(out, len - 16);
    assert_int_equal(async_job_decode(&again, &id, buf, out), ASYNC_OK);
    assert_int_equal(again.message.len, 0);
    assert_str(again.detail, "The backend answered 502.");
    assert_int_equal(again.unknown.len, UNKNOWN);
    assert_memory_equal(again.unknown.data, bytes + len - UNKNOWN, UNKNOWN);
    free(bytes);
}


static async_rc_t
decode(const void *data, size_t len)
{
    async_job_t  job;

    return async_job_decode(&job, &id, data, len);
}


static void
damage_is_corrupt(void **state)
{
    (void) state;

    async_golden_damage(golden, decode);
}


/* sealed anew, so that only the job's own lengths and ranges can object */

static void
every_sealed_truncation_stays_inside(void **state)
{
    size_t    len, cut, whole;
    uint8_t  *bytes, *copy;

    (void) state;

    bytes = async_golden_bytes(golden, &len);
    whole = 0;

    for (cut = ASYNC_RECORD_HEADER; cut < len; cut++) {
        copy = malloc(cut);
        assert_non_null(copy);
        memcpy(copy, bytes, cut);
        async_golden_seal(copy, cut);
        whole += (decode(copy, cut) == ASYNC_OK);
        free(copy);
    }

    /* only a cut between two tags, after the queue's, leaves a record */

    assert_int_equal(whole, 14);
    free(bytes);
}


static async_rc_t
decode_with(size_t offset, uint8_t value)
{
    size_t      len;
    uint8_t    *bytes;
    async_rc_t  rc;

    bytes = async_golden_bytes(golden, &len);
    bytes[offset] = value;
    async_golden_seal(bytes, len);
    rc = decode(bytes, len);
    free(bytes);

    return rc;
}


static void
values_out_of_range_are_corrupt(void **state)
{
    (void) state;

    assert_int_equal(decode_with(12, ASYNC_STATE_NONE), ASYNC_CORRUPT);
    assert_int_equal(decode_with(12, ASYNC_STATE_CANCELED), ASYNC_OK);
    assert_int_equal(decode_with(12, ASYNC_STATE_MAX), ASYNC_CORRUPT);
    assert_int_equal(decode_with(13, 0), ASYNC_OK);
    assert_int_equal(decode_with(13, 10), ASYNC_CORRUPT);
    assert_int_equal(decode_with(14, 100), ASYNC_OK);
    assert_int_equal(decode_with(14, 101), ASYNC_CORRUPT);
    assert_int_equal(decode_with(14, 254), ASYNC_CORRUPT);
    assert_int_equal(decode_with(14, ASYNC_NO_PERCENT), ASYNC_OK);
    assert_int_equal(decode_with(15, 200), ASYNC_OK);
    assert_int_equal(decode_with(120, 0), ASYNC_OK);
    assert_int_equal(decode_with(120, 3), ASYNC_CORRUPT);
    assert_int_equal(decode_with(133, 3), ASYNC_CORRUPT);

    /* tag 1 becomes 0: no such tag, and the queue is gone */

    assert_int_equal(decode_with(146, 0), ASYNC_CORRUPT);

    /* tag 2 becomes 1 or 4, tag 300 becomes 44, tag 40 16: rising or not */

    assert_int_equal(decode_with(159, 1), ASYNC_CORRUPT);
    assert_int_equal(decode_with(159, 4), ASYNC_CORRUPT);
    assert_int_equal(decode_with(LENGTH - 6 + 1, 0), ASYNC_OK);
    assert_int_equal(decode_with(LENGTH - 17, 16), ASYNC_OK);
    assert_int_equal(decode_with(LENGTH - 17, 10), ASYNC_CORRUPT);
    assert_int_equal(decode_with(LENGTH - 17, 9), ASYNC_CORRUPT);
    assert_int_equal(decode_with(LENGTH - 17 + 1, 0xff), ASYNC_CORRUPT);

    /* a queue that would be another's figures */

    assert_int_equal(decode_with(146 + 6, 0), ASYNC_CORRUPT);

    /* keys, a bucket, an owner, and a seal, of another length */

    assert_int_equal(decode_with(LENGTH - 17 - 38 + 2, 31), ASYNC_CORRUPT);
    assert_int_equal(decode_with(LENGTH - 17 - 38 - 62 + 2, 55),
                     ASYNC_CORRUPT);
    assert_int_equal(decode_with(LENGTH - 17 - 38 - 62 - 14 + 2, 7),
                     ASYNC_CORRUPT);
    assert_int_equal(decode_with(LENGTH - 17 - 38 - 62 - 14 - 22 + 2, 15),
                     ASYNC_CORRUPT);
    assert_int_equal(decode_with(LENGTH - 17 - 38 - 62 - 14 - 22 - 38 + 2,
                                 31), ASYNC_CORRUPT);
}


static void
what_could_not_be_read_is_not_written(void **state)
{
    char         name[ASYNC_QUEUE_MAX + 1];
    size_t       len;
    uint8_t      buf[ASYNC_JOB_MAX];
    async_job_t  job, again;

    (void) state;

    memset(name, 'q', sizeof(name));

    make_job(&job);
    assert_true(async_job_encode(&job, buf, sizeof(buf)) > 0);

    job.queue.data = name;
    job.queue.len = ASYNC_QUEUE_MAX;
    len = async_job_encode(&job, buf, sizeof(buf));
    assert_int_equal(async_job_decode(&again, &id, buf, len), ASYNC_OK);
    assert_int_equal(again.queue.len, ASYNC_QUEUE_MAX);
    assert_int_equal(again.unknown.len, 0);

    job.queue.len = ASYNC_QUEUE_MAX + 1;
    assert_int_equal(async_job_encode(&job, buf, sizeof(buf)), 0);

    job.queue.len = 0;
    assert_int_equal(async_job_encode(&job, buf, sizeof(buf)), 0);

    make_job(&job);
    job.owner.data = name;
    job.owner.len = ASYNC_OWNER;
    len = async_job_encode(&job, buf, sizeof(buf));
    assert_int_equal(async_job_decode(&again, &id, buf, len), ASYNC_OK);
    assert_int_equal(again.owner.len, ASYNC_OWNER);

    job.owner.len = ASYNC_OWNER - 1;
    assert_int_equal(async_job_encode(&job, buf, sizeof(buf)), 0);

    job.owner.len = ASYNC_OWNER + 1;
    assert_int_equal(async_job_encode(&job, buf, sizeof(buf)), 0);

    make_job(&job);
    job.state = ASYNC_STATE_NONE;
    assert_int_equal(async_job_encode(&job, buf, sizeof(buf)), 0);

    make_job(&job);
    job.priority = 10;
    assert_int_equal(async_job_encode(&job, buf, sizeof(buf)), 0);
}


static void
a_dialect_other_than_native_is_one_byte(void **state)
{
    size_t       len, native, i;
    uint8_t      buf[ASYNC_JOB_MAX], other[ASYNC_JOB_MAX];
    async_job_t  job, again;

    static const uint8_t  tag[] = { 11, 0, 1, 0, 0, 0, ASYNC_DIALECT_ODATA };

    (void) state;

    make_job(&job);
    job.unknown.data = "\xc8\x00\x01\x00\x00\x00x";
    job.unknown.len = 7;
    native = async_job_encode(&job, other, sizeof(other));

    job.dialect = ASYNC_DIALECT_ODATA;
    len = async_job_encode(&job, buf, sizeof(buf));
    assert_int_equal(len, native + sizeof(tag));
    assert_memory_equal(buf + len - 7 - sizeof(tag), tag, sizeof(tag));

    assert_int_equal(async_job_decode(&again, &id, buf, len), ASYNC_OK);
    assert_int_equal(again.dialect, ASYNC_DIALECT_ODATA);
    assert_int_equal(again.unknown.len, 7);

    for (i = 0; i < len; i++) {
        assert_int_equal(async_job_decode(&again, &id, buf, i),
                         ASYNC_CORRUPT);
    }

    /* one of a newer version is carried along */

    job.dialect = 77;
    len = async_job_encode(&job, buf, sizeof(buf));
    assert_int_equal(async_job_decode(&again, &id, buf, len), ASYNC_OK);
    assert_int_equal(again.dialect, 77);

    /* native is never written, and so never read */

    job.unknown.data = "\x0b\x00\x01\x00\x00\x00\x00";
    job.dialect = ASYNC_DIALECT_NATIVE;
    len = async_job_encode(&job, buf, sizeof(buf));
    assert_int_equal(async_job_decode(&again, &id, buf, len), ASYNC_CORRUPT);

    job.unknown.data = "\x0b\x00\x02\x00\x00\x00\x01\x01";
    job.unknown.len = 8;
    len = async_job_encode(&job, buf, sizeof(buf));
    assert_int_equal(async_job_decode(&again, &id, buf, len), ASYNC_CORRUPT);
}


static void
what_was_reported_is_one_tag(void **state)
{
    size_t       len, i;
    uint8_t      buf[ASYNC_JOB_MAX];
    async_job_t  job, again;

    static const uint8_t  tag[] = {
        18, 0, 32, 0, 0, 0,
        7, 0, 0, 0, 0, 0, 0, 0,  9, 0, 0, 0, 0, 0, 0, 0,
        0x80, 0x91, 0x4e, 0x5a, 0xe0, 0x60, 6, 0,
        0xc5, 0xb2, 2, 0xa2, 1, 0, 0, 0
    };

    (void) state;

    make_job(&job);
    job.unknown.len = 0;
    job.reports.thinned = 7;
    job.reports.row = 9;
    job.reports.received = 0x660e05a4e9180;
    job.reports.pace = 0x1a202b2c5;

    len = async_job_encode(&job, buf, sizeof(buf));
    assert_memory_equal(buf + len - sizeof(tag), tag, sizeof(tag));

    assert_int_equal(async_job_decode(&again, &id, buf, len), ASYNC_OK);
    assert_memory_equal(&again.reports, &job.reports, sizeof(job.reports));

    for (i = 0; i < len; i++) {
        assert_int_equal(async_job_decode(&again, &id, buf, i),
                         ASYNC_CORRUPT);
    }

    /* of another length, and one that says nothing */

    memset(&job.reports, 0, sizeof(job.reports));
    job.unknown.data = "\x12\x00\x02\x00\x00\x00\x01\x01";
    job.unknown.len = 8;
    len = async_job_encode(&job, buf, sizeof(buf));
    assert_int_equal(async_job_decode(&again, &id, buf, len), ASYNC_CORRUPT);

    job.unknown.len = 0;
    len = async_job_encode(&job, buf, sizeof(buf));
    assert_int_equal(async_job_decode(&again, &id, buf, len), ASYNC_OK);
    assert_int_equal(again.reports.thinned + again.reports.row, 0);
}


static void
a_record_over_cap_is_not_written(void **state)
{
    char         text[ASYNC_JOB_MAX];
    uint8_t      buf[ASYNC_JOB_MAX];
    async_job_t  job;

    (void) state;

    memset(text, 'a', sizeof(text));

    make_job(&job);
    job.message.data = text;
    job.message.len = sizeof(text);
    assert_int_equal(async_job_encode(&job, buf, sizeof(buf)), 0);

    job.message.len = 1024;
    assert_true(async_job_encode(&job, buf, sizeof(buf)) > 1024);
}


static void
errors_have_their_names_on_the_wire(void **state)
{
    (void) state;

    assert_string_equal(async_job_error_name(ASYNC_JOB_ERROR_NONE), "");
    assert_string_equal(async_job_error_name(ASYNC_JOB_ERROR_BACKEND_STATUS),
                        "backend-status");
    assert_string_equal(
        async_job_error_name(ASYNC_JOB_ERROR_RESULT_TOO_LARGE),
        "result-too-large");
    assert_string_equal(async_job_error_name(ASYNC_JOB_ERROR_MAX), "");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(the_fixed_head_of_the_golden_job),
        cmocka_unit_test(the_tags_of_the_golden_job),
        cmocka_unit_test(the_seals_of_the_golden_job),
        cmocka_unit_test(the_keys_of_the_golden_job),
        cmocka_unit_test(a_retry_names_the_other_job),
        cmocka_unit_test(a_decoded_job_encodes_to_the_same_bytes),
        cmocka_unit_test(unknown_tags_survive_a_change),
        cmocka_unit_test(damage_is_corrupt),
        cmocka_unit_test(every_sealed_truncation_stays_inside),
        cmocka_unit_test(values_out_of_range_are_corrupt),
        cmocka_unit_test(what_could_not_be_read_is_not_written),
        cmocka_unit_test(a_dialect_other_than_native_is_one_byte),
        cmocka_unit_test(what_was_reported_is_one_tag),
        cmocka_unit_test(a_record_over_cap_is_not_written),
        cmocka_unit_test(errors_have_their_names_on_the_wire)
    };

    return cmocka_run_group_tests_name("async_job", tests, NULL, NULL);
}
