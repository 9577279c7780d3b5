/*
 * The life of a job: states, events, and the one table of allowed moves.
 * Numbers are on disk and never used again; names are on the wire
 * (contract, section 4).  Nobody but async_state_next() decides a state.
 */

#ifndef ASYNC_STATE_H
#define ASYNC_STATE_H

#include <stdbool.h>


/*        number  symbol      wire name     meaning */
#define ASYNC_STATES(X)                                                      \
    X(1,  QUEUED,     "queued")     /* waits for its turn */                 \
    X(2,  SCHEDULED,  "scheduled")  /* waits for a time the client asked */  \
    X(3,  PROCESSING, "processing") /* claimed by the worker, maybe sent */  \
    X(4,  RETRYING,   "retrying")   /* waits for the next attempt */         \
    X(5,  COMPLETED,  "completed")  /* final: the response is stored */      \
    X(6,  FAILED,     "failed")     /* final: error says why */              \
    X(7,  CANCELED,   "canceled")   /* final: we stopped */

typedef enum {
    ASYNC_STATE_NONE = 0,           /* no such job yet */
#define X(number, symbol, name)  ASYNC_STATE_##symbol = number,
    ASYNC_STATES(X)
#undef X
    ASYNC_STATE_MAX
} async_state_t;


#define ASYNC_EVENTS(X)                                                      \
    X(1,  SUBMITTED,        "submitted")        /* by a client */            \
    X(2,  STARTED,          "started")          /* claimed: attempt + 1 */   \
    X(3,  PROGRESSED,       "progressed")       /* percent, message */       \
    X(4,  RELEASED,         "released")         /* claim handed back, no
                                                   attempt was made */       \
    X(5,  INTERRUPTED,      "interrupted")      /* attempt cut by a crash of
                                                   ours; runs again */       \
    X(6,  ATTEMPT_FAILED,   "attempt-failed")   /* will be tried again */    \
    X(7,  DUE,              "due")              /* its time has come */      \
    X(8,  COMPLETED,        "completed")                                     \
    X(9,  FAILED,           "failed")                                        \
    X(10, CANCEL_REQUESTED, "cancel-requested")                              \
    X(11, CANCELED,         "canceled")                                      \
    X(12, DELAYED,          "delayed")          /* submitted by a client, not
                                                   to start before a time */ \
    X(13, FORGOTTEN,        "forgotten")        /* removed with its history:
                                                   no line tells of it */

typedef enum {
#define X(number, symbol, name)  ASYNC_EVENT_##symbol = number,
    ASYNC_EVENTS(X)
#undef X
    ASYNC_EVENT_MAX
} async_event_type_t;


/* the state after event, or ASYNC_STATE_NONE if the table forbids it */
async_state_t async_state_next(async_state_t state, async_event_type_t event);
bool async_state_final(async_state_t state);
const char *async_state_name(async_state_t state);          /* "" if unknown */
const char *async_event_name(async_event_type_t event);
/*
 * What a client is told of it: the state that came of it, but for what leaves
 * the state as it was.
 */
const char *async_event_told(async_event_type_t event, async_state_t state);


#endif /* ASYNC_STATE_H */
