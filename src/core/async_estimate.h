/*
 * What can be told of a job that is not finished: how far it may be, when it
 * may be done, when it is worth to ask again (contract, sections 2 and 4).
 * From past run times and the place in the queue; no clock, no I/O.
 */

#ifndef ASYNC_ESTIMATE_H
#define ASYNC_ESTIMATE_H

#include "async_job.h"


/* Retry-After in seconds, where it is learned; and while nothing is */
#define ASYNC_ESTIMATE_LEAST    1
#define ASYNC_ESTIMATE_MOST     60
#define ASYNC_ESTIMATE_UNKNOWN  5


/* what is known beside the job itself */
typedef struct {
    uint32_t  retry_after;      /* s, as its location says; 0 = learned */
    bool      shown;            /* async_estimate is on */
    uint32_t  run;              /* ms, median of its location; 0 = nothing
                                   is learned */
    uint64_t  wait;             /* ms until it starts, if it is queued */
    bool      stands;           /* its queue starts no job */
} async_known_t;

/* what is told */
typedef struct {
    uint8_t   percent;          /* 0..99, or ASYNC_NO_PERCENT */
    int64_t   completion;       /* unix ms, 0 = not known */
    uint32_t  retry_after;      /* s, 0 for a job that is finished */
} async_estimate_t;


void async_estimate_job(async_estimate_t *estimate, const async_job_t *job,
    const async_known_t *known, int64_t now);

/*
 * ms until a queued job starts: that many wait before it, that many run, so
 * many may, one of that queue takes so long (mean, ms; not the median: what
 * the others take adds up), and they start that far apart (us).
 */
uint64_t async_estimate_wait(uint64_t ahead, uint64_t running,
    uint32_t concurrency, uint32_t each, uint64_t interval);

/* of an attempt that has run so long, where the median is run >= 1; ms */
uint8_t async_estimate_percent(int64_t elapsed, uint32_t run);
uint64_t async_estimate_left(int64_t elapsed, uint32_t run);


#endif /* ASYNC_ESTIMATE_H */
