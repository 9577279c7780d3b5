/*
 * What of a request and a response is stored beside the job, as records of
 * async_record.h.  Written and read with its writer and reader; this page
 * says which tags there are.  Numbers are never used again.
 */

#ifndef ASYNC_MESSAGE_H
#define ASYNC_MESSAGE_H

#include <stdint.h>


/*
 * ASYNC_RECORD_REQUEST, no fixed head: the request as the client sent it,
 * less what is never replayed.  Written by the module, read by the worker.
 */
enum {
    ASYNC_REQUEST_METHOD = 1,    /* bytes */
    ASYNC_REQUEST_TARGET = 2,    /* raw request target, origin or absolute
                                    form */
    ASYNC_REQUEST_HEADER = 3     /* pair, once for each line, in order */
};

/*
 * ASYNC_RECORD_CAPTURE, no fixed head: what the replay puts back inside
 * nginx.  Written and read by the module only.
 */
enum {
    ASYNC_CAPTURE_PEER      = 1, /* struct sockaddr bytes of the client */
    ASYNC_CAPTURE_PEER_TEXT = 2, /* c->addr_text */
    ASYNC_CAPTURE_LOCAL     = 3, /* struct sockaddr bytes of the server */
    ASYNC_CAPTURE_CONN_VAR  = 4, /* pair: put back before the rewrite phase */
    ASYNC_CAPTURE_VAR       = 5, /* pair: put back where intercepted */
    ASYNC_CAPTURE_PASSED    = 6, /* u64: key of a location whose access phase
                                    was passed, the last is where it was
                                    intercepted */
    ASYNC_CAPTURE_ORIGIN    = 7, /* "scheme://host[:port]" for a relative
                                    Location, as a synchronous answer would
                                    have used it; absent: leave it relative */
    ASYNC_CAPTURE_TIMEOUT   = 8, /* u64 ms: async_timeout */
    ASYNC_CAPTURE_FLAGS     = 9  /* u64: ASYNC_JOB_REPEATABLE, and what
                                    follows */
};

/* it was let in by nobody: it is the operator's own */
#define ASYNC_CAPTURE_SCHEDULED  (UINT64_C(1) << 32)

/*
 * ASYNC_RECORD_RESPONSE, no fixed head: the backend's response as the
 * location passed it on, less hop-by-hop fields, Date, Server and
 * Content-Length.  Written by the worker, read by the module.
 */
enum {
    ASYNC_RESPONSE_STATUS = 1,   /* u64 */
    ASYNC_RESPONSE_HEADER = 2    /* pair, once for each line, in order */
};


#endif /* ASYNC_MESSAGE_H */
