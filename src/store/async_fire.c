/*
 * A schedule in a transaction: its state, and the job that a firing makes.
 * The time that was due is the fence.  Whoever finds another there, because
 * he was killed after his commit, or another has taken over, makes no job.
 */

#include <string.h>

#include "async_work.h"


typedef struct {
    uint64_t                      epoch;
    const async_schedule_move_t  *moves;
    unsigned                      n;
} async_fire_moves_t;


static async_rc_t async_fire_move(async_store_t *store, void *data,
    async_error_t *err);


void
async_key_schedule(async_key_t *key, async_schedule_of_t of,
    async_str_t name)
{
    key->db = ASYNC_DB_SCHEDULES;
    key->bytes[0] = (uint8_t) of;
    memcpy(key->bytes + 1, name.data, name.len);
    key->len = 1 + name.len;
}


void
async_key_schedule_run(async_key_t *key, const async_id_t *id,
    async_str_t name)
{
    key->db = ASYNC_DB_SCHEDULES;
    key->bytes[0] = ASYNC_SCHEDULE_OF_RUN;
    memcpy(key->bytes + 1, id, sizeof(async_id_t));
    memcpy(key->bytes + 1 + sizeof(async_id_t), name.data, name.len);
    key->len = 1 + sizeof(async_id_t) + name.len;
}


async_rc_t
async_fire_state(async_work_t *work, async_str_t name,
    async_schedule_state_t *state, uint8_t *buf)
{
    MDB_val      v;
    async_rc_t   rc;
    async_key_t  key;

    if (!async_schedule_name(name)) {
        return ASYNC_NOT_FOUND;
    }

    async_key_schedule(&key, ASYNC_SCHEDULE_OF_STATE, name);

    rc = async_work_get(work, &key, &v);

    if (rc != ASYNC_OK) {
        return rc;
    }

    if (v.mv_size > ASYNC_SCHEDULE_STATE) {
        return ASYNC_CORRUPT;
    }

    memcpy(buf, v.mv_data, v.mv_size);

    return async_schedule_state_decode(state, buf, v.mv_size);
}


void
async_fire_put(async_work_t *work, const async_schedule_state_t *state)
{
    size_t       len;
    uint8_t      buf[ASYNC_SCHEDULE_STATE];
    async_key_t  key;

    len = async_schedule_state_encode(state, buf, sizeof(buf));

    if (len != 0) {
        async_key_schedule(&key, ASYNC_SCHEDULE_OF_STATE, state->name);
        async_work_put(work, &key, buf, len);
    }
}


void
async_fire_changed(async_work_t *work)
{
    MDB_val      v;
    uint8_t      buf[ASYNC_COUNT_MAX];
    uint64_t     n;
    async_key_t  key;

    async_key_schedule(&key, ASYNC_SCHEDULE_OF_ALL, (async_str_t) { "", 0 });

    if (async_work_get(work, &key, &v) != ASYNC_OK
        || async_count_decode(&n, 1, v.mv_data, v.mv_size) != ASYNC_OK)
    {
        n = 0;
    }

    n++;
    async_work_put(work, &key, buf,
                   async_count_encode(&n, 1, buf, sizeof(buf)));
}


/* --- the worker's --- */

async_rc_t
async_fire_check(async_work_t *work, const async_event_t *event)
{
    MDB_val                 v;
    uint8_t                 buf[ASYNC_SCHEDULE_STATE];
    async_rc_t              rc;
    async_key_t             key;
    const async_firing_t   *firing;
    async_schedule_state_t  state;

    firing = event->firing;

    rc = async_fire_state(work, firing->name, &state, buf);

    if (rc == ASYNC_OK && firing->by_hand) {
        async_key_schedule_run(&key, &event->job->id, firing->name);
        rc = async_work_get(work, &key, &v);

    } else if (rc == ASYNC_OK && state.next != firing->due) {
        rc = ASYNC_STALE;
    }

    return rc == ASYNC_NOT_FOUND ? ASYNC_STALE : rc;
}


void
async_fire_done(async_work_t *work, const async_event_t *event)
{
    uint8_t                 buf[ASYNC_SCHEDULE_STATE];
    async_key_t             key;
    const async_firing_t   *firing;
    async_schedule_state_t  state;

    firing = event->firing;

    if (async_fire_state(work, firing->name, &state, buf) != ASYNC_OK) {
        return;
    }

    state.job = event->job->id;
    state.fired = work->now;
    state.result = ASYNC_STATE_NONE;
    state.error = ASYNC_JOB_ERROR_NONE;

    if (firing->by_hand) {
        async_key_schedule_run(&key, &event->job->id, firing->name);
        async_work_delete(work, &key);

    } else {
        state.last = firing->last;
        state.next = firing->next;
    }

    async_fire_put(work, &state);
}


void
async_fire_ended(async_work_t *work, const async_job_t *job)
{
    uint8_t                 buf[ASYNC_SCHEDULE_STATE];
    async_schedule_state_t  state;

    /* a job after it counts */

    if (async_fire_state(work, job->schedule, &state, buf) != ASYNC_OK
        || memcmp(&state.job, &job->id, sizeof(async_id_t)) != 0)
    {
        return;
    }

    state.result = job->state;
    state.error = job->error;

    async_fire_put(work, &state);
}


async_rc_t
async_store_move_schedules(async_store_t *store, uint64_t epoch,
    const async_schedule_move_t *moves, unsigned n, async_error_t *err)
{
    async_fire_moves_t  all = { epoch, moves, n };

    return async_scribe_run(store, async_fire_move, &all, err);
}


/* scribe */

static async_rc_t
async_fire_move(async_store_t *store, void *data, async_error_t *err)
{
    uint8_t                       buf[ASYNC_SCHEDULE_STATE];
    unsigned                      i;
    async_rc_t                    rc;
    async_str_t                   name;
    async_work_t                  work;
    async_fire_moves_t           *all = data;
    async_schedule_state_t        state;
    const async_schedule_move_t  *move;

    rc = async_work_begin(&work, store, 0, ASYNC_DOOR_WAIT, err);

    if (rc != ASYNC_OK) {
        return rc;
    }

    if (work.epoch != all->epoch) {
        async_work_abort(&work);
        async_error_set(err, "another worker took over");
        return ASYNC_STALE;
    }

    for (i = 0; i < all->n; i++) {
        move = &all->moves[i];
        name.data = move->name;
        name.len = move->len;

        if (async_fire_state(&work, name, &state, buf) == ASYNC_OK
            && state.next == move->due)
        {
            state.next = move->next;
            state.skipped += move->skipped;
            async_fire_put(&work, &state);
        }
    }

    return async_work_commit(&work, err);
}
