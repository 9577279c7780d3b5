/*
 * The one result enum of core, store, worker and tool.  A function that can
 * fail in more than one way returns it; the text for a person, where there
 * is one, is filled in by the callee (async_error_t) and logged by the
 * caller, who knows the context.
 */

#ifndef ASYNC_RC_H
#define ASYNC_RC_H


typedef enum {
    ASYNC_OK = 0,
    ASYNC_NOT_FOUND,     /* no such job, record, chunk, policy */
    ASYNC_CORRUPT,       /* a stored byte string does not decode; set aside */
    ASYNC_INVALID,       /* the caller's argument is wrong */
    ASYNC_NO_SPACE,      /* buffer too small, memory gone */
    ASYNC_REFUSED,       /* the state table does not allow this move */
    ASYNC_STALE,         /* epoch or attempt no longer match: not yours */
    ASYNC_LATE,          /* withdrawn before its batch was written */
    ASYNC_QUEUE_FULL,    /* max_queued reached */
    ASYNC_STORE_FULL,    /* quota reached; no job exists */
    ASYNC_BUSY,          /* the door or a lock was not had in time */
    ASYNC_UNAVAILABLE,   /* store cannot be used; definite: nothing written */
    ASYNC_UNKNOWN,       /* the commit itself failed: outcome unknown */
    ASYNC_NO_KEY,        /* encrypted with a key that is not here */
    ASYNC_EXISTS,        /* the same submit was accepted before */
    ASYNC_KEY_REUSED,    /* another submit was accepted under this key */
    ASYNC_OWNER_FULL,    /* the owner has as many jobs as he may */
    ASYNC_EARLY          /* so soon after another: to be tried again */
} async_rc_t;


#define ASYNC_ERROR_TEXT  256

typedef struct {
    char  text[ASYNC_ERROR_TEXT];   /* one sentence, NUL-terminated */
} async_error_t;


/* a stable lower-case word for logs, e.g. "queue-full" */
const char *async_rc_name(async_rc_t rc);

#ifdef __GNUC__
__attribute__((format(printf, 2, 3)))
#endif
void async_error_set(async_error_t *err, const char *fmt, ...);


#endif /* ASYNC_RC_H */
