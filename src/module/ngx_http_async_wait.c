
/*
 * Who waits for a job: a long poll for its document, and a submit that holds
 * its answer back for the result.  How long is the smaller of what the client
 * prefers ("Prefer: wait=N", RFC 7240, section 4.3) and what async_wait
 * allows.
 */

#include "ngx_http_async_watch.h"

#include "async_json.h"


#define NGX_HTTP_ASYNC_ESTIMATED  1000        /* ms */


static ngx_msec_t ngx_http_async_wait_time(ngx_http_request_t *r,
    ngx_msec_t unasked);
static void ngx_http_async_poll_told(ngx_http_async_waiter_t *w,
    async_rc_t rc, async_job_t *job);
static ngx_uint_t ngx_http_async_differs(ngx_http_request_t *r,
    async_job_t *job);
static ngx_uint_t ngx_http_async_in_list(ngx_str_t *list, u_char *etag,
    size_t len);
static void ngx_http_async_hold_told(ngx_http_async_waiter_t *w,
    async_rc_t rc, async_job_t *job);
static ngx_int_t ngx_http_async_held_result(ngx_http_request_t *r,
    async_job_t *job);
static ngx_int_t ngx_http_async_held_gone(ngx_http_request_t *r,
    const async_id_t *id);
static ngx_int_t ngx_http_async_add_links(ngx_http_request_t *r,
    ngx_http_async_mark_t *mark);
static ngx_int_t ngx_http_async_held_unread(ngx_http_request_t *r,
    const async_id_t *id);


/* ms; 0: no wait.  With no Prefer header this costs a look at the list */

