/*
 * The figures of the queues: how many jobs wait and run, and how many may.
 * Each is read once in a transaction and written once at its end.
 */

#include <stdlib.h>
#include <string.h>

#include "async_work.h"


static async_tally_t *async_tally_find(async_work_t *work,
    async_str_t queue);
static async_tally_t *async_tally_add(async_work_t *work, async_str_t queue);
static void async_tally_load(async_work_t *work, async_tally_t *tally);
static void async_tally_counts(async_work_t *work, async_tally_t *tally);
static void async_tally_names(async_work_t *work);
static void async_tally_walk(async_work_t *work, async_db_t db);
static void async_tally_row(async_work_t *work, async_db_t db,
    const MDB_val *row);


async_tally_t *
async_work_tally(async_work_t *work, async_str_t queue)
{
    async_tally_t  *tally;

    tally = async_tally_find(work, queue);

    if (tally != NULL) {
        return tally;
    }

    tally = async_tally_add(work, queue);

    if (tally != NULL && work->recount && !work->recounting) {
        async_work_recount(work);
        tally = async_tally_find(work, queue);
    }

    return work->fault == ASYNC_OK ? tally : NULL;
}


static async_tally_t *
async_tally_find(async_work_t *work, async_str_t queue)
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

    return NULL;
}


static async_tally_t *
async_tally_add(async_work_t *work, async_str_t queue)
{
    unsigned        n;
    async_store_t  *store;
    async_tally_t  *tally;

    store = work->store;

    if (work->ntallies == store->ntallies) {

        n = store->ntallies == 0 ? 16 : store->ntallies * 2;
        tally = realloc(store->tallies, n * sizeof(async_tally_t));

        if (tally == NULL) {
            work->fault = ASYNC_UNAVAILABLE;
            return NULL;
        }

        store->tallies = tally;
        store->ntallies = n;
    }

    tally = &store->tallies[work->ntallies++];

    memset(tally, 0, sizeof(async_tally_t));
    async_key_count(&tally->key, queue);
    async_tally_load(work, tally);

    return tally;
}


static void
async_tally_load(async_work_t *work, async_tally_t *tally)
{
    MDB_val        v;
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
        tally->per_owner = queue.per_owner;
        tally->interval = queue.interval;
    }

    async_tally_counts(work, tally);
}


/* a row of an older version has no states: they are counted once */

static void
async_tally_counts(async_work_t *work, async_tally_t *tally)
{
    MDB_val   v;
    uint64_t  n[ASYNC_QUEUE_COUNTS];

    if (async_work_get(work, &tally->key, &v) != ASYNC_OK) {
        return;
    }

    if (async_count_decode(n, ASYNC_QUEUE_COUNTS, v.mv_data, v.mv_size)
        != ASYNC_OK)
    {
        work->recount = true;
        return;
    }

    tally->queued = n[0];
    tally->running = n[1];

    memcpy(tally->states + 1, n + 2,
           (ASYNC_STATE_MAX - 1) * sizeof(uint64_t));
}


void
async_tally_end(async_work_t *work)
{
    unsigned        i;
    uint64_t        n[ASYNC_QUEUE_COUNTS];
    uint8_t         buf[ASYNC_COUNT_MAX];
    async_tally_t  *tally;

    for (i = 0; i < work->ntallies; i++) {
        tally = &work->store->tallies[i];

        if (tally->changed) {
            n[0] = tally->queued;
            n[1] = tally->running;

            memcpy(n + 2, tally->states + 1,
                   (ASYNC_STATE_MAX - 1) * sizeof(uint64_t));

            async_work_put(work, &tally->key, buf,
                           async_count_encode(n, ASYNC_QUEUE_COUNTS, buf,
                                              sizeof(buf)));
        }

        async_meter_end(work, tally);
    }
}


/*
 * Figures are derived, so damage to them, or to a job that they count, need
 * not stop a queue.  It takes a look at every job: slow, and only then, and
 * once in a store of an older version.
 */

void
async_work_recount(async_work_t *work)
{
    unsigned        i;
    async_tally_t  *tally;

    async_submit_rows(work);

    work->recounting = true;

    async_owner_forget(work);
    async_tally_names(work);

    for (i = 0; i < work->ntallies; i++) {
        tally = &work->store->tallies[i];

        tally->queued = 0;
        tally->running = 0;
        memset(tally->states, 0, sizeof(tally->states));
        tally->changed = true;
    }

    async_tally_walk(work, ASYNC_DB_READY);
    async_tally_walk(work, ASYNC_DB_TIMERS);
    async_tally_walk(work, ASYNC_DB_RUNNING);
    async_tally_walk(work, ASYNC_DB_BYSTATE);

    work->recounting = false;
    work->recount = false;
    work->changed = true;
}


/* queues that have figures now, also those that no row will name */

static void
async_tally_names(async_work_t *work)
{
    bool         more;
    MDB_val      row;
    async_str_t  name;
    async_key_t  key;

    async_key_first_count(&key);

    for (more = async_work_seek(work, &key, &row); more;
         more = async_work_seek(work, &key, &row))
    {
        name.data = row.mv_data;
        name.len = row.mv_size;

        if (async_work_tally(work, name) == NULL) {
            return;
        }

        /* the least key above this one has a zero byte more */

        async_key_count(&key, name);
        key.bytes[key.len++] = 0;
    }
}


static void
async_tally_walk(async_work_t *work, async_db_t db)
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

        /* those that wait for the sweeper are final, and come last */

        if (db == ASYNC_DB_TIMERS
            && *(uint8_t *) k.mv_data >= ASYNC_TIMER_EXPIRE)
        {
            rc = MDB_NOTFOUND;
            break;
        }

        async_tally_row(work, db, &k);
    }

    mdb_cursor_close(cursor);

    if (rc != MDB_NOTFOUND) {
        async_work_fault(work, rc);
    }
}


static void
async_tally_row(async_work_t *work, async_db_t db, const MDB_val *row)
{
    bool            sound;
    uint8_t         buf[ASYNC_JOB_MAX];
    async_id_t      id;
    async_job_t     job;
    async_tally_t  *tally;

    async_key_id(row, &id);
    sound = async_work_job(work, &id, &job, buf) == ASYNC_OK;

    /* a row of ready says itself what it counts for */

    if (!sound && db != ASYNC_DB_READY) {
        return;
    }

    if (!sound) {
        job.queue.data = (const char *) row->mv_data + 1;
        job.queue.len = *(uint8_t *) row->mv_data;
    }

    tally = async_work_tally(work, job.queue);

    if (tally == NULL) {
        return;
    }

    tally->changed = true;

    if (db == ASYNC_DB_BYSTATE) {
        tally->states[job.state]++;
        return;
    }

    if (db == ASYNC_DB_RUNNING) {
        tally->running++;

    } else {
        tally->queued++;
    }

    if (sound) {
        async_owner_count(work, &job, 1);
    }
}
