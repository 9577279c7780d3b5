/*
 * What a job is known by besides its id: an idempotency key, a coalescing
 * key, its owner.
 *
 * All three are hashes, and a row for each in its own random place would make
 * every submit of a batch write pages of its own.  So a bucket comes before
 * them in the key: rows of new jobs go into the newest, which is small enough
 * that they share its pages.  A look for a key goes from the newest bucket to
 * the oldest, and most of these it may leave out: async_sieve.h.  A process
 * that has just begun cannot, and looks 2 to 3 us in each; so buckets must not
 * be many: one is full with 4,096 jobs, if that is also a 24th of all there
 * are; and none while a look has to pass too many (one job that stays keeps a
 * bucket).
 *
 * A job's record names its bucket and its keys, so each row is removed by
 * one delete, and made anew from the record by a salvage.  An idempotency key
 * stands as long as the record does, which therefore stays as long as the key
 * was asked to live; it is given up if the job ended without ever reaching
 * the backend, and that of a message also if the job failed.  A coalescing
 * key is given up at the end in any case.  Keys of those who were coalesced
 * into it: async_joined.h.
 */

#include <limits.h>
#include <string.h>

#include "async_joined.h"
#include "async_sieve.h"


#define ASYNC_BUCKET_JOBS  4096
#define ASYNC_BUCKET_MANY  48


static int async_known_look(async_work_t *work, MDB_cursor *cursor,
    const uint8_t *hash, MDB_val *value);
static int async_known_below(MDB_cursor *cursor, uint64_t bucket,
    uint64_t *below);
static bool async_known_stale(async_work_t *work, const async_id_t *id);
static void async_bucket_load(async_work_t *work);
static uint64_t async_bucket_last(async_work_t *work, async_db_t db);
static bool async_bucket_full(async_work_t *work);
static uint64_t async_bucket_entries(async_work_t *work, async_db_t db);
static void async_known_row(async_work_t *work, const async_job_t *job,
    const async_job_key_t *key);
static void async_known_remove(async_work_t *work, const async_job_t *job,
    const async_job_key_t *key);
static bool async_known_unreached(const async_job_t *job);
static bool async_known_again(const async_job_t *job);


/* --- keys --- */

async_rc_t
async_known_find(async_work_t *work, const uint8_t hash[ASYNC_SUBMIT_HASH],
    async_id_t *id, uint8_t print[ASYNC_SUBMIT_PRINT])
{
    int          rc;
    bool         stale;
    MDB_val      value;
    MDB_cursor  *cursor;
    async_key_t  key;

    stale = false;
    work->probes = 0;

    if (work->fault != ASYNC_OK) {
        return work->fault;
    }

    rc = mdb_cursor_open(work->txn, work->store->dbi[ASYNC_DB_KNOWN],
                         &cursor);

    if (rc == MDB_SUCCESS) {
        rc = async_known_look(work, cursor, hash, &value);

        if (rc == MDB_SUCCESS) {
            memcpy(id, value.mv_data, sizeof(async_id_t));
            memcpy(print, (uint8_t *) value.mv_data + sizeof(async_id_t),
                   ASYNC_SUBMIT_PRINT);

            stale = async_known_stale(work, id);
        }

        if (rc == MDB_SUCCESS && stale) {
            rc = mdb_cursor_del(cursor, 0);
            work->changed = true;
        }

        mdb_cursor_close(cursor);
    }

    if (rc == MDB_SUCCESS && stale) {
        async_key_joined(&key, id, hash);
        async_work_delete(work, &key);
        rc = MDB_NOTFOUND;
    }

    if (rc == MDB_NOTFOUND) {
        return ASYNC_NOT_FOUND;
    }

    if (rc != MDB_SUCCESS) {
        async_work_fault(work, rc);
    }

    return work->fault;
}


/* in each bucket that has any, but for those that are known not to have it */

