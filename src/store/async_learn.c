/*
 * What is learned from jobs that were completed: how long those of a location
 * ran, and those of a queue.  As with the figures of a queue, a row is read
 * once in a transaction and written once at its end, whatever the number of
 * jobs.
 *
 * A location is known by its key, not by its policy, so that what was learned
 * outlives a change of its settings.  As many rows are there as locations and
 * queues were ever configured; like policies, they stay.
 */

#include <stdlib.h>
#include <string.h>

#include "async_work.h"


#define ASYNC_LINE_TIME  60           /* bits of a place; above: the turn */


static void async_learn_add(async_work_t *work, const async_key_t *key,
    uint64_t duration);
static async_learned_t *async_learn_new(async_work_t *work,
    const async_key_t *key);
static void async_line_figures(async_view_t *view, async_str_t queue,
    async_line_t *line);
static int async_line_walk(MDB_cursor *cursor, const async_key_t *queue,
    async_line_t *line);
static int async_line_last(MDB_cursor *cursor, const async_key_t *queue,
    async_line_t *line);
static bool async_line_row(const MDB_val *row, const async_key_t *queue,
    uint64_t *place);
static uint64_t async_line_place(uint8_t turn, uint64_t queued);


/* --- writing --- */

void
async_learn_run(async_work_t *work, const async_job_t *job,
    uint64_t location, uint64_t duration)
{
    async_key_t  key;

    if (location != 0) {
        async_key_location_runs(&key, job->server, location);
        async_learn_add(work, &key, duration);
    }

    async_key_queue_runs(&key, job->queue);
    async_learn_add(work, &key, duration);
}


static void
async_learn_add(async_work_t *work, const async_key_t *key, uint64_t duration)
{
    unsigned          i;
    async_learned_t  *learned;

    for (i = 0; i < work->nlearned; i++) {
        learned = &work->store->learned[i];

        if (learned->key.len == key->len
            && memcmp(learned->key.bytes, key->bytes, key->len) == 0)
        {
            async_runs_add(&learned->runs, duration);
            return;
        }
    }

    learned = async_learn_new(work, key);

    if (learned != NULL) {
        async_runs_add(&learned->runs, duration);
    }
}


/* without memory for it nothing is learned, which harms nobody */

static async_learned_t *
async_learn_new(async_work_t *work, const async_key_t *key)
{
    MDB_val           v;
    unsigned          n;
    async_store_t    *store;
    async_learned_t  *learned;

    store = work->store;

    if (work->nlearned == store->nlearned) {

        n = store->nlearned == 0 ? 16 : store->nlearned * 2;
        learned = realloc(store->learned, n * sizeof(async_learned_t));

        if (learned == NULL) {
            return NULL;
        }

        store->learned = learned;
        store->nlearned = n;
    }

    learned = &store->learned[work->nlearned++];

    memset(learned, 0, sizeof(async_learned_t));
    learned->key = *key;

    /* what is damaged is learned anew */

    if (async_work_get(work, key, &v) == ASYNC_OK) {
        (void) async_runs_decode(&learned->runs, v.mv_data, v.mv_size);
    }

    return learned;
}


void
async_learn_end(async_work_t *work)
{
    unsigned          i;
    uint8_t           buf[ASYNC_RUNS_MAX];
    async_learned_t  *learned;

    for (i = 0; i < work->nlearned; i++) {
        learned = &work->store->learned[i];

        async_work_put(work, &learned->key, buf,
                       async_runs_encode(&learned->runs, buf, sizeof(buf)));
    }
}


/* --- reading --- */

async_rc_t
async_view_runs(async_view_t *view, uint64_t server, uint64_t location,
    async_runs_t *runs)
{
    MDB_val      v;
    async_rc_t   rc;
    async_key_t  key;

    memset(runs, 0, sizeof(async_runs_t));
    async_key_location_runs(&key, server, location);

    rc = async_view_begin(view);

    if (rc != ASYNC_OK) {
        return rc;
    }

    rc = async_db_get(view->store, view->txn, &key, &v);

    if (rc == ASYNC_OK) {
        (void) async_runs_decode(runs, v.mv_data, v.mv_size);
    }

    async_view_end(view);

    return rc == ASYNC_NOT_FOUND ? ASYNC_OK : rc;
}


