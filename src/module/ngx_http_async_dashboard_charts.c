
/*
 * data/charts?window=3600: how many jobs ended in each sixtieth of the last
 * so many seconds, and how long they waited and ran.
 *
 * How many ended in each of the last 60 minutes is counted with the queues.
 * The rest is made from the jobs themselves.  Of the newest 2,000 each counts;
 * if there are more in that time, the others are told from samples, each of
 * which stands for as many as were made then.  So a look costs some 4,000
 * records and 20,000 keys at the most, however many jobs there are; it is good
 * for a while, for all that look.  That is some milliseconds, so a thread does
 * it; who looks meanwhile is shown the charts that were drawn before.
 */

#include "ngx_http_async_dashboard.h"


#define NGX_HTTP_ASYNC_BUCKETS  60
#define NGX_HTTP_ASYNC_NEWEST   2000          /* jobs that all count */
#define NGX_HTTP_ASYNC_SLICES   120
#define NGX_HTTP_ASYNC_SAMPLE   16            /* jobs of a slice */
#define NGX_HTTP_ASYNC_COUNT    20000         /* counted of all of them */
#define NGX_HTTP_ASYNC_TIMES    128           /* kept of a bucket */
#define NGX_HTTP_ASYNC_GOOD     5             /* s */
#define NGX_HTTP_ASYNC_WINDOWS  3


typedef struct {
    double                       made;
    double                       ended[3];    /* completed, failed, canceled */
    ngx_uint_t                   n;           /* times seen */
    int64_t                      waits[NGX_HTTP_ASYNC_TIMES];    /* ms */
    int64_t                      runs[NGX_HTTP_ASYNC_TIMES];
} ngx_http_async_bucket_t;

/* of a job, as a list told it; unix ms */
typedef struct {
    uint8_t                      state;
    int64_t                      created;
    int64_t                      started;
    int64_t                      finished;
} ngx_http_async_fact_t;

typedef struct {
    size_t                       len;
    u_char                       data[NGX_HTTP_ASYNC_BUCKETS * 192 + 256];
} ngx_http_async_document_t;

/* a document that is good until then */
typedef struct {
    time_t                       window;
    time_t                       until;
    ngx_uint_t                   drawing;     /* unsigned drawing:1 */
    ngx_http_async_document_t    document;    /* len 0: there is none */
} ngx_http_async_drawn_t;

/* one that is being drawn, on the thread of its op */
typedef struct {
    ngx_http_async_op_t         *op;
    ngx_http_async_drawn_t      *drawn;       /* the event loop's */
    async_store_t               *store;
    async_view_t                *view;

    int64_t                      from;        /* unix ms */
    int64_t                      width;       /* ms */
    int64_t                      end;
    ngx_uint_t                   sampled;     /* unsigned sampled:1 */
    ngx_uint_t                   nsample;
    ngx_http_async_fact_t        sample[NGX_HTTP_ASYNC_SAMPLE];
    ngx_http_async_bucket_t      buckets[NGX_HTTP_ASYNC_BUCKETS];

    async_queue_meter_t          meter;
    async_minute_t               minutes[ASYNC_MINUTES];
    ngx_http_async_document_t    document;
} ngx_http_async_charts_t;


