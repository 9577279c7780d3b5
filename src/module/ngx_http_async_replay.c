
/*
 * The worker's request comes back through a private listener and becomes, for
 * everything behind it, the request that the client sent.
 */

#include "ngx_http_async_progress.h"

#include <sys/socket.h>


/* the upstream must outlive the worker's own clock, which decides */
#define NGX_HTTP_ASYNC_SLACK  5000


typedef struct {
    ngx_str_t        token;
    ngx_str_t        id_text;
    ngx_str_t        attempt;
    async_id_t       id;
    ngx_table_elt_t *header;
} ngx_http_async_ticket_t;


static ngx_int_t ngx_http_async_peer_allowed(ngx_connection_t *c);
static ngx_int_t ngx_http_async_find_ticket(ngx_http_request_t *r,
    ngx_http_async_ticket_t *ticket);
static ngx_int_t ngx_http_async_read_ticket(ngx_http_async_ticket_t *ticket);
static ngx_uint_t ngx_http_async_token_matches(ngx_str_t *token);
static ngx_int_t ngx_http_async_refuse(ngx_http_request_t *r);
static ngx_int_t ngx_http_async_accept(ngx_http_request_t *r,
    ngx_http_async_ticket_t *ticket);
static ngx_int_t ngx_http_async_begin(ngx_http_request_t *r);
static ngx_uint_t ngx_http_async_is_locked(const async_id_t *id);
static ngx_int_t ngx_http_async_set_headers(ngx_http_request_t *r,
    ngx_http_async_ticket_t *ticket);
static ngx_int_t ngx_http_async_add_header_in(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);
static ngx_int_t ngx_http_async_set_addresses(ngx_connection_t *c,
    ngx_http_async_capture_t *capture);
static struct sockaddr *ngx_http_async_sockaddr(ngx_pool_t *pool,
    ngx_str_t *bytes);
static ngx_int_t ngx_http_async_handler(ngx_http_request_t *r);
static void ngx_http_async_set_timeouts(ngx_http_request_t *r,
    ngx_http_async_capture_t *capture);


ngx_int_t
ngx_http_async_is_private(ngx_http_request_t *r)
{
    ngx_http_core_srv_conf_t   *cscf;
    ngx_http_async_srv_conf_t  *ascf;

    cscf = r->http_connection->addr_conf->default_server;
    ascf = cscf->ctx->srv_conf[ngx_http_async_module.ctx_index];

    return ascf->replay;
}


ngx_int_t
ngx_http_async_post_read(ngx_http_request_t *r)
{
    ngx_int_t                rc;
    ngx_http_async_ticket_t  ticket;

    if (!ngx_http_async_is_private(r)) {
        return NGX_DECLINED;
    }

    if (ngx_http_async_peer_allowed(r->connection) != NGX_OK
        || ngx_http_async_find_ticket(r, &ticket) != NGX_OK
        || !ngx_http_async_token_matches(&ticket.token))
    {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "request on a private socket refused: it is not from "
                      "the worker of this store");

        return ngx_http_async_refuse(r);
    }

    rc = ngx_http_async_accept(r, &ticket);

    /* NGX_OK leaves this phase: realip has run when the client came */

    return rc;
}


static ngx_int_t
ngx_http_async_peer_allowed(ngx_connection_t *c)
{
    socklen_t     len;
    struct ucred  cred;

    len = sizeof(struct ucred);

    if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1) {
        return NGX_ERROR;
    }

    return cred.uid == 0 || cred.uid == geteuid() ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_async_find_ticket(ngx_http_request_t *r,
    ngx_http_async_ticket_t *ticket)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (ngx_http_async_header_is(&header[i], "Async-Replay")) {
                ticket->header = &header[i];
                return ngx_http_async_read_ticket(ticket);
            }
        }
    }

    return NGX_DECLINED;
}


/* "token id attempt" */

