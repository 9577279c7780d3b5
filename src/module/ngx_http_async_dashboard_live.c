
/*
 * {dashboard}live: an event stream that says no more than that something has
 * changed, at most once a second.  The page then asks anew for what it shows,
 * so a stream holds a connection, a timer and a few bytes, however much goes
 * on.
 */

#include "ngx_http_async_dashboard.h"
#include "ngx_http_async_watch.h"


#define NGX_HTTP_ASYNC_LIVE_TICK  500         /* ms between two looks */
#define NGX_HTTP_ASYNC_LIVE_CALM  1000        /* ms between two events */
#define NGX_HTTP_ASYNC_LIVE_PING  15000       /* ms, if there is none */


typedef struct {
    ngx_http_request_t          *request;
    ngx_event_t                  timer;
    ngx_msec_t                   told;        /* the last event, or ping */
    uint64_t                     transaction; /* the one that was told of */
    ngx_buf_t                    buf;
    u_char                       data[64];

    unsigned                     seated:1;
    unsigned                     sending:1;   /* the client has not taken it */
} ngx_http_async_live_t;


static ngx_http_async_live_t *ngx_http_async_begin_live(
    ngx_http_request_t *r);
static void ngx_http_async_end_live(void *data);
static ngx_int_t ngx_http_async_live_header(ngx_http_request_t *r);
static void ngx_http_async_live_tick(ngx_event_t *ev);
static size_t ngx_http_async_live_text(ngx_http_async_live_t *live);
static ngx_int_t ngx_http_async_live_send(ngx_http_async_live_t *live,
    size_t len, ngx_uint_t last);
static void ngx_http_async_live_writer(ngx_http_request_t *r);


ngx_int_t
ngx_http_async_live(ngx_http_request_t *r)
{
    size_t                  len;
    ngx_int_t               rc;
    ngx_http_async_live_t  *live;

    static const u_char  hello[] = "retry: 3000\n\n";

    live = ngx_http_async_begin_live(r);
    if (live == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!ngx_http_async_take_seat()) {
        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_STORE_UNAVAILABLE,
                   "Too many clients wait for something already.", NULL, 0);
    }

    live->seated = 1;

    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_async_live_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    ngx_http_set_ctx(r, live, ngx_http_async_module);

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_async_live_writer;
    r->main->count++;

    if (r->connection->read->ready) {
        ngx_post_event(r->connection->read, &ngx_posted_events);
    }

    ngx_add_timer(&live->timer, NGX_HTTP_ASYNC_LIVE_TICK);

    len = sizeof(hello) - 1;
    ngx_memcpy(live->data, hello, len);

    (void) ngx_http_async_live_send(live, len, 0);

    return NGX_DONE;
}


static ngx_http_async_live_t *
ngx_http_async_begin_live(ngx_http_request_t *r)
{
    ngx_http_cleanup_t     *cln;
    ngx_http_async_live_t  *live;

    cln = ngx_http_cleanup_add(r, sizeof(ngx_http_async_live_t));
    if (cln == NULL) {
        return NULL;
    }

    live = cln->data;
    ngx_memzero(live, sizeof(ngx_http_async_live_t));
    cln->handler = ngx_http_async_end_live;

    live->request = r;
    live->told = ngx_current_msec;
    live->transaction = async_store_transaction(ngx_http_async_store());

    live->timer.handler = ngx_http_async_live_tick;
    live->timer.data = live;
    live->timer.log = r->connection->log;

    return live;
}


static void
ngx_http_async_end_live(void *data)
{
    ngx_http_async_live_t *live = data;

    if (live->timer.timer_set) {
        ngx_del_timer(&live->timer);
    }

    if (live->seated) {
        ngx_http_async_leave_seat();
    }
}


static ngx_int_t
ngx_http_async_live_header(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    static ngx_str_t  type = ngx_string("text/event-stream");

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_async_set_text(r, "X-Accel-Buffering", "no") != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_type = type;
    r->headers_out.content_type_len = type.len;
    r->headers_out.content_type_lowcase = NULL;

#if (NGX_HTTP_GZIP)
    r->gzip_tested = 1;
    r->gzip_ok = 0;
#endif

    return ngx_http_send_header(r);
}


/* not a cancelable timer: a worker that shuts down ends its streams first */

static void
ngx_http_async_live_tick(ngx_event_t *ev)
{
    size_t                  len;
    ngx_connection_t       *c;
    ngx_http_async_live_t  *live;

    live = ev->data;
    c = live->request->connection;

    ngx_http_set_log_request(c->log, live->request);

    if (ngx_exiting) {
        (void) ngx_http_async_live_send(live, 0, 1);
        ngx_http_run_posted_requests(c);
        return;
    }

    ngx_add_timer(ev, NGX_HTTP_ASYNC_LIVE_TICK);

    if (live->sending) {
        return;
    }

    len = ngx_http_async_live_text(live);

    if (len) {
        (void) ngx_http_async_live_send(live, len, 0);
        ngx_http_run_posted_requests(c);
    }
}


/* 0: there is nothing to say now */

static size_t
ngx_http_async_live_text(ngx_http_async_live_t *live)
{
    uint64_t        last;
    ngx_msec_int_t  since;

    since = (ngx_msec_int_t) (ngx_current_msec - live->told);

    if (ngx_http_async_store() && since >= NGX_HTTP_ASYNC_LIVE_CALM) {
        last = async_store_transaction(ngx_http_async_store());

        if (last != live->transaction) {
            live->transaction = last;
            live->told = ngx_current_msec;

            return ngx_sprintf(live->data, "event: change\ndata: %uL\n\n",
                               last)
                   - live->data;
        }
    }

    if (since >= NGX_HTTP_ASYNC_LIVE_PING) {
        live->told = ngx_current_msec;

        return ngx_sprintf(live->data, ": ping\n\n") - live->data;
    }

    return 0;
}


/* the request may be gone afterwards */

static ngx_int_t
ngx_http_async_live_send(ngx_http_async_live_t *live, size_t len,
    ngx_uint_t last)
{
    ngx_buf_t           *b;
    ngx_int_t            rc;
    ngx_chain_t          out;
    ngx_http_request_t  *r;

    r = live->request;
    b = &live->buf;

    if (!live->sending) {
        b->start = live->data;
        b->pos = live->data;
        b->last = live->data + len;
        b->end = live->data + sizeof(live->data);
        b->temporary = len ? 1 : 0;
        b->flush = 1;
    }

    b->last_buf = last;

    out.buf = b;
    out.next = NULL;

    rc = ngx_http_output_filter(r, live->sending ? NULL : &out);

    if (rc == NGX_ERROR || last) {
        ngx_http_finalize_request(r, rc);
        return NGX_DONE;
    }

    live->sending = 1;
    ngx_http_async_live_writer(r);

    return NGX_OK;
}


static void
ngx_http_async_live_writer(ngx_http_request_t *r)
{
    ngx_http_async_live_t  *live;

    live = ngx_http_get_module_ctx(r, ngx_http_async_module);

    if (live->sending && ngx_http_async_taken(r, &live->buf) == NGX_OK) {
        live->sending = 0;
    }
}
