
/*
 * What a client is told of its submit: 202 and the job, or why there is none.
 */

#include "ngx_http_async_module.h"


static ngx_int_t ngx_http_async_accepted(ngx_http_request_t *r,
    ngx_http_async_op_t *op);


void
ngx_http_async_answer(ngx_http_async_op_t *op, async_rc_t rc)
{
    ngx_int_t            status;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = op->request;

    if (r) {
        c = r->connection;
        ngx_http_set_log_request(c->log, r);

        op->cleanup->handler = NULL;
        op->request = NULL;
        op->cleanup = NULL;

        status = rc == ASYNC_OK
                 ? ngx_http_async_accepted(r, op)
                 : ngx_http_async_refused(r, rc, &op->job.id);

        ngx_http_finalize_request(r, status);
        ngx_http_run_posted_requests(c);
    }

    if (!op->in_flight) {
        op->rc = rc;
        ngx_http_async_drop_body(op);
    }
}


static ngx_int_t
ngx_http_async_accepted(ngx_http_request_t *r, ngx_http_async_op_t *op)
{
    u_char     *p;
    ngx_str_t   value;

    static ngx_str_t  no_store = ngx_string("no-store");

    value.len = op->job.status_prefix.len + ASYNC_ID_TEXT;
    value.data = ngx_pnalloc(r->pool, value.len);
    if (value.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_cpymem(value.data, op->job.status_prefix.data,
                   op->job.status_prefix.len);
    async_id_format((char *) p, &op->job.id);

    ngx_http_async_get_mark(r)->stored = 1;

    ngx_http_clear_location(r);

    r->headers_out.location = ngx_http_async_add_header(r, "Location", &value);

    if (r->headers_out.location == NULL
        || ngx_http_async_add_header(r, "Cache-Control", &no_store) == NULL
        || ngx_http_async_set_applied(r) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_async_reply_job(r, NGX_HTTP_ACCEPTED, &op->job,
                                    op->retry_after);
}


ngx_int_t
ngx_http_async_refused(ngx_http_request_t *r, async_rc_t rc,
    const async_id_t *id)
{
    switch (rc) {

    case ASYNC_QUEUE_FULL:
        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_QUEUE_FULL,
                   "Too many jobs wait in this queue.", NULL, 0);

    case ASYNC_STORE_FULL:
        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_STORE_FULL,
                   "The store has no room for another job.", NULL, 0);

    case ASYNC_UNKNOWN:
        return ngx_http_async_reply_problem(r,
                   ASYNC_PROBLEM_STORE_UNAVAILABLE,
                   "Whether the job was stored is not known.", id, 1);

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
