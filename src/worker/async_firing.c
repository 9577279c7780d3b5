#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "async_cron.h"
#include "async_firing.h"
#include "async_log.h"


#define ASYNC_FIRING_LOOK    1000       /* ms between looks for changes */
#define ASYNC_FIRING_AGAIN   1000       /* ms before what was refused */
#define ASYNC_FIRING_TELL    60000      /* ms between words on one trouble */

/*
 * A clock that was set back by less has fired its times: they do not come
 * again, as in cron.  One that goes by the hour is not kept waiting.
 */
#define ASYNC_FIRING_BACK    (3 * 3600 * (int64_t) 1000)


typedef struct {
    char     name[ASYNC_SCHEDULE_NAME];
    size_t   len;
    int64_t  next;
    int64_t  last;
} async_firing_due_t;

/* of one look at all of them */
typedef struct {
    async_firings_t        *f;
    async_view_t           *view;
    int64_t                 wall;
    int64_t                 boot;
    bool                    all;        /* not only what is due */
    bool                    failed;     /* no memory */

    async_firing_due_t     *due;
    unsigned                ndue;
    async_schedule_move_t  *moves;
    unsigned                nmoves;
} async_firing_pass_t;


static void async_firing_changes(async_firings_t *f, async_view_t *view,
    int64_t boot);
static void async_firing_by_hand(async_firing_pass_t *pass);
static void async_firing_pass(async_firing_pass_t *pass,
    async_store_t *store);
static bool async_firing_state(void *data,
    const async_schedule_state_t *state);
static void async_firing_one(async_firing_pass_t *pass,
    const async_firing_due_t *due);
static void async_firing_judge(async_firing_pass_t *pass,
    const async_firing_due_t *due, async_schedule_ticket_t *ticket,
    const async_cron_t *cron, const async_zone_t *zone);
static int64_t async_firing_rewound(const async_firing_pass_t *pass,
    const async_firing_due_t *due, const async_cron_t *cron,
    const async_zone_t *zone);
static bool async_firing_job(async_firings_t *f,
    async_schedule_ticket_t *ticket, const async_id_t *id, int64_t wall);
static void async_firing_move(async_firing_pass_t *pass,
    const async_firing_due_t *due, int64_t next, bool skipped);
static void async_firing_moved(async_firing_pass_t *pass,
    async_store_t *store);
static void async_firing_next(async_firings_t *f, int64_t next);
static int64_t async_firing_after(const async_cron_t *cron,
    const async_zone_t *zone, int64_t after);
static void async_firing_told(async_firings_t *f, async_str_t name,
    const char *why, int64_t boot);


void
async_firing_init(async_firings_t *f, uint64_t epoch)
{
    memset(f, 0, sizeof(async_firings_t));

    f->epoch = epoch;
    f->rewind = true;
    f->runs = true;
}


void
async_firing_clean(async_firings_t *f)
{
    unsigned  i;

    for (i = 0; i < f->n; i++) {
        async_schedule_free(&f->jobs[i].ticket);
    }

    f->n = 0;
    async_firing_zones_clean(f);
}


void
async_firing_rung(async_firings_t *f)
{
    f->look = 0;
}


void
async_firing_collect(async_firings_t *f, async_store_t *store,
    async_view_t *view, const async_clock_t *clock, int64_t wall,
    int64_t boot)
{
    async_firing_pass_t  pass;

    if (boot >= f->look) {
        async_firing_changes(f, view, boot);
    }

    if (clock->sure != f->sure) {
        f->sure = clock->sure;
        f->rewind = true;
    }

    if (!async_clock_sure(clock, boot) || boot < f->again) {
        return;
    }

    memset(&pass, 0, sizeof(async_firing_pass_t));

    pass.f = f;
    pass.view = view;
    pass.wall = wall;
    pass.boot = boot;
    pass.all = f->rewind;

    if (f->runs) {
        async_firing_by_hand(&pass);
    }

    if (wall >= f->next || f->rewind) {
        async_firing_pass(&pass, store);
    }

    free(pass.due);
    free(pass.moves);
}


static void
async_firing_changes(async_firings_t *f, async_view_t *view, int64_t boot)
{
    uint64_t  changes;

    f->look = boot + ASYNC_FIRING_LOOK;

    if (async_view_schedule_changes(view, &changes) != ASYNC_OK
        || (f->known && changes == f->changes))
    {
        return;
    }

    f->known = true;
    f->changes = changes;
    f->next = 0;
    f->runs = true;
}


