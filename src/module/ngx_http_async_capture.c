
/*
 * What surrounded a request when it was accepted, and what a replay of it
 * gets back: addresses, connection variables, variables set on the way.
 */

#include "ngx_http_async_verify.h"


static ngx_uint_t ngx_http_async_is_conn_var(ngx_str_t *name);
static ngx_uint_t ngx_http_async_is_set_var(ngx_http_variable_t *v,
    ngx_http_variable_value_t *value);
static ngx_int_t ngx_http_async_take_variables(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, async_writer_t *w);
static ngx_int_t ngx_http_async_take_variable(ngx_http_request_t *r,
    ngx_uint_t index, uint16_t tag, async_writer_t *w);
static ngx_int_t ngx_http_async_take_origin(ngx_http_request_t *r,
    async_writer_t *w);
static ngx_int_t ngx_http_async_parse_capture(ngx_http_request_t *r,
    ngx_http_async_capture_t *capture, u_char *buf, size_t len);
static ngx_int_t ngx_http_async_add_pair(ngx_array_t *pairs,
    async_str_t value);


/*
 * Variables of the connection: on the private listener they would tell of
 * the worker's.  A name that ends in "*" stands for all that begin so.
 */

static ngx_str_t  ngx_http_async_conn_vars[] = {
    ngx_string("ssl_*"),
    ngx_string("proxy_protocol_*"),
    ngx_string("realip_remote_*"),
    ngx_string("server_*"),
    ngx_string("connection*"),
    ngx_string("scheme"),
    ngx_string("https"),
    ngx_string("http2"),
    ngx_string("http3"),
    ngx_string("request_id"),
    ngx_string("remote_user"),
    ngx_null_string
};


