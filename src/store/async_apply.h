/*
 * The one door for writes.  A batch of events, and a claim, become one LMDB
 * transaction: new states, indices, history, feed, counters together, or
 * nothing of them.  Deterministic: now and every random byte come in.  (If
 * the store has keys, payload is encrypted before, and that takes salts from
 * the kernel.)
 *
 * In front of LMDB's own lock stands the door, a robust process-shared mutex
 * that can be waited for with a limit (LMDB's cannot, and a stopped process
 * may hold it).  After the commit the doorbell is rung.
 */

#ifndef ASYNC_APPLY_H
#define ASYNC_APPLY_H

#include "async_hook.h"
#include "async_store.h"
#include "async_trail.h"


/*
 * Payload that travels with an event; all borrowed until the call returns.
 * It is in the clear, whatever the store makes of it; only a body that is in
 * spool/ already was encrypted there, and then its head is as well.
 */
typedef struct {
    async_str_t   head;          /* encoded REQUEST or RESPONSE record */
    async_str_t   capture;       /* encoded CAPTURE record (submit only) */
    async_str_t   body;          /* bytes, where job body is in chunks and the
                                    bytes are not in the store already */
} async_payload_t;


/*
 * What a submit is known by besides its id (contract, section 3).  hash is
 * SHA-256 of everything that makes two of them one: the kind, the server
 * block, the owner or who stands in for him, and the key itself.
 */
typedef struct {
    bool      used;
    uint8_t   hash[ASYNC_SUBMIT_HASH];
    uint8_t   print[ASYNC_SUBMIT_PRINT];   /* of method, URI and body; of an
                                              idempotency key only */
    uint64_t  ttl;                         /* ms, the same */
} async_submit_key_t;


typedef struct async_firing_s  async_firing_t;

/*
 * An event.  Which fields count depends on type:
 *
 *   SUBMITTED         job (whole record but state, seq, queued), payload,
 *                     idempotency, coalesce, hook; due: not before, and after
 *                     now it is SCHEDULED until then.  With ASYNC_EXISTS id
 *                     is that of the job that was accepted before.  firing:
 *                     of a schedule, see async_schedules.h
 *   STARTED           never given: made by a claim
 *   RELEASED          id, epoch, attempt, sent, due (parked until then; 0 =
 *                     ready)
 *   INTERRUPTED       id, epoch, attempt: back to the queue, death + 1, and
 *                     an attempt more allowed
 *   ATTEMPT_FAILED    id, epoch, attempt, due, error, detail, status,
 *                     duration: tried again when due
 *   COMPLETED         id, epoch, attempt, status, response, payload,
 *                     resource, duration
 *   FAILED            the same, error, detail; response.where may be NONE.
 *                     With error START_TIMEOUT: id, epoch; it is one that
 *                     waits, and past its deadline, else ASYNC_STALE
 *   CANCEL_REQUESTED  id, no fence: what a client asks.  One that waits is
 *                     canceled, one that runs is marked for its worker
 *                     (ASYNC_JOB_CANCEL_WANTED), one that was canceled, or
 *                     is marked, stays as it is: ASYNC_OK.  ASYNC_REFUSED if
 *                     it completed or failed, or runs and waits is set.  Its
 *                     record says which
 *   CANCELED          id, epoch, attempt, sent, duration: its worker stopped
 *                     it.  RELEASED, INTERRUPTED and ATTEMPT_FAILED of a job
 *                     that is marked come to the same, and FAILED with
 *                     OUTCOME_UNKNOWN
 *   FORGOTTEN         id, no fence: all of a job that has ended is removed, as
 *                     its retention would in the end.  ASYNC_REFUSED if it
 *                     has not ended
 *   PROGRESSED        id, attempt, percent, message (has_message), received:
 *                     what the backend of that attempt reports.  ASYNC_EARLY
 *                     if it comes too soon after others: due is when it may
 *                     come again.  One that is older than the one that is
 *                     shown, or says the same, changes nothing: ASYNC_OK.
 *                     ASYNC_REFUSED if the job has ended, ASYNC_STALE if
 *                     another attempt runs, or none
 *   WEBHOOK_DELIVERED
 *   WEBHOOK_FAILED    id, epoch, attempt (of the webhook: those before and
 *   WEBHOOK_DEAD      this one), error (async_hook_error_t), status,
 *                     duration; FAILED: due.  FAILED with attempt 0: none was
 *                     made, it is put off until due, and no line says so
 *   WEBHOOK_REDELIVER id, no fence: due now, whatever became of it.
 *                     ASYNC_NOT_FOUND if it has none, ASYNC_REFUSED if its
 *                     job has not ended
 *   RETRIED           made by async_store_retry()
 *   others            refused until they are built
 */
