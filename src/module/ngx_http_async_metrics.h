/*
 * What is counted (contract, section 10).
 */

#ifndef NGX_HTTP_ASYNC_METRICS_H
#define NGX_HTTP_ASYNC_METRICS_H


#include "ngx_http_async_module.h"
#include "async_slate.h"


/* ngx_http_async_metrics.c */
char *ngx_http_async_set_metrics(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ngx_http_async_count.c: what no transaction counts */
/* a submit that made no job; queue is its location's */
void ngx_http_async_count_submit(ngx_str_t *queue,
    async_submit_result_t result);
/* what came of an op that is a submit */
void ngx_http_async_count_op(ngx_http_async_op_t *op, async_rc_t rc);
/* once a second */
void ngx_http_async_count_waiting(async_store_t *store);


#endif /* NGX_HTTP_ASYNC_METRICS_H */
