/*
 * How long a job waits before it starts, as async_delay reads it:
 *
 *   "90", "10s", "2h", "1h30m"   from now on: a number of seconds, or nginx's
 *                                units in falling order (y M w d h m s ms)
 *   "1795341600"                 unix time: a bare number from 10^9 on
 *   "2026-11-22T10:00:00Z"       RFC 3339
 */

#ifndef ASYNC_DELAY_H
#define ASYNC_DELAY_H

#include <stdint.h>

#include "async_rc.h"
#include "async_record.h"


#define ASYNC_DELAY_MAX  (365 * 86400 * (int64_t) 1000)     /* ms: "1y" */

/*
 * due_ms: unix ms when the job is due, or 0 = at once: no text, no delay, or
 * a time that has passed.  ASYNC_INVALID if the text is none of the above, or
 * more than ASYNC_DELAY_MAX ahead of now_ms.
 */
async_rc_t async_delay_parse(async_str_t text, int64_t now_ms,
    int64_t *due_ms);


#endif /* ASYNC_DELAY_H */
