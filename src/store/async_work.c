#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "async_bell.h"
#include "async_work.h"


#define ASYNC_FEED_KEPT   100000
#define ASYNC_FEED_SLICE  256        /* trimmed at once, besides what came */


static async_rc_t async_work_start(async_work_t *work, async_error_t *err);
static void async_work_epoch(async_work_t *work);
static void async_work_feed(async_work_t *work);
static void async_work_spooled(async_work_t *work);
static void async_work_finish(async_work_t *work);
static void async_work_trim(async_work_t *work);
static uint64_t async_work_us(void);
static async_rc_t async_work_failed(async_work_t *work, int rc,
    async_error_t *err);
static bool async_work_gave_up(async_store_t *store);


/* --- the transaction --- */

async_rc_t
async_work_enter(async_work_t *work, async_store_t *store, int64_t now,
    int64_t wait_ms, async_error_t *err)
{
    async_rc_t  rc;

    memset(work, 0, offsetof(async_work_t, guard));

    work->store = store;
    work->now = now;

    rc = wait_ms == ASYNC_WORK_INSIDE
         ? ASYNC_OK
         : async_door_lock(&store->door, wait_ms > 0 ? wait_ms
                                                     : ASYNC_DOOR_WAIT, err);

    if (rc != ASYNC_OK) {
        async_guard_end(&work->guard);
        return rc;
    }

    rc = async_work_start(work, err);

    if (rc != ASYNC_OK) {
        async_door_unlock(&store->door);
        async_guard_end(&work->guard);
    }

    return rc;
}


/*
 * The transaction is left as it is, and both locks with it: they open when
 * the scribe ends, see async_scribe.h.  Whoever has none, a tool, says
 * what he has to say and ends himself.
 */

async_rc_t
async_work_damaged(async_work_t *work, async_error_t *err)
{
    (void) async_health_damaged(work->store, err);

    /* nothing is freed: the heap may be what broke */

    if (work->txn != NULL) {
        (void) async_scribe_give_up(work->store);

    } else if (work->store->door.locked) {
        async_door_unlock(&work->store->door);
    }

    return ASYNC_UNAVAILABLE;
}


static async_rc_t
async_work_start(async_work_t *work, async_error_t *err)
{
    int                    rc;
    async_store_t         *store;
    async_store_health_t   health;

    store = work->store;

    if (async_door_latched(&store->door)) {
        async_error_set(err, "the disk failed a write to the store; look "
                        "after it, then restart nginx and the worker");
        return ASYNC_UNAVAILABLE;
    }

    if (async_quota_measure(store, err) != ASYNC_OK) {
        return ASYNC_UNAVAILABLE;
    }

    health = (async_store_health_t) atomic_load(&store->health);

    if (health != ASYNC_STORE_SOUND) {
        async_error_set(err, "%s", async_store_health_text(health));
        return ASYNC_UNAVAILABLE;
    }

    rc = mdb_txn_begin(store->env, NULL, 0, &work->txn);

    if (rc != MDB_SUCCESS) {
        work->txn = NULL;
        async_health_judge(store, rc);
        (void) async_db_rc(rc, "write to the store", err);
        return ASYNC_UNAVAILABLE;
    }

    async_ahead_tell(store);

    async_work_epoch(work);
    async_work_feed(work);
    async_work_spooled(work);

    if (work->fault != ASYNC_OK) {
        mdb_txn_abort(work->txn);
        work->txn = NULL;
        async_error_set(err, "the store is damaged; run nginx-async check");
        return ASYNC_UNAVAILABLE;
    }

    return ASYNC_OK;
}


static void
async_work_epoch(async_work_t *work)
{
    MDB_val       v;
    async_key_t   key;
    async_meta_t  meta;

    async_key_meta(&key);

    if (async_work_get(work, &key, &v) != ASYNC_OK
        || async_meta_decode(&meta, v.mv_data, v.mv_size) != ASYNC_OK)
    {
        work->fault = ASYNC_UNAVAILABLE;
        return;
    }

    work->epoch = meta.epoch;
}


