/*
 * Whether a queue may start a job now: not while it is paused, and with a
 * rate only at its pace.  What that takes is a row of its own, since a
 * queue's figures are made anew when they are in doubt.  It lies among what
 * nginx.conf said, so that a paused queue is paused also in a salvaged store.
 */

#include <string.h>

#include "async_work.h"


/*
 * The worker wakes a little late, and starts what was due in between: with
 * an interval of 10 ms or more never more than one after another, so that a
 * second sees one start more than the rate at most; below that, what 20 ms
 * hold.
 */
#define ASYNC_GATE_SLACK  20000              /* us */
#define ASYNC_GATE_FINE   10000              /* us */


typedef struct {
    async_str_t  queue;
    bool         paused;
} async_gate_said_t;


static async_rc_t async_gate_write(async_store_t *store, void *data,
    async_error_t *err);
static void async_gate_load(async_work_t *work, async_tally_t *tally);
static void async_gate_put(async_work_t *work, async_str_t queue, bool paused,
    uint64_t next);


bool
async_gate_open(async_work_t *work, async_tally_t *tally, int64_t *opens)
{
    int64_t   due;
    uint64_t  now;

    async_gate_load(work, tally);

    if (tally->paused || tally->interval == 0) {
        return !tally->paused;
    }

    now = (uint64_t) work->now * 1000;

    /* further away than the pace allows: the clock or the rate was set */

    if (tally->next <= now || tally->next > now + tally->interval) {
        return true;
    }

    due = (int64_t) ((tally->next + 999) / 1000);

    if (*opens == 0 || due < *opens) {
        *opens = due;
    }

    return false;
}


void
async_gate_pass(async_work_t *work, async_tally_t *tally)
{
    uint64_t     now, slack, from;
    async_str_t  queue;

    if (tally->interval == 0) {
        return;
    }

    now = (uint64_t) work->now * 1000;
    slack = ASYNC_GATE_SLACK;

    if (tally->interval >= ASYNC_GATE_FINE && tally->interval <= slack) {
        slack = tally->interval - 1;
    }

    from = tally->next <= now ? tally->next : now;

    if (from + slack < now) {
        from = now - slack;
    }

    tally->next = from + tally->interval;

    queue.data = (const char *) tally->key.bytes;
    queue.len = tally->key.len;

    async_gate_put(work, queue, tally->paused, tally->next);
}


static void
async_gate_load(async_work_t *work, async_tally_t *tally)
{
    MDB_val      v;
    uint64_t     n[ASYNC_GATE_NUMBERS];
    async_str_t  queue;
    async_key_t  key;

    if (tally->gate) {
        return;
    }

    queue.data = (const char *) tally->key.bytes;
    queue.len = tally->key.len;

    async_key_gate(&key, queue);

    if (async_work_get(work, &key, &v) == ASYNC_OK
        && async_count_decode(n, ASYNC_GATE_NUMBERS, v.mv_data, v.mv_size)
           == ASYNC_OK)
    {
        tally->paused = n[ASYNC_GATE_PAUSED] != 0;
        tally->next = n[ASYNC_GATE_NEXT];
    }

    tally->gate = true;
}


static void
async_gate_put(async_work_t *work, async_str_t queue, bool paused,
    uint64_t next)
{
    uint8_t      buf[ASYNC_COUNT_MAX];
    uint64_t     n[ASYNC_GATE_NUMBERS];
    async_key_t  key;

    n[ASYNC_GATE_PAUSED] = paused;
    n[ASYNC_GATE_NEXT] = next;

    async_key_gate(&key, queue);
    async_work_put(work, &key, buf,
                   async_count_encode(n, ASYNC_GATE_NUMBERS, buf,
                                      sizeof(buf)));
}


/* what nginx.conf says counts at the first appearance of a queue only */

void
async_gate_first(async_work_t *work, const async_queue_t *queue)
{
    MDB_val      v;
    async_key_t  key;

    async_key_gate(&key, queue->name);

    if (queue->paused && async_work_get(work, &key, &v) == ASYNC_NOT_FOUND) {
        async_gate_put(work, queue->name, true, 0);
    }
}


async_rc_t
async_store_pause(async_store_t *store, async_str_t queue, bool paused,
    async_error_t *err)
{
    async_gate_said_t  said;

    if (queue.len == 0 || queue.len > ASYNC_QUEUE_MAX) {
        async_error_set(err, "a queue's name has 1 to %d bytes",
                        ASYNC_QUEUE_MAX);
        return ASYNC_NOT_FOUND;
    }

    said.queue = queue;
    said.paused = paused;

    return async_scribe_run(store, async_gate_write, &said, err);
}


/* scribe */

static async_rc_t
async_gate_write(async_store_t *store, void *data, async_error_t *err)
{
    MDB_val             v;
    async_rc_t          rc;
    async_key_t         key, count;
    async_work_t        work;
    async_tally_t      *tally;
    async_gate_said_t  *said = data;

    rc = async_work_begin(&work, store, 0, ASYNC_DOOR_WAIT, err);

    if (rc != ASYNC_OK) {
        return rc;
    }

    async_key_queue(&key, said->queue);
    async_key_count(&count, said->queue);

    if (async_work_get(&work, &key, &v) == ASYNC_NOT_FOUND
        && async_work_get(&work, &count, &v) == ASYNC_NOT_FOUND)
    {
        async_work_abort(&work);
        async_error_set(err, "there is no queue \"%.*s\"",
                        (int) said->queue.len, said->queue.data);
        return ASYNC_NOT_FOUND;
    }

    tally = async_work_tally(&work, said->queue);

    if (tally != NULL) {
        async_gate_load(&work, tally);

        if (tally->paused != said->paused) {
            async_gate_put(&work, said->queue, said->paused, tally->next);
        }
    }

    return async_work_commit(&work, err);
}
