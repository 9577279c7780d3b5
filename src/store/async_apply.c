#include <stdlib.h>

#include "async_sieve.h"


typedef struct {
    async_batch_t   *batch;
    async_submit_t  *submits;
} async_batch_run_t;


static async_rc_t async_batch_sealed(async_store_t *store,
    async_batch_t *batch, async_error_t *err);
static async_rc_t async_batch_write(async_store_t *store, void *data,
    async_error_t *err);
static async_rc_t async_batch_run(async_store_t *store, async_batch_t *batch,
    async_submit_t *submits, async_error_t *err);
static async_rc_t async_batch_apply(async_work_t *work, async_batch_t *batch,
    async_submit_t *submits, int64_t clock);
static async_rc_t async_batch_singly(async_store_t *store,
    async_batch_t *batch, async_submit_t *submits, async_error_t *err);
static async_submit_t *async_batch_prepare(async_batch_t *batch);
static void async_batch_result(async_batch_t *batch, async_rc_t rc);


/* an event's rc before it was tried */
#define ASYNC_PENDING  ((async_rc_t) -1)


async_rc_t
async_store_apply(async_store_t *store, async_batch_t *batch,
    async_error_t *err)
{
    async_rc_t      rc;
    async_sealed_t  sealed;

    rc = async_seal_begin(&sealed, store, batch, err);

    if (rc != ASYNC_OK) {
        async_batch_result(batch, rc);
        return rc;
    }

    rc = async_batch_sealed(store, &sealed.batch, err);

    async_seal_end(&sealed);

    return rc;
}


static async_rc_t
async_batch_sealed(async_store_t *store, async_batch_t *batch,
    async_error_t *err)
{
    async_rc_t       rc;
    async_submit_t  *submits;

    submits = async_batch_prepare(batch);

    if (submits == NULL) {
        async_error_set(err, "no memory for a batch");
        async_batch_result(batch, ASYNC_UNAVAILABLE);
        return ASYNC_UNAVAILABLE;
    }

    rc = async_batch_run(store, batch, submits, err);

    /* the map is full: let those land that fit */

    if (rc == ASYNC_STORE_FULL
        && batch->n + (batch->claim != NULL) + (batch->sweep != NULL) > 1)
    {
        rc = async_batch_singly(store, batch, submits, err);
    }

    free(submits);

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
async_batch_run(async_store_t *store, async_batch_t *batch,
    async_submit_t *submits, async_error_t *err)
{
    async_rc_t         rc;
    async_batch_run_t  run;

    run.batch = batch;
    run.submits = submits;

    rc = async_scribe_run(store, async_batch_write, &run, err);

    if (rc != ASYNC_OK) {
        async_batch_result(batch, rc);
    }

    return rc;
}


/* scribe */

static async_rc_t
async_batch_write(async_store_t *store, void *data, async_error_t *err)
{
    async_rc_t          rc;
    async_work_t        work;
    async_batch_t      *batch;
    async_batch_run_t  *run = data;

    batch = run->batch;

    rc = async_work_begin(&work, store, batch->now, batch->wait_ms, err);

    batch->waited = store->door.waited;

    if (rc == ASYNC_OK) {
        rc = async_batch_apply(&work, batch, run->submits,
                               async_monotonic());

        if (rc == ASYNC_STALE) {
            async_work_abort(&work);
            async_error_set(err, "another worker took over");

        } else {
            rc = async_work_commit(&work, err);
        }
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
    async_batch_t  one;

    /* what makes room goes first */

    if (batch->sweep != NULL) {
        one = *batch;
        one.n = 0;
        one.claim = NULL;

        one.sweep->tight = true;
        (void) async_batch_run(store, &one, submits, err);
        one.sweep->tight = false;
    }

    for (i = 0; i < batch->n; i++) {

        if (batch->events[i].rc != ASYNC_STORE_FULL) {
            continue;
        }

        one = *batch;
        one.events = &batch->events[i];
        one.n = 1;
        one.claim = NULL;
        one.sweep = NULL;

        one.events->rc = ASYNC_PENDING;
        (void) async_batch_run(store, &one, &submits[i], err);
    }

    if (batch->claim != NULL) {
        one = *batch;
        one.n = 0;
        one.sweep = NULL;

        (void) async_batch_run(store, &one, submits, err);
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
