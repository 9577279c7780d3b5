
/*
 * Group commit.  Submits, and changes of jobs, queue up in their nginx worker.
 * The thread of the store that writes takes what is there when the store's
 * door is open, as one batch; what arrives meanwhile is the next.  An answer
 * goes out only after the commit of its batch returned.
 *
 * The next batch is written while the one before is answered.  For that both
 * must be of a size: clients that wait for their answers come back together,
 * and would form one large batch, during which nobody is left to be served,
 * and one of the first that came back.  So if there is much less than the
 * batch before had, it is held for as long as each turn of the event loop
 * brings more.
 */

#include "ngx_http_async_module.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>


#define NGX_HTTP_ASYNC_BATCH_MAX  1024
#define NGX_HTTP_ASYNC_BATCH_SIZE (8 * 1024 * 1024)   /* bytes of bodies */
#define NGX_HTTP_ASYNC_BATCHES    3           /* written, answered, and one
                                                 between the two */
#define NGX_HTTP_ASYNC_TICK       100         /* ms, looks for deadlines */
#define NGX_HTTP_ASYNC_HANG       500         /* ms past the deadline until a
                                                 write counts as hanging */


typedef struct ngx_http_async_batch_s  ngx_http_async_batch_t;

struct ngx_http_async_batch_s {
    ngx_http_async_op_t         *ops[NGX_HTTP_ASYNC_BATCH_MAX];
    async_event_t                events[NGX_HTTP_ASYNC_BATCH_MAX];
    async_batch_t                batch;
    async_rc_t                   rc;
    async_error_t                error;
    ngx_http_async_batch_t      *next;
};


typedef struct {
    async_batches_t              source;      /* the first */
    ngx_uint_t                   seen;        /* so many were, a turn ago */
    ngx_uint_t                   refused;     /* since that was logged */
    time_t                       told;
    ngx_event_t                  tick;
    ngx_event_t                  hold;        /* posted: the next is held */
    ngx_connection_t             done_connection;
    ngx_event_t                  done_event;
    ngx_event_t                  done_write;  /* which is not */
    ngx_http_async_batch_t      *batches;     /* NULL: not initialized */

    /* what the thread that writes has to do with, behind a lock */

    pthread_mutex_t              lock;
    ngx_queue_t                  waiting;     /* ngx_http_async_op_t */
    ngx_uint_t                   nwaiting;
    ngx_uint_t                   enough;      /* so many are not held */
    ngx_uint_t                   busy;        /* unsigned busy:1: the source
                                                 is posted */
    ngx_http_async_batch_t      *spare;
    ngx_http_async_batch_t      *writing;
    ngx_http_async_batch_t      *done;
    ngx_http_async_batch_t     **done_last;
} ngx_http_async_commits_t;


static void ngx_http_async_commit_next(void);
static void ngx_http_async_commit_held(ngx_event_t *ev);
static void ngx_http_async_commit_start(void);
static int64_t ngx_http_async_commit_wait(async_batches_t *source);
static async_batch_t *ngx_http_async_commit_take(async_batches_t *source);
static bool ngx_http_async_commit_done(async_batches_t *source,
    async_batch_t *batch, async_rc_t rc, const async_error_t *err);
static void ngx_http_async_committed(ngx_event_t *ev);
static void ngx_http_async_commit_answer(ngx_http_async_batch_t *b);
static void ngx_http_async_commit_refused(async_rc_t rc, const char *error,
    ngx_uint_t n);
static void ngx_http_async_commit_tick(ngx_event_t *ev);
static void ngx_http_async_commit_withdraw(ngx_uint_t all, async_rc_t rc);
static void ngx_http_async_commit_hanging(void);
static void ngx_http_async_commit_arm(void);


static ngx_http_async_commits_t  ngx_http_async_commits;


