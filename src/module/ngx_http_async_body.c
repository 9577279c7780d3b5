
/*
 * A request's body on its way into a job.  What lies in memory is copied at
 * once; what nginx put into a temporary file is taken by the files thread: a
 * small one is read back to become chunks, a large one moves into the spool.
 */

#include "ngx_http_async_module.h"


#define NGX_HTTP_ASYNC_OPENING  10            /* ms, for a store to be open */


static ngx_int_t ngx_http_async_copy_body(ngx_http_request_t *r,
    ngx_http_async_op_t *op);
static void ngx_http_async_read_thread(void *data, ngx_log_t *log);
static async_store_t *ngx_http_async_wait_store(void);
static void ngx_http_async_spool_thread(void *data, ngx_log_t *log);
static void ngx_http_async_drop_thread(void *data, ngx_log_t *log);


ngx_int_t
ngx_http_async_take_body(ngx_http_request_t *r, ngx_http_async_op_t *op,
    ngx_http_async_op_handler_pt done)
{
    off_t             size;
    ngx_chain_t      *cl;
    ngx_temp_file_t  *tf;

    op->fd = NGX_INVALID_FILE;
    op->job.request.where = ASYNC_BODY_NONE;

    size = 0;

    for (cl = r->request_body ? r->request_body->bufs : NULL; cl;
         cl = cl->next)
    {
        size += ngx_buf_size(cl->buf);
    }

    if (size == 0 && r->headers_in.content_length_n < 0
        && !r->headers_in.chunked)
    {
        return NGX_OK;
    }

    op->length = size;
    op->job.request.where = ASYNC_BODY_CHUNKS;
    op->job.request.len = size;

    tf = size ? r->request_body->temp_file : NULL;

    if (tf == NULL && size <= ASYNC_CHUNKED_MAX) {
        return ngx_http_async_copy_body(r, op);
    }

    if (tf == NULL) {

        /* only a client_body_buffer_size above 256k leads here */

        if (ngx_http_async_copy_body(r, op) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_async_file_task(op, ngx_http_async_spool_thread, done)
               == NGX_OK ? NGX_AGAIN : NGX_ERROR;
    }

    /* the request, and its descriptor with it, may go before the thread */

    op->fd = fcntl(tf->file.fd, F_DUPFD_CLOEXEC, 0);
    if (op->fd == NGX_INVALID_FILE) {
        return NGX_ERROR;
    }

    /*
     * One that "client_body_in_file_only on" wants to keep is copied, and so
     * is one whose request has its answer, and ends with its file, by then.
     */

    if (tf->persistent && tf->clean && !(op->job.flags & ASYNC_JOB_FORGET)) {
        op->path = ngx_pnalloc(op->pool, tf->file.name.len + 1);
        if (op->path == NULL) {
            return NGX_ERROR;
        }

        ngx_cpystrn(op->path, tf->file.name.data, tf->file.name.len + 1);
    }

    return ngx_http_async_file_task(op,
                                    size <= ASYNC_CHUNKED_MAX
                                    ? ngx_http_async_read_thread
                                    : ngx_http_async_spool_thread, done)
           == NGX_OK ? NGX_AGAIN : NGX_ERROR;
}


static ngx_int_t
ngx_http_async_copy_body(ngx_http_request_t *r, ngx_http_async_op_t *op)
{
    u_char       *p;
    ngx_chain_t  *cl;

    p = ngx_pnalloc(op->pool, op->length ? op->length : 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    op->body = p;

    for (cl = r->request_body ? r->request_body->bufs : NULL; cl;
         cl = cl->next)
    {
        if (ngx_buf_in_memory(cl->buf)) {
            p = ngx_cpymem(p, cl->buf->pos, cl->buf->last - cl->buf->pos);
        }
    }

    if (p - op->body != op->length) {
        return NGX_ERROR;
    }

    op->job.request.crc = async_crc32c(0, op->body, op->length);

    /* what is larger is hashed on the thread that spools it */

    return op->length <= ASYNC_CHUNKED_MAX ? ngx_http_async_hash_body(op)
                                           : NGX_OK;
}


/* pool thread */

static void
ngx_http_async_read_thread(void *data, ngx_log_t *log)
{
    ngx_http_async_op_t *op = data;

    off_t    offset;
    ssize_t  n;

    op->rc = ASYNC_UNAVAILABLE;

    op->body = ngx_pnalloc(op->pool, op->length);
    if (op->body == NULL) {
        async_error_set(&op->error, "no memory for a body");
        return;
    }

    for (offset = 0; offset < op->length; offset += n) {
        n = pread(op->fd, op->body + offset, op->length - offset, offset);

        if (n <= 0) {
            async_error_set(&op->error, "nginx's temporary file cannot be read "
                            "back: %s", n ? strerror(errno) : "it is short");
            return;
        }
    }

    if (ngx_http_async_hash_body(op) != NGX_OK) {
        async_error_set(&op->error, "a body cannot be hashed");
        return;
    }

    op->job.request.crc = async_crc32c(0, op->body, op->length);
    op->rc = ASYNC_OK;
}


/* pool thread: the first requests come before the store is open */

static async_store_t *
ngx_http_async_wait_store(void)
{
    ngx_msec_t      waited;
    async_store_t  *store;

    for (waited = 0; waited < NGX_HTTP_ASYNC_DEADLINE;
         waited += NGX_HTTP_ASYNC_OPENING)
    {
        store = ngx_http_async_store();

        if (store || ngx_http_async_store_error()) {
            return store;
        }

        ngx_msleep(NGX_HTTP_ASYNC_OPENING);
    }

    return NULL;
}


/* pool thread */

static void
ngx_http_async_spool_thread(void *data, ngx_log_t *log)
{
    ngx_http_async_op_t *op = data;

    async_store_t  *store;

    store = ngx_http_async_wait_store();

    if (store == NULL) {
        async_error_set(&op->error, "the store is not open");
        op->rc = ASYNC_UNAVAILABLE;
        return;
    }

    if (ngx_http_async_hash_body(op) != NGX_OK) {
        async_error_set(&op->error, "a body cannot be read back and hashed");
        op->rc = ASYNC_UNAVAILABLE;
        return;
    }

    if (op->fd == NGX_INVALID_FILE) {
        op->rc = async_spool_create(&op->spool, store, &op->job.id,
                                    ASYNC_PAYLOAD_REQUEST_BODY, &op->error);

        if (op->rc == ASYNC_OK) {
            op->rc = async_spool_write(&op->spool, op->body, op->length,
                                       &op->error);
        }

        op->body = NULL;

    } else {
        op->rc = async_spool_adopt(&op->spool, store, &op->job.id,
                                   ASYNC_PAYLOAD_REQUEST_BODY,
                                   (char *) op->path, op->fd, &op->error);
    }

    if (op->rc == ASYNC_OK) {
        op->rc = async_spool_finish(&op->spool, &op->job.request, &op->error);
    }

    if (op->rc != ASYNC_OK) {
        async_spool_abandon(&op->spool);
        return;
    }

    if (op->job.request.len != (uint64_t) op->length) {
        async_spool_remove(store, &op->job.id, ASYNC_PAYLOAD_REQUEST_BODY);
        async_error_set(&op->error, "the body in nginx's temporary file has "
                        "not the length that was received");
        op->rc = ASYNC_UNAVAILABLE;
    }
}


void
ngx_http_async_drop_body(ngx_http_async_op_t *op)
{
    if (op->fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(op->fd);
        op->fd = NGX_INVALID_FILE;
    }

    /*
     * If the job was stored after all, its outcome being unknown, the file
     * must stay; one that no job names is swept.
     */

    if (op->job.request.where == ASYNC_BODY_SPOOL && op->rc != ASYNC_OK
        && op->rc != ASYNC_UNKNOWN
        && ngx_http_async_file_task(op, ngx_http_async_drop_thread,
                                    ngx_http_async_free)
           == NGX_OK)
    {
        return;
    }

    ngx_http_async_free(op, op->rc);
}


/* pool thread */

static void
ngx_http_async_drop_thread(void *data, ngx_log_t *log)
{
    ngx_http_async_op_t *op = data;

    async_store_t  *store;

    store = ngx_http_async_store();

    /* a store that was left: the file is an orphan, and swept */

    if (store) {
        async_spool_remove(store, &op->job.id, ASYNC_PAYLOAD_REQUEST_BODY);
    }
}
