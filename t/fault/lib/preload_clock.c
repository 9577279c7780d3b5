/*
 * A wall clock that is set: the offset that the test says is added to what
 * the real one tells.  The clocks that only go on do so.
 */

#include <sys/time.h>
#include <time.h>

#include "control.h"


static void
clock_move(struct timespec *ts)
{
    int64_t  ms;

    ms = atomic_load(&control->offset) + ts->tv_nsec / 1000000;

    ts->tv_sec += (time_t) (ms / 1000);
    ts->tv_nsec = ts->tv_nsec % 1000000 + ms % 1000 * 1000000;

    if (ts->tv_nsec < 0) {
        ts->tv_sec--;
        ts->tv_nsec += 1000000000;
    }
}


int
clock_gettime(clockid_t clock, struct timespec *ts)
{
    int  rc;

    rc = REAL(clock_gettime)(clock, ts);

    if (rc == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    {
        clock_move(ts);
    }

    return rc;
}


int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec  ts;

    (void) tz;
    (void) clock_gettime(CLOCK_REALTIME, &ts);

    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = (suseconds_t) (ts.tv_nsec / 1000);

    return 0;
}


time_t
time(time_t *t)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME_COARSE, &ts);

    if (t != NULL) {
        *t = ts.tv_sec;
    }

    return ts.tv_sec;
}