static ngx_http_async_drawn_t *ngx_http_async_find_window(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_async_show(ngx_http_request_t *r,
    ngx_http_async_document_t *document);
static ngx_int_t ngx_http_async_begin_draw(ngx_http_request_t *r,
    ngx_http_async_drawn_t *drawn);
static void ngx_http_async_draw_thread(void *data, ngx_log_t *log);
static void ngx_http_async_draw_done(ngx_http_async_op_t *op, async_rc_t rc);
static async_rc_t ngx_http_async_draw(ngx_http_async_charts_t *charts);
static async_rc_t ngx_http_async_count_minutes(
    ngx_http_async_charts_t *charts);
static void ngx_http_async_set_minute(ngx_http_async_charts_t *charts,
    int64_t at, const async_minute_t *minute);
static void ngx_http_async_share(double *part, double all, double counted,
    ngx_uint_t n);
static async_rc_t ngx_http_async_count_newest(ngx_http_async_charts_t *charts,
    async_list_page_t *page);
static async_rc_t ngx_http_async_count_samples(
    ngx_http_async_charts_t *charts, int64_t until);
static async_rc_t ngx_http_async_weigh(async_view_t *view,
    const async_list_query_t *query, ngx_uint_t *left, double *weight);
static bool ngx_http_async_sample_job(void *data, const async_job_t *job);
static bool ngx_http_async_count_job(void *data, const async_job_t *job);
static void ngx_http_async_see(ngx_http_async_fact_t *seen,
    const async_job_t *job);
static void ngx_http_async_count(ngx_http_async_charts_t *charts,
    const ngx_http_async_fact_t *seen, double weight);
static ngx_http_async_bucket_t *ngx_http_async_bucket(
    ngx_http_async_charts_t *charts, int64_t at);
static void ngx_http_async_write_charts(ngx_http_async_charts_t *charts);
static u_char *ngx_http_async_write_times(u_char *p, int64_t *times,
    ngx_uint_t n);
static int ngx_libc_cdecl ngx_http_async_cmp_times(const void *one,
    const void *two);


static ngx_http_async_drawn_t  ngx_http_async_drawn[NGX_HTTP_ASYNC_WINDOWS] = {
    { 900, 0, 0, { 0, "" } }, { 3600, 0, 0, { 0, "" } },
    { 86400, 0, 0, { 0, "" } }
};


ngx_int_t
ngx_http_async_charts(ngx_http_request_t *r)
{
    ngx_http_async_drawn_t  *drawn;

    drawn = ngx_http_async_find_window(r);

    if (drawn == NULL) {
        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_QUERY_INVALID,
                   "There are charts of 900, 3600 and 86400 seconds.",
                   NULL, 0);
    }

    if ((ngx_time() < drawn->until
         && ngx_time() >= drawn->until - NGX_HTTP_ASYNC_GOOD)
        || (drawn->drawing && drawn->document.len))
    {
        return ngx_http_async_show(r, &drawn->document);
    }

    return ngx_http_async_begin_draw(r, drawn);
}