ngx_int_t
ngx_http_async_commit_init(ngx_cycle_t *cycle)
{
    ngx_fd_t                   fd;
    ngx_uint_t                 i;
    ngx_connection_t          *c;
    ngx_http_async_batch_t    *b;
    ngx_http_async_commits_t  *ac;

    ac = &ngx_http_async_commits;

    if (ac->batches) {

        /* a reload in a single process: what is under way goes on */

        return NGX_OK;
    }

    /* not nginx's own, which would touch all of it */

    b = calloc(NGX_HTTP_ASYNC_BATCHES, sizeof(ngx_http_async_batch_t));
    if (b == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "no memory for batches");
        return NGX_ERROR;
    }

    fd = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);
    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, ngx_errno, "eventfd() failed");
        free(b);
        return NGX_ERROR;
    }

    /* as nginx has its own: no slot of worker_connections, and it stays */

    c = &ac->done_connection;
    c->fd = fd;
    c->read = &ac->done_event;
    c->write = &ac->done_write;
    c->log = cycle->log;

    c->read->data = c;
    c->read->log = cycle->log;
    c->read->handler = ngx_http_async_committed;
    c->write->data = c;
    c->write->log = cycle->log;

    if (ngx_add_event(c->read, NGX_READ_EVENT, NGX_CLEAR_EVENT) != NGX_OK) {
        (void) close(fd);
        free(b);
        return NGX_ERROR;
    }

    ac->source.wait = ngx_http_async_commit_wait;
    ac->source.take = ngx_http_async_commit_take;
    ac->source.done = ngx_http_async_commit_done;

    (void) pthread_mutex_init(&ac->lock, NULL);

    ngx_queue_init(&ac->waiting);

    for (i = 0; i < NGX_HTTP_ASYNC_BATCHES; i++) {
        b[i].next = ac->spare;
        ac->spare = &b[i];
    }

    ac->done_last = &ac->done;

    ac->tick.handler = ngx_http_async_commit_tick;
    ac->tick.data = ac;
    ac->tick.log = cycle->log;

    ac->hold.handler = ngx_http_async_commit_held;
    ac->hold.data = ac;
    ac->hold.log = cycle->log;

    ac->batches = b;

    return NGX_OK;
}


void
ngx_http_async_commit(ngx_http_async_op_t *op)
{
    ngx_http_async_commits_t  *ac;

    ac = &ngx_http_async_commits;

    op->event.deadline = ngx_current_msec + NGX_HTTP_ASYNC_DEADLINE;

    pthread_mutex_lock(&ac->lock);

    ngx_queue_insert_tail(&ac->waiting, &op->queue);
    ac->nwaiting++;

    pthread_mutex_unlock(&ac->lock);

    ngx_http_async_commit_arm();
    ngx_http_async_commit_next();
}


void
ngx_http_async_commit_resume(void)
{
    ngx_http_async_commit_next();
}


static void
ngx_http_async_commit_next(void)
{
    ngx_uint_t                 n, enough;
    ngx_http_async_commits_t  *ac;

    ac = &ngx_http_async_commits;

    pthread_mutex_lock(&ac->lock);

    n = ac->busy || ac->spare == NULL ? 0 : ac->nwaiting;
    enough = ac->enough;

    pthread_mutex_unlock(&ac->lock);

    if (n == 0) {
        return;
    }

    if (n >= enough) {
        ngx_http_async_commit_start();

    } else if (!ac->hold.posted) {
        ac->seen = n;
        ngx_post_event(&ac->hold, &ngx_posted_next_events);
    }
}


/* a turn of the event loop later */

static void
ngx_http_async_commit_held(ngx_event_t *ev)
{
    ngx_http_async_commits_t  *ac;

    ac = ev->data;

    pthread_mutex_lock(&ac->lock);

    if (!ac->busy && ac->nwaiting <= ac->seen) {
        ac->enough = 0;
    }

    pthread_mutex_unlock(&ac->lock);

    ngx_http_async_commit_next();
}


static void
ngx_http_async_commit_start(void)
{
    async_error_t              error;
    ngx_http_async_commits_t  *ac;

    ac = &ngx_http_async_commits;

    if (!ngx_http_async_published()) {
        return;
    }

    if (ac->hold.posted) {
        ngx_delete_posted_event(&ac->hold);
    }

    pthread_mutex_lock(&ac->lock);
    ac->busy = 1;
    pthread_mutex_unlock(&ac->lock);

    if (async_store_post(ngx_http_async_store(), &ac->source, &error)
        == ASYNC_OK)
    {
        return;
    }

    pthread_mutex_lock(&ac->lock);
    ac->busy = 0;
    pthread_mutex_unlock(&ac->lock);

    ngx_http_async_commit_refused(ASYNC_UNAVAILABLE, error.text,
                                  ac->nwaiting);
    ngx_http_async_commit_withdraw(1, ASYNC_UNAVAILABLE);
}


