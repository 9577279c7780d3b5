/*
 * Jobs come and go: submitted, run, ended, and removed by retention, at a
 * steady pace, on a clock of their own.
 *
 *     soak FOLDER JOBS [dead|reaped]
 *
 * Prints what the store holds at each twentieth of the way, and after the
 * last job is gone:
 *
 *     at 10000 used 123 file 456 jobs 7 payload 8 ...     (bytes and rows)
 *
 * dead, reaped: in the middle, another process dies with a read transaction
 * open, and nobody looks after the readers, or they are looked after as by
 * the worker.
 */

#include <sys/stat.h>
#include <sys/wait.h>

#include "async_db.h"
#include "driver.h"


#define SOAK_BATCH    64
#define SOAK_TICK     20                /* ms of its clock, in a batch */
#define SOAK_BODY     6000              /* at most */
#define SOAK_SPOOL    512               /* one in so many is a file */

typedef struct {
    async_store_t   *store;
    const char      *folder;
    bool             die;                /* a reader will */
    bool             reap;
    uint64_t         seed;
    uint64_t         epoch;
    int64_t          now;
    uint8_t          policy[ASYNC_POLICY_KEY];

    async_event_t    events[2 * SOAK_BATCH];
    async_job_t      jobs[SOAK_BATCH];
    async_claim_t    claims[SOAK_BATCH];
    unsigned         nclaims;
    char             body[SOAK_BODY];
    unsigned         submitted;
    unsigned         ended;
} soak_t;


static soak_t  soak;


static void
soak_policy(void)
{
    async_error_t   err;
    async_queue_t   queue = { .concurrency = 1000, .max_queued = 100000 };
    async_policy_t  policy;

    async_policy_defaults(&policy);

    policy.retain_result = 1000;
    policy.retain_failed = 2000;
    policy.retain_history = 3000;

    queue.name = driver_str("default");
    async_policy_key(soak.policy, &policy);

    if (async_store_publish(soak.store, &policy, 1, &queue, 1, &err)
        != ASYNC_OK)
    {
        die("publish: %s", err.text);
    }
}


static void
soak_body(const async_id_t *id, async_payload_kind_t kind,
    async_body_t *body, async_payload_t *payload)
{
    driver_body(soak.store, id, kind,
                driver_below(&soak.seed, SOAK_SPOOL) == 0, soak.body,
                driver_below(&soak.seed, SOAK_BODY), body, payload);
}


static unsigned
soak_ends(void)
{
    unsigned        i;
    async_job_t    *job;
    async_event_t  *event;

    for (i = 0; i < soak.nclaims; i++) {
        job = &soak.claims[i].job;
        event = &soak.events[i];

        *event = driver_ended(driver_below(&soak.seed, 4) == 0
                              ? ASYNC_EVENT_FAILED : ASYNC_EVENT_COMPLETED,
                              &job->id, job->epoch, job->attempt);
        soak_body(&job->id, ASYNC_PAYLOAD_RESPONSE_BODY, &event->response,
                  &event->payload);
    }

    soak.ended += soak.nclaims;

    return soak.nclaims;
}


static unsigned
soak_submits(unsigned at, unsigned n)
{
    unsigned     i;
    async_job_t  *job;

    for (i = 0; i < n; i++) {
        job = &soak.jobs[i];

        *job = driver_job(soak.submitted++, soak.now);
        memcpy(job->policy, soak.policy, ASYNC_POLICY_KEY);

        soak.events[at + i] = driver_submitted(job);
        soak_body(&job->id, ASYNC_PAYLOAD_REQUEST_BODY, &job->request,
                  &soak.events[at + i].payload);
    }

    return n;
}


/* as the worker does it: what ended, what is next, and a slice to remove */

