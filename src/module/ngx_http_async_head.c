
/*
 * The request's head: what of it is stored, what is taken off it.
 */

#include "ngx_http_async_module.h"


static ngx_int_t ngx_http_async_target(ngx_http_request_t *r,
    ngx_str_t *target);
static ngx_uint_t ngx_http_async_header_kept(ngx_table_elt_t *h,
    ngx_array_t *drop, ngx_str_t *key);
static ngx_uint_t ngx_http_async_is_private_name(ngx_table_elt_t *h);
static ngx_int_t ngx_http_async_remove_header(ngx_http_request_t *r,
    ngx_list_part_t *prev, ngx_list_part_t *part, ngx_uint_t i);


/* neither stored nor replayed, whatever the client sends (contract, 2) */

static ngx_str_t  ngx_http_async_left_out[] = {
    ngx_string("connection"),
    ngx_string("keep-alive"),
    ngx_string("proxy-connection"),
    ngx_string("te"),
    ngx_string("trailer"),
    ngx_string("transfer-encoding"),
    ngx_string("upgrade"),
    ngx_string("http2-settings"),
    ngx_string("content-length"),
    ngx_string("expect"),
    ngx_string("accept-encoding"),
    ngx_string("range"),
    ngx_string("if-match"),
    ngx_string("if-none-match"),
    ngx_string("if-modified-since"),
    ngx_string("if-unmodified-since"),
    ngx_string("if-range"),
    ngx_null_string
};


ngx_int_t
ngx_http_async_take_head(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op)
{
    size_t                     len;
    u_char                    *buf;
    ngx_str_t                  target, *server;
    ngx_uint_t                 i, host;
    async_str_t                name, value;
    async_writer_t             w;
    ngx_list_part_t           *part;
    ngx_table_elt_t           *header;
    ngx_http_core_srv_conf_t  *cscf;

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    if (ngx_http_async_target(r, &target) != NGX_OK) {
        return NGX_ERROR;
    }

    len = ASYNC_RECORD_HEADER + 2 * 6 + r->method_name.len
          + target.len + 8 + sizeof("Host") + sizeof("localhost")
          + 8 + sizeof("Idempotency-Key") + op->key.len
          + cscf->server_name.len + r->headers_in.server.len;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {
            len += 8 + header[i].key.len + header[i].value.len;
        }
    }

    buf = ngx_pnalloc(op->pool, len);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    async_writer_init(&w, buf, len, ASYNC_RECORD_REQUEST);
    async_write_tag(&w, ASYNC_REQUEST_METHOD, r->method_name.data,
                    r->method_name.len);
    async_write_tag(&w, ASYNC_REQUEST_TARGET, target.data, target.len);

    host = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (!ngx_http_async_header_kept(&header[i], alcf->drop, &op->key))
            {
                continue;
            }

            name.data = (char *) header[i].key.data;
            name.len = header[i].key.len;
            value.data = (char *) header[i].value.data;
            value.len = header[i].value.len;

            host |= ngx_http_async_header_is(&header[i], "Host");

            async_write_tag_pair(&w, ASYNC_REQUEST_HEADER, name, value);
        }
    }

    /*
     * HTTP/1.0 and HTTP/3 may do without Host, the replay cannot: so that
     * $host stays what it was, it gets the name that nginx worked with.
     */

    if (!host) {
        server = r->headers_in.server.len ? &r->headers_in.server
                                          : &cscf->server_name;
        name.data = "Host";
        name.len = 4;
        value.data = (char *) server->data;
        value.len = server->len;

        if (value.len == 0) {
            value.data = "localhost";
            value.len = sizeof("localhost") - 1;
        }

        async_write_tag_pair(&w, ASYNC_REQUEST_HEADER, name, value);
    }

    if (op->key.len) {
        name.data = "Idempotency-Key";
        name.len = sizeof("Idempotency-Key") - 1;
        value.data = (char *) op->key.data;
        value.len = op->key.len;

        async_write_tag_pair(&w, ASYNC_REQUEST_HEADER, name, value);
    }

    op->event.payload.head.data = (char *) buf;
    op->event.payload.head.len = async_writer_end(&w);

    return op->event.payload.head.len ? NGX_OK : NGX_ERROR;
}


