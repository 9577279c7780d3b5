
/*
 * The mark of a request.  It is kept as a cleanup record of the pool, since
 * module contexts are wiped by every internal redirect, and one client
 * request must never make two jobs.
 */

#include "ngx_http_async_module.h"


static void ngx_http_async_mark_cleanup(void *data);


ngx_http_async_mark_t *
ngx_http_async_get_mark(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_async_mark_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


ngx_http_async_mark_t *
ngx_http_async_make_mark(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t     *cln;
    ngx_http_async_mark_t  *mark;

    mark = ngx_http_async_get_mark(r);
    if (mark) {
        return mark;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_async_mark_t));
    if (cln == NULL) {
        return NULL;
    }

    mark = cln->data;
    ngx_memzero(mark, sizeof(ngx_http_async_mark_t));

    cln->handler = ngx_http_async_mark_cleanup;

    return mark;
}


/* only its address matters: it tells our record from others */

static void
ngx_http_async_mark_cleanup(void *data)
{
}