async_rc_t
async_view_line(async_view_t *view, async_str_t queue, async_line_t *line)
{
    int          rc;
    async_rc_t   result;
    MDB_cursor  *cursor;
    async_key_t  key;

    memset(line, 0, sizeof(async_line_t));
    async_key_ready(&key, queue);

    result = async_view_begin(view);

    if (result != ASYNC_OK) {
        return result;
    }

    async_line_figures(view, queue, line);

    rc = mdb_cursor_open(view->txn, view->store->dbi[ASYNC_DB_READY],
                         &cursor);

    if (rc == MDB_SUCCESS) {
        rc = async_line_walk(cursor, &key, line);
        mdb_cursor_close(cursor);
    }

    async_view_end(view);

    return rc == MDB_NOTFOUND ? ASYNC_OK : async_db_rc(rc, NULL, NULL);
}


static void
async_line_figures(async_view_t *view, async_str_t queue, async_line_t *line)
{
    MDB_val        v;
    uint64_t       n[2];
    async_key_t    key;
    async_runs_t   runs;
    async_queue_t  policy;

    line->concurrency = ASYNC_QUEUE_CONCURRENCY;

    async_key_queue(&key, queue);

    if (async_db_get(view->store, view->txn, &key, &v) == ASYNC_OK
        && async_queue_decode(&policy, v.mv_data, v.mv_size) == ASYNC_OK)
    {
        line->concurrency = policy.concurrency;
        line->interval = policy.interval;
    }

    line->paused = async_queue_paused(view->store, view->txn, queue);

    async_key_count(&key, queue);

    if (async_db_get(view->store, view->txn, &key, &v) == ASYNC_OK
        && async_count_decode(n, 2, v.mv_data, v.mv_size) == ASYNC_OK)
    {
        line->queued = n[0];
        line->running = n[1];
    }

    async_key_queue_runs(&key, queue);

    if (async_db_get(view->store, view->txn, &key, &v) == ASYNC_OK
        && async_runs_decode(&runs, v.mv_data, v.mv_size) == ASYNC_OK)
    {
        line->each = async_runs_mean(&runs);
    }
}


/* its first jobs, and only if there are more, its last */

static int
async_line_walk(MDB_cursor *cursor, const async_key_t *queue,
    async_line_t *line)
{
    int       rc;
    MDB_val   k, v;
    uint64_t  place;

    k.mv_size = queue->len;
    k.mv_data = (void *) queue->bytes;

    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);

    while (rc == MDB_SUCCESS && async_line_row(&k, queue, &place)) {

        line->last = place;

        if (line->n == ASYNC_LINE) {
            line->more = true;
            return async_line_last(cursor, queue, line);
        }

        line->places[line->n++] = place;

        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }

    return rc;
}


static int
async_line_last(MDB_cursor *cursor, const async_key_t *queue,
    async_line_t *line)
{
    int          rc;
    MDB_val      k, v;
    uint64_t     place;
    async_key_t  after;

    /* no priority comes after this one */

    after = *queue;
    after.bytes[after.len++] = 0xff;

    k.mv_size = after.len;
    k.mv_data = after.bytes;

    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);

    if (rc == MDB_SUCCESS || rc == MDB_NOTFOUND) {
        rc = mdb_cursor_get(cursor, &k, &v,
                            rc == MDB_SUCCESS ? MDB_PREV : MDB_LAST);
    }

    if (rc == MDB_SUCCESS && async_line_row(&k, queue, &place)) {
        line->last = place;
    }

    return rc;
}


/* priority and time, as they sort in ready; false for another queue's row */

static bool
async_line_row(const MDB_val *row, const async_key_t *queue, uint64_t *place)
{
    const uint8_t  *p;

    if (row->mv_size != queue->len + 1 + 8 + 8 + sizeof(async_id_t)
        || memcmp(row->mv_data, queue->bytes, queue->len) != 0)
    {
        return false;
    }

    p = (const uint8_t *) row->mv_data + queue->len;

    *place = async_line_place(p[0], async_get_be64(p + 1));

    return true;
}


static uint64_t
async_line_place(uint8_t turn, uint64_t queued)
{
    return (uint64_t) turn << ASYNC_LINE_TIME
           | (queued & (((uint64_t) 1 << ASYNC_LINE_TIME) - 1));
}


/* beyond those that were seen, they stand as evenly as they came */

uint64_t
async_line_ahead(const async_line_t *line, const async_job_t *job)
{
    double    part;
    uint64_t  place, from, more;
    unsigned  low, high, middle;

    place = async_line_place((uint8_t) (9 - job->priority),
                             (uint64_t) job->queued);

    for (low = 0, high = line->n; low < high; /* void */ ) {

        middle = low + (high - low) / 2;

        if (line->places[middle] < place) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    if (low < line->n || !line->more || line->queued <= line->n) {
        return low;
    }

    more = line->queued - line->n;
    from = line->places[line->n - 1];

    if (place >= line->last) {
        return line->queued;
    }

    part = (double) (place - from) / (double) (line->last - from);

    return line->n + (uint64_t) ((double) more * part);
}
