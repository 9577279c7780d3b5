/*
 * A line of a job's history.
 */

#include <string.h>

#include "async_hook.h"
#include "async_json.h"
#include "async_json_out.h"


static bool async_trail_of_attempt(const async_trail_t *t);


size_t
async_json_trail(char *out, size_t cap, uint64_t seq, const async_trail_t *t)
{
    char         *p;
    const char   *limit;
    async_str_t   event, error;

    p = out;
    limit = out + cap;

    event.data = async_event_told((async_event_type_t) t->event,
                                  (async_state_t) t->state);
    event.len = strlen(event.data);

    error.data = async_event_of_webhook((async_event_type_t) t->event)
                 ? async_hook_error_name((async_hook_error_t) t->error)
                 : async_job_error_name((async_job_error_t) t->error);
    error.len = strlen(error.data);

    p = async_json_number(p, limit, "{\"seq\":", seq);
    p = async_json_time(p, limit, ",\"at\":\"", t->at);
    p = async_json_text(p, limit, ",\"event\":", event);
    p = async_json_text(p, limit, ",\"by\":", t->by);

    if (async_trail_of_attempt(t)) {
        p = async_json_number(p, limit, ",\"attempt\":", t->attempt);
    }

    if (t->event == ASYNC_EVENT_INTERRUPTED) {
        p = async_json_literal(p, limit, ",\"interrupted\":true");
    }

    if (t->status != 0) {
        p = async_json_number(p, limit, ",\"status\":", t->status);
    }

    if (t->duration != 0) {
        p = async_json_number(p, limit, ",\"durationMs\":", t->duration);
    }

    p = async_json_text(p, limit, ",\"error\":", error);
    p = async_json_literal(p, limit, "}");

    return (p != NULL) ? (size_t) (p - out) : 0;
}


/* a job that only waits has made attempts, but the line is of none */

static bool
async_trail_of_attempt(const async_trail_t *t)
{
    switch (t->event) {

    case ASYNC_EVENT_RELEASED:
    case ASYNC_EVENT_DUE:
        return false;

    case ASYNC_EVENT_WEBHOOK_DELIVERED:
    case ASYNC_EVENT_WEBHOOK_FAILED:
    case ASYNC_EVENT_WEBHOOK_DEAD:
        return true;

    default:
        return t->attempt != 0
               && t->error != ASYNC_JOB_ERROR_START_TIMEOUT;
    }
}
