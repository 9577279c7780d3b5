
/*
 * The text of event streams.  Many may watch one job: what changed is read
 * and written out once for all of them.
 */

#include "ngx_http_async_events.h"

#include "async_feed.h"
#include "async_stream.h"


/* several events, and room for one of any length */
#define NGX_HTTP_ASYNC_TEXT  (32768 + ASYNC_STREAM_EVENT_MAX)

/* ms: what is estimated in it is not older */
#define NGX_HTTP_ASYNC_TEXT_AGE  1000


typedef struct {
    const async_job_t   *job;
    ngx_str_t           *text;
    async_estimate_t     estimate;
    uint64_t             until;               /* the last line written */
    ngx_uint_t           full;                /* unsigned full:1 */
} ngx_http_async_render_t;


/* what the last call made */
typedef struct {
    async_id_t           id;
    uint64_t             seq;
    uint64_t             since;
    uint64_t             until;
    size_t               len;                 /* 0: nothing */
    ngx_msec_t           made;
} ngx_http_async_rendered_t;


static bool ngx_http_async_render_line(void *data, uint64_t seq,
    const async_trail_t *line);
static ngx_int_t ngx_http_async_render_present(
    ngx_http_async_render_t *render, const char *name, uint64_t seq);
static bool ngx_http_async_news_line(void *data, uint64_t seq,
    const async_trail_t *line);
static ngx_int_t ngx_http_async_render_event(ngx_str_t *text,
    const char *name, uint64_t id, const async_job_t *job,
    const async_estimate_t *estimate);


static u_char                     ngx_http_async_text[NGX_HTTP_ASYNC_TEXT];
static ngx_http_async_rendered_t  ngx_http_async_rendered;


ngx_int_t
ngx_http_async_render(const async_job_t *job, uint64_t since,
    uint64_t *until, ngx_str_t *text)
{
    async_view_t               *view;
    ngx_http_async_render_t     render;
    ngx_http_async_rendered_t  *last;

    last = &ngx_http_async_rendered;
    text->data = ngx_http_async_text;

    if (last->len && last->seq == job->seq && last->since == since
        && ngx_memcmp(&last->id, &job->id, sizeof(async_id_t)) == 0
        && ngx_current_msec - last->made < NGX_HTTP_ASYNC_TEXT_AGE)
    {
        *until = last->until;
        text->len = last->len;

        return NGX_OK;
    }

    last->len = 0;
    text->len = 0;

    view = ngx_http_async_view();
    if (view == NULL) {
        return NGX_ERROR;
    }

    render.job = job;
    render.text = text;
    render.until = since;
    render.full = 0;

    /* it reads, too, and so goes before */

    ngx_http_async_estimate(job, &render.estimate);

    if (async_view_trail(view, &job->id, since, ngx_http_async_render_line,
                         &render)
        != ASYNC_OK)
    {
        return NGX_ERROR;
    }

    /* a last line that is damaged, or was thinned: the record has it */

    if (!render.full && render.until < job->seq
        && ngx_http_async_render_present(&render,
               job->state == ASYNC_STATE_PROCESSING ? "progress"
               : async_state_name((async_state_t) job->state), job->seq)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    *until = render.until;

    last->id = job->id;
    last->seq = job->seq;
    last->since = since;
    last->until = render.until;
    last->len = text->len;
    last->made = ngx_current_msec;

    return NGX_OK;
}


ngx_uint_t
ngx_http_async_has_news(const async_job_t *job, uint64_t since)
{
    ngx_uint_t     news;
    async_view_t  *view;

    news = 0;
    view = ngx_http_async_view();

    /* in doubt a client is told the end once more */

    return view == NULL
           || async_view_trail(view, &job->id, since,
                               ngx_http_async_news_line, &news) != ASYNC_OK
           || news;
}


static bool
ngx_http_async_news_line(void *data, uint64_t seq, const async_trail_t *line)
{
    ngx_uint_t *news = data;

    *news = async_stream_tells(line);

    return !*news;
}


/* the job may have gone on since it was read: that is told later */

static bool
ngx_http_async_render_line(void *data, uint64_t seq,
    const async_trail_t *line)
{
    ngx_http_async_render_t *render = data;

    async_job_t  past;
    const char  *name;

    if (seq > render->job->seq) {
        return false;
    }

    if (!async_stream_tells(line)) {
        render->until = seq;
        return true;
    }

    /* of progress, one line stands: not one that was replaced meanwhile */

    if (line->event == ASYNC_EVENT_PROGRESSED
        && seq != render->job->reports.row)
    {
        return true;
    }

    if (render->text->len > NGX_HTTP_ASYNC_TEXT - ASYNC_STREAM_EVENT_MAX) {
        render->full = 1;
        return false;
    }

    name = async_stream_name((async_event_type_t) line->event,
                             (async_state_t) line->state);

    if (seq == render->job->seq
        || async_state_final((async_state_t) line->state))
    {
        return ngx_http_async_render_present(render, name, seq) == NGX_OK;
    }

    async_stream_past(&past, render->job, seq, line);

    if (ngx_http_async_render_event(render->text, name, seq, &past, NULL)
        != NGX_OK)
    {
        render->full = 1;
        return false;
    }

    render->until = seq;

    return true;
}


static ngx_int_t
ngx_http_async_render_present(ngx_http_async_render_t *render,
    const char *name, uint64_t seq)
{
    if (ngx_http_async_render_event(render->text, name, seq, render->job,
                                    &render->estimate)
        != NGX_OK)
    {
        render->full = 1;
        return NGX_ERROR;
    }

    render->until = seq;

    return NGX_OK;
}


ngx_int_t
ngx_http_async_render_state(const async_job_t *job, ngx_str_t *text)
{
    async_estimate_t  estimate;

    ngx_http_async_estimate(job, &estimate);
    ngx_http_async_rendered.len = 0;

    text->data = ngx_http_async_text;
    text->len = 0;

    return ngx_http_async_render_event(text,
               async_state_name((async_state_t) job->state), job->seq, job,
               &estimate);
}


ngx_int_t
ngx_http_async_render_estimate(const async_job_t *job,
    const async_estimate_t *estimate, ngx_str_t *text)
{
    ngx_http_async_rendered.len = 0;

    text->data = ngx_http_async_text;
    text->len = 0;

    return ngx_http_async_render_event(text, "progress", 0, job, estimate);
}


static ngx_int_t
ngx_http_async_render_event(ngx_str_t *text, const char *name, uint64_t id,
    const async_job_t *job, const async_estimate_t *estimate)
{
    size_t  len;

    len = async_stream_event((char *) text->data + text->len,
                             NGX_HTTP_ASYNC_TEXT - text->len, name, id, job,
                             estimate);
    if (len == 0) {
        return NGX_ERROR;
    }

    text->len += len;

    return NGX_OK;
}
