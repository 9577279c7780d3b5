#include <stdlib.h>

#include "async_sieve.h"


typedef struct {
    async_sealed_t   sealed;
    async_submit_t  *submits;
    bool             inside;         /* the door is open already */
} async_batch_run_t;


static async_rc_t async_batch_begin(async_batch_run_t *run,
    async_store_t *store, async_batch_t *batch, async_error_t *err);
static void async_batch_end(async_batch_run_t *run);
static async_rc_t async_batch_run(async_store_t *store, void *data,
    async_error_t *err);
static async_rc_t async_batch_write(async_store_t *store,
    async_batch_t *batch, async_submit_t *submits, bool inside,
    async_error_t *err);
static async_rc_t async_batch_apply(async_work_t *work, async_batch_t *batch,
    async_submit_t *submits, int64_t clock);
static async_rc_t async_batch_singly(async_store_t *store,
    async_batch_t *batch, async_submit_t *submits, async_error_t *err);
static async_submit_t *async_batch_prepare(async_batch_t *batch);
static void async_batch_result(async_batch_t *batch, async_rc_t rc);
static bool async_batches_turn(async_store_t *store, void *data);
static async_rc_t async_batches_run(async_store_t *store,
    async_batch_t *batch, async_error_t *err);


/* an event's rc before it was tried */
#define ASYNC_PENDING  ((async_rc_t) -1)


async_rc_t
async_store_apply(async_store_t *store, async_batch_t *batch,
    async_error_t *err)
{
    async_rc_t         rc;
    async_batch_run_t  run;

    rc = async_batch_begin(&run, store, batch, err);

    if (rc != ASYNC_OK) {
        return rc;
    }

    rc = async_scribe_run(store, async_batch_run, &run, err);

    /* it may not have come to that */

    if (rc != ASYNC_OK) {
        async_batch_result(&run.sealed.batch, rc);
    }

    async_batch_end(&run);

    return rc;
}


/* what needs no transaction */

static async_rc_t
async_batch_begin(async_batch_run_t *run, async_store_t *store,
    async_batch_t *batch, async_error_t *err)
{
    async_rc_t  rc;

    run->inside = false;
    run->submits = NULL;

    rc = async_seal_begin(&run->sealed, store, batch, err);

    if (rc != ASYNC_OK) {
        async_batch_result(batch, rc);
        return rc;
    }

    run->submits = async_batch_prepare(&run->sealed.batch);

    if (run->submits == NULL) {
        async_error_set(err, "no memory for a batch");
        async_batch_result(&run->sealed.batch, ASYNC_UNAVAILABLE);
        async_batch_end(run);
        return ASYNC_UNAVAILABLE;
    }

    return ASYNC_OK;
}


static void
async_batch_end(async_batch_run_t *run)
{
    free(run->submits);
    async_seal_end(&run->sealed);
}


/* scribe */

static async_rc_t
async_batch_run(async_store_t *store, void *data, async_error_t *err)
{
    async_rc_t          rc;
    async_batch_t      *batch;
    async_batch_run_t  *run = data;

    batch = &run->sealed.batch;

    rc = async_batch_write(store, batch, run->submits, run->inside, err);

    /* the map is full: let those land that fit */

    if (rc == ASYNC_STORE_FULL
        && batch->n + (batch->claim != NULL) + (batch->sweep != NULL) > 1)
    {
        rc = async_batch_singly(store, batch, run->submits, err);
    }

    return rc;
}


/*
 * One allocation: a row for each event, then room for the records of the
 * new jobs.  The room is for the worst case, its pages are touched as far as
 * they are used.
 */

static async_submit_t *
async_batch_prepare(async_batch_t *batch)
{
    uint8_t         *buf;
    unsigned         i, n;
    async_submit_t  *submits;

    for (i = 0, n = 0; i < batch->n; i++) {
        batch->events[i].rc = ASYNC_PENDING;
        n += batch->events[i].type == ASYNC_EVENT_SUBMITTED ? 1 : 0;
    }

    submits = malloc((batch->n + 1) * sizeof(async_submit_t)
                     + n * (size_t) (ASYNC_JOB_MAX + ASYNC_TRAIL_MAX));

    if (submits == NULL) {
        return NULL;
    }

    buf = (uint8_t *) (submits + batch->n + 1);

    for (i = 0; i < batch->n; i++) {
        if (batch->events[i].type == ASYNC_EVENT_SUBMITTED) {
            buf = async_event_prepare(&batch->events[i], batch->now,
                                      &submits[i], buf);
        }
    }

    return submits;
}


static async_rc_t
async_batch_write(async_store_t *store, async_batch_t *batch,
    async_submit_t *submits, bool inside, async_error_t *err)
{
    async_rc_t    rc;
    async_work_t  work;

    rc = async_work_begin(&work, store, batch->now,
                          inside ? ASYNC_WORK_INSIDE : batch->wait_ms, err);

    if (rc == ASYNC_OK) {
        rc = async_batch_apply(&work, batch, submits, async_monotonic());

        if (rc == ASYNC_STALE) {
            async_work_abort(&work);
            async_error_set(err, "another worker took over");

        } else {
            rc = async_work_commit(&work, err);
        }
    }

    if (rc != ASYNC_OK) {
        async_batch_result(batch, rc);
    }

    return rc;
}


