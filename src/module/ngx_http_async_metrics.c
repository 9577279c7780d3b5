
/*
 * async_metrics: figures in the text format of Prometheus.  Those of jobs are
 * counted in the store, those of queues are asked for one by one, and no job
 * is looked at: a scrape costs what there are queues, not jobs.
 */

#include "ngx_http_async_conf.h"
#include "ngx_http_async_dashboard.h"
#include "ngx_http_async_metrics.h"

#include "async_hooks.h"
#include "async_utf8.h"


#define NGX_HTTP_ASYNC_LINE_MAX  1024


typedef struct {
    ngx_str_t                    label;       /* queue="name", escaped */
    ngx_str_t                    name;
    async_queue_figures_t        figures;
    async_queue_meter_t          meter;
} ngx_http_async_metered_t;

typedef struct {
    ngx_http_request_t          *request;
    ngx_http_async_doc_t         doc;
    ngx_array_t                  queues;      /* ngx_http_async_metered_t */
    async_slate_figures_t       *slate;
    async_hook_figures_t         hooks;
    async_store_figures_t        store;
    uint64_t                     lag;
} ngx_http_async_metrics_t;


static ngx_int_t ngx_http_async_metrics_handler(ngx_http_request_t *r);
static async_rc_t ngx_http_async_metrics_read(ngx_http_async_metrics_t *m);
static bool ngx_http_async_metrics_queue(void *data, const async_queue_t *q,
    const async_queue_figures_t *figures);
static ngx_int_t ngx_http_async_metrics_label(ngx_pool_t *pool,
    async_str_t queue, ngx_str_t *label);
static void ngx_http_async_metrics_jobs(ngx_http_async_metrics_t *m);
static void ngx_http_async_metrics_submits(ngx_http_async_metrics_t *m);
static void ngx_http_async_metrics_attempts(ngx_http_async_metrics_t *m);
static void ngx_http_async_metrics_times(ngx_http_async_metrics_t *m,
    const char *name, size_t offset);
static void ngx_http_async_metrics_state(ngx_http_async_metrics_t *m);
static void ngx_http_async_metrics_rest(ngx_http_async_metrics_t *m);
static void ngx_http_async_metrics_commits(ngx_http_async_metrics_t *m);
static void ngx_http_async_metrics_family(ngx_http_async_metrics_t *m,
    const char *name, const char *type, const char *help);
static void ngx_http_async_metrics_line(ngx_http_async_metrics_t *m,
    const char *fmt, ...);


char *
ngx_http_async_set_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_async_set_endpoint(cf, cmd, conf,
                                       ngx_http_async_metrics_handler);
}


static ngx_int_t
ngx_http_async_metrics_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_async_metrics_t  m;

    static ngx_str_t  type = ngx_string("text/plain; version=0.0.4");

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_async_allows(r, "GET, HEAD, OPTIONS",
                                     "Metrics are only read.");
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_memzero(&m, sizeof(ngx_http_async_metrics_t));
    m.request = r;
    ngx_http_async_doc_init(&m.doc, r);

    m.slate = ngx_palloc(r->pool, sizeof(async_slate_figures_t));

    if (m.slate == NULL
        || ngx_array_init(&m.queues, r->pool, 8,
                          sizeof(ngx_http_async_metered_t)) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_async_metrics_read(&m) != ASYNC_OK) {
        return ngx_http_async_unread(r);
    }

    ngx_http_async_metrics_jobs(&m);
    ngx_http_async_metrics_submits(&m);
    ngx_http_async_metrics_attempts(&m);
    ngx_http_async_metrics_times(&m, "job_duration",
                                 offsetof(async_metrics_t, duration));
    ngx_http_async_metrics_times(&m, "job_wait",
                                 offsetof(async_metrics_t, wait));
    ngx_http_async_metrics_state(&m);
    ngx_http_async_metrics_rest(&m);
    ngx_http_async_metrics_commits(&m);

    if (m.doc.failed
        || ngx_http_async_set_text(r, "Cache-Control", "no-store") != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_async_reply_chain(r, NGX_HTTP_OK, &type, m.doc.out,
                                      m.doc.size);
}


