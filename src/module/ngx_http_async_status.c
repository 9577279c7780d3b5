
/*
 * The job resource: {status}{id} and what lies below it.  Reading is served
 * from the map in the event loop, with no system call of ours.
 */

#include "ngx_http_async_events.h"

#include "async_json.h"


typedef enum {
    NGX_HTTP_ASYNC_DOCUMENT = 0,
    NGX_HTTP_ASYNC_RESULT,
    NGX_HTTP_ASYNC_HISTORY,
    NGX_HTTP_ASYNC_EVENTS,
    NGX_HTTP_ASYNC_OWN,
    NGX_HTTP_ASYNC_NOTHING
} ngx_http_async_resource_e;


#define NGX_HTTP_ASYNC_OPENING  10            /* ms between looks */


/* a request that came before the store was open */
typedef struct {
    ngx_event_t          event;
    ngx_http_request_t  *request;
    ngx_http_handler_pt  handler;
    ngx_msec_t           until;
} ngx_http_async_opening_t;


static void ngx_http_async_opening(ngx_event_t *ev);
static void ngx_http_async_opening_cleanup(void *data);
static ngx_int_t ngx_http_async_status(ngx_http_request_t *r);
static ngx_int_t ngx_http_async_read_resource(ngx_http_request_t *r,
    ngx_http_async_resource_e resource, const async_id_t *id);
static ngx_http_async_resource_e ngx_http_async_resource(
    ngx_http_request_t *r, async_id_t *id);
static ngx_int_t ngx_http_async_other_method(ngx_http_request_t *r,
    ngx_http_async_resource_e resource);
static ngx_int_t ngx_http_async_set_etag(ngx_http_request_t *r,
    const async_job_t *job, const async_estimate_t *estimate);


ngx_int_t
ngx_http_async_status_handler(ngx_http_request_t *r)
{
    async_id_t                 id;
    ngx_http_async_resource_e  resource;

    resource = ngx_http_async_resource(r, &id);

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
        && (r->method != NGX_HTTP_DELETE
            || resource == NGX_HTTP_ASYNC_RESULT
            || resource == NGX_HTTP_ASYNC_HISTORY
            || resource == NGX_HTTP_ASYNC_EVENTS
            || resource == NGX_HTTP_ASYNC_OWN))
    {
        return ngx_http_async_other_method(r, resource);
    }

    if (ngx_http_async_view() == NULL && ngx_http_async_store_error() == NULL)
    {
        return ngx_http_async_await_store(r, ngx_http_async_status);
    }

    return ngx_http_async_read_resource(r, resource, &id);
}


/*
 * A worker that has just been started serves at once, and opens the store
 * beside it if others keep the lock for a while: a reload is no reason to
 * refuse a client that polls.
 */

