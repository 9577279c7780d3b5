
/*
 * An op begins with a request, which may go before it, and ends by itself.
 */

#include "ngx_http_async_module.h"


#define NGX_HTTP_ASYNC_POOL   4096
#define NGX_HTTP_ASYNC_POOLS  256


static ngx_pool_t *ngx_http_async_op_pool(void);
static void ngx_http_async_op_gone(void *data);


/*
 * Pools that are ready to be used again.  Ops are answered by the batch: if
 * each gave its memory back, malloc would give all of it back to the kernel,
 * and fault it in anew for the next batch.
 */

static ngx_pool_t  *ngx_http_async_pools[NGX_HTTP_ASYNC_POOLS];
static ngx_uint_t   ngx_http_async_npools;


ngx_http_async_op_t *
ngx_http_async_create_op(ngx_http_request_t *r,
    ngx_http_async_op_handler_pt handler)
{
    ngx_pool_t           *pool;
    ngx_http_cleanup_t   *cln;
    ngx_http_async_op_t  *op;

    cln = NULL;

    pool = ngx_http_async_op_pool();
    if (pool == NULL) {
        return NULL;
    }

    op = ngx_pcalloc(pool, sizeof(ngx_http_async_op_t));

    if (r) {
        cln = ngx_http_cleanup_add(r, 0);
    }

    if (op == NULL || (r && cln == NULL)) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    op->pool = pool;
    op->request = r;
    op->handler = handler;
    op->fd = NGX_INVALID_FILE;

    if (cln) {
        cln->handler = ngx_http_async_op_gone;
        cln->data = op;
        op->cleanup = cln;
    }

    return op;
}


static ngx_pool_t *
ngx_http_async_op_pool(void)
{
    ngx_pool_t  *pool;

    if (ngx_http_async_npools == 0) {
        return ngx_create_pool(NGX_HTTP_ASYNC_POOL, ngx_cycle->log);
    }

    pool = ngx_http_async_pools[--ngx_http_async_npools];
    pool->log = ngx_cycle->log;

    return pool;
}


/* the request is gone; what it asked for happens all the same */

static void
ngx_http_async_op_gone(void *data)
{
    ngx_http_async_op_t *op = data;

    op->request = NULL;
    op->cleanup = NULL;
}


ngx_http_request_t *
ngx_http_async_take_request(ngx_http_async_op_t *op)
{
    ngx_http_request_t  *r;

    r = op->request;

    if (r) {
        ngx_http_set_log_request(r->connection->log, r);

        op->cleanup->handler = NULL;
        ngx_http_async_op_gone(op);
    }

    return r;
}


void
ngx_http_async_free(ngx_http_async_op_t *op, async_rc_t rc)
{
    ngx_pool_t  *pool;

    pool = op->pool;

    if (ngx_http_async_npools == NGX_HTTP_ASYNC_POOLS
        || pool->d.next || pool->cleanup)
    {
        ngx_destroy_pool(pool);
        return;
    }

    ngx_reset_pool(pool);
    ngx_http_async_pools[ngx_http_async_npools++] = pool;
}
