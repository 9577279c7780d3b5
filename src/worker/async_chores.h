/*
 * What the worker does besides jobs, in slices: waiting jobs past their start
 * deadline, what retention removes, spool files of no job, a clock that was
 * set.  All of it waits while the clock is in doubt.
 */

#ifndef ASYNC_CHORES_H
#define ASYNC_CHORES_H

#include "async_apply.h"
#include "async_clock.h"
#include "async_orphan.h"


#define ASYNC_CHORES_LATE  64       /* overdue jobs in one commit */

typedef struct {
    async_clock_t     clock;
    int64_t           jump;         /* to be told to the store, 0 = none */

    int64_t           next_sweep;   /* CLOCK_BOOTTIME ms, like all below */
    async_sweep_t     sweep;

    async_patrol_t    patrol;
    async_overdue_t   late[ASYNC_CHORES_LATE];
    unsigned          nlate;

    async_orphans_t  *orphans;      /* NULL: no scan under way */
    int64_t           next_orphans;
} async_chores_t;


void async_chores_init(async_chores_t *chores, uint64_t epoch);
void async_chores_clean(async_chores_t *chores);

/*
 * The wall clock in unix ms, for the commit that follows; notes a jump.
 */
int64_t async_chores_wall(async_chores_t *chores, int64_t boot);
/* once a second: finds late jobs, removes orphans, mends a jump */
void async_chores_tick(async_chores_t *chores, async_store_t *store,
    async_view_t *view, int64_t boot);
/* the sweep for a commit now, NULL: not its time */
async_sweep_t *async_chores_sweep(async_chores_t *chores, int64_t boot);
/* what came of it */
void async_chores_swept(async_chores_t *chores, int64_t boot);


#endif /* ASYNC_CHORES_H */
