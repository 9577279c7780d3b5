/*
 * The check, of what jobs are known by: the rows of keys and owners from both
 * sides, and the figures of owners.
 */

#include <stdlib.h>
#include <string.h>

#include "async_checker.h"
#include "async_joined.h"


static void async_check_key(async_checker_t *ck, const async_job_t *job,
    const async_job_key_t *key, const char *what);
static void async_check_owned(async_checker_t *ck, const async_job_t *job);
static int async_check_owned_order(const void *a, const void *b);
static bool async_check_joined(async_checker_t *ck, const async_id_t *id,
    uint64_t bucket, const uint8_t *hash, const uint8_t *print);
static void async_check_joined_row(async_checker_t *ck, async_db_t db,
    const async_id_t *id, const MDB_val *row, const MDB_val *value);
static bool async_check_same_key(const async_job_key_t *key,
    const uint8_t *hash, const uint8_t *print);


/* --- from the job --- */

void
async_check_known(async_checker_t *ck, const async_job_t *job)
{
    MDB_val      value;
    async_key_t  key;

    async_check_key(ck, job, &job->idempotency, "idempotency");
    async_check_key(ck, job, &job->coalesce, "coalescing");

    if (job->coalesce.used && async_state_final((async_state_t) job->state)) {
        async_check_fault_of(ck, &job->id, "is %s, and still has a "
                             "coalescing key",
                             async_state_name((async_state_t) job->state));
    }

    if (job->owner.len == 0) {
        return;
    }

    async_key_owner(&key, job->bucket, job->owner, &job->id);

    if (async_db_get(ck->store, ck->txn, &key, &value) != ASYNC_OK) {
        async_check_fault_of(ck, &job->id, "is not listed in owners");
    }

    if (!async_state_final((async_state_t) job->state)) {
        async_check_owned(ck, job);
    }
}


static void
async_check_key(async_checker_t *ck, const async_job_t *job,
    const async_job_key_t *key, const char *what)
{
    MDB_val      value;
    async_key_t  row;

    if (!key->used) {
        return;
    }

    async_key_known(&row, job->bucket, key->hash);

    if (async_db_get(ck->store, ck->txn, &row, &value) != ASYNC_OK) {
        async_check_fault_of(ck, &job->id, "its %s key has no row in keys",
                             what);

    } else if (value.mv_size == sizeof(async_id_t) + ASYNC_SUBMIT_PRINT
               && memcmp(value.mv_data, &job->id, sizeof(async_id_t)) != 0)
    {
        async_check_fault_of(ck, &job->id, "the row of its %s key names "
                             "another job", what);
    }
}


/* --- from the rows --- */

void
async_check_known_row(async_checker_t *ck, async_db_t db, const MDB_val *row,
    const MDB_val *value)
{
    uint64_t        bucket;
    async_id_t      id;
    async_job_t     job;
    const uint8_t  *hash, *print;

    if (async_key_is_joined(row->mv_data, row->mv_size, &id)) {
        async_check_joined_row(ck, db, &id, row, value);
        return;
    }

    if (row->mv_size != 8 + ASYNC_SUBMIT_HASH
        || value->mv_size != ASYNC_KNOWN_ROW)
    {
        async_check_fault(ck, "keys has a row that is not ours");
        return;
    }

    bucket = async_get_be64(row->mv_data);
    hash = (const uint8_t *) row->mv_data + 8;
    print = (const uint8_t *) value->mv_data + sizeof(async_id_t);

    memcpy(&id, value->mv_data, sizeof(async_id_t));

    ck->bucket = bucket;

    if (async_check_owner(ck, db, &id, &job) != ASYNC_OK) {
        return;
    }

    if ((job.bucket != bucket
         || (!async_check_same_key(&job.idempotency, hash, print)
             && !async_check_same_key(&job.coalesce, hash, print)))
        && !async_check_joined(ck, &id, bucket, hash, print))
    {
        async_check_fault_of(ck, &id, "keys has a row of it that it does not "
                             "name");
    }
}


/* whether it is a further key of the job */

static bool
async_check_joined(async_checker_t *ck, const async_id_t *id,
    uint64_t bucket, const uint8_t *hash, const uint8_t *print)
{
    MDB_val         v;
    async_key_t     key;
    async_joined_t  joined;

    async_key_joined(&key, id, hash);

    return async_db_get(ck->store, ck->txn, &key, &v) == ASYNC_OK
           && async_joined_decode(&joined, v.mv_data, v.mv_size) == ASYNC_OK
           && joined.bucket == bucket
           && memcmp(joined.print, print, ASYNC_SUBMIT_PRINT) == 0;
}


static void
async_check_joined_row(async_checker_t *ck, async_db_t db,
    const async_id_t *id, const MDB_val *row, const MDB_val *value)
{
    MDB_val         v;
    async_job_t     job;
    async_key_t     key;
    async_joined_t  joined;

    if (async_joined_decode(&joined, value->mv_data, value->mv_size)
        != ASYNC_OK)
    {
        async_check_fault_of(ck, id, "the row of a further key is damaged");
        return;
    }

    if (async_check_owner(ck, db, id, &job) != ASYNC_OK
        || async_known_given_up(&job))
    {
        return;
    }

    async_key_known(&key, joined.bucket, (const uint8_t *) row->mv_data + 8
                                         + sizeof(async_id_t));

    if (async_db_get(ck->store, ck->txn, &key, &v) != ASYNC_OK
        || v.mv_size != ASYNC_KNOWN_ROW
        || memcmp(v.mv_data, id, sizeof(async_id_t)) != 0)
    {
        async_check_fault_of(ck, id, "a further key has no row in keys");
    }
}