static void
async_work_feed(async_work_t *work)
{
    int          rc;
    MDB_val      k, v;
    MDB_cursor  *cursor;

    rc = mdb_cursor_open(work->txn, work->store->dbi[ASYNC_DB_FEED],
                         &cursor);

    if (rc == MDB_SUCCESS) {
        rc = mdb_cursor_get(cursor, &k, &v, MDB_LAST);

        if (rc == MDB_SUCCESS && k.mv_size == 8) {
            work->feed = async_get_be64(k.mv_data);
        }

        mdb_cursor_close(cursor);
    }

    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND) {
        async_work_fault(work, rc);
    }
}


static void
async_work_spooled(async_work_t *work)
{
    MDB_val      v;
    async_key_t  key;

    async_key_stat(&key, ASYNC_STAT_SPOOLED);

    /* a damaged figure must not stop the store: it starts anew */

    if (async_work_get(work, &key, &v) == ASYNC_OK
        && async_count_decode(&work->spooled, 1, v.mv_data, v.mv_size)
           != ASYNC_OK)
    {
        work->spooled = 0;
    }
}


async_rc_t
async_work_commit(async_work_t *work, async_error_t *err)
{
    int             rc;
    MDB_txn        *txn;
    uint64_t        begin;
    async_rc_t      result;
    async_store_t  *store;

    store = work->store;

    if (work->fault == ASYNC_OK && work->changed) {
        async_work_finish(work);
    }

    if (work->fault != ASYNC_OK || !work->changed) {
        result = work->fault;

        async_work_abort(work);

        if (result == ASYNC_STORE_FULL) {
            async_error_set(err, "the store is full");

        } else if (result != ASYNC_OK) {
            async_error_set(err, "the store is damaged or memory is gone; "
                            "run nginx-async check");
        }

        return result;
    }

    txn = work->txn;
    begin = async_work_us();
    rc = mdb_txn_commit(txn);
    work->txn = NULL;
    result = rc == MDB_SUCCESS ? ASYNC_OK : async_work_failed(work, rc, err);

    async_slate_commit(store, async_work_us() - begin, work->events);

    async_door_unlock(&store->door);
    async_guard_end(&work->guard);

    if (result == ASYNC_OK) {
        async_bell_ring(store);
    }

    async_work_gone_end(work, result == ASYNC_OK);

    return result;
}


static uint64_t
async_work_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}


/*
 * LMDB writes pages that nobody refers to yet, then a page that does.  Up to
 * that one a failure is as good as an abort; if it fails itself, LMDB gives
 * the environment up, and nobody knows what is on the disk.  A full disk has
 * nothing wrong with it; one that fails a write must not be built upon.  Of a
 * write that a full disk took in part LMDB says EIO.
 */

static async_rc_t
async_work_failed(async_work_t *work, int rc, async_error_t *err)
{
    async_store_t  *store;

    store = work->store;

    if (rc == EIO && async_quota_disk_full(store)) {
        rc = ENOSPC;
    }

    switch (rc) {

    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
        async_error_set(err, "the store is full");
        return ASYNC_STORE_FULL;

    case ENOMEM:
    case MDB_BAD_TXN:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
        (void) async_db_rc(rc, "write to the store", err);
        return ASYNC_UNAVAILABLE;

    case ENOSPC:
    case EDQUOT:
        if (!async_work_gave_up(store)) {
            async_error_set(err, "the disk of the store is full");
            return ASYNC_STORE_FULL;
        }

        break;

    default:
        async_door_latch(&store->door);
        break;
    }

    atomic_store(&store->health, ASYNC_STORE_BROKEN);
    (void) async_db_rc(rc, "write to the store", err);

    return ASYNC_UNKNOWN;
}


static bool
async_work_gave_up(async_store_t *store)
{
    MDB_txn  *txn;

    if (mdb_txn_begin(store->env, NULL, 0, &txn) != MDB_SUCCESS) {
        return true;
    }

    mdb_txn_abort(txn);

    return false;
}


