/*
 * Which jobs run next.  First those whose time has come, and those whose
 * server answers again, go to their queues; then the queues take turns, so
 * that none starves, and within one the order of its rows in ready is the
 * order of its jobs.
 */

#include <string.h>

#include "async_work.h"


/*
 * Rows that one claim may look at without handing out a job, first of timers
 * and then of queues: what is left, is left to the next claim, so that no
 * transaction grows long.
 */
#define ASYNC_CLAIM_SCAN   512

/* of these, jobs of one server that answers again: others come back too */
#define ASYNC_CLAIM_SLICE  256

/* ms until a job whose key is missing is looked at again */
#define ASYNC_CLAIM_LOCKED 10000

typedef struct {
    async_work_t           *work;
    async_claim_request_t  *request;
    unsigned                left;       /* of ASYNC_CLAIM_SCAN */
    int64_t                 opens;      /* the first of those that wait for
                                           their rate, unix ms, 0 = none */
} async_claimer_t;


static void async_claim_due(async_claimer_t *claimer);
static bool async_claim_wake(async_claimer_t *claimer, const MDB_val *row);
static void async_claim_back(async_claimer_t *claimer);
static void async_claim_slice(async_claimer_t *claimer, uint64_t server);
static void async_claim_queues(async_claimer_t *claimer);
static bool async_claim_next(async_work_t *work, async_key_t *turn,
    unsigned *rounds);
static bool async_claim_first(async_work_t *work, const async_key_t *queue,
    MDB_val *row);
static bool async_claim_one(async_claimer_t *claimer,
    const async_key_t *queue);
static bool async_claim_job(async_claimer_t *claimer, const MDB_val *row,
    bool *claimed);
static bool async_claim_skipped(const async_claim_request_t *request,
    uint64_t server);
static void async_claim_park(async_claimer_t *claimer,
    const async_job_t *job, int64_t due);
static void async_claim_lock(async_claimer_t *claimer,
    const async_job_t *job);
static bool async_claim_late(async_claimer_t *claimer, async_job_t *job);
static async_rc_t async_claim_start(async_claimer_t *claimer,
    async_job_t *job, const async_policy_t *policy);
static void async_claim_aside(async_work_t *work, async_db_t db,
    const MDB_val *row);
static bool async_claim_room(async_claimer_t *claimer,
    const async_key_t *queue);
static bool async_claim_left(async_claimer_t *claimer);
static int64_t async_claim_timer(async_work_t *work);
static async_str_t async_claim_name(const async_key_t *queue);


async_rc_t
async_claim_run(async_work_t *work, async_claim_request_t *request)
{
    async_claimer_t  claimer;

    claimer.work = work;
    claimer.request = request;
    claimer.left = ASYNC_CLAIM_SCAN;
    claimer.opens = 0;

    request->n = 0;
    request->nlate = 0;
    request->locked = 0;
    request->more = false;

    async_claim_due(&claimer);
    async_claim_back(&claimer);

    /* many that come back at once must not keep all from running */

    claimer.left = ASYNC_CLAIM_SCAN;

    /* what runs now will want to store a result */

    if (async_quota_allows(work->store, work->spooled, 0,
                           ASYNC_QUOTA_REST))
    {
        async_claim_queues(&claimer);
    }

    request->next_due = async_claim_timer(work);

    if (claimer.opens != 0
        && (request->next_due == 0 || claimer.opens < request->next_due))
    {
        request->next_due = claimer.opens;
    }

    return work->fault;
}


/* the earliest, unix ms, 0 = none */

static int64_t
async_claim_timer(async_work_t *work)
{
    MDB_val      row;
    async_key_t  key;

    async_key_timer(&key, ASYNC_TIMER_DUE, 0, &(async_id_t) { { 0 } });

    if (!async_work_seek(work, &key, &row) || row.mv_size != key.len
        || *(uint8_t *) row.mv_data != ASYNC_TIMER_DUE)
    {
        return 0;
    }

    return (int64_t) async_get_be64((uint8_t *) row.mv_data + 1);
}


/* --- those whose time has come --- */

