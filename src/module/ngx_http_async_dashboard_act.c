
/*
 * What the dashboard does: POST {dashboard}act/NAME?id=JOB, or ?name=QUEUE.
 *
 * Nobody else's page may do it with the browser of somebody who has access.
 * So a request needs a header that a form cannot send, and a script of another
 * origin only after a preflight, which is never granted; and it must say of
 * itself that it comes from this origin, where the browser says so.
 *
 * The store is written on the commits thread, and answered after that.
 */

#include "ngx_http_async_dashboard.h"

#include "async_schedules.h"


#define NGX_HTTP_ASYNC_BY    128              /* of "dashboard:user" */
#define NGX_HTTP_ASYNC_HELD  100              /* ms */


typedef struct ngx_http_async_deed_s  ngx_http_async_deed_t;

typedef struct {
    ngx_str_t                    name;        /* below act/ */
    ngx_uint_t                   of_job;      /* unsigned of_job:1; else of
                                                 what has a name */
    /* commits thread; sets done once that was all */
    async_rc_t                 (*run)(ngx_http_async_deed_t *deed);
} ngx_http_async_action_t;

/* lives on its own, since the request may be gone before it is done */
struct ngx_http_async_deed_s {
    ngx_pool_t                    *pool;
    ngx_http_request_t            *request;   /* NULL once it is gone */
    ngx_http_cleanup_t            *cleanup;
    const ngx_http_async_action_t *action;
    ngx_thread_pool_t             *thread;
    ngx_thread_task_t             *task;
    ngx_event_t                    held;

    async_store_t                 *store;
    async_id_t                     id;
    async_id_t                     as;
    ngx_str_t                      name;
    ngx_str_t                      by;
    int64_t                        now;       /* unix ms */
    async_purge_t                  purge;

    ngx_uint_t                     done;      /* unsigned done:1 */
    async_rc_t                     rc;
    async_error_t                  error;
};


static ngx_uint_t ngx_http_async_same_origin(ngx_http_request_t *r);
static ngx_uint_t ngx_http_async_origin_is(ngx_str_t *origin,
    ngx_str_t *host);
static ngx_http_async_deed_t *ngx_http_async_make_deed(ngx_http_request_t *r,
    const ngx_http_async_action_t *action);
static ngx_int_t ngx_http_async_set_by(ngx_http_request_t *r,
    ngx_http_async_deed_t *deed);
static ngx_int_t ngx_http_async_post_deed(ngx_http_async_deed_t *deed);
static void ngx_http_async_deed_thread(void *data, ngx_log_t *log);
static void ngx_http_async_deed_done(ngx_event_t *ev);
static void ngx_http_async_deed_held(ngx_event_t *ev);
static void ngx_http_async_deed_gone(void *data);
static ngx_int_t ngx_http_async_deed_answer(ngx_http_request_t *r,
    ngx_http_async_deed_t *deed);
static async_rc_t ngx_http_async_run_event(ngx_http_async_deed_t *deed,
    async_event_type_t type);
static async_rc_t ngx_http_async_run_cancel(ngx_http_async_deed_t *deed);
static async_rc_t ngx_http_async_run_delete(ngx_http_async_deed_t *deed);
static async_rc_t ngx_http_async_run_retry(ngx_http_async_deed_t *deed);
static async_rc_t ngx_http_async_run_redeliver(ngx_http_async_deed_t *deed);
static async_rc_t ngx_http_async_run_pause(ngx_http_async_deed_t *deed);
static async_rc_t ngx_http_async_run_resume(ngx_http_async_deed_t *deed);
static async_rc_t ngx_http_async_run_purge(ngx_http_async_deed_t *deed);
static async_rc_t ngx_http_async_find_queue(ngx_http_async_deed_t *deed);
static bool ngx_http_async_queue_is(void *data, const async_queue_t *q,
    const async_queue_figures_t *figures);
static async_rc_t ngx_http_async_run_schedule(ngx_http_async_deed_t *deed);
static async_rc_t ngx_http_async_pause_schedule(ngx_http_async_deed_t *deed);
static async_rc_t ngx_http_async_resume_schedule(ngx_http_async_deed_t *deed);


