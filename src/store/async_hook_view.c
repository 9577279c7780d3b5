/*
 * Looking at webhooks.
 */

#include <string.h>

#include "async_hooks.h"
#include "async_work.h"


#define ASYNC_HOOK_ROWS  1024       /* of timers, in a look */


/* what async_view_due_hooks() was asked */
typedef struct {
    async_view_t       *view;
    int64_t             now;
    async_due_place_t  *place;
    const async_id_t   *skip;
    unsigned            nskip;
    async_due_hook_t   *due;
    unsigned            max;
    unsigned           *n;
    int64_t            *next;
} async_hooks_look_t;

typedef struct {
    async_view_t  *view;
    MDB_cursor    *cursor;
    bool           listed;          /* it goes over a list, not over hooks */
    uint8_t        state;
    uint8_t        buf[ASYNC_HOOK_MAX];
} async_hooks_walk_t;


static int async_hooks_due(MDB_cursor *cursor, void *data);
static bool async_hooks_skipped(const async_id_t *id, const async_id_t *skip,
    unsigned nskip);
static async_rc_t async_hooks_read(async_view_t *view, const async_id_t *id,
    async_hook_t *hook, uint8_t *buf);
static int async_hooks_open(async_hooks_walk_t *walk);
static bool async_hooks_listed(async_view_t *view, MDB_cursor *timers);
static int async_hooks_walk(async_hooks_walk_t *walk, unsigned limit,
    unsigned rows, async_hook_place_t *before, async_hook_fn fn, void *data);
static int async_hooks_before(async_hooks_walk_t *walk, const async_id_t *id,
    MDB_val *k, MDB_val *v);
static bool async_hooks_row(async_hooks_walk_t *walk, const MDB_val *k,
    const MDB_val *v, async_id_t *id, async_hook_t *hook);
static async_rc_t async_hooks_figures(async_view_t *view,
    async_hook_figures_t *figures);


async_rc_t
async_view_due_hooks(async_view_t *view, int64_t now,
    async_due_place_t *place, const async_id_t *skip, unsigned nskip,
    async_due_hook_t *due, unsigned max, unsigned *n, int64_t *next)
{
    async_hooks_look_t  look = {
        view, now, place, skip, nskip, due, max, n, next
    };

    *n = 0;
    *next = 0;

    return async_view_walk(view, ASYNC_DB_TIMERS, async_hooks_due, &look);
}


static int
async_hooks_due(MDB_cursor *cursor, void *data)
{
    int                  rc;
    MDB_val              k, v;
    unsigned             left;
    async_key_t          key;
    async_due_hook_t    *hook;
    async_due_place_t   *place;
    async_hooks_look_t  *look = data;

    place = look->place;
    async_key_timer(&key, ASYNC_TIMER_HOOK, place->set ? place->due : 0,
                    &place->id);
    place->set = false;

    k.mv_size = key.len;
    k.mv_data = key.bytes;

    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);

    for (left = ASYNC_HOOK_ROWS; rc == MDB_SUCCESS; left--) {

        if (k.mv_size != key.len
            || *(uint8_t *) k.mv_data != ASYNC_TIMER_HOOK)
        {
            break;
        }

        place->due = (int64_t) async_get_be64((uint8_t *) k.mv_data + 1);
        async_key_id(&k, &place->id);

        if (place->due > look->now) {
            *look->next = place->due;
            break;
        }

        if (*look->n == look->max || left == 0) {
            place->set = true;
            break;
        }

        hook = &look->due[*look->n];

        if (!async_hooks_skipped(&place->id, look->skip, look->nskip)
            && async_hooks_read(look->view, &place->id, &hook->hook,
                                hook->buf)
               == ASYNC_OK
            && hook->hook.due == place->due)
        {
            hook->id = place->id;
            ++*look->n;
        }

        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }

    if (!place->set) {
        memset(place, 0, sizeof(async_due_place_t));
    }

    return rc;
}


static bool
async_hooks_skipped(const async_id_t *id, const async_id_t *skip,
    unsigned nskip)
{
    unsigned  i;

    for (i = 0; i < nskip; i++) {
        if (memcmp(id, &skip[i], sizeof(async_id_t)) == 0) {
            return true;
        }
    }

    return false;
}