/* --- reading --- */

static async_rc_t
ngx_http_async_metrics_read(ngx_http_async_metrics_t *m)
{
    ngx_uint_t                 i;
    async_rc_t                 rc;
    async_str_t                name;
    async_view_t              *view;
    async_store_t             *store;
    ngx_http_async_metered_t  *q;

    view = ngx_http_async_view();
    store = ngx_http_async_store();

    if (view == NULL || store == NULL) {
        return ASYNC_UNAVAILABLE;
    }

    /* a queue's name lives for the call only: they are met first */

    rc = async_view_queues(view, ngx_http_async_metrics_queue, m);
    rc = rc == ASYNC_OK && m->doc.failed ? ASYNC_NO_SPACE : rc;

    q = m->queues.elts;

    for (i = 0; i < m->queues.nelts && rc == ASYNC_OK; i++) {
        name.data = (char *) q[i].name.data;
        name.len = q[i].name.len;

        rc = async_view_meter(view, name, &q[i].meter);
    }

    if (rc == ASYNC_OK) {
        rc = async_view_hook_figures(view, &m->hooks);
    }

    if (rc == ASYNC_OK) {
        rc = async_store_figures(store, &m->store);
    }

    if (rc == ASYNC_OK) {
        rc = async_store_lag(store, &m->lag);
    }

    async_slate_read(store, m->slate);

    return rc;
}


static bool
ngx_http_async_metrics_queue(void *data, const async_queue_t *queue,
    const async_queue_figures_t *figures)
{
    ngx_http_async_metrics_t *m = data;

    ngx_str_t                  name;
    ngx_http_async_metered_t  *q;

    name.data = (u_char *) queue->name.data;
    name.len = queue->name.len;

    q = ngx_array_push(&m->queues);

    if (q == NULL) {
        m->doc.failed = 1;
        return false;
    }

    q->figures = *figures;
    q->name.len = name.len;
    q->name.data = ngx_pstrdup(m->request->pool, &name);

    if (q->name.data == NULL
        || ngx_http_async_metrics_label(m->request->pool, queue->name,
                                        &q->label) != NGX_OK)
    {
        m->doc.failed = 1;
        return false;
    }

    return true;
}


/* the text format: backslash, quote and line feed are escaped, UTF-8 */

static ngx_int_t
ngx_http_async_metrics_label(ngx_pool_t *pool, async_str_t queue,
    ngx_str_t *label)
{
    bool            valid;
    size_t          len;
    u_char         *p;
    const uint8_t  *from, *end;

    p = ngx_pnalloc(pool, sizeof("queue=\"\"") + 3 * queue.len);

    if (p == NULL) {
        return NGX_ERROR;
    }

    label->data = p;
    p = ngx_cpymem(p, "queue=\"", sizeof("queue=\"") - 1);

    from = (const uint8_t *) queue.data;
    end = from + queue.len;

    for (/* void */ ; from < end; from += len) {
        len = async_utf8(from, end, &valid);

        if (!valid) {
            p = ngx_cpymem(p, "\xef\xbf\xbd", 3);

        } else if (*from == '"' || *from == '\\') {
            *p++ = '\\';
            *p++ = *from;

        } else if (*from == '\n') {
            *p++ = '\\';
            *p++ = 'n';

        } else {
            p = ngx_cpymem(p, from, len);
        }
    }

    *p++ = '"';
    label->len = p - label->data;

    return NGX_OK;
}


/* --- jobs --- */

