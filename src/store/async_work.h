/*
 * Private to src/store: a write transaction behind the door.
 *
 * Two kinds of failure are kept apart.  What is wrong with one event is that
 * event's result, found before its first write.  What goes wrong in LMDB is
 * the fault of the whole transaction: it is noted in the work, every later
 * write is skipped, and the commit becomes an abort.
 */

#ifndef ASYNC_WORK_H
#define ASYNC_WORK_H

#include "async_db.h"
#include "async_hook.h"


/* a spool file that no job names once the transaction is committed */
typedef struct {
    async_id_t            id;
    async_payload_kind_t  kind;
} async_gone_t;

typedef struct async_submit_s  async_submit_t;

typedef struct {
    async_store_t  *store;
    MDB_txn        *txn;
    int64_t         now;             /* unix ms */
    uint64_t        epoch;           /* of meta */
    uint64_t        feed;            /* newest number */
    uint64_t        fed;             /* entries written here */
    uint64_t        spooled;         /* bytes in spool/, accounted */
    bool            spooled_changed;
    uint64_t        bucket;          /* the newest; 0 = not looked at */
    uint64_t        bucket_jobs;     /* in it */
    bool            bucket_changed;
    unsigned        probes;          /* buckets seen by the last look */
    unsigned        ntallies;        /* used of store->tallies */
    unsigned        nlearned;        /* used of store->learned */
    async_gone_t   *gone;
    unsigned        ngone;
    bool            recount;         /* the figures are wrong somewhere */
    bool            recounting;
    bool            changed;         /* there is something to commit */
    MDB_cursor     *place;           /* of async_work_stay(), or NULL */
    async_db_t      place_db;
    async_submit_t *submits;         /* see async_submit_rows() */
    async_submit_t *submitted;       /* the last of them */
    uint64_t        events;          /* applied, and jobs claimed */
    async_rc_t      fault;
    async_guard_t   guard;           /* the last: begun before the rest */
} async_work_t;


#define ASYNC_WORK_INSIDE  (-1)      /* wait_ms: the door is open already */

/*
 * Takes the door and begins.  After ASYNC_OK one of the two below must
 * follow, in the same thread and function: a damaged page in between leads
 * back here, with an error, and all of it is undone.
 */
#define async_work_begin(work, store, now, wait_ms, err)                     \
    (async_guard_begin(&(work)->guard),                                      \
     sigsetjmp((work)->guard.back, 0) == 0                                   \
     ? async_work_enter(work, store, now, wait_ms, err)                      \
     : async_work_damaged(work, err))

async_rc_t async_work_enter(async_work_t *work, async_store_t *store,
    int64_t now, int64_t wait_ms, async_error_t *err);
async_rc_t async_work_damaged(async_work_t *work, async_error_t *err);
/* commits, or aborts if nothing changed or there was a fault */
async_rc_t async_work_commit(async_work_t *work, async_error_t *err);
void async_work_abort(async_work_t *work);

/* notes what LMDB said, if it is the first */
void async_work_fault(async_work_t *work, int rc);
/* ASYNC_OK or ASYNC_NOT_FOUND, and any fault; value lives until a write */
async_rc_t async_work_get(async_work_t *work, const async_key_t *key,
    MDB_val *value);
void async_work_put(async_work_t *work, const async_key_t *key,
    const void *data, size_t len);
/* false if the key is there already */
bool async_work_add(async_work_t *work, const async_key_t *key,
    const void *data, size_t len);
void async_work_delete(async_work_t *work, const async_key_t *key);
/*
 * From here on a row that is put into db is looked for near the one before:
 * for many rows in the order of their keys.  Until async_work_leave() nothing
 * is deleted there.
 */
void async_work_stay(async_work_t *work, async_db_t db);
void async_work_leave(async_work_t *work);
/* deletes a row as it was read */
void async_work_delete_row(async_work_t *work, async_db_t db, MDB_val row);
/*
 * The first row of db that is not below key; false if there is none.  The
 * value is not wanted.  row lives until a write.
 */
bool async_work_seek(async_work_t *work, const async_key_t *key,
    MDB_val *row);

/* the figures of a queue; NULL is a fault.  Valid until the next call */
async_tally_t *async_work_tally(async_work_t *work, async_str_t queue);
/* makes the figures of all queues anew, from the index rows */
void async_work_recount(async_work_t *work);
/* writes what has changed of them */
void async_tally_end(async_work_t *work);