static async_rc_t
async_hooks_read(async_view_t *view, const async_id_t *id,
    async_hook_t *hook, uint8_t *buf)
{
    MDB_val      v;
    async_rc_t   rc;
    async_key_t  key;

    async_key_hook(&key, id);

    rc = async_db_get(view->store, view->txn, &key, &v);

    return rc == ASYNC_OK ? async_hook_copy(hook, buf, &v) : rc;
}


async_rc_t
async_view_hook(async_view_t *view, const async_id_t *id, async_hook_t *hook,
    uint8_t *buf)
{
    async_rc_t  rc;

    rc = async_view_begin(view);

    if (rc != ASYNC_OK) {
        return rc;
    }

    rc = async_hooks_read(view, id, hook, buf);

    async_view_end(view);

    return rc;
}


async_rc_t
async_view_hooks(async_view_t *view, uint8_t state, unsigned limit,
    unsigned rows, async_hook_place_t *before, async_hook_fn fn, void *data)
{
    int                  rc;
    async_rc_t           result;
    async_hooks_walk_t   walk = { .view = view, .state = state };

    result = async_view_begin(view);

    if (result != ASYNC_OK) {
        return result;
    }

    rc = async_hooks_open(&walk);

    if (rc == MDB_SUCCESS) {
        rc = async_hooks_walk(&walk, limit, rows, before, fn, data);
        mdb_cursor_close(walk.cursor);
    }

    async_view_end(view);

    return rc == MDB_NOTFOUND ? ASYNC_OK : async_db_rc(rc, NULL, NULL);
}


/* the dead have a list of their own, in timers */

static int
async_hooks_open(async_hooks_walk_t *walk)
{
    int            rc;
    async_view_t  *view;

    view = walk->view;
    walk->listed = walk->state == ASYNC_HOOK_DEAD;

    if (walk->listed) {
        rc = mdb_cursor_open(view->txn, view->store->dbi[ASYNC_DB_TIMERS],
                             &walk->cursor);

        if (rc != MDB_SUCCESS || async_hooks_listed(view, walk->cursor)) {
            return rc;
        }

        mdb_cursor_close(walk->cursor);
        walk->listed = false;
    }

    return mdb_cursor_open(view->txn, view->store->dbi[ASYNC_DB_HOOKS],
                           &walk->cursor);
}


/* false: they are of an older version, and no worker of this one was there */

static bool
async_hooks_listed(async_view_t *view, MDB_cursor *timers)
{
    MDB_val                k, v;
    async_key_t            key;
    async_hook_figures_t   figures;

    async_key_timer(&key, ASYNC_TIMER_DEAD, 0, &(async_id_t) { { 0 } });

    k.mv_size = key.len;
    k.mv_data = key.bytes;

    if (mdb_cursor_get(timers, &k, &v, MDB_SET_RANGE) == MDB_SUCCESS
        && *(uint8_t *) k.mv_data == ASYNC_TIMER_DEAD)
    {
        return true;
    }

    return async_hooks_figures(view, &figures) == ASYNC_OK
           && figures.dead == 0;
}


/* one that does not decode is left to a check */

static int
async_hooks_walk(async_hooks_walk_t *walk, unsigned limit, unsigned rows,
    async_hook_place_t *before, async_hook_fn fn, void *data)
{
    int           rc;
    bool          more;
    MDB_val       k, v;
    unsigned      n;
    async_hook_t  hook;

    if (!before->set) {
        memset(&before->id, 0xff, sizeof(async_id_t));
    }

    rc = async_hooks_before(walk, &before->id, &k, &v);
    before->set = false;
    more = limit > 0;

    for (n = 1; rc == MDB_SUCCESS && more; n++) {

        if (walk->listed && *(uint8_t *) k.mv_data != ASYNC_TIMER_DEAD) {
            break;
        }

        if (async_hooks_row(walk, &k, &v, &before->id, &hook)
            && (walk->state != 0 ? hook.state == walk->state
                                 : hook.state != ASYNC_HOOK_WAITING))
        {
            more = fn(data, &before->id, &hook) && --limit > 0;
        }

        before->set = !more || n == rows;

        if (before->set) {
            break;
        }

        rc = mdb_cursor_get(walk->cursor, &k, &v, MDB_PREV);
    }

    return rc;
}


