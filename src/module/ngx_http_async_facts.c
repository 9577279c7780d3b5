
/*
 * What a replay tells the worker besides the response: a line behind which
 * nothing belongs to the stored response, carrying what happened on the way
 * to the backend.  A status alone cannot say whether a request was sent,
 * since error_page and intercepted errors hide it.
 *
 *   Async-Replay-End: 502,0,0,- 200,1,512,3 [shutdown]
 *
 * for each attempt of nginx: status, a response header was read (1) or not,
 * bytes sent, ms to connect or "-".  A lone "-": no upstream was used.
 */

#include "ngx_http_async_module.h"


#define NGX_HTTP_ASYNC_FACTS_ENTRY                                           \
    (3 * NGX_INT_T_LEN + NGX_OFF_T_LEN + sizeof(",,, "))


static ngx_int_t ngx_http_async_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_async_varied(ngx_http_request_t *r);
static ngx_int_t ngx_http_async_absolute_location(ngx_http_request_t *r,
    ngx_http_async_capture_t *capture);
static void ngx_http_async_protect(ngx_http_request_t *r);
static void ngx_http_async_close(ngx_http_request_t *r);
static ngx_int_t ngx_http_async_facts(ngx_http_request_t *r,
    ngx_str_t *facts);
static u_char *ngx_http_async_facts_entry(ngx_http_request_t *r, u_char *p,
    ngx_http_upstream_state_t *state);
static void ngx_http_async_cut(void *data);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;


ngx_int_t
ngx_http_async_facts_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_async_header_filter;

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_header_filter(ngx_http_request_t *r)
{
    ngx_str_t               facts;
    ngx_http_async_mark_t  *mark;

    /* what may be a stored response */

    if (r->content_handler == ngx_http_async_status_handler
        || r->content_handler == ngx_http_async_submit)
    {
        mark = ngx_http_async_get_mark(r);

        if (mark && mark->result_status
            && r->headers_out.status == NGX_HTTP_OK)
        {
            r->headers_out.status = mark->result_status;
        }

        if (r->content_handler == ngx_http_async_submit
            && ngx_http_async_varied(r) != NGX_OK)
        {
            return NGX_ERROR;
        }

        return ngx_http_async_hold_header(r) == NGX_AGAIN
               ? NGX_OK : ngx_http_next_header_filter(r);
    }

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    if (!ngx_http_async_is_private(r)) {
        return ngx_http_async_varied(r) == NGX_OK
               ? ngx_http_next_header_filter(r) : NGX_ERROR;
    }

    mark = ngx_http_async_get_mark(r);

    if (mark == NULL || mark->capture == NULL) {
        return ngx_http_next_header_filter(r);
    }

    ngx_http_async_protect(r);
    ngx_http_async_close(r);

    if (ngx_http_async_absolute_location(r, mark->capture) != NGX_OK
        || ngx_http_async_facts(r, &facts) != NGX_OK
        || ngx_http_async_add_header(r, "Async-Replay-End", &facts) == NULL)
    {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


/* "async prefer" has looked at the request, whoever answers it in the end */

static ngx_int_t
ngx_http_async_varied(ngx_http_request_t *r)
{
    ngx_http_async_mark_t      *mark;
    ngx_http_async_srv_conf_t  *ascf;

    ascf = ngx_http_get_module_srv_conf(r, ngx_http_async_module);
    mark = ascf->async ? ngx_http_async_get_mark(r) : NULL;

    return mark && mark->vary ? ngx_http_async_set_vary(r) : NGX_OK;
}


ngx_int_t
ngx_http_async_release_header(ngx_http_request_t *r)
{
    return ngx_http_next_header_filter(r);
}


/*
 * nginx completes a Location of its own with what it knows of the
 * connection, which here is the worker's.
 */

static ngx_int_t
ngx_http_async_absolute_location(ngx_http_request_t *r,
    ngx_http_async_capture_t *capture)
{
    u_char                    *p;
    ngx_table_elt_t           *h;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    h = r->headers_out.location;

    if (h == NULL || !clcf->absolute_redirect || h->value.len == 0
        || h->value.data[0] != '/' || capture->origin.len == 0)
    {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, capture->origin.len + h->value.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, capture->origin.data, capture->origin.len);
    ngx_memcpy(p + capture->origin.len, h->value.data, h->value.len);

    h->value.data = p;
    h->value.len += capture->origin.len;

    return NGX_OK;
}


/*
 * "expires" and "add_header" change a field of the backend that they find.
 * If they do not find it, they add theirs behind our line.  And what a
 * backend sends must not pass for what we say.
 */

static void
ngx_http_async_protect(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (header[i].key.len > 6
                && ngx_strncasecmp(header[i].key.data, (u_char *) "async-", 6)
                   == 0)
            {
                header[i].hash = 0;
            }
        }
    }

    r->headers_out.expires = NULL;

#if (nginx_version >= 1023000)
    r->headers_out.cache_control = NULL;
    r->headers_out.link = NULL;
#else
    ngx_memzero(&r->headers_out.cache_control, sizeof(ngx_array_t));
    ngx_memzero(&r->headers_out.link, sizeof(ngx_array_t));
#endif
}


