
/*
 * Reports on their way to the store.  Of each attempt that reports here there
 * is at most one event under way; what comes meanwhile is merged into what
 * goes next, once the store lets it: a backend may report as often as it
 * likes, and is never made to wait for more than one commit.
 *
 * The first report of a while is answered when it is stored, so that whoever
 * looks then sees it; one that was merged at once.
 */

#include "ngx_http_async_progress.h"


#define NGX_HTTP_ASYNC_REPORT_AGAIN  1000     /* ms, after a write failed */
#define NGX_HTTP_ASYNC_REPORT_TRIES  30       /* of these */
#define NGX_HTTP_ASYNC_REPORTS       256      /* lists, a power of two */


typedef struct {
    ngx_queue_t          queue;
    async_id_t           id;
    uint32_t             attempt;
    ngx_event_t          timer;
    ngx_uint_t           tries;

    int64_t              received;            /* unix us, of the last */
    async_progress_t     progress;            /* all that was said */

    unsigned             in_flight:1;
    unsigned             more:1;              /* it was said later */
} ngx_http_async_report_t;


static ngx_http_async_report_t *ngx_http_async_find_report(
    const async_id_t *id, uint32_t attempt);
static ngx_http_async_report_t *ngx_http_async_new_report(
    const async_id_t *id, uint32_t attempt);
static void ngx_http_async_merge_report(ngx_http_async_report_t *report,
    const async_progress_t *progress);
static ngx_int_t ngx_http_async_send_report(ngx_http_async_report_t *report,
    ngx_http_request_t *r);
static void ngx_http_async_reported(ngx_http_async_op_t *op, async_rc_t rc);
static void ngx_http_async_answer_report(ngx_http_async_op_t *op,
    async_rc_t rc);
static void ngx_http_async_next_report(ngx_http_async_report_t *report,
    async_rc_t rc, int64_t due);
static void ngx_http_async_report_due(ngx_event_t *ev);
static void ngx_http_async_report_later(ngx_http_async_report_t *report);
static void ngx_http_async_drop_report(ngx_http_async_report_t *report);


static ngx_queue_t  ngx_http_async_reports[NGX_HTTP_ASYNC_REPORTS];