static int
async_hooks_before(async_hooks_walk_t *walk, const async_id_t *id,
    MDB_val *k, MDB_val *v)
{
    int          rc;
    async_key_t  key;

    if (walk->listed) {
        async_key_timer(&key, ASYNC_TIMER_DEAD, 0, id);

    } else {
        async_key_hook(&key, id);
    }

    k->mv_size = key.len;
    k->mv_data = key.bytes;

    rc = mdb_cursor_get(walk->cursor, k, v, MDB_SET_RANGE);

    return mdb_cursor_get(walk->cursor, k, v,
                          rc == MDB_SUCCESS ? MDB_PREV : MDB_LAST);
}


static bool
async_hooks_row(async_hooks_walk_t *walk, const MDB_val *k, const MDB_val *v,
    async_id_t *id, async_hook_t *hook)
{
    if (walk->listed) {
        async_key_id(k, id);

        return async_hooks_read(walk->view, id, hook, walk->buf) == ASYNC_OK;
    }

    if (k->mv_size != sizeof(async_id_t) + 4) {
        return false;
    }

    memcpy(id, k->mv_data, sizeof(async_id_t));

    return async_hook_decode(hook, v->mv_data, v->mv_size) == ASYNC_OK;
}


async_rc_t
async_view_hook_figures(async_view_t *view, async_hook_figures_t *figures)
{
    async_rc_t  rc;

    rc = async_view_begin(view);

    if (rc == ASYNC_OK) {
        rc = async_hooks_figures(view, figures);
        async_view_end(view);
    }

    return rc;
}


static async_rc_t
async_hooks_figures(async_view_t *view, async_hook_figures_t *figures)
{
    MDB_val      v;
    uint64_t     n[ASYNC_HOOK_NUMBERS];
    async_rc_t   rc;
    async_key_t  key;

    memset(figures, 0, sizeof(async_hook_figures_t));
    async_key_stat(&key, ASYNC_STAT_HOOKS);

    rc = async_db_get(view->store, view->txn, &key, &v);

    if (rc == ASYNC_OK
        && async_count_decode(n, ASYNC_HOOK_NUMBERS, v.mv_data, v.mv_size)
           == ASYNC_OK)
    {
        figures->delivered = n[ASYNC_HOOK_DELIVERED_N];
        figures->failed = n[ASYNC_HOOK_FAILED_N];
        figures->given_up = n[ASYNC_HOOK_GIVEN_UP_N];
        figures->pending = n[ASYNC_HOOK_PENDING_N];
        figures->dead = n[ASYNC_HOOK_DEAD_N];
    }

    return rc == ASYNC_NOT_FOUND ? ASYNC_OK : rc;
}


async_rc_t
async_view_hook_policy(async_view_t *view,
    const uint8_t policy_key[ASYNC_HOOK_POLICY], async_hook_policy_t *policy,
    uint8_t *buf)
{
    MDB_val      v;
    async_rc_t   rc;
    async_key_t  key;

    rc = async_view_begin(view);

    if (rc != ASYNC_OK) {
        return rc;
    }

    async_key_hook_policy(&key, policy_key);

    rc = async_db_get(view->store, view->txn, &key, &v);

    if (rc == ASYNC_OK && v.mv_size > ASYNC_HOOK_POLICY_MAX) {
        rc = ASYNC_CORRUPT;
    }

    if (rc == ASYNC_OK) {
        memcpy(buf, v.mv_data, v.mv_size);
        rc = async_hook_policy_decode(policy, buf, v.mv_size);
    }

    async_view_end(view);

    return rc;
}


async_rc_t
async_view_hooks_in_force(async_view_t *view, async_hooks_in_force_t *f)
{
    MDB_val      v;
    async_rc_t   rc;
    async_key_t  key;

    memset(f, 0, sizeof(async_hooks_in_force_t));

    rc = async_view_begin(view);

    if (rc != ASYNC_OK) {
        return rc;
    }

    async_key_hooks_in_force(&key);

    rc = async_db_get(view->store, view->txn, &key, &v);

    if (rc == ASYNC_OK) {
        rc = async_hooks_in_force_decode(f, v.mv_data, v.mv_size);
    }

    async_view_end(view);

    return rc == ASYNC_NOT_FOUND ? ASYNC_OK : rc;
}