static void
ngx_http_async_metrics_jobs(ngx_http_async_metrics_t *m)
{
    ngx_uint_t                 i, state;
    ngx_http_async_metered_t  *q;

    q = m->queues.elts;

    ngx_http_async_metrics_family(m, "jobs", "gauge",
                                  "Jobs that are kept, by status.");

    for (i = 0; i < m->queues.nelts; i++) {
        for (state = ASYNC_STATE_NONE + 1; state < ASYNC_STATE_MAX; state++) {
            ngx_http_async_metrics_line(m,
                "nginx_async_jobs{%V,status=\"%s\"} %uL\n", &q[i].label,
                async_state_name(state), q[i].figures.states[state]);
        }
    }

    ngx_http_async_metrics_family(m, "jobs_finished_total", "counter",
                                  "Jobs that have ended, by status.");

    for (i = 0; i < m->queues.nelts; i++) {
        for (state = ASYNC_STATE_NONE + 1; state < ASYNC_STATE_MAX; state++) {

            if (!async_state_final(state)) {
                continue;
            }

            ngx_http_async_metrics_line(m,
                "nginx_async_jobs_finished_total{%V,status=\"%s\"} %uL\n",
                &q[i].label, async_state_name(state),
                q[i].meter.metrics.finished[state]);
        }
    }
}


/*
 * Those that made a job were counted with it, the others by whoever refused
 * them; a result that never was has no line.
 */

static void
ngx_http_async_metrics_submits(ngx_http_async_metrics_t *m)
{
    ngx_str_t                  label;
    ngx_uint_t                 i, k;
    async_slate_queue_t       *refused;
    ngx_http_async_metered_t  *q;

    q = m->queues.elts;

    ngx_http_async_metrics_family(m, "submits_total", "counter",
                                  "Requests to become a job, by what came of "
                                  "them.");

    for (i = 0; i < m->queues.nelts; i++) {
        ngx_http_async_metrics_line(m,
            "nginx_async_submits_total{%V,result=\"accepted\"} %uL\n"
            "nginx_async_submits_total{%V,result=\"retried\"} %uL\n",
            &q[i].label,
            q[i].meter.metrics.submits[ASYNC_SUBMIT_ACCEPTED],
            &q[i].label,
            q[i].meter.metrics.submits[ASYNC_SUBMIT_RETRIED]);
    }

    for (i = 0; i < m->slate->nqueues; i++) {
        refused = &m->slate->queues[i];

        if (ngx_http_async_metrics_label(m->request->pool, refused->queue,
                                         &label) != NGX_OK)
        {
            m->doc.failed = 1;
            return;
        }

        for (k = 0; k < ASYNC_SUBMIT_MAX; k++) {
            if (refused->submits[k] != 0) {
                ngx_http_async_metrics_line(m,
                    "nginx_async_submits_total{%V,result=\"%s\"} %uL\n",
                    &label, async_submit_result_name(k), refused->submits[k]);
            }
        }
    }
}


static void
ngx_http_async_metrics_attempts(ngx_http_async_metrics_t *m)
{
    ngx_uint_t                 i, k;
    ngx_http_async_metered_t  *q;

    q = m->queues.elts;

    ngx_http_async_metrics_family(m, "attempts_total", "counter",
                                  "Attempts of jobs, by how they ended.");

    for (i = 0; i < m->queues.nelts; i++) {
        for (k = 0; k < ASYNC_ATTEMPTS; k++) {
            if (*async_attempt_name(k) != '\0') {
                ngx_http_async_metrics_line(m,
                    "nginx_async_attempts_total{%V,result=\"%s\"} %uL\n",
                    &q[i].label, async_attempt_name(k),
                    q[i].meter.metrics.attempts[k]);
            }
        }
    }
}


/* ms as seconds, without the rounding of a double */

#define ngx_http_async_seconds(ms)  (ms) / 1000, (ms) % 1000


