#include <errno.h>
#include <string.h>
#include <time.h>

#include "async_db.h"


static const char *const  async_db_names[ASYNC_DB_MAX] = {
#define X(symbol, name)  [ASYNC_DB_##symbol] = name,
    ASYNC_DATABASES(X)
#undef X
};


static void async_key_start(async_key_t *key, async_db_t db);
static void async_key_bytes(async_key_t *key, const void *data, size_t len);
static void async_key_u8(async_key_t *key, uint8_t n);
static void async_key_u32(async_key_t *key, uint32_t n);
static void async_key_u64(async_key_t *key, uint64_t n);


/* --- keys --- */

void
async_key_meta(async_key_t *key)
{
    async_key_start(key, ASYNC_DB_META);
    async_key_bytes(key, "store", sizeof("store") - 1);
}


void
async_key_job(async_key_t *key, const async_id_t *id)
{
    async_key_start(key, ASYNC_DB_JOBS);
    async_key_bytes(key, id, sizeof(async_id_t));
}


void
async_key_payload(async_key_t *key, const async_id_t *id,
    async_payload_kind_t kind, uint32_t n)
{
    async_key_start(key, ASYNC_DB_PAYLOAD);
    async_key_bytes(key, id, sizeof(async_id_t));
    async_key_u8(key, (uint8_t) kind);
    async_key_u32(key, n);
}


void
async_key_trail(async_key_t *key, const async_id_t *id, uint64_t seq)
{
    async_key_start(key, ASYNC_DB_TRAIL);
    async_key_bytes(key, id, sizeof(async_id_t));
    async_key_u64(key, seq);
}


void
async_key_feed(async_key_t *key, uint64_t number)
{
    async_key_start(key, ASYNC_DB_FEED);
    async_key_u64(key, number);
}


void
async_key_count(async_key_t *key, async_str_t queue)
{
    async_key_start(key, ASYNC_DB_COUNTS);
    async_key_bytes(key, queue.data, queue.len);
}


void
async_key_first_count(async_key_t *key)
{
    async_key_start(key, ASYNC_DB_COUNTS);
    async_key_u8(key, 1);
}


void
async_key_owned(async_key_t *key, async_str_t owner, async_str_t queue)
{
    async_key_start(key, ASYNC_DB_COUNTS);
    async_key_u8(key, 0);
    async_key_bytes(key, owner.data, owner.len);
    async_key_bytes(key, queue.data, queue.len);
}


void
async_key_known(async_key_t *key, uint64_t bucket,
    const uint8_t hash[ASYNC_SUBMIT_HASH])
{
    async_key_start(key, ASYNC_DB_KNOWN);
    async_key_u64(key, bucket);
    async_key_bytes(key, hash, ASYNC_SUBMIT_HASH);
}


void
async_key_owner(async_key_t *key, uint64_t bucket, async_str_t owner,
    const async_id_t *id)
{
    async_key_start(key, ASYNC_DB_OWNERS);
    async_key_u64(key, bucket);
    async_key_bytes(key, owner.data, owner.len);
    async_key_bytes(key, id, sizeof(async_id_t));
}


void
async_key_policy(async_key_t *key, const uint8_t *policy)
{
    async_key_start(key, ASYNC_DB_POLICY);
    async_key_u8(key, ASYNC_POLICY_OF_LOCATION);
    async_key_bytes(key, policy, ASYNC_POLICY_KEY);
}


void
async_key_queue(async_key_t *key, async_str_t queue)
{
    async_key_start(key, ASYNC_DB_POLICY);
    async_key_u8(key, ASYNC_POLICY_OF_QUEUE);
    async_key_bytes(key, queue.data, queue.len);
}


void
async_key_gate(async_key_t *key, async_str_t queue)
{
    async_key_start(key, ASYNC_DB_POLICY);
    async_key_u8(key, ASYNC_POLICY_OF_GATE);
    async_key_bytes(key, queue.data, queue.len);
}


void
async_key_keys(async_key_t *key)
{
    async_key_start(key, ASYNC_DB_POLICY);
    async_key_u8(key, ASYNC_POLICY_OF_KEYS);
}