static ngx_int_t
ngx_http_async_read_ticket(ngx_http_async_ticket_t *ticket)
{
    u_char     *p;
    ngx_int_t   n;
    ngx_str_t  *value;

    value = &ticket->header->value;
    p = value->data;

    if (value->len < ASYNC_TOKEN + 1 + ASYNC_ID_TEXT + 1 + 1
        || p[ASYNC_TOKEN] != ' '
        || p[ASYNC_TOKEN + 1 + ASYNC_ID_TEXT] != ' ')
    {
        return NGX_DECLINED;
    }

    ticket->token.data = p;
    ticket->token.len = ASYNC_TOKEN;
    ticket->id_text.data = p + ASYNC_TOKEN + 1;
    ticket->id_text.len = ASYNC_ID_TEXT;
    ticket->attempt.data = ticket->id_text.data + ASYNC_ID_TEXT + 1;
    ticket->attempt.len = p + value->len - ticket->attempt.data;

    n = ngx_atoi(ticket->attempt.data, ticket->attempt.len);

    if (n < 1
        || !async_id_parse(&ticket->id, (char *) ticket->id_text.data,
                           ASYNC_ID_TEXT))
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* in constant time */

static ngx_uint_t
ngx_http_async_token_matches(ngx_str_t *token)
{
    u_char           diff;
    ngx_uint_t       i;
    const char      *ours;
    async_store_t   *store;

    store = ngx_http_async_store();

    if (store == NULL) {
        return 0;
    }

    ours = async_store_token(store);
    diff = 0;

    for (i = 0; i < ASYNC_TOKEN; i++) {
        diff |= token->data[i] ^ (u_char) ours[i];
    }

    return diff == 0;
}


/* sent by hand: an error_page of that server must not hide it */

static ngx_int_t
ngx_http_async_refuse(ngx_http_request_t *r)
{
    r->headers_out.status = NGX_HTTP_FORBIDDEN;
    r->headers_out.content_length_n = 0;
    r->header_only = 1;
    r->keepalive = 0;

    ngx_http_finalize_request(r, ngx_http_send_header(r));

    return NGX_DONE;
}


static ngx_int_t
ngx_http_async_accept(ngx_http_request_t *r, ngx_http_async_ticket_t *ticket)
{
    ngx_http_async_mark_t  *mark;

    mark = ngx_http_async_make_mark(r);
    if (mark == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    mark->phase = NGX_HTTP_ASYNC_REPLAY;
    mark->state = ASYNC_STATE_PROCESSING;
    mark->id = ticket->id_text;
    mark->attempt = ngx_atoi(ticket->attempt.data, ticket->attempt.len);
    mark->capture = ngx_http_async_read_capture(r, &ticket->id);

    if (mark->capture == NULL) {

        /* 403 lets the job wait: the worker asks again, and may know more */

        if (ngx_http_async_is_locked(&ticket->id)) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "job %V cannot be replayed: it is encrypted with a "
                          "key that \"async_store\" does not name: add its "
                          "file to it as a further \"key=\"", &mark->id);

            return ngx_http_async_refuse(r);
        }

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "job %V cannot be replayed: what was kept of its "
                      "request is missing or damaged, see \"nginx-async "
                      "check\"", &mark->id);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_async_set_addresses(r->connection, mark->capture) != NGX_OK
        || ngx_http_async_set_headers(r, ticket) != NGX_OK
        || ngx_http_async_facts_watch(r) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_async_restore(r, &mark->capture->conn_vars);

    return ngx_http_async_begin(r);
}


/*
 * A body lies behind the head in the socket, and if this process dies, what
 * it has not read of both does not say how far it came.  So the worker is
 * told before anything is done, and for one that has gone nothing is done.
 */

