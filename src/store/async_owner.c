/*
 * What an owner has: how many unfinished jobs in each queue, and a list.
 */

#include <string.h>

#include "async_work.h"


#define ASYNC_OWN_ROWS  2000         /* looked at for one page of a list */


static async_rc_t async_own_walk(async_view_t *view, MDB_cursor *cursor,
    const async_own_query_t *query, async_own_page_t *page, async_job_fn fn,
    void *data);
static int async_own_before(MDB_cursor *cursor, async_str_t owner,
    async_own_place_t *place, MDB_val *row, unsigned *rows);
static bool async_own_job(async_view_t *view, const async_own_query_t *query,
    const async_id_t *id, async_job_t *job);


/* --- figures --- */

uint64_t
async_owner_jobs(async_work_t *work, async_str_t owner, async_str_t queue)
{
    MDB_val      v;
    uint64_t     n;
    async_key_t  key;

    async_key_owned(&key, owner, queue);

    if (async_work_get(work, &key, &v) != ASYNC_OK) {
        return 0;
    }

    /* as with the queue's own figures: damage must not stop anybody */

    if (async_count_decode(&n, 1, v.mv_data, v.mv_size) != ASYNC_OK) {
        work->recount = true;
        return 0;
    }

    return n;
}


void
async_owner_count(async_work_t *work, const async_job_t *job, int by)
{
    uint64_t     n;
    uint8_t      buf[ASYNC_COUNT_MAX];
    async_key_t  key;

    if (job->owner.len == 0) {
        return;
    }

    n = async_owner_jobs(work, job->owner, job->queue);

    async_key_owned(&key, job->owner, job->queue);

    if (by > 0) {
        n++;

    } else if (n > 0) {
        n--;
    }

    if (n == 0) {
        async_work_delete(work, &key);

    } else {
        async_work_put(work, &key, buf,
                       async_count_encode(&n, 1, buf, sizeof(buf)));
    }
}


bool
async_owner_counts(async_work_t *work)
{
    MDB_val      row;
    async_key_t  key;
    async_str_t  none = { NULL, 0 };

    async_key_owned(&key, none, none);

    return async_work_seek(work, &key, &row) && row.mv_size > 0
           && *(uint8_t *) row.mv_data == 0;
}


void
async_owner_forget(async_work_t *work)
{
    MDB_val      row;
    async_key_t  key;
    async_str_t  none = { NULL, 0 };

    async_key_owned(&key, none, none);

    while (async_work_seek(work, &key, &row) && row.mv_size > 0
           && *(uint8_t *) row.mv_data == 0)
    {
        async_work_delete_row(work, ASYNC_DB_COUNTS, row);
    }
}


/* --- a list --- */

async_rc_t
async_view_own(async_view_t *view, const async_own_query_t *query,
    async_own_page_t *page, async_job_fn fn, void *data)
{
    int          rc;
    async_rc_t   result;
    MDB_cursor  *cursor;

    memset(page, 0, sizeof(async_own_page_t));

    if (query->owner.len != ASYNC_OWNER) {
        return ASYNC_INVALID;
    }

    result = async_view_begin(view);

    if (result != ASYNC_OK) {
        return result;
    }

    rc = mdb_cursor_open(view->txn, view->store->dbi[ASYNC_DB_OWNERS],
                         &cursor);

    if (rc == MDB_SUCCESS) {
        result = async_own_walk(view, cursor, query, page, fn, data);
        mdb_cursor_close(cursor);

    } else {
        result = async_db_rc(rc, NULL, NULL);
    }

    async_view_end(view);

    return result;
}


static async_rc_t
async_own_walk(async_view_t *view, MDB_cursor *cursor,
    const async_own_query_t *query, async_own_page_t *page, async_job_fn fn,
    void *data)
{
    int          rc;
    MDB_val      row;
    unsigned     rows, n;
    async_job_t  job;

    page->last = query->before;

    if (!page->last.set) {
        page->last.bucket = UINT64_MAX;
        memset(&page->last.id, 0xff, sizeof(async_id_t));
        page->last.set = true;
    }

    for (rows = 0, n = 0; /* void */ ; /* void */) {
        rc = async_own_before(cursor, query->owner, &page->last, &row, &rows);

        if (rc != MDB_SUCCESS) {
            return rc == MDB_NOTFOUND ? ASYNC_OK
                                      : async_db_rc(rc, NULL, NULL);
        }

        if (n == query->limit || rows >= ASYNC_OWN_ROWS) {
            page->more = true;
            return ASYNC_OK;
        }

        async_key_id(&row, &page->last.id);

        if (async_own_job(view, query, &page->last.id, &job)) {
            n++;

            if (!fn(data, &job)) {
                return ASYNC_OK;
            }
        }
    }
}


/*
 * The owner's row before a place, which moves to the row's bucket; each row
 * that is looked at counts.  Without a row of his in a bucket, what is before
 * it tells of the next bucket that has any.
 */

static int
async_own_before(MDB_cursor *cursor, async_str_t owner,
    async_own_place_t *place, MDB_val *row, unsigned *rows)
{
    int          rc;
    MDB_val      v;
    uint64_t     bucket;
    async_key_t  key;

    for ( ;; ) {
        async_key_owner(&key, place->bucket, owner, &place->id);

        row->mv_size = key.len;
        row->mv_data = key.bytes;

        rc = mdb_cursor_get(cursor, row, &v, MDB_SET_RANGE);

        if (rc == MDB_SUCCESS || rc == MDB_NOTFOUND) {
            rc = mdb_cursor_get(cursor, row, &v,
                                rc == MDB_SUCCESS ? MDB_PREV : MDB_LAST);
        }

        if (rc != MDB_SUCCESS) {
            return rc;
        }

        if (row->mv_size != key.len) {
            return MDB_CORRUPTED;
        }

        bucket = async_get_be64(row->mv_data);
        (*rows)++;

        if ((bucket == place->bucket
             && memcmp((uint8_t *) row->mv_data + 8, owner.data, owner.len)
                == 0)
            || *rows >= ASYNC_OWN_ROWS)
        {
            return MDB_SUCCESS;
        }

        if (place->bucket == 0) {
            return MDB_NOTFOUND;
        }

        place->bucket = bucket < place->bucket ? bucket : place->bucket - 1;
        memset(&place->id, 0xff, sizeof(async_id_t));
    }
}


/* a record that is damaged is told of by a check, not by a list */

static bool
async_own_job(async_view_t *view, const async_own_query_t *query,
    const async_id_t *id, async_job_t *job)
{
    MDB_val      v;
    async_key_t  key;

    async_key_job(&key, id);

    if (async_db_get(view->store, view->txn, &key, &v) != ASYNC_OK
        || async_job_decode(job, id, v.mv_data, v.mv_size) != ASYNC_OK)
    {
        return false;
    }

    return (query->state == ASYNC_STATE_NONE || query->state == job->state)
           && (query->queue.len == 0
               || (query->queue.len == job->queue.len
                   && memcmp(query->queue.data, job->queue.data,
                             job->queue.len) == 0));
}
