/*
 * The life of a job: states, events, and the one table of allowed moves.
 * Numbers are on disk and never used again; names are on the wire
 * (contract, section 4).  Nobody but async_state_next() decides a state.
 */

#ifndef ASYNC_STATE_H
#define ASYNC_STATE_H

#include <stdbool.h>


/*    number  symbol   wire name     in azure       meaning */
#define ASYNC_STATES(X)                                                      \
    X(1, QUEUED,     "queued",     "NotStarted") /* waits for its turn */    \
    X(2, SCHEDULED,  "scheduled",  "NotStarted") /* waits for its time */    \
    X(3, PROCESSING, "processing", "Running")    /* claimed, maybe sent */   \
    X(4, RETRYING,   "retrying",   "Running")    /* waits for another try */ \
    X(5, COMPLETED,  "completed",  "Succeeded")  /* final: response stored */\
    X(6, FAILED,     "failed",     "Failed")     /* final: error says why */ \
    X(7, CANCELED,   "canceled",   "Canceled")   /* final: we stopped */

typedef enum {
    ASYNC_STATE_NONE = 0,           /* no such job yet */
#define X(number, symbol, name, azure)  ASYNC_STATE_##symbol = number,
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
                                                   no line tells of it */ \
    X(14, WEBHOOK_DELIVERED, "webhook-delivered")                            \
    X(15, WEBHOOK_FAILED,   "webhook-failed")   /* will be tried again */    \
    X(16, WEBHOOK_DEAD,     "webhook-dead")     /* will not */               \
    X(17, WEBHOOK_REDELIVER, "webhook-redeliver")  /* a person wants it to be
                                                   tried again */            \
    X(18, RETRIED,          "retried")          /* by hand, as another job:
                                                   this one stays failed */

typedef enum {
#define X(number, symbol, name)  ASYNC_EVENT_##symbol = number,
    ASYNC_EVENTS(X)
#undef X
    ASYNC_EVENT_MAX
} async_event_type_t;


/* how a job is told to its clients (contract, section 12) */
#define ASYNC_DIALECTS(X)                                                    \
    X(0, NATIVE, "native")                                                   \
    X(1, AZURE,  "azure")                                                    \
    X(2, ODATA,  "odata")

typedef enum {
#define X(number, symbol, name)  ASYNC_DIALECT_##symbol = number,
    ASYNC_DIALECTS(X)
#undef X
    ASYNC_DIALECT_MAX
} async_dialect_t;


/* the state after event, or ASYNC_STATE_NONE if the table forbids it */
async_state_t async_state_next(async_state_t state, async_event_type_t event);
bool async_state_final(async_state_t state);
const char *async_state_name(async_state_t state);          /* "" if unknown */
/* the same to a client of the azure dialect */
const char *async_state_azure(async_state_t state);
const char *async_event_name(async_event_type_t event);
/*
 * What becomes of the webhook of a job that has ended.  Its lines stand after
 * the final one in the history, and leave the state as it is.
 */
bool async_event_of_webhook(async_event_type_t event);
/*
 * What a client is told of it: the state that came of it, but for what leaves
 * the state as it was.
 */
const char *async_event_told(async_event_type_t event, async_state_t state);


#endif /* ASYNC_STATE_H */