typedef struct {
    async_event_type_t   type;
    async_id_t           id;
    async_id_t           as;          /* of the job that is made of it */
    bool                 waits;       /* only if it does not run */
    uint64_t             epoch;       /* fence: what the claim said; it must
                                         also be the present one */
    uint32_t             attempt;     /* fence */
    int64_t              due;
    uint16_t             status;      /* HTTP status of the response */
    uint8_t              error;       /* async_job_error_t */
    bool                 sent;        /* the backend may have got bytes of the
                                         request */
    uint64_t             duration;    /* ms */
    uint8_t              percent;     /* or ASYNC_NO_PERCENT */
    bool                 has_message;
    async_str_t          message;     /* UTF-8, may be empty */
    int64_t              received;    /* unix us */
    int64_t              deadline;    /* CLOCK_MONOTONIC ms; past it when the
                                         door is open: ASYNC_LATE, not
                                         applied; 0 = none */
    const async_job_t   *job;
    const async_firing_t
                        *firing;      /* or NULL */
    async_submit_key_t   idempotency;
    async_submit_key_t   coalesce;
    const async_hook_t  *hook;        /* NULL: none is owed; WAITING */
    async_payload_t      payload;
    async_body_t         response;
    async_str_t          resource;
    async_str_t          detail;
    async_str_t          by;          /* "client", "worker", "backend",
                                         "cli:user", … */

    async_rc_t           rc;          /* out: for this event alone */
    bool                 joined;      /* out, with ASYNC_EXISTS: by coalesce;
                                         an idempotency key that was not known
                                         names that job from now on */
} async_event_t;


/* a job that was not started in time */
typedef struct {
    async_id_t  id;
    uint32_t    attempt;               /* of the last that there was */
    int64_t     queued;                /* unix ms */
    char        queue[ASYNC_QUEUE_MAX + 1];
} async_overdue_t;

/* a job claimed for execution; strings live in its own buffer */
typedef struct {
    async_job_t     job;              /* PROCESSING, attempt counted */
    async_policy_t  policy;
    uint8_t         buf[ASYNC_JOB_MAX];
} async_claim_t;

/*
 * What a worker wants.  Servers in skip do not answer: their jobs are parked
 * instead of claimed, and not looked at again until a claim whose skip does
 * not name their server.  A job whose request is encrypted with a key that
 * the store was not given is parked for a while, too, and looked at again.
 */
typedef struct {
    uint64_t         epoch;           /* mine; ASYNC_STALE if another took
                                         over */
    const uint64_t  *skip;
    unsigned         nskip;
    bool             doubt;           /* the clock jumped: no start deadline
                                         has passed by it */

    async_claim_t   *claims;          /* room for max */
    unsigned         max;
    unsigned         n;               /* out */
    int64_t          next_due;        /* out: unix ms of the earliest timer,
                                         or when a queue's rate lets the next
                                         job go, 0 = none */
    async_overdue_t *late;            /* out: not started in time, and failed;
                                         room for max_late, at which the claim
                                         stops; NULL: they are not told */
    unsigned         max_late;
    unsigned         nlate;           /* out */
    unsigned         locked;          /* out: parked for want of a key */
    uint8_t          locked_key[ASYNC_KEY_ID];    /* out: the last of them */
    bool             more;            /* out: there was work that the limit
                                         max (not the queues') left */
} async_claim_request_t;

