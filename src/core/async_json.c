/*
 * The document of a job.
 */

#include <stdint.h>
#include <string.h>

#include "async_json.h"
#include "async_json_out.h"


static char *async_json_progress(char *p, const char *limit,
    const async_job_t *job, const async_estimate_t *estimate);
static char *async_json_times(char *p, const char *limit,
    const async_job_t *job, const async_estimate_t *estimate);
static char *async_json_outcome(char *p, const char *limit,
    const async_job_t *job, const char id[ASYNC_ID_TEXT]);
static char *async_json_reason(char *p, const char *limit,
    const async_job_t *job);
static char *async_json_retries(char *p, const char *limit,
    const async_job_t *job);
static char *async_json_id(char *p, const char *limit, const char *name,
    const async_id_t *id);
static char *async_json_hex(char *p, uint64_t v);


size_t
async_json_job(char *out, size_t cap, const async_job_t *job,
    const async_estimate_t *estimate)
{
    char        *p, id[ASYNC_ID_TEXT];
    const char  *limit;

    p = out;
    limit = out + cap;

    (void) async_id_format(id, &job->id);

    p = async_json_literal(p, limit, "{\"id\":\"");
    p = async_json_raw(p, limit, id, ASYNC_ID_TEXT);
    p = async_json_literal(p, limit, "\"");

    p = async_json_progress(p, limit, job, estimate);
    p = async_json_times(p, limit, job, estimate);
    p = async_json_outcome(p, limit, job, id);
    p = async_json_retries(p, limit, job);

    p = async_json_literal(p, limit, ",\"statusUrl\":\"");
    p = async_json_url(p, limit, job, id, "");
    p = async_json_literal(p, limit, ",\"eventsUrl\":\"");
    p = async_json_url(p, limit, job, id, "/events");

    if (job->state == ASYNC_STATE_PROCESSING
        && (job->flags & ASYNC_JOB_CANCEL_WANTED))
    {
        p = async_json_literal(p, limit, ",\"cancelRequested\":true");
    }

    p = async_json_literal(p, limit, "}");

    return (p != NULL) ? (size_t) (p - out) : 0;
}


static char *
async_json_progress(char *p, const char *limit, const async_job_t *job,
    const async_estimate_t *estimate)
{
    async_str_t  status;

    status.data = async_state_name((async_state_t) job->state);
    status.len = strlen(status.data);

    p = async_json_text(p, limit, ",\"status\":", status);

    p = async_json_percent(p, limit, job, estimate);
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


/* what the backend reports goes before what is believed */

char *
async_json_percent(char *p, const char *limit, const async_job_t *job,
    const async_estimate_t *estimate)
{
    if (job->percent != ASYNC_NO_PERCENT) {
        return async_json_number(p, limit, ",\"percentComplete\":",
                                 job->percent);
    }

    if (estimate == NULL || estimate->percent == ASYNC_NO_PERCENT) {
        return p;
    }

    p = async_json_number(p, limit, ",\"percentComplete\":",
                          estimate->percent);

    return async_json_literal(p, limit, ",\"estimated\":true");
}


static char *
async_json_times(char *p, const char *limit, const async_job_t *job,
    const async_estimate_t *estimate)
{
    p = async_json_time(p, limit, ",\"createdAt\":\"", job->created);
    p = async_json_time(p, limit, ",\"startedAt\":\"", job->started);

    if (job->state == ASYNC_STATE_RETRYING) {
        p = async_json_time(p, limit, ",\"nextAttemptAt\":\"", job->due);
    }

    if (estimate != NULL) {
        p = async_json_time(p, limit, ",\"estimatedCompletionAt\":\"",
                            estimate->completion);
    }

    if (async_state_final((async_state_t) job->state)) {
        p = async_json_time(p, limit, ",\"finishedAt\":\"", job->finished);
        p = async_json_time(p, limit, ",\"expiresAt\":\"", job->expires);
    }

    return p;
}


static char *
async_json_outcome(char *p, const char *limit, const async_job_t *job,
    const char id[ASYNC_ID_TEXT])
{
    bool  completed, failed;

    completed = (job->state == ASYNC_STATE_COMPLETED);
    failed = (job->state == ASYNC_STATE_FAILED);

    if ((completed || failed) && job->result_status != 0) {
        p = async_json_number(p, limit, ",\"resultStatus\":",
                              job->result_status);
    }

    if (completed || (failed && job->result_status != 0)) {
        p = async_json_literal(p, limit, ",\"resultUrl\":\"");
        p = async_json_url(p, limit, job, id, "/result");
    }

    if (completed) {
        p = async_json_text(p, limit, ",\"resourceUrl\":", job->resource);
    }

    if (failed || job->state == ASYNC_STATE_RETRYING) {
        p = async_json_reason(p, limit, job);
    }

    if (job->state == ASYNC_STATE_CANCELED && (job->flags & ASYNC_JOB_SENT)) {
        p = async_json_literal(p, limit, ",\"outcomeUnknown\":true");
    }

    return p;
}


static char *
async_json_reason(char *p, const char *limit, const async_job_t *job)
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


static char *
async_json_retries(char *p, const char *limit, const async_job_t *job)
{
    p = async_json_id(p, limit, ",\"retryOf\":\"", &job->retry_of);

    return async_json_id(p, limit, ",\"retriedAs\":\"", &job->retried_as);
}


static char *
async_json_id(char *p, const char *limit, const char *name,
    const async_id_t *id)
{
    char  text[ASYNC_ID_TEXT];

    if (!async_job_has(id)) {
        return p;
    }

    (void) async_id_format(text, id);

    p = async_json_raw(p, limit, name, strlen(name));
    p = async_json_raw(p, limit, text, ASYNC_ID_TEXT);

    return async_json_literal(p, limit, "\"");
}


size_t
async_json_etag(char out[ASYNC_JSON_ETAG], const async_job_t *job,
    const async_estimate_t *estimate)
{
    char  *p;

    p = out;

    *p++ = '"';
    p = async_json_hex(p, job->seq);

    if (estimate->percent != ASYNC_NO_PERCENT || estimate->completion != 0) {
        *p++ = '-';
        p = async_json_hex(p, estimate->percent);
        *p++ = '-';
        p = async_json_hex(p, (uint64_t) estimate->completion);

    } else if (job->hooks != 0 && job->finished != 0) {

        /* what waits for its webhook is kept the longer, without a word */

        *p++ = '-';
        p = async_json_hex(p, 0);
        *p++ = '-';
        p = async_json_hex(p, (uint64_t) job->expires);
    }

    *p++ = '"';

    return (size_t) (p - out);
}


static char *
async_json_hex(char *p, uint64_t v)
{
    int                shift;
    static const char  hex[] = "0123456789abcdef";

    for (shift = 60; shift > 0 && v >> shift == 0; shift -= 4) {
        /* void */
    }

    for ( /* void */ ; shift >= 0; shift -= 4) {
        *p++ = hex[v >> shift & 0x0f];
    }

    return p;
}
