/*
 * Reading.  A view keeps its read transaction between calls, but only while
 * it is renewed do the pages of its snapshot stay: LMDB cannot reuse what a
 * reader may still look at.
 */

#include <stdlib.h>
#include <string.h>

#include "async_db.h"


typedef struct {
    MDB_cursor  *policies;
    MDB_cursor  *counts;
    MDB_val      policy, name;          /* keys; mv_size 0 = at the end */
    MDB_val      queue, count;          /* values */
    async_key_t  first;                 /* of counts */
} async_queues_t;


static async_rc_t async_epoch_read(async_store_t *store, MDB_txn *txn,
    void *data);
static async_rc_t async_figures_read(async_store_t *store, MDB_txn *txn,
    void *data);
static int async_jobs_each(async_view_t *view, unsigned limit,
    async_job_fn fn, void *data);
static async_rc_t async_queues_begin(async_view_t *view,
    async_queues_t *both);
static int async_queues_policy(async_queues_t *both, MDB_cursor_op op);
static int async_queues_count(async_queues_t *both, MDB_cursor_op op);
static int async_queues_order(const async_queues_t *both);
static async_rc_t async_queues_each(async_view_t *view,
    async_queues_t *both, async_queue_fn fn, void *data);


async_rc_t
async_view_open(async_view_t **out, async_store_t *store)
{
    int            rc;
    async_view_t  *view;
    async_error_t  err;

    *out = NULL;

    view = calloc(1, sizeof(async_view_t));

    if (view == NULL) {
        return ASYNC_NO_SPACE;
    }

    view->store = store;

    if (async_guard_caught(&view->guard)) {
        free(view);
        return async_health_damaged(store, &err);
    }

    rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &view->txn);

    async_guard_end(&view->guard);

    if (rc != MDB_SUCCESS) {
        free(view);
        async_health_judge(store, rc);
        return async_db_rc(rc, NULL, NULL);
    }

    mdb_txn_reset(view->txn);

    *out = view;

    return ASYNC_OK;
}


void
async_view_close(async_view_t *view)
{
    if (view != NULL) {
        mdb_txn_abort(view->txn);
        free(view);
    }
}


async_rc_t
async_view_renew(async_view_t *view)
{
    int  rc;

    if (atomic_load(&view->store->health) != ASYNC_STORE_SOUND) {
        async_guard_end(&view->guard);
        return ASYNC_UNAVAILABLE;
    }

    rc = mdb_txn_renew(view->txn);

    if (rc != MDB_SUCCESS) {
        async_guard_end(&view->guard);
        async_health_judge(view->store, rc);
        return async_db_rc(rc, NULL, NULL);
    }

    return ASYNC_OK;
}


/* the transaction is as good as before: what it shows is not */

async_rc_t
async_view_damaged(async_view_t *view)
{
    mdb_txn_reset(view->txn);

    return async_health_damaged(view->store, NULL);
}


void
async_view_end(async_view_t *view)
{
    mdb_txn_reset(view->txn);
    async_guard_end(&view->guard);
}


async_rc_t
async_view_walk(async_view_t *view, async_db_t db, async_walk_fn fn,
    void *data)
{
    int          rc;
    async_rc_t   result;
    MDB_cursor  *cursor;

    result = async_view_begin(view);

    if (result != ASYNC_OK) {
        return result;
    }

    rc = mdb_cursor_open(view->txn, view->store->dbi[db], &cursor);

    if (rc == MDB_SUCCESS) {
        rc = fn(cursor, data);
        mdb_cursor_close(cursor);
    }

    async_view_end(view);

    return rc == MDB_NOTFOUND ? ASYNC_OK : async_db_rc(rc, NULL, NULL);
}


async_rc_t
async_view_job(async_view_t *view, const async_id_t *id, async_job_t *job,
    uint8_t *buf)
{
    MDB_val      v;
    async_rc_t   rc;
    async_key_t  key;

    async_key_job(&key, id);

    rc = async_view_begin(view);

    if (rc != ASYNC_OK) {
        return rc;
    }

    rc = async_db_get(view->store, view->txn, &key, &v);

    if (rc == ASYNC_OK && v.mv_size > ASYNC_JOB_MAX) {
        rc = ASYNC_CORRUPT;
    }

    if (rc == ASYNC_OK) {
        memcpy(buf, v.mv_data, v.mv_size);
    }

    async_view_end(view);

    return rc == ASYNC_OK ? async_job_decode(job, id, buf, v.mv_size) : rc;
}


async_rc_t
async_view_policy(async_view_t *view, const uint8_t key[ASYNC_POLICY_KEY],
    async_policy_t *policy)
{
    MDB_val      v;
    async_rc_t   rc;
    async_key_t  row;

    async_key_policy(&row, key);

    rc = async_view_begin(view);

    if (rc != ASYNC_OK) {
        return rc;
    }

    rc = async_db_get(view->store, view->txn, &row, &v);

    if (rc == ASYNC_OK) {
        rc = async_policy_decode(policy, v.mv_data, v.mv_size);
    }

    async_view_end(view);

    return rc;
}


