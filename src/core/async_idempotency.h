/*
 * The value of an Idempotency-Key header
 * (draft-ietf-httpapi-idempotency-key-header): a string item of structured
 * fields (RFC 8941, section 3.3.3), or the same text bare, which is the same
 * key.  A quoted one may be followed by parameters, which say nothing about
 * the key and are left out; a bare one is taken as it stands, whatever is in
 * it.
 */

#ifndef ASYNC_IDEMPOTENCY_H
#define ASYNC_IDEMPOTENCY_H

#include <stddef.h>

#include "async_rc.h"
#include "async_record.h"


#define ASYNC_IDEMPOTENCY_MAX  255      /* characters of a key */

/*
 * Writes the key without quotes and escapes, no NUL.  ASYNC_INVALID unless it
 * has 1 to ASYNC_IDEMPOTENCY_MAX characters, all printable ASCII; out may then
 * hold a part of it.
 */
async_rc_t async_idempotency_parse(async_str_t value,
    char out[ASYNC_IDEMPOTENCY_MAX], size_t *len);


#endif /* ASYNC_IDEMPOTENCY_H */
