/*
 * Webhooks in the store.  A job that was submitted with one has a row in
 * hooks, see async_hook.h; the transaction that ends the job makes it due, or
 * drops it if that end is not to be told.  What comes of each attempt is an
 * event upon the job, see async_apply.h: a line of its history, and its result
 * is kept the longer for it.
 *
 * No claim is written: an attempt that a crash cut is made again, with the
 * same webhook-id.  What it comes to is only taken from the present worker.
 */

#ifndef ASYNC_HOOKS_H
#define ASYNC_HOOKS_H

#include "async_apply.h"
#include "async_hook.h"
#include "async_hook_policy.h"


/* strings of hook lie in buf */
typedef struct {
    async_id_t    id;               /* of the job */
    async_hook_t  hook;
    uint8_t       buf[ASYNC_HOOK_MAX];
} async_due_hook_t;

/* attempts that were ever made, by how they ended; and what there is now */
typedef struct {
    uint64_t  delivered;
    uint64_t  failed;               /* to be tried again */
    uint64_t  given_up;             /* the last attempt of a webhook */
    uint64_t  pending;
    uint64_t  dead;
} async_hook_figures_t;


/*
 * Those that are due, the longest first, at most max of them and none of the
 * nskip whose jobs are in skip.  place begins as zeroes and says where to go
 * on; it is not set once all were seen.  *next: unix ms of the first that is
 * not due yet, 0 = none, or it was not come to.
 */
typedef struct {
    bool        set;
    int64_t     due;
    async_id_t  id;
} async_due_place_t;

async_rc_t async_view_due_hooks(async_view_t *view, int64_t now,
    async_due_place_t *place, const async_id_t *skip, unsigned nskip,
    async_due_hook_t *due, unsigned max, unsigned *n, int64_t *next);
/* that of a job; buf has ASYNC_HOOK_MAX bytes */
async_rc_t async_view_hook(async_view_t *view, const async_id_t *id,
    async_hook_t *hook, uint8_t *buf);
/*
 * Newest jobs first, at most limit; state 0: any but those that wait for their
 * job.  fn returns false to stop; what it is given lives for the call.  At
 * most rows rows are looked at (0: all); *before is where to go on, and set
 * if there may be more.
 */
typedef bool (*async_hook_fn)(void *data, const async_id_t *id,
    const async_hook_t *hook);

typedef struct {
    bool        set;
    async_id_t  id;
} async_hook_place_t;

async_rc_t async_view_hooks(async_view_t *view, uint8_t state,
    unsigned limit, unsigned rows, async_hook_place_t *before,
    async_hook_fn fn, void *data);
async_rc_t async_view_hook_figures(async_view_t *view,
    async_hook_figures_t *figures);

/* policy borrows from buf, ASYNC_HOOK_POLICY_MAX bytes */
async_rc_t async_view_hook_policy(async_view_t *view,
    const uint8_t key[ASYNC_HOOK_POLICY], async_hook_policy_t *policy,
    uint8_t *buf);
async_rc_t async_view_hooks_in_force(async_view_t *view,
    async_hooks_in_force_t *f);

/* the first 16 bytes of SHA-256 of its encoding; false: it has none */
bool async_hook_policy_key(uint8_t key[ASYNC_HOOK_POLICY],
    const async_hook_policy_t *policy);
/* those of a configuration that was loaded then */
async_rc_t async_store_publish_hooks(async_store_t *store,
    const async_hook_policy_t *policies, unsigned n, int64_t loaded,
    async_error_t *err);


#endif /* ASYNC_HOOKS_H */
