
/*
 * Backends report the progress of their jobs: to a URL that is a capability
 * for one attempt of one job, made from the store's token, so that there is
 * nothing to remember.
 */

#ifndef NGX_HTTP_ASYNC_PROGRESS_H
#define NGX_HTTP_ASYNC_PROGRESS_H


#include "ngx_http_async_module.h"

#include "async_progress.h"


/* where the backends of a server report */
struct ngx_http_async_progress_s {
    ngx_str_t                    prefix;      /* name of the location */
    ngx_str_t                    base;        /* empty: where the client came,
                                                 by address */
    ngx_str_t                    name;        /* or by name; empty: none */
    ngx_uint_t                   by_name;     /* unsigned by_name:1: only the
                                                 name leads here */
};


/* ngx_http_async_progress.c */
char *ngx_http_async_set_progress(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
/* once all servers and their addresses are known */
void ngx_http_async_progress_init(ngx_conf_t *cf);
/* of a replay whose attempt is known; empty: nobody listens there */
ngx_int_t ngx_http_async_progress_url(ngx_http_request_t *r,
    const async_id_t *id, ngx_str_t *url);

/* ngx_http_async_report.c */
/* takes what was reported to the store, and answers, as a content handler */
ngx_int_t ngx_http_async_report(ngx_http_request_t *r, const async_id_t *id,
    uint32_t attempt, const async_progress_t *progress);
ngx_int_t ngx_http_async_report_ended(ngx_http_request_t *r,
    const async_id_t *id);
ngx_int_t ngx_http_async_report_unknown(ngx_http_request_t *r);


#endif /* NGX_HTTP_ASYNC_PROGRESS_H */
