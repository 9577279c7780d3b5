
/*
 * {status}{id}/events: a stream for each client that watches.  It is a waiter
 * that stays (ngx_http_async_watch.h): it knows the last line of the job's
 * history that its client was told, and tells what came after it.
 *
 * Nothing is queued for a client that does not read: it has one text under
 * way, and when that is taken it is told what is newer then.  If that is too
 * much it is dropped, and may come back with the last id that it has seen.
 */

#include "ngx_http_async_events.h"
#include "ngx_http_async_watch.h"

#include "async_stream.h"


#define NGX_HTTP_ASYNC_BEHIND        100      /* events */
#define NGX_HTTP_ASYNC_BEHIND_BYTES  65536
#define NGX_HTTP_ASYNC_ESTIMATES     1000     /* ms between them */
#define NGX_HTTP_ASYNC_FOREVER       ((ngx_msec_t) 1 << 40)


typedef struct {
    ngx_http_request_t       *request;
    ngx_http_async_waiter_t  *waiter;         /* NULL: what there is, and no
                                                 more */
    async_id_t                id;
    uint64_t                  seq;            /* the client knows it */
    uint64_t                  behind_seq;     /* and is known to want this */
    size_t                    behind;         /* bytes, about */
    ngx_msec_t                ping;
    ngx_msec_t                pinged;
    ngx_msec_t                estimated;
    async_estimate_t          estimate;       /* as it was told */

    ngx_buf_t                 buf;            /* what is under way */
    u_char                   *data;           /* of it; NULL: nothing */

    unsigned                  blocked:1;
} ngx_http_async_stream_t;


