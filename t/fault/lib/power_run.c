/*
 * A store that is kept busy while preload_record.so watches: jobs come, run
 * and end in batches, with bodies of all sizes in the store and in files.
 *
 *     power_run FOLDER strict|relaxed TRANSACTIONS SEED
 *
 * The store is FOLDER/store; what was meant and what was acknowledged is
 * written to FOLDER/acks (power_model.h).
 */

#include <fcntl.h>

#include "driver.h"
#include "power_model.h"


#define RUN_BATCH   8
#define RUN_CLAIM   6
#define RUN_TICK    1000                 /* ms from one to the next */
#define RUN_SWEEP   3                    /* one in so many removes, too */
#define RUN_BODIES  (12 * 1024)

typedef struct {
    async_store_t   *store;
    uint8_t          policy[ASYNC_POLICY_KEY];
    uint64_t         epoch;
    uint64_t         seed;
    int              acks;
    int64_t          now;

    char             lines[4096];
    size_t           len;

    async_event_t    events[2 * RUN_BATCH];
    async_job_t      jobs[RUN_BATCH];
    char             bodies[2 * RUN_BATCH][RUN_BODIES];
    unsigned         n;                      /* events */

    unsigned         submitted;
    unsigned         queue[POWER_JOBS];      /* in the order they will run */
    unsigned         queued;
    unsigned         running[POWER_JOBS];
    unsigned         nrunning;
    uint32_t         attempts[POWER_JOBS];

    unsigned         spooled;
    unsigned         ended;
    unsigned         removed;
} run_t;


static run_t  run;


__attribute__((format(printf, 1, 2)))
static void
run_line(const char *fmt, ...)
{
    va_list  ap;

    va_start(ap, fmt);
    run.len += (size_t) vsnprintf(run.lines + run.len,
                                  sizeof(run.lines) - run.len, fmt, ap);
    va_end(ap);
}


static void
run_flush(void)
{
    if (write(run.acks, run.lines, run.len) != (ssize_t) run.len) {
        die("cannot write the acknowledgements");
    }

    run.len = 0;
}


static uint32_t
run_body(const async_id_t *id, async_payload_kind_t kind, async_body_t *body,
    async_payload_t *payload)
{
    bool    spool;
    char   *bytes;
    size_t  len;

    bytes = run.bodies[run.n];
    spool = driver_below(&run.seed, 8) == 0;
    len = driver_below(&run.seed, 4) == 0
          ? driver_below(&run.seed, RUN_BODIES)
          : driver_below(&run.seed, 2000);

    driver_fill(&run.seed, bytes, len);
    driver_body(run.store, id, kind, spool, bytes, len, body, payload);

    run.spooled += spool;

    return body->crc;
}


/* --- what a transaction is made of --- */

static void
run_submit(void)
{
    unsigned        n;
    uint32_t        crc;
    async_job_t    *job;
    async_event_t  *event;

    n = run.submitted++;
    job = &run.jobs[run.n];
    event = &run.events[run.n];

    *job = driver_job(n, DRIVER_NOW);
    memcpy(job->policy, run.policy, ASYNC_POLICY_KEY);
    *event = driver_submitted(job);
    crc = run_body(&job->id, ASYNC_PAYLOAD_REQUEST_BODY, &job->request,
                   &event->payload);

    run.n++;
    run.queue[run.queued++] = n;
    run_line("submit %u %x\n", n, crc);
}


static void
run_end(void)
{
    unsigned             n, at;
    uint32_t             crc;
    async_id_t           id;
    async_event_t       *event;
    async_event_type_t   type;

    at = driver_below(&run.seed, run.nrunning);
    n = run.running[at];
    run.running[at] = run.running[--run.nrunning];

    id = driver_id(n, DRIVER_NOW);
    event = &run.events[run.n];
    type = driver_below(&run.seed, 3) == 0 ? ASYNC_EVENT_FAILED
                                           : ASYNC_EVENT_COMPLETED;

    *event = driver_ended(type, &id, run.epoch, run.attempts[n]);
    crc = run_body(&id, ASYNC_PAYLOAD_RESPONSE_BODY, &event->response,
                   &event->payload);

    run.n++;
    run.ended++;
    run_line("end %u %u %u %x\n", n,
             type == ASYNC_EVENT_COMPLETED ? ASYNC_STATE_COMPLETED
                                           : ASYNC_STATE_FAILED,
             event->status, crc);
}


/* the oldest run next: what a claim gives is known before */

static void
run_claim(async_claim_request_t *claim)
{
    unsigned  i, n;

    claim->epoch = run.epoch;
    claim->max = 1 + driver_below(&run.seed, RUN_CLAIM);

    n = claim->max < run.queued ? claim->max : run.queued;

    for (i = 0; i < n; i++) {
        run_line("claim %u\n", run.queue[i]);
    }
}


