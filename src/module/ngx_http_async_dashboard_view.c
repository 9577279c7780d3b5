
/*
 * What the dashboard shows, as JSON.  Each answer looks at a bounded number of
 * rows in one short read transaction; what it finds is copied at once.
 */

#include "ngx_http_async_dashboard.h"

#include "async_feed.h"
#include "async_hooks.h"
#include "async_json.h"
#include "async_json_board.h"


#define NGX_HTTP_ASYNC_FIGURES  1             /* s that they are good for */
#define NGX_HTTP_ASYNC_ENDED    10            /* minutes, this one included */


static ngx_int_t ngx_http_async_add_store(ngx_http_async_doc_t *doc,
    ngx_uint_t actions);
static ngx_int_t ngx_http_async_add_used(ngx_http_async_doc_t *doc);
static bool ngx_http_async_see_queue(void *data, const async_queue_t *q,
    const async_queue_figures_t *figures);
static ngx_int_t ngx_http_async_add_queue(ngx_http_async_doc_t *doc,
    ngx_http_async_seen_t *seen);
static bool ngx_http_async_add_trail(void *data, uint64_t seq,
    const async_trail_t *t);


/* --- queues and the store --- */

ngx_int_t
ngx_http_async_overview(ngx_http_request_t *r)
{
    ngx_uint_t                  i;
    ngx_array_t                *queues;
    ngx_http_async_doc_t        doc;
    ngx_http_async_seen_t      *seen;
    ngx_http_async_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    ngx_http_async_doc_init(&doc, r);

    if (ngx_http_async_add_store(&doc, alcf->actions) != NGX_OK) {
        return ngx_http_async_unread(r);
    }

    ngx_http_async_doc_literal(&doc, ",\"queues\":[");

    queues = ngx_http_async_queues(r->pool, ngx_http_async_view());

    if (queues == NULL) {
        return ngx_http_async_unread(r);
    }

    seen = queues->elts;

    for (i = 0; i < queues->nelts; i++) {
        if (ngx_http_async_add_queue(&doc, &seen[i]) != NGX_OK) {
            return ngx_http_async_unread(r);
        }
    }

    ngx_http_async_doc_literal(&doc, "]");

    if (ngx_http_async_add_used(&doc) != NGX_OK) {
        return ngx_http_async_unread(r);
    }

    ngx_http_async_doc_literal(&doc, "}");

    return ngx_http_async_doc_reply(&doc, r);
}


/* views that there is something in, or was: others are not offered */

static ngx_int_t
ngx_http_async_add_used(ngx_http_async_doc_t *doc)
{
    async_hook_figures_t  hooks;

    if (async_view_hook_figures(ngx_http_async_view(), &hooks) != ASYNC_OK) {
        return NGX_ERROR;
    }

    if (hooks.delivered || hooks.failed || hooks.given_up || hooks.pending
        || hooks.dead)
    {
        ngx_http_async_doc_literal(doc, ",\"webhooks\":true");
    }

    if (ngx_http_async_has_schedules()) {
        ngx_http_async_doc_literal(doc, ",\"schedules\":true");
    }

    return NGX_OK;
}


/* LMDB walks its list of free pages to tell how many are used */

static ngx_int_t
ngx_http_async_add_store(ngx_http_async_doc_t *doc, ngx_uint_t actions)
{
    u_char  *p;
    u_char   buf[sizeof("{\"actions\":false,\"now\":,\"jobs\":,"
                        "\"usedBytes\":,\"sizeBytes\":")
                 + 4 * NGX_INT64_LEN];

    static time_t                 told;
    static async_store_figures_t  figures;

    if (ngx_time() - told >= NGX_HTTP_ASYNC_FIGURES) {

        if (async_store_figures(ngx_http_async_store(), &figures) != ASYNC_OK)
        {
            return NGX_ERROR;
        }

        told = ngx_time();
    }

    p = ngx_sprintf(buf, "{\"actions\":%s,\"now\":%L,\"jobs\":%uL,"
                    "\"usedBytes\":%uL,\"sizeBytes\":%uL",
                    actions ? "true" : "false", ngx_http_async_now(),
                    figures.jobs, figures.used + figures.spooled,
                    figures.size);

    ngx_http_async_doc_add(doc, buf, p - buf);

    return NGX_OK;
}


/* what there is of each is looked at one by one, after them all */

ngx_array_t *
ngx_http_async_queues(ngx_pool_t *pool, async_view_t *view)
{
    ngx_array_t  *queues;

    queues = ngx_array_create(pool, 8, sizeof(ngx_http_async_seen_t));

    if (queues == NULL
        || async_view_queues(view, ngx_http_async_see_queue, queues)
           != ASYNC_OK)
    {
        return NULL;
    }

    return queues;
}