static void
async_claim_due(async_claimer_t *claimer)
{
    MDB_val        row;
    async_key_t    key;
    async_work_t  *work;

    work = claimer->work;

    async_key_timer(&key, ASYNC_TIMER_DUE, 0, &(async_id_t) { { 0 } });

    while (async_work_seek(work, &key, &row)) {

        if (row.mv_size != key.len
            || *(uint8_t *) row.mv_data != ASYNC_TIMER_DUE
            || (int64_t) async_get_be64((uint8_t *) row.mv_data + 1)
               > work->now)
        {
            return;
        }

        if (claimer->left == 0) {
            claimer->request->more = true;
            return;
        }

        claimer->left--;

        if (!async_claim_wake(claimer, &row)) {
            async_claim_aside(work, ASYNC_DB_TIMERS, &row);
        }
    }
}


/* false if the row names no job that waits for it */

static bool
async_claim_wake(async_claimer_t *claimer, const MDB_val *row)
{
    uint8_t        buf[ASYNC_JOB_MAX];
    async_id_t     id;
    async_job_t    job;
    async_key_t    key;
    async_event_t  event;

    async_key_id(row, &id);

    if (async_work_job(claimer->work, &id, &job, buf) != ASYNC_OK) {
        return false;
    }

    async_key_place(&key, &job, 0);

    if (key.db != ASYNC_DB_TIMERS || key.len != row->mv_size
        || memcmp(key.bytes, row->mv_data, key.len) != 0)
    {
        return false;
    }

    /* from a time to its server at once, not round by its queue */

    if ((job.flags & ASYNC_JOB_PARKED)
        && async_claim_skipped(claimer->request, job.server))
    {
        async_claim_park(claimer, &job, 0);
        return true;
    }

    memset(&event, 0, sizeof(async_event_t));

    event.type = ASYNC_EVENT_DUE;
    event.id = id;
    event.by = (async_str_t) async_str("worker");

    return async_event_move(claimer->work, &event, &job) == ASYNC_OK;
}


/*
 * An index row without a sound job behind it would stand in the way for
 * ever.  The row goes, the record stays, and a check tells of it.
 */

static void
async_claim_aside(async_work_t *work, async_db_t db, const MDB_val *row)
{
    async_str_t     queue;
    async_tally_t  *tally;

    if (db == ASYNC_DB_READY) {
        queue.data = (const char *) row->mv_data + 1;
        queue.len = *(uint8_t *) row->mv_data;

        tally = async_work_tally(work, queue);

        if (tally != NULL && tally->queued > 0) {
            async_place_count(tally, ASYNC_STATE_QUEUED, -1);
        }

        /* whose it was is in the record */

        work->recount = work->recount || async_owner_counts(work);

    } else {
        work->recount = true;               /* nobody knows of which queue */
    }

    async_work_delete_row(work, db, *row);
}


/* --- those whose server answers again --- */

/* one look at each server that has parked jobs, however many it has */

static void
async_claim_back(async_claimer_t *claimer)
{
    MDB_val        row;
    uint64_t       server;
    async_key_t    key;
    async_work_t  *work;

    work = claimer->work;

    async_key_away(&key, 0);

    while (async_work_seek(work, &key, &row)) {

        if (row.mv_size < key.len
            || *(uint8_t *) row.mv_data != ASYNC_TIMER_AWAY)
        {
            return;
        }

        server = async_get_be64((uint8_t *) row.mv_data + 1);

        if (!async_claim_skipped(claimer->request, server)) {

            if (claimer->left == 0) {
                claimer->request->more = true;
                return;
            }

            async_claim_slice(claimer, server);
        }

        if (server == UINT64_MAX) {
            return;
        }

        async_key_away(&key, server + 1);
    }
}


/* those that will run first of it, of whatever queue */

