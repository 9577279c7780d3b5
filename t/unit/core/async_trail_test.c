/*
 * The record of a line of history.
 */

#include "async_golden.h"
#include "async_job.h"
#include "async_trail.h"


/* failed after 502 at the second attempt, which took 655 ms, by "worker" */

static const char  golden[] =
    "414a050126000000f66d616a09060102f60102000000c8f7b202a20100008f02"
    "000000000000";

/* the same as it was written once, and is where somebody else is named */

static const char  named[] =
    "414a0501320000004939bee709060100f60102000000c8f7b202a20100008f02"
    "000000000000010006000000776f726b6572";


static void
the_golden_line(void **state)
{
    size_t         len;
    uint8_t       *bytes, buf[ASYNC_TRAIL_MAX];
    async_trail_t  t;

    (void) state;

    bytes = async_golden_bytes(golden, &len);
    assert_int_equal(async_trail_decode(&t, bytes, len), ASYNC_OK);

    assert_int_equal(t.event, ASYNC_EVENT_FAILED);
    assert_int_equal(t.state, ASYNC_STATE_FAILED);
    assert_int_equal(t.error, ASYNC_JOB_ERROR_BACKEND_STATUS);
    assert_int_equal(t.status, 502);
    assert_int_equal(t.attempt, 2);
    assert_int_equal(t.at, 1795341613000);
    assert_int_equal(t.duration, 655);
    assert_str(t.by, "worker");

    assert_int_equal(async_trail_encode(&t, buf, len - 1), 0);
    assert_int_equal(async_trail_encode(&t, buf, sizeof(buf)), len);
    assert_memory_equal(buf, bytes, len);
    free(bytes);
}


static void
a_line_says_by_whom(void **state)
{
    size_t         len;
    uint8_t       *bytes, buf[ASYNC_TRAIL_MAX];
    async_trail_t  t;

    (void) state;

    bytes = async_golden_bytes(named, &len);
    assert_int_equal(async_trail_decode(&t, bytes, len), ASYNC_OK);
    assert_str(t.by, "worker");

    bytes[len - 6] = 'W';
    async_golden_seal(bytes, len);
    assert_int_equal(async_trail_decode(&t, bytes, len), ASYNC_OK);
    assert_str(t.by, "Worker");
    assert_int_equal(async_trail_encode(&t, buf, sizeof(buf)), len);
    assert_memory_equal(buf, bytes, len);
    free(bytes);

    t.by = (async_str_t) async_str("client");
    len = async_trail_encode(&t, buf, sizeof(buf));
    assert_int_equal(len, 38);
    assert_int_equal(async_trail_decode(&t, buf, len), ASYNC_OK);
    assert_str(t.by, "client");

    /* of a newer version */

    buf[15] = 200;
    async_golden_seal(buf, len);
    assert_int_equal(async_trail_decode(&t, buf, len), ASYNC_OK);
    assert_int_equal(t.by.len, 0);
}


static void
a_line_needs_an_event_and_a_state(void **state)
{
    size_t         len;
    uint8_t        buf[ASYNC_TRAIL_MAX];
    async_trail_t  t = { 0 };

    (void) state;

    t.event = ASYNC_EVENT_SUBMITTED;
    t.state = ASYNC_STATE_QUEUED;
    len = async_trail_encode(&t, buf, sizeof(buf));
    assert_int_equal(len, 38);

    buf[12] = 0;
    async_golden_seal(buf, len);
    assert_int_equal(async_trail_decode(&t, buf, len), ASYNC_CORRUPT);

    buf[12] = 200;
    async_golden_seal(buf, len);
    assert_int_equal(async_trail_decode(&t, buf, len), ASYNC_OK);
    assert_int_equal(t.by.len, 0);

    buf[13] = ASYNC_STATE_MAX;
    async_golden_seal(buf, len);
    assert_int_equal(async_trail_decode(&t, buf, len), ASYNC_CORRUPT);

    assert_int_equal(async_trail_encode(&t, buf, sizeof(buf)), 0);
}


static async_rc_t
decode(const void *data, size_t len)
{
    async_trail_t  t;

    return async_trail_decode(&t, data, len);
}


static void
damage_is_corrupt(void **state)
{
    (void) state;

    async_golden_damage(golden, decode);
    async_golden_damage(named, decode);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(the_golden_line),
        cmocka_unit_test(a_line_says_by_whom),
        cmocka_unit_test(a_line_needs_an_event_and_a_state),
        cmocka_unit_test(damage_is_corrupt)
    };

    return cmocka_run_group_tests_name("async_trail", tests, NULL, NULL);
}
