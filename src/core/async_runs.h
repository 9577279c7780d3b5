/*
 * How long the last runs took: of a location's jobs, or of a queue's.  What
 * is learned from them follows a backend that changes its speed within half
 * of the runs that are kept.
 *
 *   RUNS record: offset size
 *                    12    4  n, 1..ASYNC_RUNS
 *                    16  4*n  ms, the oldest first
 */

#ifndef ASYNC_RUNS_H
#define ASYNC_RUNS_H

#include "async_record.h"


#define ASYNC_RUNS      31
#define ASYNC_RUNS_MAX  (ASYNC_RECORD_HEADER + 4 + 4 * ASYNC_RUNS)


typedef struct {
    unsigned  n;
    uint32_t  ms[ASYNC_RUNS];       /* the oldest first */
} async_runs_t;


/* one more; the oldest makes room for it */
void async_runs_add(async_runs_t *runs, uint64_t ms);

/*
 * In ms, at least 1; 0 while there are none.  Rounded to about a percent:
 * what clients are told must not change with every run by a hair.
 */
uint32_t async_runs_median(const async_runs_t *runs);
uint32_t async_runs_mean(const async_runs_t *runs);
/* that so many in a hundred were not longer than; exact, 0 without any */
uint32_t async_runs_percentile(const async_runs_t *runs, unsigned percent);

size_t async_runs_encode(const async_runs_t *runs, uint8_t *buf, size_t cap);
/* if it is not ASYNC_OK, runs is empty */
async_rc_t async_runs_decode(async_runs_t *runs, const void *data,
    size_t len);


#endif /* ASYNC_RUNS_H */
