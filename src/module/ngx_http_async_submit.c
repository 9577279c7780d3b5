
/*
 * A request becomes a job: decide in the precontent phase, read the body in
 * the content phase, build the job, hand it to the group commit.
 */

#include "ngx_http_async_metrics.h"
#include "ngx_http_async_verify.h"


#define NGX_HTTP_ASYNC_URI_MAX   256
#define NGX_HTTP_ASYNC_URL_MAX   512          /* of a status prefix */


static ngx_uint_t ngx_http_async_wanted(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf);
static ngx_uint_t ngx_http_async_method(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf);
static ngx_uint_t ngx_http_async_bypassed(ngx_http_request_t *r,
    ngx_array_t *bypass);
static void ngx_http_async_body_read(ngx_http_request_t *r);
static void ngx_http_async_verified(ngx_http_async_op_t *op, async_rc_t rc);
static void ngx_http_async_take_submit(ngx_http_request_t *r,
    ngx_http_async_op_t *op, ngx_int_t rc);
static ngx_int_t ngx_http_async_build_job(ngx_http_request_t *r,
    ngx_http_async_mark_t *mark, ngx_http_async_op_t *op);
static ngx_int_t ngx_http_async_status_prefix(ngx_http_request_t *r,
    ngx_http_async_op_t *op);
static void ngx_http_async_body_taken(ngx_http_async_op_t *op, async_rc_t rc);
static void ngx_http_async_store_op(ngx_http_async_op_t *op);


/* what a client must not send is off before anyone can forward it */

