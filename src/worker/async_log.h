/*
 * The worker's log: lines on stderr, made of the time (RFC 3339, UTC), the
 * level, and logfmt.  Never in it: headers, bodies, credentials, tokens.
 */

#ifndef ASYNC_LOG_H
#define ASYNC_LOG_H

#include "async_worker.h"


#define ASYNC_LOG_LINE  1024    /* longer lines are cut */


void async_log_init(int level);

/*
 * async_log(ASYNC_LOG_WARN, "msg=\"nginx is away\" server=%s", key): control
 * characters become '?', the newline is added, the line is one write().
 */
#ifdef __GNUC__
__attribute__((format(printf, 2, 3)))
#endif
void async_log(async_log_level_t level, const char *fmt, ...);

/* a text of which nothing is known, as a logfmt value: "quoted \"so\"" */
typedef struct {
    char  text[512];
} async_log_quote_t;

const char *async_log_quote(async_log_quote_t *quote, const char *text);


#endif /* ASYNC_LOG_H */