/* --- what is to be run now --- */

static void
async_firing_by_hand(async_firing_pass_t *pass)
{
    unsigned                 i, n;
    async_rc_t               rc;
    async_str_t              name;
    async_firings_t         *f;
    async_schedule_run_t    *run, runs[ASYNC_FIRING_MAX];
    async_schedule_ticket_t  ticket;

    f = pass->f;

    if (async_view_schedule_runs(pass->view, runs, ASYNC_FIRING_MAX, &n)
        != ASYNC_OK)
    {
        return;
    }

    f->runs = n == ASYNC_FIRING_MAX;

    for (i = 0; i < n; i++) {
        run = &runs[i];
        name.data = run->name;
        name.len = run->len;

        rc = async_view_schedule(pass->view, name, &ticket);

        if (rc != ASYNC_OK) {
            async_firing_told(f, name, async_rc_name(rc), pass->boot);
            continue;
        }

        if (!async_firing_job(f, &ticket, &run->id, pass->wall)) {
            async_schedule_free(&ticket);
            return;
        }

        f->jobs[f->n - 1].firing.by_hand = true;
    }
}


/* --- what is due --- */

static void
async_firing_pass(async_firing_pass_t *pass, async_store_t *store)
{
    unsigned          i;
    async_rc_t        rc;
    async_firings_t  *f;

    f = pass->f;
    f->next = ASYNC_SCHEDULE_NEVER;

    rc = async_view_schedule_states(pass->view, async_firing_state, pass);

    if (rc != ASYNC_OK || pass->failed) {
        f->next = 0;
        f->again = pass->boot + ASYNC_FIRING_AGAIN;
        return;
    }

    for (i = 0; i < pass->ndue; i++) {

        if (f->n == ASYNC_FIRING_MAX) {
            f->next = 0;
            break;
        }

        async_firing_one(pass, &pass->due[i]);
    }

    if (i == pass->ndue) {
        f->rewind = false;
    }

    async_firing_moved(pass, store);
}


static bool
async_firing_state(void *data, const async_schedule_state_t *state)
{
    size_t                room;
    async_firing_due_t   *due;
    async_firing_pass_t  *pass = data;

    if (state->next > pass->wall
        && (!pass->all || state->next == ASYNC_SCHEDULE_NEVER))
    {
        async_firing_next(pass->f, state->next);
        return true;
    }

    if ((pass->ndue & (pass->ndue - 1)) == 0) {
        room = pass->ndue == 0 ? 1 : 2 * (size_t) pass->ndue;
        due = realloc(pass->due, room * sizeof(async_firing_due_t));

        if (due == NULL) {
            pass->failed = true;
            return false;
        }

        pass->due = due;
    }

    due = &pass->due[pass->ndue++];

    memcpy(due->name, state->name.data, state->name.len);
    due->len = state->name.len;
    due->next = state->next;
    due->last = state->last;

    return true;
}


static void
async_firing_one(async_firing_pass_t *pass, const async_firing_due_t *due)
{
    async_rc_t                rc;
    async_str_t               name;
    async_cron_t              cron;
    async_error_t             err;
    const async_zone_t       *zone;
    async_schedule_ticket_t   ticket;

    name.data = due->name;
    name.len = due->len;

    rc = async_view_schedule(pass->view, name, &ticket);

    /* what nginx.conf said is gone, as after a salvage: it will say it anew */

    if (rc == ASYNC_NOT_FOUND) {
        async_firing_move(pass, due, ASYNC_SCHEDULE_NEVER, false);
        return;
    }

    zone = NULL;
    async_error_set(&err, "%s", rc == ASYNC_NO_KEY
                    ? "it is encrypted with a key that async_store does not "
                      "name" : async_rc_name(rc));

    if (rc == ASYNC_OK
        && async_cron_parse(&cron, ticket.said.cron, &err) == ASYNC_OK)
    {
        zone = async_firing_zone(pass->f, ticket.said.zone, pass->boot, &err);
    }

    if (zone == NULL) {
        async_firing_told(pass->f, name, err.text, pass->boot);
        pass->f->again = pass->boot + ASYNC_FIRING_AGAIN;
        pass->f->next = 0;

    } else if (ticket.state.next == due->next) {
        async_firing_judge(pass, due, &ticket, &cron, zone);
    }

    async_schedule_free(&ticket);
}


