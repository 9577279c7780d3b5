/*
 * The store: one folder on a local disk, shared by nginx's workers, the
 * worker process and the command line.
 *
 *   db/     data.mdb lock.mdb door bell bell-*.sock slate worker.lock
 *           schema.lock backup.lock                               (0700)
 *   spool/  bodies over ASYNC_CHUNKED_MAX                         (0700)
 *   run/    nginx's private listeners                             (0755)
 *
 * Nothing here logs, exits or reads configuration.  No LMDB type and no
 * transaction leaves a call.  A store is opened once in a process (LMDB's
 * rule) and after a fork only exec is allowed; async_store_open of a path
 * that is open in this process is the caller's error.
 *
 * Threads: a store may be used by several; one async_view_t by one at a time.
 */

#ifndef ASYNC_STORE_H
#define ASYNC_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "async_job.h"
#include "async_metrics.h"
#include "async_policy.h"
#include "async_rc.h"
#include "async_runs.h"


#define ASYNC_STORE_SIZE_MIN  (16ull << 20)
#define ASYNC_STORE_READERS   4096
#define ASYNC_TOKEN           32       /* hex characters of the replay token */

typedef struct async_store_s  async_store_t;
typedef struct async_view_s   async_view_t;


typedef struct {
    const char  *path;         /* copied */
    uint64_t     size;         /* bytes of map and quota; 0: what the store
                                  was last opened with (tools), else 64 GiB */
    bool         relaxed;      /* MDB_NOMETASYNC */
    bool         create;       /* make databases and meta that are missing;
                                  without: ASYNC_NOT_FOUND if not there */
    bool         hasty;        /* ASYNC_BUSY when a commit would be over, not
                                  after 2 s */
    bool         inspect;      /* also while the breaker is open, see
                                  async_store_health() */
} async_store_options_t;


/*
 * Makes the folders path, path/db, path/spool, path/run with their modes and,
 * where the caller is root, their owner (db and spool to uid:gid, run to
 * root).  The parent of path must exist.  Called by nginx's master; the one
 * thing here that root may do.
 */
async_rc_t async_store_prepare(const char *path, unsigned uid, unsigned gid,
    async_error_t *err);

/* whether the filesystem at path forgets all of it at the next boot */
bool async_store_volatile(const char *path);

/*
 * Opens the environment and its databases; never waits for another process
 * longer than 2 s.  After three damaged pages within a minute, whoever met
 * them, it is ASYNC_UNAVAILABLE until that minute is over.
 */
async_rc_t async_store_open(async_store_t **store,
    const async_store_options_t *options, async_error_t *err);
void async_store_close(async_store_t *store);
/*
 * At the end of a process, or before the code of this library goes: what is
 * being written ends, and nothing begins any more.  The store stays open, the
 * kernel closes it: LMDB (0.9.26 to 0.9.31) can fail who opens it while its
 * last user closes it.
 */
void async_store_quit(async_store_t *store);

/*
 * What became of an open store.  Other than sound: every call says
 * ASYNC_UNAVAILABLE from then on, or soon; close it, and open it anew.  It
 * looks at the files: call it once a second.
 */
typedef enum {
    ASYNC_STORE_SOUND,
    ASYNC_STORE_REPLACED,      /* its files are not those that are open; let
                                  two seconds pass, so that all notice */
    ASYNC_STORE_BROKEN,        /* LMDB gave up, or another size was set */
    ASYNC_STORE_DAMAGED        /* a page could not be read */
} async_store_health_t;

async_store_health_t async_store_health(async_store_t *store);
/* a sentence for each */
const char *async_store_health_text(async_store_health_t health);

const char *async_store_path(const async_store_t *store);
/* secret that a replay shows, made with the store; ASYNC_TOKEN characters */
const char *async_store_token(const async_store_t *store);
/* the present epoch: what the last async_store_take_over() set */
uint64_t async_store_epoch(async_store_t *store);

typedef struct {
    uint64_t  size;            /* bytes of the map */
    uint64_t  used;            /* bytes of pages that hold data */
    uint64_t  spooled;         /* bytes in spool/, as accounted */
    uint64_t  jobs;
    uint64_t  transaction;     /* last committed */
} async_store_figures_t;

async_rc_t async_store_figures(async_store_t *store,
    async_store_figures_t *figures);
/* the number of the last transaction that was committed, 0: not known; it
   moves with every change.  Costs nothing */
uint64_t async_store_transaction(async_store_t *store);
/* clears reader slots of dead processes; the worker calls it each second */
async_rc_t async_store_reap_readers(async_store_t *store);


/* --- reading: a cached read transaction, renewed and reset in each call --- */

async_rc_t async_view_open(async_view_t **view, async_store_t *store);
void async_view_close(async_view_t *view);

/*
 * Copies the record into buf (ASYNC_JOB_MAX bytes) and decodes it: job
 * borrows from buf, nothing from the map.  ASYNC_NOT_FOUND, ASYNC_CORRUPT.
 */
async_rc_t async_view_job(async_view_t *view, const async_id_t *id,
    async_job_t *job, uint8_t *buf);

