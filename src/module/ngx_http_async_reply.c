
/*
 * Answers of our own: documents of jobs and problems.  They are sent as they
 * are, without ngx_http_finalize_request(status), so that error_page never
 * replaces them.
 */

#include "ngx_http_async_module.h"

#include "async_json.h"


ngx_table_elt_t *
ngx_http_async_add_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value = *value;

    return h;
}


ngx_int_t
ngx_http_async_set_text(ngx_http_request_t *r, const char *name,
    const char *text)
{
    ngx_str_t  value;

    value.data = (u_char *) text;
    value.len = ngx_strlen(text);

    return ngx_http_async_add_header(r, name, &value) ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_async_set_number(ngx_http_request_t *r, const char *name,
    ngx_uint_t number)
{
    ngx_str_t  value;

    value.data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%ui", number) - value.data;

    return ngx_http_async_add_header(r, name, &value) ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_async_retry_after(ngx_http_request_t *r, time_t seconds)
{
    return ngx_http_async_set_number(r, "Retry-After", seconds);
}


ngx_int_t
ngx_http_async_reply_job(ngx_http_request_t *r, ngx_uint_t status,
    const async_job_t *job, const async_estimate_t *estimate)
{
    size_t             len;
    u_char            *data;
    async_estimate_t   made;

    static ngx_str_t  type = ngx_string("application/json");
    static u_char     buf[ASYNC_JSON_JOB_MAX];

    if (estimate == NULL) {
        ngx_http_async_estimate(job, &made);
        estimate = &made;
    }

    if (estimate->retry_after
        && ngx_http_async_retry_after(r, estimate->retry_after) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    len = ngx_http_async_job_json(r, job, estimate, buf, sizeof(buf));
    if (len == 0) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    data = ngx_pnalloc(r->pool, len);
    if (data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memcpy(data, buf, len);

    return ngx_http_async_reply(r, status, &type, data, len);
}


ngx_int_t
ngx_http_async_reply_problem(ngx_http_request_t *r, async_problem_t problem,
    const char *detail, const async_id_t *id, ngx_uint_t unknown)
{
    u_char      *data;
    size_t       len;
    ngx_str_t    type;
    ngx_uint_t   status;

    data = ngx_pnalloc(r->pool, NGX_HTTP_ASYNC_PROBLEM_MAX);
    if (data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    len = ngx_http_async_problem_json(r, data, problem, detail, id, unknown,
                                      &type);
    status = async_problem_status(problem);

    if (ngx_http_async_set_text(r, "Cache-Control", "no-store") != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* RFC 9110, section 15.5.2: a 401 names a way to do better */

    if (status == NGX_HTTP_UNAUTHORIZED
        && ngx_http_async_set_text(r, "WWW-Authenticate", "Webhook-Signature")
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if ((status == NGX_HTTP_SERVICE_UNAVAILABLE
         || status == NGX_HTTP_TOO_MANY_REQUESTS)
        && ngx_http_async_retry_after(r, 1) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_async_reply(r, status, &type, data, len);
}


/* one and the same for what is unknown and for what is another's */

ngx_int_t
ngx_http_async_no_job(ngx_http_request_t *r)
{
    return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_JOB_NOT_FOUND,
               "There is no such job here.", NULL, 0);
}


ngx_int_t
ngx_http_async_unread(ngx_http_request_t *r)
{
    return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_STORE_UNAVAILABLE,
               "The store cannot be read at present.", NULL, 0);
}


ngx_int_t
ngx_http_async_allows(ngx_http_request_t *r, const char *allow,
    const char *detail)
{
    if (ngx_http_async_set_text(r, "Allow", allow) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->method == NGX_HTTP_OPTIONS) {
        return ngx_http_async_reply_empty(r, NGX_HTTP_NO_CONTENT);
    }

    return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_METHOD_NOT_ALLOWED,
                                        detail, NULL, 0);
}


/* a body that is still discarded is read on */

ngx_int_t
ngx_http_async_suspend(ngx_http_request_t *r)
{
    if (!r->discard_body) {
        r->read_event_handler = ngx_http_block_reading;
    }

    r->write_event_handler = ngx_http_request_empty_handler;
    r->main->count++;

    return NGX_DONE;
}


ngx_int_t
ngx_http_async_reply(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, u_char *data, size_t len)
{
    ngx_buf_t    *b;
    ngx_chain_t   out;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->pos = data;
    b->last = data + len;
    b->memory = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_async_reply_chain(r, status, type, &out, len);
}


ngx_int_t
ngx_http_async_reply_chain(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_chain_t *out, size_t len)
{
    ngx_int_t     rc;
    ngx_chain_t  *cl;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = len;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;
    r->headers_out.content_type_lowcase = NULL;

    /* an error_page in progress must not change what we say */

    r->err_status = 0;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    for (cl = out; cl->next; cl = cl->next) { /* void */ }

    cl->buf->last_buf = (r == r->main) ? 1 : 0;
    cl->buf->last_in_chain = 1;

    return ngx_http_output_filter(r, out);
}


ngx_int_t
ngx_http_async_reply_empty(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_int_t  rc;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = 0;
    r->header_only = 1;
    r->err_status = 0;

    return ngx_http_send_header(r);
}


/* as ngx_http_writer() */

ngx_int_t
ngx_http_async_taken(ngx_http_request_t *r, ngx_buf_t *b)
{
    ngx_event_t               *wev;
    ngx_connection_t          *c;
    ngx_http_core_loc_conf_t  *clcf;

    c = r->connection;
    wev = c->write;

    clcf = ngx_http_get_module_loc_conf(r->main, ngx_http_core_module);

    if (wev->timedout) {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "client timed out");
        c->timedout = 1;

        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return NGX_ERROR;
    }

    if (!wev->delayed && ngx_http_output_filter(r, NULL) == NGX_ERROR) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return NGX_ERROR;
    }

    if (wev->delayed || r->buffered || r->postponed
        || (r == r->main && c->buffered) || ngx_buf_size(b) != 0)
    {
        if (!wev->delayed) {
            ngx_add_timer(wev, clcf->send_timeout);
        }

        if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
            ngx_http_finalize_request(r, NGX_ERROR);
            return NGX_ERROR;
        }

        return NGX_AGAIN;
    }

    if (wev->timer_set) {
        ngx_del_timer(wev);
    }

    return NGX_OK;
}