ngx_int_t
ngx_http_async_init_variables(ngx_conf_t *cf, ngx_http_async_main_conf_t *amcf)
{
    ngx_uint_t                  i, *index;
    ngx_http_variable_t        *v;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    v = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {

        if (!ngx_http_async_is_conn_var(&v[i].name)) {
            continue;
        }

        index = ngx_array_push(&amcf->conn_vars);
        if (index == NULL) {
            return NGX_ERROR;
        }

        *index = i;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_async_is_conn_var(ngx_str_t *name)
{
    size_t      len;
    ngx_str_t  *s;

    for (s = ngx_http_async_conn_vars; s->len; s++) {
        len = s->len;

        if (s->data[len - 1] == '*') {
            len--;

            if (name->len >= len
                && ngx_memcmp(name->data, s->data, len) == 0)
            {
                return 1;
            }

        } else if (name->len == len
                   && ngx_memcmp(name->data, s->data, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_async_take_capture(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_mark_t *mark,
    ngx_http_async_op_t *op)
{
    ngx_uint_t         i;
    async_str_t        id, name = async_str(NGX_HTTP_ASYNC_MESSAGE);
    async_writer_t     w;
    ngx_connection_t  *c;

    static uint8_t  buf[NGX_HTTP_ASYNC_CAPTURE_MAX];

    c = r->connection;

    /* a wildcard listen: which address it was, the kernel knows */

    if (ngx_connection_local_sockaddr(c, NULL, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    async_writer_init(&w, buf, sizeof(buf), ASYNC_RECORD_CAPTURE);

    async_write_tag(&w, ASYNC_CAPTURE_PEER, c->sockaddr, c->socklen);
    async_write_tag(&w, ASYNC_CAPTURE_PEER_TEXT, c->addr_text.data,
                    c->addr_text.len);
    async_write_tag(&w, ASYNC_CAPTURE_LOCAL, c->local_sockaddr,
                    c->local_socklen);
    async_write_tag_u64(&w, ASYNC_CAPTURE_TIMEOUT, alcf->timeout);
    async_write_tag_u64(&w, ASYNC_CAPTURE_FLAGS, op->job.flags);

    for (i = 0; i < mark->npassed; i++) {
        async_write_tag_u64(&w, ASYNC_CAPTURE_PASSED, mark->passed[i]);
    }

    if (mark->message.len) {
        id.data = (char *) mark->message.data;
        id.len = mark->message.len;

        async_write_tag_pair(&w, ASYNC_CAPTURE_VAR, name, id);
    }

    if (ngx_http_async_take_origin(r, &w) != NGX_OK
        || ngx_http_async_take_variables(r, alcf, &w) != NGX_OK)
    {
        return NGX_ERROR;
    }

    op->event.payload.capture.len = async_writer_end(&w);

    if (op->event.payload.capture.len == 0) {
        ngx_log_error(NGX_LOG_ERR, c->log, 0,
                      "a job's variables take %uz bytes, %d are possible: set "
                      "fewer, or name those that matter in \"async_keep\"",
                      w.need, NGX_HTTP_ASYNC_CAPTURE_MAX);
        return NGX_ERROR;
    }

    op->event.payload.capture.data = ngx_pnalloc(op->pool,
                                               op->event.payload.capture.len);
    if (op->event.payload.capture.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy((char *) op->event.payload.capture.data, buf,
               op->event.payload.capture.len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_take_variables(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, async_writer_t *w)
{
    ngx_int_t                   *keep;
    ngx_uint_t                   i, *index;
    ngx_http_variable_t         *v;
    ngx_http_core_main_conf_t   *cmcf;
    ngx_http_async_main_conf_t  *amcf;

    amcf = ngx_http_get_module_main_conf(r, ngx_http_async_module);
    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

    index = amcf->conn_vars.elts;

    for (i = 0; i < amcf->conn_vars.nelts; i++) {
        if (ngx_http_async_take_variable(r, index[i], ASYNC_CAPTURE_CONN_VAR,
                                         w)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    v = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {
        if (ngx_http_async_is_set_var(&v[i], &r->variables[i])
            && ngx_http_async_take_variable(r, i, ASYNC_CAPTURE_VAR, w)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    /* kept ones may be asked for before and after "set": put back twice */

    keep = alcf->keep ? alcf->keep->elts : NULL;

    for (i = 0; alcf->keep && i < alcf->keep->nelts; i++) {
        if (ngx_http_async_take_variable(r, keep[i], ASYNC_CAPTURE_CONN_VAR, w)
            != NGX_OK
            || ngx_http_async_take_variable(r, keep[i], ASYNC_CAPTURE_VAR, w)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * What "set", "auth_request_set", "map" and their like have left behind.
 * Those that nginx evaluates anew each time, or that write through to the
 * request, are not values to be kept.
 */

static ngx_uint_t
ngx_http_async_is_set_var(ngx_http_variable_t *v,
    ngx_http_variable_value_t *value)
{
    return value->valid
           && !value->not_found
           && !value->no_cacheable
           && (v->flags & NGX_HTTP_VAR_CHANGEABLE)
           && !(v->flags & NGX_HTTP_VAR_NOCACHEABLE)
           && v->set_handler == NULL;
}


static ngx_int_t
ngx_http_async_take_variable(ngx_http_request_t *r, ngx_uint_t index,
    uint16_t tag, async_writer_t *w)
{
    async_str_t                 name, value;
    ngx_http_variable_t        *v;
    ngx_http_core_main_conf_t  *cmcf;
    ngx_http_variable_value_t  *vv;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    v = cmcf->variables.elts;

    vv = ngx_http_get_indexed_variable(r, index);
    if (vv == NULL) {
        return NGX_ERROR;
    }

    if (vv->not_found) {
        return NGX_OK;
    }

    name.data = (char *) v[index].name.data;
    name.len = v[index].name.len;
    value.data = (char *) vv->data;
    value.len = vv->len;

    async_write_tag_pair(w, tag, name, value);

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_take_origin(ngx_http_request_t *r, async_writer_t *w)
{
    ngx_str_t  origin;

    if (ngx_http_async_origin(r, &origin) != NGX_OK) {
        return NGX_ERROR;
    }

    if (origin.len) {
        async_write_tag(w, ASYNC_CAPTURE_ORIGIN, origin.data, origin.len);
    }

    return NGX_OK;
}


/* what a relative Location of nginx's own is completed with */

ngx_int_t
ngx_http_async_origin(ngx_http_request_t *r, ngx_str_t *origin)
{
    u_char                    *p;
    in_port_t                  port;
    ngx_str_t                  host;
    ngx_uint_t                 ssl;
    ngx_connection_t          *c;
    u_char                     addr[NGX_SOCKADDR_STRLEN];
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_core_srv_conf_t  *cscf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);
    c = r->connection;
    ssl = 0;

#if (NGX_HTTP_SSL)
    ssl = (c->ssl != NULL);
#endif

    if (clcf->server_name_in_redirect) {
        host = cscf->server_name;

    } else if (r->headers_in.server.len) {
        host = r->headers_in.server;

    } else {
        host.data = addr;
        host.len = NGX_SOCKADDR_STRLEN;

        if (ngx_connection_local_sockaddr(c, &host, 0) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    origin->len = 0;

    if (host.len > 512) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, sizeof("https://:65535") + host.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    origin->data = p;

    port = ngx_inet_get_port(c->local_sockaddr);

    p = ngx_sprintf(p, "http%s://%V", ssl ? "s" : "", &host);

    if (clcf->port_in_redirect && port && port != (ssl ? 443 : 80)) {
        p = ngx_sprintf(p, ":%ui", (ngx_uint_t) port);
    }

    origin->len = p - origin->data;

    return NGX_OK;
}


/* NULL if there is none, or it does not decode */

ngx_http_async_capture_t *
ngx_http_async_read_capture(ngx_http_request_t *r, const async_id_t *id)
{
    size_t                     len;
    u_char                    *buf;
    async_view_t              *view;
    ngx_http_async_capture_t  *capture;

    view = ngx_http_async_view();

    capture = ngx_pcalloc(r->pool, sizeof(ngx_http_async_capture_t));
    buf = ngx_pnalloc(r->pool, NGX_HTTP_ASYNC_CAPTURE_MAX);

    if (view == NULL || capture == NULL || buf == NULL
        || ngx_array_init(&capture->conn_vars, r->pool, 16,
                          sizeof(ngx_keyval_t))
           != NGX_OK
        || ngx_array_init(&capture->vars, r->pool, 16, sizeof(ngx_keyval_t))
           != NGX_OK)
    {
        return NULL;
    }

    if (async_view_head(view, id, ASYNC_PAYLOAD_CAPTURE, buf,
                        NGX_HTTP_ASYNC_CAPTURE_MAX, &len)
        != ASYNC_OK
        || ngx_http_async_parse_capture(r, capture, buf, len) != NGX_OK)
    {
        return NULL;
    }

    return capture;
}


static ngx_int_t
ngx_http_async_parse_capture(ngx_http_request_t *r,
    ngx_http_async_capture_t *capture, u_char *buf, size_t len)
{
    uint16_t        tag;
    uint64_t        n;
    ngx_str_t      *s;
    async_str_t     value;
    async_reader_t  rd;

    if (async_reader_init(&rd, buf, len, ASYNC_RECORD_CAPTURE) != ASYNC_OK) {
        return NGX_ERROR;
    }

    while (async_read_tag(&rd, &tag, &value)) {
        s = NULL;
        n = 0;

        switch (tag) {

        case ASYNC_CAPTURE_PEER:
            s = &capture->peer;
            break;

        case ASYNC_CAPTURE_PEER_TEXT:
            s = &capture->peer_text;
            break;

        case ASYNC_CAPTURE_LOCAL:
            s = &capture->local;
            break;

        case ASYNC_CAPTURE_ORIGIN:
            s = &capture->origin;
            break;

        case ASYNC_CAPTURE_CONN_VAR:
        case ASYNC_CAPTURE_VAR:
            if (ngx_http_async_add_pair(tag == ASYNC_CAPTURE_VAR
                                        ? &capture->vars : &capture->conn_vars,
                                        value)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            break;

        case ASYNC_CAPTURE_PASSED:
            if (capture->npassed == NGX_HTTP_ASYNC_PASSED_MAX
                || !async_tag_u64(value,
                                  &capture->passed[capture->npassed++]))
            {
                return NGX_ERROR;
            }

            break;

        case ASYNC_CAPTURE_TIMEOUT:
            if (!async_tag_u64(value, &n)) {
                return NGX_ERROR;
            }

            capture->timeout = n;
            break;

        case ASYNC_CAPTURE_FLAGS:
            if (!async_tag_u64(value, &n)) {
                return NGX_ERROR;
            }

            capture->repeatable = (n & ASYNC_JOB_REPEATABLE) ? 1 : 0;
            capture->scheduled = (n & ASYNC_CAPTURE_SCHEDULED) ? 1 : 0;
            break;
        }

        if (s) {
            s->data = (u_char *) value.data;
            s->len = value.len;
        }
    }

    return rd.broken ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_http_async_add_pair(ngx_array_t *pairs, async_str_t value)
{
    async_str_t    name, rest;
    ngx_keyval_t  *kv;

    if (!async_tag_pair(value, &name, &rest)) {
        return NGX_ERROR;
    }

    kv = ngx_array_push(pairs);
    if (kv == NULL) {
        return NGX_ERROR;
    }

    kv->key.data = (u_char *) name.data;
    kv->key.len = name.len;
    kv->value.data = (u_char *) rest.data;
    kv->value.len = rest.len;

    return NGX_OK;
}


/* by name: a new configuration may have given them other indexes */

void
ngx_http_async_restore(ngx_http_request_t *r, ngx_array_t *pairs)
{
    ngx_uint_t                  i, k;
    ngx_keyval_t               *kv;
    ngx_http_variable_t        *v;
    ngx_http_core_main_conf_t  *cmcf;
    ngx_http_variable_value_t  *vv;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    v = cmcf->variables.elts;
    kv = pairs->elts;

    for (i = 0; i < pairs->nelts; i++) {

        for (k = 0; k < cmcf->variables.nelts; k++) {

            if (v[k].name.len != kv[i].key.len
                || ngx_memcmp(v[k].name.data, kv[i].key.data, v[k].name.len)
                   != 0)
            {
                continue;
            }

            vv = &r->variables[k];
            vv->data = kv[i].value.data;
            vv->len = kv[i].value.len;
            vv->valid = 1;
            vv->no_cacheable = 0;
            vv->not_found = 0;
            break;
        }
    }
}