async_rc_t async_view_policy(async_view_t *view,
    const uint8_t key[ASYNC_POLICY_KEY], async_policy_t *policy);

/* what is learned of a location's run times; empty if there are none */
async_rc_t async_view_runs(async_view_t *view, uint64_t server,
    uint64_t location, async_runs_t *runs);

/*
 * A queue as those see it who wait in it: its first jobs in their order, and
 * what a place costs.  The more that wait beyond them, the less exactly is
 * known where; no look takes longer than ASYNC_LINE rows.
 */
#define ASYNC_LINE  512

typedef struct {
    uint64_t  queued;          /* parked and due ones included */
    uint64_t  running;
    uint32_t  concurrency;
    uint32_t  each;            /* ms, mean run time; 0 = not known */
    uint64_t  interval;        /* us between starts, 0 = none */
    bool      paused;
    bool      more;            /* wait than are in places */
    unsigned  n;
    uint64_t  places[ASYNC_LINE];
    uint64_t  last;            /* place of the last of all */
} async_line_t;

async_rc_t async_view_line(async_view_t *view, async_str_t queue,
    async_line_t *line);
/* about how many jobs stand before one that is queued */
uint64_t async_line_ahead(const async_line_t *line, const async_job_t *job);

/*
 * Calls fn for each queue that has a policy or was ever used, in order of
 * name; q and figures live for the call.  fn returns false to stop.
 */
typedef struct {
    uint64_t  queued;          /* waiting, parked and due ones included */
    uint64_t  running;
    uint64_t  states[ASYNC_STATE_MAX];    /* jobs that are kept, by state */
    bool      paused;          /* starts no job, see async_store_pause() */
} async_queue_figures_t;

typedef bool (*async_queue_fn)(void *data, const async_queue_t *q,
    const async_queue_figures_t *figures);

async_rc_t async_view_queues(async_view_t *view, async_queue_fn fn,
    void *data);

/* what is counted of a queue; zero where there is nothing yet */
typedef struct {
    async_metrics_t  metrics;
    async_recent_t   recent;   /* as of its last event */
    async_runs_t     runs;     /* that were completed */
    int64_t          oldest;   /* unix ms since when the first of those whose
                                  turn it may be waits, 0 = none */
} async_queue_meter_t;

async_rc_t async_view_meter(async_view_t *view, async_str_t queue,
    async_queue_meter_t *meter);

/* jobs newest first, at most limit; fn as above, job borrowed for the call */
typedef bool (*async_job_fn)(void *data, const async_job_t *job);

async_rc_t async_view_jobs(async_view_t *view, unsigned limit,
    async_job_fn fn, void *data);

/*
 * Anybody's jobs, by what is looked for, newest first, at most limit: of one
 * state along its index, else along all of them.  A page ends early, and has
 * a next, when 2,000 rows were looked at.  A place may come from anywhere,
 * and fits into an async_cursor_t, created as its bucket.
 */
typedef struct {
    bool        set;           /* false: at the newest */
    int64_t     created;       /* unix ms */
    async_id_t  id;
} async_list_place_t;

typedef struct {
    uint8_t             state;   /* ASYNC_STATE_NONE: any */
    async_str_t         queue;   /* empty: any */
    async_str_t         owner;   /* ASYNC_OWNER bytes, or empty: any */
    int64_t             since;   /* created then or later; 0: any time */
    int64_t             until;   /* created before; 0: any time */
    unsigned            limit;
    async_list_place_t  before;  /* what the last page said */
} async_list_query_t;

typedef struct {
    bool                more;    /* there is a next page */
    async_list_place_t  last;    /* for its before */
} async_list_page_t;

async_rc_t async_view_list(async_view_t *view,
    const async_list_query_t *query, async_list_page_t *page,
    async_job_fn fn, void *data);

/* how many jobs were made from since on and before until, by their ids: the
   newest of them, at most max.  A tenth of a microsecond or so for each */
typedef struct {
    unsigned            n;
    int64_t             oldest;  /* unix ms: when the last of them was made */
} async_count_page_t;

async_rc_t async_view_count(async_view_t *view, int64_t since, int64_t until,
    unsigned max, async_count_page_t *page);

/*
 * An owner's jobs, newest first, at most limit.  A page ends early, and has a
 * next, when about 2,000 rows were looked at, jobs that are not wanted among
 * them.  A place may come from anywhere: it is nothing but where to go on.
 */
typedef struct {
    bool        set;           /* false: at the newest */
    uint64_t    bucket;
    async_id_t  id;
} async_own_place_t;

typedef struct {
    async_str_t        owner;  /* ASYNC_OWNER bytes */
    uint8_t            state;  /* ASYNC_STATE_NONE: any */
    async_str_t        queue;  /* empty: any */
    unsigned           limit;
    async_own_place_t  before; /* what the last page said */
} async_own_query_t;

typedef struct {
    bool               more;   /* there is a next page */
    async_own_place_t  last;   /* for its before */
} async_own_page_t;

async_rc_t async_view_own(async_view_t *view, const async_own_query_t *query,
    async_own_page_t *page, async_job_fn fn, void *data);


#endif /* ASYNC_STORE_H */
