/*
 * A line of history, byte for byte.
 */

#include <stdio.h>

#include "async_golden.h"
#include "async_json.h"


static void
make_line(async_trail_t *t, uint8_t event, uint8_t state)
{
    memset(t, 0, sizeof(async_trail_t));

    t->event = event;
    t->state = state;
    t->attempt = 2;
    t->at = 1795341600000;
    t->by.data = "worker";
    t->by.len = 6;
}


/* exact at its size, nothing at any smaller one, never a byte beyond */

static void
assert_line(const async_trail_t *t, const char *expected)
{
    char   *out;
    size_t  cap, len;

    len = strlen(expected);

    for (cap = 0; cap <= len + 1; cap++) {
        out = malloc(cap + 1);
        assert_non_null(out);
        out[cap] = '~';

        assert_int_equal(async_json_trail(out, cap, 7, t),
                         (cap < len) ? 0 : len);
        assert_int_equal(out[cap], '~');

        if (cap >= len) {
            assert_memory_equal(out, expected, len);
        }

        free(out);
    }
}


#define LINE(rest)                                                           \
    "{\"seq\":7,\"at\":\"2026-11-22T10:00:00.000Z\"," rest "}"


static void
an_attempt_has_its_number_its_status_and_its_time(void **state)
{
    async_trail_t  t;

    (void) state;

    make_line(&t, ASYNC_EVENT_STARTED, ASYNC_STATE_PROCESSING);
    assert_line(&t, LINE("\"event\":\"processing\",\"by\":\"worker\","
                         "\"attempt\":2"));

    make_line(&t, ASYNC_EVENT_ATTEMPT_FAILED, ASYNC_STATE_RETRYING);
    t.status = 503;
    t.duration = 1234;
    t.error = ASYNC_JOB_ERROR_BACKEND_STATUS;
    assert_line(&t, LINE("\"event\":\"retrying\",\"by\":\"worker\","
                         "\"attempt\":2,\"status\":503,\"durationMs\":1234,"
                         "\"error\":\"backend-status\""));

    make_line(&t, ASYNC_EVENT_COMPLETED, ASYNC_STATE_COMPLETED);
    t.status = 200;
    assert_line(&t, LINE("\"event\":\"completed\",\"by\":\"worker\","
                         "\"attempt\":2,\"status\":200"));
}


static void
a_job_that_waits_makes_no_attempt(void **state)
{
    async_trail_t  t;

    (void) state;

    make_line(&t, ASYNC_EVENT_DUE, ASYNC_STATE_QUEUED);
    assert_line(&t, LINE("\"event\":\"queued\",\"by\":\"worker\""));

    make_line(&t, ASYNC_EVENT_RELEASED, ASYNC_STATE_QUEUED);
    assert_line(&t, LINE("\"event\":\"queued\",\"by\":\"worker\""));

    make_line(&t, ASYNC_EVENT_FAILED, ASYNC_STATE_FAILED);
    t.error = ASYNC_JOB_ERROR_START_TIMEOUT;
    assert_line(&t, LINE("\"event\":\"failed\",\"by\":\"worker\","
                         "\"error\":\"start-timeout\""));
}


static void
what_leaves_the_state_as_it_was_has_a_name_of_its_own(void **state)
{
    async_trail_t  t;

    (void) state;

    make_line(&t, ASYNC_EVENT_PROGRESSED, ASYNC_STATE_PROCESSING);
    assert_line(&t, LINE("\"event\":\"progress\",\"by\":\"worker\","
                         "\"attempt\":2"));

    make_line(&t, ASYNC_EVENT_CANCEL_REQUESTED, ASYNC_STATE_PROCESSING);
    t.by.data = "client";
    assert_line(&t, LINE("\"event\":\"cancel-requested\",\"by\":\"client\","
                         "\"attempt\":2"));

    make_line(&t, ASYNC_EVENT_INTERRUPTED, ASYNC_STATE_QUEUED);
    assert_line(&t, LINE("\"event\":\"queued\",\"by\":\"worker\","
                         "\"attempt\":2,\"interrupted\":true"));
}


/* an event or an error of a newer version, bytes that are not text */

static void
what_is_not_known_is_told_as_far_as_it_can_be(void **state)
{
    async_trail_t  t;

    (void) state;

    make_line(&t, 200, ASYNC_STATE_QUEUED);
    t.error = 200;
    t.attempt = 0;
    t.by.data = "\"\xff\n";
    t.by.len = 3;
    assert_line(&t, LINE("\"event\":\"queued\","
                         "\"by\":\"\\\"\xef\xbf\xbd\\n\""));
}


static void
the_longest_line_fits_into_what_is_promised(void **state)
{
    char           by[ASYNC_TRAIL_MAX], out[ASYNC_JSON_TRAIL_MAX];
    async_trail_t  t;

    (void) state;

    memset(by, 1, sizeof(by));
    make_line(&t, ASYNC_EVENT_ATTEMPT_FAILED, ASYNC_STATE_RETRYING);
    t.at = 253402300799999;
    t.attempt = UINT32_MAX;
    t.status = UINT16_MAX;
    t.duration = UINT64_MAX;
    t.error = ASYNC_JOB_ERROR_BACKEND_UNREACHABLE;
    t.by.data = by;
    t.by.len = sizeof(by);

    assert_int_not_equal(async_json_trail(out, sizeof(out), UINT64_MAX, &t),
                         0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(an_attempt_has_its_number_its_status_and_its_time),
        cmocka_unit_test(a_job_that_waits_makes_no_attempt),
        cmocka_unit_test(
            what_leaves_the_state_as_it_was_has_a_name_of_its_own),
        cmocka_unit_test(what_is_not_known_is_told_as_far_as_it_can_be),
        cmocka_unit_test(the_longest_line_fits_into_what_is_promised)
    };

    return cmocka_run_group_tests_name("async_json_trail", tests, NULL, NULL);
}
