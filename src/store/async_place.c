/*
 * Where a job stands in the indices, and what it counts for in the figures
 * of its queue.  Both follow from its record; nobody else writes them.
 */

#include <string.h>

#include "async_work.h"


static void async_place_add(uint64_t *n, int by);
static void async_place_leave(async_work_t *work, const async_key_t *key);


bool
async_place_job(async_work_t *work, const async_key_t *row, async_job_t *job,
    uint8_t *buf)
{
    MDB_val      k;
    async_id_t   id;
    async_key_t  place;

    k.mv_size = row->len;
    k.mv_data = (void *) row->bytes;

    async_key_id(&k, &id);

    if (async_work_job(work, &id, job, buf) != ASYNC_OK) {
        return false;
    }

    async_key_place(&place, job, 0);

    return place.db == row->db && place.len == row->len
           && memcmp(place.bytes, row->bytes, row->len) == 0;
}


void
async_place_count(async_tally_t *tally, uint8_t state, int by)
{
    switch ((async_state_t) state) {

    case ASYNC_STATE_QUEUED:
    case ASYNC_STATE_SCHEDULED:
    case ASYNC_STATE_RETRYING:
        async_place_add(&tally->queued, by);
        break;

    case ASYNC_STATE_PROCESSING:
        async_place_add(&tally->running, by);
        break;

    default:
        break;
    }

    async_place_add(&tally->states[state], by);

    tally->changed = true;
}


static void
async_place_add(uint64_t *n, int by)
{
    if (by > 0) {
        (*n)++;

    } else if (*n > 0) {
        (*n)--;
    }
}


void
async_place_state(async_work_t *work, const async_job_t *job)
{
    async_key_t  key;

    async_key_state(&key, job);
    async_work_put(work, &key, "", 0);
}


void
async_place_wait(async_work_t *work, const async_job_t *job, uint64_t number)
{
    async_key_t  key;

    async_key_place(&key, job, number);
    async_work_put(work, &key, "", 0);
}


void
async_place_move(async_work_t *work, const async_job_t *before,
    const async_job_t *after)
{
    uint64_t     number;
    async_key_t  old, new;

    async_key_state(&old, before);
    async_key_state(&new, after);

    if (before->state != after->state) {
        async_work_delete(work, &old);
        async_work_put(work, &new, "", 0);
    }

    /* who comes back goes before those that were queued in the same ms */

    number = before->queued != after->queued ? work->feed : 0;

    async_key_place(&old, before, 0);
    async_key_place(&new, after, number);

    async_place_leave(work, &old);
    async_work_put(work, &new, "", 0);
}


static void
async_place_leave(async_work_t *work, const async_key_t *key)
{
    int          rc;
    MDB_val      row, v;
    MDB_cursor  *cursor;

    if (key->db != ASYNC_DB_READY) {
        async_work_delete(work, key);
        return;
    }

    /* the number in the row is not in the record: look for it */

    if (work->fault != ASYNC_OK) {
        return;
    }

    rc = mdb_cursor_open(work->txn, work->store->dbi[key->db], &cursor);

    if (rc != MDB_SUCCESS) {
        async_work_fault(work, rc);
        return;
    }

    row.mv_size = key->len;
    row.mv_data = (void *) key->bytes;

    rc = mdb_cursor_get(cursor, &row, &v, MDB_SET_RANGE);

    while (rc == MDB_SUCCESS && !async_key_same_place(&row, key)) {

        if (row.mv_size != key->len
            || memcmp(row.mv_data, key->bytes,
                      key->len - sizeof(async_id_t) - 8) != 0)
        {
            rc = MDB_NOTFOUND;
            break;
        }

        rc = mdb_cursor_get(cursor, &row, &v, MDB_NEXT);
    }

    if (rc == MDB_SUCCESS) {
        async_work_delete_row(work, key->db, row);

    } else if (rc != MDB_NOTFOUND) {
        async_work_fault(work, rc);
    }

    mdb_cursor_close(cursor);
}
