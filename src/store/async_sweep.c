/*
 * Retention.  A finished job loses its payload when its result expires, and
 * all the rest when its history does; in between its record and its trail
 * stand (ASYNC_JOB_SWEPT).  A slice at a time, so that no transaction grows
 * long; files go after the commit that no longer names them.
 */

#include <stdlib.h>
#include <string.h>

#include "async_work.h"


#define ASYNC_SWEEP_ROWS  1000
#define ASYNC_SWEEP_TIME  5              /* ms, looked at after each job */


/* what async_view_overdue() was asked */
typedef struct {
    async_view_t     *view;
    async_patrol_t   *patrol;
    int64_t           now;
    async_overdue_t  *found;
    unsigned          max;
    unsigned         *n;
} async_patrol_look_t;


static void async_sweep_kind(async_work_t *work, async_sweep_t *sweep,
    async_timer_t kind, int64_t until);
static bool async_sweep_job(async_work_t *work, async_sweep_t *sweep,
    const async_key_t *row);
static void async_sweep_result(async_work_t *work, async_sweep_t *sweep,
    async_job_t *job);
static unsigned async_sweep_range(async_work_t *work, const async_key_t *from,
    const async_key_t *below);
static int async_patrol_walk(MDB_cursor *cursor, void *data);
static bool async_patrol_overdue(async_view_t *view, const async_id_t *id,
    int64_t now, async_overdue_t *found);


void
async_sweep_run(async_work_t *work, async_sweep_t *sweep)
{
    int64_t  until;

    sweep->rows = 0;
    sweep->results = 0;
    sweep->jobs = 0;
    sweep->more = false;

    until = async_monotonic() + ASYNC_SWEEP_TIME;

    /* what changes the fewest pages goes where there are hardly any */

    if (sweep->tight) {
        async_sweep_kind(work, sweep, ASYNC_TIMER_EXPIRE, until);
    }

    /* who is forgotten first need not lose his result on the way */

    async_sweep_kind(work, sweep, ASYNC_TIMER_FORGET, until);
    async_sweep_kind(work, sweep, ASYNC_TIMER_EXPIRE, until);

    if (sweep->rows < ASYNC_SWEEP_ROWS && !sweep->tight) {
        sweep->rows += async_hook_aside(work,
                                        ASYNC_SWEEP_ROWS - sweep->rows);
    }
}


static void
async_sweep_kind(async_work_t *work, async_sweep_t *sweep, async_timer_t kind,
    int64_t until)
{
    MDB_val      row;
    async_key_t  key, first;

    async_key_timer(&first, kind, 0, &(async_id_t) { { 0 } });

    while (async_work_seek(work, &first, &row)
           && row.mv_size == first.len
           && *(uint8_t *) row.mv_data == kind
           && (int64_t) async_get_be64((uint8_t *) row.mv_data + 1)
              <= work->now)
    {
        if (sweep->rows >= (sweep->tight ? 1 : ASYNC_SWEEP_ROWS)
            || async_monotonic() >= until)
        {
            sweep->more = true;
            return;
        }

        key.db = ASYNC_DB_TIMERS;
        key.len = row.mv_size;
        memcpy(key.bytes, row.mv_data, row.mv_size);

        sweep->rows++;

        /* no sound job behind it: the row goes, the record stays */

        if (!async_sweep_job(work, sweep, &key)) {
            async_work_delete(work, &key);
        }
    }
}


static bool
async_sweep_job(async_work_t *work, async_sweep_t *sweep,
    const async_key_t *row)
{
    uint8_t      buf[ASYNC_JOB_MAX];
    async_job_t  job;

    if (!async_place_job(work, row, &job, buf)) {
        return false;
    }

    if (async_hook_hold(work, &job)) {
        return true;
    }

    if ((job.flags & ASYNC_JOB_SWEPT)
        || (job.due <= work->now && !sweep->tight))
    {
        sweep->rows += 2 * async_joined_drop(work, &job.id,
                                             ASYNC_SWEEP_ROWS / 2);

        if (sweep->rows >= ASYNC_SWEEP_ROWS) {
            return true;
        }

        sweep->rows += async_work_forget(work, &job);
        sweep->jobs++;

    } else {
        async_sweep_result(work, sweep, &job);
    }

    return true;
}