/* --- on the thread that writes --- */

/* the first to run out of time is the first in line */

static int64_t
ngx_http_async_commit_wait(async_batches_t *source)
{
    ngx_queue_t               *q;
    ngx_msec_int_t             wait;
    ngx_http_async_op_t       *op;
    ngx_http_async_commits_t  *ac;

    ac = (ngx_http_async_commits_t *) source;
    wait = 1;

    pthread_mutex_lock(&ac->lock);

    if (!ngx_queue_empty(&ac->waiting)) {
        q = ngx_queue_head(&ac->waiting);
        op = ngx_queue_data(q, ngx_http_async_op_t, queue);

        wait = (ngx_msec_int_t) (op->event.deadline - ngx_current_msec);
    }

    pthread_mutex_unlock(&ac->lock);

    return ngx_max(wait, 1);
}


static async_batch_t *
ngx_http_async_commit_take(async_batches_t *source)
{
    size_t                     size;
    ngx_uint_t                 i, n;
    ngx_queue_t               *q;
    struct timespec            now;
    ngx_http_async_op_t       *op;
    ngx_http_async_batch_t    *b;
    ngx_http_async_commits_t  *ac;

    ac = (ngx_http_async_commits_t *) source;
    size = 0;

    pthread_mutex_lock(&ac->lock);

    b = ac->spare;

    for (n = 0;
         n < NGX_HTTP_ASYNC_BATCH_MAX && size < NGX_HTTP_ASYNC_BATCH_SIZE
         && !ngx_queue_empty(&ac->waiting);
         n++)
    {
        q = ngx_queue_head(&ac->waiting);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_http_async_op_t, queue);
        op->in_flight = 1;
        size += op->event.payload.body.len;
        b->ops[n] = op;
    }

    ac->nwaiting -= n;

    if (n == 0) {
        ac->busy = 0;
        b = NULL;

    } else {
        ac->spare = b->next;
        ac->writing = b;
        b->batch.n = n;
    }

    pthread_mutex_unlock(&ac->lock);

    if (b == NULL) {
        return NULL;
    }

    for (i = 0; i < n; i++) {
        b->events[i] = b->ops[i]->event;
    }

    clock_gettime(CLOCK_REALTIME, &now);

    b->batch.events = b->events;
    b->batch.now = (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;

    return &b->batch;
}


static bool
ngx_http_async_commit_done(async_batches_t *source, async_batch_t *batch,
    async_rc_t rc, const async_error_t *err)
{
    bool                       more;
    ngx_http_async_batch_t    *b;
    ngx_http_async_commits_t  *ac;

    ac = (ngx_http_async_commits_t *) source;
    b = NULL;

    pthread_mutex_lock(&ac->lock);

    if (batch) {
        b = ac->writing;
        b->rc = rc;
        b->error = *err;
        b->next = NULL;

        *ac->done_last = b;
        ac->done_last = &b->next;

        ac->writing = NULL;
        ac->enough = batch->n / 2;
    }

    /* what is much less than this batch is held, in the event loop */

    more = (rc == ASYNC_OK || rc == ASYNC_BUSY) && ac->spare
           && ac->nwaiting && ac->nwaiting >= ac->enough;

    ac->busy = more;

    pthread_mutex_unlock(&ac->lock);

    (void) eventfd_write(ac->done_connection.fd, 1);

    return more;
}


/* --- in the event loop --- */

static void
ngx_http_async_committed(ngx_event_t *ev)
{
    ngx_http_async_batch_t    *b, *next;
    ngx_http_async_commits_t  *ac;

    ac = &ngx_http_async_commits;

    /* the edge has told, its number is not wanted */

    pthread_mutex_lock(&ac->lock);

    b = ac->done;
    ac->done = NULL;
    ac->done_last = &ac->done;

    pthread_mutex_unlock(&ac->lock);

    ngx_http_async_commit_next();

    for ( /* void */ ; b; b = next) {
        next = b->next;

        ngx_http_async_commit_answer(b);

        pthread_mutex_lock(&ac->lock);

        b->next = ac->spare;
        ac->spare = b;

        pthread_mutex_unlock(&ac->lock);

        ngx_http_async_commit_next();
    }
}


