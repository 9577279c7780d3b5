/*
 * The URL of a callback, as a client gives it: http or https of RFC 3986,
 * and nothing in it that two readers could read differently.  What is not
 * taken here is never given to a resolver or to libcurl.
 *
 *   https://hooks.example.com:8443/in?from=us
 *           `---- host ----'  port`- target -'
 *
 * Refused: more than ASYNC_URL_MAX bytes; any other scheme; a user or a
 * password; a fragment; anything outside of RFC 3986's characters (so no
 * space, backslash, control character or byte above 0x7e; brackets are let
 * into queries, where they are common), and "%" without two hexadecimal
 * digits; a port that is empty, 0, above 65535 or has leading zeros.
 *
 * A host is a name of 1 to 253 characters, labels of 1 to 63 letters, digits,
 * "-" and "_" that neither begin nor end with "-", no empty one and none
 * behind a last dot; or an address: four decimal numbers, or IPv6 in brackets
 * without a zone.  A name whose last label is a number, decimal or "0x", is
 * what inet_aton() would take for an address ("127.1", "0x7f.1", "2130706433")
 * and is refused, as the URL Standard has it (section 3.5).
 */

#ifndef ASYNC_URL_H
#define ASYNC_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "async_address.h"
#include "async_rc.h"
#include "async_record.h"


#define ASYNC_URL_MAX       2048        /* bytes */
#define ASYNC_URL_HOST_MAX  253

typedef struct {
    bool             https;
    bool             is_address;        /* the host is one */
    uint16_t         port;              /* 1..65535; the scheme's, if none
                                           was given */
    async_str_t      host;              /* as it was written, without the
                                           brackets of IPv6 */
    async_str_t      target;            /* path and query; empty, or begins
                                           with "/" or "?" */
    async_address_t  address;           /* only if is_address */
} async_url_t;


/*
 * Borrows text.  ASYNC_INVALID: why is then what is wrong, a static text to
 * follow "the callback URL ".
 */
async_rc_t async_url_parse(async_url_t *url, async_str_t text,
    const char **why);
/* the host in lower case, with an end: what a key of per=host is made of */
void async_url_host(const async_url_t *url, char host[ASYNC_URL_HOST_MAX + 1]);
/* whether it is a host's name, as above */
bool async_url_name(async_str_t host);


#endif /* ASYNC_URL_H */
