/*
 * The document of a job.  Appends run to a limit that no caller can pass:
 * what does not fit makes the end NULL, and NULL goes through all that
 * follows, so that one look at the end is enough.
 */

#include <stdint.h>
#include <string.h>

#include "async_json.h"
#include "async_time.h"


static char *async_json_raw(char *p, const char *limit, const char *data,
    size_t len);
static char *async_json_escape(char *p, const char *limit, async_str_t s);
static char *async_json_ascii(char *p, const char *limit, uint8_t c);
static size_t async_json_utf8(const uint8_t *p, const uint8_t *end,
    bool *valid);

static char *async_json_progress(char *p, const char *limit,
    const async_job_t *job);
static char *async_json_times(char *p, const char *limit,
    const async_job_t *job);
static char *async_json_outcome(char *p, const char *limit,
    const async_job_t *job);
static char *async_json_error(char *p, const char *limit,
    const async_job_t *job);
static char *async_json_text(char *p, const char *limit, const char *name,
    async_str_t s);
static char *async_json_number(char *p, const char *limit, const char *name,
    uint64_t v);
static char *async_json_time(char *p, const char *limit, const char *name,
    int64_t ms);
static char *async_json_url(char *p, const char *limit, const char *name,
    const async_job_t *job, const char *suffix);


#define async_json_literal(p, limit, text)                                   \
    async_json_raw(p, limit, text, sizeof(text) - 1)


size_t
async_json_job(char *out, size_t cap, const async_job_t *job)
{
    char        *p, id[ASYNC_ID_TEXT];
    const char  *limit;

    p = out;
    limit = out + cap;

    (void) async_id_format(id, &job->id);

    p = async_json_literal(p, limit, "{\"id\":\"");
    p = async_json_raw(p, limit, id, ASYNC_ID_TEXT);
    p = async_json_literal(p, limit, "\"");

    p = async_json_progress(p, limit, job);
    p = async_json_times(p, limit, job);
    p = async_json_outcome(p, limit, job);

    p = async_json_url(p, limit, ",\"statusUrl\":\"", job, "");

    if (job->state == ASYNC_STATE_PROCESSING
        && (job->flags & ASYNC_JOB_CANCEL_WANTED))
    {
        p = async_json_literal(p, limit, ",\"cancelRequested\":true");
    }

    p = async_json_literal(p, limit, "}");

    return (p != NULL) ? (size_t) (p - out) : 0;
}


static char *
async_json_progress(char *p, const char *limit, const async_job_t *job)
{
    async_str_t  status;

    status.data = async_state_name((async_state_t) job->state);
    status.len = strlen(status.data);

    p = async_json_text(p, limit, ",\"status\":", status);

    if (job->percent != ASYNC_NO_PERCENT) {
        p = async_json_number(p, limit, ",\"percentComplete\":",
                              job->percent);
    }

    p = async_json_text(p, limit, ",\"message\":", job->message);
    p = async_json_text(p, limit, ",\"queue\":", job->queue);

    if (job->attempt != 0) {
        p = async_json_number(p, limit, ",\"attempt\":", job->attempt);
    }

    if (job->attempts_max != 0) {
        p = async_json_number(p, limit, ",\"maxAttempts\":",
                              job->attempts_max);
    }

    return p;
}


static char *
async_json_times(char *p, const char *limit, const async_job_t *job)
{
    p = async_json_time(p, limit, ",\"createdAt\":\"", job->created);
    p = async_json_time(p, limit, ",\"startedAt\":\"", job->started);

    if (job->state == ASYNC_STATE_RETRYING) {
        p = async_json_time(p, limit, ",\"nextAttemptAt\":\"", job->due);
    }

    if (async_state_final((async_state_t) job->state)) {
        p = async_json_time(p, limit, ",\"finishedAt\":\"", job->finished);
        p = async_json_time(p, limit, ",\"expiresAt\":\"", job->expires);
    }

    return p;
}


static char *
async_json_outcome(char *p, const char *limit, const async_job_t *job)
{
    bool  completed, failed;

    completed = (job->state == ASYNC_STATE_COMPLETED);
    failed = (job->state == ASYNC_STATE_FAILED);

    if ((completed || failed) && job->result_status != 0) {
        p = async_json_number(p, limit, ",\"resultStatus\":",
                              job->result_status);
    }

    if (completed || (failed && job->result_status != 0)) {
        p = async_json_url(p, limit, ",\"resultUrl\":\"", job, "/result");
    }

    if (completed) {
        p = async_json_text(p, limit, ",\"resourceUrl\":", job->resource);
    }

    if (failed || job->state == ASYNC_STATE_RETRYING) {
        p = async_json_error(p, limit, job);
    }

    return p;
}


static char *
async_json_error(char *p, const char *limit, const async_job_t *job)
{
    async_str_t  code;

    code.data = async_job_error_name((async_job_error_t) job->error);
    code.len = strlen(code.data);

    if (code.len == 0) {
        return p;
    }

    p = async_json_text(p, limit, ",\"error\":{\"code\":", code);
    p = async_json_text(p, limit, ",\"detail\":", job->detail);

    return async_json_literal(p, limit, "}");
}


