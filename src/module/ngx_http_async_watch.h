
/*
 * Clients that wait for a job to change, in the memory of their nginx worker.
 *
 * A waiter belongs to its request and goes with it.  Its handler is called
 * from the event loop: once soon after ngx_http_async_watch(), so that
 * nothing is missed that happened meanwhile, then after every change of the
 * job, and in the end with "over" set, when its time is up or this nginx
 * worker shuts down.  rc and job are what async_view_job() said, job lives
 * for the call; ASYNC_UNAVAILABLE: the store is being opened anew.
 *
 * The handler lets things be, or it ends the waiting (ngx_http_async_unwatch)
 * and answers; if it is over, it has to.
 */

#ifndef NGX_HTTP_ASYNC_WATCH_H
#define NGX_HTTP_ASYNC_WATCH_H


#include "ngx_http_async_module.h"


typedef struct ngx_http_async_watched_s  ngx_http_async_watched_t;
typedef struct ngx_http_async_waiter_s  ngx_http_async_waiter_t;

typedef void (*ngx_http_async_waiter_pt)(ngx_http_async_waiter_t *w,
    async_rc_t rc, async_job_t *job);

struct ngx_http_async_waiter_s {
    ngx_queue_t                  queue;       /* of its job */
    ngx_http_async_watched_t    *watched;     /* NULL: waits no longer */
    ngx_http_request_t          *request;
    async_id_t                   id;
    ngx_http_async_waiter_pt     handler;
    void                        *data;        /* the handler's */
    ngx_event_t                  timer;
    ngx_msec_t                   until;
    ngx_msec_t                   every;       /* called so often, 0: only
                                                 when the job changes */
    ngx_uint_t                   over;        /* unsigned over:1 */
};


/*
 * Makes the request wait for as long as time (ms) says: the caller keeps its
 * count.  NULL: it cannot, since so many wait already, or nginx shuts down;
 * it should be answered at once.  With every (ms) the handler is called so
 * often besides, for what moves without a change of the job.
 */
ngx_http_async_waiter_t *ngx_http_async_watch(ngx_http_request_t *r,
    const async_id_t *id, ngx_msec_t time, ngx_msec_t every,
    ngx_http_async_waiter_pt handler);
void ngx_http_async_unwatch(ngx_http_async_waiter_t *w);
/* from now on it is called so often */
void ngx_http_async_set_every(ngx_http_async_waiter_t *w, ngx_msec_t every);

/*
 * A place in the room for who waits for no job in particular, and keeps a
 * connection all the same.  0: there is none.
 */
ngx_uint_t ngx_http_async_take_seat(void);
void ngx_http_async_leave_seat(void);

void ngx_http_async_watch_init(void);
ngx_uint_t ngx_http_async_waiting(void);       /* how many */
/* they are told when ngx_http_async_wake() comes to them */
void ngx_http_async_changed(const async_id_t *id);
void ngx_http_async_all_changed(void);
void ngx_http_async_wake(void);
/* all are over soon */
void ngx_http_async_end_waiters(void);

/* ngx_http_async_feed.c */
void ngx_http_async_feed_init(ngx_http_async_main_conf_t *amcf);
/* from here on no change is missed; 0: the store cannot be read */
ngx_uint_t ngx_http_async_feed_begin(void);
void ngx_http_async_feed_look(void);
/* the feed has more than one look could take */
ngx_uint_t ngx_http_async_feed_more(void);
/* the store is closed soon, and nothing of it may be used */
void ngx_http_async_feed_leave(void);
/* whether a thread of ours may be using the store */
ngx_uint_t ngx_http_async_feed_busy(void);
void ngx_http_async_feed_exit(void);


#endif /* NGX_HTTP_ASYNC_WATCH_H */