static async_rc_t
async_batch_apply(async_work_t *work, async_batch_t *batch,
    async_submit_t *submits, int64_t clock)
{
    unsigned        i;
    async_rc_t      rc;
    async_event_t  *event;

    if ((batch->claim != NULL && batch->claim->epoch != work->epoch)
        || (batch->sweep != NULL && batch->sweep->epoch != work->epoch))
    {
        return ASYNC_STALE;
    }

    async_sieve_read(work);

    for (i = 0; i < batch->n && work->fault == ASYNC_OK; i++) {
        event = &batch->events[i];

        if (event->rc != ASYNC_PENDING) {
            continue;
        }

        if (event->type != ASYNC_EVENT_SUBMITTED) {
            async_submit_rows(work);
        }

        if (event->deadline != 0 && clock > event->deadline) {
            event->rc = ASYNC_LATE;

        } else if (event->type == ASYNC_EVENT_SUBMITTED) {
            event->rc = async_event_submit(work, event, &submits[i]);

        } else if (event->type == ASYNC_EVENT_RETRIED) {
            event->rc = async_event_retry(work, event);

        } else {
            event->rc = async_event_apply(work, event);
        }

        work->events += event->rc == ASYNC_OK ? 1 : 0;
    }

    async_submit_rows(work);

    rc = batch->claim != NULL && work->fault == ASYNC_OK
         ? async_claim_run(work, batch->claim) : ASYNC_OK;

    if (batch->claim != NULL) {
        work->events += batch->claim->n;
    }

    if (batch->sweep != NULL && work->fault == ASYNC_OK) {
        async_sweep_run(work, batch->sweep);
    }

    return rc;
}


/*
 * Each event in a transaction of its own.  This is rare and slow, and better
 * than losing all because of one.
 */

static async_rc_t
async_batch_singly(async_store_t *store, async_batch_t *batch,
    async_submit_t *submits, async_error_t *err)
{
    unsigned       i;
    async_rc_t     rc;
    async_batch_t  one;

    rc = ASYNC_OK;

    /* what makes room goes first */

    if (batch->sweep != NULL) {
        one = *batch;
        one.n = 0;
        one.claim = NULL;

        one.sweep->tight = true;
        rc = async_batch_write(store, &one, submits, false, err);
        one.sweep->tight = false;
    }

    /* of a store that was lost in between, or is held by another, nothing
       more is wanted */

    for (i = 0;
         i < batch->n && rc != ASYNC_UNAVAILABLE && rc != ASYNC_BUSY;
         i++)
    {

        if (batch->events[i].rc != ASYNC_STORE_FULL) {
            continue;
        }

        one = *batch;
        one.events = &batch->events[i];
        one.n = 1;
        one.claim = NULL;
        one.sweep = NULL;

        one.events->rc = ASYNC_PENDING;
        rc = async_batch_write(store, &one, &submits[i], false, err);
    }

    if (batch->claim != NULL && rc != ASYNC_UNAVAILABLE
        && rc != ASYNC_BUSY)
    {
        one = *batch;
        one.n = 0;
        one.sweep = NULL;

        (void) async_batch_write(store, &one, submits, false, err);
    }

    return ASYNC_OK;
}


/* the batch came to nothing; what was late was withdrawn all the same */

static void
async_batch_result(async_batch_t *batch, async_rc_t rc)
{
    unsigned  i;

    for (i = 0; i < batch->n; i++) {
        if (batch->events[i].rc != ASYNC_LATE) {
            batch->events[i].rc = rc;
        }
    }

    if (batch->claim != NULL) {
        batch->claim->n = 0;
        batch->claim->nlate = 0;
    }

    if (batch->sweep != NULL) {
        batch->sweep->more = false;
    }
}


/* --- batches without end --- */

async_rc_t
async_store_post(async_store_t *store, async_batches_t *batches,
    async_error_t *err)
{
    return async_scribe_post(store, async_batches_turn, batches, err);
}


/* scribe */

static bool
async_batches_turn(async_store_t *store, void *data)
{
    async_rc_t       rc;
    async_batch_t   *batch;
    async_error_t    err;
    async_batches_t  *batches = data;

    err.text[0] = '\0';

    if (store == NULL) {
        return batches->done(batches, NULL, ASYNC_UNAVAILABLE, &err);
    }

    rc = async_door_lock(&store->door, batches->wait(batches), &err);

    if (rc == ASYNC_BUSY) {
        return batches->done(batches, NULL, rc, &err);
    }

    batch = batches->take(batches);

    if (batch == NULL) {
        if (rc == ASYNC_OK) {
            async_door_unlock(&store->door);
        }

        return false;
    }

    if (rc == ASYNC_OK) {
        rc = async_batches_run(store, batch, &err);

    } else {
        async_batch_result(batch, rc);
    }

    return batches->done(batches, batch, rc, &err);
}


static async_rc_t
async_batches_run(async_store_t *store, async_batch_t *batch,
    async_error_t *err)
{
    async_rc_t         rc;
    async_batch_run_t  run;

    rc = async_batch_begin(&run, store, batch, err);

    if (rc != ASYNC_OK) {
        async_door_unlock(&store->door);
        return rc;
    }

    run.inside = true;
    rc = async_batch_run(store, &run, err);

    /* lost, it frees nothing: its heap may be what broke */

    if (async_scribe_gave_up(store)) {
        async_seal_results(&run.sealed);

    } else {
        async_batch_end(&run);
    }

    return rc;
}