static bool
soak_turn(unsigned submits)
{
    unsigned               i;
    async_error_t          err;
    async_sweep_t          sweep = { .epoch = soak.epoch };
    async_claim_request_t  claim = { .epoch = soak.epoch };
    async_batch_t          batch = { .events = soak.events };

    batch.n = soak_ends();
    batch.n += soak_submits(batch.n, submits);
    batch.now = soak.now;
    batch.claim = &claim;
    batch.sweep = &sweep;

    claim.claims = soak.claims;
    claim.max = SOAK_BATCH;

    if (async_store_apply(soak.store, &batch, &err) != ASYNC_OK) {
        die("after %u jobs: %s", soak.submitted, err.text);
    }

    for (i = 0; i < batch.n; i++) {
        if (soak.events[i].rc != ASYNC_OK) {
            die("after %u jobs: %s", soak.submitted,
                async_rc_name(soak.events[i].rc));
        }
    }

    soak.nclaims = claim.n;
    soak.now += SOAK_TICK;

    return sweep.more || sweep.rows > 0 || claim.n > 0;
}


static void
soak_print(void)
{
    char                   path[512];
    MDB_txn               *txn;
    MDB_stat               st;
    async_db_t             db;
    struct stat            file;
    async_store_figures_t  figures;

    (void) snprintf(path, sizeof(path), "%s/store/db/data.mdb", soak.folder);

    if (async_store_figures(soak.store, &figures) != ASYNC_OK
        || stat(path, &file) == -1
        || mdb_txn_begin(soak.store->env, NULL, MDB_RDONLY, &txn) != 0)
    {
        die("no figures");
    }

    printf("at %u used %llu file %llu spooled %llu", soak.submitted,
           (unsigned long long) figures.used,
           (unsigned long long) file.st_blocks * 512,
           (unsigned long long) figures.spooled);

    for (db = 0; db < ASYNC_DB_MAX; db++) {
        if (mdb_stat(txn, soak.store->dbi[db], &st) == 0) {
            printf(" %s %zu", async_db_name(db), st.ms_entries);
        }
    }

    mdb_txn_abort(txn);
    printf("\n");
}


/* a reader that dies before its transaction is over */

static void
soak_dead_reader(void)
{
    pid_t          pid;
    char           path[512];
    MDB_txn       *txn;
    async_error_t  err;
    async_store_t *store;

    (void) fflush(stdout);
    pid = fork();

    if (pid == 0) {
        (void) snprintf(path, sizeof(path), "%s/store", soak.folder);

        if (driver_open(&store, path, 0, true, &err) != ASYNC_OK
            || mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn) != 0)
        {
            _exit(1);
        }

        _exit(0);
    }

    if (waitpid(pid, &(int) { 0 }, 0) != pid) {
        die("no reader");
    }
}


int
main(int argc, char **argv)
{
    char           path[512];
    unsigned       n, next, turns;
    async_error_t  err;

    if (argc < 3) {
        die("usage: soak FOLDER JOBS [dead|reaped]");
    }

    soak.folder = argv[1];
    soak.die = argc > 3;
    soak.reap = argc == 3 || strcmp(argv[3], "reaped") == 0;
    soak.now = DRIVER_NOW;
    soak.seed = 1;
    n = (unsigned) atoi(argv[2]);
    driver_fill(&soak.seed, soak.body, sizeof(soak.body));

    (void) snprintf(path, sizeof(path), "%s/store", soak.folder);

    if (driver_open(&soak.store, path, 1ull << 30, true, &err) != ASYNC_OK) {
        die("%s", err.text);
    }

    soak_policy();
    soak.epoch = driver_take_over(soak.store);

    for (next = n / 20, turns = 0; soak.submitted < n; turns++) {
        (void) soak_turn(SOAK_BATCH);

        if (soak.submitted >= next) {
            soak_print();
            next += n / 20;
        }

        if (soak.die && soak.submitted >= n / 2) {
            soak_dead_reader();
            soak.die = false;
        }

        if (soak.reap && turns % 10 == 0) {
            (void) async_store_reap_readers(soak.store);
        }
    }

    while (soak_turn(0) || soak.now < DRIVER_NOW + (turns + 300) * SOAK_TICK)
    {
        /* until the last is forgotten */
    }

    soak_print();
    printf("end %u check %llu\n", soak.ended,
           (unsigned long long) driver_check(soak.store));

    async_store_close(soak.store);

    return 0;
}
