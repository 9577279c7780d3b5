
/*
 * Group commit.  Submits, and changes of jobs, queue up in their nginx worker;
 * at most one batch of them is on the commits thread, and what arrives
 * meanwhile is the next.  An answer goes out only after the commit of its
 * batch returned.
 *
 * The next batch is on its way before the one that is done is answered, so
 * that the disk works while we do.  For that both must be of a size: clients
 * that wait for their answers come back together, and would form one large
 * batch, during which nobody is left to be served, and one of the first that
 * came back.  So a batch that is much smaller than the one before is held for
 * as long as each turn of the event loop brings more.
 *
 * If another process commits in between, his commit is what we work beside: a
 * batch is to be all that there is, and is held for a moment, since it would
 * only wait behind the door, where it cannot grow.
 */

#include "ngx_http_async_module.h"


#define NGX_HTTP_ASYNC_BATCH_MAX  1024
#define NGX_HTTP_ASYNC_BATCH_SIZE (8 * 1024 * 1024)   /* bytes of bodies */
#define NGX_HTTP_ASYNC_MOMENT     1           /* ms */
#define NGX_HTTP_ASYNC_TICK       100         /* ms, looks for deadlines */
#define NGX_HTTP_ASYNC_FILE_RATE  4096        /* bytes a ms, at the least */
#define NGX_HTTP_ASYNC_HANG       500         /* ms past the deadline until a
                                                 write counts as hanging */


typedef struct {
    ngx_http_async_op_t         *ops[NGX_HTTP_ASYNC_BATCH_MAX];
    async_event_t                events[NGX_HTTP_ASYNC_BATCH_MAX];
    async_batch_t                batch;
    async_store_t               *store;
    async_rc_t                   rc;
    async_error_t                error;
} ngx_http_async_batch_t;


typedef struct {
    ngx_http_async_main_conf_t  *amcf;
    ngx_queue_t                  waiting;     /* ngx_http_async_op_t */
    ngx_uint_t                   nwaiting;
    ngx_uint_t                   enough;      /* so many are not held */
    ngx_uint_t                   seen;        /* so many were, a turn ago */
    ngx_uint_t                   shared;      /* unsigned shared:1: another
                                                 process commits, too */
    ngx_queue_t                  files;       /* ops on the file threads */
    ngx_uint_t                   busy;        /* unsigned busy:1: a batch is
                                                 on its way */
    ngx_uint_t                   refused;     /* since that was logged */
    time_t                       told;
    ngx_event_t                  tick;
    ngx_event_t                  hold;        /* posted, or a timer: the next
                                                 is held */
    ngx_thread_task_t           *task;
    ngx_http_async_batch_t      *batch;       /* the next, or the busy one */
    ngx_http_async_batch_t      *spare;
} ngx_http_async_commits_t;


static void ngx_http_async_commit_start(void);
static void ngx_http_async_commit_next(void);
static void ngx_http_async_commit_held(ngx_event_t *ev);
static ngx_uint_t ngx_http_async_commit_take(ngx_http_async_batch_t *b);
static void ngx_http_async_commit_thread(void *data, ngx_log_t *log);
static void ngx_http_async_committed(ngx_event_t *ev);
static void ngx_http_async_commit_refused(ngx_http_async_batch_t *b);
static void ngx_http_async_commit_tick(ngx_event_t *ev);
static void ngx_http_async_files_late(void);
static void ngx_http_async_commit_hanging(void);
static void ngx_http_async_commit_arm(void);
static void ngx_http_async_file_done(ngx_event_t *ev);


static ngx_http_async_commits_t  ngx_http_async_commits;


ngx_int_t
ngx_http_async_commit_init(ngx_cycle_t *cycle,
    ngx_http_async_main_conf_t *amcf)
{
    ngx_thread_task_t         *task;
    ngx_http_async_commits_t  *ac;

    ac = &ngx_http_async_commits;
    ac->amcf = amcf;

    if (ac->task) {

        /* a reload in a single process: what is under way goes on */

        return NGX_OK;
    }

    task = ngx_calloc(sizeof(ngx_thread_task_t)
                      + 2 * sizeof(ngx_http_async_batch_t), cycle->log);
    if (task == NULL) {
        return NGX_ERROR;
    }

    task->handler = ngx_http_async_commit_thread;
    task->event.handler = ngx_http_async_committed;

    ac->batch = (ngx_http_async_batch_t *) (task + 1);
    ac->spare = ac->batch + 1;

    ngx_queue_init(&ac->waiting);
    ngx_queue_init(&ac->files);

    ac->tick.handler = ngx_http_async_commit_tick;
    ac->tick.data = ac;
    ac->tick.log = cycle->log;

    ac->hold.handler = ngx_http_async_commit_held;
    ac->hold.data = ac;
    ac->hold.log = cycle->log;

    ac->task = task;

    return NGX_OK;
}


