#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "async_away.h"
#include "async_replay.h"


#define ASYNC_REPLAY_HEAD  8192    /* a request head is mostly smaller */

/* ms between looks at whether nginx has read the head, while it has not */
#define ASYNC_REPLAY_LOOK_MIN  10
#define ASYNC_REPLAY_LOOK_MAX  1000


static void async_replay_init(async_replay_t *r,
    const async_replay_env_t *env, const async_claim_t *claim, int64_t now);
static async_end_t async_replay_begin(async_replay_t *r,
    const async_claim_t *claim);
static async_rc_t async_replay_load(async_replay_t *r, uint8_t **head,
    size_t *len);
static async_rc_t async_replay_open_body(async_replay_t *r);
static async_end_t async_replay_send(async_replay_t *r,
    const async_request_t *request, uint64_t response_max);
static long async_replay_on_read(void *data, char *buf, size_t len);
static bool async_replay_read(async_replay_t *r, char *buf, size_t len);
static bool async_replay_on_line(void *data, const char *line, size_t len);
static bool async_replay_on_body(void *data, const char *buf, size_t len);
static async_end_t async_replay_aborted(const async_replay_t *r);
static void async_replay_settle(async_replay_t *r, async_end_t end, bool sent,
    int64_t now);
static void async_replay_judge(async_replay_t *r, async_end_t end, bool sent,
    int64_t now);
static void async_replay_event(async_replay_t *r, int64_t now);
static void async_replay_why(async_replay_t *r, const char *why);


static const async_http_handler_t  async_replay_handler = {
    .read = async_replay_on_read,
    .line = async_replay_on_line,
    .body = async_replay_on_body
};


bool
async_replay_start(async_replay_t *replay, const async_replay_env_t *env,
    const async_claim_t *claim, int64_t now)
{
    async_end_t  end;

    async_replay_init(replay, env, claim, now);

    end = async_replay_begin(replay, claim);

    if (replay->transfer) {
        return true;
    }

    async_replay_settle(replay, end, false, now);

    return false;
}


static void
async_replay_init(async_replay_t *r, const async_replay_env_t *env,
    const async_claim_t *claim, int64_t now)
{
    const async_job_t  *job = &claim->job;

    memset(r, 0, sizeof(async_replay_t));

    r->env = env;
    r->id = job->id;
    r->epoch = job->epoch;
    r->server = job->server;
    r->attempt = job->attempt;
    r->deaths = job->deaths;
    r->repeatable = (job->flags & ASYNC_JOB_REPEATABLE) != 0;
    r->head_only = job->method.len == 4
                   && memcmp(job->method.data, "HEAD", 4) == 0;
    r->last = job->attempt >= job->attempts_max;
    r->policy = claim->policy;
    r->waited = job->started > job->queued ? job->started - job->queued : 0;
    r->body = job->request;
    r->body_file.fd = -1;
    r->started = now;
    r->waiting = now;

    if (job->queue.len <= ASYNC_QUEUE_MAX) {
        memcpy(r->queue, job->queue.data, job->queue.len);
    }

    async_response_init(&r->response, env->store, &job->id,
                        claim->policy.result_max, r->head_only);
}


/* how it ended, if no transfer is under way after this */

static async_end_t
async_replay_begin(async_replay_t *r, const async_claim_t *claim)
{
    size_t            len;
    uint8_t          *head;
    async_rc_t        rc;
    async_end_t       end;
    async_request_t   request;

    rc = async_replay_load(r, &head, &len);
    if (rc != ASYNC_OK) {
        async_replay_why(r, async_rc_name(rc));
        return rc == ASYNC_NOT_FOUND || rc == ASYNC_CORRUPT
               ? ASYNC_END_DAMAGED : ASYNC_END_UNSENT;
    }

    rc = async_request_parse(&request, head, len,
                             async_store_token(r->env->store), &r->id,
                             r->attempt);
    free(head);

    if (rc != ASYNC_OK) {
        async_replay_why(r, async_rc_name(rc));
        return rc == ASYNC_CORRUPT ? ASYNC_END_DAMAGED : ASYNC_END_UNSENT;
    }

    rc = async_replay_open_body(r);

    if (rc != ASYNC_OK) {
        end = rc == ASYNC_NOT_FOUND || rc == ASYNC_CORRUPT
              ? ASYNC_END_DAMAGED : ASYNC_END_UNSENT;

    } else {
        end = async_replay_send(r, &request, claim->policy.result_max);
    }

    async_request_clean(&request);

    return end;
}