/*
 * A slice of what retention removes (at most about 1,000 rows or 5 ms).  Not
 * while the clock is in doubt: what is gone does not come back.
 */
typedef struct {
    uint64_t  epoch;                  /* as in a claim */
    bool      tight;                  /* the store's own: the map is full, one
                                         job at a time */
    unsigned  rows;                   /* out: rows removed, about */
    unsigned  results;                /* out: jobs that lost their payload */
    unsigned  jobs;                   /* out: jobs that are forgotten */
    bool      more;                   /* out: the limit left some */
} async_sweep_t;

typedef struct {
    async_event_t          *events;
    unsigned                n;
    async_claim_request_t  *claim;     /* or NULL */
    async_sweep_t          *sweep;     /* or NULL */
    int64_t                 now;       /* unix ms */
    int64_t                 wait_ms;   /* for the door; 0 = 2,000 */
} async_batch_t;


/*
 * ASYNC_OK: committed; look at each event's rc.  ASYNC_BUSY, ASYNC_STORE_FULL,
 * ASYNC_UNAVAILABLE: definite, nothing was written; so is ASYNC_STALE, when
 * claim or sweep are not of the present epoch.  ASYNC_UNKNOWN: the commit
 * itself failed, and this process writes no more.  If not ASYNC_OK every
 * event's rc says the same, except those that were ASYNC_LATE.
 *
 * An event that cannot be applied (refused, stale, queue full) does not harm
 * the others of its batch.  A claim runs after the events, moves jobs whose
 * timers are due, and a slice of those whose server answers again, into their
 * queues first, and honours each queue's concurrency, rate, pause,
 * priorities, and FIFO within a priority; one that was not started in time
 * fails instead.  A sweep comes last.
 *
 * The door is rung for others after the commit when something they wait for
 * happened.  Thread: the transaction begins and ends in this call.
 */
async_rc_t async_store_apply(async_store_t *store, async_batch_t *batch,
    async_error_t *err);

/*
 * Batches without end, of events that come while others are written.  What
 * one holds is asked for when the door is open, and not before: nothing that
 * came until then has to wait for the next, and no thread is woken between
 * the two.
 *
 * The calls are made by a thread of the store, one at a time; none may wait.
 */
typedef struct async_batches_s  async_batches_t;

struct async_batches_s {
    /* ms for the door; if it was not open by then, take is not called, but
       done, with NULL and ASYNC_BUSY */
    int64_t        (*wait)(async_batches_t *batches);
    /* the batch, which lives until done; NULL: there is nothing any more */
    async_batch_t *(*take)(async_batches_t *batches);
    /* as async_store_apply() says, whose results the batch holds.  True: there
       is more at once.  False: none of these is called before the batches is
       posted again.  With NULL and ASYNC_UNAVAILABLE: the thread was lost
       before it could ask */
    bool           (*done)(async_batches_t *batches, async_batch_t *batch,
                           async_rc_t rc, const async_error_t *err);
};

/*
 * Returns at once; the batches is called soon.  Not to be posted again before
 * it said that there is no more.  ASYNC_UNAVAILABLE: it is not called.
 */
async_rc_t async_store_post(async_store_t *store, async_batches_t *batches,
    async_error_t *err);


/*
 * A retry by hand: a new job with the request of one that has failed, which
 * names it (retriedAs) and is named by it (retryOf).  It has the owner, but
 * no idempotency key, of the other.  ASYNC_NOT_FOUND; ASYNC_REFUSED: it has
 * not failed, or its request is gone; ASYNC_EXISTS: it was retried before, as
 * is that job, which is still there; ASYNC_QUEUE_FULL, ASYNC_STORE_FULL, and
 * what async_store_apply() says.  It may block on the disk.
 */
