
/*
 * Schedules of nginx.conf: what async_schedule says, and the jobs that the
 * worker makes of it.  All of it happens when the configuration is read.
 */

#ifndef NGX_HTTP_ASYNC_SCHEDULE_H
#define NGX_HTTP_ASYNC_SCHEDULE_H


#include "ngx_http_async_module.h"

#include "async_schedules.h"


typedef struct {
    async_schedule_t             said;        /* job, head and capture are
                                                 made when all is read */
    ngx_str_t                    method;
    ngx_str_t                    uri;         /* with its query */
    ngx_str_t                    type;        /* empty: none */
    ngx_uint_t                   has_body;    /* unsigned has_body:1 */
} ngx_http_async_schedule_t;


/* ngx_http_async_schedule.c */
char *ngx_http_async_set_schedule(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
/* after the servers have their keys */
ngx_int_t ngx_http_async_init_schedules(ngx_conf_t *cf,
    ngx_http_async_main_conf_t *amcf);

/* ngx_http_async_schedule_job.c */
ngx_int_t ngx_http_async_schedule_job(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf, ngx_http_async_schedule_t *schedule);

/* ngx_http_async_schedule_find.c: NULL if no location would answer it */
ngx_http_core_loc_conf_t *ngx_http_async_find_location(
    ngx_http_core_loc_conf_t *clcf, ngx_str_t *uri);


#endif /* NGX_HTTP_ASYNC_SCHEDULE_H */
