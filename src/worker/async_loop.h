/*
 * Private to the run loop: the worker's state, shared by the five files
 * that it is made of.
 *
 *   async_worker.c   start and end
 *   async_loop.c     transfers, time, signals, sleep
 *   async_settle.c   the store: events in, claims out
 *   async_watch.c    the store's feed: jobs that are to be canceled
 *   async_hold.c     ends that wait for the last report of their job
 */

#ifndef ASYNC_LOOP_H
#define ASYNC_LOOP_H

#include <sys/un.h>
#include <time.h>

#include "async_away.h"
#include "async_bell.h"
#include "async_chores.h"
#include "async_firing.h"
#include "async_keyring.h"
#include "async_replay.h"
#include "async_webhook.h"
#include "async_worker.h"


#define ASYNC_LOOP_CLAIMS  64       /* jobs claimed in one commit */
#define ASYNC_LOOP_LAST    5000     /* ms to get the last events stored */


typedef enum {
    ASYNC_LOOP_RUNS,
    ASYNC_LOOP_DRAINS,          /* takes no new job */
    ASYNC_LOOP_STOPS,           /* nothing runs, events are being stored */
    ASYNC_LOOP_DONE,
    ASYNC_LOOP_REOPENS,         /* must not go on with this store as it is
                                   open: closes it, and begins again */
    ASYNC_LOOP_BROKE            /* must not go on: exit 1 */
} async_loop_phase_t;

typedef struct async_watched_s  async_watched_t;

typedef struct {
    async_loop_phase_t     phase;
    unsigned               concurrency;
    unsigned               grace;       /* ms */

    async_store_t         *store;
    async_bell_t          *bell;        /* NULL: done without */
    async_replay_env_t     env;
    uint64_t               epoch;
    int                    signals;
    int                    bell_fd;
    int                    run_fd;
    char                   run[sizeof(((struct sockaddr_un *) 0)->sun_path)];

    /* a slot is free, or runs (it has a transfer), or ended */
    async_replay_t        *slots;
    async_replay_t       **free;
    async_replay_t       **ended;
    async_replay_t       **held;
    async_event_t         *events;      /* of the ended, the late and the
                                           fired, for a batch */
    async_claim_t         *claims;
    async_overdue_t        late[ASYNC_CHORES_LATE];    /* of a claim */
    async_watched_t       *watched;     /* of a look at the feed */
    unsigned               nslots;
    unsigned               nfree;
    unsigned               nended;
    unsigned               nheld;
    unsigned               running;

    async_away_t           away;
    async_chores_t         chores;
    async_keyring_t        keyring;
    async_firings_t        firings;
    async_webhooks_t      *webhooks;
    unsigned               nhooks;      /* events of theirs, in this batch */

    bool                   look;        /* there may be something to claim */
    bool                   rung;        /* something is new in the feed */
    uint64_t               feed;        /* our place in it */
    bool                   stuck;       /* the store refused the last batch */
    bool                   blind;       /* poll() refused to wait */

    /* CLOCK_BOOTTIME in ms */
    int64_t                next_commit; /* not before */
    int64_t                next_due;    /* of the store's timers, 0 = none */
    int64_t                next_cut;    /* the first deadline, or earlier */
    int64_t                next_watch;  /* not before */
    int64_t                next_chore;
    int64_t                patience;    /* end of the phase */
} async_loop_t;


/* runs until phase is DONE or above */
void async_loop_run(async_loop_t *w);

/* an attempt ended: its event goes with the next commit */
void async_settle_add(async_loop_t *w, async_replay_t *r, int64_t now);
/*
 * All that ended, and what there is room for, in one transaction, if there is
 * something to do and its time has come.
 */
void async_settle_commit(async_loop_t *w, int64_t now);
/* jobs that could be claimed now */
unsigned async_settle_room(const async_loop_t *w);

/* true if the end of an attempt is kept back for a moment */
bool async_hold_add(async_loop_t *w, async_replay_t *r, int64_t now);
/* those whose moment is over, or all of them, are settled next */
void async_hold_release(async_loop_t *w, int64_t now, bool all);
/* when that is, 0 = there is none */
int64_t async_hold_next(const async_loop_t *w);

/* where the feed ends: before the first claim */
bool async_watch_init(async_loop_t *w);
/* cuts what runs and is to be canceled, if the bell rang and it is time */
void async_watch_feed(async_loop_t *w, int64_t now);


#endif /* ASYNC_LOOP_H */