void
async_key_stat(async_key_t *key, const char *name)
{
    async_key_start(key, ASYNC_DB_STATS);
    async_key_bytes(key, name, strlen(name));
}


void
async_key_location_runs(async_key_t *key, uint64_t server, uint64_t location)
{
    async_key_start(key, ASYNC_DB_STATS);
    async_key_u8(key, ASYNC_STAT_OF_LOCATION);
    async_key_u64(key, server);
    async_key_u64(key, location);
}


void
async_key_queue_runs(async_key_t *key, async_str_t queue)
{
    async_key_start(key, ASYNC_DB_STATS);
    async_key_u8(key, ASYNC_STAT_OF_QUEUE);
    async_key_bytes(key, queue.data, queue.len);
}


bool
async_key_is_runs(const void *key, size_t len)
{
    const uint8_t  *p = key;

    return len > 1
           && ((p[0] == ASYNC_STAT_OF_LOCATION && len == 1 + 8 + 8)
               || (p[0] == ASYNC_STAT_OF_QUEUE
                   && len <= 1 + ASYNC_QUEUE_MAX));
}


void
async_key_metrics(async_key_t *key, async_str_t queue)
{
    async_key_start(key, ASYNC_DB_STATS);
    async_key_u8(key, ASYNC_STAT_METRICS);
    async_key_bytes(key, queue.data, queue.len);
}


void
async_key_recent(async_key_t *key, async_str_t queue)
{
    async_key_start(key, ASYNC_DB_STATS);
    async_key_u8(key, ASYNC_STAT_RECENT);
    async_key_bytes(key, queue.data, queue.len);
}


async_rc_t
async_key_metered(const void *key, size_t key_len, const void *value,
    size_t len)
{
    const uint8_t    *p = key;
    async_recent_t    recent;
    async_metrics_t   metrics;

    if (key_len < 2 || key_len > 1 + ASYNC_QUEUE_MAX) {
        return ASYNC_NOT_FOUND;
    }

    switch (p[0]) {

    case ASYNC_STAT_METRICS:
        return async_metrics_decode(&metrics, value, len);

    case ASYNC_STAT_RECENT:
        return async_recent_decode(&recent, value, len);

    default:
        return ASYNC_NOT_FOUND;
    }
}


void
async_key_timer(async_key_t *key, async_timer_t kind, int64_t due,
    const async_id_t *id)
{
    async_key_start(key, ASYNC_DB_TIMERS);
    async_key_u8(key, (uint8_t) kind);
    async_key_u64(key, (uint64_t) due);
    async_key_bytes(key, id, sizeof(async_id_t));
}


void
async_key_away(async_key_t *key, uint64_t server)
{
    async_key_start(key, ASYNC_DB_TIMERS);
    async_key_u8(key, ASYNC_TIMER_AWAY);
    async_key_u64(key, server);
}


void
async_key_running(async_key_t *key, uint64_t epoch, const async_id_t *id)
{
    async_key_start(key, ASYNC_DB_RUNNING);
    async_key_u64(key, epoch);
    async_key_bytes(key, id, sizeof(async_id_t));
}


void
async_key_ready(async_key_t *key, async_str_t queue)
{
    async_key_start(key, ASYNC_DB_READY);
    async_key_u8(key, (uint8_t) queue.len);
    async_key_bytes(key, queue.data, queue.len);
}


void
async_key_state(async_key_t *key, const async_job_t *job)
{
    async_key_start(key, ASYNC_DB_BYSTATE);
    async_key_u8(key, job->state);
    async_key_u64(key, (uint64_t) job->created);
    async_key_bytes(key, &job->id, sizeof(async_id_t));
}


