
/*
 * Where waiting clients hear of changes: the store's feed.  It is looked at
 * when the doorbell rings, and every 250 ms in case a ring was lost.
 *
 * No waiter, no work: then nothing is armed, no timer runs and nothing is
 * read.
 */

#include "ngx_http_async_watch.h"

#include "async_bell.h"
#include "async_feed.h"


#define NGX_HTTP_ASYNC_NET       250          /* ms between looks, at most */
#define NGX_HTTP_ASYNC_ENTRIES   1000         /* of the feed in a turn */
#define NGX_HTTP_ASYNC_NEW_BELL  5000         /* ms until the next try */


/* a bell that is opened on a thread */
typedef struct {
    async_store_t               *store;
    async_bell_t                *bell;
    int                          fd;
    async_rc_t                   rc;
    async_error_t                error;
} ngx_http_async_bell_t;


/* what one process has */
typedef struct {
    ngx_http_async_main_conf_t  *amcf;
    uint64_t                     seq;         /* place in the feed */
    ngx_event_t                  net;

    async_bell_t                *bell;
    ngx_connection_t            *connection;  /* of the bell */
    ngx_msec_t                   retry;       /* no bell before */

    unsigned                     looking:1;   /* seq is a place */
    unsigned                     more:1;      /* the feed has more */
    unsigned                     opening:1;   /* a bell */
    unsigned                     told:1;      /* that there is none */
    unsigned                     ending:1;
} ngx_http_async_ear_t;


static void ngx_http_async_spread_net(void);
static void ngx_http_async_net(ngx_event_t *ev);
static void ngx_http_async_feed_again(void);
static bool ngx_http_async_fed(void *data, const async_id_t *id,
    uint64_t seq);
static void ngx_http_async_open_bell(void);
static void ngx_http_async_bell_thread(void *data, ngx_log_t *log);
static void ngx_http_async_bell_opened(ngx_event_t *ev);
static ngx_int_t ngx_http_async_hang_bell(async_bell_t *bell, int fd);
static void ngx_http_async_rung(ngx_event_t *ev);
static void ngx_http_async_close_bell(void);


static ngx_http_async_ear_t  ngx_http_async_ear;


void
ngx_http_async_feed_init(ngx_http_async_main_conf_t *amcf)
{
    ngx_http_async_ear_t  *ear;

    ear = &ngx_http_async_ear;

    /* once more in a single process: another table of connections */

    ngx_http_async_close_bell();

    ear->amcf = amcf;
    ear->retry = ngx_current_msec;
    ear->net.handler = ngx_http_async_net;
    ear->net.data = ear;
    ear->net.cancelable = 1;
}


ngx_uint_t
ngx_http_async_feed_begin(void)
{
    ngx_http_async_ear_t  *ear;

    ear = &ngx_http_async_ear;

    if (ngx_http_async_view() == NULL) {
        return 0;
    }

    if (ear->looking) {
        return 1;
    }

    if (async_view_feed_last(ngx_http_async_view(), &ear->seq) != ASYNC_OK) {
        return 0;
    }

    ear->looking = 1;
    ear->more = 0;

    if (ear->bell) {
        async_bell_arm(ear->bell);
    }

    ngx_http_async_open_bell();

    ngx_http_async_spread_net();

    return 1;
}


ngx_uint_t
ngx_http_async_feed_more(void)
{
    return ngx_http_async_ear.more;
}


static void
ngx_http_async_spread_net(void)
{
    ngx_event_t  *ev;

    ev = &ngx_http_async_ear.net;
    ev->log = ngx_cycle->log;

    if (!ev->timer_set) {
        ngx_add_timer(ev, NGX_HTTP_ASYNC_NET);
    }
}


/* --- looking --- */

static void
ngx_http_async_net(ngx_event_t *ev)
{
    ngx_http_async_open_bell();
    ngx_http_async_feed_look();
}


void
ngx_http_async_feed_look(void)
{
    bool                   lost;
    uint64_t               before;
    async_view_t          *view;
    ngx_http_async_ear_t  *ear;

    ear = &ngx_http_async_ear;
    view = ngx_http_async_view();

    ear->more = 0;

    if (ngx_http_async_waiting() == 0) {
        ear->looking = 0;
        return;
    }

    ngx_http_async_spread_net();

    if (ngx_exiting && !ear->ending) {
        ear->ending = 1;
        ngx_http_async_end_waiters();
    }

    if (view == NULL) {
        return;
    }

    if (!ear->looking) {
        ngx_http_async_feed_again();
        return;
    }

    /* first armed, then read: what comes in between rings */

    if (ear->bell) {
        async_bell_arm(ear->bell);
    }

    before = ear->seq;

    if (async_view_feed(view, &ear->seq, NGX_HTTP_ASYNC_ENTRIES, &lost,
                        ngx_http_async_fed, NULL)
        == ASYNC_OK)
    {
        ear->more = (ear->seq - before >= NGX_HTTP_ASYNC_ENTRIES);
    }

    if (lost) {
        ngx_http_async_all_changed();
    }

    ngx_http_async_wake();
}


