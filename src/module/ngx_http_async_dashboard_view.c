
/*
 * What the dashboard shows, as JSON.  Each answer looks at a bounded number of
 * rows in one short read transaction; what it finds is copied at once.
 */

#include "ngx_http_async_dashboard.h"

#include "async_feed.h"
#include "async_json.h"
#include "async_json_board.h"


#define NGX_HTTP_ASYNC_FIGURES  1             /* s that they are good for */


static ngx_int_t ngx_http_async_add_store(ngx_http_async_doc_t *doc,
    ngx_uint_t actions);
static bool ngx_http_async_add_queue(void *data, const async_queue_t *q,
    const async_queue_figures_t *figures);
static bool ngx_http_async_add_trail(void *data, uint64_t seq,
    const async_trail_t *t);


/* --- queues and the store --- */

ngx_int_t
ngx_http_async_overview(ngx_http_request_t *r)
{
    ngx_http_async_doc_t        doc;
    ngx_http_async_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    ngx_http_async_doc_init(&doc, r);

    if (ngx_http_async_add_store(&doc, alcf->actions) != NGX_OK) {
        return ngx_http_async_unread(r);
    }

    ngx_http_async_doc_literal(&doc, ",\"queues\":[");

    if (async_view_queues(ngx_http_async_view(), ngx_http_async_add_queue,
                          &doc)
        != ASYNC_OK)
    {
        return ngx_http_async_unread(r);
    }

    ngx_http_async_doc_literal(&doc, "]}");

    return ngx_http_async_doc_reply(&doc, r);
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


static bool
ngx_http_async_add_queue(void *data, const async_queue_t *q,
    const async_queue_figures_t *figures)
{
    size_t               len;
    async_board_queue_t  board;

    static char  buf[ASYNC_JSON_QUEUE_MAX];

    board.queued = figures->queued;
    board.running = figures->running;
    board.paused = figures->paused;

    len = async_json_board_queue(buf, sizeof(buf), q, &board);

    ngx_http_async_doc_item(data, buf, len);

    return true;
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


ngx_int_t
ngx_http_async_no_job(ngx_http_request_t *r)
{
    return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_JOB_NOT_FOUND,
               "There is no such job here.", NULL, 0);
}


ngx_int_t
ngx_http_async_unread(ngx_http_request_t *r)
{
    return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_STORE_UNAVAILABLE,
               "The store cannot be read at present.", NULL, 0);
}