ngx_int_t
ngx_http_async_preaccess(ngx_http_request_t *r)
{
    ngx_http_async_mark_t      *mark;
    ngx_http_async_loc_conf_t  *alcf;

    if (r != r->main) {
        return NGX_DECLINED;
    }

    if (ngx_http_async_is_private(r)) {
        mark = ngx_http_async_get_mark(r);

        return ngx_http_async_passed(r, mark) ? NGX_OK : NGX_DECLINED;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    if (alcf->mode == NGX_HTTP_ASYNC_OFF || alcf->endpoint) {
        return NGX_DECLINED;
    }

    return ngx_http_async_strip(r) == NGX_OK
           ? NGX_DECLINED : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/*
 * Access control, limits and redirects are behind us.  NGX_OK goes on to the
 * content phase and our handler, past try_files and mirror, which do their
 * work at the replay.
 */

ngx_int_t
ngx_http_async_precontent(ngx_http_request_t *r)
{
    ngx_http_async_mark_t      *mark;
    ngx_http_async_loc_conf_t  *alcf;
    ngx_http_async_srv_conf_t  *ascf;

    if (r != r->main) {
        return NGX_DECLINED;
    }

    if (ngx_http_async_is_private(r)) {
        ngx_http_async_replay_content(r, ngx_http_async_get_mark(r));
        return NGX_DECLINED;
    }

    ascf = ngx_http_get_module_srv_conf(r, ngx_http_async_module);

    /* after a backend has had the request, X-Accel-Redirect makes no job */

    if (!ascf->async || r->error_page || r->upstream) {
        return NGX_DECLINED;
    }

    mark = ngx_http_async_make_mark(r);
    if (mark == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    if (mark->npassed == NGX_HTTP_ASYNC_PASSED_MAX) {
        return NGX_DECLINED;
    }

    mark->passed[mark->npassed++] = ascf->key ^ alcf->key;

    if (alcf->mode == NGX_HTTP_ASYNC_PREFER && !alcf->endpoint) {
        mark->vary = 1;
    }

    if (mark->phase != NGX_HTTP_ASYNC_PLAIN
        || !ngx_http_async_wanted(r, alcf))
    {
        return NGX_DECLINED;
    }

    mark->phase = NGX_HTTP_ASYNC_SUBMIT;
    r->content_handler = !alcf->verify || ngx_http_async_method(r, alcf)
                         ? ngx_http_async_submit : ngx_http_async_unverified;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_async_wanted(ngx_http_request_t *r, ngx_http_async_loc_conf_t *alcf)
{
    async_prefer_t    prefer;
    ngx_table_elt_t  *type;

    if (alcf->mode == NGX_HTTP_ASYNC_OFF || alcf->endpoint) {
        return 0;
    }

    if (alcf->verify) {

        /* what is left alone would reach the backend without a signature */

        return 1;
    }

    if (r->headers_in.upgrade) {
        return 0;
    }

    if (!ngx_http_async_method(r, alcf)) {
        return 0;
    }

    if (alcf->mode == NGX_HTTP_ASYNC_PREFER) {
        ngx_http_async_read_prefer(r, &prefer);

        if (!prefer.respond_async) {
            return 0;
        }
    }

    type = r->headers_in.content_type;

    if (type && type->value.len >= 16
        && ngx_strncasecmp(type->value.data, (u_char *) "application/grpc", 16)
           == 0
        && (type->value.len == 16 || type->value.data[16] == '+'
            || type->value.data[16] == ';'))
    {
        return 0;
    }

    return !ngx_http_async_bypassed(r, alcf->bypass);
}


/* those that were listed, or else the default of the mode */

static ngx_uint_t
ngx_http_async_method(ngx_http_request_t *r, ngx_http_async_loc_conf_t *alcf)
{
    ngx_str_t   *method;
    ngx_uint_t   i, n;

    static ngx_str_t  on[] = {
        ngx_string("POST"),
        ngx_string("PUT"),
        ngx_string("PATCH"),
        ngx_string("DELETE")
    };

    static ngx_str_t  but[] = {
        ngx_string("OPTIONS"),
        ngx_string("HEAD"),
        ngx_string("TRACE"),
        ngx_string("CONNECT")
    };

    if (alcf->methods) {
        method = alcf->methods->elts;
        n = alcf->methods->nelts;

    } else {
        method = alcf->mode == NGX_HTTP_ASYNC_PREFER ? but : on;
        n = 4;
    }

    for (i = 0; i < n; i++) {
        if (method[i].len == r->method_name.len
            && ngx_memcmp(method[i].data, r->method_name.data, method[i].len)
               == 0)
        {
            return method != but;
        }
    }

    return method == but;
}


static ngx_uint_t
ngx_http_async_bypassed(ngx_http_request_t *r, ngx_array_t *bypass)
{
    ngx_str_t                  value;
    ngx_uint_t                 i;
    ngx_http_complex_value_t  *cv;

    cv = bypass ? bypass->elts : NULL;

    for (i = 0; bypass && i < bypass->nelts; i++) {

        if (ngx_http_complex_value(r, &cv[i], &value) != NGX_OK) {
            return 1;
        }

        if (value.len && (value.len != 1 || value.data[0] != '0')) {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_async_submit(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    const char                 *error;
    ngx_http_async_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    if (alcf->verify) {
        rc = ngx_http_async_refuse_unsigned(r);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    error = ngx_http_async_store_error();

    if (error) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "submit refused, the store cannot be used: %s", error);

        ngx_http_async_count_submit(&alcf->queue,
                                    ASYNC_SUBMIT_STORE_UNAVAILABLE);

        return ngx_http_async_refused(r, ASYNC_UNAVAILABLE, NULL);
    }

    /* a file that keeps its name can be moved into the spool */

    if (!r->request_body_in_file_only) {
        r->request_body_in_persistent_file = 1;
        r->request_body_in_clean_file = 1;
    }

    rc = ngx_http_read_client_request_body(r, ngx_http_async_body_read);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


static void
ngx_http_async_body_read(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_async_op_t        *op;
    ngx_http_async_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    op = ngx_http_async_create_op(r, ngx_http_async_answer);
    if (op == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    /* from here on the op's handler answers, counts and frees */

    op->job.queue.data = (char *) alcf->queue.data;
    op->job.queue.len = alcf->queue.len;

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    rc = alcf->verify
         ? ngx_http_async_check_signature(r, op, ngx_http_async_verified)
         : NGX_OK;

    if (rc != NGX_AGAIN) {
        ngx_http_async_take_submit(r, op, rc);
    }
}


/* a message that nobody waits for any more makes no job */

static void
ngx_http_async_verified(ngx_http_async_op_t *op, async_rc_t rc)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = op->request;

    if (r == NULL) {
        ngx_http_async_free(op, rc);
        return;
    }

    c = r->connection;
    ngx_http_set_log_request(c->log, r);

    ngx_http_async_take_submit(r, op, ngx_http_async_signed(r, op, rc));
    ngx_http_run_posted_requests(c);
}


/* rc: what the signature says; from here on op has all that it needs */

static void
ngx_http_async_take_submit(ngx_http_request_t *r, ngx_http_async_op_t *op,
    ngx_int_t rc)
{
    ngx_int_t                   answer;
    ngx_http_async_mark_t      *mark;
    ngx_http_async_loc_conf_t  *alcf;

    mark = ngx_http_async_get_mark(r);
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    if (rc == NGX_OK) {
        rc = ngx_http_async_build_job(r, mark, op);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_async_take_body(r, op, ngx_http_async_body_taken);
    }

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        ngx_http_async_answer(op, op->refusal ? ASYNC_INVALID
                                              : ASYNC_NO_SPACE);
        return;
    }

    if (!alcf->forget) {
        if (rc == NGX_OK) {
            ngx_http_async_store_op(op);
        }

        return;
    }

    answer = ngx_http_async_forgotten(r, op);

    if (rc == NGX_OK) {
        ngx_http_async_store_op(op);
    }

    ngx_http_finalize_request(r, answer);
}


static ngx_int_t
ngx_http_async_build_job(ngx_http_request_t *r, ngx_http_async_mark_t *mark,
    ngx_http_async_op_t *op)
{
    int64_t                     now;
    ngx_int_t                   rc;
    ngx_str_t                   method, uri;
    async_job_t                *job;
    ngx_http_async_loc_conf_t  *alcf;
    ngx_http_async_srv_conf_t  *ascf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);
    ascf = ngx_http_get_module_srv_conf(r, ngx_http_async_module);

    now = ngx_http_async_now();
    job = &op->job;

    if (ngx_http_async_make_id(&job->id, now) != NGX_OK) {
        return NGX_ERROR;
    }

    method = r->method_name;
    uri = r->unparsed_uri;
    uri.len = ngx_min(uri.len, NGX_HTTP_ASYNC_URI_MAX);
    method.len = ngx_min(method.len, NGX_HTTP_ASYNC_URI_MAX);

    method.data = ngx_pstrdup(op->pool, &method);
    uri.data = ngx_pstrdup(op->pool, &uri);

    if (method.data == NULL || uri.data == NULL) {
        return NGX_ERROR;
    }

    job->state = ASYNC_STATE_QUEUED;
    job->priority = ASYNC_PRIORITY;
    job->percent = ASYNC_NO_PERCENT;
    job->attempts_max = alcf->attempts;
    job->created = now;
    job->server = ascf->key;
    job->dialect = alcf->dialect;
    job->method.data = (char *) method.data;
    job->method.len = method.len;
    job->uri.data = (char *) uri.data;
    job->uri.len = uri.len;

    ngx_memcpy(job->policy, alcf->policy, ASYNC_POLICY_KEY);

    /* as proxy_next_upstream sees it */

    if (!(r->method & (NGX_HTTP_POST|NGX_HTTP_PATCH|NGX_HTTP_LOCK))
        || (alcf->retry && alcf->retry->non_idempotent))
    {
        job->flags |= ASYNC_JOB_REPEATABLE;
    }

    if (alcf->forget) {
        job->flags |= ASYNC_JOB_FORGET;
    }

    op->event.type = ASYNC_EVENT_SUBMITTED;
    op->event.job = job;
    op->event.id = job->id;
    op->event.by.data = "client";
    op->event.by.len = sizeof("client") - 1;

    rc = ngx_http_async_identify(r, alcf, op);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_async_status_prefix(r, op);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_async_take_head(r, alcf, op) != NGX_OK
        || ngx_http_async_take_capture(r, alcf, mark, op) != NGX_OK)
    {
        return NGX_ERROR;
    }

    mark->queue = alcf->queue;

    return NGX_OK;
}


/*
 * A path, or a URL, that an id can follow.  What begins with "//" is neither:
 * a client would take it for another host.
 */

ngx_uint_t
ngx_http_async_is_prefix(ngx_str_t *prefix)
{
    size_t   len;
    u_char  *p, *last;

    p = prefix->data;
    last = p + prefix->len;
    len = prefix->len;

    if (len == 0 || len > NGX_HTTP_ASYNC_URL_MAX || last[-1] != '/') {
        return 0;
    }

    if (len > 7 && ngx_strncasecmp(p, (u_char *) "http://", 7) == 0) {
        p += 7;

    } else if (len > 8 && ngx_strncasecmp(p, (u_char *) "https://", 8) == 0) {
        p += 8;

    } else if (*p++ != '/') {
        return 0;
    }

    if (p < last && *p == '/') {
        return 0;
    }

    for ( /* void */ ; p < last; p++) {
        if (*p <= ' ' || *p == 0x7f || *p == '?' || *p == '#' || *p == '\\')
        {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_http_async_status_prefix(ngx_http_request_t *r, ngx_http_async_op_t *op)
{
    ngx_str_t                   prefix;
    ngx_http_async_loc_conf_t  *alcf;
    ngx_http_async_srv_conf_t  *ascf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    if (alcf->forget) {
        return NGX_OK;
    }

    if (alcf->status_uri == NULL) {
        ascf = ngx_http_get_module_srv_conf(r, ngx_http_async_module);
        prefix = ((ngx_http_async_place_t *) ascf->statuses.elts)->name;

    } else if (ngx_http_complex_value(r, alcf->status_uri, &prefix)
               != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* variables may hold what a client sent, decoded, or did not send */

    if (!ngx_http_async_is_prefix(&prefix)) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "\"async_status_uri\" gave %uz bytes that are no path "
                      "or URL of up to %d that ends in \"/\": what do its "
                      "variables hold?",
                      prefix.len, NGX_HTTP_ASYNC_URL_MAX);

        return ngx_http_async_refuse_submit(op, ASYNC_PROBLEM_QUERY_INVALID,
                   "Where the job would live depends on the request here, and "
                   "this one does not say it.");
    }

    op->job.status_prefix.len = prefix.len;
    op->job.status_prefix.data = (char *) ngx_pstrdup(op->pool, &prefix);

    return op->job.status_prefix.data ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_async_body_taken(ngx_http_async_op_t *op, async_rc_t rc)
{
    if (rc == ASYNC_OK) {
        ngx_http_async_store_op(op);
        return;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "async_store: the body of a submit was not stored: %s",
                  rc == ASYNC_LATE ? "it took too long" : op->error.text);

    op->handler(op, rc);
}


static void
ngx_http_async_store_op(ngx_http_async_op_t *op)
{
    if (op->body && op->job.request.where == ASYNC_BODY_CHUNKS) {
        op->event.payload.body.data = (char *) op->body;
        op->event.payload.body.len = op->length;
    }

    if (ngx_http_async_set_print(op) != NGX_OK) {
        op->rc = ASYNC_NO_SPACE;
        op->handler(op, ASYNC_NO_SPACE);
        return;
    }

    ngx_http_async_commit(op);
}