void
async_work_abort(async_work_t *work)
{
    mdb_txn_abort(work->txn);
    work->txn = NULL;

    async_door_unlock(&work->store->door);
    async_guard_end(&work->guard);
    async_work_gone_end(work, false);
}


/* what is written once for all events */

static void
async_work_finish(async_work_t *work)
{
    uint8_t      buf[ASYNC_COUNT_MAX];
    async_key_t  key;

    if (work->recount) {
        async_work_recount(work);
    }

    async_tally_end(work);

    if (work->spooled_changed) {
        async_key_stat(&key, ASYNC_STAT_SPOOLED);
        async_work_put(work, &key, buf,
                       async_count_encode(&work->spooled, 1, buf,
                                          sizeof(buf)));
    }

    async_learn_end(work);
    async_known_finish(work);
    async_work_trim(work);
}


static void
async_work_trim(async_work_t *work)
{
    int          rc;
    uint64_t     left;
    MDB_val      k, v;
    MDB_cursor  *cursor;

    if (work->feed <= ASYNC_FEED_KEPT || work->fed == 0
        || work->fault != ASYNC_OK)
    {
        return;
    }

    rc = mdb_cursor_open(work->txn, work->store->dbi[ASYNC_DB_FEED],
                         &cursor);

    if (rc != MDB_SUCCESS) {
        async_work_fault(work, rc);
        return;
    }

    rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);

    for (left = work->fed + ASYNC_FEED_SLICE; left > 0; left--) {

        if (rc != MDB_SUCCESS || k.mv_size != 8
            || async_get_be64(k.mv_data) > work->feed - ASYNC_FEED_KEPT)
        {
            break;
        }

        rc = mdb_cursor_del(cursor, 0);

        if (rc == MDB_SUCCESS) {
            rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
        }
    }

    mdb_cursor_close(cursor);

    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND) {
        async_work_fault(work, rc);
    }
}


/* --- rows --- */

void
async_work_fault(async_work_t *work, int rc)
{
    async_rc_t  fault;

    if (work->fault != ASYNC_OK) {
        return;
    }

    fault = async_db_rc(rc, NULL, NULL);

    work->fault = fault == ASYNC_STORE_FULL ? fault : ASYNC_UNAVAILABLE;
}


async_rc_t
async_work_get(async_work_t *work, const async_key_t *key, MDB_val *value)
{
    int      rc;
    MDB_val  k;

    if (work->fault != ASYNC_OK) {
        return work->fault;
    }

    k.mv_size = key->len;
    k.mv_data = (void *) key->bytes;

    rc = mdb_get(work->txn, work->store->dbi[key->db], &k, value);

    if (rc == MDB_SUCCESS) {
        return ASYNC_OK;
    }

    if (rc == MDB_NOTFOUND) {
        return ASYNC_NOT_FOUND;
    }

    async_work_fault(work, rc);

    return work->fault;
}


void
async_work_put(async_work_t *work, const async_key_t *key, const void *data,
    size_t len)
{
    int      rc;
    MDB_val  k, v;

    if (work->fault != ASYNC_OK) {
        return;
    }

    k.mv_size = key->len;
    k.mv_data = (void *) key->bytes;
    v.mv_size = len;
    v.mv_data = (void *) data;

    rc = work->place != NULL && key->db == work->place_db
         ? mdb_cursor_put(work->place, &k, &v, 0)
         : mdb_put(work->txn, work->store->dbi[key->db], &k, &v, 0);

    if (rc != MDB_SUCCESS) {
        async_work_fault(work, rc);
        return;
    }

    work->changed = true;
}


void
async_work_stay(async_work_t *work, async_db_t db)
{
    int  rc;

    if (work->fault != ASYNC_OK) {
        return;
    }

    rc = mdb_cursor_open(work->txn, work->store->dbi[db], &work->place);

    if (rc != MDB_SUCCESS) {
        async_work_fault(work, rc);
        return;
    }

    work->place_db = db;
}


