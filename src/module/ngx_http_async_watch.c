
/*
 * The waiting room.  Watched jobs are in a tree by their id, each with those
 * who wait for it.  A job that changed is read once for all of them.  They
 * are told in slices, so that ten thousand of them do not hold up the others
 * that this worker serves.
 */

#include "ngx_http_async_watch.h"


#define NGX_HTTP_ASYNC_JITTER    500          /* ms to end all waiters in */
#define NGX_HTTP_ASYNC_WAKES     100          /* waiters in a turn */


struct ngx_http_async_watched_s {
    ngx_rbtree_node_t            node;
    async_id_t                   id;
    ngx_queue_t                  queue;       /* of jobs, or of changed */
    ngx_queue_t                  waiters;     /* who know how it is */
    ngx_queue_t                  stale;       /* who do not yet */

    unsigned                     changed:1;   /* its list is that one */
    unsigned                     busy:1;      /* its waiters are being told */
};


/* what one process has */
typedef struct {
    ngx_rbtree_t                 tree;
    ngx_rbtree_node_t            sentinel;
    ngx_queue_t                  jobs;
    ngx_queue_t                  changed;
    ngx_uint_t                   n;           /* waiters */
    ngx_uint_t                   seats;       /* taken by those who wait for
                                                 no job in particular */
    ngx_event_t                  next;        /* the next slice */
    ngx_uint_t                   ready;       /* unsigned ready:1 */
} ngx_http_async_room_t;


static ngx_uint_t ngx_http_async_room_full(void);
static ngx_http_async_watched_t *ngx_http_async_find(const async_id_t *id);
static ngx_http_async_watched_t *ngx_http_async_watched(const async_id_t *id);
static void ngx_http_async_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static void ngx_http_async_drop_watched(ngx_http_async_watched_t *watched);
static void ngx_http_async_watch_reading(ngx_http_request_t *r);
static void ngx_http_async_watch_cleanup(void *data);
static void ngx_http_async_set_timer(ngx_http_async_waiter_t *w);
static void ngx_http_async_time_up(ngx_event_t *ev);
static async_rc_t ngx_http_async_read(const async_id_t *id, async_job_t *job);
static void ngx_http_async_all_stale(ngx_http_async_watched_t *watched);
static void ngx_http_async_list_changed(ngx_http_async_watched_t *watched);
static void ngx_http_async_next(ngx_event_t *ev);
static void ngx_http_async_wake_next(void);
static ngx_uint_t ngx_http_async_wake_job(ngx_http_async_watched_t *watched,
    ngx_uint_t left);
static void ngx_http_async_end_queue(ngx_queue_t *waiters);


static ngx_http_async_room_t  ngx_http_async_room;


void
ngx_http_async_watch_init(void)
{
    ngx_http_async_room_t  *room;

    room = &ngx_http_async_room;

    if (room->ready) {
        return;
    }

    ngx_rbtree_init(&room->tree, &room->sentinel, ngx_http_async_insert);
    ngx_queue_init(&room->jobs);
    ngx_queue_init(&room->changed);

    room->next.handler = ngx_http_async_next;
    room->next.data = room;
    room->ready = 1;
}


ngx_uint_t
ngx_http_async_waiting(void)
{
    return ngx_http_async_room.n;
}


/* replays and their backends need the other half of the connections */

static ngx_uint_t
ngx_http_async_room_full(void)
{
    return ngx_http_async_room.n + ngx_http_async_room.seats
           >= ngx_cycle->connection_n / 2;
}


ngx_uint_t
ngx_http_async_take_seat(void)
{
    if (ngx_exiting || ngx_http_async_room_full()) {
        return 0;
    }

    ngx_http_async_room.seats++;

    return 1;
}


void
ngx_http_async_leave_seat(void)
{
    ngx_http_async_room.seats--;
}


/* --- coming and going --- */

ngx_http_async_waiter_t *
ngx_http_async_watch(ngx_http_request_t *r, const async_id_t *id,
    ngx_msec_t time, ngx_msec_t every, ngx_http_async_waiter_pt handler)
{
    ngx_http_cleanup_t        *cln;
    ngx_http_async_waiter_t   *w;
    ngx_http_async_watched_t  *watched;

    if (ngx_exiting || ngx_http_async_room_full()
        || !ngx_http_async_feed_begin())
    {
        return NULL;
    }

    cln = ngx_http_cleanup_add(r, sizeof(ngx_http_async_waiter_t));
    if (cln == NULL) {
        return NULL;
    }

    w = cln->data;
    ngx_memzero(w, sizeof(ngx_http_async_waiter_t));
    cln->handler = ngx_http_async_watch_cleanup;

    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        return NULL;
    }

    watched = ngx_http_async_watched(id);
    if (watched == NULL) {
        return NULL;
    }

    w->watched = watched;
    w->request = r;
    w->id = *id;
    w->handler = handler;
    w->timer.handler = ngx_http_async_time_up;
    w->timer.data = w;
    w->timer.log = r->connection->log;

    w->until = ngx_current_msec + time;
    w->every = every;

    ngx_http_async_set_timer(w);

    /* the job may have changed since it was read: the first look is soon */

    ngx_queue_insert_tail(&watched->stale, &w->queue);
    ngx_http_async_room.n++;

    ngx_http_async_list_changed(watched);
    ngx_http_async_wake_next();

    ngx_http_async_watch_reading(r);

    return w;
}