/* takes the ticket's memory, if a job is made of it */

static void
async_firing_judge(async_firing_pass_t *pass, const async_firing_due_t *due,
    async_schedule_ticket_t *ticket, const async_cron_t *cron,
    const async_zone_t *zone)
{
    bool                 late;
    int64_t              next, at;
    async_firing_job_t  *job;

    if (due->next == 0 || due->next > pass->wall) {
        next = due->next == 0 ? async_firing_after(cron, zone, pass->wall)
                              : async_firing_rewound(pass, due, cron, zone);
        async_firing_move(pass, due, next, false);
        return;
    }

    at = due->next;
    late = pass->wall - at > ASYNC_SCHEDULE_LATE;

    if (late && ticket->said.misfire == ASYNC_MISFIRE_SKIP) {
        at = async_firing_after(cron, zone,
                                pass->wall - ASYNC_SCHEDULE_LATE - 1);

        if (at > pass->wall) {
            async_firing_move(pass, due, at, true);
            return;
        }
    }

    next = late && ticket->said.misfire == ASYNC_MISFIRE_ONCE
           ? async_firing_after(cron, zone, pass->wall)
           : async_firing_after(cron, zone, at);

    /* each one that was missed is wanted, whatever runs */

    if (ticket->unfinished && !ticket->said.overlap
        && !(late && ticket->said.misfire == ASYNC_MISFIRE_ALL))
    {
        async_log(ASYNC_LOG_NOTICE, "msg=\"a schedule is skipped: its last "
                  "job is unfinished\" schedule=%.*s", (int) due->len,
                  due->name);
        async_firing_move(pass, due, next, true);
        return;
    }

    if (!async_firing_job(pass->f, ticket, NULL, pass->wall)) {
        pass->f->next = 0;
        pass->f->again = pass->boot + ASYNC_FIRING_AGAIN;
        return;
    }

    memset(ticket, 0, sizeof(async_schedule_ticket_t));

    job = &pass->f->jobs[pass->f->n - 1];
    job->firing.due = due->next;
    job->firing.next = next;
    job->late = pass->wall - at;

    /* one run for all of them: up to now there is none left */

    job->firing.last = late && job->ticket.said.misfire == ASYNC_MISFIRE_ONCE
                       ? pass->wall : at;

    async_firing_next(pass->f, next);
}


/* a time that is too far ahead: the clock was set back since it was found */

static int64_t
async_firing_rewound(const async_firing_pass_t *pass,
    const async_firing_due_t *due, const async_cron_t *cron,
    const async_zone_t *zone)
{
    int64_t  next, behind;

    next = async_firing_after(cron, zone, pass->wall);
    behind = due->last - pass->wall;

    if (next >= due->next
        || (behind > 0
            && behind < (cron->elapsed ? ASYNC_CLOCK_JUMP
                                       : ASYNC_FIRING_BACK)))
    {
        return due->next;
    }

    return next;
}


static bool
async_firing_job(async_firings_t *f, async_schedule_ticket_t *ticket,
    const async_id_t *id, int64_t wall)
{
    uint8_t              random[ASYNC_ID_RANDOM];
    async_firing_job_t  *job;

    if (f->n == ASYNC_FIRING_MAX
        || (id == NULL
            && getrandom(random, sizeof(random), 0)
               != (ssize_t) sizeof(random)))
    {
        return false;
    }

    job = &f->jobs[f->n++];

    memset(job, 0, sizeof(async_firing_job_t));

    job->ticket = *ticket;

    if (id != NULL) {
        job->ticket.job.id = *id;

    } else {
        async_id_make(&job->ticket.job.id, wall, random);
    }

    job->ticket.job.created = wall;
    job->firing.name = ticket->said.name;

    memcpy(job->by, "schedule:", sizeof("schedule:") - 1);
    memcpy(job->by + sizeof("schedule:") - 1, ticket->said.name.data,
           ticket->said.name.len);

    return true;
}


/* --- times without a job --- */

static void
async_firing_move(async_firing_pass_t *pass, const async_firing_due_t *due,
    int64_t next, bool skipped)
{
    async_schedule_move_t  *move;

    async_firing_next(pass->f, next);

    if (next == due->next) {
        return;
    }

    if (pass->moves == NULL) {
        pass->moves = calloc(pass->ndue, sizeof(async_schedule_move_t));
    }

    if (pass->moves == NULL) {
        pass->f->next = 0;
        pass->f->again = pass->boot + ASYNC_FIRING_AGAIN;
        return;
    }

    move = &pass->moves[pass->nmoves++];

    memcpy(move->name, due->name, due->len);
    move->len = due->len;
    move->due = due->next;
    move->next = next;
    move->skipped = skipped;
}