void
ngx_http_async_commit(ngx_http_async_op_t *op)
{
    ngx_http_async_commits_t  *ac;

    ac = &ngx_http_async_commits;

    op->event.deadline = ngx_current_msec + NGX_HTTP_ASYNC_DEADLINE;

    ngx_queue_insert_tail(&ac->waiting, &op->queue);
    ac->nwaiting++;

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
    ngx_http_async_commits_t  *ac;

    ac = &ngx_http_async_commits;

    if (ac->busy || ac->nwaiting == 0) {
        return;
    }

    if (ac->nwaiting >= ac->enough) {
        ngx_http_async_commit_start();

    } else if (!ac->hold.posted && !ac->hold.timer_set) {
        ac->seen = ac->nwaiting;

        if (ac->shared) {
            ngx_add_timer(&ac->hold, NGX_HTTP_ASYNC_MOMENT);

        } else {
            ngx_post_event(&ac->hold, &ngx_posted_next_events);
        }
    }
}


/* a turn of the event loop later, or a moment */

static void
ngx_http_async_commit_held(ngx_event_t *ev)
{
    ngx_http_async_commits_t  *ac;

    ac = ev->data;

    if (ac->nwaiting <= (ac->shared ? 2 * ac->seen : ac->seen)) {
        ac->enough = 0;
    }

    ngx_http_async_commit_next();
}


static void
ngx_http_async_commit_start(void)
{
    ngx_uint_t                 n;
    ngx_http_async_batch_t    *b;
    ngx_http_async_commits_t  *ac;

    ac = &ngx_http_async_commits;

    if (!ngx_http_async_published()) {
        return;
    }

    if (ac->hold.posted) {
        ngx_delete_posted_event(&ac->hold);
    }

    if (ac->hold.timer_set) {
        ngx_del_timer(&ac->hold);
    }

    b = ac->batch;
    n = ngx_http_async_commit_take(b);

    ac->task->ctx = b;
    ac->task->event.data = b;
    ac->busy = 1;

    if (ngx_thread_task_post(ac->amcf->commits, ac->task) == NGX_OK) {
        return;
    }

    while (n--) {
        b->ops[n]->in_flight = 0;
        b->ops[n]->handler(b->ops[n], ASYNC_UNAVAILABLE);
    }

    ac->busy = 0;
}


static ngx_uint_t
ngx_http_async_commit_take(ngx_http_async_batch_t *b)
{
    size_t                     size;
    ngx_uint_t                 n;
    ngx_queue_t               *q;
    ngx_http_async_op_t       *op;
    ngx_http_async_commits_t  *ac;

    ac = &ngx_http_async_commits;
    size = 0;

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
        b->events[n] = op->event;
    }

    ac->nwaiting -= n;

    ngx_memzero(&b->batch, sizeof(async_batch_t));

    b->store = ngx_http_async_store();
    b->batch.events = b->events;
    b->batch.n = n;
    b->batch.now = ngx_http_async_now();

    /* the first to run out of time is the first in line */

    b->batch.wait_ms = (ngx_msec_int_t) (b->events[0].deadline
                                         - ngx_current_msec);
    b->batch.wait_ms = ngx_max(b->batch.wait_ms, 1);

    return n;
}


/* pool thread: begins, writes and commits in one call */

static void
ngx_http_async_commit_thread(void *data, ngx_log_t *log)
{
    ngx_http_async_batch_t *b = data;

    b->error.text[0] = '\0';
    b->rc = async_store_apply(b->store, &b->batch, &b->error);
}


static void
ngx_http_async_committed(ngx_event_t *ev)
{
    ngx_uint_t                 i;
    ngx_http_async_op_t       *op;
    ngx_http_async_batch_t    *b;
    ngx_http_async_commits_t  *ac;

    ac = &ngx_http_async_commits;
    b = ev->data;

    if (b->rc != ASYNC_OK && b->rc != ASYNC_BUSY) {
        ngx_http_async_commit_refused(b);
    }

    /* backwards, so that those that may try again keep their order */

    for (i = b->batch.n; i-- > 0; /* void */) {
        op = b->ops[i];
        op->in_flight = 0;

        if (b->events[i].rc == ASYNC_EXISTS) {
            op->event.id = b->events[i].id;
            op->event.joined = b->events[i].joined;

        } else if (b->events[i].rc == ASYNC_EARLY) {
            op->event.due = b->events[i].due;
        }

        if (b->events[i].rc == ASYNC_BUSY
            && (ngx_msec_int_t) (op->event.deadline - ngx_current_msec) > 0)
        {
            ngx_queue_insert_head(&ac->waiting, &op->queue);
            ac->nwaiting++;
            b->ops[i] = NULL;
        }
    }

    /* an answer may lead to the next submit of its connection */

    ac->batch = ac->spare;
    ac->spare = b;
    ac->busy = 0;
    ac->shared = b->batch.waited;
    ac->enough = ac->shared ? b->batch.n + ac->nwaiting : b->batch.n / 2;
    ac->enough = ngx_min(ac->enough, NGX_HTTP_ASYNC_BATCH_MAX);

    ngx_http_async_commit_next();

    for (i = 0; i < b->batch.n; i++) {
        if (b->ops[i]) {
            b->ops[i]->handler(b->ops[i], b->events[i].rc);
        }
    }
}


