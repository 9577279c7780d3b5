/*
 * How full the store is: pages in use plus accounted spool bytes, against
 * the size that it was given.  The list of free pages is summed at most once
 * a second; in between, what is written is added, by all who share the store.
 */

#include <sys/statvfs.h>

#include "async_db.h"


#define ASYNC_QUOTA_EVERY    1000               /* ms */

/*
 * What must be left on the disk besides: a commit that meets its end cannot
 * be told from one that failed halfway, so we stay away from it.
 */
#define ASYNC_QUOTA_DISK_SUBMIT  (16u << 20)
#define ASYNC_QUOTA_DISK_REST    (4u << 20)

/*
 * What must be left in the map for deletes: they copy the pages that they
 * change, and what they free cannot be used for two transactions.  A map
 * without it could not be emptied any more.
 */
#define ASYNC_QUOTA_SPARE        (1u << 20)


static uint64_t async_quota_disk(const async_store_t *store);
static uint64_t async_quota_limit(const async_store_t *store,
    unsigned percent);
static async_rc_t async_quota_pages(async_store_t *store, async_error_t *err);


async_rc_t
async_quota_measure(async_store_t *store, async_error_t *err)
{
    int64_t         now;
    async_rc_t      rc;
    async_quota_t  *quota;

    quota = store->quota;
    now = async_monotonic();

    if (now - store->looked >= ASYNC_QUOTA_EVERY) {
        (void) async_health_there(store);
        store->looked = now;
    }

    if (quota->at != 0 && now - quota->at < ASYNC_QUOTA_EVERY) {
        return ASYNC_OK;
    }

    rc = async_quota_pages(store, err);

    if (rc == ASYNC_OK) {
        quota->disk = async_quota_disk(store);
        quota->at = now;
        quota->added = 0;
    }

    return rc;
}


static uint64_t
async_quota_disk(const async_store_t *store)
{
    struct statvfs  st;

    return fstatvfs(store->dir_fd, &st) == 0
           ? (uint64_t) st.f_bavail * st.f_frsize : UINT64_MAX;
}


bool
async_quota_disk_full(const async_store_t *store)
{
    return async_quota_disk(store) < ASYNC_QUOTA_DISK_REST;
}


static async_rc_t
async_quota_pages(async_store_t *store, async_error_t *err)
{
    int             rc;
    uint64_t        unused;
    MDB_stat        st;
    MDB_envinfo     info;

    if (store->quota_txn != NULL) {
        rc = mdb_txn_renew(store->quota_txn);

    } else {
        rc = async_db_begin(store, MDB_RDONLY, &store->quota_txn);
    }

    if (rc != MDB_SUCCESS) {
        async_health_judge(store, rc);
        return async_db_rc(rc, "read the store", err);
    }

    rc = async_quota_free(store->quota_txn, &unused);

    mdb_txn_reset(store->quota_txn);

    if (rc == MDB_SUCCESS) {
        rc = mdb_env_info(store->env, &info);
    }

    if (rc == MDB_SUCCESS) {
        rc = mdb_env_stat(store->env, &st);
    }

    if (rc != MDB_SUCCESS) {
        return async_db_rc(rc, "measure the store", err);
    }

    store->quota->pages = (info.me_last_pgno + 1 - unused) * st.ms_psize;

    return ASYNC_OK;
}


/*
 * Database 0 is LMDB's list of free pages: each row begins with the number
 * of pages that it names.  LMDB shows it to read transactions only.
 */

int
async_quota_free(MDB_txn *txn, uint64_t *pages)
{
    int          rc;
    MDB_val      k, v;
    MDB_cursor  *cursor;

    *pages = 0;

    rc = mdb_cursor_open(txn, 0, &cursor);

    if (rc != MDB_SUCCESS) {
        return rc;
    }

    while ((rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == MDB_SUCCESS) {
        *pages += *(size_t *) v.mv_data;
    }

    mdb_cursor_close(cursor);

    return rc == MDB_NOTFOUND ? MDB_SUCCESS : rc;
}


void
async_quota_done(async_store_t *store)
{
    if (store->quota_txn != NULL) {
        mdb_txn_abort(store->quota_txn);
        store->quota_txn = NULL;
    }
}


uint64_t
async_quota_used(const async_store_t *store, uint64_t spooled)
{
    return store->quota->pages + store->quota->added + spooled;
}


/* a share of a small store is too little to go on with */

static uint64_t
async_quota_limit(const async_store_t *store, unsigned percent)
{
    uint64_t  share, most;

    share = store->size / 100 * percent;
    most = store->size > ASYNC_STORE_SIZE_MIN / 2
           ? store->size - ASYNC_QUOTA_SPARE : share;

    return share < most ? share : most;
}


bool
async_quota_allows(const async_store_t *store, uint64_t spooled,
    uint64_t need, unsigned percent)
{
    uint64_t  disk;

    disk = percent <= ASYNC_QUOTA_SUBMIT ? ASYNC_QUOTA_DISK_SUBMIT
                                         : ASYNC_QUOTA_DISK_REST;

    return async_quota_used(store, spooled) + need
               <= async_quota_limit(store, percent)
           && store->quota->disk >= need + disk;
}
