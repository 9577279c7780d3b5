#include <stdlib.h>
#include <string.h>

#include "async_sieve.h"


#define ASYNC_SIEVE_STEP  32


static void async_sieve_slice(async_work_t *work, async_sieves_t *sieves);
static bool async_sieve_add(async_sieves_t *sieves, const uint8_t *hash);
static void async_sieve_done(async_sieves_t *sieves);
static void async_sieve_forget(async_sieves_t *sieves, unsigned n);
static void async_sieve_drop_next(async_sieves_t *sieves);
static bool async_sieve_rows(async_work_t *work, uint64_t bucket);


void
async_sieve_read(async_work_t *work)
{
    async_sieves_t  *sieves = work->store->sieves;

    if (sieves == NULL || work->changed || work->fault != ASYNC_OK) {
        return;
    }

    /* only damage makes an older bucket the newest once more */

    if (async_known_newest(work) < sieves->newest) {
        async_sieve_free(work->store);
        return;
    }

    if (sieves->next.bucket != 0) {
        async_sieve_slice(work, sieves);
    }
}


static void
async_sieve_slice(async_work_t *work, async_sieves_t *sieves)
{
    int             rc;
    MDB_val         k, v;
    unsigned        left;
    async_sieve_t  *next;
    MDB_cursor     *cursor;

    next = &sieves->next;
    rc = mdb_cursor_open(work->txn, work->store->dbi[ASYNC_DB_KNOWN],
                         &cursor);

    if (rc != MDB_SUCCESS) {
        async_work_fault(work, rc);
        return;
    }

    k.mv_size = sieves->place.len;
    k.mv_data = sieves->place.bytes;

    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);

    for (left = ASYNC_SIEVE_SLICE; rc == MDB_SUCCESS && left > 0; left--) {

        if (k.mv_size != sieves->place.len
            || async_get_be64(k.mv_data) != next->bucket)
        {
            rc = MDB_NOTFOUND;
            break;
        }

        if (!async_sieve_add(sieves, (const uint8_t *) k.mv_data + 8)) {
            mdb_cursor_close(cursor);
            async_sieve_drop_next(sieves);
            sieves->full = true;
            return;
        }

        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }

    if (rc == MDB_SUCCESS) {
        memcpy(sieves->place.bytes, k.mv_data, sieves->place.len);
    }

    mdb_cursor_close(cursor);

    if (rc == MDB_NOTFOUND) {
        async_sieve_done(sieves);

    } else if (rc != MDB_SUCCESS) {
        async_work_fault(work, rc);
    }
}


static bool
async_sieve_add(async_sieves_t *sieves, const uint8_t *hash)
{
    uint32_t        room, *tags;
    async_sieve_t  *next;

    next = &sieves->next;

    if (next->n == next->room) {
        room = next->room != 0 ? 2 * next->room : ASYNC_SIEVE_SLICE;

        if (sieves->rows + next->n >= ASYNC_SIEVE_ALL) {
            return false;
        }

        tags = realloc(next->tags, room * sizeof(uint32_t));

        if (tags == NULL) {
            return false;
        }

        next->tags = tags;
        next->room = room;
    }

    next->tags[next->n++] = async_get_be32(hash);

    return true;
}


/* into its place; one whose rows have gone is of no use */

static void
async_sieve_done(async_sieves_t *sieves)
{
    unsigned       i;
    async_sieve_t  done;

    done = sieves->next;
    memset(&sieves->next, 0, sizeof(async_sieve_t));

    if (done.n == 0) {
        free(done.tags);
        return;
    }

    for (i = 0; i < sieves->n && sieves->list[i].bucket > done.bucket; i++) {
        /* void */
    }

    memmove(&sieves->list[i + 1], &sieves->list[i],
            (sieves->n - i) * sizeof(async_sieve_t));

    sieves->list[i] = done;
    sieves->n++;
    sieves->rows += done.n;
}


void
async_sieve_want(async_work_t *work, uint64_t bucket, uint64_t above)
{
    async_sieves_t  *sieves;

    /* what an abort would undo is not to be remembered */

    if (work->changed || work->bucket_changed
        || bucket >= async_known_newest(work))
    {
        return;
    }

    sieves = work->store->sieves;

    if (sieves == NULL) {
        sieves = calloc(1, sizeof(async_sieves_t));

        if (sieves == NULL) {
            return;
        }

        work->store->sieves = sieves;
    }

    /* what has expired makes room for what is younger */

    while (sieves->n > 0
           && !async_sieve_rows(work, sieves->list[sieves->n - 1].bucket))
    {
        async_sieve_forget(sieves, sieves->n - 1);
    }

    if (sieves->next.bucket != 0 || sieves->full
        || sieves->n == ASYNC_SIEVES)
    {
        return;
    }

    sieves->next.bucket = bucket;
    sieves->next.above = above;
    sieves->newest = async_known_newest(work);

    async_key_known(&sieves->place, bucket, (uint8_t[ASYNC_SUBMIT_HASH]) {0});
}


static bool
async_sieve_rows(async_work_t *work, uint64_t bucket)
{
    MDB_val      row;
    async_key_t  key;

    async_key_known(&key, bucket, (uint8_t[ASYNC_SUBMIT_HASH]) { 0 });

    return async_work_seek(work, &key, &row)
           && async_get_be64(row.mv_data) == bucket;
}


const async_sieve_t *
async_sieve_below(async_work_t *work, uint64_t bucket)
{
    unsigned         i;
    async_sieves_t  *sieves = work->store->sieves;

    for (i = 0; sieves != NULL && i < sieves->n; i++) {

        if (sieves->list[i].bucket < bucket) {
            return sieves->list[i].above >= bucket ? &sieves->list[i] : NULL;
        }
    }

    return NULL;
}


bool
async_sieve_may_have(const async_sieve_t *sieve,
    const uint8_t hash[ASYNC_SUBMIT_HASH])
{
    uint32_t  from, to, mid, tag, step;

    /* they are spread evenly, so it is not far from here */

    tag = async_get_be32(hash);
    from = to = (uint32_t) ((uint64_t) tag * sieve->n >> 32);

    for (step = ASYNC_SIEVE_STEP; from > 0 && sieve->tags[from] >= tag;
         step *= 2)
    {
        from = from > step ? from - step : 0;
    }

    for (step = ASYNC_SIEVE_STEP; to < sieve->n && sieve->tags[to] < tag;
         step *= 2)
    {
        to = sieve->n - to > step ? to + step : sieve->n;
    }

    while (from < to) {
        mid = from + (to - from) / 2;

        if (sieve->tags[mid] < tag) {
            from = mid + 1;

        } else {
            to = mid;
        }
    }

    return from < sieve->n && sieve->tags[from] == tag;
}


static void
async_sieve_forget(async_sieves_t *sieves, unsigned n)
{
    sieves->rows -= sieves->list[n].n;
    sieves->full = false;
    free(sieves->list[n].tags);

    sieves->n--;
    memmove(&sieves->list[n], &sieves->list[n + 1],
            (sieves->n - n) * sizeof(async_sieve_t));
}


static void
async_sieve_drop_next(async_sieves_t *sieves)
{
    free(sieves->next.tags);
    memset(&sieves->next, 0, sizeof(async_sieve_t));
}


void
async_sieve_free(async_store_t *store)
{
    if (store->sieves == NULL) {
        return;
    }

    while (store->sieves->n > 0) {
        async_sieve_forget(store->sieves, store->sieves->n - 1);
    }

    async_sieve_drop_next(store->sieves);

    free(store->sieves);
    store->sieves = NULL;
}