static bool
ngx_http_async_see_queue(void *data, const async_queue_t *q,
    const async_queue_figures_t *figures)
{
    ngx_array_t *queues = data;

    ngx_http_async_seen_t  *seen;

    seen = ngx_array_push(queues);

    if (seen == NULL || q->name.len > ASYNC_QUEUE_MAX) {
        return false;
    }

    seen->queue = *q;
    seen->figures = *figures;
    ngx_memcpy(seen->name, q->name.data, q->name.len);

    return true;
}


async_rc_t
ngx_http_async_meter(ngx_http_async_seen_t *seen, async_view_t *view,
    async_queue_meter_t *meter)
{
    async_rc_t  rc;

    /* the array may have moved */

    seen->queue.name.data = seen->name;

    rc = async_view_meter(view, seen->queue.name, meter);

    (void) async_recent_at(&meter->recent, ngx_http_async_now());

    return rc;
}


static ngx_int_t
ngx_http_async_add_queue(ngx_http_async_doc_t *doc,
    ngx_http_async_seen_t *seen)
{
    size_t               len;
    int64_t              now;
    ngx_uint_t           i;
    async_board_queue_t  board;
    async_queue_meter_t  meter;

    static char  buf[ASYNC_JSON_QUEUE_MAX];

    if (ngx_http_async_meter(seen, ngx_http_async_view(), &meter)
        != ASYNC_OK)
    {
        return NGX_ERROR;
    }

    now = ngx_http_async_now();

    ngx_memzero(&board, sizeof(async_board_queue_t));

    board.queued = seen->figures.queued;
    board.running = seen->figures.running;
    board.paused = seen->figures.paused;
    board.oldest = meter.oldest && now > meter.oldest ? now - meter.oldest : 0;
    board.half = async_runs_percentile(&meter.runs, 50);
    board.most = async_runs_percentile(&meter.runs, 95);

    for (i = 0; i < NGX_HTTP_ASYNC_ENDED; i++) {
        board.ended += meter.recent.minutes[i].completed
                       + meter.recent.minutes[i].failed;
    }

    len = async_json_board_queue(buf, sizeof(buf), &seen->queue, &board);

    ngx_http_async_doc_item(doc, buf, len);

    return NGX_OK;
}


/* --- one job --- */

ngx_int_t
ngx_http_async_job(ngx_http_request_t *r)
{
    size_t                 len;
    ngx_str_t              value;
    async_id_t             id;
    async_rc_t             rc;
    async_job_t            job;
    async_estimate_t       estimate;
    ngx_http_async_doc_t   doc;

    static uint8_t  record[ASYNC_JOB_MAX];
    static char     buf[ASYNC_JSON_BOARD_JOB_MAX];

    if (ngx_http_arg(r, (u_char *) "id", 2, &value) != NGX_OK
        || !async_id_parse(&id, (char *) value.data, value.len))
    {
        return ngx_http_async_no_job(r);
    }

    rc = async_view_job(ngx_http_async_view(), &id, &job, record);

    if (rc == ASYNC_NOT_FOUND) {
        return ngx_http_async_no_job(r);
    }

    if (rc != ASYNC_OK) {
        return ngx_http_async_unread(r);
    }

    ngx_http_async_estimate(&job, &estimate);

    len = async_json_board_job(buf, sizeof(buf), &job, &estimate);

    if (len == 0) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* its history goes into the same object */

    ngx_http_async_doc_init(&doc, r);
    ngx_http_async_doc_add(&doc, buf, len - 1);

    if (ngx_http_async_add_hook_of(&doc, &id) != NGX_OK) {
        return ngx_http_async_unread(r);
    }

    ngx_http_async_doc_literal(&doc, ",\"events\":[");

    if (async_view_trail(ngx_http_async_view(), &id, 0,
                         ngx_http_async_add_trail, &doc)
        != ASYNC_OK)
    {
        return ngx_http_async_unread(r);
    }

    ngx_http_async_doc_literal(&doc, "]}");

    return ngx_http_async_doc_reply(&doc, r);
}


static bool
ngx_http_async_add_trail(void *data, uint64_t seq, const async_trail_t *t)
{
    ngx_http_async_doc_t *doc = data;

    size_t  len;

    static char  buf[ASYNC_JSON_TRAIL_MAX];

    len = async_json_trail(buf, sizeof(buf), seq, t);

    ngx_http_async_doc_item(doc, buf, len);

    return doc->items < NGX_HTTP_ASYNC_DASHBOARD_TRAIL;
}
