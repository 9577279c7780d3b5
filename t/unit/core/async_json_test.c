/*
 * The document of a job, byte for byte.
 */

#include <stdio.h>

#include "async_golden.h"
#include "async_json.h"


#define ID  "01a202b2-c500-7c3e-9d2f-1b5e0c8a4d11"
#define URLS  "\"statusUrl\":\"/jobs/" ID "\",\"eventsUrl\":\"/jobs/" ID \
              "/events\""

static const async_id_t  id = {
    { 0x01, 0xa2, 0x02, 0xb2, 0xc5, 0x00, 0x7c, 0x3e,
      0x9d, 0x2f, 0x1b, 0x5e, 0x0c, 0x8a, 0x4d, 0x11 }
};


static void
set(async_str_t *s, const char *text)
{
    s->data = text;
    s->len = strlen(text);
}


/* processing, first of five attempts */

static void
make_job(async_job_t *job)
{
    memset(job, 0, sizeof(async_job_t));

    job->id = id;
    job->state = ASYNC_STATE_PROCESSING;
    job->percent = ASYNC_NO_PERCENT;
    job->attempt = 1;
    job->attempts_max = 5;
    job->created = 1795341600000;
    job->started = 1795341601500;

    set(&job->queue, "reports");
    set(&job->status_prefix, "/jobs/");
}


/* exact at its size, nothing at any smaller one, never a byte beyond */

static void
assert_estimated(const async_job_t *job, const async_estimate_t *estimate,
    const char *expected)
{
    char   *out;
    size_t  cap, len;

    len = strlen(expected);

    for (cap = 0; cap <= len + 1; cap++) {
        out = malloc(cap + 1);
        assert_non_null(out);
        out[cap] = '~';

        assert_int_equal(async_json_job(out, cap, job, estimate),
                         (cap < len) ? 0 : len);
        assert_int_equal(out[cap], '~');

        if (cap >= len) {
            assert_memory_equal(out, expected, len);
        }

        free(out);
    }
}


static void
assert_json(const async_job_t *job, const char *expected)
{
    assert_estimated(job, NULL, expected);
}


static void
a_queued_job_shows_what_it_has(void **state)
{
    async_job_t  job;

    (void) state;

    make_job(&job);
    job.state = ASYNC_STATE_QUEUED;
    job.attempt = 0;
    job.started = 0;

    assert_json(&job,
        "{\"id\":\"" ID "\",\"status\":\"queued\",\"queue\":\"reports\","
        "\"maxAttempts\":5,\"createdAt\":\"2026-11-22T10:00:00.000Z\","
        URLS "}");
}


static void
a_processing_job_shows_progress_and_a_wanted_cancel(void **state)
{
    async_job_t  job;

    (void) state;

    make_job(&job);
    job.percent = 35;
    set(&job.message, "page 7 of 20");

    assert_json(&job,
        "{\"id\":\"" ID "\",\"status\":\"processing\","
        "\"percentComplete\":35,\"message\":\"page 7 of 20\","
        "\"queue\":\"reports\",\"attempt\":1,\"maxAttempts\":5,"
        "\"createdAt\":\"2026-11-22T10:00:00.000Z\","
        "\"startedAt\":\"2026-11-22T10:00:01.500Z\","
        URLS "}");

    job.percent = 0;
    job.message.len = 0;
    job.flags = ASYNC_JOB_CANCEL_WANTED;
    set(&job.status_prefix, "https://h/\"j\"/");

    assert_json(&job,
        "{\"id\":\"" ID "\",\"status\":\"processing\","
        "\"percentComplete\":0,\"queue\":\"reports\",\"attempt\":1,"
        "\"maxAttempts\":5,\"createdAt\":\"2026-11-22T10:00:00.000Z\","
        "\"startedAt\":\"2026-11-22T10:00:01.500Z\","
        "\"statusUrl\":\"https://h/\\\"j\\\"/" ID "\","
        "\"eventsUrl\":\"https://h/\\\"j\\\"/" ID "/events\","
        "\"cancelRequested\":true}");
}


static void
a_retrying_job_shows_when_and_why(void **state)
{
    async_job_t  job;

    (void) state;

    make_job(&job);
    job.state = ASYNC_STATE_RETRYING;
    job.due = 1795341610000;
    job.error = ASYNC_JOB_ERROR_TIMEOUT;
    job.result_status = 504;

    assert_json(&job,
        "{\"id\":\"" ID "\",\"status\":\"retrying\",\"queue\":\"reports\","
        "\"attempt\":1,\"maxAttempts\":5,"
        "\"createdAt\":\"2026-11-22T10:00:00.000Z\","
        "\"startedAt\":\"2026-11-22T10:00:01.500Z\","
        "\"nextAttemptAt\":\"2026-11-22T10:00:10.000Z\","
        "\"error\":{\"code\":\"timeout\"},"
        URLS "}");
}