async_rc_t
async_view_jobs(async_view_t *view, unsigned limit, async_job_fn fn,
    void *data)
{
    int         rc;
    async_rc_t  result;

    result = async_view_begin(view);

    if (result != ASYNC_OK) {
        return result;
    }

    rc = async_jobs_each(view, limit, fn, data);

    async_view_end(view);

    return rc == MDB_NOTFOUND ? ASYNC_OK : async_db_rc(rc, NULL, NULL);
}


static int
async_jobs_each(async_view_t *view, unsigned limit, async_job_fn fn,
    void *data)
{
    int          rc;
    MDB_val      k, v;
    async_id_t   id;
    async_job_t  job;
    MDB_cursor  *cursor;

    rc = mdb_cursor_open(view->txn, view->store->dbi[ASYNC_DB_JOBS],
                         &cursor);

    if (rc != MDB_SUCCESS) {
        return rc;
    }

    for (/* void */; limit > 0; limit--) {

        rc = mdb_cursor_get(cursor, &k, &v, MDB_PREV);

        if (rc != MDB_SUCCESS) {
            break;
        }

        async_key_id(&k, &id);

        /* what is damaged is told by a check, not by a list */

        if (async_job_decode(&job, &id, v.mv_data, v.mv_size) == ASYNC_OK
            && !fn(data, &job))
        {
            break;
        }
    }

    mdb_cursor_close(cursor);

    return rc;
}


/* --- queues: two databases in order of name, walked side by side --- */

async_rc_t
async_view_queues(async_view_t *view, async_queue_fn fn, void *data)
{
    async_rc_t      rc;
    async_queues_t  both;

    rc = async_view_begin(view);

    if (rc != ASYNC_OK) {
        return rc;
    }

    rc = async_queues_begin(view, &both);

    if (rc == ASYNC_OK) {
        rc = async_queues_each(view, &both, fn, data);
    }

    mdb_cursor_close(both.policies);
    mdb_cursor_close(both.counts);

    async_view_end(view);

    return rc;
}


static async_rc_t
async_queues_begin(async_view_t *view, async_queues_t *both)
{
    int             rc;
    static uint8_t  first[] = { ASYNC_POLICY_OF_QUEUE };

    memset(both, 0, sizeof(async_queues_t));

    rc = mdb_cursor_open(view->txn, view->store->dbi[ASYNC_DB_POLICY],
                         &both->policies);

    if (rc == MDB_SUCCESS) {
        rc = mdb_cursor_open(view->txn, view->store->dbi[ASYNC_DB_COUNTS],
                             &both->counts);
    }

    if (rc == MDB_SUCCESS) {
        both->policy.mv_size = sizeof(first);
        both->policy.mv_data = first;

        rc = async_queues_policy(both, MDB_SET_RANGE);
    }

    if (rc == MDB_SUCCESS) {
        async_key_first_count(&both->first);

        both->name.mv_size = both->first.len;
        both->name.mv_data = both->first.bytes;

        rc = async_queues_count(both, MDB_SET_RANGE);
    }

    return async_db_rc(rc, NULL, NULL);
}


static int
async_queues_policy(async_queues_t *both, MDB_cursor_op op)
{
    int  rc;

    rc = mdb_cursor_get(both->policies, &both->policy, &both->queue, op);

    if (rc == MDB_NOTFOUND
        || (rc == MDB_SUCCESS
            && *(uint8_t *) both->policy.mv_data != ASYNC_POLICY_OF_QUEUE))
    {
        both->policy.mv_size = 0;
        return MDB_SUCCESS;
    }

    return rc;
}


static int
async_queues_count(async_queues_t *both, MDB_cursor_op op)
{
    int  rc;

    rc = mdb_cursor_get(both->counts, &both->name, &both->count, op);

    if (rc == MDB_NOTFOUND) {
        both->name.mv_size = 0;
        return MDB_SUCCESS;
    }

    return rc;
}


/* < 0: the policy's name comes first; 0: they are of one queue */

static int
async_queues_order(const async_queues_t *both)
{
    int     order;
    size_t  a, b;

    if (both->policy.mv_size == 0 || both->name.mv_size == 0) {
        return both->policy.mv_size != 0 ? -1 : 1;
    }

    a = both->policy.mv_size - 1;
    b = both->name.mv_size;

    order = memcmp((uint8_t *) both->policy.mv_data + 1, both->name.mv_data,
                   a < b ? a : b);

    return order != 0 ? order : (a > b) - (a < b);
}


bool
async_queue_paused(async_store_t *store, MDB_txn *txn, async_str_t queue)
{
    MDB_val      v;
    uint64_t     n[ASYNC_GATE_NUMBERS];
    async_key_t  key;

    async_key_gate(&key, queue);

    return queue.len <= ASYNC_QUEUE_MAX
           && async_db_get(store, txn, &key, &v) == ASYNC_OK
           && async_count_decode(n, ASYNC_GATE_NUMBERS, v.mv_data, v.mv_size)
              == ASYNC_OK
           && n[ASYNC_GATE_PAUSED] != 0;
}


