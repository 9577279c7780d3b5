/*
 * Private to src/store: a spool file's cipher, and the segment that it is at.
 */

#ifndef ASYNC_SPOOL_CIPHER_H
#define ASYNC_SPOOL_CIPHER_H

#include "async_db.h"


struct async_spool_cipher_s {
    async_cipher_t  cipher;
    async_seal_t    seal;
    uint64_t        number;          /* of the segment in buf */
    size_t          fill;            /* plain bytes of it; 0 = none */
    uint8_t         buf[ASYNC_SEGMENT + ASYNC_CIPHER_TAG];
};


/* ASYNC_NO_KEY, ASYNC_NO_SPACE; *sc is NULL then */
async_rc_t async_spool_cipher_open(async_spool_cipher_t **sc,
    const async_store_t *store, const async_seal_t *seal,
    const async_id_t *id, async_payload_kind_t kind, bool encrypt);
/* NULL is nothing to close */
void async_spool_cipher_close(async_spool_cipher_t *sc);


#endif /* ASYNC_SPOOL_CIPHER_H */