static ngx_int_t
ngx_http_async_begin(ngx_http_request_t *r)
{
    ngx_connection_t  *c;

    static u_char  begun[] = "HTTP/1.1 100 Continue" CRLF CRLF;

    if (r->headers_in.content_length_n <= 0) {
        return NGX_OK;
    }

    c = r->connection;

    if (c->send(c, begun, sizeof(begun) - 1) != sizeof(begun) - 1) {
        c->error = 1;
        return NGX_HTTP_CLOSE;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_async_is_locked(const async_id_t *id)
{
    async_job_t    job;
    async_view_t  *view;

    static uint8_t  buf[ASYNC_JOB_MAX];

    view = ngx_http_async_view();

    return view && async_view_job(view, id, &job, buf) == ASYNC_OK
           && !async_store_unlocks(ngx_http_async_store(), &job.request.seal);
}


/*
 * The ticket must not reach a backend.  Its line is written over, since a
 * proxy sends lines even if their hash is 0, and moving the others would
 * break the pointers to them.
 */

static ngx_int_t
ngx_http_async_set_headers(ngx_http_request_t *r,
    ngx_http_async_ticket_t *ticket)
{
    ngx_str_t         key, url;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    h = ticket->header;

    ngx_str_set(&h->key, "Async-Job-Id");
    h->lowcase_key = (u_char *) "async-job-id";
    h->hash = ngx_hash_key(h->lowcase_key, h->key.len);
    h->value = ticket->id_text;

    if (ngx_http_async_add_header_in(r, "Async-Attempt", &ticket->attempt)
        != NGX_OK
        || ngx_http_async_progress_url(r, &ticket->id, &url) != NGX_OK
        || (url.len && ngx_http_async_add_header_in(r, "Async-Progress-Url",
                                                    &url)
                       != NGX_OK))
    {
        return NGX_ERROR;
    }

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_async_header_is(&h[i], "Idempotency-Key")) {
                return NGX_OK;
            }
        }
    }

    key.len = ASYNC_ID_TEXT + 2;
    key.data = ngx_pnalloc(r->pool, key.len);
    if (key.data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(key.data, "\"%V\"", &ticket->id_text);

    return ngx_http_async_add_header_in(r, "Idempotency-Key", &key);
}


static ngx_int_t
ngx_http_async_add_header_in(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->key.len = ngx_strlen(name);
    h->key.data = (u_char *) name;
    h->value = *value;

    h->lowcase_key = ngx_pnalloc(r->pool, h->key.len);
    if (h->lowcase_key == NULL) {
        return NGX_ERROR;
    }

    h->hash = ngx_hash_strlow(h->lowcase_key, h->key.data, h->key.len);

    return NGX_OK;
}


/* the connection serves this one replay, so nothing has to be put back */

static ngx_int_t
ngx_http_async_set_addresses(ngx_connection_t *c,
    ngx_http_async_capture_t *capture)
{
    u_char           *text;
    struct sockaddr  *peer, *local;

    peer = ngx_http_async_sockaddr(c->pool, &capture->peer);
    local = ngx_http_async_sockaddr(c->pool, &capture->local);
    text = ngx_pstrdup(c->pool, &capture->peer_text);

    if (peer == NULL || local == NULL || text == NULL) {
        return NGX_ERROR;
    }

    c->sockaddr = peer;
    c->socklen = capture->peer.len;
    c->addr_text.data = text;
    c->addr_text.len = capture->peer_text.len;
    c->local_sockaddr = local;
    c->local_socklen = capture->local.len;

    return NGX_OK;
}


static struct sockaddr *
ngx_http_async_sockaddr(ngx_pool_t *pool, ngx_str_t *bytes)
{
    size_t            least;
    struct sockaddr  *sa;

    if (bytes->len < sizeof(sa_family_t) || bytes->len > sizeof(ngx_sockaddr_t))
    {
        return NULL;
    }

    sa = ngx_pcalloc(pool, sizeof(ngx_sockaddr_t));
    if (sa == NULL) {
        return NULL;
    }

    ngx_memcpy(sa, bytes->data, bytes->len);

    switch (sa->sa_family) {

    case AF_INET:
        least = sizeof(struct sockaddr_in);
        break;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        least = sizeof(struct sockaddr_in6);
        break;
#endif

    case AF_UNIX:
        least = sizeof(sa_family_t);
        break;

    default:
        return NULL;
    }

    return bytes->len >= least ? sa : NULL;
}


/*
 * Did the request pass the access phase of this location when it was
 * submitted?  Only then is it not asked again: an X-Accel-Redirect of the
 * backend into a location that denies all is refused as ever.  What a schedule
 * sends is let in up to the first that is asynchronous.
 */

