/*
 * The same in other dialects (contract, section 12).
 *
 * azure: Microsoft's REST API Guidelines, "Long running operations": what the
 * status monitor shows.  Errors are those of OData JSON 4.01, section 21.1,
 * which the guidelines have taken over.
 */

#include <string.h>

#include "async_json.h"
#include "async_json_out.h"


static int64_t async_job_changed(const async_job_t *job);
static char *async_json_failure(char *p, const char *limit,
    const async_job_t *job);
static char *async_json_member(char *p, const char *limit, async_str_t code,
    async_str_t message, bool unknown);


size_t
async_json_azure(char *out, size_t cap, const async_job_t *job,
    const async_estimate_t *estimate, async_str_t origin)
{
    char         *p, id[ASYNC_ID_TEXT];
    const char   *limit;
    async_str_t   status;

    p = out;
    limit = out + cap;

    (void) async_id_format(id, &job->id);

    status.data = async_state_azure((async_state_t) job->state);
    status.len = strlen(status.data);

    p = async_json_literal(p, limit, "{\"id\":\"");
    p = async_json_raw(p, limit, id, ASYNC_ID_TEXT);
    p = async_json_literal(p, limit, "\"");
    p = async_json_text(p, limit, ",\"status\":", status);

    p = async_json_percent(p, limit, job, estimate);
    p = async_json_text(p, limit, ",\"message\":", job->message);

    p = async_json_time(p, limit, ",\"createdDateTime\":\"", job->created);
    p = async_json_time(p, limit, ",\"lastActionDateTime\":\"",
                        async_job_changed(job));

    if (job->state == ASYNC_STATE_COMPLETED) {
        p = async_json_literal(p, limit, ",\"resourceLocation\":\"");
        p = async_json_escape(p, limit, origin);
        p = async_json_url(p, limit, job, id, "/result");
    }

    if (job->state == ASYNC_STATE_FAILED) {
        p = async_json_literal(p, limit, ",");
        p = async_json_failure(p, limit, job);
    }

    p = async_json_literal(p, limit, "}");

    return (p != NULL) ? (size_t) (p - out) : 0;
}


/* the last of its times; where it waits for a time to come, it was put there */

static int64_t
async_job_changed(const async_job_t *job)
{
    int64_t  at;

    at = job->queued > job->created ? job->queued : job->created;
    at = job->started > at ? job->started : at;

    return job->finished > at ? job->finished : at;
}


static char *
async_json_failure(char *p, const char *limit, const async_job_t *job)
{
    async_str_t  code;

    code.data = async_job_error_name((async_job_error_t) job->error);
    code.len = strlen(code.data);

    return async_json_member(p, limit, code, job->detail, false);
}


size_t
async_json_error(char *out, size_t cap, async_str_t code, async_str_t message,
    bool unknown)
{
    char        *p;
    const char  *limit;

    p = out;
    limit = out + cap;

    p = async_json_literal(p, limit, "{");
    p = async_json_member(p, limit, code, message, unknown);
    p = async_json_literal(p, limit, "}");

    return (p != NULL) ? (size_t) (p - out) : 0;
}


/* both must be there, be they empty */

static char *
async_json_member(char *p, const char *limit, async_str_t code,
    async_str_t message, bool unknown)
{
    p = async_json_literal(p, limit, "\"error\":{\"code\":");
    p = async_json_string(p, limit, code);
    p = async_json_literal(p, limit, ",\"message\":");
    p = async_json_string(p, limit, message);

    if (unknown) {
        p = async_json_literal(p, limit, ",\"outcome\":\"unknown\"");
    }

    return async_json_literal(p, limit, "}");
}
