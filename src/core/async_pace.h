/*
 * How fast the events of one job's progress may follow each other: a few at
 * once, and never more than ten in any second, however many reports a backend
 * sends.  (A leaky bucket as in ITU-T I.371, "virtual scheduling": one number
 * for each job, which is when the next event would be due if they came
 * evenly.)
 */

#ifndef ASYNC_PACE_H
#define ASYNC_PACE_H

#include <stdint.h>


#define ASYNC_PACE_INTERVAL  150        /* ms */
#define ASYNC_PACE_BURST     4          /* events */


/* unix ms: no event before; at most now if one may go.  pace 0: none yet */
int64_t async_pace_next(int64_t pace, int64_t now);
/* the pace after an event that went now */
int64_t async_pace_after(int64_t pace, int64_t now);


#endif /* ASYNC_PACE_H */
