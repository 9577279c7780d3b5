
/*
 * Event streams of jobs (contract, section 5).
 */

#ifndef NGX_HTTP_ASYNC_EVENTS_H
#define NGX_HTTP_ASYNC_EVENTS_H


#include "ngx_http_async_module.h"


char *ngx_http_async_set_events_ping(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
/* what a content handler returns */
ngx_int_t ngx_http_async_events(ngx_http_request_t *r, async_job_t *job);
/* streams that are open in this process */
ngx_uint_t ngx_http_async_streams(void);

/* ngx_http_async_asked.c */
/* whether a GET of a job asks for its events, by Accept */
ngx_uint_t ngx_http_async_accepts_events(ngx_http_request_t *r);
/* the last event that a client has seen */
ngx_int_t ngx_http_async_last_id(ngx_http_request_t *r, uint64_t *id);

/* ngx_http_async_stream.c */
/*
 * What is sent of a job after line since of its history: all changes, and of
 * its progress the latest, one event after the other, as many as fit.
 * Rendered once for all who are told the same; *until is the last line that is
 * in it.  Lives until the next call.
 */
ngx_int_t ngx_http_async_render(const async_job_t *job, uint64_t since,
    uint64_t *until, ngx_str_t *text);
/* whether there is an event of the job after that one */
ngx_uint_t ngx_http_async_has_news(const async_job_t *job, uint64_t since);
/* its present state as the first event of a stream */
ngx_int_t ngx_http_async_render_state(const async_job_t *job,
    ngx_str_t *text);
/* an estimate, as progress without an id */
ngx_int_t ngx_http_async_render_estimate(const async_job_t *job,
    const async_estimate_t *estimate, ngx_str_t *text);


#endif /* NGX_HTTP_ASYNC_EVENTS_H */
