/*
 * Who may be called: the list of async_callback_allow.  It is the text of the
 * directive, entries with a space between them, and is read anew each time:
 * so it can lie in a record as it is.
 *
 *   hooks.example.com     this host, http or https, whatever its address is
 *   10.1.0.0/16  ::1      hosts that are written as such an address, the same
 *   .example.com          this name and all below it: https, and what is
 *                         connected to must be a global address
 *   public                every host, in the same way
 *
 * A name is never let in by a network: what it means is known to its owner
 * only, and may be another address the next time.  With a host that is
 * listed its owner is trusted with that.
 *
 * Three questions, in this order: async_allow_entry() when the configuration
 * is read, async_allow_url() when a job is submitted and again before each
 * attempt, async_allow_connect() on the address that the socket is about to
 * connect to.
 */

#ifndef ASYNC_ALLOW_H
#define ASYNC_ALLOW_H

#include <stdbool.h>

#include "async_url.h"


typedef enum {
    ASYNC_ALLOW_REFUSED = 0,
    ASYNC_ALLOW_PUBLIC,         /* global addresses only */
    ASYNC_ALLOW_LISTED          /* a host or an address that was listed */
} async_allow_t;


/* NULL if it is one, else what is wrong, a static text to follow the entry */
const char *async_allow_entry(async_str_t entry);
/* whether all entries of the list let in the same one host, and no other */
bool async_allow_one(async_str_t list);
/*
 * Refused: why is then the reason, a static text to follow "the callback
 * URL ".  The most that an entry allows counts, whatever its place.
 */
async_allow_t async_allow_url(async_str_t list, const async_url_t *url,
    const char **why);
/*
 * Whether peer, what the host was resolved to, may be connected to for this
 * URL.  A host that is an address is no other address than that.
 */
bool async_allow_connect(async_str_t list, const async_url_t *url,
    const async_address_t *peer);


#endif /* ASYNC_ALLOW_H */
