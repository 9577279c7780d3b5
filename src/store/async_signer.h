/*
 * Signing what we send, after Standard Webhooks: webhook-signature holds, for
 * each key, "v1," and base64 of HMAC-SHA256 of "id.timestamp.body".
 *
 * A secret is a file of one line, "whsec_" and base64 of 16 to 64 bytes.  The
 * key of a receiver may be derived from it, so that what one of them was
 * given does not sign for another: HMAC-SHA256(secret, its owner or host).
 */

#ifndef ASYNC_SIGNER_H
#define ASYNC_SIGNER_H

#include "async_hook_policy.h"
#include "async_signature.h"


#define ASYNC_SIGNER_KEYS  ASYNC_HOOK_SECRETS
/* "v1," and 44 characters for each, spaces, NUL */
#define ASYNC_SIGNER_TEXT  (ASYNC_SIGNER_KEYS * (3 + 44 + 1) + 1)
/* "whsec_", base64 of a key, NUL */
#define ASYNC_SIGNER_KEY_TEXT  128

typedef struct {
    struct {
        uint8_t  bytes[ASYNC_SIGNING_KEY];
        size_t   len;
    }            keys[ASYNC_SIGNER_KEYS];
    unsigned     n;
} async_signer_t;


/*
 * Reads a file and appends its key.  *exposed as in async_secret_file.h.
 * ASYNC_UNAVAILABLE: it cannot be read; ASYNC_INVALID: it holds none, or it
 * is one too many.
 */
async_rc_t async_signer_read(async_signer_t *signer, const char *path,
    bool *exposed, async_error_t *err);
/* each key becomes that of whom; false: libcrypto failed */
bool async_signer_derive(async_signer_t *signer, async_str_t whom);
/* false: libcrypto failed, or there is no key */
bool async_signer_sign(const async_signer_t *signer, async_str_t id,
    int64_t seconds, async_str_t body, char out[ASYNC_SIGNER_TEXT]);
/* as it stands in a file */
void async_signer_format(const async_signer_t *signer, unsigned key,
    char out[ASYNC_SIGNER_KEY_TEXT]);
/* a new key; false: the kernel gave no random bytes */
bool async_signer_make(async_signer_t *signer);
/* forgets them, in memory too */
void async_signer_clean(async_signer_t *signer);


#endif /* ASYNC_SIGNER_H */
