#include <string.h>

#include "async_db.h"


/* where the pieces of a kind are, and how they are read */
typedef struct {
    async_store_t         *store;
    MDB_txn               *txn;
    const async_id_t      *id;
    async_payload_kind_t   kind;
    size_t                 piece;        /* bytes of one that is not short */
    uint64_t               len;          /* of the body, if it is sealed */
    async_cipher_t         cipher;       /* closed: in the clear */
} async_source_t;


static async_rc_t async_source_open(async_source_t *source,
    async_view_t *view, const async_id_t *id, async_payload_kind_t kind);
static async_rc_t async_source_get(const async_source_t *source, uint32_t n,
    MDB_val *value);
static async_rc_t async_source_copy(async_source_t *source, uint32_t n,
    bool last, const MDB_val *value, size_t skip, size_t len, uint8_t *out);
static async_rc_t async_head_copy(async_source_t *source, uint8_t *buf,
    size_t cap, size_t *len);
static async_rc_t async_body_copy(async_source_t *source, uint64_t offset,
    uint8_t *buf, size_t len);


async_rc_t
async_view_head(async_view_t *view, const async_id_t *id,
    async_payload_kind_t kind, uint8_t *buf, size_t cap, size_t *len)
{
    async_rc_t      rc;
    async_source_t  source;

    *len = 0;
    source.cipher.ctx = NULL;

    rc = async_view_begin(view);

    if (rc == ASYNC_OK) {
        rc = async_source_open(&source, view, id, kind);

        if (rc == ASYNC_OK) {
            rc = async_head_copy(&source, buf, cap, len);
        }

        async_view_end(view);
    }

    /* also when a damaged page has led back to the beginning */

    async_cipher_close(&source.cipher);

    return rc;
}


async_rc_t
async_view_body(async_view_t *view, const async_id_t *id,
    async_payload_kind_t kind, uint64_t offset, uint8_t *buf, size_t len)
{
    async_rc_t      rc;
    async_source_t  source;

    if (offset + len > ASYNC_CHUNKED_MAX || offset + len < offset) {
        return ASYNC_INVALID;
    }

    source.cipher.ctx = NULL;

    rc = async_view_begin(view);

    if (rc == ASYNC_OK) {
        rc = async_source_open(&source, view, id, kind);

        if (rc == ASYNC_OK) {
            rc = async_body_copy(&source, offset, buf, len);
        }

        async_view_end(view);
    }

    async_cipher_close(&source.cipher);

    return rc;
}


/* the job's record says how they were encrypted */

static async_rc_t
async_source_open(async_source_t *source, async_view_t *view,
    const async_id_t *id, async_payload_kind_t kind)
{
    MDB_val              v;
    async_rc_t           rc;
    async_job_t          job;
    async_key_t          key;
    const async_body_t  *body;

    memset(source, 0, sizeof(async_source_t));

    source->store = view->store;
    source->txn = view->txn;
    source->id = id;
    source->kind = kind;
    source->piece = ASYNC_CHUNK;

    async_key_job(&key, id);

    rc = async_db_get(view->store, view->txn, &key, &v);

    if (rc == ASYNC_OK) {
        rc = async_job_decode(&job, id, v.mv_data, v.mv_size);
    }

    if (rc != ASYNC_OK) {
        return rc;
    }

    body = kind == ASYNC_PAYLOAD_RESPONSE
           || kind == ASYNC_PAYLOAD_RESPONSE_BODY ? &job.response
                                                  : &job.request;

    if (!body->seal.used) {
        return ASYNC_OK;
    }

    source->piece = ASYNC_CHUNK_PLAIN;
    source->len = body->len;

    return async_store_cipher(view->store, &source->cipher, &body->seal, id,
                              kind, false);
}


static async_rc_t
async_source_get(const async_source_t *source, uint32_t n, MDB_val *value)
{
    async_rc_t   rc;
    async_key_t  key;

    async_key_payload(&key, source->id, source->kind, n);

    rc = async_db_get(source->store, source->txn, &key, value);

    if (rc != ASYNC_OK) {
        return rc;
    }

    return value->mv_size > ASYNC_CHUNK
           || (source->cipher.ctx != NULL
               && value->mv_size < ASYNC_CIPHER_TAG) ? ASYNC_CORRUPT
                                                     : ASYNC_OK;
}


/* len plain bytes after the first skip of piece n */

static async_rc_t
async_source_copy(async_source_t *source, uint32_t n, bool last,
    const MDB_val *value, size_t skip, size_t len, uint8_t *out)
{
    uint8_t  piece[ASYNC_CHUNK];

    if (source->cipher.ctx == NULL) {
        memcpy(out, (uint8_t *) value->mv_data + skip, len);
        return ASYNC_OK;
    }

    /* a page that cannot be read must not end in the middle of libcrypto */

    memcpy(piece, value->mv_data, value->mv_size);

    if (!async_cipher_unseal(&source->cipher, n, last, piece, value->mv_size,
                             piece))
    {
        return ASYNC_CORRUPT;
    }

    memcpy(out, piece + skip, len);

    return ASYNC_OK;
}


/*
 * How long a head is, nobody wrote down: it ends with the first chunk that
 * is not full, or that is not there.  Its record says whether it is whole.
 */

static async_rc_t
async_head_copy(async_source_t *source, uint8_t *buf, size_t cap,
    size_t *len)
{
    size_t      size;
    MDB_val     v, next;
    uint32_t    n;
    async_rc_t  rc, more;

    rc = async_source_get(source, 0, &v);

    for (n = 0; rc == ASYNC_OK; n++, v = next) {

        more = v.mv_size == ASYNC_CHUNK
               ? async_source_get(source, n + 1, &next) : ASYNC_NOT_FOUND;

        if (more != ASYNC_OK && more != ASYNC_NOT_FOUND) {
            return more;
        }

        size = v.mv_size - (ASYNC_CHUNK - source->piece);

        if (*len + size <= cap) {
            rc = async_source_copy(source, n, more == ASYNC_NOT_FOUND, &v, 0,
                                   size, buf + *len);
        }

        *len += size;

        if (more == ASYNC_NOT_FOUND) {
            break;
        }
    }

    return rc != ASYNC_OK || *len <= cap ? rc : ASYNC_NO_SPACE;
}


static async_rc_t
async_body_copy(async_source_t *source, uint64_t offset, uint8_t *buf,
    size_t len)
{
    bool        last;
    size_t      skip, part;
    MDB_val     v;
    uint32_t    n;
    async_rc_t  rc;

    n = (uint32_t) (offset / source->piece);
    skip = (size_t) (offset % source->piece);

    for (/* void */; len > 0; n++, skip = 0) {

        rc = async_source_get(source, n, &v);

        if (rc != ASYNC_OK) {
            return rc;
        }

        part = source->piece - skip < len ? source->piece - skip : len;

        /* only the last may be short, and not of what is asked for */

        if (v.mv_size < ASYNC_CHUNK - source->piece + skip + part) {
            return ASYNC_CORRUPT;
        }

        last = (uint64_t) (n + 1) * source->piece >= source->len;
        rc = async_source_copy(source, n, last, &v, skip, part, buf);

        if (rc != ASYNC_OK) {
            return rc;
        }

        buf += part;
        len -= part;
    }

    return ASYNC_OK;
}
