/*
 * Times are unix milliseconds (int64_t, UTC), 0 = not set.  Nothing here
 * reads a clock: now is always an argument.
 */

#ifndef ASYNC_TIME_H
#define ASYNC_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


#define ASYNC_TIME_TEXT  24      /* "2026-11-22T10:00:00.000Z" */

/* RFC 3339 in UTC with milliseconds, no NUL; years 1970..9999 (clamped) */
char *async_time_format(char *out, int64_t ms);
/*
 * Any date-time of RFC 3339, section 5.6, years 0000..9999: with an offset or
 * a fraction (cut to milliseconds), "t" and "z" in either case.  A leap second
 * is the second after it, and can only be the last of a day in UTC.
 */
bool async_time_parse(int64_t *ms, const char *text, size_t len);


#endif /* ASYNC_TIME_H */