static void
ngx_http_async_commit_answer(ngx_http_async_batch_t *b)
{
    ngx_uint_t            i;
    ngx_http_async_op_t  *op;

    if (b->rc != ASYNC_OK) {
        ngx_http_async_commit_refused(b->rc, b->error.text, b->batch.n);
    }

    for (i = 0; i < b->batch.n; i++) {
        op = b->ops[i];
        op->in_flight = 0;

        if (b->events[i].rc == ASYNC_EXISTS) {
            op->event.id = b->events[i].id;
            op->event.joined = b->events[i].joined;

        } else if (b->events[i].rc == ASYNC_EARLY) {
            op->event.due = b->events[i].due;
        }

        op->handler(op, b->events[i].rc);
    }
}


/* one line a second, however many clients try */

static void
ngx_http_async_commit_refused(async_rc_t rc, const char *error, ngx_uint_t n)
{
    ngx_http_async_commits_t  *ac;

    ac = &ngx_http_async_commits;
    ac->refused += n;

    if (ac->told == ngx_time()) {
        return;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "async_store: %ui submits or cancels were not stored (%s): "
                  "%s",
                  ac->refused, async_rc_name(rc), error);

    ac->told = ngx_time();
    ac->refused = 0;
}


/*
 * The tick withdraws what waited past its deadline.  It is a timer that is
 * not cancelable on purpose: a worker that shuts down must not leave while
 * submits are on their way, and nothing else would hold it.
 */

static void
ngx_http_async_commit_tick(ngx_event_t *ev)
{
    ngx_uint_t  failed;

    failed = ngx_http_async_store_error() != NULL;

    ngx_http_async_commit_withdraw(failed, failed ? ASYNC_UNAVAILABLE
                                                  : ASYNC_LATE);
    ngx_http_async_commit_hanging();
    ngx_http_async_commit_arm();
}


/* those that are late, or all */

static void
ngx_http_async_commit_withdraw(ngx_uint_t all, async_rc_t rc)
{
    ngx_queue_t                gone;
    ngx_queue_t               *q, *next;
    ngx_http_async_op_t       *op;
    ngx_http_async_commits_t  *ac;

    ac = &ngx_http_async_commits;

    ngx_queue_init(&gone);

    pthread_mutex_lock(&ac->lock);

    for (q = ngx_queue_head(&ac->waiting);
         q != ngx_queue_sentinel(&ac->waiting);
         q = next)
    {
        next = ngx_queue_next(q);
        op = ngx_queue_data(q, ngx_http_async_op_t, queue);

        if (all
            || (ngx_msec_int_t) (op->event.deadline - ngx_current_msec) <= 0)
        {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(&gone, q);
            ac->nwaiting--;
        }
    }

    pthread_mutex_unlock(&ac->lock);

    while (!ngx_queue_empty(&gone)) {
        q = ngx_queue_head(&gone);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_http_async_op_t, queue);
        op->handler(op, rc);
    }
}


/* clients of a write that hangs are told that its outcome is unknown */

static void
ngx_http_async_commit_hanging(void)
{
    ngx_uint_t                 i;
    ngx_http_async_op_t       *op;
    ngx_http_async_batch_t    *b;
    ngx_http_async_commits_t  *ac;

    ac = &ngx_http_async_commits;

    /* it may be done by now, but its ops stay until we have answered them */

    pthread_mutex_lock(&ac->lock);
    b = ac->writing;
    pthread_mutex_unlock(&ac->lock);

    if (b == NULL) {
        return;
    }

    for (i = 0; i < b->batch.n; i++) {
        op = b->ops[i];

        if (op->request
            && (ngx_msec_int_t) (ngx_current_msec - op->event.deadline)
               > NGX_HTTP_ASYNC_HANG)
        {
            op->handler(op, ASYNC_UNKNOWN);
        }
    }
}


static void
ngx_http_async_commit_arm(void)
{
    ngx_uint_t                 needed;
    ngx_http_async_commits_t  *ac;

    ac = &ngx_http_async_commits;

    if (ac->tick.timer_set) {
        return;
    }

    pthread_mutex_lock(&ac->lock);

    needed = ac->busy || ac->done || !ngx_queue_empty(&ac->waiting);

    pthread_mutex_unlock(&ac->lock);

    if (needed) {
        ngx_add_timer(&ac->tick, NGX_HTTP_ASYNC_TICK);
    }
}