static int
async_known_look(async_work_t *work, MDB_cursor *cursor,
    const uint8_t *hash, MDB_val *value)
{
    int                   rc;
    MDB_val               row;
    uint64_t              bucket, below;
    async_key_t           place;
    const async_sieve_t  *sieve;

    sieve = NULL;
    rc = mdb_cursor_get(cursor, &row, value, MDB_LAST);

    if (rc != MDB_SUCCESS) {
        return rc;
    }

    if (row.mv_size < 8) {
        return MDB_CORRUPTED;
    }

    for (bucket = async_get_be64(row.mv_data); bucket != 0; /* void */) {

        work->probes++;

        if (sieve == NULL || async_sieve_may_have(sieve, hash)) {
            async_key_known(&place, bucket, hash);

            row.mv_size = place.len;
            row.mv_data = place.bytes;

            rc = mdb_cursor_get(cursor, &row, value, MDB_SET);

            if (rc != MDB_NOTFOUND
                && (rc != MDB_SUCCESS || value->mv_size == ASYNC_KNOWN_ROW))
            {
                return rc;
            }
        }

        sieve = async_sieve_below(work, bucket);

        if (sieve != NULL) {
            bucket = sieve->bucket;
            continue;
        }

        rc = async_known_below(cursor, bucket, &below);

        if (rc != MDB_SUCCESS) {
            return rc;
        }

        async_sieve_want(work, below, bucket);
        bucket = below;
    }

    return MDB_NOTFOUND;
}


/* the next bucket with rows below that one */

static int
async_known_below(MDB_cursor *cursor, uint64_t bucket, uint64_t *below)
{
    int          rc;
    MDB_val      row, value;
    async_key_t  first;

    async_key_known(&first, bucket, (uint8_t[ASYNC_SUBMIT_HASH]) { 0 });

    row.mv_size = first.len;
    row.mv_data = first.bytes;

    rc = mdb_cursor_get(cursor, &row, &value, MDB_SET_RANGE);

    if (rc == MDB_SUCCESS || rc == MDB_NOTFOUND) {
        rc = mdb_cursor_get(cursor, &row, &value,
                            rc == MDB_SUCCESS ? MDB_PREV : MDB_LAST);
    }

    if (rc != MDB_SUCCESS) {
        return rc;
    }

    if (row.mv_size < 8) {
        return MDB_CORRUPTED;
    }

    *below = async_get_be64(row.mv_data);

    return *below < bucket ? MDB_SUCCESS : MDB_CORRUPTED;
}


/*
 * A row that outlived its job, which only damage can do, names nobody; nor
 * does a further key of a job that gave its own up.
 */

static bool
async_known_stale(async_work_t *work, const async_id_t *id)
{
    uint8_t      buf[ASYNC_JOB_MAX];
    async_rc_t   rc;
    async_job_t  job;

    rc = async_work_job(work, id, &job, buf);

    return rc == ASYNC_NOT_FOUND
           || (rc == ASYNC_OK && async_known_given_up(&job));
}


void
async_known_put(async_work_t *work, const async_job_t *job)
{
    async_key_t  key;

    async_known_row(work, job, &job->idempotency);
    async_known_row(work, job, &job->coalesce);

    if (job->owner.len != 0) {
        async_key_owner(&key, job->bucket, job->owner, &job->id);
        async_work_put(work, &key, "", 0);
    }
}


static void
async_known_row(async_work_t *work, const async_job_t *job,
    const async_job_key_t *key)
{
    uint8_t      value[ASYNC_KNOWN_ROW];
    async_key_t  row;

    if (!key->used) {
        return;
    }

    memcpy(value, &job->id, sizeof(async_id_t));
    memcpy(value + sizeof(async_id_t), key->print, ASYNC_SUBMIT_PRINT);

    async_key_known(&row, job->bucket, key->hash);
    async_work_put(work, &row, value, sizeof(value));
}


void
async_known_drop(async_work_t *work, const async_job_t *job)
{
    async_key_t  key;

    (void) async_joined_drop(work, &job->id, UINT_MAX);

    async_known_remove(work, job, &job->idempotency);
    async_known_remove(work, job, &job->coalesce);

    if (job->owner.len != 0) {
        async_key_owner(&key, job->bucket, job->owner, &job->id);
        async_work_delete(work, &key);
    }
}


static void
async_known_remove(async_work_t *work, const async_job_t *job,
    const async_job_key_t *key)
{
    async_key_t  row;

    if (key->used) {
        async_key_known(&row, job->bucket, key->hash);
        async_work_delete(work, &row);
    }
}


/* --- the end of a job --- */

void
async_known_end(async_job_t *job)
{
    job->coalesce.used = false;

    if (async_known_given_up(job)) {
        job->idempotency.used = false;
    }

    if (job->idempotency.used && job->due < job->idempotency.expires) {
        job->due = job->idempotency.expires;
    }

    if (!job->idempotency.used && job->owner.len == 0) {
        job->bucket = 0;
    }
}


bool
async_known_given_up(const async_job_t *job)
{
    return async_known_unreached(job) || async_known_again(job);
}