ngx_uint_t
ngx_http_async_passed(ngx_http_request_t *r, ngx_http_async_mark_t *mark)
{
    uint64_t                    key;
    ngx_uint_t                  i;
    ngx_http_async_loc_conf_t  *alcf;
    ngx_http_async_srv_conf_t  *ascf;

    if (mark == NULL || mark->capture == NULL || r->error_page) {
        return 0;
    }

    if (mark->capture->scheduled && r->upstream == NULL) {
        return 1;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);
    ascf = ngx_http_get_module_srv_conf(r, ngx_http_async_module);
    key = ascf->key ^ alcf->key;

    for (i = 0; i < mark->capture->npassed; i++) {
        if (mark->capture->passed[i] == key) {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_async_access(ngx_http_request_t *r)
{
    ngx_http_core_main_conf_t  *cmcf;

    if (!ngx_http_async_is_private(r)
        || !ngx_http_async_passed(r, ngx_http_async_get_mark(r)))
    {
        return NGX_DECLINED;
    }

    /* past the phase: declining adds the one that is taken off here */

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    r->phase_handler = cmcf->phase_engine.handlers[r->phase_handler].next - 1;

    return NGX_DECLINED;
}


void
ngx_http_async_replay_content(ngx_http_request_t *r,
    ngx_http_async_mark_t *mark)
{
    uint64_t                    key;
    ngx_http_async_capture_t   *capture;
    ngx_http_async_loc_conf_t  *alcf;
    ngx_http_async_srv_conf_t  *ascf;

    capture = mark ? mark->capture : NULL;

    if (capture == NULL) {
        return;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);
    ascf = ngx_http_get_module_srv_conf(r, ngx_http_async_module);
    key = ascf->key ^ alcf->key;
    mark->queue = alcf->queue;

    /* it has come to where it would have been intercepted, had it come here */

    if (capture->scheduled && alcf->mode != NGX_HTTP_ASYNC_OFF) {
        capture->scheduled = 0;
        capture->passed[capture->npassed++] = key;
    }

    if (capture->npassed && !r->error_page
        && capture->passed[capture->npassed - 1] == key)
    {
        ngx_http_async_restore(r, &capture->vars);
    }

    if (r->content_handler && r->content_handler != ngx_http_async_handler) {
        mark->handler = r->content_handler;
        r->content_handler = ngx_http_async_handler;
    }
}


/*
 * Around the location's own handler: once it has made its upstream, that gets
 * the job's time limits.  r outlives the call, since the content phase
 * finalizes it with what is returned here.
 */

static ngx_int_t
ngx_http_async_handler(ngx_http_request_t *r)
{
    ngx_int_t               rc;
    ngx_http_handler_pt     handler;
    ngx_http_async_mark_t  *mark;

    mark = ngx_http_async_get_mark(r);
    handler = mark->handler;

    rc = handler(r);

    if (rc == NGX_DONE || rc == NGX_OK || rc == NGX_AGAIN) {
        ngx_http_async_set_timeouts(r, mark->capture);
    }

    return rc;
}


static void
ngx_http_async_set_timeouts(ngx_http_request_t *r,
    ngx_http_async_capture_t *capture)
{
    ngx_msec_t                 timeout;
    ngx_connection_t          *c;
    ngx_http_upstream_t       *u;
    ngx_http_upstream_conf_t  *conf;

    u = r->upstream;

    if (u == NULL || u->conf == NULL) {
        return;
    }

    conf = ngx_palloc(r->pool, sizeof(ngx_http_upstream_conf_t));
    if (conf == NULL) {
        return;
    }

    timeout = capture->timeout + NGX_HTTP_ASYNC_SLACK;

    *conf = *u->conf;
    conf->read_timeout = timeout;
    conf->send_timeout = timeout;

    /* another peer may be tried while nothing was sent, but not after */

    if (!capture->repeatable) {
        conf->next_upstream &= ~NGX_HTTP_UPSTREAM_FT_NON_IDEMPOTENT;
    }

    u->conf = conf;

    c = u->peer.connection;

    if (c == NULL || !u->request_sent) {
        return;
    }

    if (c->read->timer_set) {
        ngx_add_timer(c->read, timeout);
    }

    if (c->write->timer_set) {
        ngx_add_timer(c->write, timeout);
    }
}