static void
a_completed_job_shows_its_result(void **state)
{
    async_job_t  job;

    (void) state;

    make_job(&job);
    job.state = ASYNC_STATE_COMPLETED;
    job.flags = ASYNC_JOB_CANCEL_WANTED | ASYNC_JOB_SENT;
    job.due = 1795341610000;
    job.finished = 1795341602000;
    job.expires = 1795428002000;
    job.result_status = 201;
    set(&job.resource, "http://host/r/1");
    set(&job.detail, "not shown");

    assert_json(&job,
        "{\"id\":\"" ID "\",\"status\":\"completed\",\"queue\":\"reports\","
        "\"attempt\":1,\"maxAttempts\":5,"
        "\"createdAt\":\"2026-11-22T10:00:00.000Z\","
        "\"startedAt\":\"2026-11-22T10:00:01.500Z\","
        "\"finishedAt\":\"2026-11-22T10:00:02.000Z\","
        "\"expiresAt\":\"2026-11-23T10:00:02.000Z\","
        "\"resultStatus\":201,\"resultUrl\":\"/jobs/" ID "/result\","
        "\"resourceUrl\":\"http://host/r/1\","
        URLS "}");
}


static void
a_failed_job_shows_its_error_and_the_response_if_any(void **state)
{
    async_job_t  job;

    (void) state;

    make_job(&job);
    job.state = ASYNC_STATE_FAILED;
    job.finished = 1795341602000;
    job.error = ASYNC_JOB_ERROR_BACKEND_UNREACHABLE;
    set(&job.detail, "No \"answer\".");

    assert_json(&job,
        "{\"id\":\"" ID "\",\"status\":\"failed\",\"queue\":\"reports\","
        "\"attempt\":1,\"maxAttempts\":5,"
        "\"createdAt\":\"2026-11-22T10:00:00.000Z\","
        "\"startedAt\":\"2026-11-22T10:00:01.500Z\","
        "\"finishedAt\":\"2026-11-22T10:00:02.000Z\","
        "\"error\":{\"code\":\"backend-unreachable\","
        "\"detail\":\"No \\\"answer\\\".\"},"
        URLS "}");

    job.error = ASYNC_JOB_ERROR_BACKEND_STATUS;
    job.result_status = 422;
    job.detail.len = 0;

    assert_json(&job,
        "{\"id\":\"" ID "\",\"status\":\"failed\",\"queue\":\"reports\","
        "\"attempt\":1,\"maxAttempts\":5,"
        "\"createdAt\":\"2026-11-22T10:00:00.000Z\","
        "\"startedAt\":\"2026-11-22T10:00:01.500Z\","
        "\"finishedAt\":\"2026-11-22T10:00:02.000Z\","
        "\"resultStatus\":422,\"resultUrl\":\"/jobs/" ID "/result\","
        "\"error\":{\"code\":\"backend-status\"},"
        URLS "}");
}


static void
a_canceled_job_says_if_its_outcome_is_unknown(void **state)
{
    async_job_t  job;

    (void) state;

    make_job(&job);
    job.state = ASYNC_STATE_CANCELED;
    job.flags = ASYNC_JOB_CANCEL_WANTED;
    job.finished = 1795341602000;
    job.expires = 1795428002000;

#define CANCELED                                                             \
        "{\"id\":\"" ID "\",\"status\":\"canceled\",\"queue\":\"reports\"," \
        "\"attempt\":1,\"maxAttempts\":5,"                                   \
        "\"createdAt\":\"2026-11-22T10:00:00.000Z\","                        \
        "\"startedAt\":\"2026-11-22T10:00:01.500Z\","                        \
        "\"finishedAt\":\"2026-11-22T10:00:02.000Z\","                       \
        "\"expiresAt\":\"2026-11-23T10:00:02.000Z\","

    assert_json(&job, CANCELED URLS "}");

    job.flags |= ASYNC_JOB_SENT;
    assert_json(&job, CANCELED "\"outcomeUnknown\":true,"
                URLS "}");

#undef CANCELED
}


static void
an_error_of_a_newer_version_is_left_out(void **state)
{
    async_job_t  job;

    (void) state;

    make_job(&job);
    job.state = ASYNC_STATE_FAILED;
    job.error = 200;

    assert_json(&job,
        "{\"id\":\"" ID "\",\"status\":\"failed\",\"queue\":\"reports\","
        "\"attempt\":1,\"maxAttempts\":5,"
        "\"createdAt\":\"2026-11-22T10:00:00.000Z\","
        "\"startedAt\":\"2026-11-22T10:00:01.500Z\","
        URLS "}");
}