static void
ngx_http_async_metrics_times(ngx_http_async_metrics_t *m, const char *name,
    size_t offset)
{
    uint64_t                   n, sum;
    ngx_uint_t                 i, k;
    async_histogram_t         *h;
    ngx_http_async_metered_t  *q;

    q = m->queues.elts;

    ngx_http_async_metrics_line(m,
        "# HELP nginx_async_%s_seconds %s\n"
        "# TYPE nginx_async_%s_seconds histogram\n",
        name, offset == offsetof(async_metrics_t, wait)
              ? "From when an attempt was due to its start."
              : "From the start of the last attempt of a job to its end.",
        name);

    for (i = 0; i < m->queues.nelts; i++) {
        h = (async_histogram_t *) ((u_char *) &q[i].meter.metrics + offset);

        for (k = 0, n = 0; k < ASYNC_BUCKETS - 1; k++) {
            n += h->n[k];

            ngx_http_async_metrics_line(m,
                "nginx_async_%s_seconds_bucket{%V,le=\"%uL.%03uL\"} %uL\n",
                name, &q[i].label, ngx_http_async_seconds(async_bound(k)), n);
        }

        n = async_histogram_count(h);
        sum = h->n[ASYNC_HISTOGRAM_SUM];

        ngx_http_async_metrics_line(m,
            "nginx_async_%s_seconds_bucket{%V,le=\"+Inf\"} %uL\n"
            "nginx_async_%s_seconds_sum{%V} %uL.%03uL\n"
            "nginx_async_%s_seconds_count{%V} %uL\n",
            name, &q[i].label, n,
            name, &q[i].label, ngx_http_async_seconds(sum),
            name, &q[i].label, n);
    }
}


static void
ngx_http_async_metrics_state(ngx_http_async_metrics_t *m)
{
    int64_t                    now;
    uint64_t                   age;
    ngx_uint_t                 i;
    ngx_http_async_metered_t  *q;

    q = m->queues.elts;
    now = ngx_http_async_now();

    ngx_http_async_metrics_family(m, "queue_oldest_seconds", "gauge",
                                  "For how long the oldest job waits whose "
                                  "turn it may be, 0 without any.");

    for (i = 0; i < m->queues.nelts; i++) {
        age = q[i].meter.oldest != 0 && q[i].meter.oldest < now
              ? (uint64_t) (now - q[i].meter.oldest) : 0;

        ngx_http_async_metrics_line(m,
            "nginx_async_queue_oldest_seconds{%V} %uL.%03uL\n", &q[i].label,
            ngx_http_async_seconds(age));
    }

    ngx_http_async_metrics_family(m, "queue_paused", "gauge",
                                  "1 if the queue starts no jobs.");

    for (i = 0; i < m->queues.nelts; i++) {
        ngx_http_async_metrics_line(m, "nginx_async_queue_paused{%V} %ui\n",
                                    &q[i].label,
                                    (ngx_uint_t) q[i].figures.paused);
    }
}


/* --- the rest --- */

static void
ngx_http_async_metrics_rest(ngx_http_async_metrics_t *m)
{
    ngx_http_async_metrics_family(m, "webhook_attempts_total", "counter",
                                  "Attempts to deliver webhooks, by how they "
                                  "ended.");
    ngx_http_async_metrics_line(m,
        "nginx_async_webhook_attempts_total{result=\"delivered\"} %uL\n"
        "nginx_async_webhook_attempts_total{result=\"failed\"} %uL\n"
        "nginx_async_webhook_attempts_total{result=\"given-up\"} %uL\n",
        m->hooks.delivered, m->hooks.failed, m->hooks.given_up);

    ngx_http_async_metrics_family(m, "webhooks_dead", "gauge",
                                  "Webhooks that were given up.");
    ngx_http_async_metrics_line(m, "nginx_async_webhooks_dead %uL\n",
                                m->hooks.dead);

    ngx_http_async_metrics_family(m, "event_streams", "gauge",
                                  "Event streams that are open.");
    ngx_http_async_metrics_line(m, "nginx_async_event_streams %uL\n",
                                m->slate->gauges[ASYNC_GAUGE_STREAMS]);

    ngx_http_async_metrics_family(m, "waiting_requests", "gauge",
                                  "Requests that wait for a job, streams "
                                  "left out.");
    ngx_http_async_metrics_line(m, "nginx_async_waiting_requests %uL\n",
                                m->slate->gauges[ASYNC_GAUGE_WAITERS]);

    ngx_http_async_metrics_family(m, "store_used_bytes", "gauge",
                                  "Bytes that database and spool hold.");
    ngx_http_async_metrics_line(m, "nginx_async_store_used_bytes %uL\n",
                                m->store.used + m->store.spooled);

    ngx_http_async_metrics_family(m, "store_size_bytes", "gauge",
                                  "What both together may hold.");
    ngx_http_async_metrics_line(m, "nginx_async_store_size_bytes %uL\n",
                                m->store.size);

    ngx_http_async_metrics_family(m, "workers", "gauge",
                                  "Processes that execute jobs, or stand by "
                                  "for the one that does.");
    ngx_http_async_metrics_line(m, "nginx_async_workers %ui\n",
        (ngx_uint_t) m->slate->seats[ASYNC_SEAT_WORKER]
        + m->slate->seats[ASYNC_SEAT_STANDBY]);

    ngx_http_async_metrics_family(m, "reader_lag_transactions", "gauge",
                                  "Transactions that the oldest reader of "
                                  "the store is behind.");
    ngx_http_async_metrics_line(m,
                                "nginx_async_reader_lag_transactions %uL\n",
                                m->lag);
}


