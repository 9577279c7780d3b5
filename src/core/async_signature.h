/*
 * How senders of webhooks sign: what their headers say, and over what.  All
 * three are HMAC-SHA256 of some bytes in front and the body as it came.
 *
 *   standard  Standard Webhooks: webhook-id, webhook-timestamp,
 *             webhook-signature: "v1,<base64>", several with spaces between.
 *             In front: id "." timestamp "."
 *   github    X-Hub-Signature-256: "sha256=<hex>"; X-GitHub-Delivery is the
 *             id, and not signed.  In front: nothing
 *   stripe    Stripe-Signature: "t=<timestamp>,v1=<hex>", several v1.  The id
 *             is in the body.  In front: timestamp "."
 *
 * Timestamps are unix seconds.  Signatures of other kinds and versions are
 * passed over.
 */

#ifndef ASYNC_SIGNATURE_H
#define ASYNC_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "async_record.h"


#define ASYNC_SIGNATURES    8       /* of one message; further ones are passed
                                       over */
#define ASYNC_MAC           32      /* bytes of one */
#define ASYNC_SIGNING_KEY   512     /* bytes of a key, at the most */

/*    symbol    name */
#define ASYNC_SCHEMES(X)                                                     \
    X(STANDARD, "standard")                                                  \
    X(GITHUB,   "github")                                                    \
    X(STRIPE,   "stripe")

typedef enum {
#define X(symbol, name)  ASYNC_SCHEME_##symbol,
    ASYNC_SCHEMES(X)
#undef X
    ASYNC_SCHEME_MAX
} async_scheme_t;

/* the headers of a scheme */
typedef enum {
    ASYNC_SIGNED_ID = 0,
    ASYNC_SIGNED_TIMESTAMP,
    ASYNC_SIGNED_SIGNATURE,
    ASYNC_SIGNED_HEADERS
} async_signed_header_t;

#define ASYNC_SIGNED_FRONT  4

typedef struct {
    async_str_t  front[ASYNC_SIGNED_FRONT];     /* signed before the body, one
                                                   after the other */
    unsigned     nfront;
    unsigned     n;
    uint8_t      macs[ASYNC_SIGNATURES][ASYNC_MAC];
} async_signature_t;


/* ASYNC_SCHEME_MAX if it is none */
async_scheme_t async_scheme(async_str_t name);
const char *async_scheme_name(async_scheme_t scheme);
/* NULL: the scheme has none for that */
const char *async_scheme_header(async_scheme_t scheme,
    async_signed_header_t header);

/*
 * Reads the headers of a message; one that is missing is empty.  now and
 * tolerance in seconds: a timestamp may be that much older or younger.  NULL
 * if some signature is there that may be right; else what is wrong, a static
 * sentence for the sender.  front borrows.
 */
const char *async_signature_read(async_signature_t *s, async_scheme_t scheme,
    const async_str_t headers[ASYNC_SIGNED_HEADERS], int64_t now,
    int64_t tolerance);
/*
 * The key that a secret's text stands for.  standard: base64, mostly with
 * "whsec_" in front, of 16 to 64 bytes; else the text itself, 1 to
 * ASYNC_SIGNING_KEY bytes without control characters.  False if it is none.
 */
bool async_signing_key(uint8_t key[ASYNC_SIGNING_KEY], size_t *len,
    async_scheme_t scheme, async_str_t text);


#endif /* ASYNC_SIGNATURE_H */