/* a job's record, copied to buf (ASYNC_JOB_MAX bytes) and decoded */
async_rc_t async_work_job(async_work_t *work, const async_id_t *id,
    async_job_t *job, uint8_t *buf);
/* a location's policy; what is not there is replaced by the defaults */
void async_work_policy(async_work_t *work, const uint8_t *key,
    async_policy_t *policy);

/* writes a body or head in chunks */
void async_work_chunks(async_work_t *work, const async_id_t *id,
    async_payload_kind_t kind, async_str_t bytes);


/* --- a submit, async_submit.c --- */

/* a new job's record and first history line, made before the door */
struct async_submit_s {
    const async_event_t  *event;
    async_job_t           job;       /* its strings are the event's */
    uint8_t              *record;
    size_t                len;       /* 0: the event is invalid */
    uint8_t              *trail;
    size_t                trail_len;
    size_t                need;      /* bytes of the map */
    uint64_t              number;    /* in the feed */
    async_submit_t       *next;      /* of those that lack rows */
};

/* buf has room for ASYNC_JOB_MAX + ASYNC_TRAIL_MAX; returns its new end */
uint8_t *async_event_prepare(const async_event_t *event, int64_t now,
    async_submit_t *submit, uint8_t *buf);
/* with ASYNC_EXISTS and ASYNC_KEY_REUSED, event->id is that of the other */
async_rc_t async_event_submit(async_work_t *work, async_event_t *event,
    async_submit_t *submit);
/*
 * The rows that jobs still lack: who submits does not look at them, but
 * nothing else may be done before they are there.
 */
void async_submit_rows(async_work_t *work);
/* what a new job is known by, and what it counts for */
void async_event_enter(async_work_t *work, const async_job_t *job,
    async_tally_t *tally);


/* --- async_retry.c --- */

/* with ASYNC_EXISTS, event->as is that of the other */
async_rc_t async_event_retry(async_work_t *work, async_event_t *event);


/* --- every other event, async_event.c --- */

/* an event of a caller: decodes the job and checks the fence */
async_rc_t async_event_apply(async_work_t *work, async_event_t *event);
/* an event upon a job that was decoded: no fence, no quota */
async_rc_t async_event_move(async_work_t *work, const async_event_t *event,
    async_job_t *job);
/* unix ms of what happens to a job now: not before its last line */
int64_t async_event_time(async_work_t *work, const async_job_t *job);
/* a line of history of an event, as what it was taken; 0: it cannot be one */
size_t async_event_trail(const async_event_t *event, async_event_type_t type,
    const async_job_t *job, int64_t now, uint8_t *buf, size_t cap);
/* that of job->seq, and the word of it to those who watch; or one of both */
void async_event_log(async_work_t *work, const async_job_t *job,
    const uint8_t *trail, size_t len);
void async_event_line(async_work_t *work, const async_job_t *job,
    const uint8_t *trail, size_t len);
void async_event_word(async_work_t *work, const async_job_t *job);
/* a body that is in a file now */
void async_event_spooled(async_work_t *work, const async_body_t *body);


/* --- async_event_size.c --- */

/* bytes come along if, and only if, they are to lie in chunks */
bool async_event_body(const async_body_t *body, async_str_t bytes);
/* bytes of the map; what goes to the spool is accounted apart */
size_t async_event_need(const async_event_t *event);
/* bytes of the spool */
uint64_t async_event_file(const async_body_t *body);
/* bytes of the map that a value takes */
size_t async_event_stored(size_t len);


/* --- async_cancel.c --- */

/* CANCEL_REQUESTED of a client */
async_rc_t async_cancel_request(async_work_t *work,
    const async_event_t *event, async_job_t *job);
/*
 * event, or what stands for it if the job is to be canceled, and event would
 * lead to another attempt, or says that nobody knows what came of this one.
 */
const async_event_t *async_cancel_instead(const async_event_t *event,
    const async_job_t *job, async_event_t *instead);


/* --- async_report.c --- */

/* whether a report changes the job now, and the reason where it does not:
   ASYNC_OK with *news false means that there is nothing to do */
async_rc_t async_report_check(const async_work_t *work, async_event_t *event,
    const async_job_t *job, bool *news);
/* PROGRESSED in the record, job->seq being its line */
void async_report_change(const async_event_t *event, async_job_t *job,
    int64_t now);
