/*
 * Ends that wait.  A backend that reports often may have had its last report
 * taken by nginx, which writes it as soon as the store's pace allows; if the
 * job ended before, that would be too late.  So the end of such a job follows
 * a moment later.
 */

#include "async_loop.h"
#include "async_pace.h"


#define ASYNC_HOLD_SLACK  250       /* ms that nginx may take to write it */
#define ASYNC_HOLD_MOST   500       /* ms, of a backend that does not stop */


static int64_t async_hold_until(async_loop_t *w, async_replay_t *r,
    int64_t now);


bool
async_hold_add(async_loop_t *w, async_replay_t *r, int64_t now)
{
    r->held_row = 0;
    r->held_most = now + ASYNC_HOLD_MOST;

    if (w->phase == ASYNC_LOOP_STOPS
        || (r->event.type != ASYNC_EVENT_COMPLETED
            && r->event.type != ASYNC_EVENT_FAILED))
    {
        return false;
    }

    r->held = async_hold_until(w, r, now);

    if (r->held <= now) {
        return false;
    }

    w->held[w->nheld++] = r;

    return true;
}


/* now, if there is nothing to wait for: no report since we last looked, or
   one after which the next would not have waited itself */

static int64_t
async_hold_until(async_loop_t *w, async_replay_t *r, int64_t now)
{
    int64_t      wall, next, last, until;
    uint8_t      buf[ASYNC_JOB_MAX];
    async_job_t  job;

    if (async_view_job(w->env.view, &r->id, &job, buf) != ASYNC_OK
        || job.reports.row == r->held_row)
    {
        return now;
    }

    r->held_row = job.reports.row;

    wall = async_chores_wall(&w->chores, now);
    next = async_pace_next(job.reports.pace, wall);
    last = job.reports.received / 1000;

    /* what was due a moment ago may be on its way */

    if (next <= last || next + ASYNC_HOLD_SLACK <= wall) {
        return now;
    }

    until = now + next - wall + ASYNC_HOLD_SLACK;

    return until < r->held_most ? until : r->held_most;
}


/* one look more: several nginx workers may each have had a last one */

void
async_hold_release(async_loop_t *w, int64_t now, bool all)
{
    unsigned         i, n;
    async_replay_t  *r;

    for (i = 0, n = 0; i < w->nheld; i++) {
        r = w->held[i];

        if (!all && r->held <= now) {
            r->held = async_hold_until(w, r, now);
        }

        if (!all && r->held > now) {
            w->held[n++] = r;

        } else {
            w->ended[w->nended++] = r;
        }
    }

    w->nheld = n;
}


int64_t
async_hold_next(const async_loop_t *w)
{
    int64_t   next;
    unsigned  i;

    for (i = 0, next = 0; i < w->nheld; i++) {
        if (next == 0 || w->held[i]->held < next) {
            next = w->held[i]->held;
        }
    }

    return next;
}
