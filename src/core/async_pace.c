#include "async_pace.h"


#define ASYNC_PACE_AHEAD  (ASYNC_PACE_BURST * ASYNC_PACE_INTERVAL)


/* a clock that was set back must not silence a job */

static int64_t
async_pace_sane(int64_t pace, int64_t now)
{
    return pace < now || pace > now + ASYNC_PACE_AHEAD ? now : pace;
}


int64_t
async_pace_next(int64_t pace, int64_t now)
{
    return async_pace_sane(pace, now) - ASYNC_PACE_AHEAD
           + ASYNC_PACE_INTERVAL;
}


int64_t
async_pace_after(int64_t pace, int64_t now)
{
    return async_pace_sane(pace, now) + ASYNC_PACE_INTERVAL;
}