/* one line a second, however many clients try */

static void
ngx_http_async_commit_refused(ngx_http_async_batch_t *b)
{
    ngx_http_async_commits_t  *ac;

    ac = &ngx_http_async_commits;
    ac->refused += b->batch.n;

    if (ac->told == ngx_time()) {
        return;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "async_store: %ui submits or cancels were not stored (%s): "
                  "%s",
                  ac->refused, async_rc_name(b->rc), b->error.text);

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
    const char                *error;
    ngx_queue_t               *q, *next;
    ngx_http_async_op_t       *op;
    ngx_http_async_commits_t  *ac;

    ac = ev->data;
    error = ngx_http_async_store_error();

    for (q = ngx_queue_head(&ac->waiting);
         q != ngx_queue_sentinel(&ac->waiting);
         q = next)
    {
        next = ngx_queue_next(q);
        op = ngx_queue_data(q, ngx_http_async_op_t, queue);

        if (error == NULL
            && (ngx_msec_int_t) (op->event.deadline - ngx_current_msec) > 0)
        {
            continue;
        }

        ngx_queue_remove(q);
        ac->nwaiting--;
        op->handler(op, error ? ASYNC_UNAVAILABLE : ASYNC_LATE);
    }

    ngx_http_async_files_late();
    ngx_http_async_commit_hanging();
    ngx_http_async_commit_arm();
}


/*
 * A file that takes too long is answered now; what comes of it is dropped
 * when the thread is done.
 */

static void
ngx_http_async_files_late(void)
{
    ngx_queue_t               *q;
    ngx_http_async_op_t       *op;
    ngx_http_async_commits_t  *ac;

    ac = &ngx_http_async_commits;

    for (q = ngx_queue_head(&ac->files);
         q != ngx_queue_sentinel(&ac->files);
         q = ngx_queue_next(q))
    {
        op = ngx_queue_data(q, ngx_http_async_op_t, queue);

        if (op->request
            && (ngx_msec_int_t) (op->event.deadline - ngx_current_msec) <= 0)
        {
            op->withdrawn = 1;
            op->handler(op, ASYNC_LATE);
        }
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

    if (!ac->busy) {
        return;
    }

    b = ac->batch;

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
    ngx_http_async_commits_t  *ac;

    ac = &ngx_http_async_commits;

    if (!ac->tick.timer_set
        && (ac->busy || !ngx_queue_empty(&ac->files)
            || !ngx_queue_empty(&ac->waiting)))
    {
        ngx_add_timer(&ac->tick, NGX_HTTP_ASYNC_TICK);
    }
}


ngx_int_t
ngx_http_async_file_task(ngx_http_async_op_t *op,
    void (*thread)(void *data, ngx_log_t *log),
    ngx_http_async_op_handler_pt done)
{
    ngx_thread_pool_t         *pool;
    ngx_thread_task_t         *task;
    ngx_http_async_commits_t  *ac;

    ac = &ngx_http_async_commits;
    pool = op->length <= ASYNC_CHUNKED_MAX ? ac->amcf->reads : ac->amcf->files;

    task = ngx_pcalloc(op->pool, sizeof(ngx_thread_task_t));
    if (task == NULL) {
        return NGX_ERROR;
    }

    task->ctx = op;
    task->handler = thread;
    task->event.handler = ngx_http_async_file_done;
    task->event.data = op;

    op->file_done = done;
    op->event.deadline = ngx_current_msec + NGX_HTTP_ASYNC_DEADLINE
                         + op->length / NGX_HTTP_ASYNC_FILE_RATE;

    if (ngx_thread_task_post(pool, task) != NGX_OK) {
        return NGX_ERROR;
    }

    op->in_flight = 1;
    ngx_queue_insert_tail(&ac->files, &op->queue);
    ngx_http_async_commit_arm();

    return NGX_OK;
}


ngx_uint_t
ngx_http_async_files_busy(void)
{
    return !ngx_queue_empty(&ngx_http_async_commits.files);
}


static void
ngx_http_async_file_done(ngx_event_t *ev)
{
    ngx_http_async_op_t  *op;

    op = ev->data;

    ngx_queue_remove(&op->queue);
    op->in_flight = 0;

    op->file_done(op, op->withdrawn ? ASYNC_LATE : op->rc);
}