static void
the_longest_job_fits_the_promised_room(void **state)
{
    char         text[ASYNC_JOB_MAX], out[ASYNC_JSON_JOB_MAX];
    size_t       i, room;
    uint8_t      buf[ASYNC_JOB_MAX];
    async_job_t  job;
    async_str_t *strings[] = {
        &job.status_prefix, &job.message, &job.detail, &job.resource
    };

    (void) state;

    /* control characters become six bytes, and all room is given to one */

    memset(text, 0x01, sizeof(text));

    for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        make_job(&job);
        job.state = (strings[i] == &job.resource) ? ASYNC_STATE_COMPLETED
                                                  : ASYNC_STATE_FAILED;
        job.result_status = 500;
        job.error = ASYNC_JOB_ERROR_BACKEND_UNREACHABLE;
        job.percent = 100;
        job.attempt = job.attempts_max = UINT32_MAX;
        job.finished = job.expires = INT64_MAX;
        job.queue.data = text;
        job.queue.len = ASYNC_QUEUE_MAX;

        room = sizeof(buf);
        strings[i]->data = text;

        do {
            strings[i]->len = room--;
        } while (async_job_encode(&job, buf, sizeof(buf)) == 0);

        assert_true(async_json_job(out, sizeof(out), &job, NULL) > 6 * room);
    }
}


static void
assert_string(const char *bytes, size_t len, const char *expected)
{
    char         *out, *end;
    size_t        cap, need;
    async_str_t   s = { bytes, len };

    need = strlen(expected);

    for (cap = 0; cap <= need + 1; cap++) {
        out = malloc(cap + 1);
        assert_non_null(out);
        out[cap] = '~';

        end = async_json_string(out, out + cap, s);

        if (cap < need) {
            assert_null(end);

        } else {
            assert_ptr_equal(end, out + need);
            assert_memory_equal(out, expected, need);
        }

        assert_int_equal(out[cap], '~');
        free(out);
    }
}

#define assert_escaped(bytes, expected)                                      \
    assert_string(bytes, sizeof(bytes) - 1, "\"" expected "\"")

#define BAD  "\xef\xbf\xbd"


static void
an_estimate_is_shown_as_one(void **state)
{
    async_job_t       job;
    async_estimate_t  estimate = { 0, 1795341611500, 10 };

    (void) state;

    make_job(&job);

    assert_estimated(&job, &estimate,
        "{\"id\":\"" ID "\",\"status\":\"processing\","
        "\"percentComplete\":0,\"estimated\":true,\"queue\":\"reports\","
        "\"attempt\":1,\"maxAttempts\":5,"
        "\"createdAt\":\"2026-11-22T10:00:00.000Z\","
        "\"startedAt\":\"2026-11-22T10:00:01.500Z\","
        "\"estimatedCompletionAt\":\"2026-11-22T10:00:11.500Z\","
        URLS "}");

    /* what the backend reports is none */

    job.percent = 35;

    assert_estimated(&job, &estimate,
        "{\"id\":\"" ID "\",\"status\":\"processing\","
        "\"percentComplete\":35,\"queue\":\"reports\","
        "\"attempt\":1,\"maxAttempts\":5,"
        "\"createdAt\":\"2026-11-22T10:00:00.000Z\","
        "\"startedAt\":\"2026-11-22T10:00:01.500Z\","
        "\"estimatedCompletionAt\":\"2026-11-22T10:00:11.500Z\","
        URLS "}");
}


static void
assert_etag(uint64_t seq, uint8_t percent, int64_t completion,
    const char *expected)
{
    char              out[ASYNC_JSON_ETAG];
    async_job_t       job;
    async_estimate_t  estimate = { percent, completion, 5 };

    make_job(&job);
    job.seq = seq;

    assert_int_equal(async_json_etag(out, &job, &estimate),
                     strlen(expected));
    assert_memory_equal(out, expected, strlen(expected));
}


static void
the_etag_covers_what_is_shown(void **state)
{
    (void) state;

    assert_etag(0, ASYNC_NO_PERCENT, 0, "\"0\"");
    assert_etag(17, ASYNC_NO_PERCENT, 0, "\"11\"");
    assert_etag(3, 0, 1795341611500, "\"3-0-1a202b2f1ec\"");
    assert_etag(3, 1, 1795341611500, "\"3-1-1a202b2f1ec\"");
    assert_etag(3, ASYNC_NO_PERCENT, 1795341611500, "\"3-ff-1a202b2f1ec\"");
    assert_etag(UINT64_MAX, 99, -1,
                "\"ffffffffffffffff-63-ffffffffffffffff\"");
}


