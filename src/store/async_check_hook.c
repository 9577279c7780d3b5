/*
 * The check, of webhooks: their rows and the jobs that have them, from both
 * sides, what is due of them, and their figures.
 */

#include <string.h>

#include "async_checker.h"
#include "async_hooks.h"


static void async_check_hook_policy(async_checker_t *ck,
    const async_id_t *id, const async_hook_t *hook);
static async_rc_t async_check_hook_get(async_checker_t *ck,
    const async_id_t *id, async_hook_t *hook);


void
async_check_hook(async_checker_t *ck, const async_job_t *job)
{
    bool          final;
    async_rc_t    rc;
    async_hook_t  hook;

    if (job->hooks == 0) {
        return;
    }

    final = async_state_final((async_state_t) job->state);
    rc = async_check_hook_get(ck, &job->id, &hook);

    if (rc == ASYNC_NOT_FOUND) {
        async_check_fault_of(ck, &job->id, "its webhook is missing");

    } else if (rc != ASYNC_OK) {
        ck->corrupt++;
        async_check_fault_of(ck, &job->id, "its webhook is damaged");

    } else if ((hook.state == ASYNC_HOOK_WAITING) == final
               && (job->state != ASYNC_STATE_FAILED
                   || async_hook_wanted(&hook, ASYNC_STATE_FAILED)))
    {
        async_check_fault_of(ck, &job->id, "is %s, and its webhook is %s",
                             async_state_name((async_state_t) job->state),
                             async_hook_state_name((async_hook_state_t)
                                                   hook.state));

    } else {
        async_check_hook_policy(ck, &job->id, &hook);
    }
}


/* without it nobody may be called */

static void
async_check_hook_policy(async_checker_t *ck, const async_id_t *id,
    const async_hook_t *hook)
{
    MDB_val         value;
    async_key_t     key;
    static uint8_t  none[ASYNC_HOOK_POLICY];

    async_key_hook_policy(&key, hook->policy);

    if (memcmp(hook->policy, none, sizeof(none)) != 0
        && async_db_get(ck->store, ck->txn, &key, &value) != ASYNC_OK)
    {
        async_check_fault_of(ck, id, "the policy of its webhook is missing");
    }
}


static async_rc_t
async_check_hook_get(async_checker_t *ck, const async_id_t *id,
    async_hook_t *hook)
{
    MDB_val      value;
    async_rc_t   rc;
    async_key_t  key;

    async_key_hook(&key, id);

    rc = async_db_get(ck->store, ck->txn, &key, &value);

    return rc == ASYNC_OK ? async_hook_decode(hook, value.mv_data,
                                              value.mv_size)
                          : rc;
}


void
async_check_hook_row(async_checker_t *ck, async_db_t db, const MDB_val *row,
    const MDB_val *value)
{
    async_id_t    id;
    async_job_t   job;
    async_key_t   key;
    MDB_val       none;
    async_hook_t  hook;

    memset(&id, 0, sizeof(async_id_t));

    if (row->mv_size == sizeof(async_id_t) + 4) {
        memcpy(&id, row->mv_data, sizeof(async_id_t));
    }

    async_key_hook(&key, &id);

    if (row->mv_size != key.len
        || memcmp(row->mv_data, key.bytes, key.len) != 0)
    {
        async_check_fault(ck, "hooks has a row that is not ours");
        return;
    }

    if (async_check_owner(ck, db, &id, &job) == ASYNC_OK && job.hooks == 0) {
        async_check_fault_of(ck, &id, "has a webhook that it does not name");
    }

    /* one that does not decode was told of with its job */

    if (async_hook_decode(&hook, value->mv_data, value->mv_size) != ASYNC_OK)
    {
        return;
    }

    ck->hooks_dead += hook.state == ASYNC_HOOK_DEAD ? 1 : 0;

    if (hook.state != ASYNC_HOOK_PENDING) {
        return;
    }

    ck->hooks_pending++;
    async_key_timer(&key, ASYNC_TIMER_HOOK, hook.due, &id);

    if (async_db_get(ck->store, ck->txn, &key, &none) != ASYNC_OK) {
        async_check_fault_of(ck, &id, "its webhook is pending, but has no "
                             "row in timers");
    }
}


void
async_check_hook_timer(async_checker_t *ck, const MDB_val *row)
{
    async_id_t    id;
    async_key_t   key;
    async_hook_t  hook;

    async_key_id(row, &id);
    memset(&hook, 0, sizeof(async_hook_t));

    if (async_check_hook_get(ck, &id, &hook) == ASYNC_CORRUPT) {
        return;
    }

    if (hook.state == ASYNC_HOOK_DEAD) {
        async_key_timer(&key, ASYNC_TIMER_DEAD, 0, &id);
        ck->hooks_listed++;

    } else {
        async_key_timer(&key, ASYNC_TIMER_HOOK, hook.due, &id);
    }

    if ((hook.state != ASYNC_HOOK_PENDING && hook.state != ASYNC_HOOK_DEAD)
        || row->mv_size != key.len
        || memcmp(row->mv_data, key.bytes, key.len) != 0)
    {
        async_check_fault_of(ck, &id, "a row of timers says otherwise than "
                             "its webhook");
    }
}


void
async_check_hook_totals(async_checker_t *ck)
{
    MDB_val      value;
    uint64_t     n[ASYNC_HOOK_NUMBERS];
    async_key_t  key;

    memset(n, 0, sizeof(n));
    async_key_stat(&key, ASYNC_STAT_HOOKS);

    if (async_db_get(ck->store, ck->txn, &key, &value) == ASYNC_OK
        && async_count_decode(n, ASYNC_HOOK_NUMBERS, value.mv_data,
                              value.mv_size) != ASYNC_OK)
    {
        return;                     /* told of with its row */
    }

    if (!async_check_sum(ck, n[ASYNC_HOOK_PENDING_N], ck->hooks_pending)
        || !async_check_sum(ck, n[ASYNC_HOOK_DEAD_N], ck->hooks_dead))
    {
        async_check_fault(ck, "stats say that %llu webhooks are pending and "
                          "%llu dead, there are %llu and %llu",
                          (unsigned long long) n[ASYNC_HOOK_PENDING_N],
                          (unsigned long long) n[ASYNC_HOOK_DEAD_N],
                          (unsigned long long) ck->hooks_pending,
                          (unsigned long long) ck->hooks_dead);
    }

    /* an older version lists none */

    if (ck->hooks_listed != 0
        && !async_check_sum(ck, ck->hooks_listed, ck->hooks_dead))
    {
        async_check_fault(ck, "%llu webhooks are listed as dead, there are "
                          "%llu", (unsigned long long) ck->hooks_listed,
                          (unsigned long long) ck->hooks_dead);
    }
}