static void
async_claim_slice(async_claimer_t *claimer, uint64_t server)
{
    MDB_val        row;
    unsigned       n;
    async_key_t    key;
    async_work_t  *work;

    work = claimer->work;

    async_key_away(&key, server);

    for (n = 0; async_work_seek(work, &key, &row); n++) {

        if (row.mv_size < key.len
            || memcmp(row.mv_data, key.bytes, key.len) != 0)
        {
            return;
        }

        if (n == ASYNC_CLAIM_SLICE || claimer->left == 0) {
            claimer->request->more = true;
            return;
        }

        claimer->left--;

        if (!async_claim_wake(claimer, &row)) {
            async_claim_aside(work, ASYNC_DB_TIMERS, &row);
        }
    }
}


/* --- the queues in turn --- */

static void
async_claim_queues(async_claimer_t *claimer)
{
    unsigned                rounds;
    async_key_t            *turn;
    async_work_t           *work;
    async_claim_request_t  *request;

    work = claimer->work;
    request = claimer->request;
    turn = &work->store->turn;
    turn->db = ASYNC_DB_READY;

    /* twice round the end without a job, and each queue was asked */

    for (rounds = 0; request->n < request->max; /* void */) {

        if (!async_claim_next(work, turn, &rounds) || rounds == 2) {
            return;
        }

        if (async_claim_one(claimer, turn)) {
            rounds = 0;

        } else if (claimer->left == 0) {
            request->more = true;
            return;
        }
    }

    request->more = request->more || async_claim_left(claimer);
}


/* the queue after turn that has ready rows, round the end */

static bool
async_claim_next(async_work_t *work, async_key_t *turn, unsigned *rounds)
{
    size_t       len;
    MDB_val      row;
    async_key_t  after;

    after = *turn;

    /* the name with 0xff after it: no row of the queue is as high */

    if (after.len > 0) {
        after.bytes[after.len++] = 0xff;
    }

    if (!async_work_seek(work, &after, &row)) {
        after.len = 0;
        (*rounds)++;

        if (!async_work_seek(work, &after, &row)) {
            return false;
        }
    }

    len = 1 + (size_t) *(uint8_t *) row.mv_data;

    if (len > row.mv_size || len > 1 + ASYNC_QUEUE_MAX) {
        work->fault = ASYNC_UNAVAILABLE;
        return false;
    }

    memcpy(turn->bytes, row.mv_data, len);
    turn->len = len;

    return true;
}


/* one job of this queue; false if it has none to give now */

static bool
async_claim_one(async_claimer_t *claimer, const async_key_t *queue)
{
    bool     claimed;
    MDB_val  row;

    if (!async_claim_room(claimer, queue)) {
        return false;
    }

    claimed = false;

    while (!claimed && claimer->left > 0
           && async_claim_first(claimer->work, queue, &row))
    {
        if (!async_claim_job(claimer, &row, &claimed)) {
            async_claim_aside(claimer->work, ASYNC_DB_READY, &row);
        }

        claimer->left -= claimed ? 0 : 1;
    }

    return claimed;
}


static bool
async_claim_first(async_work_t *work, const async_key_t *queue, MDB_val *row)
{
    return async_work_seek(work, queue, row)
           && row->mv_size >= queue->len
           && memcmp(row->mv_data, queue->bytes, queue->len) == 0;
}


static bool
async_claim_room(async_claimer_t *claimer, const async_key_t *queue)
{
    async_tally_t  *tally;

    tally = async_work_tally(claimer->work, async_claim_name(queue));

    return tally != NULL && tally->running < tally->concurrency
           && async_gate_open(claimer->work, tally, &claimer->opens);
}


static async_str_t
async_claim_name(const async_key_t *queue)
{
    async_str_t  name;

    name.data = (const char *) queue->bytes + 1;
    name.len = queue->len - 1;

    return name;
}


/* false if the row has no sound job behind it */