void
async_key_place(async_key_t *key, const async_job_t *job, uint64_t number)
{
    switch ((async_state_t) job->state) {

    case ASYNC_STATE_QUEUED:
        if ((job->flags & ASYNC_JOB_PARKED) && job->due == 0) {
            async_key_away(key, job->server);
            async_key_u8(key, (uint8_t) (9 - job->priority));
            async_key_u64(key, (uint64_t) job->queued);
            async_key_bytes(key, &job->id, sizeof(async_id_t));
            return;
        }

        if (job->flags & ASYNC_JOB_PARKED) {
            async_key_timer(key, ASYNC_TIMER_DUE, job->due, &job->id);
            return;
        }

        async_key_ready(key, job->queue);
        async_key_u8(key, (uint8_t) (9 - job->priority));
        async_key_u64(key, (uint64_t) job->queued);
        async_key_u64(key, number);
        async_key_bytes(key, &job->id, sizeof(async_id_t));
        return;

    case ASYNC_STATE_PROCESSING:
        async_key_running(key, job->epoch, &job->id);
        return;

    case ASYNC_STATE_SCHEDULED:
    case ASYNC_STATE_RETRYING:
        async_key_timer(key, ASYNC_TIMER_DUE, job->due, &job->id);
        return;

    default:
        if (job->flags & ASYNC_JOB_SWEPT) {
            async_key_timer(key, ASYNC_TIMER_FORGET, job->due, &job->id);
            return;
        }

        async_key_timer(key, ASYNC_TIMER_EXPIRE, job->expires, &job->id);
        return;
    }
}


bool
async_key_same_place(const MDB_val *row, const async_key_t *key)
{
    size_t          head;
    const uint8_t  *p;

    if (key->db != ASYNC_DB_READY || row->mv_size != key->len) {
        return false;
    }

    p = row->mv_data;
    head = key->len - sizeof(async_id_t) - 8;

    return memcmp(p, key->bytes, head) == 0
           && memcmp(p + head + 8, key->bytes + head + 8,
                     sizeof(async_id_t)) == 0;
}


void
async_key_id(const MDB_val *row, async_id_t *id)
{
    if (row->mv_size < sizeof(async_id_t)) {
        memset(id, 0, sizeof(async_id_t));
        return;
    }

    memcpy(id, (const uint8_t *) row->mv_data + row->mv_size
               - sizeof(async_id_t), sizeof(async_id_t));
}


static void
async_key_start(async_key_t *key, async_db_t db)
{
    key->db = db;
    key->len = 0;
}


static void
async_key_bytes(async_key_t *key, const void *data, size_t len)
{
    /* names are checked where they come in; this is the second lock */

    if (len > sizeof(key->bytes) - key->len) {
        len = sizeof(key->bytes) - key->len;
    }

    if (len > 0) {
        memcpy(key->bytes + key->len, data, len);
        key->len += len;
    }
}


static void
async_key_u8(async_key_t *key, uint8_t n)
{
    async_key_bytes(key, &n, 1);
}


static void
async_key_u32(async_key_t *key, uint32_t n)
{
    uint8_t  b[4];

    async_put_be32(b, n);
    async_key_bytes(key, b, sizeof(b));
}


static void
async_key_u64(async_key_t *key, uint64_t n)
{
    uint8_t  b[8];

    async_put_be64(b, n);
    async_key_bytes(key, b, sizeof(b));
}


/* --- records that only the store knows --- */

size_t
async_meta_encode(const async_meta_t *meta, uint8_t *buf, size_t cap)
{
    async_writer_t  w;

    async_writer_init(&w, buf, cap, ASYNC_RECORD_META);

    async_write_u32(&w, meta->schema);
    async_write_u32(&w, meta->lmdb_major);
    async_write_u32(&w, meta->lmdb_minor);
    async_write_u64(&w, meta->epoch);
    async_write_u64(&w, meta->size);
    async_write_raw(&w, meta->token, ASYNC_TOKEN);

    return async_writer_end(&w);
}


async_rc_t
async_meta_decode(async_meta_t *meta, const void *data, size_t len)
{
    async_rc_t      rc;
    async_str_t     token;
    async_reader_t  rd;

    rc = async_reader_init(&rd, data, len, ASYNC_RECORD_META);

    if (rc != ASYNC_OK) {
        return rc;
    }

    meta->schema = async_read_u32(&rd);
    meta->lmdb_major = async_read_u32(&rd);
    meta->lmdb_minor = async_read_u32(&rd);
    meta->epoch = async_read_u64(&rd);
    meta->size = async_read_u64(&rd);
    token = async_read_raw(&rd, ASYNC_TOKEN);

    if (rd.broken) {
        return ASYNC_CORRUPT;
    }

    memcpy(meta->token, token.data, ASYNC_TOKEN);

    return ASYNC_OK;
}


