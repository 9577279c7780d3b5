/*
 * A response on its way from nginx into the store: which header lines stay,
 * and a body that is in memory up to ASYNC_CHUNKED_MAX and in a spool file
 * beyond, so that a job costs the same memory whatever its backend sends.
 */

#ifndef ASYNC_RESPONSE_H
#define ASYNC_RESPONSE_H

#include "async_facts.h"
#include "async_payload.h"


#define ASYNC_RESPONSE_HEAD_MAX      (64 * 1024)  /* bytes of header lines */
#define ASYNC_RESPONSE_RESOURCE_MAX  1024         /* bytes of a Location */
#define ASYNC_RESPONSE_AGAIN_MAX     40           /* of a Retry-After: a date
                                                     has 29 */


typedef enum {
    ASYNC_RESPONSE_FINE,
    ASYNC_RESPONSE_TOO_LARGE,      /* head or body over its limit */
    ASYNC_RESPONSE_UNSTORED        /* no memory, no disk: see error */
} async_response_fault_t;

typedef struct {
    /* given to async_response_init */
    async_store_t           *store;
    async_id_t               id;
    uint64_t                 limit;      /* bytes of body */
    bool                     bodiless;   /* the answer to HEAD */

    unsigned                 status;     /* of the last status line */
    bool                     ended;      /* the head is complete */
    bool                     end_line;   /* it had Async-Replay-End */
    async_facts_t            facts;
    async_response_fault_t   fault;      /* why a call returned false */
    async_error_t            error;

    char                    *lines;      /* kept lines, each with '\n' */
    size_t                   lines_len;
    size_t                   lines_cap;
    size_t                   kept;       /* of lines_len: the backend's */
    size_t                   seen;       /* bytes of all header lines */

    uint8_t                 *body;
    size_t                   body_cap;
    uint64_t                 body_len;
    uint32_t                 body_crc;   /* while it is in memory */
    async_spool_t            spool;      /* once it is larger */

    uint8_t                 *head;       /* made by async_response_finish */
    char                     again[ASYNC_RESPONSE_AGAIN_MAX];
                                         /* Retry-After, "" = none; outlives
                                            async_response_clean */
} async_response_t;


void async_response_init(async_response_t *r, async_store_t *store,
    const async_id_t *id, uint64_t limit, bool bodiless);

/*
 * A line of the head as it came, status lines and the empty one included,
 * with or without its line end.  Interim (1xx) heads are forgotten.  False:
 * the transfer is to be aborted, fault says why.
 */
bool async_response_line(async_response_t *r, const char *line, size_t len);
/* the next bytes of the body; false as above */
bool async_response_body(async_response_t *r, const void *data, size_t len);

/*
 * Fills what an event says of a stored response.  payload and resource borrow
 * from r; a spool file is on disk after this.  False: ASYNC_RESPONSE_UNSTORED.
 */
bool async_response_finish(async_response_t *r, async_payload_t *payload,
    async_body_t *body, async_str_t *resource);
/*
 * What the backend's Retry-After asks for (RFC 9110, section 10.2.3): ms from
 * now, which is unix ms, or -1 if it says nothing that can be understood.
 */
int64_t async_response_retry_after(const async_response_t *r, int64_t now);
/* frees memory and an unfinished spool file */
void async_response_clean(async_response_t *r);


#endif /* ASYNC_RESPONSE_H */
