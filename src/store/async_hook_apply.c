/*
 * What becomes of a job's webhook.
 */

#include <string.h>

#include "async_hooks.h"
#include "async_work.h"


#define ASYNC_HOOK_HELD  60000      /* ms that a result is kept longer while
                                       its webhook is pending */


static async_rc_t async_hook_get(async_work_t *work, const async_id_t *id,
    async_hook_t *hook, uint8_t *buf);
static void async_hook_put(async_work_t *work, const async_id_t *id,
    const async_hook_t *before, const async_hook_t *hook);
static void async_hook_timer(async_work_t *work, const async_id_t *id,
    const async_hook_t *hook, bool set);
static void async_hook_counted(async_work_t *work, async_key_t *key,
    uint64_t *figures);
static void async_hook_count(async_work_t *work, async_hook_number_t n,
    int by);
static async_rc_t async_hook_check(async_work_t *work,
    const async_event_t *event, const async_job_t *job,
    const async_hook_t *hook);
static void async_hook_change(async_work_t *work, const async_event_t *event,
    async_hook_t *hook);
static void async_hook_keep(async_work_t *work, async_job_t *job,
    int64_t until);
static bool async_hook_write(async_work_t *work, const async_event_t *event,
    const async_job_t *before, async_job_t *job, const async_hook_t *hook);


/* --- rows --- */

void
async_key_hook(async_key_t *key, const async_id_t *id)
{
    key->db = ASYNC_DB_HOOKS;
    key->len = sizeof(async_id_t) + 4;

    memcpy(key->bytes, id, sizeof(async_id_t));
    async_put_be32(key->bytes + sizeof(async_id_t), 0);
}


async_rc_t
async_hook_copy(async_hook_t *hook, uint8_t *buf, const MDB_val *row)
{
    if (row->mv_size > ASYNC_HOOK_MAX) {
        return ASYNC_CORRUPT;
    }

    memcpy(buf, row->mv_data, row->mv_size);

    return async_hook_decode(hook, buf, row->mv_size);
}


static async_rc_t
async_hook_get(async_work_t *work, const async_id_t *id, async_hook_t *hook,
    uint8_t *buf)
{
    MDB_val      v;
    async_rc_t   rc;
    async_key_t  key;

    async_key_hook(&key, id);

    rc = async_work_get(work, &key, &v);

    return rc == ASYNC_OK ? async_hook_copy(hook, buf, &v) : rc;
}


/* before: NULL if it is new */

static void
async_hook_put(async_work_t *work, const async_id_t *id,
    const async_hook_t *before, const async_hook_t *hook)
{
    size_t       len;
    uint8_t      buf[ASYNC_HOOK_MAX];
    async_key_t  key;

    len = async_hook_encode(hook, buf, sizeof(buf));

    if (len == 0) {
        work->fault = ASYNC_UNAVAILABLE;
        return;
    }

    async_key_hook(&key, id);
    async_work_put(work, &key, buf, len);

    if (before != NULL) {
        async_hook_timer(work, id, before, false);
    }

    async_hook_timer(work, id, hook, true);
}


/* the row in timers, and the figures, of what it is */

static void
async_hook_timer(async_work_t *work, const async_id_t *id,
    const async_hook_t *hook, bool set)
{
    async_key_t          key;
    async_hook_number_t  number;

    switch (hook->state) {

    case ASYNC_HOOK_PENDING:
        async_key_timer(&key, ASYNC_TIMER_HOOK, hook->due, id);
        number = ASYNC_HOOK_PENDING_N;
        break;

    case ASYNC_HOOK_DEAD:
        async_key_timer(&key, ASYNC_TIMER_DEAD, 0, id);
        number = ASYNC_HOOK_DEAD_N;
        break;

    default:
        return;
    }

    if (set) {
        async_work_put(work, &key, "", 0);

    } else {
        async_work_delete(work, &key);
    }

    async_hook_count(work, number, set ? 1 : -1);
}


/*
 * A store of an older version has dead webhooks, and no list of them.  All in
 * one transaction: half a list would pass for a whole one.
 */