static const ngx_http_async_action_t  ngx_http_async_actions[] = {
    { ngx_string("cancel"), 1, ngx_http_async_run_cancel },
    { ngx_string("delete"), 1, ngx_http_async_run_delete },
    { ngx_string("retry"), 1, ngx_http_async_run_retry },
    { ngx_string("redeliver"), 1, ngx_http_async_run_redeliver },
    { ngx_string("pause"), 0, ngx_http_async_run_pause },
    { ngx_string("resume"), 0, ngx_http_async_run_resume },
    { ngx_string("purge"), 0, ngx_http_async_run_purge },
    { ngx_string("schedule-run"), 0, ngx_http_async_run_schedule },
    { ngx_string("schedule-pause"), 0, ngx_http_async_pause_schedule },
    { ngx_string("schedule-resume"), 0, ngx_http_async_resume_schedule },
    { ngx_null_string, 0, NULL }
};


ngx_int_t
ngx_http_async_dashboard_act(ngx_http_request_t *r, ngx_str_t *name)
{
    ngx_int_t                       rc;
    ngx_http_async_deed_t          *deed;
    ngx_http_async_loc_conf_t      *alcf;
    const ngx_http_async_action_t  *action;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    for (action = ngx_http_async_actions; action->run; action++) {

        if (action->name.len == name->len
            && ngx_memcmp(action->name.data, name->data, name->len) == 0)
        {
            break;
        }
    }

    if (action->run == NULL) {
        return NGX_DECLINED;
    }

    if (r->method != NGX_HTTP_POST) {
        return ngx_http_async_allows(r, "POST, OPTIONS",
                                     "This is done with POST.");
    }

    if (!alcf->actions) {
        return ngx_http_async_dashboard_problem(r, NGX_HTTP_FORBIDDEN,
                   "This dashboard only shows; its location needs "
                   "'async_dashboard actions' to act.");
    }

    if (!ngx_http_async_same_origin(r)) {
        return ngx_http_async_dashboard_problem(r, NGX_HTTP_FORBIDDEN,
                   "Only the dashboard's own page may do this.");
    }

    if (ngx_http_async_store_error() || ngx_http_async_store() == NULL) {
        return ngx_http_async_unread(r);
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    deed = ngx_http_async_make_deed(r, action);

    if (deed == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_async_post_deed(deed) != NGX_OK) {
        ngx_http_async_deed_gone(deed);
        ngx_destroy_pool(deed->pool);

        return ngx_http_async_unread(r);
    }

    return ngx_http_async_suspend(r);
}


/* --- whose page it is --- */

static ngx_uint_t
ngx_http_async_same_origin(ngx_http_request_t *r)
{
    ngx_str_t  *own, *site, *origin;

    own = ngx_http_async_header(r, "Async-Dashboard");

    if (own == NULL || own->len != 1 || own->data[0] != '1') {
        return 0;
    }

    /* a browser that sends it lets no page choose it */

    site = ngx_http_async_header(r, "Sec-Fetch-Site");

    if (site && (site->len != sizeof("same-origin") - 1
                 || ngx_memcmp(site->data, "same-origin", site->len) != 0))
    {
        return 0;
    }

    origin = ngx_http_async_header(r, "Origin");

    if (origin == NULL) {
        return 1;
    }

    /* a proxy before us may have changed Host: the browser knows better */

    return site != NULL
           || (r->headers_in.host
               && ngx_http_async_origin_is(origin,
                                           &r->headers_in.host->value));
}


/* "https://host:port", of which the scheme may be that of a proxy */

static ngx_uint_t
ngx_http_async_origin_is(ngx_str_t *origin, ngx_str_t *host)
{
    u_char  *p;

    p = ngx_strlchr(origin->data, origin->data + origin->len, ':');

    if (p == NULL || origin->data + origin->len - p < 3
        || p[1] != '/' || p[2] != '/')
    {
        return 0;
    }

    p += 3;

    return (size_t) (origin->data + origin->len - p) == host->len
           && ngx_strncasecmp(p, host->data, host->len) == 0;
}


/* --- a deed: from the event loop to the commits thread and back --- */

/* NULL: no memory */

static ngx_http_async_deed_t *
ngx_http_async_make_deed(ngx_http_request_t *r,
    const ngx_http_async_action_t *action)
{
    ngx_str_t                    value;
    ngx_pool_t                  *pool;
    ngx_http_cleanup_t          *cln;
    ngx_http_async_deed_t       *deed;
    ngx_http_async_main_conf_t  *amcf;

    amcf = ngx_http_get_module_main_conf(r, ngx_http_async_module);

    pool = ngx_create_pool(4096, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    deed = ngx_pcalloc(pool, sizeof(ngx_http_async_deed_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (deed == NULL || cln == NULL
        || (deed->task = ngx_thread_task_alloc(pool, 0)) == NULL
        || ngx_http_async_read_arg(r, action->of_job ? "id" : "name", &value)
           != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NULL;
    }

    deed->pool = pool;
    deed->action = action;
    deed->thread = amcf->commits;
    deed->store = ngx_http_async_store();
    deed->now = ngx_http_async_now();
    deed->name.len = value.len;
    deed->name.data = ngx_pstrdup(pool, &value);

    if (deed->name.data == NULL
        || ngx_http_async_set_by(r, deed) != NGX_OK
        || ngx_http_async_make_id(&deed->as, deed->now) != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NULL;
    }

    /* what is no id is that of no job */

    if (!async_id_parse(&deed->id, (char *) value.data, value.len)) {
        ngx_memzero(&deed->id, sizeof(async_id_t));
    }

    deed->request = r;
    deed->cleanup = cln;

    cln->handler = ngx_http_async_deed_gone;
    cln->data = deed;

    return deed;
}


/* "dashboard:user", if nginx knows a user */

static ngx_int_t
ngx_http_async_set_by(ngx_http_request_t *r, ngx_http_async_deed_t *deed)
{
    u_char     *p;
    ngx_int_t   rc;

    rc = ngx_http_auth_basic_user(r);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(deed->pool, NGX_HTTP_ASYNC_BY);
    if (p == NULL) {
        return NGX_ERROR;
    }

    deed->by.data = p;
    deed->by.len = (rc == NGX_OK && r->headers_in.user.len
                    ? ngx_snprintf(p, NGX_HTTP_ASYNC_BY, "dashboard:%V",
                                   &r->headers_in.user)
                    : ngx_cpymem(p, "dashboard", sizeof("dashboard") - 1))
                   - p;

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_post_deed(ngx_http_async_deed_t *deed)
{
    deed->task->ctx = deed;
    deed->task->handler = ngx_http_async_deed_thread;
    deed->task->event.handler = ngx_http_async_deed_done;
    deed->task->event.data = deed;

    if (ngx_thread_task_post(deed->thread, deed->task) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a worker that shuts down must not leave while it is on its way */

    if (!deed->held.timer_set) {
        deed->held.handler = ngx_http_async_deed_held;
        deed->held.data = deed;
        deed->held.log = ngx_cycle->log;

        ngx_add_timer(&deed->held, NGX_HTTP_ASYNC_HELD);
    }

    return NGX_OK;
}


/* pool thread */

static void
ngx_http_async_deed_thread(void *data, ngx_log_t *log)
{
    ngx_http_async_deed_t *deed = data;

    deed->error.text[0] = '\0';
    deed->done = 1;
    deed->rc = deed->action->run(deed);
}


static void
ngx_http_async_deed_done(ngx_event_t *ev)
{
    ngx_connection_t       *c;
    ngx_http_request_t     *r;
    ngx_http_async_deed_t  *deed;

    deed = ev->data;

    /* one slice at a time: submits go in between */

    if (!deed->done && deed->rc == ASYNC_OK) {

        if (deed->store == ngx_http_async_store()
            && ngx_http_async_post_deed(deed) == NGX_OK)
        {
            return;
        }

        deed->rc = ASYNC_UNAVAILABLE;
    }

    if (deed->held.timer_set) {
        ngx_del_timer(&deed->held);
    }

    r = deed->request;

    if (r) {
        c = r->connection;

        ngx_http_set_log_request(c->log, r);
        ngx_http_async_deed_gone(deed);

        ngx_http_finalize_request(r, ngx_http_async_deed_answer(r, deed));
        ngx_http_run_posted_requests(c);
    }

    ngx_destroy_pool(deed->pool);
}


static void
ngx_http_async_deed_held(ngx_event_t *ev)
{
    ngx_add_timer(ev, NGX_HTTP_ASYNC_HELD);
}


static void
ngx_http_async_deed_gone(void *data)
{
    ngx_http_async_deed_t *deed = data;

    deed->cleanup->handler = NULL;
    deed->request = NULL;
}


static ngx_int_t
ngx_http_async_deed_answer(ngx_http_request_t *r, ngx_http_async_deed_t *deed)
{
    u_char                *p;
    ngx_http_async_doc_t   doc;
    u_char                 buf[sizeof("{\"canceled\":,\"retriedAs\":\"\"}")
                               + ASYNC_ID_TEXT + NGX_INT_T_LEN];

    switch (deed->rc) {

    case ASYNC_OK:
        break;

    case ASYNC_NOT_FOUND:
        return deed->action->of_job
               ? ngx_http_async_no_job(r)
               : ngx_http_async_dashboard_problem(r, NGX_HTTP_NOT_FOUND,
                     "There is nothing of that name.");

    case ASYNC_REFUSED:
        if (!deed->action->of_job) {
            return ngx_http_async_dashboard_problem(r, NGX_HTTP_CONFLICT,
                       "It is no longer in nginx.conf.");
        }

        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_JOB_FINISHED,
                   "The job is not in a state in which this can be done.",
                   &deed->id, 0);

    case ASYNC_EXISTS:
        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_JOB_FINISHED,
                   "The job was retried before.", &deed->id, 0);

    case ASYNC_QUEUE_FULL:
        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_QUEUE_FULL,
                   "The queue has no room for another job.", &deed->id, 0);

    default:
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "async_dashboard: \"%V\" was not done (%s)%s%s",
                      &deed->action->name, async_rc_name(deed->rc),
                      deed->error.text[0] ? ": " : "", deed->error.text);

        return ngx_http_async_act_failed(r, deed->action->of_job ? &deed->id
                                                                 : NULL,
                                         deed->rc);
    }

    if (ngx_http_async_set_text(r, "Cache-Control", "no-store") != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = buf;
    *p++ = '{';

    if (deed->action->run == ngx_http_async_run_purge) {
        p = ngx_sprintf(p, "\"canceled\":%ud", deed->purge.canceled);

    } else if (deed->action->run == ngx_http_async_run_retry) {
        p = ngx_cpymem(p, "\"retriedAs\":\"",
                       sizeof("\"retriedAs\":\"") - 1);
        p = (u_char *) async_id_format((char *) p, &deed->as);
        *p++ = '"';
    }

    *p++ = '}';

    ngx_http_async_doc_init(&doc, r);
    ngx_http_async_doc_add(&doc, buf, p - buf);

    return ngx_http_async_doc_reply(&doc, r);
}


/* --- pool thread: what is done --- */

static async_rc_t
ngx_http_async_run_event(ngx_http_async_deed_t *deed, async_event_type_t type)
{
    async_rc_t     rc;
    async_event_t  event;
    async_batch_t  batch;

    ngx_memzero(&event, sizeof(async_event_t));
    ngx_memzero(&batch, sizeof(async_batch_t));

    event.type = type;
    event.id = deed->id;
    event.by.data = (char *) deed->by.data;
    event.by.len = deed->by.len;

    batch.events = &event;
    batch.n = 1;
    batch.now = deed->now;
    batch.wait_ms = NGX_HTTP_ASYNC_DEADLINE;

    rc = async_store_apply(deed->store, &batch, &deed->error);

    return rc == ASYNC_OK ? event.rc : rc;
}


static async_rc_t
ngx_http_async_run_cancel(ngx_http_async_deed_t *deed)
{
    return ngx_http_async_run_event(deed, ASYNC_EVENT_CANCEL_REQUESTED);
}


static async_rc_t
ngx_http_async_run_delete(ngx_http_async_deed_t *deed)
{
    return ngx_http_async_run_event(deed, ASYNC_EVENT_FORGOTTEN);
}


static async_rc_t
ngx_http_async_run_retry(ngx_http_async_deed_t *deed)
{
    async_retry_t  retry;

    ngx_memzero(&retry, sizeof(async_retry_t));

    retry.id = deed->id;
    retry.as = deed->as;
    retry.by.data = (char *) deed->by.data;
    retry.by.len = deed->by.len;
    retry.now = deed->now;

    return async_store_retry(deed->store, &retry, &deed->error);
}


static async_rc_t
ngx_http_async_run_redeliver(ngx_http_async_deed_t *deed)
{
    return ngx_http_async_run_event(deed, ASYNC_EVENT_WEBHOOK_REDELIVER);
}


static async_rc_t
ngx_http_async_run_pause(ngx_http_async_deed_t *deed)
{
    async_str_t  queue = { (char *) deed->name.data, deed->name.len };

    return async_store_pause(deed->store, queue, true, &deed->error);
}


static async_rc_t
ngx_http_async_run_resume(ngx_http_async_deed_t *deed)
{
    async_str_t  queue = { (char *) deed->name.data, deed->name.len };

    return async_store_pause(deed->store, queue, false, &deed->error);
}


static async_rc_t
ngx_http_async_run_purge(ngx_http_async_deed_t *deed)
{
    async_rc_t  rc;

    if (deed->purge.queue.data == NULL) {
        rc = ngx_http_async_find_queue(deed);

        if (rc != ASYNC_OK) {
            return rc;
        }

        deed->purge.queue.data = (char *) deed->name.data;
        deed->purge.queue.len = deed->name.len;
        deed->purge.by.data = (char *) deed->by.data;
        deed->purge.by.len = deed->by.len;
        deed->purge.now = deed->now;
    }

    rc = async_store_purge(deed->store, &deed->purge, &deed->error);

    deed->done = deed->purge.done;

    return rc;
}


/* a queue that is not there and one in which nothing waits look alike */

static async_rc_t
ngx_http_async_find_queue(ngx_http_async_deed_t *deed)
{
    async_rc_t     rc;
    async_str_t    name = { (char *) deed->name.data, deed->name.len };
    async_view_t  *view;

    rc = async_view_open(&view, deed->store);
    if (rc != ASYNC_OK) {
        return rc;
    }

    rc = async_view_queues(view, ngx_http_async_queue_is, &name);

    async_view_close(view);

    if (rc != ASYNC_OK) {
        return rc;
    }

    return name.data == NULL ? ASYNC_OK : ASYNC_NOT_FOUND;
}


static bool
ngx_http_async_queue_is(void *data, const async_queue_t *q,
    const async_queue_figures_t *figures)
{
    async_str_t *name = data;

    if (q->name.len != name->len
        || ngx_memcmp(q->name.data, name->data, name->len) != 0)
    {
        return true;
    }

    name->data = NULL;

    return false;
}


static async_rc_t
ngx_http_async_run_schedule(ngx_http_async_deed_t *deed)
{
    async_str_t  name = { (char *) deed->name.data, deed->name.len };

    return async_store_run_schedule(deed->store, name, &deed->as,
                                    &deed->error);
}


static async_rc_t
ngx_http_async_pause_schedule(ngx_http_async_deed_t *deed)
{
    async_str_t  name = { (char *) deed->name.data, deed->name.len };

    return async_store_pause_schedule(deed->store, name, true, &deed->error);
}


static async_rc_t
ngx_http_async_resume_schedule(ngx_http_async_deed_t *deed)
{
    async_str_t  name = { (char *) deed->name.data, deed->name.len };

    return async_store_pause_schedule(deed->store, name, false, &deed->error);
}