/* any other event: what was reported belongs to an attempt that runs */
void async_report_leave(const async_job_t *before, async_job_t *job);
/* the line that was replaced, or whose attempt is over */
void async_report_thin(async_work_t *work, const async_job_t *before,
    const async_job_t *job);
/* a record with a message that leaves no room is written with less of it */
size_t async_report_encode(async_job_t *job, uint8_t *buf, size_t cap);


/* --- async_known.c --- */

/*
 * The job that was accepted under a key, and the print that it came with:
 * ASYNC_OK, ASYNC_NOT_FOUND, or the fault.
 */
async_rc_t async_known_find(async_work_t *work,
    const uint8_t hash[ASYNC_SUBMIT_HASH], async_id_t *id,
    uint8_t print[ASYNC_SUBMIT_PRINT]);
/* the bucket that new rows go into, now, and for one job more */
uint64_t async_known_newest(async_work_t *work);
uint64_t async_known_bucket(async_work_t *work);
/* the rows of a new job, in keys and in owners, and all of one to be gone */
void async_known_put(async_work_t *work, const async_job_t *job);
void async_known_drop(async_work_t *work, const async_job_t *job);
/* what a job that has ended gives up of its keys, in the record; of further
   ones async_known_find() does not know from then on */
void async_known_end(async_job_t *job);
/* and the rows of it */
void async_known_move(async_work_t *work, const async_job_t *before,
    const async_job_t *after);
/* writes what is to be remembered of the buckets */
void async_known_finish(async_work_t *work);


/* --- async_joined.c --- */

/* an idempotency key, not known yet, names an unfinished job that has a
   coalescing key: in its record, or in rows besides */
async_rc_t async_joined_bind(async_work_t *work, const async_id_t *id,
    const async_submit_key_t *from);
/* the rows of one besides */
void async_joined_row(async_work_t *work, const async_id_t *id,
    const uint8_t hash[ASYNC_SUBMIT_HASH],
    const uint8_t print[ASYNC_SUBMIT_PRINT]);
/* removes those of a job, at most max keys; how many they were */
unsigned async_joined_drop(async_work_t *work, const async_id_t *id,
    unsigned max);


/* --- async_owner.c --- */

/* the owner's unfinished jobs in the queue */
uint64_t async_owner_jobs(async_work_t *work, async_str_t owner,
    async_str_t queue);
/* one unfinished job more, or (by < 0) less */
void async_owner_count(async_work_t *work, const async_job_t *job, int by);
/* is there any figure of an owner? */
bool async_owner_counts(async_work_t *work);
/* no owner has any */
void async_owner_forget(async_work_t *work);


/* --- async_place.c --- */

/*
 * The job that stands in a row of timers or running, into buf
 * (ASYNC_JOB_MAX bytes); false if there is no sound one that says so itself.
 */
bool async_place_job(async_work_t *work, const async_key_t *row,
    async_job_t *job, uint8_t *buf);
/* the index rows of a new job: that of its state, and where it waits, number
   being that of its word in the feed */
void async_place_state(async_work_t *work, const async_job_t *job);
void async_place_wait(async_work_t *work, const async_job_t *job,
    uint64_t number);
/* the index rows of a job whose record changed */
void async_place_move(async_work_t *work, const async_job_t *before,
    const async_job_t *after);
/* a job in this state more, or (by < 0) less */
void async_place_count(async_tally_t *tally, uint8_t state, int by);

/* --- async_learn.c --- */

/* a job of that location (0 = not known) was completed by an attempt of so
   many ms */
void async_learn_run(async_work_t *work, const async_job_t *job,
    uint64_t location, uint64_t duration);
/* writes what was learned in this transaction */
void async_learn_end(async_work_t *work);

/* --- async_meter.c: what becomes of jobs, counted --- */

/* one that is new; how is ASYNC_SUBMIT_ACCEPTED or ASYNC_SUBMIT_RETRIED */
void async_meter_enter(async_work_t *work, async_tally_t *tally,
    unsigned how);
/* an event that was applied: the job is as it is after it */
void async_meter_event(async_work_t *work, async_tally_t *tally,
    const async_event_t *event, const async_job_t *before,
    const async_job_t *job);
/* writes what was counted of a queue */
void async_meter_end(async_work_t *work, async_tally_t *tally);

/* --- async_sweep.c --- */