static bool
async_check_same_key(const async_job_key_t *key, const uint8_t *hash,
    const uint8_t *print)
{
    return key->used
           && memcmp(key->hash, hash, ASYNC_SUBMIT_HASH) == 0
           && memcmp(key->print, print, ASYNC_SUBMIT_PRINT) == 0;
}


void
async_check_owner_row(async_checker_t *ck, async_db_t db, const MDB_val *row,
    const MDB_val *value)
{
    uint64_t        bucket;
    async_id_t      id;
    async_job_t     job;
    const uint8_t  *owner;

    if (row->mv_size != 8 + ASYNC_OWNER + sizeof(async_id_t)
        || value->mv_size != 0)
    {
        async_check_fault(ck, "owners has a row that is not ours");
        return;
    }

    bucket = async_get_be64(row->mv_data);
    owner = (const uint8_t *) row->mv_data + 8;

    async_key_id(row, &id);

    ck->bucket = bucket > ck->bucket ? bucket : ck->bucket;

    if (async_check_owner(ck, db, &id, &job) != ASYNC_OK) {
        return;
    }

    if (job.bucket != bucket || job.owner.len != ASYNC_OWNER
        || memcmp(job.owner.data, owner, ASYNC_OWNER) != 0)
    {
        async_check_fault_of(ck, &id, "owners has a row of it that it does "
                             "not name");
    }
}


/* --- figures --- */

/* one unfinished job; they are counted when all are there */

static void
async_check_owned(async_checker_t *ck, const async_job_t *job)
{
    size_t                n;
    async_check_owned_t  *owned;
    async_check_tally_t  *tally;

    tally = async_check_tally(ck, job->queue);

    if (tally == NULL) {
        return;
    }

    if (ck->nowned == ck->owned_room) {

        n = ck->owned_room == 0 ? 1024 : ck->owned_room * 2;
        owned = realloc(ck->owned, n * sizeof(async_check_owned_t));

        if (owned == NULL) {
            ck->rc = ASYNC_NO_SPACE;
            return;
        }

        ck->owned = owned;
        ck->owned_room = n;
    }

    owned = &ck->owned[ck->nowned++];

    memcpy(owned->owner, job->owner.data, ASYNC_OWNER);
    owned->queue = (unsigned) (tally - ck->tallies);
    ck->owned_sorted = false;
}


static int
async_check_owned_order(const void *a, const void *b)
{
    int                         order;
    const async_check_owned_t  *x = a, *y = b;

    order = memcmp(x->owner, y->owner, ASYNC_OWNER);

    return order != 0 ? order : (x->queue > y->queue) - (x->queue < y->queue);
}


void
async_check_owned_row(async_checker_t *ck, const MDB_val *row,
    const MDB_val *value)
{
    size_t                from, to, mid;
    uint64_t              n, found;
    async_str_t           queue;
    async_check_owned_t   owned;
    async_check_tally_t  *tally;

    if (row->mv_size <= 1 + ASYNC_OWNER
        || row->mv_size > 1 + ASYNC_OWNER + ASYNC_QUEUE_MAX
        || async_count_decode(&n, 1, value->mv_data, value->mv_size)
           != ASYNC_OK)
    {
        async_check_fault(ck, "counts: what an owner has is damaged");
        return;
    }

    queue.data = (const char *) row->mv_data + 1 + ASYNC_OWNER;
    queue.len = row->mv_size - 1 - ASYNC_OWNER;
    tally = async_check_tally(ck, queue);

    if (tally == NULL) {
        return;
    }

    memcpy(owned.owner, (const uint8_t *) row->mv_data + 1, ASYNC_OWNER);
    owned.queue = (unsigned) (tally - ck->tallies);

    if (!ck->owned_sorted && ck->nowned > 0) {
        qsort(ck->owned, ck->nowned, sizeof(async_check_owned_t),
              async_check_owned_order);
    }

    ck->owned_sorted = true;

    for (from = 0, to = ck->nowned; from < to; /* void */) {
        mid = from + (to - from) / 2;

        if (async_check_owned_order(&ck->owned[mid], &owned) < 0) {
            from = mid + 1;

        } else {
            to = mid;
        }
    }

    for (found = 0; from + found < ck->nowned
         && async_check_owned_order(&ck->owned[from + found], &owned) == 0;
         found++)
    {
        /* void */
    }

    ck->nfound += found;

    if (n == 0 || !async_check_sum(ck, n, found)) {
        async_check_fault(ck, "queue \"%.*s\": counts say that an owner has "
                          "%llu jobs in it, there are %llu",
                          (int) queue.len, queue.data,
                          (unsigned long long) n,
                          (unsigned long long) found);
    }
}


void
async_check_known_totals(async_checker_t *ck)
{
    MDB_val      value;
    uint64_t     n[2];
    async_key_t  key;

    if (ck->nfound != ck->nowned) {
        async_check_fault(ck, "owners have %llu jobs that counts do not tell "
                          "of", (unsigned long long) (ck->nowned
                                                      - ck->nfound));
    }

    async_key_stat(&key, ASYNC_STAT_BUCKET);

    if (ck->bucket != 0
        && (async_db_get(ck->store, ck->txn, &key, &value) != ASYNC_OK
            || async_count_decode(n, 2, value.mv_data, value.mv_size)
               != ASYNC_OK
            || n[0] < ck->bucket))
    {
        async_check_fault(ck, "stats do not say which bucket is the newest");
    }
}
