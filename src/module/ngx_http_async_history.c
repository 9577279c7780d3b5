
/*
 * {status}{id}/history: what happened to a job.  Attempts and progress can
 * make it long, so it is read from the store a piece at a time, as fast as
 * the client takes it; nothing of the store is held in between.
 */

#include "ngx_http_async_module.h"

#include "async_feed.h"
#include "async_json.h"


#define NGX_HTTP_ASYNC_PIECE  16384           /* > ASYNC_JSON_TRAIL_MAX */


typedef struct {
    async_id_t           id;
    uint64_t             seq;                 /* of the last line written */
    ngx_buf_t            buf;                 /* one piece */

    unsigned             lines:1;             /* there was one */
    unsigned             full:1;              /* the piece is, there is more */
} ngx_http_async_history_t;


static ngx_http_async_history_t *ngx_http_async_begin_history(
    ngx_http_request_t *r, const async_id_t *id);
static async_rc_t ngx_http_async_next_piece(ngx_http_async_history_t *h);
static bool ngx_http_async_add_line(void *data, uint64_t seq,
    const async_trail_t *t);
static ngx_int_t ngx_http_async_stream_history(ngx_http_request_t *r,
    ngx_http_async_history_t *h);
static ngx_int_t ngx_http_async_send_piece(ngx_http_request_t *r,
    ngx_http_async_history_t *h);
static void ngx_http_async_history_writer(ngx_http_request_t *r);


static ngx_str_t  ngx_http_async_json_type = ngx_string("application/json");


ngx_int_t
ngx_http_async_history(ngx_http_request_t *r, const async_id_t *id)
{
    ngx_http_async_history_t  *h;

    h = ngx_http_async_begin_history(r, id);
    if (h == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_async_next_piece(h) != ASYNC_OK) {
        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_STORE_UNAVAILABLE,
                   "The history cannot be read at present.", id, 0);
    }

    if (ngx_http_async_set_text(r, "Cache-Control", "no-cache") != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!h->full) {
        return ngx_http_async_reply(r, NGX_HTTP_OK, &ngx_http_async_json_type,
                                    h->buf.pos, h->buf.last - h->buf.pos);
    }

    return ngx_http_async_stream_history(r, h);
}


static ngx_http_async_history_t *
ngx_http_async_begin_history(ngx_http_request_t *r, const async_id_t *id)
{
    u_char                    *p;
    ngx_http_async_history_t  *h;

    h = ngx_pcalloc(r->pool, sizeof(ngx_http_async_history_t));
    p = ngx_pnalloc(r->pool, NGX_HTTP_ASYNC_PIECE);

    if (h == NULL || p == NULL) {
        return NULL;
    }

    h->id = *id;

    h->buf.start = p;
    h->buf.pos = p;
    h->buf.end = p + NGX_HTTP_ASYNC_PIECE;
    h->buf.temporary = 1;

    p = ngx_cpymem(p, "{\"id\":\"", sizeof("{\"id\":\"") - 1);
    p = (u_char *) async_id_format((char *) p, id);
    h->buf.last = ngx_cpymem(p, "\",\"events\":[",
                             sizeof("\",\"events\":[") - 1);

    return h;
}


/* appends what fits to the piece, and the end if that was all */

static async_rc_t
ngx_http_async_next_piece(ngx_http_async_history_t *h)
{
    async_rc_t     rc;
    async_view_t  *view;

    h->full = 0;
    view = ngx_http_async_view();

    if (view == NULL) {
        return ASYNC_UNAVAILABLE;
    }

    rc = async_view_trail(view, &h->id, h->seq, ngx_http_async_add_line, h);

    if (rc == ASYNC_OK && !h->full) {
        h->buf.last = ngx_cpymem(h->buf.last, "]}", 2);
    }

    return rc;
}


static bool
ngx_http_async_add_line(void *data, uint64_t seq, const async_trail_t *t)
{
    ngx_http_async_history_t *h = data;

    size_t   len, room;
    u_char  *p;

    p = h->buf.last;
    room = h->buf.end - p;

    /* a comma before it, and "]}" behind all of them */

    len = room > 3 ? async_json_trail((char *) p + h->lines, room - 3, seq, t)
                   : 0;

    if (len == 0) {
        h->full = 1;
        return false;
    }

    if (h->lines) {
        *p = ',';
    }

    h->buf.last += h->lines + len;
    h->lines = 1;
    h->seq = seq;

    return true;
}


static ngx_int_t
ngx_http_async_stream_history(ngx_http_request_t *r,
    ngx_http_async_history_t *h)
{
    ngx_int_t  rc;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_type = ngx_http_async_json_type;
    r->headers_out.content_type_len = ngx_http_async_json_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    ngx_http_set_ctx(r, h, ngx_http_async_module);

    r->write_event_handler = ngx_http_async_history_writer;
    r->main->count++;

    if (ngx_http_async_send_piece(r, h) == NGX_OK) {
        ngx_http_async_history_writer(r);
    }

    return NGX_DONE;
}


/* NGX_DONE: that was all, or it failed; the request is finalized */

static ngx_int_t
ngx_http_async_send_piece(ngx_http_request_t *r, ngx_http_async_history_t *h)
{
    ngx_int_t    rc;
    ngx_chain_t  out;

    h->buf.flush = 1;
    h->buf.last_buf = (!h->full && r == r->main) ? 1 : 0;
    h->buf.last_in_chain = !h->full;

    out.buf = &h->buf;
    out.next = NULL;

    rc = ngx_http_output_filter(r, &out);

    if (rc == NGX_ERROR || !h->full) {
        ngx_http_finalize_request(r, rc);
        return NGX_DONE;
    }

    return NGX_OK;
}


static void
ngx_http_async_history_writer(ngx_http_request_t *r)
{
    ngx_http_async_history_t  *h;

    h = ngx_http_get_module_ctx(r, ngx_http_async_module);

    while (ngx_http_async_taken(r, &h->buf) == NGX_OK) {

        h->buf.pos = h->buf.start;
        h->buf.last = h->buf.start;

        if (ngx_http_async_next_piece(h) != ASYNC_OK) {

            /* too late for a 503: a connection that breaks off says it, too */

            ngx_http_finalize_request(r, NGX_ERROR);
            return;
        }

        if (ngx_http_async_send_piece(r, h) == NGX_DONE) {
            return;
        }
    }
}
