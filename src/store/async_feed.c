#include <string.h>

#include "async_db.h"
#include "async_feed.h"


#define ASYNC_FEED_VALUE  (sizeof(async_id_t) + 8)

typedef struct {
    uint64_t       *seq;
    unsigned        limit;
    bool           *lost;
    async_feed_fn   fn;
    void           *data;
} async_feed_walk_t;

typedef struct {
    const async_id_t  *id;
    uint64_t           seq;
    async_trail_fn     fn;
    void              *data;
} async_trail_walk_t;


static int async_feed_newest(MDB_cursor *cursor, void *data);
static int async_feed_each(MDB_cursor *cursor, void *data);
static bool async_feed_tell(async_feed_walk_t *walk, const MDB_val *value);
static int async_trail_each(MDB_cursor *cursor, void *data);


async_rc_t
async_view_feed_last(async_view_t *view, uint64_t *seq)
{
    *seq = 0;

    return async_view_walk(view, ASYNC_DB_FEED, async_feed_newest, seq);
}


static int
async_feed_newest(MDB_cursor *cursor, void *data)
{
    int        rc;
    MDB_val    k, v;
    uint64_t  *seq = data;

    rc = mdb_cursor_get(cursor, &k, &v, MDB_LAST);

    if (rc == MDB_SUCCESS && k.mv_size == 8) {
        *seq = async_get_be64(k.mv_data);
    }

    return rc;
}


async_rc_t
async_view_feed(async_view_t *view, uint64_t *seq, unsigned limit,
    bool *lost, async_feed_fn fn, void *data)
{
    async_feed_walk_t  walk;

    *lost = false;

    walk.seq = seq;
    walk.limit = limit;
    walk.lost = lost;
    walk.fn = fn;
    walk.data = data;

    return async_view_walk(view, ASYNC_DB_FEED, async_feed_each, &walk);
}


/* numbers have no gaps: one that is missing after our place was trimmed */

static int
async_feed_each(MDB_cursor *cursor, void *data)
{
    int                 rc;
    MDB_val             k, v;
    uint64_t            number;
    async_key_t         key;
    async_feed_walk_t  *walk = data;

    async_key_feed(&key, *walk->seq + 1);

    k.mv_size = key.len;
    k.mv_data = key.bytes;

    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);

    for (/* void */; rc == MDB_SUCCESS && walk->limit > 0; walk->limit--) {

        if (k.mv_size != 8) {
            return MDB_CORRUPTED;
        }

        number = async_get_be64(k.mv_data);

        if (number != *walk->seq + 1) {
            *walk->lost = true;
        }

        *walk->seq = number;

        if (!async_feed_tell(walk, &v)) {
            return MDB_SUCCESS;
        }

        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }

    return rc;
}


static bool
async_feed_tell(async_feed_walk_t *walk, const MDB_val *value)
{
    async_id_t      id;
    const uint8_t  *p;

    /* a damaged entry is as good as one that is gone */

    if (value->mv_size != ASYNC_FEED_VALUE) {
        *walk->lost = true;
        return true;
    }

    p = value->mv_data;
    memcpy(&id, p, sizeof(async_id_t));

    return walk->fn(walk->data, &id, async_get_be64(p + sizeof(async_id_t)));
}


async_rc_t
async_view_trail(async_view_t *view, const async_id_t *id, uint64_t seq,
    async_trail_fn fn, void *data)
{
    async_trail_walk_t  walk;

    walk.id = id;
    walk.seq = seq;
    walk.fn = fn;
    walk.data = data;

    return async_view_walk(view, ASYNC_DB_TRAIL, async_trail_each, &walk);
}


static int
async_trail_each(MDB_cursor *cursor, void *data)
{
    int                  rc;
    MDB_val              k, v;
    async_key_t          key;
    async_trail_t        trail;
    async_trail_walk_t  *walk = data;

    async_key_trail(&key, walk->id, walk->seq + 1);

    k.mv_size = key.len;
    k.mv_data = key.bytes;

    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);

    for (/* void */; rc == MDB_SUCCESS; /* void */) {

        if (k.mv_size != key.len
            || memcmp(k.mv_data, walk->id, sizeof(async_id_t)) != 0)
        {
            return MDB_NOTFOUND;
        }

        /* a damaged line is left out, as a damaged job is from a list */

        if (async_trail_decode(&trail, v.mv_data, v.mv_size) == ASYNC_OK
            && !walk->fn(walk->data,
                         async_get_be64((uint8_t *) k.mv_data
                                        + sizeof(async_id_t)), &trail))
        {
            return MDB_SUCCESS;
        }

        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }

    return rc;
}