typedef struct {
    async_id_t   id;
    async_id_t   as;                   /* new, from the caller */
    async_str_t  by;
    int64_t      now;                  /* unix ms */
} async_retry_t;

async_rc_t async_store_retry(async_store_t *store, async_retry_t *retry,
    async_error_t *err);

/*
 * Cancels what waits in a queue: some hundred jobs in a call, until done.  It
 * begins as zeroes but for what the caller gives; jobs that come meanwhile
 * are not looked for.
 */
typedef struct {
    async_str_t         queue;
    async_str_t         by;
    int64_t             now;           /* unix ms */

    unsigned            canceled;      /* out: by all calls */
    bool                done;          /* out */

    unsigned            step;          /* where it is */
    async_list_place_t  before;
} async_purge_t;

async_rc_t async_store_purge(async_store_t *store, async_purge_t *purge,
    async_error_t *err);


/*
 * Jobs that wait and are past their start deadline, for FAILED events with
 * START_TIMEOUT: at most max, of about 1,000 waiting jobs looked at from where
 * the last call stopped.  A patrol begins as zeroes.
 */
typedef struct {
    uint8_t  place[32];
    size_t   len;
} async_patrol_t;

async_rc_t async_view_overdue(async_view_t *view, async_patrol_t *patrol,
    int64_t now, async_overdue_t *found, unsigned max, unsigned *n);
void async_overdue_job(async_overdue_t *found, const async_job_t *job);
/* the event for one of them */
void async_event_late(async_event_t *event, const async_id_t *id,
    uint64_t epoch);


/* what a location said; put once, found again by its key */
async_rc_t async_store_publish(async_store_t *store,
    const async_policy_t *policies, unsigned npolicies,
    const async_queue_t *queues, unsigned nqueues, async_error_t *err);
/*
 * A paused queue starts no job until it is resumed, by this or that process;
 * what runs goes on.  ASYNC_NOT_FOUND if there is no such queue.
 */
async_rc_t async_store_pause(async_store_t *store, async_str_t queue,
    bool paused, async_error_t *err);
/* the key of a policy: the first 16 bytes of SHA-256 of its encoding */
void async_policy_key(uint8_t key[ASYNC_POLICY_KEY],
    const async_policy_t *policy);

/*
 * The caller holds worker.lock (async_store_lock_worker): the epoch becomes
 * one higher, so that every claim of an earlier worker is refused from now
 * on.  Returns the new epoch.
 */
async_rc_t async_store_take_over(async_store_t *store, uint64_t *epoch,
    async_error_t *err);
/* false if another process holds it; held until exit */
bool async_store_lock_worker(async_store_t *store, async_error_t *err);

/*
 * Judges jobs that were running under an earlier epoch, at most max in a
 * call: one that was to be canceled is, a repeatable one goes back to its queue
 * (INTERRUPTED), another has failed with outcome-unknown, and one that saw its
 * third death is failed whatever it is.  *left is true while there are more.
 */
async_rc_t async_store_recover(async_store_t *store, uint64_t epoch,
    int64_t now, unsigned max, bool *left, async_error_t *err);


/*
 * The clock was set back by -jump ms (or was it, while no worker looked:
 * ASYNC_REWIND_UNKNOWN).  Waits between attempts and of parked jobs were
 * counted by the old one and are put right; a time that a client asked for is
 * left as it is.  *moved: how many jobs.
 */
#define ASYNC_REWIND_UNKNOWN  INT64_MAX

async_rc_t async_store_rewind(async_store_t *store, uint64_t epoch,
    int64_t now, int64_t jump, unsigned *moved, async_error_t *err);


#endif /* ASYNC_APPLY_H */
