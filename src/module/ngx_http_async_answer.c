
/*
 * What a client is told of its submit: 202 and the job, or why there is none.
 */

#include "ngx_http_async_metrics.h"


static ngx_int_t ngx_http_async_again(ngx_http_request_t *r,
    ngx_http_async_op_t *op);
static ngx_int_t ngx_http_async_tell(ngx_http_request_t *r,
    const async_job_t *job);


void
ngx_http_async_answer(ngx_http_async_op_t *op, async_rc_t rc)
{
    ngx_int_t            status;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ngx_http_async_take_request(op);

    if (r) {
        c = r->connection;

        ngx_http_async_count_op(op, rc);

        switch (rc) {

        case ASYNC_OK:

            /* the store's time is not known here; it is not before this */

            op->job.queued = op->job.created;
            op->job.due = op->event.due;

            status = ngx_http_async_tell(r, &op->job);
            break;

        case ASYNC_EXISTS:
            status = ngx_http_async_again(r, op);
            break;

        default:
            status = ngx_http_async_refused(r, rc, op);
        }

        /* NGX_AGAIN: its client waits for the job to end */

        if (status != NGX_AGAIN) {
            ngx_http_finalize_request(r, status);
        }

        ngx_http_run_posted_requests(c);
    }

    if (!op->in_flight) {
        op->rc = rc;
        ngx_http_async_drop_body(op);
    }
}


/* the job that was accepted before, as it is now */

static ngx_int_t
ngx_http_async_again(ngx_http_request_t *r, ngx_http_async_op_t *op)
{
    async_rc_t              rc;
    async_job_t             job;
    async_view_t           *view;
    ngx_http_async_mark_t  *mark;

    static uint8_t  buf[ASYNC_JOB_MAX];

    view = ngx_http_async_view();
    rc = view ? async_view_job(view, &op->event.id, &job, buf)
              : ASYNC_UNAVAILABLE;

    if (rc == ASYNC_OK && (job.flags & ASYNC_JOB_FORGET)) {
        rc = ASYNC_NOT_FOUND;
    }

    switch (rc) {

    case ASYNC_OK:
        break;

    case ASYNC_NOT_FOUND:

        /* the key was to be remembered for longer than the job */

        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_RESULT_GONE,
                   "This was submitted before, and its job is past the time "
                   "that it is kept for.", &op->event.id, 0);

    default:
        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_STORE_UNAVAILABLE,
                   "This was submitted before, and its job cannot be read at "
                   "present.", &op->event.id, 0);
    }

    mark = ngx_http_async_get_mark(r);
    mark->joined = 1;

    /* one that was coalesced was not sent before */

    mark->replayed = op->event.idempotency.used && !op->event.joined;

    return ngx_http_async_tell(r, &job);
}


/* now, or when the job has ended, if that is wanted and soon */

static ngx_int_t
ngx_http_async_tell(ngx_http_request_t *r, const async_job_t *job)
{
    u_char                 *p;
    ngx_http_async_mark_t  *mark;

    mark = ngx_http_async_get_mark(r);

    mark->url.len = job->status_prefix.len + ASYNC_ID_TEXT;
    mark->url.data = ngx_pnalloc(r->pool, mark->url.len);

    if (mark->url.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_cpymem(mark->url.data, job->status_prefix.data,
                   job->status_prefix.len);
    async_id_format((char *) p, &job->id);

    mark->stored = 1;
    mark->id.data = p;
    mark->id.len = ASYNC_ID_TEXT;
    mark->state = job->state;

    if (ngx_http_async_hold(r, &job->id) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    return ngx_http_async_accepted(r, job);
}


ngx_int_t
ngx_http_async_accepted(ngx_http_request_t *r, const async_job_t *job)
{
    ngx_http_async_mark_t  *mark;

    mark = ngx_http_async_get_mark(r);

    if (ngx_http_async_set_links(r, job) != NGX_OK
        || ngx_http_async_set_text(r, "Cache-Control", "no-store") != NGX_OK
        || ngx_http_async_set_applied(r) != NGX_OK
        || ngx_http_async_set_replayed(r, mark) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_async_reply_job(r, NGX_HTTP_ACCEPTED, job, NULL);
}


ngx_int_t
ngx_http_async_set_replayed(ngx_http_request_t *r,
    ngx_http_async_mark_t *mark)
{
    if (!mark->replayed) {
        return NGX_OK;
    }

    return ngx_http_async_set_text(r, "Idempotent-Replayed", "true");
}


ngx_int_t
ngx_http_async_refused(ngx_http_request_t *r, async_rc_t rc,
    ngx_http_async_op_t *op)
{
    if (op && op->refusal) {
        return ngx_http_async_reply_problem(r, op->problem, op->refusal, NULL,
                                            0);
    }

    switch (rc) {

    case ASYNC_KEY_REUSED:
        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_KEY_REUSED,
                   "Another request was accepted under this idempotency key: "
                   "take a new one for this.", NULL, 0);

    case ASYNC_OWNER_FULL:
        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_OWNER_LIMIT,
                   "Too many of your jobs have not ended.", NULL, 0);

    case ASYNC_QUEUE_FULL:
        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_QUEUE_FULL,
                   "Too many jobs wait in this queue.", NULL, 0);

    case ASYNC_STORE_FULL:
        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_STORE_FULL,
                   "The store has no room for another job.", NULL, 0);

    case ASYNC_UNKNOWN:
        return ngx_http_async_reply_problem(r,
                   ASYNC_PROBLEM_STORE_UNAVAILABLE,
                   "Whether the job was stored is not known.",
                   op ? &op->job.id : NULL, 1);

    case ASYNC_LATE:
    case ASYNC_BUSY:
        return ngx_http_async_reply_problem(r,
                   ASYNC_PROBLEM_STORE_UNAVAILABLE,
                   "The job could not be stored in time.", NULL, 0);

    default:
        return ngx_http_async_reply_problem(r,
                   ASYNC_PROBLEM_STORE_UNAVAILABLE,
                   "The job could not be stored.", NULL, 0);
    }
}
