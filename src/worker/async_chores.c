#include <string.h>

#include "async_chores.h"
#include "async_log.h"


#define ASYNC_CHORES_SWEEP    1000      /* ms between looks for what expired */
#define ASYNC_CHORES_AGAIN    20        /* ms, while there is more */
#define ASYNC_CHORES_ORPHANS  600000    /* ms between scans of the spool */
#define ASYNC_CHORES_ENTRIES  256       /* of the folder, in a second */

/* no scan until what was on its way at a jump of the clock has landed */
#define ASYNC_CHORES_LANDED   3600000


static void async_chores_rewind(async_chores_t *chores,
    async_store_t *store, int64_t boot);
static void async_chores_orphans(async_chores_t *chores,
    async_store_t *store, async_view_t *view, int64_t boot);


void
async_chores_init(async_chores_t *chores, uint64_t epoch)
{
    int64_t  boot;

    memset(chores, 0, sizeof(async_chores_t));

    boot = async_clock_ms(CLOCK_BOOTTIME);

    chores->sweep.epoch = epoch;
    (void) async_clock_look(&chores->clock,
                            async_clock_ms(CLOCK_REALTIME), boot);

    /* the clock may have been set while nobody looked */

    chores->jump = ASYNC_REWIND_UNKNOWN;
}


void
async_chores_clean(async_chores_t *chores)
{
    async_orphans_end(chores->orphans);
    chores->orphans = NULL;
}


int64_t
async_chores_wall(async_chores_t *chores, int64_t boot)
{
    int64_t  wall, jump;

    wall = async_clock_ms(CLOCK_REALTIME);
    jump = async_clock_look(&chores->clock, wall, boot);

    if (jump != 0) {
        async_log(ASYNC_LOG_WARN, "msg=\"the clock was set: nothing expires "
                  "until it has held for a while\" by_ms=%lld",
                  (long long) jump);

        chores->nlate = 0;
        chores->next_orphans = boot + ASYNC_CHORES_LANDED;

        if (jump < 0) {
            chores->jump = jump;
        }
    }

    return wall;
}


void
async_chores_tick(async_chores_t *chores, async_store_t *store,
    async_view_t *view, int64_t boot)
{
    int64_t  wall;

    wall = async_chores_wall(chores, boot);

    if (chores->jump != 0) {
        async_chores_rewind(chores, store, boot);
    }

    if (!async_clock_sure(&chores->clock, boot)) {
        return;
    }

    if (async_view_overdue(view, &chores->patrol, wall, chores->late,
                           ASYNC_CHORES_LATE, &chores->nlate)
        != ASYNC_OK)
    {
        chores->nlate = 0;
    }

    async_chores_orphans(chores, store, view, boot);
}


/*
 * Waits that were counted by a clock that has been set back would last for as
 * long as it was set back by.
 */

static void
async_chores_rewind(async_chores_t *chores, async_store_t *store,
    int64_t boot)
{
    unsigned       moved;
    async_rc_t     rc;
    async_error_t  err;

    rc = async_store_rewind(store, chores->sweep.epoch,
                            async_chores_wall(chores, boot), chores->jump,
                            &moved, &err);

    if (rc != ASYNC_OK) {
        return;                              /* once more in a second */
    }

    chores->jump = 0;

    if (moved > 0) {
        async_log(ASYNC_LOG_NOTICE, "msg=\"waits were put right after the "
                  "clock was set back\" jobs=%u", moved);
    }
}


async_sweep_t *
async_chores_sweep(async_chores_t *chores, int64_t boot)
{
    return boot >= chores->next_sweep
           && async_clock_sure(&chores->clock, boot) ? &chores->sweep : NULL;
}


void
async_chores_swept(async_chores_t *chores, int64_t boot)
{
    const async_sweep_t  *sweep;

    sweep = &chores->sweep;

    chores->next_sweep = boot + (sweep->more ? ASYNC_CHORES_AGAIN
                                             : ASYNC_CHORES_SWEEP);

    if (sweep->rows > 0) {
        async_log(ASYNC_LOG_DEBUG, "msg=\"retention\" results=%u jobs=%u "
                  "rows=%u", sweep->results, sweep->jobs, sweep->rows);
    }
}


static void
async_chores_orphans(async_chores_t *chores, async_store_t *store,
    async_view_t *view, int64_t boot)
{
    bool      end;
    unsigned  removed;

    if (boot < chores->next_orphans) {
        return;
    }

    if (chores->orphans == NULL) {
        chores->orphans = async_orphans_begin(store);

        if (chores->orphans == NULL) {
            chores->next_orphans = boot + ASYNC_CHORES_ORPHANS;
            return;
        }
    }

    end = async_orphans_some(chores->orphans, view,
                             async_clock_ms(CLOCK_REALTIME),
                             ASYNC_CHORES_ENTRIES, &removed);

    if (removed > 0) {
        async_log(ASYNC_LOG_NOTICE, "msg=\"spool files of no job were "
                  "removed\" files=%u", removed);
    }

    if (end) {
        async_orphans_end(chores->orphans);
        chores->orphans = NULL;
        chores->next_orphans = boot + ASYNC_CHORES_ORPHANS;
    }
}
