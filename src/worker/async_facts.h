/*
 * What nginx says about a replay in the private line that ends the backend's
 * own header lines:
 *
 *   Async-Replay-End: 502,0,0,- 200,1,5120,3
 *   Async-Replay-End: -
 *   Async-Replay-End: 504,0,812,1 shutdown
 *
 * An entry is one upstream attempt: status, whether a response header of the
 * backend was read, bytes sent to it, milliseconds to connect ("-": it never
 * connected).  "-" alone: no upstream was used.  "shutdown": the nginx worker
 * is shutting down and cut the replay.
 */

#ifndef ASYNC_FACTS_H
#define ASYNC_FACTS_H

#include <stdbool.h>
#include <stddef.h>


typedef struct {
    bool      sound;        /* the line obeys the grammar */
    bool      answered;     /* the last entry's, or no upstream was used */
    bool      sent;         /* any entry sent a byte */
    bool      shutdown;
    unsigned  attempts;     /* entries */
} async_facts_t;


/* a line that is not sound counts as sent and not answered; text is the
   value, borrowed, not NUL-terminated */
void async_facts_parse(async_facts_t *facts, const char *text, size_t len);


#endif /* ASYNC_FACTS_H */
