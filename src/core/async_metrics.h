/*
 * What is counted of a queue's jobs, in the transaction of what is counted:
 * so it survives restarts, and agrees with the history of each job.
 *
 *   METRICS record: tags 1 to 5, each a row of u64, little-endian; one that is
 *   shorter than its numbers ends in zeroes, one that is longer is of a newer
 *   version and loses its end
 *
 *   RECENT record: offset size
 *                      12    8  newest minute, unix time / 60,000 ms
 *                      20    n  minutes, that one first, 24 bytes each:
 *                               u32 accepted, completed, not completed,
 *                               started, waited (s), ran (s)
 */

#ifndef ASYNC_METRICS_H
#define ASYNC_METRICS_H

#include "async_job.h"


/* upper bounds in ms; the last bucket has none */
#define ASYNC_BOUNDS(X)                                                      \
    X(100) X(250) X(500) X(1000) X(2500) X(5000) X(10000) X(30000)           \
    X(60000) X(120000) X(300000) X(600000) X(1800000) X(3600000) X(14400000)

enum {
#define X(ms)  + 1
    ASYNC_BUCKETS = 1 ASYNC_BOUNDS(X)
#undef X
};

/* each bucket counts for itself alone; behind them the sum, in ms */

#define ASYNC_HISTOGRAM_SUM  ASYNC_BUCKETS

typedef struct {
    uint64_t  n[ASYNC_BUCKETS + 1];
} async_histogram_t;

/* how an attempt ended: an error's number, or one of these */
#define ASYNC_ATTEMPT_COMPLETED    0
#define ASYNC_ATTEMPT_INTERRUPTED  10    /* by a crash of ours, runs again */
#define ASYNC_ATTEMPT_CANCELED     11
#define ASYNC_ATTEMPTS             12

/* how jobs came */
#define ASYNC_SUBMIT_ACCEPTED      0
#define ASYNC_SUBMIT_RETRIED       1     /* by hand */
#define ASYNC_SUBMIT_ENTRIES       2

typedef struct {
    uint64_t           submits[ASYNC_SUBMIT_ENTRIES];
    uint64_t           finished[ASYNC_STATE_MAX];     /* final ones only */
    uint64_t           attempts[ASYNC_ATTEMPTS];
    async_histogram_t  duration;         /* of the last attempt */
    async_histogram_t  wait;             /* for an attempt, since it was due */
} async_metrics_t;

#define ASYNC_METRICS_MAX                                                    \
    (ASYNC_RECORD_HEADER + 5 * 6 + 8                                         \
     * (ASYNC_SUBMIT_ENTRIES + ASYNC_STATE_MAX + ASYNC_ATTEMPTS              \
        + 2 * (ASYNC_BUCKETS + 1)))


#define ASYNC_MINUTES  60

typedef struct {
    uint32_t  accepted;
    uint32_t  completed;
    uint32_t  failed;                    /* or canceled */
    uint32_t  started;                   /* attempts */
    uint32_t  waited;                    /* s, all that were started */
    uint32_t  ran;                       /* s, all that were completed */
} async_minute_t;

typedef struct {
    uint64_t        minute;              /* of the first */
    async_minute_t  minutes[ASYNC_MINUTES];
} async_recent_t;

#define ASYNC_RECENT_MAX  (ASYNC_RECORD_HEADER + 8 + 24 * ASYNC_MINUTES)


void async_histogram_add(async_histogram_t *histogram, uint64_t ms);
uint64_t async_histogram_count(const async_histogram_t *histogram);
/* of a bucket, in ms; 0 for the last */
uint64_t async_bound(unsigned bucket);
/* "completed", "timeout", …; "" if there is no such result */
const char *async_attempt_name(unsigned result);

/*
 * The minute of now, others moved on; of a clock that was set back, the
 * newest that there is.
 */
async_minute_t *async_recent_at(async_recent_t *recent, int64_t now);

size_t async_metrics_encode(const async_metrics_t *metrics, uint8_t *buf,
    size_t cap);
/* if it is not ASYNC_OK, metrics is zero; the same for recent */
async_rc_t async_metrics_decode(async_metrics_t *metrics, const void *data,
    size_t len);
size_t async_recent_encode(const async_recent_t *recent, uint8_t *buf,
    size_t cap);
async_rc_t async_recent_decode(async_recent_t *recent, const void *data,
    size_t len);


#endif /* ASYNC_METRICS_H */