/*
 * Names come with their comma, and with the opening quote where the value
 * does not bring it.  A text or a time that is not set is left out.
 */

static char *
async_json_text(char *p, const char *limit, const char *name, async_str_t s)
{
    if (p == NULL || s.len == 0) {
        return p;
    }

    p = async_json_raw(p, limit, name, strlen(name));

    return (p != NULL) ? async_json_string(p, limit, s) : NULL;
}


static char *
async_json_number(char *p, const char *limit, const char *name, uint64_t v)
{
    char  digits[20], *d;

    d = digits + sizeof(digits);

    do {
        *--d = (char) ('0' + v % 10);
        v /= 10;
    } while (v != 0);

    p = async_json_raw(p, limit, name, strlen(name));

    return async_json_raw(p, limit, d, (size_t) (digits + sizeof(digits) - d));
}


static char *
async_json_time(char *p, const char *limit, const char *name, int64_t ms)
{
    char  text[ASYNC_TIME_TEXT + 1];

    if (ms == 0) {
        return p;
    }

    *async_time_format(text, ms) = '"';

    p = async_json_raw(p, limit, name, strlen(name));

    return async_json_raw(p, limit, text, sizeof(text));
}


static char *
async_json_url(char *p, const char *limit, const char *name,
    const async_job_t *job, const char *suffix)
{
    char  id[ASYNC_ID_TEXT];

    (void) async_id_format(id, &job->id);

    p = async_json_raw(p, limit, name, strlen(name));
    p = async_json_escape(p, limit, job->status_prefix);
    p = async_json_raw(p, limit, id, ASYNC_ID_TEXT);
    p = async_json_raw(p, limit, suffix, strlen(suffix));

    return async_json_literal(p, limit, "\"");
}


static char *
async_json_raw(char *p, const char *limit, const char *data, size_t len)
{
    if (p == NULL || len > (size_t) (limit - p)) {
        return NULL;
    }

    memcpy(p, data, len);

    return p + len;
}


char *
async_json_string(char *out, const char *limit, async_str_t s)
{
    out = async_json_literal(out, limit, "\"");
    out = async_json_escape(out, limit, s);

    return async_json_literal(out, limit, "\"");
}


static char *
async_json_escape(char *p, const char *limit, async_str_t s)
{
    bool            valid;
    size_t          n;
    const uint8_t  *c, *end;

    if (s.len == 0) {
        return p;
    }

    c = (const uint8_t *) s.data;
    end = c + s.len;

    for ( /* void */ ; c < end && p != NULL; c += n) {

        if (*c < 0x80) {
            p = async_json_ascii(p, limit, *c);
            n = 1;
            continue;
        }

        n = async_json_utf8(c, end, &valid);

        p = valid ? async_json_raw(p, limit, (const char *) c, n)
                  : async_json_literal(p, limit, "\xef\xbf\xbd");
    }

    return p;
}


static char *
async_json_ascii(char *p, const char *limit, uint8_t c)
{
    char               escaped[6] = "\\u00";
    static const char  hex[] = "0123456789abcdef";

    if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {

        if (p == limit) {
            return NULL;
        }

        *p++ = (char) c;

        return p;
    }

    switch (c) {

    case '"':
        return async_json_literal(p, limit, "\\\"");

    case '\\':
        return async_json_literal(p, limit, "\\\\");

    case '\n':
        return async_json_literal(p, limit, "\\n");

    case '\r':
        return async_json_literal(p, limit, "\\r");

    case '\t':
        return async_json_literal(p, limit, "\\t");

    default:
        escaped[4] = hex[c >> 4];
        escaped[5] = hex[c & 0x0f];

        return async_json_raw(p, limit, escaped, sizeof(escaped));
    }
}


/*
 * The length of the sequence that starts at p; of one that is not valid, the
 * length of its longest valid start (at least 1), which is what one U+FFFD
 * stands for (Unicode 15, section 3.9, table 3-7 and "U+FFFD Substitution").
 */

static size_t
async_json_utf8(const uint8_t *p, const uint8_t *end, bool *valid)
{
    size_t   n, len;
    uint8_t  low, high;

    low = 0x80;
    high = 0xbf;

    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        len = 2;

    } else if ((p[0] & 0xf0) == 0xe0) {
        len = 3;

        /* neither overlong nor a surrogate */

        low = (p[0] == 0xe0) ? 0xa0 : low;
        high = (p[0] == 0xed) ? 0x9f : high;

    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        len = 4;

        /* neither overlong nor above U+10FFFF */

        low = (p[0] == 0xf0) ? 0x90 : low;
        high = (p[0] == 0xf4) ? 0x8f : high;

    } else {
        *valid = false;
        return 1;
    }

    for (n = 1; n < len; n++) {

        if (p + n == end || p[n] < low || p[n] > high) {
            *valid = false;
            return n;
        }

        low = 0x80;
        high = 0xbf;
    }

    *valid = true;

    return len;
}
