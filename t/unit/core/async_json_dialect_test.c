/*
 * The documents of the azure dialect, byte for byte, and errors.
 */

#include <stdio.h>

#include "async_golden.h"
#include "async_json.h"
#include "async_text.h"


#define ID  "01a202b2-c500-7c3e-9d2f-1b5e0c8a4d11"

static const async_id_t  id = {
    { 0x01, 0xa2, 0x02, 0xb2, 0xc5, 0x00, 0x7c, 0x3e,
      0x9d, 0x2f, 0x1b, 0x5e, 0x0c, 0x8a, 0x4d, 0x11 }
};


static void
make_job(async_job_t *job, uint8_t state)
{
    memset(job, 0, sizeof(async_job_t));

    job->id = id;
    job->state = state;
    job->percent = ASYNC_NO_PERCENT;
    job->created = 1795341600000;
    job->queued = 1795341600250;
    job->queue = str("reports");
    job->status_prefix = str("/jobs/");
}


/* exact at its size, nothing at any smaller one, never a byte beyond */

static void
assert_told(const async_job_t *job, const async_estimate_t *told,
    const char *origin, const char *expected)
{
    char   *out;
    size_t  cap, len;

    len = strlen(expected);

    for (cap = 0; cap <= len + 1; cap++) {
        out = malloc(cap + 1);
        assert_non_null(out);
        out[cap] = '~';

        assert_int_equal(async_json_azure(out, cap, job, told, str(origin)),
                         (cap < len) ? 0 : len);
        assert_int_equal(out[cap], '~');

        if (cap >= len) {
            assert_memory_equal(out, expected, len);
        }

        free(out);
    }
}


static void
assert_azure(const async_job_t *job, const char *origin,
    const char *expected)
{
    assert_told(job, NULL, origin, expected);
}


#define HEAD(status)  "{\"id\":\"" ID "\",\"status\":\"" status "\""
#define CREATED       ",\"createdDateTime\":\"2026-11-22T10:00:00.000Z\""
#define LAST(at)      ",\"lastActionDateTime\":\"2026-11-22T10:00:" at "Z\""


static void
a_job_that_waits_is_not_started(void **state)
{
    async_job_t  job;

    (void) state;

    make_job(&job, ASYNC_STATE_QUEUED);
    assert_azure(&job, "http://h", HEAD("NotStarted") CREATED LAST("00.250")
                 "}");

    make_job(&job, ASYNC_STATE_SCHEDULED);
    job.queued = 0;
    assert_azure(&job, "http://h", HEAD("NotStarted") CREATED LAST("00.000")
                 "}");
}


static void
a_job_at_work_is_running_and_shows_how_far_it_is(void **state)
{
    async_job_t  job;

    (void) state;

    make_job(&job, ASYNC_STATE_PROCESSING);
    job.started = 1795341601500;
    job.percent = 35;
    job.message = str("page \"7\"");
    assert_azure(&job, "http://h", HEAD("Running")
                 ",\"percentComplete\":35,\"message\":\"page \\\"7\\\"\""
                 CREATED LAST("01.500") "}");

    make_job(&job, ASYNC_STATE_RETRYING);
    job.error = ASYNC_JOB_ERROR_TIMEOUT;
    job.detail = str("It took too long.");
    job.started = 1795341601500;
    assert_azure(&job, "http://h", HEAD("Running") CREATED LAST("01.500")
                 "}");
}


static void
what_is_believed_is_shown_as_such(void **state)
{
    async_job_t       job;
    async_estimate_t  told = { 7, 1795341611500, 10 };

    (void) state;

    make_job(&job, ASYNC_STATE_PROCESSING);
    job.started = 1795341601500;
    assert_told(&job, &told, "http://h", HEAD("Running")
                ",\"percentComplete\":7,\"estimated\":true"
                CREATED LAST("01.500") "}");
}


static void
a_completed_job_says_where_its_result_is(void **state)
{
    async_job_t  job;

    (void) state;

    make_job(&job, ASYNC_STATE_COMPLETED);
    job.started = 1795341601500;
    job.finished = 1795341609000;
    job.result_status = 200;
    assert_azure(&job, "https://a:8443", HEAD("Succeeded") CREATED
                 LAST("09.000") ",\"resourceLocation\":"
                 "\"https://a:8443/jobs/" ID "/result\"}");

    job.status_prefix = str("https://api.test/j/");
    assert_azure(&job, "", HEAD("Succeeded") CREATED LAST("09.000")
                 ",\"resourceLocation\":\"https://api.test/j/" ID
                 "/result\"}");
}


static void
a_failed_job_says_why(void **state)
{
    async_job_t  job;

    (void) state;

    make_job(&job, ASYNC_STATE_FAILED);
    job.finished = 1795341609000;
    job.error = ASYNC_JOB_ERROR_BACKEND_STATUS;
    job.detail = str("The backend answered 500.");
    assert_azure(&job, "http://h", HEAD("Failed") CREATED LAST("09.000")
                 ",\"error\":{\"code\":\"backend-status\",\"message\":"
                 "\"The backend answered 500.\"}}");
}


static void
a_canceled_job_is_canceled(void **state)
{
    async_job_t  job;

    (void) state;

    make_job(&job, ASYNC_STATE_CANCELED);
    job.finished = 1795341609000;
    assert_azure(&job, "http://h", HEAD("Canceled") CREATED LAST("09.000")
                 "}");
}


static void
an_error_has_a_code_and_a_message_whatever_they_are(void **state)
{
    char    out[128];
    size_t  cap, len;

    static const char  expected[] =
        "{\"error\":{\"code\":\"job-not-found\",\"message\":\"No \\\"x\\\"\"}}";

    (void) state;

    for (cap = 0; cap < sizeof(out); cap++) {
        len = async_json_error(out, cap, str("job-not-found"),
                               str("No \"x\""), false);

        assert_int_equal(len, cap < sizeof(expected) - 1
                              ? 0 : sizeof(expected) - 1);
    }

    assert_memory_equal(out, expected, sizeof(expected) - 1);

    len = async_json_error(out, sizeof(out), str("a"), str("b"), true);
    out[len] = '\0';
    assert_string_equal(out, "{\"error\":{\"code\":\"a\",\"message\":\"b\","
                             "\"outcome\":\"unknown\"}}");

    len = async_json_error(out, sizeof(out), str(""), str(""), false);
    assert_int_equal(len, sizeof("{\"error\":{\"code\":\"\","
                                 "\"message\":\"\"}}") - 1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_job_that_waits_is_not_started),
        cmocka_unit_test(a_job_at_work_is_running_and_shows_how_far_it_is),
        cmocka_unit_test(what_is_believed_is_shown_as_such),
        cmocka_unit_test(a_completed_job_says_where_its_result_is),
        cmocka_unit_test(a_failed_job_says_why),
        cmocka_unit_test(a_canceled_job_is_canceled),
        cmocka_unit_test(an_error_has_a_code_and_a_message_whatever_they_are)
    };

    return cmocka_run_group_tests_name("async_json_dialect", tests, NULL,
                                       NULL);
}