/* it came to nothing, and nobody but us has heard of it */

static bool
async_known_unreached(const async_job_t *job)
{
    if (job->flags & (ASYNC_JOB_ANSWERED|ASYNC_JOB_SENT)) {
        return false;
    }

    return job->state == ASYNC_STATE_CANCELED
           || (job->state == ASYNC_STATE_FAILED
               && (job->error == ASYNC_JOB_ERROR_START_TIMEOUT
                   || job->error == ASYNC_JOB_ERROR_BACKEND_UNREACHABLE));
}


/* whose sender may try once more; not if it may have been done already */

static bool
async_known_again(const async_job_t *job)
{
    return (job->flags & ASYNC_JOB_MESSAGE)
           && job->state == ASYNC_STATE_FAILED
           && job->error != ASYNC_JOB_ERROR_OUTCOME_UNKNOWN;
}


void
async_known_move(async_work_t *work, const async_job_t *before,
    const async_job_t *after)
{
    if (!after->idempotency.used) {
        async_known_remove(work, before, &before->idempotency);
    }

    if (!after->coalesce.used) {
        async_known_remove(work, before, &before->coalesce);
    }
}


/* --- buckets --- */

uint64_t
async_known_newest(async_work_t *work)
{
    if (work->bucket == 0) {
        async_bucket_load(work);
    }

    return work->bucket;
}


uint64_t
async_known_bucket(async_work_t *work)
{
    (void) async_known_newest(work);

    if (async_bucket_full(work)) {
        work->bucket++;
        work->bucket_jobs = 0;
    }

    work->bucket_jobs++;
    work->bucket_changed = true;

    return work->bucket;
}


static void
async_bucket_load(async_work_t *work)
{
    MDB_val      v;
    uint64_t     n[2], keys, owners, last;
    async_key_t  key;

    async_key_stat(&key, ASYNC_STAT_BUCKET);

    if (async_work_get(work, &key, &v) != ASYNC_OK
        || async_count_decode(n, 2, v.mv_data, v.mv_size) != ASYNC_OK)
    {
        n[0] = 1;
        n[1] = 0;
    }

    /* whatever became of that row, none is put behind the others */

    keys = async_bucket_last(work, ASYNC_DB_KNOWN);
    owners = async_bucket_last(work, ASYNC_DB_OWNERS);
    last = keys > owners ? keys : owners;

    work->bucket = n[0] > last ? n[0] : last;
    work->bucket_jobs = n[0] >= last ? n[1] : 0;
}


static uint64_t
async_bucket_last(async_work_t *work, async_db_t db)
{
    int          rc;
    MDB_val      k, v;
    uint64_t     bucket;
    MDB_cursor  *cursor;

    bucket = 0;
    rc = mdb_cursor_open(work->txn, work->store->dbi[db], &cursor);

    if (rc == MDB_SUCCESS) {
        rc = mdb_cursor_get(cursor, &k, &v, MDB_LAST);

        if (rc == MDB_SUCCESS && k.mv_size >= 8) {
            bucket = async_get_be64(k.mv_data);
        }

        mdb_cursor_close(cursor);
    }

    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND) {
        async_work_fault(work, rc);
    }

    return bucket;
}


static bool
async_bucket_full(async_work_t *work)
{
    uint64_t  keys, owners;

    if (work->bucket_jobs < ASYNC_BUCKET_JOBS
        || work->probes > ASYNC_BUCKET_MANY)
    {
        return false;
    }

    keys = async_bucket_entries(work, ASYNC_DB_KNOWN);
    owners = async_bucket_entries(work, ASYNC_DB_OWNERS);

    return work->bucket_jobs >= (keys > owners ? keys : owners) / 24;
}


static uint64_t
async_bucket_entries(async_work_t *work, async_db_t db)
{
    int       rc;
    MDB_stat  st;

    rc = mdb_stat(work->txn, work->store->dbi[db], &st);

    if (rc != MDB_SUCCESS) {
        async_work_fault(work, rc);
        return 0;
    }

    return st.ms_entries;
}


void
async_known_finish(async_work_t *work)
{
    uint64_t     n[2];
    uint8_t      buf[ASYNC_COUNT_MAX];
    async_key_t  key;

    if (!work->bucket_changed) {
        return;
    }

    n[0] = work->bucket;
    n[1] = work->bucket_jobs;

    async_key_stat(&key, ASYNC_STAT_BUCKET);
    async_work_put(work, &key, buf,
                   async_count_encode(n, 2, buf, sizeof(buf)));
}
