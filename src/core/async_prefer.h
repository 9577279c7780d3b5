/*
 * The Prefer header (RFC 7240): what a client wants of respond-async and of
 * wait.  A request may have several lines of it, with several preferences in
 * each; names in any case, values as tokens or quoted strings.
 *
 * As section 2 wants it, the first instance of a preference is the one that
 * counts, even if its value is of no use ("wait=soon, wait=5" asks for no
 * wait), and what cannot be understood is as if it were not there: another
 * preference, an element that breaks the grammar, "wait" without a whole
 * number, "respond-async" with a value other than an empty one.  Parameters
 * mean nothing to us.
 */

#ifndef ASYNC_PREFER_H
#define ASYNC_PREFER_H

#include <stdbool.h>
#include <stdint.h>

#include "async_record.h"


typedef struct {
    bool      respond_async;
    bool      has_wait;
    uint32_t  wait;                 /* s, UINT32_MAX stands for all above */

    bool      seen_respond_async;   /* an instance was there; for add() */
    bool      seen_wait;
} async_prefer_t;


void async_prefer_init(async_prefer_t *p);
/* the value of one header line; call it for each, in their order */
void async_prefer_add(async_prefer_t *p, async_str_t value);


#endif /* ASYNC_PREFER_H */