static ngx_msec_t
ngx_http_async_wait_time(ngx_http_request_t *r, ngx_msec_t unasked)
{
    async_prefer_t              prefer;
    ngx_http_async_loc_conf_t  *alcf;

    ngx_http_async_read_prefer(r, &prefer);

    if (!prefer.has_wait) {
        return unasked;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    return ngx_min((uint64_t) prefer.wait * 1000, alcf->wait_max);
}


/* --- a long poll --- */

ngx_int_t
ngx_http_async_poll(ngx_http_request_t *r, const async_id_t *id)
{
    ngx_int_t   rc;
    ngx_msec_t  time, every;

    time = ngx_http_async_wait_time(r, 0);

    if (time == 0 || r != r->main) {
        return NGX_DECLINED;
    }

    /* a body that is still on its way has a reader and a timer of its own */

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    /* what is estimated moves by itself */

    every = r->headers_in.if_none_match ? NGX_HTTP_ASYNC_ESTIMATED : 0;

    if (r->discard_body
        || ngx_http_async_watch(r, id, time, every, ngx_http_async_poll_told)
           == NULL)
    {
        return NGX_DECLINED;
    }

    r->main->count++;

    return NGX_DONE;
}


static void
ngx_http_async_poll_told(ngx_http_async_waiter_t *w, async_rc_t rc,
    async_job_t *job)
{
    ngx_int_t            status;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = w->request;

    if (!w->over
        && (rc == ASYNC_UNAVAILABLE
            || (rc == ASYNC_OK && !async_state_final(job->state)
                && !ngx_http_async_differs(r, job))))
    {
        return;
    }

    c = r->connection;
    ngx_http_set_log_request(c->log, r);

    ngx_http_async_unwatch(w);

    if (rc != ASYNC_OK) {
        job = ngx_http_async_find_job(r, &w->id, &status);
    }

    if (job) {
        status = ngx_http_async_document(r, job);
    }

    ngx_http_finalize_request(r, status);
    ngx_http_run_posted_requests(c);
}


/*
 * from the one that the client has, if it says which that is; in odata a job
 * has no tag
 */

static ngx_uint_t
ngx_http_async_differs(ngx_http_request_t *r, async_job_t *job)
{
    char               etag[ASYNC_JSON_ETAG];
    size_t             len;
    ngx_table_elt_t   *h;
    async_estimate_t   estimate;

    h = r->headers_in.if_none_match;

    if (h == NULL || job->dialect == ASYNC_DIALECT_ODATA) {
        return 0;
    }

    ngx_http_async_estimate(job, &estimate);
    len = async_json_etag(etag, job, &estimate);

    return !ngx_http_async_in_list(&h->value, (u_char *) etag, len);
}


/* as nginx's filter, which has the last word, compares them */

static ngx_uint_t
ngx_http_async_in_list(ngx_str_t *list, u_char *etag, size_t len)
{
    u_char  *p, *end;

    p = list->data;
    end = p + list->len;

    if (list->len == 1 && p[0] == '*') {
        return 1;
    }

    while (p < end) {

        if (end - p > 2 && p[0] == 'W' && p[1] == '/') {
            p += 2;
        }

        if ((size_t) (end - p) >= len && ngx_memcmp(p, etag, len) == 0) {
            return 1;
        }

        p = ngx_strlchr(p, end, ',');
        if (p == NULL) {
            break;
        }

        while (p < end && (*p == ',' || *p == ' ' || *p == '\t')) {
            p++;
        }
    }

    return 0;
}


/* --- a submit that waits --- */

ngx_int_t
ngx_http_async_hold(ngx_http_request_t *r, const async_id_t *id)
{
    ngx_msec_t                  time;
    ngx_http_async_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    time = ngx_http_async_wait_time(r, alcf->wait);

    if (time == 0
        || ngx_http_async_watch(r, id, time, 0, ngx_http_async_hold_told)
           == NULL)
    {
        return NGX_DECLINED;
    }

    return NGX_AGAIN;
}


static void
ngx_http_async_hold_told(ngx_http_async_waiter_t *w, async_rc_t rc,
    async_job_t *job)
{
    ngx_int_t            status;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    if (!w->over
        && (rc == ASYNC_UNAVAILABLE
            || (rc == ASYNC_OK && !async_state_final(job->state))))
    {
        return;
    }

    r = w->request;
    c = r->connection;
    ngx_http_set_log_request(c->log, r);

    ngx_http_async_unwatch(w);

    if (rc == ASYNC_OK && async_state_final(job->state)) {
        status = ngx_http_async_held_result(r, job);

    } else if (rc == ASYNC_OK) {
        status = ngx_http_async_accepted(r, job);

    } else if (rc == ASYNC_NOT_FOUND) {
        status = ngx_http_async_held_gone(r, &w->id);

    } else {
        status = ngx_http_async_held_unread(r, &w->id);
    }

    ngx_http_finalize_request(r, status);
    ngx_http_run_posted_requests(c);
}


/*
 * The backend's answer, as if this had not been asynchronous.  Conditions and
 * ranges of the request were for the backend, and it did not get them.
 */

static ngx_int_t
ngx_http_async_held_result(ngx_http_request_t *r, async_job_t *job)
{
    ngx_http_async_mark_t  *mark;

    mark = ngx_http_async_get_mark(r);
    mark->waited = 1;

    r->disable_not_modified = 1;

    if (ngx_http_async_add_links(r, mark) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_async_result(r, job);
}


/* somebody removed the job while it was waited for */

static ngx_int_t
ngx_http_async_held_gone(ngx_http_request_t *r, const async_id_t *id)
{
    if (ngx_http_async_add_links(r, ngx_http_async_get_mark(r)) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_RESULT_GONE,
               "The job was removed before it had ended.", id, 0);
}


static ngx_int_t
ngx_http_async_add_links(ngx_http_request_t *r, ngx_http_async_mark_t *mark)
{
    ngx_str_t  link;

    link.data = ngx_pnalloc(r->pool, mark->url.len
                                     + sizeof("<>; rel=\"status\""));
    if (link.data == NULL) {
        return NGX_ERROR;
    }

    link.len = ngx_sprintf(link.data, "<%V>; rel=\"status\"", &mark->url)
               - link.data;

    if (ngx_http_async_add_header(r, "Async-Job-Id", &mark->id) == NULL
        || ngx_http_async_add_header(r, "Link", &link) == NULL)
    {
        return NGX_ERROR;
    }

    return ngx_http_async_set_replayed(r, mark);
}


ngx_uint_t
ngx_http_async_waited(ngx_http_request_t *r)
{
    ngx_http_async_mark_t  *mark;

    mark = ngx_http_async_get_mark(r);

    return mark && mark->waited;
}


/* no 503, which would say that there is no job: its document says more */

ngx_int_t
ngx_http_async_unheld(ngx_http_request_t *r, const async_id_t *id)
{
    async_job_t   job;
    async_view_t  *view;

    static uint8_t  buf[ASYNC_JOB_MAX];

    view = ngx_http_async_view();

    if (view && async_view_job(view, id, &job, buf) == ASYNC_OK) {
        return ngx_http_async_accepted(r, &job);
    }

    return ngx_http_async_held_unread(r, id);
}


/* as it was stored, so far as that is known without the store */

static ngx_int_t
ngx_http_async_held_unread(ngx_http_request_t *r, const async_id_t *id)
{
    async_job_t                 job;
    ngx_http_async_mark_t      *mark;
    ngx_http_async_loc_conf_t  *alcf;

    mark = ngx_http_async_get_mark(r);
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    ngx_memzero(&job, sizeof(async_job_t));

    job.id = *id;
    job.state = ASYNC_STATE_QUEUED;
    job.percent = ASYNC_NO_PERCENT;
    job.dialect = alcf->dialect;
    job.attempts_max = alcf->attempts;
    job.created = async_id_time(id);
    job.queue.data = (char *) mark->queue.data;
    job.queue.len = mark->queue.len;
    job.status_prefix.data = (char *) mark->url.data;
    job.status_prefix.len = mark->url.len - ASYNC_ID_TEXT;

    return ngx_http_async_accepted(r, &job);
}


/* --- the directive --- */

char *
ngx_http_async_set_wait(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    ngx_str_t   *value, max;
    ngx_uint_t   n;

    if (alcf->wait != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;
    n = cf->args->nelts;
    alcf->wait_max = NGX_HTTP_ASYNC_WAIT_MAX;
    ngx_str_set(&max, "30s");

    if (n == 3 && ngx_strncmp(value[2].data, "max=", 4) == 0) {
        max.data = value[2].data + 4;
        max.len = value[2].len - 4;
        alcf->wait_max = ngx_parse_time(&max, 0);
        n = 2;
    }

    alcf->wait = ngx_parse_time(&value[1], 0);

    if (n != 2 || alcf->wait == (ngx_msec_t) NGX_ERROR
        || alcf->wait_max == (ngx_msec_t) NGX_ERROR)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"async_wait\" takes the time that the answer to "
                           "a submit waits for its result, and the longest "
                           "that a client may ask for: write \"async_wait 0 "
                           "max=30s\" or other times");
        return NGX_CONF_ERROR;
    }

    if (alcf->wait > alcf->wait_max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"async_wait %V\" is longer than its max, which is "
                           "%V: write \"async_wait %V max=%V\", or a shorter "
                           "time", &value[1], &max, &value[1], &value[1]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
