
/*
 * JSON that is put together in pieces, as long as it becomes.
 */

#include "ngx_http_async_dashboard.h"


#define NGX_HTTP_ASYNC_PIECE  16384


void
ngx_http_async_doc_init(ngx_http_async_doc_t *doc, ngx_http_request_t *r)
{
    ngx_memzero(doc, sizeof(ngx_http_async_doc_t));

    doc->pool = r->pool;
    doc->last = &doc->out;
}


/* once there was no memory, nothing more is added, and the end says so */

void
ngx_http_async_doc_add(ngx_http_async_doc_t *doc, const void *data,
    size_t len)
{
    size_t        n;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = doc->buf;

    while (len && !doc->failed) {

        if (b == NULL || b->last == b->end) {
            b = ngx_create_temp_buf(doc->pool,
                                    ngx_max(len, NGX_HTTP_ASYNC_PIECE));
            cl = ngx_alloc_chain_link(doc->pool);

            if (b == NULL || cl == NULL) {
                doc->failed = 1;
                return;
            }

            cl->buf = b;
            cl->next = NULL;

            *doc->last = cl;
            doc->last = &cl->next;
            doc->buf = b;
        }

        n = ngx_min(len, (size_t) (b->end - b->last));

        b->last = ngx_cpymem(b->last, data, n);
        data = (const u_char *) data + n;
        len -= n;
        doc->size += n;
    }
}


/* an element of an array: with a comma before it unless it is the first */

void
ngx_http_async_doc_item(ngx_http_async_doc_t *doc, const void *data,
    size_t len)
{
    if (len == 0) {
        doc->failed = 1;
        return;
    }

    if (doc->items++) {
        ngx_http_async_doc_add(doc, ",", 1);
    }

    ngx_http_async_doc_add(doc, data, len);
}


ngx_int_t
ngx_http_async_doc_reply(ngx_http_async_doc_t *doc, ngx_http_request_t *r)
{
    static ngx_str_t  type = ngx_string("application/json");

    if (doc->failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_async_reply_chain(r, NGX_HTTP_OK, &type, doc->out,
                                      doc->size);
}
