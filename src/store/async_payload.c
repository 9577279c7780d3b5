#include <string.h>

#include "async_db.h"


static async_rc_t async_head_copy(async_view_t *view, const async_id_t *id,
    async_payload_kind_t kind, uint8_t *buf, size_t cap, size_t *len);
static async_rc_t async_body_copy(async_view_t *view, const async_id_t *id,
    async_payload_kind_t kind, uint64_t offset, uint8_t *buf, size_t len);


async_rc_t
async_view_head(async_view_t *view, const async_id_t *id,
    async_payload_kind_t kind, uint8_t *buf, size_t cap, size_t *len)
{
    async_rc_t  rc;

    *len = 0;

    rc = async_view_begin(view);

    if (rc == ASYNC_OK) {
        rc = async_head_copy(view, id, kind, buf, cap, len);
        async_view_end(view);
    }

    return rc;
}


/*
 * How long a head is, nobody wrote down: it ends with the first chunk that
 * is not full, or that is not there.  Its record says whether it is whole.
 */

static async_rc_t
async_head_copy(async_view_t *view, const async_id_t *id,
    async_payload_kind_t kind, uint8_t *buf, size_t cap, size_t *len)
{
    MDB_val      v;
    uint32_t     n;
    async_rc_t   rc;
    async_key_t  key;

    for (n = 0; /* void */; n++) {

        async_key_payload(&key, id, kind, n);

        rc = async_db_get(view->store, view->txn, &key, &v);

        if (rc == ASYNC_NOT_FOUND && n > 0) {
            break;
        }

        if (rc != ASYNC_OK) {
            return rc;
        }

        if (v.mv_size > ASYNC_CHUNK) {
            return ASYNC_CORRUPT;
        }

        if (*len + v.mv_size <= cap) {
            memcpy(buf + *len, v.mv_data, v.mv_size);
        }

        *len += v.mv_size;

        if (v.mv_size < ASYNC_CHUNK) {
            break;
        }
    }

    return *len <= cap ? ASYNC_OK : ASYNC_NO_SPACE;
}


async_rc_t
async_view_body(async_view_t *view, const async_id_t *id,
    async_payload_kind_t kind, uint64_t offset, uint8_t *buf, size_t len)
{
    async_rc_t  rc;

    if (offset + len > ASYNC_CHUNKED_MAX || offset + len < offset) {
        return ASYNC_INVALID;
    }

    rc = async_view_begin(view);

    if (rc == ASYNC_OK) {
        rc = async_body_copy(view, id, kind, offset, buf, len);
        async_view_end(view);
    }

    return rc;
}


static async_rc_t
async_body_copy(async_view_t *view, const async_id_t *id,
    async_payload_kind_t kind, uint64_t offset, uint8_t *buf, size_t len)
{
    size_t       skip, part;
    MDB_val      v;
    uint32_t     n;
    async_rc_t   rc;
    async_key_t  key;

    n = (uint32_t) (offset / ASYNC_CHUNK);
    skip = (size_t) (offset % ASYNC_CHUNK);

    for (/* void */; len > 0; n++, skip = 0) {

        async_key_payload(&key, id, kind, n);

        rc = async_db_get(view->store, view->txn, &key, &v);

        if (rc != ASYNC_OK) {
            return rc;
        }

        part = ASYNC_CHUNK - skip < len ? ASYNC_CHUNK - skip : len;

        /* only the last may be short, and not of what is asked for */

        if (v.mv_size > ASYNC_CHUNK || v.mv_size < skip + part) {
            return ASYNC_CORRUPT;
        }

        memcpy(buf, (uint8_t *) v.mv_data + skip, part);

        buf += part;
        len -= part;
    }

    return ASYNC_OK;
}
