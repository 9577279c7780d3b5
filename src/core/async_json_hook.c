/*
 * The body of a webhook.
 */

#include <string.h>

#include "async_json.h"
#include "async_json_out.h"


size_t
async_json_webhook(char *out, size_t cap, const async_job_t *job)
{
    char        *p;
    size_t       len;
    const char  *limit, *state;

    p = out;
    limit = out + cap;
    state = async_state_name((async_state_t) job->state);

    p = async_json_literal(p, limit, "{\"type\":\"job.");
    p = async_json_raw(p, limit, state, strlen(state));
    p = async_json_literal(p, limit, "\"");
    p = async_json_time(p, limit, ",\"timestamp\":\"", job->finished);
    p = async_json_literal(p, limit, ",\"data\":");

    if (p == NULL) {
        return 0;
    }

    len = async_json_job(p, (size_t) (limit - p), job, NULL);
    p = async_json_literal(len != 0 ? p + len : NULL, limit, "}");

    return p != NULL ? (size_t) (p - out) : 0;
}