static async_rc_t
async_queues_each(async_view_t *view, async_queues_t *both,
    async_queue_fn fn, void *data)
{
    int                    rc, order;
    uint64_t               n[ASYNC_QUEUE_COUNTS];
    async_queue_t          queue;
    async_queue_figures_t  figures;

    rc = MDB_SUCCESS;

    while (rc == MDB_SUCCESS
           && (both->policy.mv_size != 0 || both->name.mv_size != 0))
    {
        order = async_queues_order(both);

        if (order > 0
            || async_queue_decode(&queue, both->queue.mv_data,
                                  both->queue.mv_size) != ASYNC_OK)
        {
            memset(&queue, 0, sizeof(async_queue_t));
            queue.concurrency = ASYNC_QUEUE_CONCURRENCY;
            queue.max_queued = ASYNC_QUEUE_QUEUED;
        }

        queue.name.data = order > 0 ? (char *) both->name.mv_data
                                    : (char *) both->policy.mv_data + 1;
        queue.name.len = order > 0 ? both->name.mv_size
                                   : both->policy.mv_size - 1;

        memset(n, 0, sizeof(n));

        /* in a store of an older version there are but the first two */

        if (order >= 0
            && async_count_decode(n, ASYNC_QUEUE_COUNTS, both->count.mv_data,
                                  both->count.mv_size) != ASYNC_OK)
        {
            memset(n, 0, sizeof(n));
            (void) async_count_decode(n, 2, both->count.mv_data,
                                      both->count.mv_size);
        }

        figures.queued = n[0];
        figures.running = n[1];
        figures.states[ASYNC_STATE_NONE] = 0;

        memcpy(figures.states + 1, n + 2,
               (ASYNC_STATE_MAX - 1) * sizeof(uint64_t));

        figures.paused = async_queue_paused(view->store, view->txn,
                                            queue.name);

        if (!fn(data, &queue, &figures)) {
            break;
        }

        if (order <= 0) {
            rc = async_queues_policy(both, MDB_NEXT);
        }

        if (order >= 0 && rc == MDB_SUCCESS) {
            rc = async_queues_count(both, MDB_NEXT);
        }
    }

    return async_db_rc(rc, NULL, NULL);
}


/* --- figures --- */

uint64_t
async_store_epoch(async_store_t *store)
{
    uint64_t  epoch;

    epoch = 0;
    (void) async_db_look(store, async_epoch_read, &epoch, NULL);

    return epoch;
}


static async_rc_t
async_epoch_read(async_store_t *store, MDB_txn *txn, void *data)
{
    MDB_val       v;
    uint64_t     *epoch = data;
    async_key_t   key;
    async_meta_t  meta;

    async_key_meta(&key);

    if (async_db_get(store, txn, &key, &v) == ASYNC_OK
        && async_meta_decode(&meta, v.mv_data, v.mv_size) == ASYNC_OK)
    {
        *epoch = meta.epoch;
    }

    return ASYNC_OK;
}


async_rc_t
async_store_figures(async_store_t *store, async_store_figures_t *figures)
{
    memset(figures, 0, sizeof(async_store_figures_t));

    return async_db_look(store, async_figures_read, figures, NULL);
}


uint64_t
async_store_transaction(async_store_t *store)
{
    uint64_t       last;
    MDB_envinfo    info;
    async_error_t  err;
    async_guard_t  guard;

    if (async_guard_caught(&guard)) {
        (void) async_health_damaged(store, &err);
        return 0;
    }

    last = mdb_env_info(store->env, &info) == MDB_SUCCESS
           ? info.me_last_txnid : 0;

    async_guard_end(&guard);

    return last;
}


static async_rc_t
async_figures_read(async_store_t *store, MDB_txn *txn, void *data)
{
    int                     rc;
    MDB_val                 v;
    MDB_stat                st;
    uint64_t                unused;
    async_key_t             key;
    MDB_envinfo             info;
    async_store_figures_t  *figures = data;

    rc = async_quota_free(txn, &unused);

    if (rc != MDB_SUCCESS
        || (rc = mdb_stat(txn, store->dbi[ASYNC_DB_JOBS], &st)) != MDB_SUCCESS
        || (rc = mdb_env_info(store->env, &info)) != MDB_SUCCESS)
    {
        return async_db_rc(rc, NULL, NULL);
    }

    async_key_stat(&key, ASYNC_STAT_SPOOLED);

    if (async_db_get(store, txn, &key, &v) != ASYNC_OK
        || async_count_decode(&figures->spooled, 1, v.mv_data, v.mv_size)
           != ASYNC_OK)
    {
        figures->spooled = 0;
    }

    figures->size = store->size;
    figures->used = (info.me_last_pgno + 1 - unused) * st.ms_psize;
    figures->jobs = st.ms_entries;
    figures->transaction = info.me_last_txnid;

    return ASYNC_OK;
}
