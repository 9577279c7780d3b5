/*
 * Queues and jobs, as operators are told of them.
 */

#include <string.h>

#include "async_json.h"
#include "async_json_board.h"
#include "async_json_out.h"


static char *async_json_flag(char *p, const char *limit, const char *name,
    bool set);


size_t
async_json_board_queue(char *out, size_t cap, const async_queue_t *q,
    const async_board_queue_t *figures)
{
    char        *p;
    const char  *limit;

    limit = out + cap;

    p = async_json_text(out, limit, "{\"name\":", q->name);
    p = async_json_number(p, limit, ",\"queued\":", figures->queued);
    p = async_json_number(p, limit, ",\"processing\":", figures->running);
    p = async_json_number(p, limit, ",\"concurrency\":", q->concurrency);
    p = async_json_number(p, limit, ",\"maxQueued\":", q->max_queued);

    if (q->per_owner != 0) {
        p = async_json_number(p, limit, ",\"perOwner\":", q->per_owner);
    }

    if (q->interval != 0) {
        p = async_json_number(p, limit, ",\"intervalUs\":", q->interval);
    }

    p = async_json_flag(p, limit, ",\"paused\":true", figures->paused);
    p = async_json_literal(p, limit, "}");

    return (p != NULL) ? (size_t) (p - out) : 0;
}


size_t
async_json_board_job(char *out, size_t cap, const async_job_t *job,
    const async_estimate_t *estimate)
{
    char         *p;
    size_t        len;
    const char   *limit;
    async_str_t   dialect;

    static const char *const  dialects[] = {
#define X(number, symbol, name)  [number] = name,
        ASYNC_DIALECTS(X)
#undef X
    };

    limit = out + cap;

    p = async_json_literal(out, limit, "{\"job\":");

    if (p == NULL) {
        return 0;
    }

    len = async_json_job(p, (size_t) (limit - p), job, estimate);

    if (len == 0) {
        return 0;
    }

    p += len;

    dialect.data = (job->dialect < ASYNC_DIALECT_MAX)
                   ? dialects[job->dialect] : "native";
    dialect.len = strlen(dialect.data);

    p = async_json_text(p, limit, ",\"method\":", job->method);
    p = async_json_text(p, limit, ",\"uri\":", job->uri);
    p = async_json_number(p, limit, ",\"priority\":", job->priority);
    p = async_json_time(p, limit, ",\"queuedAt\":\"", job->queued);

    if (!async_state_final((async_state_t) job->state)) {
        p = async_json_time(p, limit, ",\"dueAt\":\"", job->due);
    }

    p = async_json_text(p, limit, ",\"dialect\":", dialect);
    p = async_json_number(p, limit, ",\"requestBytes\":", job->request.len);
    p = async_json_number(p, limit, ",\"responseBytes\":",
                          job->response.len);

    p = async_json_flag(p, limit, ",\"owned\":true", job->owner.len != 0);
    p = async_json_flag(p, limit, ",\"repeatable\":true",
                        job->flags & ASYNC_JOB_REPEATABLE);
    p = async_json_flag(p, limit, ",\"forget\":true",
                        job->flags & ASYNC_JOB_FORGET);
    p = async_json_flag(p, limit, ",\"encrypted\":true",
                        job->request.seal.used);
    p = async_json_literal(p, limit, "}");

    return (p != NULL) ? (size_t) (p - out) : 0;
}


static char *
async_json_flag(char *p, const char *limit, const char *name, bool set)
{
    return set ? async_json_raw(p, limit, name, strlen(name)) : p;
}