/* after the store was opened anew, and may be another one */

static void
ngx_http_async_feed_again(void)
{
    if (ngx_http_async_feed_begin()) {
        ngx_http_async_all_changed();
        ngx_http_async_wake();
    }
}


static bool
ngx_http_async_fed(void *data, const async_id_t *id, uint64_t seq)
{
    ngx_http_async_changed(id);

    return true;
}


/* --- the store comes and goes --- */

void
ngx_http_async_feed_leave(void)
{
    ngx_http_async_ear.looking = 0;
    ngx_http_async_ear.more = 0;

    ngx_http_async_close_bell();
}


ngx_uint_t
ngx_http_async_feed_busy(void)
{
    return ngx_http_async_ear.opening;
}


void
ngx_http_async_feed_exit(void)
{
    ngx_http_async_close_bell();
}


/* --- the bell --- */

/*
 * On a thread, since it takes a lock.  Until then, and where there is none,
 * the look every 250 ms is what there is.
 */

static void
ngx_http_async_open_bell(void)
{
    ngx_thread_task_t      *task;
    ngx_http_async_bell_t  *ctx;
    ngx_http_async_ear_t   *ear;

    ear = &ngx_http_async_ear;

    if (ear->bell || ear->opening || ngx_exiting
        || ngx_http_async_store() == NULL
        || (ngx_msec_int_t) (ngx_current_msec - ear->retry) < 0)
    {
        return;
    }

    ear->retry = ngx_current_msec + NGX_HTTP_ASYNC_NEW_BELL;

    task = ngx_calloc(sizeof(ngx_thread_task_t)
                      + sizeof(ngx_http_async_bell_t), ngx_cycle->log);
    if (task == NULL) {
        return;
    }

    ctx = (ngx_http_async_bell_t *) (task + 1);
    ctx->store = ngx_http_async_store();

    task->ctx = ctx;
    task->handler = ngx_http_async_bell_thread;
    task->event.handler = ngx_http_async_bell_opened;
    task->event.data = task;

    if (ngx_thread_task_post(ear->amcf->results, task) != NGX_OK) {
        ngx_free(task);
        return;
    }

    ear->opening = 1;
}


/* pool thread */

static void
ngx_http_async_bell_thread(void *data, ngx_log_t *log)
{
    ngx_http_async_bell_t *ctx = data;

    ctx->rc = async_bell_open(&ctx->bell, ctx->store, &ctx->fd, &ctx->error);
}


static void
ngx_http_async_bell_opened(ngx_event_t *ev)
{
    ngx_thread_task_t      *task;
    ngx_http_async_bell_t  *ctx;
    ngx_http_async_ear_t   *ear;

    task = ev->data;
    ctx = task->ctx;
    ear = &ngx_http_async_ear;

    ear->opening = 0;

    if (ctx->rc != ASYNC_OK) {

        if (!ear->told) {
            ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                          "async_store: %s: clients that wait for a job are "
                          "answered up to %d ms later", ctx->error.text,
                          NGX_HTTP_ASYNC_NET);
            ear->told = 1;
        }

    } else if (ctx->store != ngx_http_async_store() || ngx_exiting
               || ngx_http_async_hang_bell(ctx->bell, ctx->fd) != NGX_OK)
    {
        async_bell_close(ctx->bell);

    } else {
        ngx_http_async_feed_look();
    }

    ngx_free(task);
}


static ngx_int_t
ngx_http_async_hang_bell(async_bell_t *bell, int fd)
{
    ngx_connection_t       *c;
    ngx_http_async_ear_t   *ear;

    ear = &ngx_http_async_ear;

    if (ngx_cycle->free_connection_n == 0) {
        return NGX_ERROR;
    }

    c = ngx_get_connection(fd, ngx_cycle->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->data = ear;
    c->read->handler = ngx_http_async_rung;
    c->read->log = ngx_cycle->log;
    c->write->log = ngx_cycle->log;

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_free_connection(c);
        c->fd = (ngx_socket_t) -1;

        return NGX_ERROR;
    }

    ear->bell = bell;
    ear->connection = c;

    return NGX_OK;
}


static void
ngx_http_async_rung(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    /* worker_shutdown_timeout is over */

    if (c->close) {
        ngx_http_async_close_bell();
        return;
    }

    async_bell_drain(ngx_http_async_ear.bell);
    ev->ready = 0;

    if (ngx_handle_read_event(ev, 0) != NGX_OK) {
        ngx_http_async_close_bell();
    }

    ngx_http_async_feed_look();
}


/* its descriptor is the bell's: the connection lets go of it first */

static void
ngx_http_async_close_bell(void)
{
    ngx_connection_t       *c;
    ngx_http_async_ear_t   *ear;

    ear = &ngx_http_async_ear;

    if (ear->bell == NULL) {
        return;
    }

    c = ear->connection;

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->read->active || c->read->disabled) {
        (void) ngx_del_event(c->read, NGX_READ_EVENT, NGX_CLOSE_EVENT);
    }

    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;

    async_bell_close(ear->bell);

    ear->bell = NULL;
    ear->connection = NULL;
}
