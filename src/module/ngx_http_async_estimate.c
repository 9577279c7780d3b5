
/*
 * What is told of a job that is not finished.  Run times and queues are
 * looked up once a second for each location and queue, and remembered here:
 * a poll reads its job, and for the rest of that second nothing else.
 */

#include "ngx_http_async_module.h"


#define NGX_HTTP_ASYNC_LEARNED_AGE   1000     /* ms */
#define NGX_HTTP_ASYNC_LOCATIONS     64       /* remembered, a power of two */
#define NGX_HTTP_ASYNC_LINES         16


typedef struct {
    uint64_t      server;                     /* the key is this and policy */
    uint8_t       policy[ASYNC_POLICY_KEY];
    ngx_msec_t    looked;
    uint32_t      retry_after;                /* s, 0 = learned */
    uint32_t      run;                        /* ms, 0 = nothing is learned */
    ngx_uint_t    shown;                      /* unsigned shown:1 */
    ngx_uint_t    used;                       /* unsigned used:1 */
} ngx_http_async_learned_t;


typedef struct {
    u_char        name[ASYNC_QUEUE_MAX];
    size_t        len;                        /* 0: not used */
    ngx_msec_t    looked;
    async_line_t  line;
} ngx_http_async_line_t;


static ngx_http_async_learned_t *ngx_http_async_learned(
    const async_job_t *job);
static void ngx_http_async_learn(ngx_http_async_learned_t *learned,
    const async_job_t *job);
static async_line_t *ngx_http_async_line(const async_job_t *job);
static ngx_uint_t ngx_http_async_is_fresh(ngx_msec_t looked);


static ngx_http_async_learned_t
    ngx_http_async_locations[NGX_HTTP_ASYNC_LOCATIONS];

static ngx_http_async_line_t
    ngx_http_async_lines[NGX_HTTP_ASYNC_LINES];


void
ngx_http_async_estimate(const async_job_t *job, async_estimate_t *estimate)
{
    async_known_t              known;
    async_line_t              *line;
    ngx_http_async_learned_t  *learned;

    ngx_memzero(&known, sizeof(async_known_t));

    if (!async_state_final((async_state_t) job->state)) {
        learned = ngx_http_async_learned(job);

        known.retry_after = learned->retry_after;
        known.shown = learned->shown;
        known.run = learned->run;

        if (known.run && job->state != ASYNC_STATE_PROCESSING) {
            line = ngx_http_async_line(job);

            known.stands = line->paused;
            known.wait = async_estimate_wait(async_line_ahead(line, job),
                                             line->running,
                                             line->concurrency,
                                             line->each ? line->each
                                                        : known.run,
                                             line->interval);
        }
    }

    async_estimate_job(estimate, job, &known, ngx_http_async_now());
}


static ngx_http_async_learned_t *
ngx_http_async_learned(const async_job_t *job)
{
    uint32_t                   n;
    ngx_http_async_learned_t  *learned;

    /* policy is a hash already, of what its location is called as well */

    ngx_memcpy(&n, job->policy, sizeof(n));

    learned = &ngx_http_async_locations[(n ^ (uint32_t) job->server)
                                        % NGX_HTTP_ASYNC_LOCATIONS];

    if (!learned->used
        || learned->server != job->server
        || ngx_memcmp(learned->policy, job->policy, ASYNC_POLICY_KEY) != 0
        || !ngx_http_async_is_fresh(learned->looked))
    {
        ngx_http_async_learn(learned, job);
    }

    return learned;
}


static void
ngx_http_async_learn(ngx_http_async_learned_t *learned,
    const async_job_t *job)
{
    async_runs_t     runs;
    async_view_t    *view;
    async_policy_t   policy;

    view = ngx_http_async_view();

    if (view == NULL
        || async_view_policy(view, job->policy, &policy) != ASYNC_OK)
    {
        async_policy_defaults(&policy);
    }

    runs.n = 0;

    if (view && policy.location) {
        (void) async_view_runs(view, job->server, policy.location, &runs);
    }

    learned->used = 1;
    learned->server = job->server;
    ngx_memcpy(learned->policy, job->policy, ASYNC_POLICY_KEY);

    learned->retry_after = policy.retry_after;
    learned->shown = policy.estimate;
    learned->run = async_runs_median(&runs);
    learned->looked = ngx_current_msec;
}


static async_line_t *
ngx_http_async_line(const async_job_t *job)
{
    size_t                  len;
    uint32_t                n;
    async_view_t           *view;
    ngx_http_async_line_t  *line;

    len = ngx_min(job->queue.len, ASYNC_QUEUE_MAX);
    n = ngx_crc32_short((u_char *) job->queue.data, len);
    line = &ngx_http_async_lines[n % NGX_HTTP_ASYNC_LINES];

    if (line->len == len
        && ngx_memcmp(line->name, job->queue.data, len) == 0
        && ngx_http_async_is_fresh(line->looked))
    {
        return &line->line;
    }

    view = ngx_http_async_view();

    if (view == NULL
        || async_view_line(view, job->queue, &line->line) != ASYNC_OK)
    {
        ngx_memzero(&line->line, sizeof(async_line_t));
    }

    line->len = len;
    ngx_memcpy(line->name, job->queue.data, len);
    line->looked = ngx_current_msec;

    return &line->line;
}


static ngx_uint_t
ngx_http_async_is_fresh(ngx_msec_t looked)
{
    return ngx_current_msec - looked < NGX_HTTP_ASYNC_LEARNED_AGE;
}