static ngx_http_async_watched_t *
ngx_http_async_find(const async_id_t *id)
{
    ngx_int_t                  rc;
    ngx_rbtree_node_t         *node, *sentinel;
    ngx_http_async_watched_t  *watched;

    node = ngx_http_async_room.tree.root;
    sentinel = ngx_http_async_room.tree.sentinel;

    while (node != sentinel) {
        watched = (ngx_http_async_watched_t *) node;
        rc = ngx_memcmp(id, &watched->id, sizeof(async_id_t));

        if (rc == 0) {
            return watched;
        }

        node = (rc < 0) ? node->left : node->right;
    }

    return NULL;
}


static ngx_http_async_watched_t *
ngx_http_async_watched(const async_id_t *id)
{
    ngx_http_async_watched_t  *watched;

    watched = ngx_http_async_find(id);

    if (watched) {
        return watched;
    }

    /* not of a request's pool: who came first may leave first */

    watched = ngx_calloc(sizeof(ngx_http_async_watched_t), ngx_cycle->log);
    if (watched == NULL) {
        return NULL;
    }

    watched->id = *id;
    ngx_queue_init(&watched->waiters);
    ngx_queue_init(&watched->stale);

    ngx_queue_insert_tail(&ngx_http_async_room.jobs, &watched->queue);
    ngx_rbtree_insert(&ngx_http_async_room.tree, &watched->node);

    return watched;
}


