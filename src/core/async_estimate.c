/*
 * An attempt that goes on is believed to end at the median, until nine tenths
 * of that are over; from there on to need a ninth of what it took so far, be
 * it ever so long.  The two meet in that point, and so do the two halves of
 * the percentage, which comes near 100 and does not get there.
 *
 * What is shown stands still as long as it can, since the ETag covers it, and
 * who waits for a change is answered at each: a completion that depends on the
 * present is rounded to a step that grows with the time that is left, and one
 * that depends on the median alone does not move with its milliseconds, which
 * are others whenever a job of the location ends.
 */

#include "async_estimate.h"


#define ASYNC_ESTIMATE_LONGEST  ((int64_t) 1 << 43)         /* ms */
#define ASYNC_ESTIMATE_STEP     1000                        /* ms */
#define ASYNC_ESTIMATE_STEPS    8
#define ASYNC_ESTIMATE_SHARES   20                          /* of a median */


static uint64_t async_estimate_unfinished(async_estimate_t *estimate,
    const async_job_t *job, const async_known_t *known, int64_t now);
static uint64_t async_estimate_running(async_estimate_t *estimate,
    const async_job_t *job, uint32_t run, int64_t now);
static int64_t async_estimate_end(int64_t elapsed, uint32_t run);
static int64_t async_estimate_rough(uint32_t run);
static int64_t async_estimate_round(int64_t now, uint64_t left);
static int64_t async_estimate_clamp(int64_t ms);


void
async_estimate_job(async_estimate_t *estimate, const async_job_t *job,
    const async_known_t *known, int64_t now)
{
    uint64_t  left;

    estimate->percent = ASYNC_NO_PERCENT;
    estimate->completion = 0;
    estimate->retry_after = 0;

    if (async_state_final((async_state_t) job->state)) {
        return;
    }

    left = 0;

    if (known->run != 0) {
        left = async_estimate_unfinished(estimate, job, known, now);
    }

    if (!known->shown) {
        estimate->percent = ASYNC_NO_PERCENT;
        estimate->completion = 0;
    }

    if (known->retry_after != 0) {
        estimate->retry_after = known->retry_after;

    } else if (left == 0) {
        estimate->retry_after = ASYNC_ESTIMATE_UNKNOWN;

    } else if (left >= ASYNC_ESTIMATE_MOST * 1000) {
        estimate->retry_after = ASYNC_ESTIMATE_MOST;

    } else {
        estimate->retry_after = (uint32_t) ((left + 999) / 1000);
    }
}


/* ms that are left, 0 = nobody knows */

static uint64_t
async_estimate_unfinished(async_estimate_t *estimate, const async_job_t *job,
    const async_known_t *known, int64_t now)
{
    uint64_t  left;

    if (job->flags & ASYNC_JOB_CANCEL_WANTED) {
        return 1;
    }

    if (job->state == ASYNC_STATE_PROCESSING) {
        return async_estimate_running(estimate, job, known->run, now);
    }

    if (known->stands) {
        return 0;
    }

    if (job->due > now) {
        left = (uint64_t) async_estimate_clamp(job->due - now) + known->run;
        estimate->completion = now + (int64_t) left;
        return left;
    }

    left = known->run;

    if (job->state == ASYNC_STATE_QUEUED) {

        if (job->flags & ASYNC_JOB_PARKED) {        /* its nginx is away */
            return 0;
        }

        left += known->wait;
    }

    estimate->completion = async_estimate_round(now, left);

    return left;
}


static uint64_t
async_estimate_running(async_estimate_t *estimate, const async_job_t *job,
    uint32_t run, int64_t now)
{
    int64_t  elapsed;

    if (job->started <= 0 || job->started > now) {
        elapsed = 0;                    /* the clock was set back */
        estimate->completion = async_estimate_round(now, run);

    } else {
        elapsed = now - job->started;
        estimate->completion = job->started
                               + async_estimate_end(elapsed, run);
    }

    if (job->percent == ASYNC_NO_PERCENT) {
        estimate->percent = async_estimate_percent(elapsed, run);
    }

    return async_estimate_left(elapsed, run);
}


uint64_t
async_estimate_wait(uint64_t ahead, uint64_t running, uint32_t concurrency,
    uint32_t each, uint64_t interval)
{
    uint64_t        before, pace, wait;
    const uint64_t  most = ASYNC_ESTIMATE_LONGEST;

    concurrency = concurrency > 0 ? concurrency : 1;

    if (ahead > UINT32_MAX || running > UINT32_MAX) {
        return most;
    }

    pace = ahead > 0 && interval > most / ahead ? most
                                                : ahead * interval / 1000;
    before = ahead + running;

    if (before < concurrency) {
        return pace;
    }

    before -= concurrency - 1;
    wait = each > most / before ? most : before * each / concurrency;
    wait = wait < most ? wait : most;

    return wait > pace ? wait : pace;
}


uint8_t
async_estimate_percent(int64_t elapsed, uint32_t run)
{
    int64_t  rest;

    elapsed = async_estimate_clamp(elapsed);

    if (elapsed * 10 <= (int64_t) run * 9) {
        return (uint8_t) (elapsed * 100 / run);
    }

    rest = ((int64_t) run * 9 + elapsed - 1) / elapsed;

    return (uint8_t) (100 - (rest > 1 ? rest : 1));
}


uint64_t
async_estimate_left(int64_t elapsed, uint32_t run)
{
    int64_t  left, more;

    elapsed = async_estimate_clamp(elapsed);

    left = run - elapsed;
    more = elapsed / 9;

    left = left > more ? left : more;

    return left > 0 ? (uint64_t) left : 1;
}


/* from its start; when that is over, a quarter more, and again */

static int64_t
async_estimate_end(int64_t elapsed, uint32_t run)
{
    int64_t  end;

    elapsed = async_estimate_clamp(elapsed);

    for (end = async_estimate_rough(run); end <= elapsed; end += end / 4 + 1) {
        /* void */
    }

    return end;
}


/* up to the next 1, 2 or 5 of some power of ten: at most a twentieth more */

static int64_t
async_estimate_rough(uint32_t run)
{
    int64_t   step, next;
    unsigned  i;

    step = 1;

    for (i = 0; /* void */; i++) {
        next = i % 3 == 1 ? step / 2 * 5 : step * 2;

        if (run / next < ASYNC_ESTIMATE_SHARES) {
            return (run + step - 1) / step * step;
        }

        step = next;
    }
}


static int64_t
async_estimate_round(int64_t now, uint64_t left)
{
    int64_t  step;

    for (step = ASYNC_ESTIMATE_STEP;
         left / (uint64_t) step >= ASYNC_ESTIMATE_STEPS;
         step *= 2)
    {
        /* void */
    }

    return (now + (int64_t) left + step - 1) / step * step;
}


/* clocks jump, and records may hold anything */

static int64_t
async_estimate_clamp(int64_t ms)
{
    if (ms < 0) {
        return 0;
    }

    return ms < ASYNC_ESTIMATE_LONGEST ? ms : ASYNC_ESTIMATE_LONGEST;
}
