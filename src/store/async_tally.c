/*
 * The figures of the queues: how many jobs wait and run, and how many may.
 * Each is read once in a transaction and written once at its end.
 */

#include <stdlib.h>
#include <string.h>

#include "async_work.h"


static async_tally_t *async_tally_add(async_work_t *work);
static void async_tally_load(async_work_t *work, async_tally_t *tally);
static void async_tally_recount(async_work_t *work, async_tally_t *tally,
    async_db_t db);
static bool async_tally_owns(async_work_t *work, const async_tally_t *tally,
    const MDB_val *row);


async_tally_t *
async_work_tally(async_work_t *work, async_str_t queue)
{
    unsigned        i;
    async_tally_t  *tally;

    for (i = 0; i < work->ntallies; i++) {
        tally = &work->store->tallies[i];

        if (tally->key.len == queue.len
            && memcmp(tally->key.bytes, queue.data, queue.len) == 0)
        {
            return tally;
        }
    }

    tally = async_tally_add(work);

    if (tally == NULL) {
        work->fault = ASYNC_UNAVAILABLE;
        return NULL;
    }

    memset(tally, 0, sizeof(async_tally_t));
    async_key_count(&tally->key, queue);
    async_tally_load(work, tally);

    return work->fault == ASYNC_OK ? tally : NULL;
}


static async_tally_t *
async_tally_add(async_work_t *work)
{
    unsigned        n;
    async_store_t  *store;
    async_tally_t  *tallies;

    store = work->store;

    if (work->ntallies == store->ntallies) {

        n = store->ntallies == 0 ? 16 : store->ntallies * 2;
        tallies = realloc(store->tallies, n * sizeof(async_tally_t));

        if (tallies == NULL) {
            return NULL;
        }

        store->tallies = tallies;
        store->ntallies = n;
    }

    return &store->tallies[work->ntallies++];
}


static void
async_tally_load(async_work_t *work, async_tally_t *tally)
{
    MDB_val        v;
    uint64_t       n[2];
    async_str_t    name;
    async_key_t    key;
    async_queue_t  queue;

    tally->concurrency = ASYNC_QUEUE_CONCURRENCY;
    tally->max_queued = ASYNC_QUEUE_QUEUED;

    name.data = (const char *) tally->key.bytes;
    name.len = tally->key.len;

    async_key_queue(&key, name);

    if (async_work_get(work, &key, &v) == ASYNC_OK
        && async_queue_decode(&queue, v.mv_data, v.mv_size) == ASYNC_OK)
    {
        tally->concurrency = queue.concurrency;
        tally->max_queued = queue.max_queued;
    }

    if (async_work_get(work, &tally->key, &v) != ASYNC_OK) {
        return;
    }

    if (async_count_decode(n, 2, v.mv_data, v.mv_size) == ASYNC_OK) {
        tally->queued = n[0];
        tally->running = n[1];
        return;
    }

    async_tally_recount(work, tally, ASYNC_DB_READY);
    async_tally_recount(work, tally, ASYNC_DB_TIMERS);
    async_tally_recount(work, tally, ASYNC_DB_RUNNING);
    tally->changed = true;
}


/*
 * The figures of a queue are damaged, but they can be had again from the
 * index rows of the jobs that are not final; those of timers that wait for
 * the sweeper are of final jobs and come last.
 */

static void
async_tally_recount(async_work_t *work, async_tally_t *tally, async_db_t db)
{
    int          rc;
    MDB_val      k, v;
    MDB_cursor  *cursor;

    if (work->fault != ASYNC_OK) {
        return;
    }

    rc = mdb_cursor_open(work->txn, work->store->dbi[db], &cursor);

    if (rc != MDB_SUCCESS) {
        async_work_fault(work, rc);
        return;
    }

    while ((rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == MDB_SUCCESS) {

        if (db == ASYNC_DB_TIMERS
            && *(uint8_t *) k.mv_data != ASYNC_TIMER_DUE)
        {
            rc = MDB_NOTFOUND;
            break;
        }

        if (async_tally_owns(work, tally, &k)) {
            tally->queued += db == ASYNC_DB_RUNNING ? 0 : 1;
            tally->running += db == ASYNC_DB_RUNNING ? 1 : 0;
        }
    }

    mdb_cursor_close(cursor);

    if (rc != MDB_NOTFOUND) {
        async_work_fault(work, rc);
    }
}


static bool
async_tally_owns(async_work_t *work, const async_tally_t *tally,
    const MDB_val *row)
{
    uint8_t      buf[ASYNC_JOB_MAX];
    async_id_t   id;
    async_job_t  job;

    async_key_id(row, &id);

    return async_work_job(work, &id, &job, buf) == ASYNC_OK
           && job.queue.len == tally->key.len
           && memcmp(job.queue.data, tally->key.bytes, job.queue.len) == 0;
}
