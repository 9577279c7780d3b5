/*
 * The slate: figures that no transaction counts.  Who is there, what was
 * refused before it came to the store, how long commits take.
 *
 * db/slate is a mapped table of numbers, which every process adds to without
 * a lock and without waiting.  What is counted in it survives restarts of
 * everything; a loss of power can take its last seconds.  It is no part of a
 * backup.  Where the disk has no room for it there is none: then nothing is
 * counted, and nothing fails.
 */

#ifndef ASYNC_SLATE_H
#define ASYNC_SLATE_H

#include "async_store.h"


/*
 * What came of a submit that made no job, besides those that did, which are
 * in async_metrics_t.  Numbers are on disk and never used again; names are on
 * the wire, those of problems as there.
 */
#define ASYNC_SUBMIT_RESULTS(X)                                              \
    X(0,  REPLAYED,          "replayed")                                     \
    X(1,  COALESCED,         "coalesced")                                    \
    X(2,  OWNER_REQUIRED,    "owner-required")                               \
    X(3,  KEY_MISSING,       "idempotency-key-missing")                      \
    X(4,  KEY_INVALID,       "idempotency-key-invalid")                      \
    X(5,  DELAY_INVALID,     "delay-invalid")                                \
    X(6,  CALLBACK_INVALID,  "callback-invalid")                             \
    X(7,  CALLBACK_REFUSED,  "callback-refused")                             \
    X(8,  SIGNATURE_INVALID, "signature-invalid")                            \
    X(9,  KEY_REUSED,        "idempotency-key-reused")                       \
    X(10, OWNER_LIMIT,       "owner-limit")                                  \
    X(11, QUEUE_FULL,        "queue-full")                                   \
    X(12, STORE_FULL,        "store-full")                                   \
    X(13, STORE_UNAVAILABLE, "store-unavailable")

typedef enum {
#define X(number, symbol, name)  ASYNC_SUBMIT_##symbol = number,
    ASYNC_SUBMIT_RESULTS(X)
#undef X
    ASYNC_SUBMIT_MAX
} async_submit_result_t;

const char *async_submit_result_name(async_submit_result_t result);
/* by that name; ASYNC_SUBMIT_STORE_UNAVAILABLE if it has none */
async_submit_result_t async_submit_result(const char *name);


/* who is there */
typedef enum {
    ASYNC_SEAT_NONE    = 0,
    ASYNC_SEAT_NGINX   = 1,          /* an nginx worker */
    ASYNC_SEAT_WORKER  = 2,          /* the one that executes jobs */
    ASYNC_SEAT_STANDBY = 3,          /* one that waits to take over */
    ASYNC_SEAT_MAX
} async_seat_t;

/* numbers of an nginx worker, as they are at present */
typedef enum {
    ASYNC_GAUGE_STREAMS = 0,         /* event streams */
    ASYNC_GAUGE_WAITERS = 1,         /* long polls, and submits that wait */
    ASYNC_GAUGE_MAX     = 4          /* room in the table */
} async_gauge_t;

/* the process has this role from now on; until it ends, or closes the store */
void async_slate_sit(async_store_t *store, async_seat_t seat);
void async_slate_gauge(async_store_t *store, async_gauge_t gauge,
    uint64_t value);
void async_slate_submit(async_store_t *store, async_str_t queue,
    async_submit_result_t result);


#define ASYNC_SLATE_QUEUES   64      /* that are told apart */
#define ASYNC_COMMIT_BOUNDS  14
#define ASYNC_BATCH_BOUNDS   10

typedef struct {
    async_str_t  queue;              /* the last is of all that had no room,
                                        and has no name */
    uint64_t     submits[ASYNC_SUBMIT_MAX];
} async_slate_queue_t;

typedef struct {
    bool      there;                 /* else all of it is zero */
    unsigned  seats[ASYNC_SEAT_MAX];
    uint64_t  gauges[ASYNC_GAUGE_MAX];     /* of all nginx workers */

    uint64_t  commits[ASYNC_COMMIT_BOUNDS + 1];  /* each bucket for itself */
    uint64_t  commit_us;             /* all together */
    uint64_t  batches[ASYNC_BATCH_BOUNDS + 1];
    uint64_t  batch_events;

    unsigned             nqueues;
    async_slate_queue_t  queues[ASYNC_SLATE_QUEUES];
    char                 names[ASYNC_SLATE_QUEUES][ASYNC_QUEUE_MAX];
} async_slate_figures_t;

/* looks into /proc for each process that sits there */
void async_slate_read(async_store_t *store, async_slate_figures_t *figures);
/* upper bounds: us, and events */
uint64_t async_commit_bound(unsigned bucket);
uint64_t async_batch_bound(unsigned bucket);

/* transactions that the oldest reader is behind, whose pages cannot be used
   again: 0 if nobody reads */
async_rc_t async_store_lag(async_store_t *store, uint64_t *lag);


#endif /* ASYNC_SLATE_H */