void
async_work_leave(async_work_t *work)
{
    if (work->place != NULL) {
        mdb_cursor_close(work->place);
        work->place = NULL;
    }
}


bool
async_work_add(async_work_t *work, const async_key_t *key, const void *data,
    size_t len)
{
    int      rc;
    MDB_val  k, v;

    if (work->fault != ASYNC_OK) {
        return true;
    }

    k.mv_size = key->len;
    k.mv_data = (void *) key->bytes;
    v.mv_size = len;
    v.mv_data = (void *) data;

    rc = mdb_put(work->txn, work->store->dbi[key->db], &k, &v,
                 MDB_NOOVERWRITE);

    if (rc == MDB_KEYEXIST) {
        return false;
    }

    if (rc != MDB_SUCCESS) {
        async_work_fault(work, rc);
        return true;
    }

    work->changed = true;

    return true;
}


void
async_work_delete(async_work_t *work, const async_key_t *key)
{
    MDB_val  k;

    k.mv_size = key->len;
    k.mv_data = (void *) key->bytes;

    async_work_delete_row(work, key->db, k);
}


void
async_work_delete_row(async_work_t *work, async_db_t db, MDB_val row)
{
    int  rc;

    if (work->fault != ASYNC_OK) {
        return;
    }

    rc = mdb_del(work->txn, work->store->dbi[db], &row, NULL);

    if (rc == MDB_SUCCESS) {
        work->changed = true;

    } else if (rc != MDB_NOTFOUND) {
        async_work_fault(work, rc);
    }
}


bool
async_work_seek(async_work_t *work, const async_key_t *key, MDB_val *row)
{
    int          rc;
    MDB_val      v;
    MDB_cursor  *cursor;

    if (work->fault != ASYNC_OK) {
        return false;
    }

    rc = mdb_cursor_open(work->txn, work->store->dbi[key->db], &cursor);

    if (rc == MDB_SUCCESS) {
        row->mv_size = key->len;
        row->mv_data = (void *) key->bytes;

        rc = mdb_cursor_get(cursor, row, &v,
                            key->len > 0 ? MDB_SET_RANGE : MDB_FIRST);

        mdb_cursor_close(cursor);
    }

    if (rc == MDB_SUCCESS) {
        return true;
    }

    if (rc != MDB_NOTFOUND) {
        async_work_fault(work, rc);
    }

    return false;
}


/* --- jobs --- */

async_rc_t
async_work_job(async_work_t *work, const async_id_t *id, async_job_t *job,
    uint8_t *buf)
{
    MDB_val      v;
    async_rc_t   rc;
    async_key_t  key;

    async_key_job(&key, id);

    rc = async_work_get(work, &key, &v);

    if (rc != ASYNC_OK) {
        return rc;
    }

    if (v.mv_size > ASYNC_JOB_MAX) {
        return ASYNC_CORRUPT;
    }

    /* the next write may move what the map shows */

    memcpy(buf, v.mv_data, v.mv_size);

    return async_job_decode(job, id, buf, v.mv_size);
}


void
async_work_policy(async_work_t *work, const uint8_t *policy_key,
    async_policy_t *policy)
{
    MDB_val      v;
    async_key_t  key;

    async_key_policy(&key, policy_key);

    if (async_work_get(work, &key, &v) != ASYNC_OK
        || async_policy_decode(policy, v.mv_data, v.mv_size) != ASYNC_OK)
    {
        async_policy_defaults(policy);
    }
}


void
async_work_chunks(async_work_t *work, const async_id_t *id,
    async_payload_kind_t kind, async_str_t bytes)
{
    size_t       len;
    uint32_t     n;
    async_key_t  key;

    for (n = 0; bytes.len > 0; n++) {

        len = bytes.len < ASYNC_CHUNK ? bytes.len : ASYNC_CHUNK;

        async_key_payload(&key, id, kind, n);
        async_work_put(work, &key, bytes.data, len);

        bytes.data += len;
        bytes.len -= len;
    }
}
