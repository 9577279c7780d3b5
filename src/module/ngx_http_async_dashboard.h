
/*
 * The dashboard: one page and what it asks for, below the prefix of its
 * location.
 *
 *   GET   {dashboard}                 index.html; dashboard.js, .css, icon.svg
 *         {dashboard}data/overview    queues, figures of the store
 *         {dashboard}data/charts      what ended lately, and how long it took
 *         {dashboard}data/jobs        a page of a list
 *         {dashboard}data/job?id=     one job, with its history
 *         {dashboard}data/webhooks    deliveries and dead letters
 *         {dashboard}data/schedules
 *         {dashboard}live             an event stream
 *   POST  {dashboard}act/NAME         with "actions"
 *
 * It shows the jobs of all owners: who may see that is for the location's
 * access control to say.
 */

#ifndef NGX_HTTP_ASYNC_DASHBOARD_H
#define NGX_HTTP_ASYNC_DASHBOARD_H


#include "ngx_http_async_module.h"


/* lines of a job's history that are shown: the first ones */
#define NGX_HTTP_ASYNC_DASHBOARD_TRAIL  1000


/* JSON in pieces that grows, in r->pool; what fails shows at the end */
typedef struct {
    ngx_pool_t                  *pool;
    ngx_chain_t                 *out;
    ngx_chain_t                **last;
    ngx_buf_t                   *buf;         /* the last piece */
    size_t                       size;
    ngx_uint_t                   items;       /* of the array it is at */
    ngx_uint_t                   failed;      /* unsigned failed:1 */
} ngx_http_async_doc_t;


/* a queue, as it was seen while all were listed */
typedef struct {
    async_queue_t                queue;       /* its name is the next */
    char                         name[ASYNC_QUEUE_MAX];
    async_queue_figures_t        figures;
} ngx_http_async_seen_t;


/* ngx_http_async_dashboard.c */
char *ngx_http_async_set_dashboard(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
/*
 * What is no job's problem, so that there is no code for it: 403, 404 or 409,
 * and a sentence in which nothing is to be escaped.
 */
ngx_int_t ngx_http_async_dashboard_problem(ngx_http_request_t *r,
    ngx_uint_t status, const char *detail);

/* ngx_http_async_dashboard_doc.c */
void ngx_http_async_doc_init(ngx_http_async_doc_t *doc,
    ngx_http_request_t *r);
void ngx_http_async_doc_add(ngx_http_async_doc_t *doc, const void *data,
    size_t len);
/* an element of an array; len 0: it could not be made */
void ngx_http_async_doc_item(ngx_http_async_doc_t *doc, const void *data,
    size_t len);
ngx_int_t ngx_http_async_doc_reply(ngx_http_async_doc_t *doc,
    ngx_http_request_t *r);

#define ngx_http_async_doc_literal(doc, text)                                \
    ngx_http_async_doc_add(doc, text, sizeof(text) - 1)

/* ngx_http_async_dashboard_view.c: GET of data, with the store open */
ngx_int_t ngx_http_async_overview(ngx_http_request_t *r);
ngx_int_t ngx_http_async_job(ngx_http_request_t *r);
/* ngx_http_async_seen_t; NULL: they cannot be read */
ngx_array_t *ngx_http_async_queues(ngx_pool_t *pool, async_view_t *view);
/* as of now */
async_rc_t ngx_http_async_meter(ngx_http_async_seen_t *seen,
    async_view_t *view, async_queue_meter_t *meter);

/* ngx_http_async_dashboard_jobs.c */
ngx_int_t ngx_http_async_jobs(ngx_http_request_t *r);
/* decoded; empty where it is missing */
ngx_int_t ngx_http_async_read_arg(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);

/* ngx_http_async_dashboard_hooks.c */
ngx_int_t ngx_http_async_webhooks(ngx_http_request_t *r);
/* ,"webhook":{...} if the job has one */
ngx_int_t ngx_http_async_add_hook_of(ngx_http_async_doc_t *doc,
    const async_id_t *id);

/* ngx_http_async_dashboard_schedules.c */
ngx_int_t ngx_http_async_schedules(ngx_http_request_t *r);
/* there is one, or was */
ngx_uint_t ngx_http_async_has_schedules(void);

/* ngx_http_async_dashboard_charts.c */
ngx_int_t ngx_http_async_charts(ngx_http_request_t *r);

/* ngx_http_async_dashboard_live.c */
ngx_int_t ngx_http_async_live(ngx_http_request_t *r);

/* ngx_http_async_dashboard_act.c */
/* NGX_DECLINED: there is no action of that name */
ngx_int_t ngx_http_async_dashboard_act(ngx_http_request_t *r,
    ngx_str_t *name);


#endif /* NGX_HTTP_ASYNC_DASHBOARD_H */
