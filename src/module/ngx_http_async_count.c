
/*
 * What no transaction counts: submits that made no job, and clients that
 * wait.  It goes to the slate, which all nginx workers share.
 */

#include "ngx_http_async_events.h"
#include "ngx_http_async_metrics.h"
#include "ngx_http_async_watch.h"


void
ngx_http_async_count_submit(ngx_str_t *queue, async_submit_result_t result)
{
    async_str_t     name;
    async_store_t  *store;

    store = ngx_http_async_store();

    /* without a store there is nowhere to count */

    if (store) {
        name.data = (char *) queue->data;
        name.len = queue->len;

        async_slate_submit(store, name, result);
    }
}


void
ngx_http_async_count_op(ngx_http_async_op_t *op, async_rc_t rc)
{
    ngx_str_t              queue;
    async_submit_result_t  result;

    switch (rc) {

    case ASYNC_OK:

        /* the store has counted its job */

        return;

    case ASYNC_EXISTS:
        result = op->event.joined ? ASYNC_SUBMIT_COALESCED
                                  : ASYNC_SUBMIT_REPLAYED;
        break;

    case ASYNC_KEY_REUSED:
        result = ASYNC_SUBMIT_KEY_REUSED;
        break;

    case ASYNC_OWNER_FULL:
        result = ASYNC_SUBMIT_OWNER_LIMIT;
        break;

    case ASYNC_QUEUE_FULL:
        result = ASYNC_SUBMIT_QUEUE_FULL;
        break;

    case ASYNC_STORE_FULL:
        result = ASYNC_SUBMIT_STORE_FULL;
        break;

    default:
        result = op->refusal
                 ? async_submit_result(async_problem_code(op->problem))
                 : ASYNC_SUBMIT_STORE_UNAVAILABLE;
        break;
    }

    queue.data = (u_char *) op->job.queue.data;
    queue.len = op->job.queue.len;

    ngx_http_async_count_submit(&queue, result);
}


void
ngx_http_async_count_waiting(async_store_t *store)
{
    ngx_uint_t  streams, waiting;

    streams = ngx_http_async_streams();
    waiting = ngx_http_async_waiting();

    async_slate_gauge(store, ASYNC_GAUGE_STREAMS, streams);
    async_slate_gauge(store, ASYNC_GAUGE_WAITERS,
                      waiting > streams ? waiting - streams : 0);
}
