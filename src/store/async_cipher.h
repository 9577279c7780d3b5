/*
 * Payload at rest: AES-256-GCM, in pieces that can be read alone.
 *
 * A body or head in the map is cut into pieces of ASYNC_CHUNK_PLAIN bytes,
 * which with their tag fill a chunk; a file in spool/ into pieces of
 * ASYNC_SEGMENT bytes.  The last piece of each may be shorter.
 *
 *   key of a kind   HMAC-SHA256(key, salt 16, id 16, kind 1)
 *   nonce           00 00 00 00, number of the piece 8 (big-endian)
 *   authenticated   id 16, kind 1, last piece 1 or 0, number 8
 *   stored          ciphertext, tag 16
 *
 * The salt is new for whatever is stored, so a nonce never comes twice under
 * one key.  Pieces cannot be changed, swapped, cut off or appended, nor moved
 * to another job or kind, without the reader's noticing.
 */

#ifndef ASYNC_CIPHER_H
#define ASYNC_CIPHER_H

#include "async_keys.h"
#include "async_payload.h"


#define ASYNC_CIPHER_TAG   16
#define ASYNC_CHUNK_PLAIN  (ASYNC_CHUNK - ASYNC_CIPHER_TAG)
#define ASYNC_SEGMENT      (64 * 1024)

/* used by one thread at a time */
typedef struct {
    void     *ctx;                   /* NULL = closed */
    bool      encrypt;
    uint8_t   aad[16 + 1 + 1 + 8];
} async_cipher_t;


/* false: no memory, or libcrypto does not have what it takes */
bool async_cipher_open(async_cipher_t *cipher, const async_secret_t *secret,
    const async_seal_t *seal, const async_id_t *id,
    async_payload_kind_t kind, bool encrypt);
void async_cipher_close(async_cipher_t *cipher);

/* writes len + ASYNC_CIPHER_TAG bytes; out may be in */
bool async_cipher_seal(async_cipher_t *cipher, uint64_t number, bool last,
    const uint8_t *in, size_t len, uint8_t *out);
/*
 * len bytes, the tag included, become len - ASYNC_CIPHER_TAG; out may be in.
 * False: this is not what was sealed, and out holds nothing.
 */
bool async_cipher_unseal(async_cipher_t *cipher, uint64_t number, bool last,
    const uint8_t *in, size_t len, uint8_t *out);

/* all pieces of bytes, cut for the map, one after the other */
bool async_cipher_seal_all(async_cipher_t *cipher, async_str_t bytes,
    uint8_t *out);

/* bytes that plain ones take when they are sealed in pieces of that size */
uint64_t async_cipher_stored(uint64_t plain, size_t piece);
/* bytes that a body takes in the map or in its file */
uint64_t async_body_stored(const async_body_t *body);


#endif /* ASYNC_CIPHER_H */