ngx_int_t
ngx_http_async_report(ngx_http_request_t *r, const async_id_t *id,
    uint32_t attempt, const async_progress_t *progress)
{
    ngx_http_async_report_t  *report;

    report = ngx_http_async_find_report(id, attempt);

    if (report) {
        ngx_http_async_merge_report(report, progress);
        report->more = 1;

        return ngx_http_async_reply_empty(r, NGX_HTTP_NO_CONTENT);
    }

    if (ngx_http_async_store_error()) {
        return ngx_http_async_act_failed(r, id, ASYNC_UNAVAILABLE);
    }

    report = ngx_http_async_new_report(id, attempt);
    if (report == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_async_merge_report(report, progress);

    if (ngx_http_async_send_report(report, r) != NGX_OK) {
        ngx_http_async_drop_report(report);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_async_suspend(r);
}


/* the last bytes of an id are random */

static ngx_queue_t *
ngx_http_async_report_list(const async_id_t *id)
{
    ngx_queue_t  *list;

    list = &ngx_http_async_reports[id->bytes[sizeof(id->bytes) - 1]
                                   % NGX_HTTP_ASYNC_REPORTS];

    if (list->next == NULL) {
        ngx_queue_init(list);
    }

    return list;
}


static ngx_http_async_report_t *
ngx_http_async_find_report(const async_id_t *id, uint32_t attempt)
{
    ngx_queue_t              *q, *list;
    ngx_http_async_report_t  *report;

    list = ngx_http_async_report_list(id);

    for (q = ngx_queue_head(list);
         q != ngx_queue_sentinel(list);
         q = ngx_queue_next(q))
    {
        report = ngx_queue_data(q, ngx_http_async_report_t, queue);

        if (report->attempt == attempt
            && ngx_memcmp(&report->id, id, sizeof(async_id_t)) == 0)
        {
            return report;
        }
    }

    return NULL;
}


static ngx_http_async_report_t *
ngx_http_async_new_report(const async_id_t *id, uint32_t attempt)
{
    ngx_http_async_report_t  *report;

    report = ngx_calloc(sizeof(ngx_http_async_report_t), ngx_cycle->log);
    if (report == NULL) {
        return NULL;
    }

    report->id = *id;
    report->attempt = attempt;
    report->progress.percent = ASYNC_NO_PERCENT;

    /* not cancelable: nothing that was answered is lost by a reload */

    report->timer.handler = ngx_http_async_report_due;
    report->timer.data = report;
    report->timer.log = ngx_cycle->log;

    ngx_queue_insert_tail(ngx_http_async_report_list(id), &report->queue);

    return report;
}


static void
ngx_http_async_merge_report(ngx_http_async_report_t *report,
    const async_progress_t *progress)
{
    struct timeval     tv;
    async_progress_t  *all;

    all = &report->progress;

    ngx_gettimeofday(&tv);
    report->received = (int64_t) tv.tv_sec * 1000000 + tv.tv_usec;

    if (progress->percent != ASYNC_NO_PERCENT) {
        all->percent = progress->percent;
    }

    if (progress->has_message) {
        all->has_message = true;
        all->message_len = progress->message_len;
        ngx_memcpy(all->message, progress->message, progress->message_len);
    }
}


static ngx_int_t
ngx_http_async_send_report(ngx_http_async_report_t *report,
    ngx_http_request_t *r)
{
    async_progress_t     *progress;
    ngx_http_async_op_t  *op;

    op = ngx_http_async_create_op(r, ngx_http_async_reported);
    if (op == NULL) {
        return NGX_ERROR;
    }

    progress = &report->progress;

    op->event.type = ASYNC_EVENT_PROGRESSED;
    op->event.id = report->id;
    op->event.attempt = report->attempt;
    op->event.percent = progress->percent;
    op->event.received = report->received;
    op->event.by.data = "backend";
    op->event.by.len = sizeof("backend") - 1;

    if (progress->has_message) {
        op->event.has_message = true;
        op->event.message.len = progress->message_len;
        op->event.message.data = ngx_pnalloc(op->pool,
                                             progress->message_len + 1);
        if (op->event.message.data == NULL) {
            (void) ngx_http_async_take_request(op);
            ngx_http_async_free(op, ASYNC_NO_SPACE);
            return NGX_ERROR;
        }

        ngx_memcpy((char *) op->event.message.data, progress->message,
                   progress->message_len);
    }

    report->in_flight = 1;
    report->more = 0;

    ngx_http_async_commit(op);

    return NGX_OK;
}


static void
ngx_http_async_reported(ngx_http_async_op_t *op, async_rc_t rc)
{
    ngx_uint_t                told;
    ngx_http_async_report_t  *report;

    told = op->request != NULL;

    ngx_http_async_answer_report(op, rc);

    if (op->in_flight) {
        return;
    }

    report = ngx_http_async_find_report(&op->event.id, op->event.attempt);

    if (report) {
        report->in_flight = 0;

        /* whoever was told that it failed may report again */

        if (told && !report->more && rc != ASYNC_EARLY) {
            ngx_http_async_drop_report(report);

        } else {
            ngx_http_async_next_report(report, rc, op->event.due);
        }
    }

    ngx_http_async_free(op, rc);
}


static void
ngx_http_async_answer_report(ngx_http_async_op_t *op, async_rc_t rc)
{
    ngx_int_t            status;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ngx_http_async_take_request(op);

    if (r == NULL) {
        return;
    }

    c = r->connection;

    switch (rc) {

    case ASYNC_OK:
    case ASYNC_EARLY:
        status = ngx_http_async_reply_empty(r, NGX_HTTP_NO_CONTENT);
        break;

    case ASYNC_REFUSED:
        status = ngx_http_async_report_ended(r, &op->event.id);
        break;

    case ASYNC_STALE:
    case ASYNC_NOT_FOUND:
        status = ngx_http_async_report_unknown(r);
        break;

    default:
        status = ngx_http_async_act_failed(r, &op->event.id, rc);
    }

    ngx_http_finalize_request(r, status);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_async_next_report(ngx_http_async_report_t *report, async_rc_t rc,
    int64_t due)
{
    switch (rc) {

    case ASYNC_OK:
        if (!report->more) {
            ngx_http_async_drop_report(report);
            return;
        }

        report->tries = 0;
        ngx_http_async_report_due(&report->timer);
        return;

    case ASYNC_EARLY:
        report->tries = 0;
        due -= ngx_http_async_now();
        ngx_add_timer(&report->timer,
                      (ngx_msec_t) ngx_min(ngx_max(due, 1),
                                           NGX_HTTP_ASYNC_REPORT_AGAIN));
        return;

    case ASYNC_LATE:
    case ASYNC_BUSY:
    case ASYNC_UNAVAILABLE:
    case ASYNC_STORE_FULL:
        ngx_http_async_report_later(report);
        return;

    default:
        ngx_http_async_drop_report(report);
    }
}


static void
ngx_http_async_report_due(ngx_event_t *ev)
{
    ngx_http_async_report_t *report = ev->data;

    if (ngx_http_async_send_report(report, NULL) != NGX_OK) {
        ngx_http_async_report_later(report);
    }
}


static void
ngx_http_async_report_later(ngx_http_async_report_t *report)
{
    if (report->tries++ < NGX_HTTP_ASYNC_REPORT_TRIES && !ngx_exiting) {
        ngx_add_timer(&report->timer, NGX_HTTP_ASYNC_REPORT_AGAIN);
        return;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "a report of progress is lost, the store did not take it "
                  "in time; the next one stands in its place");

    ngx_http_async_drop_report(report);
}


static void
ngx_http_async_drop_report(ngx_http_async_report_t *report)
{
    if (report->timer.timer_set) {
        ngx_del_timer(&report->timer);
    }

    ngx_queue_remove(&report->queue);
    ngx_free(report);
}