static async_rc_t
async_replay_load(async_replay_t *r, uint8_t **head, size_t *len)
{
    size_t      cap;
    uint8_t    *p;
    async_rc_t  rc;

    for (cap = ASYNC_REPLAY_HEAD; /* void */ ; cap = *len) {

        p = malloc(cap);
        if (p == NULL) {
            return ASYNC_NO_SPACE;
        }

        *len = 0;
        rc = async_view_head(r->env->view, &r->id, ASYNC_PAYLOAD_REQUEST, p,
                             cap, len);

        if (rc == ASYNC_OK) {
            *head = p;
            return ASYNC_OK;
        }

        free(p);

        if (rc != ASYNC_NO_SPACE) {
            return rc;
        }

        if (*len <= cap || *len > ASYNC_REQUEST_HEAD_MAX) {
            return ASYNC_CORRUPT;
        }
    }
}


static async_rc_t
async_replay_open_body(async_replay_t *r)
{
    async_rc_t     rc;
    async_error_t  err;

    if (r->body.where != ASYNC_BODY_SPOOL) {
        return ASYNC_OK;
    }

    rc = async_spool_open(&r->body_file, r->env->store, &r->id,
                          ASYNC_PAYLOAD_REQUEST_BODY, &r->body, &err);

    if (rc != ASYNC_OK) {
        async_replay_why(r, err.text);
    }

    return rc;
}


static async_end_t
async_replay_send(async_replay_t *r, const async_request_t *request,
    uint64_t response_max)
{
    char                  path[sizeof(((struct sockaddr_un *) 0)->sun_path)];
    async_http_request_t  http;

    if (!async_away_socket(path, sizeof(path), r->env->run, r->server)) {
        async_replay_why(r, "the socket's path is too long");
        return ASYNC_END_UNREACHED;
    }

    http.socket = path;
    http.method = request->method;
    http.target = request->target;
    http.headers = request->headers;
    http.nheaders = request->nheaders;
    http.has_body = r->body.where != ASYNC_BODY_NONE;
    http.body_len = r->body.len;
    http.response_max = response_max;
    http.handler = &async_replay_handler;
    http.data = r;

    r->transfer = async_http_start(r->env->http, &http);

    if (r->transfer == NULL) {
        async_replay_why(r, "no memory for a transfer");
    }

    return ASYNC_END_UNSENT;
}


/*
 * The last piece is held back until the checksum of the whole is known: nginx
 * never sees the end of a body that is not the client's.  Of a sealed one
 * every piece is known to be right.
 */

static long
async_replay_on_read(void *data, char *buf, size_t len)
{
    uint64_t         left;
    async_replay_t  *r = data;

    left = r->body.len - r->body_sent;

    if (len > left) {
        len = (size_t) left;
    }

    if (len == 0) {
        return 0;
    }

    if (!async_replay_read(r, buf, len)) {
        r->damaged = true;
        return -1;
    }

    r->body_crc = async_crc32c(r->body_crc, buf, len);
    r->body_sent += len;

    if (r->body_sent == r->body.len && !r->body.seal.used
        && r->body_crc != r->body.crc)
    {
        r->damaged = true;
        return -1;
    }

    return (long) len;
}


static bool
async_replay_read(async_replay_t *r, char *buf, size_t len)
{
    if (r->body_file.fd == -1) {
        return async_view_body(r->env->view, &r->id,
                               ASYNC_PAYLOAD_REQUEST_BODY, r->body_sent,
                               (uint8_t *) buf, len)
               == ASYNC_OK;
    }

    return async_spool_read(&r->body_file, r->body_sent, buf, len)
           == ASYNC_OK;
}


static bool
async_replay_on_line(void *data, const char *line, size_t len)
{
    async_replay_t  *r = data;

    return async_response_line(&r->response, line, len);
}


static bool
async_replay_on_body(void *data, const char *buf, size_t len)
{
    async_replay_t    *r = data;
    async_response_t  *response = &r->response;

    /* what nginx says in its own name is not stored */

    if (!response->end_line || !response->facts.answered) {
        return true;
    }

    return async_response_body(response, buf, len);
}


void
async_replay_ended(async_replay_t *replay, async_http_end_t end,
    const char *why, int64_t now)
{
    /* indexed by async_http_end_t */

    static const async_end_t  ends[] = {
        [ASYNC_HTTP_COMPLETE]  = ASYNC_END_COMPLETE,
        [ASYNC_HTTP_UNREACHED] = ASYNC_END_UNREACHED,
        [ASYNC_HTTP_BROKEN]    = ASYNC_END_BROKEN,
        [ASYNC_HTTP_TOO_LARGE] = ASYNC_END_TOO_LARGE
    };

    async_replay_why(replay, why);

    async_replay_settle(replay,
                        end == ASYNC_HTTP_ABORTED
                        ? async_replay_aborted(replay) : ends[end],
                        end != ASYNC_HTTP_UNREACHED, now);
}