static void
ngx_http_async_metrics_commits(ngx_http_async_metrics_t *m)
{
    uint64_t                n, us;
    ngx_uint_t              i;
    async_slate_figures_t  *f;

    f = m->slate;

    ngx_http_async_metrics_family(m, "commit_duration_seconds", "histogram",
                                  "How long the disk took for a commit, by "
                                  "all processes.");

    for (i = 0, n = 0; i < ASYNC_COMMIT_BOUNDS; i++) {
        n += f->commits[i];
        us = async_commit_bound(i);

        ngx_http_async_metrics_line(m,
            "nginx_async_commit_duration_seconds_bucket"
            "{le=\"%uL.%06uL\"} %uL\n", us / 1000000, us % 1000000, n);
    }

    n += f->commits[ASYNC_COMMIT_BOUNDS];

    ngx_http_async_metrics_line(m,
        "nginx_async_commit_duration_seconds_bucket{le=\"+Inf\"} %uL\n"
        "nginx_async_commit_duration_seconds_sum %uL.%06uL\n"
        "nginx_async_commit_duration_seconds_count %uL\n",
        n, f->commit_us / 1000000, f->commit_us % 1000000, n);

    ngx_http_async_metrics_family(m, "commit_batch_size", "histogram",
                                  "Events and started jobs in a commit.");

    for (i = 0, n = 0; i < ASYNC_BATCH_BOUNDS; i++) {
        n += f->batches[i];

        ngx_http_async_metrics_line(m,
            "nginx_async_commit_batch_size_bucket{le=\"%uL\"} %uL\n",
            async_batch_bound(i), n);
    }

    n += f->batches[ASYNC_BATCH_BOUNDS];

    ngx_http_async_metrics_line(m,
        "nginx_async_commit_batch_size_bucket{le=\"+Inf\"} %uL\n"
        "nginx_async_commit_batch_size_sum %uL\n"
        "nginx_async_commit_batch_size_count %uL\n",
        n, f->batch_events, n);
}


static void
ngx_http_async_metrics_family(ngx_http_async_metrics_t *m, const char *name,
    const char *type, const char *help)
{
    ngx_http_async_metrics_line(m, "# HELP nginx_async_%s %s\n"
                                "# TYPE nginx_async_%s %s\n",
                                name, help, name, type);
}


static void
ngx_http_async_metrics_line(ngx_http_async_metrics_t *m, const char *fmt, ...)
{
    u_char   line[NGX_HTTP_ASYNC_LINE_MAX], *p;
    va_list  args;

    va_start(args, fmt);
    p = ngx_vslprintf(line, line + sizeof(line), fmt, args);
    va_end(args);

    ngx_http_async_doc_add(&m->doc, line, p - line);
}
