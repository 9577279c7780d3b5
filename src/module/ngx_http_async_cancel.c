
/*
 * DELETE of a job, and what any request needs that changes one: the change
 * goes with the group commit, and the answer after it.
 */

#include "ngx_http_async_module.h"

#include "async_stream.h"


static ngx_int_t ngx_http_async_cancel_done(ngx_http_request_t *r,
    const async_id_t *id, async_rc_t rc);
static ngx_int_t ngx_http_async_cancel_answer(ngx_http_request_t *r,
    async_job_t *job);
static void ngx_http_async_acted(ngx_http_async_op_t *op, async_rc_t rc);


/* what is final, or marked, stays so: nothing need be written */

ngx_int_t
ngx_http_async_cancel(ngx_http_request_t *r, async_job_t *job)
{
    if (job->dialect == ASYNC_DIALECT_ODATA) {
        return ngx_http_async_odata_delete(r, job);
    }

    if (async_state_final(job->state)
        || (job->state == ASYNC_STATE_PROCESSING
            && (job->flags & ASYNC_JOB_CANCEL_WANTED)))
    {
        return ngx_http_async_cancel_answer(r, job);
    }

    return ngx_http_async_act(r, ASYNC_EVENT_CANCEL_REQUESTED, &job->id,
                              ngx_http_async_cancel_done);
}


static ngx_int_t
ngx_http_async_cancel_done(ngx_http_request_t *r, const async_id_t *id,
    async_rc_t rc)
{
    ngx_int_t      answer;
    async_job_t   *job, asked;
    async_trail_t  line;

    job = ngx_http_async_canceled(r, id, rc, &answer);

    if (job == NULL) {
        return answer;
    }

    if (job->state != ASYNC_STATE_CANCELED
        || !(job->flags & ASYNC_JOB_CANCEL_WANTED))
    {
        return ngx_http_async_cancel_answer(r, job);
    }

    /* its worker was quicker than we: told is what this request did */

    ngx_memzero(&line, sizeof(async_trail_t));

    line.event = ASYNC_EVENT_CANCEL_REQUESTED;
    line.state = ASYNC_STATE_PROCESSING;
    line.attempt = job->attempt;

    async_stream_past(&asked, job, job->seq - 1, &line);

    return ngx_http_async_cancel_answer(r, &asked);
}


/* whatever the store made of it, the job's record tells */

async_job_t *
ngx_http_async_canceled(ngx_http_request_t *r, const async_id_t *id,
    async_rc_t rc, ngx_int_t *answer)
{
    if (rc != ASYNC_OK && rc != ASYNC_REFUSED && rc != ASYNC_NOT_FOUND) {
        *answer = ngx_http_async_act_failed(r, id, rc);
        return NULL;
    }

    return ngx_http_async_find_job(r, id, answer);
}


static ngx_int_t
ngx_http_async_cancel_answer(ngx_http_request_t *r, async_job_t *job)
{
    if (job->state == ASYNC_STATE_COMPLETED
        || job->state == ASYNC_STATE_FAILED)
    {
        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_JOB_FINISHED,
                   "The job has ended, there is nothing to cancel.",
                   &job->id, 0);
    }

    /* it is done: a condition comes too late */

    r->disable_not_modified = 1;

    if (ngx_http_async_set_text(r, "Cache-Control", "no-store") != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (job->state == ASYNC_STATE_CANCELED) {
        return ngx_http_async_reply_job(r, NGX_HTTP_OK, job, NULL);
    }

    return ngx_http_async_reply_job(r, NGX_HTTP_ACCEPTED, job, NULL);
}


/* --- a change --- */

ngx_int_t
ngx_http_async_act(ngx_http_request_t *r, async_event_type_t type,
    const async_id_t *id, ngx_http_async_act_pt done)
{
    ngx_int_t             rc;
    ngx_http_async_op_t  *op;

    if (ngx_http_async_store_error()) {
        return ngx_http_async_act_failed(r, id, ASYNC_UNAVAILABLE);
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    op = ngx_http_async_create_op(r, ngx_http_async_acted);
    if (op == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    op->act = done;
    op->event.type = type;
    op->event.id = *id;
    op->event.by.data = "client";
    op->event.by.len = sizeof("client") - 1;

    /* before the commit, which may be refused at once */

    rc = ngx_http_async_suspend(r);

    ngx_http_async_commit(op);

    return rc;
}


static void
ngx_http_async_acted(ngx_http_async_op_t *op, async_rc_t rc)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ngx_http_async_take_request(op);

    if (r) {
        c = r->connection;

        ngx_http_finalize_request(r, op->act(r, &op->event.id, rc));
        ngx_http_run_posted_requests(c);
    }

    if (!op->in_flight) {
        ngx_http_async_free(op, rc);
    }
}


ngx_int_t
ngx_http_async_act_failed(ngx_http_request_t *r, const async_id_t *id,
    async_rc_t rc)
{
    switch (rc) {

    case ASYNC_STORE_FULL:
        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_STORE_FULL,
                   "The store has no room for the change.", id, 0);

    case ASYNC_UNKNOWN:
        return ngx_http_async_reply_problem(r,
                   ASYNC_PROBLEM_STORE_UNAVAILABLE,
                   "Whether the job was changed is not known.", id, 1);

    case ASYNC_LATE:
    case ASYNC_BUSY:
        return ngx_http_async_reply_problem(r,
                   ASYNC_PROBLEM_STORE_UNAVAILABLE,
                   "The job could not be changed in time.", id, 0);

    default:
        return ngx_http_async_reply_problem(r,
                   ASYNC_PROBLEM_STORE_UNAVAILABLE,
                   "The job could not be changed.", id, 0);
    }
}