void async_sweep_run(async_work_t *work, async_sweep_t *sweep);
/* all of a job that has ended; how many rows that were, about */
unsigned async_work_forget(async_work_t *work, const async_job_t *job);
/* deletes what is stored of a job's messages, kinds from..to, its files too;
   how many rows that were.  The job's record is the caller's */
unsigned async_work_drop(async_work_t *work, const async_job_t *job,
    async_payload_kind_t from, async_payload_kind_t to);
/* a body that its job no longer names: its file goes after the commit */
void async_work_gone(async_work_t *work, const async_id_t *id,
    async_payload_kind_t kind, const async_body_t *body);
/* the end of that list: the files too go if it was committed */
void async_work_gone_end(async_work_t *work, bool committed);

/* --- async_seal.c --- */

/*
 * A batch whose payloads are encrypted, as far as the store encrypts: a copy,
 * whose results async_seal_end() puts into the one that was given.
 */
typedef struct {
    async_batch_t  *given;
    async_batch_t   batch;
    void           *memory;          /* NULL: there was nothing to encrypt */
} async_sealed_t;

async_rc_t async_seal_begin(async_sealed_t *sealed,
    const async_store_t *store, async_batch_t *batch, async_error_t *err);
/* results go to the batch that was given; end frees as well */
void async_seal_results(async_sealed_t *sealed);
void async_seal_end(async_sealed_t *sealed);

/* --- async_fire.c --- */

/* the state of a schedule; buf has ASYNC_SCHEDULE_STATE bytes */
async_rc_t async_fire_state(async_work_t *work, async_str_t name,
    async_schedule_state_t *state, uint8_t *buf);
void async_fire_put(async_work_t *work, const async_schedule_state_t *state);
/* tells the worker that what is due may have changed */
void async_fire_changed(async_work_t *work);
/* ASYNC_STALE: it was fired already, or moved */
async_rc_t async_fire_check(async_work_t *work, const async_event_t *event);
void async_fire_done(async_work_t *work, const async_event_t *event);
/* a job has ended: if a schedule made it, that remembers how */
void async_fire_ended(async_work_t *work, const async_job_t *job);

/* --- async_schedule_view.c --- */

/* room for async_schedule_seal() */
size_t async_schedule_sealed_size(const async_schedule_t *s);
/* its record, encrypted as the store encrypts now */
async_rc_t async_schedule_seal(const async_store_t *store,
    const async_schedule_t *s, uint8_t *buf, size_t cap, size_t *len);

/* --- async_gate.c --- */

/* whether a queue may start a job now; if it may later, *opens becomes the
   unix ms of that, unless it is earlier */
bool async_gate_open(async_work_t *work, async_tally_t *tally,
    int64_t *opens);
/* it starts one */
void async_gate_pass(async_work_t *work, async_tally_t *tally);
/* a queue that was not known before */
void async_gate_first(async_work_t *work, const async_queue_t *queue);

/* --- async_hook_apply.c: webhooks --- */

/* of a new job */
void async_hook_submit(async_work_t *work, const async_id_t *id,
    const async_hook_t *hook);
/* the webhook of a job that ends, if that end is told; buf has
   ASYNC_HOOK_MAX bytes */
bool async_hook_owes(async_work_t *work, const async_job_t *job,
    async_hook_t *hook, uint8_t *buf);
/* it is due from now on */
void async_hook_owe(async_work_t *work, const async_id_t *id,
    const async_hook_t *hook);
/* that of a job that is to be repeated, as it was before its job ended */
bool async_hook_again(async_work_t *work, const async_job_t *job,
    async_hook_t *hook, uint8_t *buf);
/* all of it */
void async_hook_drop(async_work_t *work, const async_id_t *id);
/* ASYNC_EVENT_WEBHOOK_* */
async_rc_t async_hook_event(async_work_t *work, const async_event_t *event,
    async_job_t *job);
/* WEBHOOK_FAILED with attempt 0 */
async_rc_t async_hook_put_off(async_work_t *work,
    const async_event_t *event);
/* true: it is pending, and the job is kept a while longer */
bool async_hook_hold(async_work_t *work, async_job_t *job);
/* removes rows of timers that are nobody's; how many */
void async_hook_list_dead(async_work_t *work);
unsigned async_hook_aside(async_work_t *work, unsigned max);
unsigned async_hook_rewind(async_work_t *work, int64_t jump, unsigned max);

/* --- async_claim.c --- */

async_rc_t async_claim_run(async_work_t *work,
    async_claim_request_t *request);


#endif /* ASYNC_WORK_H */