ngx_int_t
ngx_http_async_await_store(ngx_http_request_t *r, ngx_http_handler_pt handler)
{
    ngx_http_cleanup_t        *cln;
    ngx_http_async_opening_t  *opening;

    cln = ngx_http_cleanup_add(r, sizeof(ngx_http_async_opening_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    opening = cln->data;
    ngx_memzero(opening, sizeof(ngx_http_async_opening_t));
    cln->handler = ngx_http_async_opening_cleanup;

    opening->request = r;
    opening->handler = handler;
    opening->until = ngx_current_msec + NGX_HTTP_ASYNC_DEADLINE;
    opening->event.handler = ngx_http_async_opening;
    opening->event.data = opening;
    opening->event.log = r->connection->log;

    ngx_add_timer(&opening->event, NGX_HTTP_ASYNC_OPENING);

    r->write_event_handler = ngx_http_request_empty_handler;
    r->main->count++;

    return NGX_DONE;
}


static void
ngx_http_async_opening(ngx_event_t *ev)
{
    ngx_connection_t          *c;
    ngx_http_request_t        *r;
    ngx_http_async_opening_t  *opening;

    opening = ev->data;
    r = opening->request;
    c = r->connection;

    if (ngx_http_async_view() == NULL && ngx_http_async_store_error() == NULL
        && (ngx_msec_int_t) (opening->until - ngx_current_msec) > 0)
    {
        ngx_add_timer(ev, NGX_HTTP_ASYNC_OPENING);
        return;
    }

    ngx_http_finalize_request(r, opening->handler(r));
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_async_opening_cleanup(void *data)
{
    ngx_http_async_opening_t *opening = data;

    if (opening->event.timer_set) {
        ngx_del_timer(&opening->event);
    }
}


static ngx_int_t
ngx_http_async_status(ngx_http_request_t *r)
{
    async_id_t                 id;
    ngx_http_async_resource_e  resource;

    resource = ngx_http_async_resource(r, &id);

    return ngx_http_async_read_resource(r, resource, &id);
}


static ngx_int_t
ngx_http_async_read_resource(ngx_http_request_t *r,
    ngx_http_async_resource_e resource, const async_id_t *id)
{
    ngx_int_t     rc;
    async_job_t  *job;

    if (resource == NGX_HTTP_ASYNC_OWN) {
        return ngx_http_async_own(r);
    }

    job = ngx_http_async_find_job(r, resource != NGX_HTTP_ASYNC_NOTHING
                                     ? id : NULL, &rc);
    if (job == NULL) {
        return rc;
    }

    if (r->method == NGX_HTTP_DELETE) {
        return ngx_http_async_cancel(r, job);
    }

    if (resource == NGX_HTTP_ASYNC_RESULT) {

        /* below a job all dialects are the same */

        job->dialect = ASYNC_DIALECT_NATIVE;

        if (async_state_final(job->state)) {
            return ngx_http_async_result(r, job);
        }

        return ngx_http_async_reply_job(r, NGX_HTTP_ACCEPTED, job, NULL);
    }

    if (resource == NGX_HTTP_ASYNC_HISTORY) {
        return ngx_http_async_history(r, &job->id);
    }

    if (resource == NGX_HTTP_ASYNC_EVENTS
        || ngx_http_async_accepts_events(r))
    {
        return ngx_http_async_events(r, job);
    }

    if (!async_state_final(job->state)) {
        rc = ngx_http_async_poll(r, id);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    return ngx_http_async_document(r, job);
}


async_job_t *
ngx_http_async_find_job(ngx_http_request_t *r, const async_id_t *id,
    ngx_int_t *rc)
{
    async_rc_t     found;
    async_view_t  *view;

    static uint8_t      buf[ASYNC_JOB_MAX];
    static async_job_t  job;

    view = ngx_http_async_view();

    if (view == NULL) {
        *rc = ngx_http_async_unread(r);
        return NULL;
    }

    found = id ? ngx_http_async_view_job(r, view, id, &job, buf)
               : ASYNC_NOT_FOUND;

    switch (found) {

    case ASYNC_OK:
        return &job;

    case ASYNC_NOT_FOUND:
        *rc = ngx_http_async_no_job(r);
        return NULL;

    default:
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "a job cannot be read (%s): see \"nginx-async check\"",
                      async_rc_name(found));

        *rc = ngx_http_async_reply_problem(r, ASYNC_PROBLEM_STORE_UNAVAILABLE,
                  "The job cannot be read at present.", id, 0);
        return NULL;
    }
}


/* unknown, malformed and not there are one and the same to a client */

static ngx_http_async_resource_e
ngx_http_async_resource(ngx_http_request_t *r, async_id_t *id)
{
    u_char                     *p;
    size_t                      len;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_async_loc_conf_t  *alcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    if (r->uri.len == clcf->name.len && alcf->owner) {
        return NGX_HTTP_ASYNC_OWN;
    }

    if (r->uri.len < clcf->name.len + ASYNC_ID_TEXT) {
        return NGX_HTTP_ASYNC_NOTHING;
    }

    p = r->uri.data + clcf->name.len;
    len = r->uri.len - clcf->name.len - ASYNC_ID_TEXT;

    if (!async_id_parse(id, (char *) p, ASYNC_ID_TEXT)) {
        return NGX_HTTP_ASYNC_NOTHING;
    }

    p += ASYNC_ID_TEXT;

    if (len == 0) {
        return NGX_HTTP_ASYNC_DOCUMENT;
    }

    if (len == sizeof("/result") - 1
        && ngx_memcmp(p, "/result", sizeof("/result") - 1) == 0)
    {
        return NGX_HTTP_ASYNC_RESULT;
    }

    if (len == sizeof("/history") - 1
        && ngx_memcmp(p, "/history", sizeof("/history") - 1) == 0)
    {
        return NGX_HTTP_ASYNC_HISTORY;
    }

    if (len == sizeof("/events") - 1
        && ngx_memcmp(p, "/events", sizeof("/events") - 1) == 0)
    {
        return NGX_HTTP_ASYNC_EVENTS;
    }

    return NGX_HTTP_ASYNC_NOTHING;
}


static ngx_int_t
ngx_http_async_other_method(ngx_http_request_t *r,
    ngx_http_async_resource_e resource)
{
    if (resource == NGX_HTTP_ASYNC_DOCUMENT) {
        return ngx_http_async_allows(r, "GET, HEAD, DELETE, OPTIONS",
                   "A job is read with GET and HEAD, and canceled with "
                   "DELETE.");
    }

    return ngx_http_async_allows(r, "GET, HEAD, OPTIONS",
                                 "This is read with GET and HEAD.");
}


ngx_int_t
ngx_http_async_document(ngx_http_request_t *r, async_job_t *job)
{
    async_estimate_t  estimate;

    if (job->dialect == ASYNC_DIALECT_ODATA) {
        return ngx_http_async_odata(r, job);
    }

    ngx_http_async_estimate(job, &estimate);

    if (ngx_http_async_set_text(r, "Cache-Control", "no-cache") != NGX_OK
        || ngx_http_async_set_text(r, "Vary", "Accept") != NGX_OK
        || ngx_http_async_set_etag(r, job, &estimate) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_async_reply_job(r, NGX_HTTP_OK, job, &estimate);
}


/* nginx's own filter compares */

static ngx_int_t
ngx_http_async_set_etag(ngx_http_request_t *r, const async_job_t *job,
    const async_estimate_t *estimate)
{
    ngx_str_t  value;

    value.data = ngx_pnalloc(r->pool, ASYNC_JSON_ETAG);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = async_json_etag((char *) value.data, job, estimate);

    r->headers_out.etag = ngx_http_async_add_header(r, "ETag", &value);

    return r->headers_out.etag ? NGX_OK : NGX_ERROR;
}
