/*
 * Lists of jobs, and what is done to all that a list finds.  Jobs of one
 * state lie in bystate by the time when they were made; all jobs lie in jobs
 * by their ids, which begin with that time.
 */

#include <string.h>

#include "async_work.h"


#define ASYNC_LIST_ROWS   2000       /* looked at for one page */
#define ASYNC_LIST_SKEW   60000      /* ms between an id and its record */
#define ASYNC_PURGE_JOBS  256        /* canceled in one transaction */


typedef struct {
    async_view_t              *view;
    MDB_cursor                *cursor;
    const async_list_query_t  *query;
    async_list_page_t         *page;
    async_job_fn               fn;
    void                      *data;
} async_list_t;

typedef struct {
    async_event_t  events[ASYNC_PURGE_JOBS];
    unsigned       n;
} async_purge_found_t;


static async_rc_t async_list_walk(async_list_t *list);
static int async_list_first(async_list_t *list, MDB_val *row);
static bool async_list_ended(const async_list_t *list, const MDB_val *row);
static bool async_list_job(async_list_t *list, const MDB_val *row,
    async_job_t *job);
static async_rc_t async_purge_find(async_store_t *store,
    async_purge_t *purge, async_purge_found_t *found);
static bool async_purge_one(void *data, const async_job_t *job);
static void async_purge_place(async_purge_t *purge,
    const async_list_page_t *page);


async_rc_t
async_view_list(async_view_t *view, const async_list_query_t *query,
    async_list_page_t *page, async_job_fn fn, void *data)
{
    int           rc;
    async_db_t    db;
    async_rc_t    result;
    async_list_t  list;

    memset(page, 0, sizeof(async_list_page_t));

    list.view = view;
    list.query = query;
    list.page = page;
    list.fn = fn;
    list.data = data;

    result = async_view_begin(view);

    if (result != ASYNC_OK) {
        return result;
    }

    db = query->state != ASYNC_STATE_NONE ? ASYNC_DB_BYSTATE : ASYNC_DB_JOBS;

    rc = mdb_cursor_open(view->txn, view->store->dbi[db], &list.cursor);

    if (rc == MDB_SUCCESS) {
        result = async_list_walk(&list);
        mdb_cursor_close(list.cursor);

    } else {
        result = async_db_rc(rc, NULL, NULL);
    }

    async_view_end(view);

    return result;
}


static async_rc_t
async_list_walk(async_list_t *list)
{
    int          rc;
    MDB_val      row, v;
    unsigned     rows, n;
    async_job_t  job;

    rc = async_list_first(list, &row);

    for (rows = 0, n = 0; rc == MDB_SUCCESS; rows++) {

        if (async_list_ended(list, &row)) {
            return ASYNC_OK;
        }

        if (n == list->query->limit || rows == ASYNC_LIST_ROWS) {
            list->page->more = true;
            return ASYNC_OK;
        }

        async_key_id(&row, &list->page->last.id);

        list->page->last.set = true;
        list->page->last.created = list->query->state != ASYNC_STATE_NONE
            ? (int64_t) async_get_be64((uint8_t *) row.mv_data + 1)
            : async_id_time(&list->page->last.id);

        if (async_list_job(list, &row, &job)) {
            n++;

            if (!list->fn(list->data, &job)) {
                return ASYNC_OK;
            }
        }

        rc = mdb_cursor_get(list->cursor, &row, &v, MDB_PREV);
    }

    return rc == MDB_NOTFOUND ? ASYNC_OK : async_db_rc(rc, NULL, NULL);
}


/* the row before the place where the page begins */

static int
async_list_first(async_list_t *list, MDB_val *row)
{
    int                        rc;
    MDB_val                    v;
    async_job_t                edge;
    async_key_t                key;
    const async_list_query_t  *query;

    query = list->query;

    memset(&edge, 0, sizeof(async_job_t));
    edge.state = query->state;

    if (query->before.set) {
        edge.created = query->before.created;
        edge.id = query->before.id;

    } else if (query->until != 0) {
        edge.created = query->until;
        async_put_be64(edge.id.bytes, (uint64_t) query->until << 16);

    } else {
        edge.created = INT64_MAX;
        memset(&edge.id, 0xff, sizeof(async_id_t));
    }

    if (query->state != ASYNC_STATE_NONE) {
        async_key_state(&key, &edge);

    } else {
        async_key_job(&key, &edge.id);
    }

    row->mv_size = key.len;
    row->mv_data = key.bytes;

    rc = mdb_cursor_get(list->cursor, row, &v, MDB_SET_RANGE);

    if (rc == MDB_SUCCESS || rc == MDB_NOTFOUND) {
        rc = mdb_cursor_get(list->cursor, row, &v,
                            rc == MDB_SUCCESS ? MDB_PREV : MDB_LAST);
    }

    return rc;
}


/* of another state, or older than what is looked for */

static bool
async_list_ended(const async_list_t *list, const MDB_val *row)
{
    async_id_t                 id;
    const async_list_query_t  *query;

    query = list->query;

    if (query->state == ASYNC_STATE_NONE) {
        async_key_id(row, &id);
        return async_id_time(&id) < query->since - ASYNC_LIST_SKEW;
    }

    return row->mv_size != 1 + 8 + sizeof(async_id_t)
           || *(uint8_t *) row->mv_data != query->state
           || (int64_t) async_get_be64((uint8_t *) row->mv_data + 1)
              < query->since;
}


