/*
 * A job's request, from its stored record to what goes on the wire: the
 * client's lines as they came, and one line of ours that tells nginx's module
 * which job this is.
 */

#ifndef ASYNC_REQUEST_H
#define ASYNC_REQUEST_H

#include "async_http.h"
#include "async_id.h"
#include "async_rc.h"


/* bytes of a request record; nginx's own limits are far below */
#define ASYNC_REQUEST_HEAD_MAX  (4 * 1024 * 1024)

typedef struct {
    char                 *text;       /* one allocation: all strings below */
    const char           *method;
    const char           *target;
    async_http_header_t  *headers;    /* Async-Replay is the last */
    unsigned              nheaders;
    unsigned              skipped;    /* lines that could not be sent */
} async_request_t;


/*
 * Takes a REQUEST record apart.  ASYNC_CORRUPT: it does not decode, or its
 * method or target could not be sent as they are; ASYNC_NO_SPACE: no memory.
 * On success the caller cleans it.
 */
async_rc_t async_request_parse(async_request_t *request, const void *record,
    size_t len, const char *token, const async_id_t *id, uint32_t attempt);
void async_request_clean(async_request_t *request);


#endif /* ASYNC_REQUEST_H */
