
/*
 * Work on bodies that takes its time: by threads, each op on its own.
 */

#include "ngx_http_async_module.h"


#define NGX_HTTP_ASYNC_FILE_TICK  100         /* ms, looks for deadlines */
#define NGX_HTTP_ASYNC_FILE_RATE  4096        /* bytes a ms, at the least */


typedef struct {
    ngx_http_async_main_conf_t  *amcf;
    ngx_queue_t                  ops;         /* ngx_http_async_op_t, on
                                                 a thread */
    ngx_event_t                  tick;
} ngx_http_async_files_t;


static void ngx_http_async_file_tick(ngx_event_t *ev);
static void ngx_http_async_file_done(ngx_event_t *ev);


static ngx_http_async_files_t  ngx_http_async_files;


void
ngx_http_async_files_init(ngx_cycle_t *cycle,
    ngx_http_async_main_conf_t *amcf)
{
    ngx_http_async_files_t  *af;

    af = &ngx_http_async_files;
    af->amcf = amcf;

    if (af->tick.handler) {

        /* a reload in a single process: what is under way goes on */

        return;
    }

    ngx_queue_init(&af->ops);

    af->tick.handler = ngx_http_async_file_tick;
    af->tick.data = af;
    af->tick.log = cycle->log;
}


ngx_int_t
ngx_http_async_file_task(ngx_http_async_op_t *op,
    void (*thread)(void *data, ngx_log_t *log),
    ngx_http_async_op_handler_pt done)
{
    ngx_thread_pool_t       *pool;
    ngx_thread_task_t       *task;
    ngx_http_async_files_t  *af;

    af = &ngx_http_async_files;
    pool = op->length <= ASYNC_CHUNKED_MAX ? af->amcf->reads : af->amcf->files;

    task = ngx_pcalloc(op->pool, sizeof(ngx_thread_task_t));
    if (task == NULL) {
        return NGX_ERROR;
    }

    task->ctx = op;
    task->handler = thread;
    task->event.handler = ngx_http_async_file_done;
    task->event.data = op;

    op->file_done = done;
    op->event.deadline = ngx_current_msec + NGX_HTTP_ASYNC_DEADLINE
                         + op->length / NGX_HTTP_ASYNC_FILE_RATE;

    if (ngx_thread_task_post(pool, task) != NGX_OK) {
        return NGX_ERROR;
    }

    op->in_flight = 1;
    ngx_queue_insert_tail(&af->ops, &op->queue);

    if (!af->tick.timer_set) {
        ngx_add_timer(&af->tick, NGX_HTTP_ASYNC_FILE_TICK);
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_async_files_busy(void)
{
    return !ngx_queue_empty(&ngx_http_async_files.ops);
}


/*
 * A file that takes too long is answered now; what comes of it is dropped
 * when the thread is done.  Not cancelable: see ngx_http_async_commit.c.
 */

static void
ngx_http_async_file_tick(ngx_event_t *ev)
{
    ngx_queue_t             *q;
    ngx_http_async_op_t     *op;
    ngx_http_async_files_t  *af;

    af = ev->data;

    for (q = ngx_queue_head(&af->ops);
         q != ngx_queue_sentinel(&af->ops);
         q = ngx_queue_next(q))
    {
        op = ngx_queue_data(q, ngx_http_async_op_t, queue);

        if (op->request
            && (ngx_msec_int_t) (op->event.deadline - ngx_current_msec) <= 0)
        {
            op->withdrawn = 1;
            op->handler(op, ASYNC_LATE);
        }
    }

    if (!ngx_queue_empty(&af->ops)) {
        ngx_add_timer(ev, NGX_HTTP_ASYNC_FILE_TICK);
    }
}


static void
ngx_http_async_file_done(ngx_event_t *ev)
{
    ngx_http_async_op_t  *op;

    op = ev->data;

    ngx_queue_remove(&op->queue);
    op->in_flight = 0;

    op->file_done(op, op->withdrawn ? ASYNC_LATE : op->rc);
}