static void
ngx_http_async_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t         **p;
    ngx_http_async_watched_t   *watched, *other;

    watched = (ngx_http_async_watched_t *) node;

    for ( ;; ) {
        other = (ngx_http_async_watched_t *) temp;

        p = (ngx_memcmp(&watched->id, &other->id, sizeof(async_id_t)) < 0)
            ? &temp->left : &temp->right;

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


static void
ngx_http_async_drop_watched(ngx_http_async_watched_t *watched)
{
    if (watched->busy || !ngx_queue_empty(&watched->waiters)
        || !ngx_queue_empty(&watched->stale))
    {
        return;
    }

    ngx_queue_remove(&watched->queue);
    ngx_rbtree_delete(&ngx_http_async_room.tree, &watched->node);
    ngx_free(watched);
}


/* a client that goes away is seen; what it did so far may be seen already */

static void
ngx_http_async_watch_reading(ngx_http_request_t *r)
{
    ngx_event_t  *rev;

    rev = r->connection->read;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    if (rev->ready) {
        ngx_post_event(rev, &ngx_posted_events);
    }
}


void
ngx_http_async_unwatch(ngx_http_async_waiter_t *w)
{
    ngx_http_async_watched_t  *watched;

    watched = w->watched;

    if (watched == NULL) {
        return;
    }

    if (w->timer.timer_set) {
        ngx_del_timer(&w->timer);
    }

    ngx_queue_remove(&w->queue);
    ngx_http_async_room.n--;
    w->watched = NULL;

    ngx_http_async_drop_watched(watched);
}


static void
ngx_http_async_watch_cleanup(void *data)
{
    ngx_http_async_unwatch(data);
}


static void
ngx_http_async_set_timer(ngx_http_async_waiter_t *w)
{
    ngx_msec_t  left;

    left = w->until - ngx_current_msec;

    ngx_add_timer(&w->timer, w->every ? ngx_min(w->every, left) : left);
}


void
ngx_http_async_set_every(ngx_http_async_waiter_t *w, ngx_msec_t every)
{
    if (w->every == every) {
        return;
    }

    w->every = every;

    /* then the timer says when all of this ends */

    if (ngx_exiting) {
        return;
    }

    if (w->timer.timer_set) {
        ngx_del_timer(&w->timer);
    }

    ngx_http_async_set_timer(w);
}


static void
ngx_http_async_time_up(ngx_event_t *ev)
{
    async_rc_t                rc;
    async_job_t               job;
    ngx_http_async_waiter_t  *w;

    w = ev->data;

    w->over = ngx_exiting
              || (ngx_msec_int_t) (w->until - ngx_current_msec) <= 0;

    if (!w->over) {
        ngx_http_async_set_timer(w);
    }

    rc = ngx_http_async_read(&w->id, &job);

    w->handler(w, rc, &job);
}


/* job borrows from a buffer: nobody reads while a handler runs */

static async_rc_t
ngx_http_async_read(const async_id_t *id, async_job_t *job)
{
    async_view_t  *view;

    static uint8_t  buf[ASYNC_JOB_MAX];

    view = ngx_http_async_view();

    return view ? async_view_job(view, id, job, buf) : ASYNC_UNAVAILABLE;
}


/* --- changes --- */

void
ngx_http_async_changed(const async_id_t *id)
{
    ngx_http_async_watched_t  *watched;

    watched = ngx_http_async_find(id);

    if (watched) {
        ngx_http_async_all_stale(watched);
    }
}


void
ngx_http_async_all_changed(void)
{
    ngx_queue_t            *q;
    ngx_http_async_room_t  *room;

    room = &ngx_http_async_room;

    for (q = ngx_queue_head(&room->changed);
         q != ngx_queue_sentinel(&room->changed);
         q = ngx_queue_next(q))
    {
        ngx_http_async_all_stale(ngx_queue_data(q, ngx_http_async_watched_t,
                                                queue));
    }

    while (!ngx_queue_empty(&room->jobs)) {
        q = ngx_queue_head(&room->jobs);
        ngx_http_async_all_stale(ngx_queue_data(q, ngx_http_async_watched_t,
                                                queue));
    }
}


static void
ngx_http_async_all_stale(ngx_http_async_watched_t *watched)
{
    if (!ngx_queue_empty(&watched->waiters)) {
        ngx_queue_add(&watched->stale, &watched->waiters);
        ngx_queue_init(&watched->waiters);
    }

    ngx_http_async_list_changed(watched);
}


static void
ngx_http_async_list_changed(ngx_http_async_watched_t *watched)
{
    if (watched->changed) {
        return;
    }

    ngx_queue_remove(&watched->queue);
    ngx_queue_insert_tail(&ngx_http_async_room.changed, &watched->queue);
    watched->changed = 1;
}


/* --- waking --- */

static void
ngx_http_async_next(ngx_event_t *ev)
{
    if (ngx_http_async_feed_more()) {
        ngx_http_async_feed_look();

    } else {
        ngx_http_async_wake();
    }
}


void
ngx_http_async_wake(void)
{
    ngx_uint_t              left;
    ngx_queue_t            *q;
    ngx_http_async_room_t  *room;

    room = &ngx_http_async_room;

    left = NGX_HTTP_ASYNC_WAKES;

    while (left && ngx_http_async_view() && !ngx_queue_empty(&room->changed)) {
        q = ngx_queue_head(&room->changed);
        left = ngx_http_async_wake_job(ngx_queue_data(q,
                                           ngx_http_async_watched_t, queue),
                                       left);
    }

    if (ngx_http_async_view()
        && (ngx_http_async_feed_more() || !ngx_queue_empty(&room->changed)))
    {
        ngx_http_async_wake_next();
    }
}


static void
ngx_http_async_wake_next(void)
{
    ngx_event_t  *ev;

    ev = &ngx_http_async_room.next;
    ev->log = ngx_cycle->log;

    ngx_post_event(ev, &ngx_posted_next_events);
}


/* a handler may end any waiter, of this job too: the first in line is next */

static ngx_uint_t
ngx_http_async_wake_job(ngx_http_async_watched_t *watched, ngx_uint_t left)
{
    async_rc_t                rc;
    async_job_t               job;
    ngx_queue_t              *q;
    ngx_http_async_waiter_t  *w;

    rc = ngx_http_async_read(&watched->id, &job);

    watched->busy = 1;

    while (left && !ngx_queue_empty(&watched->stale)) {
        q = ngx_queue_head(&watched->stale);
        ngx_queue_remove(q);
        ngx_queue_insert_tail(&watched->waiters, q);

        w = ngx_queue_data(q, ngx_http_async_waiter_t, queue);
        w->handler(w, rc, &job);

        left--;
    }

    watched->busy = 0;

    if (ngx_queue_empty(&watched->stale)) {
        ngx_queue_remove(&watched->queue);
        ngx_queue_insert_tail(&ngx_http_async_room.jobs, &watched->queue);
        watched->changed = 0;
    }

    ngx_http_async_drop_watched(watched);

    return left;
}


/*
 * This worker shuts down: all are answered as if their time were up, not in
 * one moment, so that they do not come to its successor in one moment either.
 */

void
ngx_http_async_end_waiters(void)
{
    ngx_uint_t                 i;
    ngx_queue_t               *q, *list[2];
    ngx_http_async_watched_t  *watched;

    list[0] = &ngx_http_async_room.jobs;
    list[1] = &ngx_http_async_room.changed;

    for (i = 0; i < 2; i++) {
        for (q = ngx_queue_head(list[i]);
             q != ngx_queue_sentinel(list[i]);
             q = ngx_queue_next(q))
        {
            watched = ngx_queue_data(q, ngx_http_async_watched_t, queue);

            ngx_http_async_end_queue(&watched->waiters);
            ngx_http_async_end_queue(&watched->stale);
        }
    }
}


static void
ngx_http_async_end_queue(ngx_queue_t *waiters)
{
    ngx_queue_t              *q;
    ngx_http_async_waiter_t  *w;

    for (q = ngx_queue_head(waiters);
         q != ngx_queue_sentinel(waiters);
         q = ngx_queue_next(q))
    {
        w = ngx_queue_data(q, ngx_http_async_waiter_t, queue);

        /* nginx leaves a timer alone that is moved by little */

        if (w->timer.timer_set) {
            ngx_del_timer(&w->timer);
        }

        ngx_add_timer(&w->timer, ngx_random() % NGX_HTTP_ASYNC_JITTER);
    }
}