static void
what_must_be_escaped_is_escaped(void **state)
{
    (void) state;

    assert_string(NULL, 0, "\"\"");
    assert_escaped("plain / text", "plain / text");
    assert_escaped("a\"b\\c", "a\\\"b\\\\c");
    assert_escaped("\n\r\t", "\\n\\r\\t");
    assert_escaped("\0x", "\\u0000x");
    assert_escaped("\x01\x0b\x1f\x7f", "\\u0001\\u000b\\u001f\\u007f");
    assert_escaped("\x1b[31m", "\\u001b[31m");
}


/* RFC 8259, section 7, and DEL: all else below 0x80 stands for itself */

static void
every_ascii_byte_is_itself_or_escaped(void **state)
{
    int   c;
    char  byte, expected[16];

    (void) state;

    for (c = 0; c < 0x80; c++) {
        byte = (char) c;

        if (c == '\n' || c == '\r' || c == '\t') {
            snprintf(expected, sizeof(expected), "\"\\%c\"",
                     c == '\n' ? 'n' : c == '\r' ? 'r' : 't');

        } else if (c < 0x20 || c == 0x7f) {
            snprintf(expected, sizeof(expected), "\"\\u%04x\"",
                     (unsigned) c);

        } else {
            snprintf(expected, sizeof(expected), "\"%s%c\"",
                     (c == '"' || c == '\\') ? "\\" : "", c);
        }

        assert_string(&byte, 1, expected);
    }
}


static void
valid_utf8_stays_as_it_is(void **state)
{
    (void) state;

    assert_escaped("\xc2\x80", "\xc2\x80");
    assert_escaped("\xdf\xbf", "\xdf\xbf");
    assert_escaped("\xe0\xa0\x80", "\xe0\xa0\x80");
    assert_escaped("\xed\x9f\xbf", "\xed\x9f\xbf");
    assert_escaped("\xee\x80\x80", "\xee\x80\x80");
    assert_escaped("\xef\xbf\xbf", "\xef\xbf\xbf");
    assert_escaped("\xf0\x90\x80\x80", "\xf0\x90\x80\x80");
    assert_escaped("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf");
}


static void
invalid_utf8_becomes_the_replacement_character(void **state)
{
    (void) state;

    /* lone, overlong, surrogate, too high, never a lead */

    assert_escaped("a\x80z", "a" BAD "z");
    assert_escaped("\xc0\xaf", BAD BAD);
    assert_escaped("\xc1\xbf", BAD BAD);
    assert_escaped("\xe0\x9f\xbf", BAD BAD BAD);
    assert_escaped("\xed\xa0\x80", BAD BAD BAD);
    assert_escaped("\xf0\x8f\xbf\xbf", BAD BAD BAD BAD);
    assert_escaped("\xf4\x90\x80\x80", BAD BAD BAD BAD);
    assert_escaped("\xf5\xff\xfe", BAD BAD BAD);

    /* cut short, at the end and before something good: one for each start */

    assert_escaped("\xc3", BAD);
    assert_escaped("\xe2\x9c", BAD);
    assert_escaped("\xf0\x9f\x98", BAD);
    assert_escaped("\xf0\x9f\x98x", BAD "x");
    assert_escaped("\xe2\x9c\"", BAD "\\\"");
    assert_escaped("\xe2\xe2\x9c\x93", BAD "\xe2\x9c\x93");

    /* Unicode 15, table 3-11 */

    assert_escaped("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41",
                   BAD BAD BAD BAD "A");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_queued_job_shows_what_it_has),
        cmocka_unit_test(a_processing_job_shows_progress_and_a_wanted_cancel),
        cmocka_unit_test(a_retrying_job_shows_when_and_why),
        cmocka_unit_test(a_completed_job_shows_its_result),
        cmocka_unit_test(a_failed_job_shows_its_error_and_the_response_if_any),
        cmocka_unit_test(a_canceled_job_says_if_its_outcome_is_unknown),
        cmocka_unit_test(an_error_of_a_newer_version_is_left_out),
        cmocka_unit_test(the_longest_job_fits_the_promised_room),
        cmocka_unit_test(an_estimate_is_shown_as_one),
        cmocka_unit_test(the_etag_covers_what_is_shown),
        cmocka_unit_test(what_must_be_escaped_is_escaped),
        cmocka_unit_test(every_ascii_byte_is_itself_or_escaped),
        cmocka_unit_test(valid_utf8_stays_as_it_is),
        cmocka_unit_test(invalid_utf8_becomes_the_replacement_character)
    };

    return cmocka_run_group_tests_name("async_json", tests, NULL, NULL);
}