static bool
async_claim_job(async_claimer_t *claimer, const MDB_val *row, bool *claimed)
{
    uint8_t         buf[ASYNC_JOB_MAX];
    async_id_t      id;
    async_job_t     job;
    async_key_t     key;
    async_policy_t  policy;

    async_key_id(row, &id);

    if (async_work_job(claimer->work, &id, &job, buf) != ASYNC_OK) {
        return false;
    }

    async_key_place(&key, &job, 0);

    if (!async_key_same_place(row, &key)) {
        return false;
    }

    async_work_policy(claimer->work, job.policy, &policy);

    if (!claimer->request->doubt
        && async_policy_overdue(&policy, &job, claimer->work->now)) {
        return async_claim_late(claimer, &job);
    }

    if (async_claim_skipped(claimer->request, job.server)) {
        async_claim_park(claimer, &job, 0);
        return true;
    }

    if (!async_store_unlocks(claimer->work->store, &job.request.seal)) {
        async_claim_lock(claimer, &job);
        return true;
    }

    *claimed = async_claim_start(claimer, &job, &policy) == ASYNC_OK;

    return *claimed;
}


/* whoever has no room for more of them goes on another time */

static bool
async_claim_late(async_claimer_t *claimer, async_job_t *job)
{
    async_event_t           event;
    async_overdue_t         late;
    async_claim_request_t  *request;

    request = claimer->request;

    async_overdue_job(&late, job);
    async_event_late(&event, &job->id, claimer->work->epoch);

    if (async_event_move(claimer->work, &event, job) != ASYNC_OK) {
        return false;
    }

    if (request->late != NULL) {
        request->late[request->nlate++] = late;

        /* this is the last that is looked at */

        if (request->nlate == request->max_late) {
            claimer->left = 1;
        }
    }

    return true;
}


static bool
async_claim_skipped(const async_claim_request_t *request, uint64_t server)
{
    unsigned  i;

    for (i = 0; i < request->nskip; i++) {
        if (request->skip[i] == server) {
            return true;
        }
    }

    return false;
}


static void
async_claim_lock(async_claimer_t *claimer, const async_job_t *job)
{
    async_claim_request_t  *request;

    request = claimer->request;
    request->locked++;
    memcpy(request->locked_key, job->request.seal.key, ASYNC_KEY_ID);

    async_claim_park(claimer, job, claimer->work->now + ASYNC_CLAIM_LOCKED);
}


/* due 0: until its server answers */

static void
async_claim_park(async_claimer_t *claimer, const async_job_t *job,
    int64_t due)
{
    size_t       len;
    uint8_t      buf[ASYNC_JOB_MAX];
    async_job_t  parked;
    async_key_t  key;

    parked = *job;

    parked.flags |= ASYNC_JOB_PARKED;
    parked.due = due;

    len = async_job_encode(&parked, buf, sizeof(buf));

    if (len == 0) {
        return;
    }

    async_key_job(&key, &job->id);
    async_work_put(claimer->work, &key, buf, len);

    async_place_move(claimer->work, job, &parked);
}


static async_rc_t
async_claim_start(async_claimer_t *claimer, async_job_t *job,
    const async_policy_t *policy)
{
    size_t          len;
    async_rc_t      rc;
    async_claim_t  *claim;
    async_event_t   event;
    async_tally_t  *tally;

    memset(&event, 0, sizeof(async_event_t));

    event.type = ASYNC_EVENT_STARTED;
    event.id = job->id;
    event.epoch = claimer->request->epoch;
    event.by = (async_str_t) async_str("worker");

    rc = async_event_move(claimer->work, &event, job);

    tally = async_work_tally(claimer->work, job->queue);

    if (rc != ASYNC_OK || tally == NULL) {
        return rc != ASYNC_OK ? rc : claimer->work->fault;
    }

    async_gate_pass(claimer->work, tally);

    claim = &claimer->request->claims[claimer->request->n++];

    claim->policy = *policy;

    len = async_job_encode(job, claim->buf, sizeof(claim->buf));

    return async_job_decode(&claim->job, &job->id, claim->buf, len);
}


/* is there a queue that could give one more? */

static bool
async_claim_left(async_claimer_t *claimer)
{
    unsigned     rounds;
    async_key_t  turn;

    turn = claimer->work->store->turn;

    for (rounds = 0;
         async_claim_next(claimer->work, &turn, &rounds) && rounds < 2;
         /* void */)
    {
        if (async_claim_room(claimer, &turn)) {
            return true;
        }
    }

    return false;
}