/* a record that is damaged is told of by a check, not by a list */

static bool
async_list_job(async_list_t *list, const MDB_val *row, async_job_t *job)
{
    MDB_val                    v;
    async_id_t                 id;
    async_key_t                key;
    const async_list_query_t  *query;

    query = list->query;

    async_key_id(row, &id);
    async_key_job(&key, &id);

    if (async_db_get(list->view->store, list->view->txn, &key, &v) != ASYNC_OK
        || async_job_decode(job, &id, v.mv_data, v.mv_size) != ASYNC_OK)
    {
        return false;
    }

    return job->created >= query->since
           && (query->until == 0 || job->created < query->until)
           && (query->queue.len == 0
               || (query->queue.len == job->queue.len
                   && memcmp(query->queue.data, job->queue.data,
                             job->queue.len) == 0))
           && (query->owner.len == 0
               || (query->owner.len == job->owner.len
                   && memcmp(query->owner.data, job->owner.data,
                             job->owner.len) == 0));
}


/* --- how many there are --- */

async_rc_t
async_view_count(async_view_t *view, int64_t since, int64_t until,
    unsigned max, async_count_page_t *page)
{
    int                 rc;
    MDB_val             row, v;
    async_id_t          id;
    async_rc_t          result;
    async_list_t        list;
    async_list_query_t  query;

    memset(page, 0, sizeof(async_count_page_t));
    memset(&list, 0, sizeof(async_list_t));
    memset(&query, 0, sizeof(async_list_query_t));

    query.until = until;
    list.query = &query;

    result = async_view_begin(view);

    if (result != ASYNC_OK) {
        return result;
    }

    rc = mdb_cursor_open(view->txn, view->store->dbi[ASYNC_DB_JOBS],
                         &list.cursor);

    if (rc == MDB_SUCCESS) {

        for (rc = async_list_first(&list, &row);
             rc == MDB_SUCCESS && page->n < max;
             rc = mdb_cursor_get(list.cursor, &row, &v, MDB_PREV))
        {
            async_key_id(&row, &id);

            if (async_id_time(&id) < since) {
                break;
            }

            page->oldest = async_id_time(&id);
            page->n++;
        }

        mdb_cursor_close(list.cursor);
    }

    async_view_end(view);

    return rc == MDB_NOTFOUND ? ASYNC_OK : async_db_rc(rc, NULL, NULL);
}


/* --- all that waits in a queue --- */

/* in the order in which a job may move on while we are at it */

static const uint8_t  async_purge_states[] = {
    ASYNC_STATE_SCHEDULED, ASYNC_STATE_RETRYING, ASYNC_STATE_QUEUED
};


async_rc_t
async_store_purge(async_store_t *store, async_purge_t *purge,
    async_error_t *err)
{
    unsigned             i;
    async_rc_t           rc;
    async_batch_t        batch;
    async_purge_found_t  found;

    rc = async_purge_find(store, purge, &found);

    if (rc != ASYNC_OK) {
        async_error_set(err, "the jobs of the queue cannot be read (%s)",
                        async_rc_name(rc));
        return rc;
    }

    if (found.n == 0) {
        return ASYNC_OK;
    }

    memset(&batch, 0, sizeof(async_batch_t));

    batch.events = found.events;
    batch.n = found.n;
    batch.now = purge->now;

    rc = async_store_apply(store, &batch, err);

    /* who was started just now, or has ended, does not wait any more */

    for (i = 0; rc == ASYNC_OK && i < found.n; i++) {
        purge->canceled += found.events[i].rc == ASYNC_OK ? 1 : 0;
    }

    return rc;
}


static async_rc_t
async_purge_find(async_store_t *store, async_purge_t *purge,
    async_purge_found_t *found)
{
    unsigned            i;
    async_rc_t          rc;
    async_view_t       *view;
    async_list_page_t   page;
    async_list_query_t  query;

    memset(found, 0, sizeof(async_purge_found_t));
    memset(&query, 0, sizeof(async_list_query_t));

    query.state = async_purge_states[purge->step];
    query.queue = purge->queue;
    query.limit = ASYNC_PURGE_JOBS;
    query.before = purge->before;

    rc = async_view_open(&view, store);

    if (rc != ASYNC_OK) {
        return rc;
    }

    rc = async_view_list(view, &query, &page, async_purge_one, found);

    async_view_close(view);

    for (i = 0; i < found->n; i++) {
        found->events[i].by = purge->by;
    }

    if (rc == ASYNC_OK) {
        async_purge_place(purge, &page);
    }

    return rc;
}


static bool
async_purge_one(void *data, const async_job_t *job)
{
    async_event_t        *event;
    async_purge_found_t  *found = data;

    event = &found->events[found->n++];

    event->type = ASYNC_EVENT_CANCEL_REQUESTED;
    event->id = job->id;
    event->waits = true;

    return true;
}


static void
async_purge_place(async_purge_t *purge, const async_list_page_t *page)
{
    if (page->more) {
        purge->before = page->last;
        return;
    }

    memset(&purge->before, 0, sizeof(async_list_place_t));

    purge->step++;

    if (purge->step == sizeof(async_purge_states)) {
        purge->step = 0;
        purge->done = true;
    }
}
