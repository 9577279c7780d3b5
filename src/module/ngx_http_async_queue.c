
/*
 * async_queue: a name, and what the worker keeps to.
 */

#include "ngx_http_async_conf.h"


#define NGX_HTTP_ASYNC_RATE_MAX  1000000      /* a second */


static ngx_int_t ngx_http_async_queue_param(async_queue_t *queue,
    ngx_str_t *value);
static ngx_int_t ngx_http_async_queue_number(ngx_str_t *value, size_t prefix,
    uint32_t *number);
static ngx_int_t ngx_http_async_queue_rate(ngx_str_t *value, size_t prefix,
    uint64_t *interval);


char *
ngx_http_async_queue_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_main_conf_t *amcf = conf;

    ngx_str_t      *value;
    ngx_uint_t      i;
    async_queue_t  *queue;

    value = cf->args->elts;

    if (value[1].len == 0 || value[1].len > ASYNC_QUEUE_MAX) {
        return "needs a name of 1 to 64 bytes, such as reports";
    }

    if (ngx_http_async_find_queue(amcf, &value[1])) {
        return "is duplicate";
    }

    if (ngx_http_async_once(cf, 2) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    queue = ngx_array_push(&amcf->queues);
    if (queue == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_http_async_init_queue(queue, &value[1]);

    amcf->used = 1;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_http_async_queue_param(queue, &value[i]) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\": async_queue takes "
                               "concurrency=8, max_queued=100000 and "
                               "per_owner=100, whole numbers above 0, "
                               "rate=10r/s or rate=30r/m, and paused",
                               &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_async_queue_param(async_queue_t *queue, ngx_str_t *value)
{
    if (ngx_strncmp(value->data, "concurrency=", 12) == 0) {
        return ngx_http_async_queue_number(value, 12, &queue->concurrency);
    }

    if (ngx_strncmp(value->data, "max_queued=", 11) == 0) {
        return ngx_http_async_queue_number(value, 11, &queue->max_queued);
    }

    if (ngx_strncmp(value->data, "per_owner=", 10) == 0) {
        return ngx_http_async_queue_number(value, 10, &queue->per_owner);
    }

    if (ngx_strncmp(value->data, "rate=", 5) == 0) {
        return ngx_http_async_queue_rate(value, 5, &queue->interval);
    }

    if (ngx_strcmp(value->data, "paused") == 0) {
        queue->paused = true;
        return NGX_OK;
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_async_queue_number(ngx_str_t *value, size_t prefix,
    uint32_t *number)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data + prefix, value->len - prefix);

    if (n < 1 || n > (ngx_int_t) NGX_MAX_INT32_VALUE) {
        return NGX_ERROR;
    }

    *number = n;

    return NGX_OK;
}


/* as in limit_req: 10r/s, 30r/m */

static ngx_int_t
ngx_http_async_queue_rate(ngx_str_t *value, size_t prefix,
    uint64_t *interval)
{
    u_char     *unit;
    uint64_t    period;
    ngx_int_t   n;

    if (value->len < prefix + 4) {
        return NGX_ERROR;
    }

    unit = value->data + value->len - 3;

    if (ngx_strncmp(unit, "r/s", 3) == 0) {
        period = 1000000;

    } else if (ngx_strncmp(unit, "r/m", 3) == 0) {
        period = 60 * 1000000;

    } else {
        return NGX_ERROR;
    }

    n = ngx_atoi(value->data + prefix, value->len - prefix - 3);

    if (n < 1 || n > NGX_HTTP_ASYNC_RATE_MAX) {
        return NGX_ERROR;
    }

    *interval = (period + n - 1) / n;

    return NGX_OK;
}
