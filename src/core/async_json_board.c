/*
 * Queues, jobs, webhooks and schedules, as operators are told of them.
 */

#include <string.h>

#include "async_json.h"
#include "async_json_board.h"
#include "async_json_out.h"


static async_str_t async_board_path(async_str_t url);
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

    if (figures->oldest != 0) {
        p = async_json_number(p, limit, ",\"oldestMs\":", figures->oldest);
    }

    p = async_json_number(p, limit, ",\"ended\":", figures->ended);

    if (figures->half != 0) {
        p = async_json_number(p, limit, ",\"halfMs\":", figures->half);
        p = async_json_number(p, limit, ",\"mostMs\":", figures->most);
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


size_t
async_json_board_hook(char *out, size_t cap, const async_id_t *id,
    const async_hook_t *hook)
{
    char         *p, text[ASYNC_ID_TEXT];
    const char   *limit;
    async_str_t   url, state, error;

    limit = out + cap;
    url = async_board_path(hook->url);

    state.data = async_hook_state_name((async_hook_state_t) hook->state);
    state.len = strlen(state.data);
    error.data = async_hook_error_name((async_hook_error_t) hook->error);
    error.len = strlen(error.data);

    (void) async_id_format(text, id);

    p = async_json_literal(out, limit, "{\"id\":\"");
    p = async_json_raw(p, limit, text, ASYNC_ID_TEXT);
    p = async_json_literal(p, limit, "\"");
    p = async_json_text(p, limit, ",\"state\":", state);
    p = async_json_text(p, limit, ",\"url\":", url);
    p = async_json_flag(p, limit, ",\"cut\":true", url.len < hook->url.len);
    p = async_json_number(p, limit, ",\"attempts\":", hook->attempts);
    p = async_json_text(p, limit, ",\"error\":", error);

    if (hook->status != 0) {
        p = async_json_number(p, limit, ",\"status\":", hook->status);
    }

    p = async_json_time(p, limit, ",\"owedAt\":\"", hook->owed);

    if (hook->state == ASYNC_HOOK_PENDING) {
        p = async_json_time(p, limit, ",\"dueAt\":\"", hook->due);
    }

    p = async_json_time(p, limit, ",\"endedAt\":\"", hook->ended);
    p = async_json_literal(p, limit, "}");

    return (p != NULL) ? (size_t) (p - out) : 0;
}


size_t
async_json_board_schedule(char *out, size_t cap, const async_schedule_t *said,
    const async_schedule_state_t *state, uint8_t last)
{
    char         *p, id[ASYNC_ID_TEXT];
    const char   *limit;
    async_str_t   text;

    limit = out + cap;

    p = async_json_text(out, limit, "{\"name\":", state->name);

    if (said != NULL) {
        text.data = async_misfire_name(said->misfire);
        text.len = strlen(text.data);

        p = async_json_text(p, limit, ",\"cron\":", said->cron);
        p = async_json_text(p, limit, ",\"zone\":", said->zone);
        p = async_json_text(p, limit, ",\"misfire\":", text);
        p = async_json_flag(p, limit, ",\"overlap\":true", said->overlap);
    }

    p = async_json_flag(p, limit, ",\"gone\":true",
                        said == NULL || said->gone);
    p = async_json_flag(p, limit, ",\"paused\":true", state->paused);

    if (state->next != ASYNC_SCHEDULE_NEVER) {
        p = async_json_time(p, limit, ",\"nextAt\":\"", state->next);
    }

    p = async_json_time(p, limit, ",\"firedAt\":\"", state->fired);

    if (state->job.bytes[0] != 0 || state->job.bytes[6] != 0) {
        (void) async_id_format(id, &state->job);

        p = async_json_literal(p, limit, ",\"job\":\"");
        p = async_json_raw(p, limit, id, ASYNC_ID_TEXT);
        p = async_json_literal(p, limit, "\"");
    }

    text.data = async_state_name((async_state_t) last);
    text.len = strlen(text.data);

    p = async_json_text(p, limit, ",\"last\":", text);
    p = async_json_number(p, limit, ",\"skipped\":", state->skipped);
    p = async_json_literal(p, limit, "}");

    return (p != NULL) ? (size_t) (p - out) : 0;
}


static async_str_t
async_board_path(async_str_t url)
{
    size_t  i;

    for (i = 0; i < url.len && url.data[i] != '?' && url.data[i] != '#'; i++) {
        /* void */
    }

    url.len = i;

    return url;
}


static char *
async_json_flag(char *p, const char *limit, const char *name, bool set)
{
    return set ? async_json_raw(p, limit, name, strlen(name)) : p;
}
