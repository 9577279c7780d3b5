/*
 * Events of a stream, ids that clients come back with, and a job as it was.
 */

#include <stdio.h>

#include "async_stream.h"
#include "async_text.h"


#define NOW  1795341600000


static async_job_t
running(void)
{
    async_job_t  job;

    memset(&job, 0, sizeof(job));

    job.state = ASYNC_STATE_PROCESSING;
    job.attempt = 2;
    job.attempts_max = 5;
    job.percent = 35;
    job.seq = 6;
    job.created = NOW;
    job.started = NOW + 5000;
    job.queue = str("reports");
    job.status_prefix = str("/jobs/");
    job.message = str("page 7\nof 20");
    job.flags = ASYNC_JOB_CANCEL_WANTED|ASYNC_JOB_REPEATABLE;

    return job;
}


static async_trail_t
line(async_event_type_t event, async_state_t state, uint32_t attempt)
{
    async_trail_t  t;

    memset(&t, 0, sizeof(t));

    t.event = (uint8_t) event;
    t.state = (uint8_t) state;
    t.attempt = attempt;
    t.at = NOW + 1000;

    return t;
}


static void
an_id_is_a_number_in_one_way(void **state)
{
    unsigned  i;
    uint64_t  id;

    static const char  *bad[] = {
        "", "-1", "+1", "01", "00", " 1", "1 ", "1.0", "0x1", "a",
        "18446744073709551616", "28446744073709551615",
        "99999999999999999999", "100000000000000000000"
    };

    (void) state;

    assert_true(async_stream_id(&id, str("0")));
    assert_int_equal(id, 0);
    assert_true(async_stream_id(&id, str("17")));
    assert_int_equal(id, 17);
    assert_true(async_stream_id(&id, str("18446744073709551615")));
    assert_true(id == UINT64_MAX);

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(async_stream_id(&id, str(bad[i])));
    }
}


static void
an_event_is_named_and_has_one_line_of_data(void **state)
{
    char         out[ASYNC_STREAM_EVENT_MAX], *p;
    size_t       len, i;
    async_job_t  job;

    (void) state;

    job = running();
    len = async_stream_event(out, sizeof(out), "progress", 6, &job, NULL);
    assert_true(len > 0);
    out[len] = '\0';

    p = strstr(out, "\ndata: {");
    assert_non_null(p);
    assert_memory_equal(out, "event: progress\nid: 6\ndata: {\"id\":",
                        strlen("event: progress\nid: 6\ndata: {\"id\":"));
    assert_non_null(strstr(p, "\"percentComplete\":35"));
    assert_ptr_equal(strchr(p + 1, '\n'), out + len - 2);
    assert_string_equal(out + len - 3, "}\n\n");

    for (i = 0; i < len; i++) {
        assert_int_equal(async_stream_event(out, i, "progress", 6, &job,
                                            NULL), 0);
    }

    len = async_stream_event(out, sizeof(out), "progress", 0, &job, NULL);
    assert_memory_equal(out, "event: progress\ndata: {", 23);
    assert_true(len > 0);
}


static void
any_job_makes_an_event(void **state)
{
    char         out[ASYNC_STREAM_EVENT_MAX], text[1024], prefix[512];
    async_job_t  job;

    (void) state;

    memset(text, '\x01', sizeof(text));
    memset(prefix, '"', sizeof(prefix));

    job = running();
    job.message.data = text;
    job.message.len = sizeof(text);
    job.status_prefix.data = prefix;
    job.status_prefix.len = sizeof(prefix);

    assert_true(async_stream_event(out, sizeof(out), "processing", UINT64_MAX,
                                   &job, NULL) > 6 * sizeof(text));
}


static void
what_is_done_about_a_job_that_has_ended_is_no_event(void **state)
{
    async_trail_t  line;

    (void) state;

    memset(&line, 0, sizeof(line));

    line.event = ASYNC_EVENT_FAILED;
    line.state = ASYNC_STATE_FAILED;
    assert_true(async_stream_tells(&line));

    line.event = ASYNC_EVENT_RETRIED;
    assert_false(async_stream_tells(&line));

    line.event = ASYNC_EVENT_CANCEL_REQUESTED;
    line.state = ASYNC_STATE_PROCESSING;
    assert_true(async_stream_tells(&line));
}


static void
a_change_is_called_by_its_state_or_progress(void **state)
{
    (void) state;

    assert_string_equal(async_stream_name(ASYNC_EVENT_PROGRESSED,
                                          ASYNC_STATE_PROCESSING),
                        "progress");
    assert_string_equal(async_stream_name(ASYNC_EVENT_CANCEL_REQUESTED,
                                          ASYNC_STATE_PROCESSING),
                        "processing");
    assert_string_equal(async_stream_name(ASYNC_EVENT_DUE,
                                          ASYNC_STATE_QUEUED), "queued");
}


static void
a_job_as_it_was(void **state)
{
    async_job_t    job, past;
    async_trail_t  t;

    (void) state;

    job = running();
    job.retried_as.bytes[0] = 1;

    t = line(ASYNC_EVENT_SUBMITTED, ASYNC_STATE_QUEUED, 0);
    async_stream_past(&past, &job, 1, &t);
    assert_int_equal(past.retried_as.bytes[0], 0);
    assert_int_equal(past.state, ASYNC_STATE_QUEUED);
    assert_int_equal(past.seq, 1);
    assert_int_equal(past.attempt, 0);
    assert_int_equal(past.started, 0);
    assert_int_equal(past.percent, ASYNC_NO_PERCENT);
    assert_int_equal(past.message.len, 0);
    assert_int_equal(past.created, NOW);
    assert_int_equal(past.flags, ASYNC_JOB_REPEATABLE);

    t = line(ASYNC_EVENT_STARTED, ASYNC_STATE_PROCESSING, 1);
    async_stream_past(&past, &job, 2, &t);
    assert_int_equal(past.started, NOW + 1000);
    assert_int_equal(past.percent, ASYNC_NO_PERCENT);

    t = line(ASYNC_EVENT_ATTEMPT_FAILED, ASYNC_STATE_RETRYING, 1);
    t.error = ASYNC_JOB_ERROR_TIMEOUT;
    async_stream_past(&past, &job, 3, &t);
    assert_int_equal(past.error, ASYNC_JOB_ERROR_TIMEOUT);
    assert_int_equal(past.percent, ASYNC_NO_PERCENT);

    t = line(ASYNC_EVENT_PROGRESSED, ASYNC_STATE_PROCESSING, 2);
    async_stream_past(&past, &job, 5, &t);
    assert_int_equal(past.percent, 35);
    assert_int_equal(past.started, NOW + 5000);
    assert_int_equal(past.flags & ASYNC_JOB_CANCEL_WANTED, 0);

    t = line(ASYNC_EVENT_CANCEL_REQUESTED, ASYNC_STATE_PROCESSING, 2);
    async_stream_past(&past, &job, 6, &t);
    assert_int_equal(past.flags & ASYNC_JOB_CANCEL_WANTED,
                     ASYNC_JOB_CANCEL_WANTED);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(
            what_is_done_about_a_job_that_has_ended_is_no_event),
        cmocka_unit_test(an_id_is_a_number_in_one_way),
        cmocka_unit_test(an_event_is_named_and_has_one_line_of_data),
        cmocka_unit_test(any_job_makes_an_event),
        cmocka_unit_test(a_change_is_called_by_its_state_or_progress),
        cmocka_unit_test(a_job_as_it_was)
    };

    return cmocka_run_group_tests_name("async_stream", tests, NULL, NULL);
}