static ngx_int_t ngx_http_async_events_over(ngx_http_request_t *r);
static ngx_http_async_stream_t *ngx_http_async_new_stream(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_async_stream_head(ngx_http_request_t *r);
static void ngx_http_async_stream_begin(ngx_http_async_stream_t *s,
    async_job_t *job, ngx_uint_t last);
static void ngx_http_async_stream_told(ngx_http_async_waiter_t *w,
    async_rc_t rc, async_job_t *job);
static void ngx_http_async_stream_blocked(ngx_http_async_stream_t *s,
    async_rc_t rc, async_job_t *job);
static void ngx_http_async_stream_go(ngx_http_async_stream_t *s,
    async_job_t *job, ngx_uint_t over);
static ngx_int_t ngx_http_async_stream_news(ngx_http_async_stream_t *s,
    async_job_t *job, ngx_uint_t last, ngx_uint_t retry);
static ngx_int_t ngx_http_async_stream_rest(ngx_http_async_stream_t *s,
    async_job_t *job);
static ngx_int_t ngx_http_async_stream_ping(ngx_http_async_stream_t *s);
static ngx_uint_t ngx_http_async_estimates(async_job_t *job);
static ngx_int_t ngx_http_async_stream_send(ngx_http_async_stream_t *s,
    ngx_str_t *text, ngx_uint_t last, ngx_uint_t retry);
static void ngx_http_async_stream_close(ngx_http_async_stream_t *s,
    ngx_int_t rc);
static void ngx_http_async_stream_writer(ngx_http_request_t *r);
static void ngx_http_async_stream_taken(ngx_http_async_stream_t *s);
static void ngx_http_async_stream_cleanup(void *data);


static ngx_str_t   ngx_http_async_retry = ngx_string("retry: 3000\n\n");
static ngx_str_t   ngx_http_async_ping = ngx_string(": ping\n\n");
static ngx_uint_t  ngx_http_async_nstreams;


ngx_uint_t
ngx_http_async_streams(void)
{
    return ngx_http_async_nstreams;
}


/* --- the beginning --- */

ngx_int_t
ngx_http_async_events(ngx_http_request_t *r, async_job_t *job)
{
    uint64_t                  id;
    ngx_int_t                 rc;
    ngx_uint_t                final, last;
    ngx_http_async_stream_t  *s;

    /* below a job all dialects are the same */

    job->dialect = ASYNC_DIALECT_NATIVE;

    if (r != r->main) {
        return ngx_http_async_document(r, job);
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    final = async_state_final((async_state_t) job->state);
    rc = ngx_http_async_last_id(r, &id);

    if (rc == NGX_OK && final
        && (id >= job->seq || !ngx_http_async_has_news(job, id)))
    {
        return ngx_http_async_events_over(r);
    }

    s = ngx_http_async_new_stream(r);
    if (s == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    s->id = job->id;

    /* one that there is not yet is of another store, or made up */

    s->seq = rc == NGX_OK && id <= job->seq ? id : UINT64_MAX;

    /* who comes while this nginx worker leaves is told, and comes again */

    last = final || ngx_exiting || r->discard_body
           || r->method == NGX_HTTP_HEAD;

    if (!last) {
        s->waiter = ngx_http_async_watch(r, &job->id, NGX_HTTP_ASYNC_FOREVER,
                                         s->ping, ngx_http_async_stream_told);
        if (s->waiter == NULL) {
            return ngx_http_async_reply_problem(r,
                       ASYNC_PROBLEM_STORE_UNAVAILABLE,
                       "Too many clients wait here: ask for the job's status "
                       "now and then instead.", &job->id, 0);
        }

        s->waiter->data = s;
    }

    rc = ngx_http_async_stream_head(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    /* not before: a header filter of ours would take it for a result's */

    ngx_http_set_ctx(r, s, ngx_http_async_module);

    r->main->count++;

    ngx_http_async_stream_begin(s, job, last);

    return NGX_DONE;
}


/* a browser that is told this comes no more */

static ngx_int_t
ngx_http_async_events_over(ngx_http_request_t *r)
{
    if (ngx_http_async_set_text(r, "Cache-Control", "no-cache") != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_async_reply_empty(r, NGX_HTTP_NO_CONTENT);
}


static ngx_http_async_stream_t *
ngx_http_async_new_stream(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t         *cln;
    ngx_http_async_stream_t    *s;
    ngx_http_async_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_async_stream_t));
    if (cln == NULL) {
        return NULL;
    }

    s = cln->data;
    ngx_memzero(s, sizeof(ngx_http_async_stream_t));
    cln->handler = ngx_http_async_stream_cleanup;

    s->request = r;
    s->ping = alcf->events_ping;
    s->pinged = ngx_current_msec;

    ngx_http_async_nstreams++;

    return s;
}


static ngx_int_t
ngx_http_async_stream_head(ngx_http_request_t *r)
{
    ngx_connection_t          *c;
    ngx_http_core_loc_conf_t  *clcf;

    c = r->connection;
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (ngx_http_async_set_text(r, "Cache-Control", "no-cache") != NGX_OK
        || ngx_http_async_set_text(r, "X-Accel-Buffering", "no") != NGX_OK
        || ngx_http_async_set_text(r, "Vary", "Accept") != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = -1;
    r->err_status = 0;

    /* it has no state that a condition could be about */

    r->disable_not_modified = 1;

    ngx_str_set(&r->headers_out.content_type, "text/event-stream");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    /* what compresses holds back */

#if (NGX_HTTP_GZIP)
    r->gzip_tested = 1;
    r->gzip_ok = 0;
    r->headers_in.accept_encoding = NULL;
#endif

    if (clcf->tcp_nodelay && r->http_version < NGX_HTTP_VERSION_20
        && ngx_tcp_nodelay(c) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_send_header(r);
}


static void
ngx_http_async_stream_begin(ngx_http_async_stream_t *s, async_job_t *job,
    ngx_uint_t last)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    if (s->seq != UINT64_MAX) {
        rc = ngx_http_async_stream_news(s, job, last, 1);

    } else if (ngx_http_async_render_state(job, &text) == NGX_OK) {
        s->seq = job->seq;

        ngx_http_async_estimate(job, &s->estimate);
        s->estimated = ngx_current_msec;

        rc = ngx_http_async_stream_send(s, &text, last, 1);

    } else {
        rc = NGX_ERROR;
    }

    if (rc == NGX_ERROR || (last && s->seq == job->seq)) {
        ngx_http_async_stream_close(s, rc);

    } else if (rc == NGX_OK && last) {
        ngx_http_async_stream_go(s, job, 1);
    }
}


/* --- what comes --- */

static void
ngx_http_async_stream_told(ngx_http_async_waiter_t *w, async_rc_t rc,
    async_job_t *job)
{
    ngx_connection_t         *c;
    ngx_http_request_t       *r;
    ngx_http_async_stream_t  *s;

    s = w->data;
    r = w->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (s->blocked) {
        ngx_http_async_stream_blocked(s, rc, job);

    } else if (rc == ASYNC_OK) {
        ngx_http_async_stream_go(s, job, w->over);

    } else if (rc != ASYNC_UNAVAILABLE || w->over) {

        /* it was removed, or cannot be read: there is no more to tell */

        ngx_http_async_stream_close(s, ngx_http_send_special(r,
                                                             NGX_HTTP_LAST));

    } else if (ngx_http_async_stream_ping(s) == NGX_ERROR) {
        ngx_http_async_stream_close(s, NGX_ERROR);
    }

    ngx_http_run_posted_requests(c);
}


/* what it misses is not kept, but counted */

static void
ngx_http_async_stream_blocked(ngx_http_async_stream_t *s, async_rc_t rc,
    async_job_t *job)
{
    size_t        len;
    ngx_uint_t    slow;

    static char  buf[ASYNC_STREAM_EVENT_MAX];

    if (s->waiter->over) {
        ngx_http_async_stream_close(s, NGX_ERROR);
        return;
    }

    if (rc != ASYNC_OK || job->seq == s->behind_seq || job->seq == s->seq) {
        return;
    }

    len = async_json_job(buf, sizeof(buf), job, NULL);

    s->behind += len;
    s->behind_seq = job->seq;

    slow = job->seq - s->seq > NGX_HTTP_ASYNC_BEHIND
           || s->behind + ngx_buf_size(&s->buf) > NGX_HTTP_ASYNC_BEHIND_BYTES;

    if (slow) {
        ngx_log_error(NGX_LOG_INFO, s->request->connection->log, 0,
                      "client does not read its events, and is %uL behind",
                      job->seq - s->seq);

        ngx_http_async_stream_close(s, NGX_ERROR);
    }
}


/* all that is new; the end of the stream with the end of the job */

static void
ngx_http_async_stream_go(ngx_http_async_stream_t *s, async_job_t *job,
    ngx_uint_t over)
{
    ngx_int_t   rc;
    ngx_uint_t  final;

    final = async_state_final((async_state_t) job->state);

    /* the record may be read anew from a store that was put back */

    if (job->seq < s->seq) {
        s->seq = job->seq;
    }

    while (job->seq > s->seq) {
        rc = ngx_http_async_stream_news(s, job, final || over, 0);

        if (rc == NGX_AGAIN) {
            return;
        }

        if (rc != NGX_OK || (s->seq == job->seq && (final || over))) {
            ngx_http_async_stream_close(s, rc);
            return;
        }
    }

    if (final || over) {
        ngx_http_async_stream_close(s, ngx_http_send_special(s->request,
                                                             NGX_HTTP_LAST));
        return;
    }

    if (ngx_http_async_stream_rest(s, job) == NGX_ERROR) {
        ngx_http_async_stream_close(s, NGX_ERROR);
        return;
    }

    ngx_http_async_set_every(s->waiter,
                             ngx_http_async_estimates(job)
                             ? ngx_min(s->ping, NGX_HTTP_ASYNC_ESTIMATES)
                             : s->ping);
}


/* one text of what is new; last, if all of it goes into this one */

static ngx_int_t
ngx_http_async_stream_news(ngx_http_async_stream_t *s, async_job_t *job,
    ngx_uint_t last, ngx_uint_t retry)
{
    uint64_t   until;
    ngx_str_t  text;

    ngx_str_null(&text);
    until = s->seq;

    if (job->seq > s->seq
        && ngx_http_async_render(job, s->seq, &until, &text) != NGX_OK)
    {
        return NGX_ERROR;
    }

    s->seq = until;

    if (until == job->seq && text.len) {
        ngx_http_async_estimate(job, &s->estimate);
        s->estimated = ngx_current_msec;
    }

    return ngx_http_async_stream_send(s, &text, last && until == job->seq,
                                      retry);
}


/* what moves by itself: an estimate, and the time */

static ngx_int_t
ngx_http_async_stream_rest(ngx_http_async_stream_t *s, async_job_t *job)
{
    ngx_int_t         rc;
    ngx_str_t         text;
    async_estimate_t  estimate;

    rc = NGX_OK;

    if (ngx_http_async_estimates(job)
        && ngx_current_msec - s->estimated >= NGX_HTTP_ASYNC_ESTIMATES)
    {
        ngx_http_async_estimate(job, &estimate);

        if (estimate.percent != ASYNC_NO_PERCENT
            && (estimate.percent != s->estimate.percent
                || estimate.completion != s->estimate.completion))
        {
            s->estimate = estimate;
            s->estimated = ngx_current_msec;

            if (ngx_http_async_render_estimate(job, &estimate, &text)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            rc = ngx_http_async_stream_send(s, &text, 0, 0);
        }
    }

    return rc == NGX_OK ? ngx_http_async_stream_ping(s) : rc;
}


static ngx_int_t
ngx_http_async_stream_ping(ngx_http_async_stream_t *s)
{
    if (ngx_current_msec - s->pinged < s->ping) {
        return NGX_OK;
    }

    s->pinged = ngx_current_msec;

    return ngx_http_async_stream_send(s, &ngx_http_async_ping, 0, 0);
}


static ngx_uint_t
ngx_http_async_estimates(async_job_t *job)
{
    return job->state == ASYNC_STATE_PROCESSING
           && job->percent == ASYNC_NO_PERCENT;
}


/* --- sending --- */

/*
 * NGX_OK: it is on its way, the next may follow; NGX_AGAIN: once the client
 * has taken it; NGX_ERROR.  With last, what finalizes the request.
 */

static ngx_int_t
ngx_http_async_stream_send(ngx_http_async_stream_t *s, ngx_str_t *text,
    ngx_uint_t last, ngx_uint_t retry)
{
    size_t                     len;
    u_char                    *p;
    ngx_int_t                  rc;
    ngx_buf_t                 *b;
    ngx_chain_t                out;
    ngx_connection_t          *c;
    ngx_http_request_t        *r;
    ngx_http_core_loc_conf_t  *clcf;

    r = s->request;
    c = r->connection;
    b = &s->buf;

    len = text->len + (retry ? ngx_http_async_retry.len : 0);

    /* of its own, since over HTTP/2 it may be referred to until it is sent */

    p = ngx_alloc(len, c->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(b, sizeof(ngx_buf_t));

    s->data = p;
    b->start = p;
    b->pos = p;

    if (retry) {
        p = ngx_cpymem(p, ngx_http_async_retry.data, ngx_http_async_retry.len);
    }

    b->last = ngx_cpymem(p, text->data, text->len);
    b->end = b->last;
    b->temporary = 1;
    b->flush = 1;
    b->last_buf = last;
    b->last_in_chain = last;

    out.buf = b;
    out.next = NULL;

    rc = ngx_http_output_filter(r, &out);

    if (rc == NGX_ERROR || last) {
        return rc;
    }

    if (ngx_buf_size(b) == 0 && !r->buffered && !c->buffered) {
        ngx_http_async_stream_taken(s);
        return NGX_OK;
    }

    s->blocked = 1;
    s->behind = 0;
    s->behind_seq = s->seq;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    r->write_event_handler = ngx_http_async_stream_writer;

    if (!c->write->delayed) {
        ngx_add_timer(c->write, clcf->send_timeout);
    }

    if (ngx_handle_write_event(c->write, clcf->send_lowat) != NGX_OK) {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static void
ngx_http_async_stream_close(ngx_http_async_stream_t *s, ngx_int_t rc)
{
    if (s->waiter) {
        ngx_http_async_unwatch(s->waiter);
    }

    ngx_http_finalize_request(s->request, rc);
}


static void
ngx_http_async_stream_writer(ngx_http_request_t *r)
{
    async_rc_t                rc;
    async_job_t               job;
    async_view_t             *view;
    ngx_http_async_stream_t  *s;

    static uint8_t  buf[ASYNC_JOB_MAX];

    s = ngx_http_get_module_ctx(r, ngx_http_async_module);

    if (ngx_http_async_taken(r, &s->buf) != NGX_OK) {
        return;
    }

    s->blocked = 0;
    ngx_http_async_stream_taken(s);
    r->write_event_handler = ngx_http_request_empty_handler;

    view = ngx_http_async_view();
    rc = view ? async_view_job(view, &s->id, &job, buf)
              : ASYNC_UNAVAILABLE;

    if (rc == ASYNC_OK) {
        ngx_http_async_stream_go(s, &job, s->waiter == NULL);

    } else if (s->waiter == NULL) {
        ngx_http_async_stream_close(s, NGX_ERROR);
    }
}


static void
ngx_http_async_stream_taken(ngx_http_async_stream_t *s)
{
    ngx_free(s->data);
    s->data = NULL;
}


static void
ngx_http_async_stream_cleanup(void *data)
{
    ngx_http_async_stream_t *s = data;

    ngx_http_async_nstreams--;

    if (s->data) {
        ngx_http_async_stream_taken(s);
    }
}


/* --- the directive --- */

char *
ngx_http_async_set_events_ping(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    ngx_str_t  *value;

    if (alcf->events_ping != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;
    alcf->events_ping = ngx_parse_time(&value[1], 0);

    if (alcf->events_ping == (ngx_msec_t) NGX_ERROR || alcf->events_ping == 0)
    {
        return "takes the time between two pings, such as 15s";
    }

    return NGX_CONF_OK;
}
