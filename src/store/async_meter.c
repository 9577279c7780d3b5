/*
 * Counting what becomes of jobs, for those who watch the gateway: in the
 * transaction that makes it so, once for each queue, whatever the number of
 * jobs.
 */

#include <string.h>

#include "async_work.h"


static bool async_meter_load(async_work_t *work, async_tally_t *tally);
static void async_meter_attempt(async_tally_t *tally,
    const async_event_t *event);
static void async_meter_end_of(async_tally_t *tally, async_minute_t *minute,
    const async_event_t *event, const async_job_t *job);
static void async_meter_read(async_view_t *view, async_str_t queue,
    async_queue_meter_t *meter);
static int async_meter_oldest(async_view_t *view, async_str_t queue,
    int64_t *oldest);
static async_str_t async_meter_queue(const async_tally_t *tally);
static uint64_t async_meter_since(int64_t from, int64_t to);


void
async_meter_enter(async_work_t *work, async_tally_t *tally, unsigned how)
{
    if (async_meter_load(work, tally)) {
        tally->metrics.submits[how]++;
        async_recent_at(&tally->recent, work->now)->accepted++;
    }
}


void
async_meter_event(async_work_t *work, async_tally_t *tally,
    const async_event_t *event, const async_job_t *before,
    const async_job_t *job)
{
    uint64_t         wait;
    async_minute_t  *minute;

    switch (event->type) {

    case ASYNC_EVENT_STARTED:
    case ASYNC_EVENT_INTERRUPTED:
    case ASYNC_EVENT_ATTEMPT_FAILED:
    case ASYNC_EVENT_COMPLETED:
    case ASYNC_EVENT_FAILED:
    case ASYNC_EVENT_CANCELED:
        break;

    default:
        return;
    }

    if (!async_meter_load(work, tally)) {
        return;
    }

    minute = async_recent_at(&tally->recent, work->now);

    if (event->type == ASYNC_EVENT_STARTED) {
        wait = async_meter_since(job->queued, work->now);
        async_histogram_add(&tally->metrics.wait, wait);

        minute->started++;
        minute->waited += (uint32_t) (wait / 1000);
        return;
    }

    if (before->state == ASYNC_STATE_PROCESSING) {
        async_meter_attempt(tally, event);
    }

    if (async_state_final((async_state_t) job->state)) {
        async_meter_end_of(tally, minute, event, job);
    }
}


static void
async_meter_attempt(async_tally_t *tally, const async_event_t *event)
{
    unsigned  result;

    switch (event->type) {

    case ASYNC_EVENT_INTERRUPTED:
        result = ASYNC_ATTEMPT_INTERRUPTED;
        break;

    case ASYNC_EVENT_CANCELED:
        result = ASYNC_ATTEMPT_CANCELED;
        break;

    case ASYNC_EVENT_COMPLETED:
        result = ASYNC_ATTEMPT_COMPLETED;
        break;

    default:
        result = event->error;
    }

    if (result < ASYNC_ATTEMPTS) {
        tally->metrics.attempts[result]++;
    }
}


static void
async_meter_end_of(async_tally_t *tally, async_minute_t *minute,
    const async_event_t *event, const async_job_t *job)
{
    uint64_t  ran;

    tally->metrics.finished[job->state]++;

    if (event->type != ASYNC_EVENT_COMPLETED) {
        minute->failed++;

    } else {
        minute->completed++;
    }

    /* one that never ran took no time */

    if (job->started == 0 || event->error == ASYNC_JOB_ERROR_START_TIMEOUT) {
        return;
    }

    ran = async_meter_since(job->started, job->finished);
    async_histogram_add(&tally->metrics.duration, ran);

    if (event->type == ASYNC_EVENT_COMPLETED) {
        minute->ran += (uint32_t) (ran / 1000);
    }
}


/* what is damaged begins anew */