/*
 * An absolute target goes before Host (RFC 9112, section 3.2.2): the replay
 * has one as well, and finds the same server and $host.
 */

static ngx_int_t
ngx_http_async_target(ngx_http_request_t *r, ngx_str_t *target)
{
    if (r->http_version >= NGX_HTTP_VERSION_20 || r->host_start == NULL) {
        *target = r->unparsed_uri;
        return NGX_OK;
    }

    target->len = sizeof("http://") - 1 + r->headers_in.server.len
                  + r->unparsed_uri.len;
    target->data = ngx_pnalloc(r->pool, target->len);
    if (target->data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(target->data, "http://%V%V", &r->headers_in.server,
                &r->unparsed_uri);

    return NGX_OK;
}


/* a key of ours takes the place of the client's */

static ngx_uint_t
ngx_http_async_header_kept(ngx_table_elt_t *h, ngx_array_t *drop,
    ngx_str_t *key)
{
    ngx_str_t   *name;
    ngx_uint_t   i;

    if (ngx_http_async_is_private_name(h)) {
        return 0;
    }

    for (name = ngx_http_async_left_out; name->len; name++) {
        if (h->key.len == name->len
            && ngx_strncasecmp(h->key.data, name->data, name->len) == 0)
        {
            return 0;
        }
    }

    if (key->len && ngx_http_async_header_is(h, "Idempotency-Key")) {
        return 0;
    }

    name = drop ? drop->elts : NULL;

    for (i = 0; drop && i < drop->nelts; i++) {
        if (h->key.len == name[i].len
            && ngx_strncasecmp(h->key.data, name[i].data, name[i].len) == 0)
        {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_http_async_is_private_name(ngx_table_elt_t *h)
{
    return h->key.len > 6
           && ngx_strncasecmp(h->key.data, (u_char *) "async-", 6) == 0;
}


/*
 * Takes Async-* fields of a client off its request, so that a backend can
 * trust those that it gets.
 */

ngx_int_t
ngx_http_async_strip(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part, *prev;
    ngx_table_elt_t  *header;

again:

    prev = NULL;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (ngx_http_async_is_private_name(&header[i])) {
                if (ngx_http_async_remove_header(r, prev, part, i) != NGX_OK)
                {
                    return NGX_ERROR;
                }

                goto again;
            }
        }

        prev = part;
    }

    return NGX_OK;
}


/*
 * Elements must not move, since headers_in and other modules point at them,
 * and no part but the first may become empty, since readers of the list rely
 * on it.  So a part is cut in two around the element.
 */

static ngx_int_t
ngx_http_async_remove_header(ngx_http_request_t *r, ngx_list_part_t *prev,
    ngx_list_part_t *part, ngx_uint_t i)
{
    ngx_list_t       *list;
    ngx_list_part_t  *rest;
    ngx_table_elt_t  *header;

    list = &r->headers_in.headers;
    header = part->elts;

    if (i == 0 && part->nelts > 1) {
        part->elts = &header[1];
        part->nelts--;

    } else if (i == part->nelts - 1) {
        part->nelts--;

        if (part->nelts == 0 && prev) {
            prev->next = part->next;

            if (list->last == part) {
                list->last = prev;
            }
        }

    } else {
        rest = ngx_palloc(r->pool, sizeof(ngx_list_part_t));
        if (rest == NULL) {
            return NGX_ERROR;
        }

        rest->elts = &header[i + 1];
        rest->nelts = part->nelts - i - 1;
        rest->next = part->next;

        part->nelts = i;
        part->next = rest;

        if (list->last == part) {
            list->last = rest;
        }
    }

    /* what the last part has left is not nalloc any more: it counts as full */

    list->nalloc = ngx_max(list->last->nelts, 1);

    return NGX_OK;
}