size_t
async_count_encode(const uint64_t *n, unsigned count, uint8_t *buf,
    size_t cap)
{
    unsigned        i;
    async_writer_t  w;

    async_writer_init(&w, buf, cap, ASYNC_RECORD_COUNT);

    for (i = 0; i < count; i++) {
        async_write_u64(&w, n[i]);
    }

    return async_writer_end(&w);
}


async_rc_t
async_count_decode(uint64_t *n, unsigned count, const void *data, size_t len)
{
    unsigned        i;
    async_rc_t      rc;
    async_reader_t  rd;

    rc = async_reader_init(&rd, data, len, ASYNC_RECORD_COUNT);

    if (rc != ASYNC_OK) {
        return rc;
    }

    for (i = 0; i < count; i++) {
        n[i] = async_read_u64(&rd);
    }

    return rd.broken ? ASYNC_CORRUPT : ASYNC_OK;
}


/* --- LMDB --- */

const char *
async_db_name(async_db_t db)
{
    return async_db_names[db];
}


int
async_db_begin(async_store_t *store, unsigned flags, MDB_txn **txn)
{
    int  rc, dead;

    rc = mdb_txn_begin(store->env, NULL, flags, txn);

    if (rc == MDB_READERS_FULL
        && mdb_reader_check(store->env, &dead) == MDB_SUCCESS && dead > 0)
    {
        rc = mdb_txn_begin(store->env, NULL, flags, txn);
    }

    return rc;
}


async_rc_t
async_db_look(async_store_t *store, async_look_fn fn, void *data,
    async_error_t *err)
{
    int                 rc;
    MDB_txn *volatile   open;
    MDB_txn            *txn;
    async_rc_t          result;
    async_guard_t       guard;

    open = NULL;

    if (async_guard_caught(&guard)) {

        if (open != NULL) {
            mdb_txn_abort(open);
        }

        return async_health_damaged(store, err);
    }

    /* to begin is to read a page, too */

    rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);

    if (rc == MDB_SUCCESS) {
        open = txn;
        result = fn(store, txn, data);

    } else {
        result = async_db_rc(rc, "read the store", err);
    }

    async_guard_end(&guard);

    if (rc == MDB_SUCCESS) {
        mdb_txn_abort(txn);
    }

    return result;
}


async_rc_t
async_db_get(async_store_t *store, MDB_txn *txn, const async_key_t *key,
    MDB_val *value)
{
    MDB_val  k;

    k.mv_size = key->len;
    k.mv_data = (void *) key->bytes;

    return async_db_rc(mdb_get(txn, store->dbi[key->db], &k, value), NULL,
                       NULL);
}


async_rc_t
async_db_rc(int rc, const char *what, async_error_t *err)
{
    if (rc == MDB_SUCCESS) {
        return ASYNC_OK;
    }

    if (rc == MDB_MAP_RESIZED) {
        async_error_set(err, "cannot %s: another process opened it with a "
                        "larger size; restart this one", what);

    } else if (rc == MDB_VERSION_MISMATCH) {
        async_error_set(err, "cannot %s: data.mdb was made by another "
                        "generation of LMDB", what);

    } else if (rc == MDB_PANIC) {
        async_error_set(err, "cannot %s: an earlier write failed; check the "
                        "disk, then restart", what);

    } else if (err != NULL) {
        async_error_set(err, "cannot %s: %s", what, mdb_strerror(rc));
    }

    switch (rc) {

    case MDB_NOTFOUND:
        return ASYNC_NOT_FOUND;

    case MDB_KEYEXIST:
    case MDB_BAD_VALSIZE:
        return ASYNC_INVALID;

    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
        return ASYNC_STORE_FULL;

    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
        return ASYNC_CORRUPT;

    case ENOMEM:
        return ASYNC_NO_SPACE;

    default:
        return ASYNC_UNAVAILABLE;
    }
}


int64_t
async_monotonic(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