static bool
async_meter_load(async_work_t *work, async_tally_t *tally)
{
    MDB_val      v;
    async_key_t  key;

    if (tally->metered) {
        return true;
    }

    async_key_metrics(&key, async_meter_queue(tally));

    if (async_work_get(work, &key, &v) == ASYNC_OK) {
        (void) async_metrics_decode(&tally->metrics, v.mv_data, v.mv_size);
    }

    async_key_recent(&key, async_meter_queue(tally));

    if (async_work_get(work, &key, &v) == ASYNC_OK) {
        (void) async_recent_decode(&tally->recent, v.mv_data, v.mv_size);
    }

    tally->metered = work->fault == ASYNC_OK;

    return tally->metered;
}


void
async_meter_end(async_work_t *work, async_tally_t *tally)
{
    uint8_t      buf[ASYNC_RECENT_MAX];
    async_key_t  key;

    if (!tally->metered) {
        return;
    }

    async_key_metrics(&key, async_meter_queue(tally));
    async_work_put(work, &key, buf,
                   async_metrics_encode(&tally->metrics, buf, sizeof(buf)));

    async_key_recent(&key, async_meter_queue(tally));
    async_work_put(work, &key, buf,
                   async_recent_encode(&tally->recent, buf, sizeof(buf)));
}


static async_str_t
async_meter_queue(const async_tally_t *tally)
{
    async_str_t  queue;

    queue.data = (const char *) tally->key.bytes;
    queue.len = tally->key.len;

    return queue;
}


/* the clock may have been set back */

static uint64_t
async_meter_since(int64_t from, int64_t to)
{
    return to > from ? (uint64_t) (to - from) : 0;
}


/* --- reading --- */

async_rc_t
async_view_meter(async_view_t *view, async_str_t queue,
    async_queue_meter_t *meter)
{
    int         rc;
    async_rc_t  result;

    memset(meter, 0, sizeof(async_queue_meter_t));

    result = async_view_begin(view);

    if (result != ASYNC_OK) {
        return result;
    }

    async_meter_read(view, queue, meter);
    rc = async_meter_oldest(view, queue, &meter->oldest);

    async_view_end(view);

    return rc == MDB_NOTFOUND ? ASYNC_OK : async_db_rc(rc, NULL, NULL);
}


static void
async_meter_read(async_view_t *view, async_str_t queue,
    async_queue_meter_t *meter)
{
    MDB_val      v;
    async_key_t  key;

    async_key_metrics(&key, queue);

    if (async_db_get(view->store, view->txn, &key, &v) == ASYNC_OK) {
        (void) async_metrics_decode(&meter->metrics, v.mv_data, v.mv_size);
    }

    async_key_recent(&key, queue);

    if (async_db_get(view->store, view->txn, &key, &v) == ASYNC_OK) {
        (void) async_recent_decode(&meter->recent, v.mv_data, v.mv_size);
    }

    async_key_queue_runs(&key, queue);

    if (async_db_get(view->store, view->txn, &key, &v) == ASYNC_OK) {
        (void) async_runs_decode(&meter->runs, v.mv_data, v.mv_size);
    }
}


/* the first row of each priority, and no other */

static int
async_meter_oldest(async_view_t *view, async_str_t queue, int64_t *oldest)
{
    int           rc;
    size_t        len;
    MDB_val       row, v;
    int64_t       queued;
    uint8_t      *place;
    MDB_cursor   *cursor;
    async_key_t   key;

    rc = mdb_cursor_open(view->txn, view->store->dbi[ASYNC_DB_READY],
                         &cursor);

    if (rc != MDB_SUCCESS) {
        return rc;
    }

    async_key_ready(&key, queue);

    len = key.len;
    key.bytes[key.len++] = 0;

    for ( ;; ) {
        row.mv_size = key.len;
        row.mv_data = key.bytes;

        rc = mdb_cursor_get(cursor, &row, &v, MDB_SET_RANGE);

        if (rc != MDB_SUCCESS || row.mv_size < len + 9
            || memcmp(row.mv_data, key.bytes, len) != 0)
        {
            break;
        }

        place = (uint8_t *) row.mv_data + len;
        queued = (int64_t) async_get_be64(place + 1);

        if (*oldest == 0 || queued < *oldest) {
            *oldest = queued;
        }

        if (place[0] >= 9) {
            break;
        }

        key.bytes[len] = place[0] + 1;
    }

    mdb_cursor_close(cursor);

    return rc;
}
