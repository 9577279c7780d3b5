/*
 * What an event brings along, and how much room it takes.
 */

#include "async_work.h"


/*
 * What an event takes of the map, on the safe side: its rows; a value that
 * LMDB gives a page of its own; and one that shares a page that is not full.
 */
#define ASYNC_EVENT_ROWS       1024
#define ASYNC_EVENT_KNOWN      512       /* of keys and owners, besides */
#define ASYNC_EVENT_PAGE       4096
#define ASYNC_EVENT_SHARED     2000
#define async_event_shared(n)  ((n) + (n) / 2)


/* bytes come along if, and only if, they are to lie in chunks */

bool
async_event_body(const async_body_t *body, async_str_t bytes)
{
    switch (body->where) {

    case ASYNC_BODY_NONE:
        return body->len == 0 && bytes.len == 0;

    case ASYNC_BODY_CHUNKS:
        return async_body_stored(body) == bytes.len
               && body->len <= ASYNC_CHUNKED_MAX;

    case ASYNC_BODY_SPOOL:
        return bytes.len == 0;

    default:
        return false;
    }
}


/* bytes of the map; what goes to the spool is accounted apart */

size_t
async_event_need(const async_event_t *event)
{
    return ASYNC_EVENT_ROWS
           + (event->type == ASYNC_EVENT_SUBMITTED ? ASYNC_EVENT_KNOWN : 0)
           + (event->hook != NULL ? ASYNC_EVENT_PAGE : 0)
           + async_event_stored(event->payload.head.len)
           + async_event_stored(event->payload.capture.len)
           + async_event_stored(event->payload.body.len);
}


uint64_t
async_event_file(const async_body_t *body)
{
    return body->where == ASYNC_BODY_SPOOL ? body->len : 0;
}


size_t
async_event_stored(size_t len)
{
    size_t  rest;

    rest = len % ASYNC_CHUNK;

    return len / ASYNC_CHUNK * ASYNC_EVENT_PAGE
           + (rest > ASYNC_EVENT_SHARED ? ASYNC_EVENT_PAGE
                                        : async_event_shared(rest));
}
