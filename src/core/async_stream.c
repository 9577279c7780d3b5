#include <string.h>

#include "async_json_out.h"
#include "async_stream.h"


#define ASYNC_STREAM_DIGITS  20


/* as it was sent, and nothing else: digits, no sign, no zero in front */

bool
async_stream_id(uint64_t *id, async_str_t text)
{
    size_t    i;
    uint64_t  v, digit;

    if (text.len == 0 || text.len > ASYNC_STREAM_DIGITS
        || (text.len > 1 && text.data[0] == '0'))
    {
        return false;
    }

    for (i = 0, v = 0; i < text.len; i++) {

        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }

        digit = (uint64_t) (text.data[i] - '0');

        if (v > (UINT64_MAX - digit) / 10) {
            return false;
        }

        v = v * 10 + digit;
    }

    *id = v;

    return true;
}


bool
async_stream_tells(const async_trail_t *line)
{
    return !async_state_final((async_state_t) line->state)
           || line->event == ASYNC_EVENT_COMPLETED
           || line->event == ASYNC_EVENT_FAILED
           || line->event == ASYNC_EVENT_CANCELED;
}


const char *
async_stream_name(async_event_type_t event, async_state_t state)
{
    return event == ASYNC_EVENT_PROGRESSED ? "progress"
                                           : async_state_name(state);
}


size_t
async_stream_event(char *out, size_t cap, const char *name, uint64_t id,
    const async_job_t *job, const async_estimate_t *estimate)
{
    char        *p;
    size_t       len;
    const char  *limit;

    limit = out + cap;

    p = async_json_literal(out, limit, "event: ");
    p = async_json_raw(p, limit, name, strlen(name));

    if (id != 0) {
        p = async_json_number(p, limit, "\nid: ", id);
    }

    p = async_json_literal(p, limit, "\ndata: ");

    if (p == NULL) {
        return 0;
    }

    /* JSON escapes what would end the line */

    len = async_json_job(p, (size_t) (limit - p), job, estimate);

    if (len == 0) {
        return 0;
    }

    p = async_json_literal(p + len, limit, "\n\n");

    return p != NULL ? (size_t) (p - out) : 0;
}


void
async_stream_past(async_job_t *past, const async_job_t *job, uint64_t seq,
    const async_trail_t *line)
{
    bool  present;

    present = line->state == ASYNC_STATE_PROCESSING
              && line->attempt == job->attempt;

    *past = *job;

    past->seq = seq;
    past->state = line->state;
    past->attempt = line->attempt;
    past->due = 0;
    past->finished = 0;
    past->expires = 0;
    past->result_status = 0;
    past->error = ASYNC_JOB_ERROR_NONE;
    past->started = 0;
    past->flags &= (uint16_t) ~(ASYNC_JOB_CANCEL_WANTED|ASYNC_JOB_SENT);

    memset(&past->response, 0, sizeof(async_body_t));
    memset(&past->resource, 0, sizeof(async_str_t));
    memset(&past->detail, 0, sizeof(async_str_t));
    memset(&past->retried_as, 0, sizeof(async_id_t));

    if (line->event == ASYNC_EVENT_STARTED) {
        past->started = line->at;

    } else if (present) {
        past->started = job->started;
    }

    if (line->state == ASYNC_STATE_RETRYING) {
        past->error = line->error;
    }

    if (line->event == ASYNC_EVENT_CANCEL_REQUESTED) {
        past->flags |= ASYNC_JOB_CANCEL_WANTED;
    }

    /* what is shown was said by the last report of the attempt */

    if (!present || line->event == ASYNC_EVENT_STARTED) {
        past->percent = ASYNC_NO_PERCENT;
        memset(&past->message, 0, sizeof(async_str_t));
    }
}