/*
 * The worker makes one request on a connection, so there is nothing to keep
 * it for, nor to linger for if all was read: what is closed with something
 * unread would reset the worker.
 */

static void
ngx_http_async_close(ngx_http_request_t *r)
{
    if (r->connection->read->ready
        || (r->headers_in.content_length_n > 0
            && (r->request_body == NULL || r->request_body->rest != 0)))
    {
        return;
    }

    r->keepalive = 0;
    r->lingering_close = 0;
}


static ngx_int_t
ngx_http_async_facts(ngx_http_request_t *r, ngx_str_t *facts)
{
    u_char                     *p;
    ngx_uint_t                  i, n;
    ngx_http_upstream_state_t  *state;

    n = r->upstream_states ? r->upstream_states->nelts : 0;

    facts->data = ngx_pnalloc(r->pool, (n + 1) * NGX_HTTP_ASYNC_FACTS_ENTRY
                                       + sizeof("shutdown"));
    if (facts->data == NULL) {
        return NGX_ERROR;
    }

    p = facts->data;
    state = n ? r->upstream_states->elts : NULL;

    for (i = 0; i < n; i++) {
        if (state[i].peer) {
            p = ngx_http_async_facts_entry(r, p, &state[i]);
        }
    }

    if (p == facts->data) {

        /* a name that does not resolve: an upstream, but no attempt */

        p = ngx_cpymem(p, r->upstream && !r->cached ? "0,0,0,- " : "- ",
                       r->upstream && !r->cached ? 8 : 2);
    }

    facts->len = p - facts->data - 1;

    return NGX_OK;
}


static u_char *
ngx_http_async_facts_entry(ngx_http_request_t *r, u_char *p,
    ngx_http_upstream_state_t *state)
{
    off_t                 sent;
    ngx_http_upstream_t  *u;

    u = r->upstream;
    sent = state->bytes_sent;

    if (u && u->state == state && u->peer.connection) {
        sent = u->peer.connection->sent;
    }

    p = ngx_sprintf(p, "%ui,%d,%O,", state->status,
                    state->header_time != (ngx_msec_t) -1, sent);

    if (state->connect_time == (ngx_msec_t) -1) {
        return ngx_cpymem(p, "- ", 2);
    }

    return ngx_sprintf(p, "%M ", state->connect_time);
}


ngx_int_t
ngx_http_async_facts_watch(ngx_http_request_t *r)
{
    ngx_http_cleanup_t  *cln;

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_async_cut;
    cln->data = r;

    return NGX_OK;
}


/*
 * worker_shutdown_timeout cuts connections without a word; this is the word:
 * the job can go back without the loss of an attempt.
 */

static void
ngx_http_async_cut(void *data)
{
    ngx_http_request_t *r = data;

    u_char            *p, *last;
    ngx_str_t          facts;
    ngx_connection_t  *c;

    c = r->connection;

    if (!ngx_exiting || !c->close || r->header_sent
        || ngx_http_async_facts(r, &facts) != NGX_OK)
    {
        return;
    }

    p = ngx_pnalloc(r->pool, 256 + facts.len);
    if (p == NULL) {
        return;
    }

    last = ngx_sprintf(p, "HTTP/1.1 503 Service Unavailable" CRLF
                       "Async-Replay-End: %V shutdown" CRLF
                       "Content-Length: 0" CRLF
                       "Connection: close" CRLF CRLF, &facts);

    (void) c->send(c, p, last - p);
}
