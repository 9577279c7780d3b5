/*
 * Base64 (RFC 4648, section 4).
 */

#ifndef ASYNC_BASE64_H
#define ASYNC_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "async_record.h"


/* bytes that so many characters stand for, at the most */
#define async_base64_bytes(len)  (((len) + 3) / 4 * 3)

/*
 * With its padding or without.  False if it does not fit into cap, or is not
 * as an encoder would have written it: another character, bits that are left
 * over and not 0.  *len: what was written.
 */
bool async_base64_decode(uint8_t *out, size_t cap, size_t *len,
    async_str_t text);


#endif /* ASYNC_BASE64_H */
