/*
 * What an attempt at a webhook sends: the document of its job, signed by the
 * secrets of the policy that the job was accepted with.
 *
 *   {"type":"job.completed","timestamp":"…","data":{document}}
 *
 * URLs in it are absolute.  webhook-id is "msg_" and the job's id, the same at
 * each attempt.
 */

#ifndef ASYNC_LETTER_H
#define ASYNC_LETTER_H

#include "async_hooks.h"
#include "async_http.h"
#include "async_signer.h"
#include "async_url.h"


#define ASYNC_LETTER_HEADERS  4

typedef struct {
    void                 *memory;   /* of url, allow and body */
    const char           *url;
    async_url_t           parsed;
    async_str_t           allow;    /* list of async_callback_allow */
    async_str_t           body;
    async_http_header_t   headers[ASYNC_LETTER_HEADERS];
    unsigned              nheaders;
    char                  host[ASYNC_URL_HOST_MAX + 1];     /* lower case */
    char                  id[sizeof("msg_") + ASYNC_ID_TEXT];
    char                  timestamp[24];
    char                  signature[ASYNC_SIGNER_TEXT];
} async_letter_t;


/*
 * ASYNC_OK; ASYNC_INVALID: it cannot be sent, as *error says; anything else:
 * not now, or its job is gone.  seconds: the unix time that is signed.
 */
async_rc_t async_letter_write(async_letter_t *letter, async_view_t *view,
    const async_due_hook_t *due, int64_t seconds, async_hook_error_t *error);
void async_letter_clean(async_letter_t *letter);
/* whether it may go to that address */
bool async_letter_allows(const async_letter_t *letter,
    const async_address_t *peer);
/* scheme, host and port of a webhook, as a number */
uint64_t async_letter_host(const async_hook_t *hook);


#endif /* ASYNC_LETTER_H */