static ngx_http_async_drawn_t *
ngx_http_async_find_window(ngx_http_request_t *r)
{
    ngx_int_t   seconds;
    ngx_str_t   value;
    ngx_uint_t  i;

    if (ngx_http_arg(r, (u_char *) "window", 6, &value) != NGX_OK) {
        return &ngx_http_async_drawn[1];
    }

    seconds = ngx_atoi(value.data, value.len);

    for (i = 0; i < NGX_HTTP_ASYNC_WINDOWS; i++) {
        if (ngx_http_async_drawn[i].window == seconds) {
            return &ngx_http_async_drawn[i];
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_async_show(ngx_http_request_t *r,
    ngx_http_async_document_t *document)
{
    ngx_http_async_doc_t  doc;

    ngx_http_async_doc_init(&doc, r);
    ngx_http_async_doc_add(&doc, document->data, document->len);

    return ngx_http_async_doc_reply(&doc, r);
}


static ngx_int_t
ngx_http_async_begin_draw(ngx_http_request_t *r,
    ngx_http_async_drawn_t *drawn)
{
    ngx_int_t                 rc;
    ngx_http_async_op_t      *op;
    ngx_http_async_charts_t  *charts;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    op = ngx_http_async_create_op(r, ngx_http_async_draw_done);
    if (op == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    charts = ngx_pcalloc(op->pool, sizeof(ngx_http_async_charts_t));

    if (charts) {
        charts->op = op;
        charts->drawn = drawn;
        charts->store = ngx_http_async_store();

        /* the last bucket is the one that is going on */

        charts->width = (int64_t) drawn->window * 1000
                        / NGX_HTTP_ASYNC_BUCKETS;
        charts->end = (ngx_http_async_now() / charts->width + 1)
                      * charts->width;
        charts->from = charts->end - (int64_t) drawn->window * 1000;
    }

    op->data = charts;

    if (charts == NULL
        || ngx_http_async_file_task(op, ngx_http_async_draw_thread,
                                    ngx_http_async_draw_done)
           != NGX_OK)
    {
        (void) ngx_http_async_take_request(op);
        ngx_http_async_free(op, ASYNC_NO_SPACE);

        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    drawn->drawing = 1;

    return ngx_http_async_suspend(r);
}


/* pool thread: with a view of its own, since the other is the event loop's */

static void
ngx_http_async_draw_thread(void *data, ngx_log_t *log)
{
    ngx_http_async_op_t *op = data;

    ngx_http_async_charts_t  *charts;

    charts = op->data;

    op->rc = async_view_open(&charts->view, charts->store);

    if (op->rc == ASYNC_OK) {
        op->rc = ngx_http_async_draw(charts);
        async_view_close(charts->view);
    }
}


/* called a second time if the first was to say that it takes too long */

static void
ngx_http_async_draw_done(ngx_http_async_op_t *op, async_rc_t rc)
{
    ngx_connection_t         *c;
    ngx_http_request_t       *r;
    ngx_http_async_charts_t  *charts;

    charts = op->data;

    if (!op->in_flight) {
        charts->drawn->drawing = 0;
    }

    if (rc == ASYNC_OK) {
        charts->drawn->document = charts->document;
        charts->drawn->until = ngx_time() + NGX_HTTP_ASYNC_GOOD;
    }

    r = ngx_http_async_take_request(op);

    if (r) {
        c = r->connection;

        ngx_http_finalize_request(r, rc == ASYNC_OK
                                     ? ngx_http_async_show(r,
                                                           &charts->document)
                                     : ngx_http_async_unread(r));
        ngx_http_run_posted_requests(c);
    }

    if (!op->in_flight) {
        ngx_http_async_free(op, rc);
    }
}


static async_rc_t
ngx_http_async_draw(ngx_http_async_charts_t *charts)
{
    async_rc_t         rc;
    async_list_page_t  page;

    rc = ngx_http_async_count_newest(charts, &page);

    if (rc == ASYNC_OK && page.more) {
        charts->sampled = 1;
        rc = ngx_http_async_count_samples(charts, page.last.created);
    }

    if (rc == ASYNC_OK && charts->drawn->window <= ASYNC_MINUTES * 60) {
        rc = ngx_http_async_count_minutes(charts);
    }

    if (rc == ASYNC_OK) {
        ngx_http_async_write_charts(charts);
    }

    return rc;
}


/* of jobs that are gone by now as well */

static async_rc_t
ngx_http_async_count_minutes(ngx_http_async_charts_t *charts)
{
    int64_t                 at;
    ngx_uint_t              i, n;
    async_rc_t              rc;
    ngx_array_t            *queues;
    async_minute_t         *recent;
    ngx_http_async_seen_t  *seen;

    queues = ngx_http_async_queues(charts->op->pool, charts->view);

    if (queues == NULL) {
        return ASYNC_UNAVAILABLE;
    }

    at = 0;
    seen = queues->elts;
    recent = charts->meter.recent.minutes;

    for (i = 0; i < queues->nelts; i++) {
        rc = ngx_http_async_meter(&seen[i], charts->view, &charts->meter);
        if (rc != ASYNC_OK) {
            return rc;
        }

        at = (int64_t) charts->meter.recent.minute * 60000;

        for (n = 0; n < ASYNC_MINUTES; n++) {
            charts->minutes[n].completed += recent[n].completed;
            charts->minutes[n].failed += recent[n].failed;
        }
    }

    for (n = 0; n < ASYNC_MINUTES; n++) {
        ngx_http_async_set_minute(charts, at - (int64_t) n * 60000,
                                  &charts->minutes[n]);
    }

    return ASYNC_OK;
}


/* its buckets keep their shares */

static void
ngx_http_async_set_minute(ngx_http_async_charts_t *charts, int64_t at,
    const async_minute_t *minute)
{
    double                    completed, failed;
    ngx_uint_t                i, n;
    ngx_http_async_bucket_t  *b;

    n = ngx_max(60000 / charts->width, 1);
    b = ngx_http_async_bucket(charts, at);

    /* the first one may be cut */

    if (b == NULL || b + n > charts->buckets + NGX_HTTP_ASYNC_BUCKETS) {
        return;
    }

    completed = 0;
    failed = 0;

    for (i = 0; i < n; i++) {
        completed += b[i].ended[0];
        failed += b[i].ended[1] + b[i].ended[2];
    }

    for (i = 0; i < n; i++) {
        ngx_http_async_share(&b[i].ended[0], completed, minute->completed, n);
        ngx_http_async_share(&b[i].ended[1], failed, minute->failed, n);

        /* what failed and what was canceled is counted together */

        if (failed > 0) {
            b[i].ended[2] *= minute->failed / failed;
        }
    }
}


static void
ngx_http_async_share(double *part, double all, double counted, ngx_uint_t n)
{
    *part = all > 0 ? *part * counted / all : counted / n;
}


static async_rc_t
ngx_http_async_count_newest(ngx_http_async_charts_t *charts,
    async_list_page_t *page)
{
    async_list_query_t  query;

    ngx_memzero(&query, sizeof(async_list_query_t));

    query.since = charts->from;
    query.limit = NGX_HTTP_ASYNC_NEWEST;

    return async_view_list(charts->view, &query, page,
                           ngx_http_async_count_job, charts);
}


/* of jobs that were made before */

static async_rc_t
ngx_http_async_count_samples(ngx_http_async_charts_t *charts, int64_t until)
{
    double               weight;
    int64_t              width;
    ngx_uint_t           i, n, left;
    async_rc_t           rc;
    async_list_page_t    page;
    async_list_query_t   query;

    ngx_memzero(&query, sizeof(async_list_query_t));

    query.limit = NGX_HTTP_ASYNC_SAMPLE;
    width = ngx_max((until - charts->from) / NGX_HTTP_ASYNC_SLICES, 1);

    left = NGX_HTTP_ASYNC_COUNT;

    for (i = NGX_HTTP_ASYNC_SLICES; i-- > 0; /* void */) {
        query.since = charts->from + (int64_t) i * width;
        query.until = query.since + width;

        charts->nsample = 0;

        rc = async_view_list(charts->view, &query, &page,
                             ngx_http_async_sample_job, charts);

        if (rc != ASYNC_OK) {
            return rc;
        }

        weight = 1;

        if (page.more) {
            rc = ngx_http_async_weigh(charts->view, &query, &left, &weight);
            if (rc != ASYNC_OK) {
                return rc;
            }
        }

        for (n = 0; n < charts->nsample; n++) {
            ngx_http_async_count(charts, &charts->sample[n], weight);
        }
    }

    return ASYNC_OK;
}


/* how many each of a full sample stands for */

static async_rc_t
ngx_http_async_weigh(async_view_t *view, const async_list_query_t *query,
    ngx_uint_t *left, double *weight)
{
    unsigned            max;
    async_rc_t          rc;
    async_count_page_t  count;

    max = ngx_max(*left, NGX_HTTP_ASYNC_SAMPLE);

    rc = async_view_count(view, query->since, query->until, max, &count);
    if (rc != ASYNC_OK) {
        return rc;
    }

    *left -= ngx_min(*left, count.n);
    *weight = (double) count.n / NGX_HTTP_ASYNC_SAMPLE;

    /* if all could not be counted, the others are believed to come as these */

    if (count.n == max && count.oldest < query->until) {
        *weight *= (double) (query->until - query->since)
                   / (query->until - count.oldest);
    }

    return ASYNC_OK;
}


static bool
ngx_http_async_sample_job(void *data, const async_job_t *job)
{
    ngx_http_async_charts_t *charts = data;

    if (charts->nsample == NGX_HTTP_ASYNC_SAMPLE) {
        return false;
    }

    ngx_http_async_see(&charts->sample[charts->nsample++], job);

    return true;
}


static bool
ngx_http_async_count_job(void *data, const async_job_t *job)
{
    ngx_http_async_fact_t  seen;

    ngx_http_async_see(&seen, job);
    ngx_http_async_count(data, &seen, 1);

    return true;
}


static void
ngx_http_async_see(ngx_http_async_fact_t *seen, const async_job_t *job)
{
    seen->state = job->state;
    seen->created = job->created;
    seen->started = job->started;
    seen->finished = job->finished;
}


/* weight: how many it stands for */

static void
ngx_http_async_count(ngx_http_async_charts_t *charts,
    const ngx_http_async_fact_t *seen, double weight)
{
    ngx_uint_t                n;
    ngx_http_async_bucket_t  *b;

    b = ngx_http_async_bucket(charts, seen->created);

    if (b) {
        b->made += weight;
    }

    if (!async_state_final((async_state_t) seen->state)
        || (b = ngx_http_async_bucket(charts, seen->finished)) == NULL)
    {
        return;
    }

    b->ended[seen->state - ASYNC_STATE_COMPLETED] += weight;

    if (seen->started) {
        n = b->n++ % NGX_HTTP_ASYNC_TIMES;

        b->waits[n] = ngx_max(seen->started - seen->created, 0);
        b->runs[n] = ngx_max(seen->finished - seen->started, 0);
    }
}


static ngx_http_async_bucket_t *
ngx_http_async_bucket(ngx_http_async_charts_t *charts, int64_t at)
{
    return at >= charts->from && at < charts->end
           ? &charts->buckets[(at - charts->from) / charts->width] : NULL;
}


static void
ngx_http_async_write_charts(ngx_http_async_charts_t *charts)
{
    u_char                   *p;
    ngx_uint_t                i, n;
    ngx_http_async_bucket_t  *b;

    p = ngx_sprintf(charts->document.data,
                    "{\"from\":%L,\"width\":%L,\"sampled\":%s,"
                    "\"buckets\":[", charts->from, charts->width,
                    charts->sampled ? "true" : "false");

    for (i = 0; i < NGX_HTTP_ASYNC_BUCKETS; i++) {
        b = &charts->buckets[i];
        n = ngx_min(b->n, NGX_HTTP_ASYNC_TIMES);

        p = ngx_sprintf(p, "%s[%.1f,%.1f,%.1f,%.1f,", i ? "," : "", b->made,
                        b->ended[0], b->ended[1], b->ended[2]);
        p = ngx_http_async_write_times(p, b->waits, n);
        *p++ = ',';
        p = ngx_http_async_write_times(p, b->runs, n);
        *p++ = ']';
    }

    *p++ = ']';
    *p++ = '}';

    charts->document.len = p - charts->document.data;
}


/* the median, and what nineteen in twenty are within */

static u_char *
ngx_http_async_write_times(u_char *p, int64_t *times, ngx_uint_t n)
{
    if (n == 0) {
        return ngx_cpymem(p, "null,null", sizeof("null,null") - 1);
    }

    ngx_qsort(times, n, sizeof(int64_t), ngx_http_async_cmp_times);

    return ngx_sprintf(p, "%L,%L", times[n / 2], times[n * 19 / 20]);
}


static int ngx_libc_cdecl
ngx_http_async_cmp_times(const void *one, const void *two)
{
    const int64_t *first = one;
    const int64_t *second = two;

    return (*first > *second) - (*first < *second);
}