static void
async_firing_moved(async_firing_pass_t *pass, async_store_t *store)
{
    async_rc_t     rc;
    async_error_t  err;

    if (pass->nmoves == 0) {
        return;
    }

    rc = async_store_move_schedules(store, pass->f->epoch, pass->moves,
                                    pass->nmoves, &err);

    if (rc != ASYNC_OK) {
        pass->f->next = 0;
        pass->f->again = pass->boot + ASYNC_FIRING_AGAIN;
    }
}


static void
async_firing_next(async_firings_t *f, int64_t next)
{
    if (next < f->next) {
        f->next = next;
    }
}


static int64_t
async_firing_after(const async_cron_t *cron, const async_zone_t *zone,
    int64_t after)
{
    int64_t  next;

    next = async_cron_next(cron, zone, after);

    return next != 0 ? next : ASYNC_SCHEDULE_NEVER;
}


/* --- the commit --- */

void
async_firing_events(async_firings_t *f, async_event_t *events)
{
    unsigned             i;
    async_event_t       *event;
    async_firing_job_t  *job;

    for (i = 0; i < f->n; i++) {
        job = &f->jobs[i];
        event = &events[i];

        memset(event, 0, sizeof(async_event_t));

        event->type = ASYNC_EVENT_SUBMITTED;
        event->id = job->ticket.job.id;
        event->job = &job->ticket.job;
        event->firing = &job->firing;
        event->hook = job->ticket.said.hook.len != 0 ? &job->ticket.hook
                                                     : NULL;
        event->payload.head = job->ticket.said.head;
        event->payload.capture = job->ticket.said.capture;
        event->payload.body = job->ticket.said.body;
        event->by.data = job->by;
        event->by.len = strlen(job->by);
    }
}


void
async_firing_done(async_firings_t *f, async_rc_t rc,
    const async_event_t *events, int64_t boot)
{
    char                 id[ASYNC_ID_TEXT];
    unsigned             i;
    async_rc_t           one;
    async_firing_job_t  *job;

    for (i = 0; i < f->n; i++) {
        job = &f->jobs[i];
        one = rc == ASYNC_OK ? events[i].rc : rc;

        if (one == ASYNC_OK) {
            async_id_format(id, &job->ticket.job.id);
            async_log(ASYNC_LOG_INFO, "msg=\"schedule fired\" schedule=%.*s "
                      "id=%.*s late_ms=%lld%s", (int) job->firing.name.len,
                      job->firing.name.data, ASYNC_ID_TEXT, id,
                      (long long) job->late,
                      job->firing.by_hand ? " by_hand=1" : "");

        } else if (one == ASYNC_STALE) {
            f->next = 0;

        } else {

            /* once more, until it counts as missed */

            async_firing_told(f, job->firing.name, async_rc_name(one), boot);
            f->next = 0;
            f->runs = f->runs || job->firing.by_hand;
            f->again = boot + ASYNC_FIRING_AGAIN;
        }

        async_schedule_free(&job->ticket);
    }

    f->n = 0;
}


int64_t
async_firing_wake(const async_firings_t *f, const async_clock_t *clock,
    int64_t wall, int64_t boot)
{
    int64_t  at;

    at = f->runs || f->rewind || f->next <= wall ? boot
         : f->next - wall < 24 * 3600 * (int64_t) 1000
         ? boot + (f->next - wall) : 0;

    if (at != 0 && at < clock->sure) {
        at = clock->sure;
    }

    return at != 0 && at < f->again ? f->again : at;
}


/* --- what is wrong --- */

static void
async_firing_told(async_firings_t *f, async_str_t name, const char *why,
    int64_t boot)
{
    async_log_quote_t  quote;

    if (f->stuck && boot - f->told < ASYNC_FIRING_TELL) {
        return;
    }

    f->stuck = true;
    f->told = boot;

    async_log(ASYNC_LOG_ERROR, "msg=\"a schedule cannot be fired, trying "
              "again\" schedule=%.*s reason=%s", (int) name.len, name.data,
              async_log_quote(&quote, why));
}