static void
async_sweep_result(async_work_t *work, async_sweep_t *sweep, async_job_t *job)
{
    size_t       len;
    uint8_t      buf[ASYNC_JOB_MAX];
    async_job_t  before;
    async_key_t  key;

    before = *job;

    job->flags |= ASYNC_JOB_SWEPT;
    memset(&job->request, 0, sizeof(async_body_t));
    memset(&job->response, 0, sizeof(async_body_t));

    len = async_job_encode(job, buf, sizeof(buf));

    async_key_job(&key, &job->id);
    async_work_put(work, &key, buf, len);
    async_place_move(work, &before, job);

    sweep->rows += async_work_drop(work, &before, ASYNC_PAYLOAD_REQUEST,
                                   ASYNC_PAYLOAD_RESPONSE_BODY);
    sweep->results++;
}


unsigned
async_work_forget(async_work_t *work, const async_job_t *job)
{
    unsigned        rows;
    async_key_t     key, below;
    async_tally_t  *tally;

    tally = async_work_tally(work, job->queue);

    if (tally != NULL) {
        async_place_count(tally, job->state, -1);
    }

    rows = async_work_drop(work, job, ASYNC_PAYLOAD_REQUEST,
                           ASYNC_PAYLOAD_RESPONSE_BODY);

    async_key_trail(&key, &job->id, 0);
    async_key_trail(&below, &job->id, UINT64_MAX);
    rows += async_sweep_range(work, &key, &below);

    async_known_drop(work, job);

    if (job->hooks > 0) {
        async_hook_drop(work, &job->id);
        rows++;
    }

    async_key_place(&key, job, 0);
    async_work_delete(work, &key);
    async_key_state(&key, job);
    async_work_delete(work, &key);
    async_key_job(&key, &job->id);
    async_work_delete(work, &key);

    return rows + 2;
}


unsigned
async_work_drop(async_work_t *work, const async_job_t *job,
    async_payload_kind_t from, async_payload_kind_t to)
{
    async_key_t  key, below;

    if (from <= ASYNC_PAYLOAD_REQUEST_BODY
        && to >= ASYNC_PAYLOAD_REQUEST_BODY)
    {
        async_work_gone(work, &job->id, ASYNC_PAYLOAD_REQUEST_BODY,
                        &job->request);
    }

    if (to >= ASYNC_PAYLOAD_RESPONSE_BODY) {
        async_work_gone(work, &job->id, ASYNC_PAYLOAD_RESPONSE_BODY,
                        &job->response);
    }

    async_key_payload(&key, &job->id, from, 0);
    async_key_payload(&below, &job->id, to, UINT32_MAX);

    return async_sweep_range(work, &key, &below);
}


/* the rows that are not below from and below the other; how many they were */

static unsigned
async_sweep_range(async_work_t *work, const async_key_t *from,
    const async_key_t *below)
{
    int          rc;
    MDB_val      k, v;
    unsigned     n;
    MDB_cursor  *cursor;

    if (work->fault != ASYNC_OK) {
        return 0;
    }

    rc = mdb_cursor_open(work->txn, work->store->dbi[from->db], &cursor);

    if (rc != MDB_SUCCESS) {
        async_work_fault(work, rc);
        return 0;
    }

    k.mv_size = from->len;
    k.mv_data = (void *) from->bytes;

    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);

    for (n = 0;
         rc == MDB_SUCCESS && k.mv_size == below->len
         && memcmp(k.mv_data, below->bytes, below->len) < 0;
         n++)
    {
        rc = mdb_cursor_del(cursor, 0);

        if (rc == MDB_SUCCESS) {
            work->changed = true;
            rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
        }
    }

    mdb_cursor_close(cursor);

    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND) {
        async_work_fault(work, rc);
    }

    return n;
}


/* --- files --- */

void
async_work_gone(async_work_t *work, const async_id_t *id,
    async_payload_kind_t kind, const async_body_t *body)
{
    async_gone_t  *gone;

    if (body->where != ASYNC_BODY_SPOOL) {
        return;
    }

    work->spooled -= body->len < work->spooled ? body->len : work->spooled;
    work->spooled_changed = true;

    gone = realloc(work->gone, (work->ngone + 1) * sizeof(async_gone_t));

    /* without a note of it, it is an orphan, and swept as one */

    if (gone != NULL) {
        gone[work->ngone].id = *id;
        gone[work->ngone].kind = kind;

        work->gone = gone;
        work->ngone++;
    }
}


