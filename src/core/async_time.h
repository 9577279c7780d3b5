/*
 * Times are unix milliseconds (int64_t, UTC), 0 = not set.  Nothing here
 * reads a clock: now is always an argument.
 */

#ifndef ASYNC_TIME_H
#define ASYNC_TIME_H

#include <stdint.h>


#define ASYNC_TIME_TEXT  24      /* "2026-11-22T10:00:00.000Z" */

/* RFC 3339 in UTC with milliseconds, no NUL; years 1970..9999 (clamped) */
char *async_time_format(char *out, int64_t ms);


#endif /* ASYNC_TIME_H */
