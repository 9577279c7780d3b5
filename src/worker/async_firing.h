/*
 * Schedules: which are due, and the jobs that come of them.  A job and its
 * schedule's next time go into one commit, so that a worker that is killed
 * around it has fired, or has not, and whoever follows sees which.
 */

#ifndef ASYNC_FIRING_H
#define ASYNC_FIRING_H

#include "async_clock.h"
#include "async_schedules.h"
#include "async_zone_file.h"


#define ASYNC_FIRING_MAX    64      /* jobs in one commit */
#define ASYNC_FIRING_ZONES  16      /* that are kept in memory */


typedef struct {
    char               name[ASYNC_ZONE_NAME];
    size_t             len;
    bool               used;
    async_zone_file_t  file;
} async_firing_zone_t;

/* one job to be */
typedef struct {
    async_schedule_ticket_t  ticket;
    async_firing_t           firing;
    int64_t                  late;  /* ms */
    char                     by[sizeof("schedule:") + ASYNC_SCHEDULE_NAME];
} async_firing_job_t;

typedef struct {
    uint64_t             epoch;
    bool                 known;     /* changes is */
    uint64_t             changes;   /* of the store, as last seen */
    int64_t              next;      /* unix ms: nothing is due before */
    int64_t              sure;      /* of the clock, as last seen */
    bool                 rewind;    /* times may lie too far ahead */
    bool                 runs;      /* there may be runs by hand */
    bool                 stuck;     /* told that some could not be stored */

    /* CLOCK_BOOTTIME in ms */
    int64_t              look;      /* not before, for changes */
    int64_t              again;     /* for what could not be done */
    int64_t              told;      /* last word on what is wrong */
    int64_t              zones_end; /* the files may have changed by then */

    async_firing_zone_t  zones[ASYNC_FIRING_ZONES];
    unsigned             turn;

    async_firing_job_t   jobs[ASYNC_FIRING_MAX];
    unsigned             n;         /* for the commit that follows */
} async_firings_t;


void async_firing_init(async_firings_t *f, uint64_t epoch);
void async_firing_clean(async_firings_t *f);
/* somebody has changed the store */
void async_firing_rung(async_firings_t *f);

/*
 * Looks what is due, and makes up f->n jobs.  Next times without a job are
 * written at once.  Nothing fires while the clock is in doubt.
 */
void async_firing_collect(async_firings_t *f, async_store_t *store,
    async_view_t *view, const async_clock_t *clock, int64_t wall,
    int64_t boot);
/* their events */
void async_firing_events(async_firings_t *f, async_event_t *events);
/* what came of them, in their rc; rc is the batch's */
void async_firing_done(async_firings_t *f, async_rc_t rc,
    const async_event_t *events, int64_t boot);
/* when to come again, CLOCK_BOOTTIME in ms, 0: not for a while */
int64_t async_firing_wake(const async_firings_t *f,
    const async_clock_t *clock, int64_t wall, int64_t boot);


/* --- async_firing_zone.c --- */

/* NULL: there is no such zone.  Valid until the next call */
const async_zone_t *async_firing_zone(async_firings_t *f, async_str_t name,
    int64_t boot, async_error_t *err);
void async_firing_zones_clean(async_firings_t *f);


#endif /* ASYNC_FIRING_H */