void
async_work_gone_end(async_work_t *work, bool committed)
{
    unsigned  i;

    /* a power cut must not bring back the job without its file */

    if (committed && work->ngone > 0 && work->store->relaxed) {
        committed = mdb_env_sync(work->store->env, 1) == MDB_SUCCESS;
    }

    for (i = 0; committed && i < work->ngone; i++) {
        async_spool_remove(work->store, &work->gone[i].id,
                           work->gone[i].kind);
    }

    free(work->gone);
    work->gone = NULL;
    work->ngone = 0;
}


/* --- those that were not started in time --- */

/*
 * Waiting jobs have their deadlines in their policies, not in an index: a row
 * for each would cost every submit, for what hardly ever happens.  So they
 * are looked at in turn, some each second, besides the look at a claim.
 */

async_rc_t
async_view_overdue(async_view_t *view, async_patrol_t *patrol, int64_t now,
    async_overdue_t *found, unsigned max, unsigned *n)
{
    async_patrol_look_t  look = { view, patrol, now, found, max, n };

    *n = 0;

    return async_view_walk(view, ASYNC_DB_BYSTATE, async_patrol_walk, &look);
}


static int
async_patrol_walk(MDB_cursor *cursor, void *data)
{
    int                   rc;
    MDB_val               k, v;
    unsigned              rows;
    async_id_t            id;
    async_patrol_t       *patrol;
    async_overdue_t      *found;
    async_patrol_look_t  *look = data;

    static const uint8_t  first[] = { ASYNC_STATE_QUEUED };

    patrol = look->patrol;

    k.mv_data = patrol->len != 0 ? patrol->place : (uint8_t *) first;
    k.mv_size = patrol->len != 0 ? patrol->len : sizeof(first);

    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);

    for (rows = 0; rc == MDB_SUCCESS; rows++) {

        if (*(uint8_t *) k.mv_data != ASYNC_STATE_QUEUED
            || k.mv_size > sizeof(patrol->place))
        {
            break;
        }

        if (rows == ASYNC_SWEEP_ROWS || *look->n == look->max) {
            memcpy(patrol->place, k.mv_data, k.mv_size);
            patrol->len = k.mv_size;
            return MDB_SUCCESS;
        }

        async_key_id(&k, &id);
        found = &look->found[*look->n];

        if (async_patrol_overdue(look->view, &id, look->now, found)) {
            ++*look->n;
        }

        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }

    patrol->len = 0;

    return rc;
}


static bool
async_patrol_overdue(async_view_t *view, const async_id_t *id, int64_t now,
    async_overdue_t *found)
{
    MDB_val         v;
    async_job_t     job;
    async_key_t     key;
    async_policy_t  policy;

    async_key_job(&key, id);

    if (async_db_get(view->store, view->txn, &key, &v) != ASYNC_OK
        || async_job_decode(&job, id, v.mv_data, v.mv_size) != ASYNC_OK)
    {
        return false;
    }

    async_key_policy(&key, job.policy);

    if (async_db_get(view->store, view->txn, &key, &v) != ASYNC_OK
        || async_policy_decode(&policy, v.mv_data, v.mv_size) != ASYNC_OK)
    {
        async_policy_defaults(&policy);
    }

    if (!async_policy_overdue(&policy, &job, now)) {
        return false;
    }

    async_overdue_job(found, &job);

    return true;
}


void
async_overdue_job(async_overdue_t *found, const async_job_t *job)
{
    memset(found, 0, sizeof(async_overdue_t));

    found->id = job->id;
    found->attempt = job->attempt;
    found->queued = job->queued;

    if (job->queue.len <= ASYNC_QUEUE_MAX) {
        memcpy(found->queue, job->queue.data, job->queue.len);
    }
}


void
async_event_late(async_event_t *event, const async_id_t *id, uint64_t epoch)
{
    memset(event, 0, sizeof(async_event_t));

    event->type = ASYNC_EVENT_FAILED;
    event->id = *id;
    event->epoch = epoch;
    event->error = ASYNC_JOB_ERROR_START_TIMEOUT;
    event->detail = (async_str_t) async_str("The job was not started in "
                                            "time.");
    event->by = (async_str_t) async_str("worker");
}
