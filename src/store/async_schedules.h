/*
 * Schedules in the store.  nginx says what there is, whoever makes a job of
 * one moves its next time in the same transaction, and commands and the
 * dashboard pause, resume and run them.
 *
 * What calls for a write waits for the disk: never from an event loop.
 */

#ifndef ASYNC_SCHEDULES_H
#define ASYNC_SCHEDULES_H

#include "async_apply.h"
#include "async_schedule.h"


/* all that one nginx.conf says; in each, job and payload are in the clear */
typedef struct {
    uint64_t                 instance;
    int64_t                  loaded;      /* unix ms */
    const async_schedule_t  *list;
    unsigned                 n;
} async_schedules_t;

/*
 * What the instance no longer names stops; its past stays.  If the store has
 * keys, payload is encrypted with the first of them.
 */
async_rc_t async_store_publish_schedules(async_store_t *store,
    const async_schedules_t *said, async_error_t *err);

/*
 * ASYNC_NOT_FOUND if nginx.conf has, or had, no such schedule.  One that is
 * paused does not fire; times that pass meanwhile are not missed.
 */
async_rc_t async_store_pause_schedule(async_store_t *store, async_str_t name,
    bool paused, async_error_t *err);
/*
 * The worker makes a job of it, with this id, at once or when there is one.
 * ASYNC_REFUSED if it is no longer in nginx.conf.
 */
async_rc_t async_store_run_schedule(async_store_t *store, async_str_t name,
    const async_id_t *id, async_error_t *err);

/* --- reading --- */

typedef struct {
    const async_schedule_t        *said;   /* NULL: not known any more, as
                                              after a salvage; its payload may
                                              be encrypted */
    const async_schedule_state_t  *state;
    uint8_t                        last;   /* async_state_t of its last job,
                                              0: there is none, or what became
                                              of it is not known */
} async_schedule_row_t;

/* all of them in order of name, borrowed for the call; false stops */
typedef bool (*async_schedule_fn)(void *data,
    const async_schedule_row_t *row);

async_rc_t async_view_schedules(async_view_t *view, async_schedule_fn fn,
    void *data);


/* --- the worker's --- */

/* changes whenever somebody else than the worker changed what is due */
async_rc_t async_view_schedule_changes(async_view_t *view,
    uint64_t *changes);

/* states only, as above */
typedef bool (*async_schedule_state_fn)(void *data,
    const async_schedule_state_t *state);

async_rc_t async_view_schedule_states(async_view_t *view,
    async_schedule_state_fn fn, void *data);

/* those that are to be run by hand, at most max */
typedef struct {
    async_id_t  id;
    char        name[ASYNC_SCHEDULE_NAME];
    size_t      len;
} async_schedule_run_t;

async_rc_t async_view_schedule_runs(async_view_t *view,
    async_schedule_run_t *runs, unsigned max, unsigned *n);

/*
 * One of them, with all that a job needs, in the clear.  unfinished: its last
 * job is.  ASYNC_NO_KEY, and which in job.request.seal.
 */
typedef struct {
    async_schedule_t        said;
    async_schedule_state_t  state;        /* its name is that of said */
    async_job_t             job;
    async_hook_t            hook;         /* if said has one */
    bool                    unfinished;
    uint8_t                *memory;       /* all strings point into it */
} async_schedule_ticket_t;

async_rc_t async_view_schedule(async_view_t *view, async_str_t name,
    async_schedule_ticket_t *ticket);
void async_schedule_free(async_schedule_ticket_t *ticket);

/* goes with a SUBMITTED event: ASYNC_STALE if somebody was faster */
struct async_firing_s {
    async_str_t  name;
    bool         by_hand;                 /* due and next do not count */
    int64_t      due;                     /* what was next until now */
    int64_t      last;                    /* the last time that is done with */
    int64_t      next;
};

/* a next time without a job */
typedef struct {
    char     name[ASYNC_SCHEDULE_NAME];
    size_t   len;
    int64_t  due;                         /* what was next until now */
    int64_t  next;
    bool     skipped;                     /* it has been due */
} async_schedule_move_t;

/* those that somebody else has moved meanwhile are left; ASYNC_STALE if the
   epoch is not the present one */
async_rc_t async_store_move_schedules(async_store_t *store, uint64_t epoch,
    const async_schedule_move_t *moves, unsigned n, async_error_t *err);


#endif /* ASYNC_SCHEDULES_H */