void
async_hook_list_dead(async_work_t *work)
{
    int           rc;
    MDB_val       k, v;
    async_id_t    id;
    uint64_t      figures[ASYNC_HOOK_NUMBERS];
    MDB_cursor   *cursor;
    async_key_t   key;
    async_hook_t  hook;

    async_hook_counted(work, &key, figures);
    async_key_timer(&key, ASYNC_TIMER_DEAD, 0, &(async_id_t) { { 0 } });

    if (figures[ASYNC_HOOK_DEAD_N] == 0
        || (async_work_seek(work, &key, &k)
            && *(uint8_t *) k.mv_data == ASYNC_TIMER_DEAD))
    {
        return;
    }

    rc = mdb_cursor_open(work->txn, work->store->dbi[ASYNC_DB_HOOKS],
                         &cursor);

    if (rc != MDB_SUCCESS) {
        async_work_fault(work, rc);
        return;
    }

    while ((rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == MDB_SUCCESS) {

        if (k.mv_size >= sizeof(async_id_t)
            && async_hook_decode(&hook, v.mv_data, v.mv_size) == ASYNC_OK
            && hook.state == ASYNC_HOOK_DEAD)
        {
            memcpy(&id, k.mv_data, sizeof(async_id_t));
            async_key_timer(&key, ASYNC_TIMER_DEAD, 0, &id);
            async_work_put(work, &key, "", 0);
        }
    }

    mdb_cursor_close(cursor);

    if (rc != MDB_NOTFOUND) {
        async_work_fault(work, rc);
    }
}


static void
async_hook_counted(async_work_t *work, async_key_t *key, uint64_t *figures)
{
    MDB_val  v;

    memset(figures, 0, ASYNC_HOOK_NUMBERS * sizeof(uint64_t));
    async_key_stat(key, ASYNC_STAT_HOOKS);

    if (async_work_get(work, key, &v) == ASYNC_OK
        && async_count_decode(figures, ASYNC_HOOK_NUMBERS, v.mv_data,
                              v.mv_size) != ASYNC_OK)
    {
        memset(figures, 0, ASYNC_HOOK_NUMBERS * sizeof(uint64_t));
    }
}


static void
async_hook_count(async_work_t *work, async_hook_number_t n, int by)
{
    uint8_t      buf[ASYNC_COUNT_MAX];
    uint64_t     figures[ASYNC_HOOK_NUMBERS];
    async_key_t  key;

    async_hook_counted(work, &key, figures);

    if (by > 0) {
        figures[n]++;

    } else if (figures[n] > 0) {
        figures[n]--;
    }

    async_work_put(work, &key, buf,
                   async_count_encode(figures, ASYNC_HOOK_NUMBERS, buf,
                                      sizeof(buf)));
}


/* --- with its job --- */

void
async_hook_submit(async_work_t *work, const async_id_t *id,
    const async_hook_t *hook)
{
    async_hook_put(work, id, NULL, hook);
}


bool
async_hook_owes(async_work_t *work, const async_job_t *job,
    async_hook_t *hook, uint8_t *buf)
{
    return job->hooks > 0
           && async_hook_get(work, &job->id, hook, buf) == ASYNC_OK
           && async_hook_wanted(hook, (async_state_t) job->state);
}


void
async_hook_owe(async_work_t *work, const async_id_t *id,
    const async_hook_t *hook)
{
    async_hook_t  owed;

    owed = *hook;

    owed.state = ASYNC_HOOK_PENDING;
    owed.owed = work->now;
    owed.due = work->now;
    owed.tries = 0;
    owed.ended = 0;

    async_hook_put(work, id, hook, &owed);
}


bool
async_hook_again(async_work_t *work, const async_job_t *job,
    async_hook_t *hook, uint8_t *buf)
{
    if (job->hooks == 0
        || async_hook_get(work, &job->id, hook, buf) != ASYNC_OK)
    {
        return false;
    }

    hook->state = ASYNC_HOOK_WAITING;
    hook->error = ASYNC_HOOK_ERROR_NONE;
    hook->status = 0;
    hook->attempts = 0;
    hook->tries = 0;
    hook->owed = 0;
    hook->due = 0;
    hook->ended = 0;

    return true;
}


void
async_hook_drop(async_work_t *work, const async_id_t *id)
{
    uint8_t       buf[ASYNC_HOOK_MAX];
    async_key_t   key;
    async_hook_t  hook;

    if (async_hook_get(work, id, &hook, buf) == ASYNC_OK) {
        async_hook_timer(work, id, &hook, false);
    }

    async_key_hook(&key, id);
    async_work_delete(work, &key);
}


/* --- events --- */

async_rc_t
async_hook_event(async_work_t *work, const async_event_t *event,
    async_job_t *job)
{
    size_t         need;
    uint8_t        buf[ASYNC_HOOK_MAX];
    async_rc_t     rc;
    async_job_t    before;
    async_hook_t   hook, old;

    rc = job->hooks > 0 ? async_hook_get(work, &job->id, &hook, buf)
                        : ASYNC_NOT_FOUND;

    if (rc == ASYNC_OK) {
        rc = async_hook_check(work, event, job, &hook);
    }

    if (rc != ASYNC_OK) {
        return rc;
    }

    need = async_event_need(event);

    if (!async_quota_allows(work->store, work->spooled, need,
                            ASYNC_QUOTA_REST))
    {
        return ASYNC_STORE_FULL;
    }

    before = *job;
    old = hook;

    async_hook_change(work, event, &hook);

    job->seq++;
    async_hook_keep(work, job, hook.due != 0 ? hook.due : work->now);

    if (!async_hook_write(work, event, &before, job, &hook)) {
        return ASYNC_INVALID;
    }

    async_hook_put(work, &job->id, &old, &hook);
    work->store->quota->added += need;

    return work->fault;
}


/*
 * Only what the present worker says of the attempt after the last that is
 * known: one that was replaced, or that asks again after an unknown outcome,
 * must not count twice.
 */

static async_rc_t
async_hook_check(async_work_t *work, const async_event_t *event,
    const async_job_t *job, const async_hook_t *hook)
{
    if (!async_state_final((async_state_t) job->state)) {
        return ASYNC_REFUSED;
    }

    if (event->type == ASYNC_EVENT_WEBHOOK_REDELIVER) {
        return hook->state == ASYNC_HOOK_WAITING ? ASYNC_REFUSED : ASYNC_OK;
    }

    if (event->epoch != work->epoch || hook->state != ASYNC_HOOK_PENDING
        || event->attempt != hook->attempts + 1)
    {
        return ASYNC_STALE;
    }

    if (event->error >= ASYNC_HOOK_ERROR_MAX
        || (event->type == ASYNC_EVENT_WEBHOOK_FAILED && event->due <= 0))
    {
        return ASYNC_INVALID;
    }

    return ASYNC_OK;
}


static void
async_hook_change(async_work_t *work, const async_event_t *event,
    async_hook_t *hook)
{
    hook->due = 0;
    hook->ended = work->now;

    switch (event->type) {

    case ASYNC_EVENT_WEBHOOK_DELIVERED:
        hook->state = ASYNC_HOOK_DELIVERED;
        async_hook_count(work, ASYNC_HOOK_DELIVERED_N, 1);
        break;

    case ASYNC_EVENT_WEBHOOK_DEAD:
        hook->state = ASYNC_HOOK_DEAD;
        async_hook_count(work, ASYNC_HOOK_GIVEN_UP_N, 1);
        break;

    case ASYNC_EVENT_WEBHOOK_FAILED:
        hook->due = event->due;
        hook->ended = 0;
        async_hook_count(work, ASYNC_HOOK_FAILED_N, 1);
        break;

    default:
        hook->state = ASYNC_HOOK_PENDING;
        hook->owed = work->now;
        hook->due = work->now;
        hook->ended = 0;
        hook->tries = 0;
        return;
    }

    hook->attempts++;
    hook->tries++;
    hook->error = event->error;
    hook->status = event->status;
}


/* the result for its retention from then on, what is known of it likewise */

static void
async_hook_keep(async_work_t *work, async_job_t *job, int64_t until)
{
    uint64_t        kept, known;
    async_policy_t  policy;

    async_work_policy(work, job->policy, &policy);

    kept = job->state == ASYNC_STATE_FAILED ? policy.retain_failed
                                            : policy.retain_result;
    known = policy.retain_history > kept ? policy.retain_history : kept;

    if (!(job->flags & ASYNC_JOB_SWEPT)
        && job->expires < until + (int64_t) kept)
    {
        job->expires = until + (int64_t) kept;
    }

    if (job->due < until + (int64_t) known) {
        job->due = until + (int64_t) known;
    }
}


static bool
async_hook_write(async_work_t *work, const async_event_t *event,
    const async_job_t *before, async_job_t *job, const async_hook_t *hook)
{
    size_t         len, trail_len;
    uint8_t        buf[ASYNC_JOB_MAX], trail[ASYNC_TRAIL_MAX];
    async_key_t    key;
    async_trail_t  line;

    memset(&line, 0, sizeof(async_trail_t));

    line.event = (uint8_t) event->type;
    line.state = job->state;
    line.at = async_event_time(work, before);
    line.by = event->by;

    if (event->type != ASYNC_EVENT_WEBHOOK_REDELIVER) {
        line.attempt = hook->attempts;
        line.error = event->error;
        line.status = event->status;
        line.duration = event->duration;
    }

    len = async_job_encode(job, buf, sizeof(buf));
    trail_len = async_trail_encode(&line, trail, sizeof(trail));

    if (len == 0 || trail_len == 0) {
        return false;
    }

    async_key_job(&key, &job->id);
    async_work_put(work, &key, buf, len);

    async_event_log(work, job, trail, trail_len);
    async_place_move(work, before, job);

    return true;
}


/* nothing was tried: its host is left alone for a while, or its job is gone */

async_rc_t
async_hook_put_off(async_work_t *work, const async_event_t *event)
{
    uint8_t       buf[ASYNC_HOOK_MAX];
    async_rc_t    rc;
    async_hook_t  hook, old;

    rc = async_hook_get(work, &event->id, &hook, buf);

    if (rc != ASYNC_OK) {
        return rc;
    }

    if (event->epoch != work->epoch || hook.state != ASYNC_HOOK_PENDING) {
        return ASYNC_STALE;
    }

    if (event->due <= 0) {
        return ASYNC_INVALID;
    }

    old = hook;
    hook.due = event->due;

    async_hook_put(work, &event->id, &old, &hook);

    return work->fault;
}


/* --- retention --- */

/*
 * A job whose webhook is pending keeps its result, however late the webhook
 * is: nobody may have looked for as long as the result was to be kept.
 */

bool
async_hook_hold(async_work_t *work, async_job_t *job)
{
    size_t        len;
    uint8_t       buf[ASYNC_HOOK_MAX], record[ASYNC_JOB_MAX];
    async_key_t   key;
    async_job_t   before;
    async_hook_t  hook;

    if (job->hooks == 0
        || async_hook_get(work, &job->id, &hook, buf) != ASYNC_OK
        || hook.state != ASYNC_HOOK_PENDING)
    {
        return false;
    }

    before = *job;

    if (!(job->flags & ASYNC_JOB_SWEPT)) {
        job->expires = work->now + ASYNC_HOOK_HELD;
    }

    if (job->due < work->now + ASYNC_HOOK_HELD) {
        job->due = work->now + ASYNC_HOOK_HELD;
    }

    len = async_job_encode(job, record, sizeof(record));

    if (len == 0) {
        *job = before;
        return false;
    }

    async_key_job(&key, &job->id);
    async_work_put(work, &key, record, len);
    async_place_move(work, &before, job);

    return true;
}


/* rows of timers that no sound webhook says of itself: they come first */

unsigned
async_hook_aside(async_work_t *work, unsigned max)
{
    uint8_t       buf[ASYNC_HOOK_MAX];
    MDB_val       row;
    unsigned      n;
    async_id_t    id;
    async_key_t   first, key;
    async_hook_t  hook;

    async_key_timer(&first, ASYNC_TIMER_HOOK, 0, &(async_id_t) { { 0 } });

    for (n = 0;
         n < max && async_work_seek(work, &first, &row)
         && row.mv_size == first.len
         && *(uint8_t *) row.mv_data == ASYNC_TIMER_HOOK;
         n++)
    {
        key.db = ASYNC_DB_TIMERS;
        key.len = row.mv_size;
        memcpy(key.bytes, row.mv_data, row.mv_size);
        async_key_id(&row, &id);

        if (async_hook_get(work, &id, &hook, buf) == ASYNC_OK
            && hook.state == ASYNC_HOOK_PENDING
            && (uint64_t) hook.due == async_get_be64(key.bytes + 1))
        {
            break;
        }

        async_work_delete(work, &key);
    }

    return n;
}


/* --- a clock that was set back, see async_store_rewind() --- */

unsigned
async_hook_rewind(async_work_t *work, int64_t jump, unsigned max)
{
    uint8_t       buf[ASYNC_HOOK_MAX];
    MDB_val       row;
    size_t        i;
    unsigned      n, moved;
    async_id_t    id;
    async_key_t   key;
    async_hook_t  hook, old;

    async_key_timer(&key, ASYNC_TIMER_HOOK, work->now + 1,
                    &(async_id_t) { { 0 } });

    moved = 0;

    for (n = 0; n < max && async_work_seek(work, &key, &row)
                && row.mv_size == key.len
                && *(uint8_t *) row.mv_data == ASYNC_TIMER_HOOK; n++)
    {
        memcpy(key.bytes, row.mv_data, key.len);
        async_key_id(&row, &id);

        for (i = key.len; i-- > 0 && ++key.bytes[i] == 0; /* void */) {
            /* void */
        }

        if (async_hook_get(work, &id, &hook, buf) != ASYNC_OK
            || hook.state != ASYNC_HOOK_PENDING)
        {
            continue;
        }

        old = hook;

        /* no wait is longer than that of a Retry-After, which is a day */

        if (jump != ASYNC_REWIND_UNKNOWN) {
            hook.due += jump;

        } else if (hook.due <= work->now + 2 * ASYNC_RETRY_AFTER_MAX) {
            continue;

        } else {
            hook.due = work->now;
        }

        hook.due = hook.due > work->now ? hook.due : work->now + 1;
        async_hook_put(work, &id, &old, &hook);
        moved++;
    }

    return moved;
}