static async_end_t
async_replay_aborted(const async_replay_t *r)
{
    if (r->damaged) {
        return ASYNC_END_DAMAGED;
    }

    return r->response.fault == ASYNC_RESPONSE_TOO_LARGE
           ? ASYNC_END_TOO_LARGE : ASYNC_END_UNSTORED;
}


void
async_replay_cut(async_replay_t *replay, async_end_t end, int64_t now)
{
    /* what was written may be read even after we have closed */

    async_replay_settle(replay, end, async_http_written(replay->transfer),
                        now);
}


/*
 * One that nginx has not read cannot be ended by the clock: nginx may still
 * read what lies in the closed socket and run it, beside the next attempt.
 */

bool
async_replay_overdue(async_replay_t *replay, int64_t now)
{
    if (!replay->taken) {
        if (!async_http_reached(replay->transfer)) {
            replay->waiting = now;
            return false;
        }

        replay->taken = now;
    }

    return async_replay_deadline(replay) <= now;
}


int64_t
async_replay_deadline(const async_replay_t *replay)
{
    int64_t  look;

    if (!replay->taken) {

        /* the longer it waits, the more rarely */

        look = replay->waiting - replay->started;
        look = look > ASYNC_REPLAY_LOOK_MIN ? look : ASYNC_REPLAY_LOOK_MIN;
        look = look < ASYNC_REPLAY_LOOK_MAX ? look : ASYNC_REPLAY_LOOK_MAX;

        return replay->waiting + look;
    }

    return replay->policy.timeout < (uint64_t) INT64_MAX / 2
           ? replay->taken + (int64_t) replay->policy.timeout : INT64_MAX;
}


static void
async_replay_settle(async_replay_t *r, async_end_t end, bool sent,
    int64_t now)
{
    if (r->transfer) {
        async_http_stop(r->env->http, r->transfer);
        r->transfer = NULL;
    }

    async_spool_close(&r->body_file);

    async_replay_judge(r, end, sent, now);
    async_replay_event(r, now);

    /* the response is written at last: that too can fail */

    if (r->verdict.keep
        && !async_response_finish(&r->response, &r->event.payload,
                                  &r->event.response, &r->event.resource))
    {
        async_replay_judge(r, ASYNC_END_UNSTORED, sent, now);
        async_replay_event(r, now);
    }

    if (r->response.fault == ASYNC_RESPONSE_UNSTORED) {
        async_replay_why(r, r->response.error.text);
    }

    if (!r->verdict.keep) {
        async_response_clean(&r->response);
    }
}


static void
async_replay_judge(async_replay_t *r, async_end_t end, bool sent, int64_t now)
{
    async_outcome_t  outcome;

    outcome.end = end;
    outcome.sent = sent;
    outcome.repeatable = r->repeatable;
    outcome.last = r->last;
    outcome.deaths = r->deaths;
    outcome.status = r->response.ended ? r->response.status : 0;
    outcome.end_line = r->response.ended && r->response.end_line;
    outcome.facts = r->response.facts;
    outcome.elapsed = (uint64_t) (now - r->waiting);
    outcome.policy = &r->policy;

    async_judge(&r->verdict, &outcome);
}


static void
async_replay_event(async_replay_t *r, int64_t now)
{
    async_event_t  *event;

    event = &r->event;
    memset(event, 0, sizeof(async_event_t));

    event->type = r->verdict.event;
    event->id = r->id;
    event->epoch = r->epoch;
    event->attempt = r->attempt;
    event->error = (uint8_t) r->verdict.error;
    event->sent = r->verdict.sent;
    event->duration = (uint64_t) (now - r->started);
    event->detail.data = r->verdict.detail;
    event->detail.len = strlen(r->verdict.detail);
    event->by = (async_str_t) async_str("worker");

    /* the history tells the backend's status, kept or not */

    if (r->verdict.keep || r->verdict.error == ASYNC_JOB_ERROR_BACKEND_STATUS)
    {
        event->status = (uint16_t) r->response.status;
    }
}


static void
async_replay_why(async_replay_t *r, const char *why)
{
    snprintf(r->why, sizeof(r->why), "%s", why);
}


void
async_replay_clean(async_replay_t *replay)
{
    async_spool_close(&replay->body_file);
    async_response_clean(&replay->response);
}