static void
run_claimed(const async_claim_request_t *claim)
{
    unsigned    i, n;
    async_id_t  id;

    n = claim->max < run.queued ? claim->max : run.queued;

    if (claim->n != n) {
        die("%u were claimed, %u expected", claim->n, n);
    }

    for (i = 0; i < n; i++) {
        id = driver_id(run.queue[i], DRIVER_NOW);

        if (memcmp(&claim->claims[i].job.id, &id, sizeof(async_id_t)) != 0) {
            die("job %u was not claimed in its turn", run.queue[i]);
        }

        run.attempts[run.queue[i]]++;
        run.running[run.nrunning++] = run.queue[i];
    }

    run.queued -= n;
    memmove(run.queue, run.queue + n, run.queued * sizeof(unsigned));
}


static void
run_transaction(unsigned number)
{
    unsigned               i, what;
    async_batch_t          batch;
    async_error_t          err;
    async_sweep_t          sweep = { .epoch = run.epoch };
    async_claim_request_t  claim;
    static async_claim_t   claims[RUN_CLAIM];

    memset(&batch, 0, sizeof(batch));
    memset(&claim, 0, sizeof(claim));

    run.n = 0;
    run_line("begin %u\n", number);

    /* one that changes nothing would not count as the last */

    what = run.queued + run.nrunning > 0 ? driver_below(&run.seed, 3) : 0;

    if (what == 0) {
        for (i = 1 + driver_below(&run.seed, RUN_BATCH); i > 0; i--) {
            run_submit();
        }
    }

    if (what > 0) {
        for (i = run.queued > 0 ? driver_below(&run.seed, RUN_BATCH) : 1;
             i > 0 && run.nrunning > 0; i--)
        {
            run_end();
        }
    }

    claim.claims = claims;

    if (what > 0 && run.queued > 0) {
        run_claim(&claim);
        batch.claim = &claim;
    }

    if (what > 0 && driver_below(&run.seed, RUN_SWEEP) == 0) {
        run_line("sweep\n");
        batch.sweep = &sweep;
    }

    run.now += RUN_TICK;

    batch.events = run.events;
    batch.n = run.n;
    batch.now = run.now;

    run_flush();

    if (async_store_apply(run.store, &batch, &err) != ASYNC_OK) {
        die("transaction %u: %s", number, err.text);
    }

    for (i = 0; i < run.n; i++) {
        if (run.events[i].rc != ASYNC_OK) {
            die("transaction %u: event %u: %s", number, i,
                async_rc_name(run.events[i].rc));
        }
    }

    if (batch.claim) {
        run_claimed(&claim);
    }

    run.removed += batch.sweep ? sweep.jobs : 0;

    run_line("ack %u\n", number);
    run_flush();
}


/* results go after POWER_KEPT transactions, the rest after twice as many */

static void
run_policy(void)
{
    async_error_t   err;
    async_queue_t   queue = { .concurrency = 1000, .max_queued = 100000 };
    async_policy_t  policy;

    async_policy_defaults(&policy);

    policy.retain_result = POWER_KEPT * RUN_TICK;
    policy.retain_failed = POWER_KEPT * RUN_TICK;
    policy.retain_history = 2 * POWER_KEPT * RUN_TICK;

    queue.name = driver_str("default");
    async_policy_key(run.policy, &policy);

    if (async_store_publish(run.store, &policy, 1, &queue, 1, &err)
        != ASYNC_OK)
    {
        die("publish: %s", err.text);
    }
}


int
main(int argc, char **argv)
{
    char           path[512];
    unsigned       i, n;
    async_error_t  err;

    if (argc != 5) {
        die("usage: power_run FOLDER strict|relaxed TRANSACTIONS SEED");
    }

    n = (unsigned) atoi(argv[3]);

    if (n * RUN_BATCH > POWER_JOBS) {
        die("at most %d transactions", POWER_JOBS / RUN_BATCH);
    }

    run.seed = (uint64_t) atoll(argv[4]);
    run.now = DRIVER_NOW;

    (void) snprintf(path, sizeof(path), "%s/acks", argv[1]);
    run.acks = open(path, O_WRONLY|O_CREAT|O_APPEND|O_CLOEXEC, 0600);

    (void) snprintf(path, sizeof(path), "%s/store", argv[1]);

    if (run.acks == -1
        || driver_open(&run.store, path, 16 << 20,
                       strcmp(argv[2], "relaxed") == 0, &err) != ASYNC_OK)
    {
        die("cannot begin: %s", err.text);
    }

    run_policy();
    run.epoch = driver_take_over(run.store);

    for (i = 1; i <= n; i++) {
        run_transaction(i);
    }

    async_store_close(run.store);

    printf("transactions %u submitted %u ended %u spooled %u removed %u\n", n,
           run.submitted, run.ended, run.spooled, run.removed);

    return 0;
}
