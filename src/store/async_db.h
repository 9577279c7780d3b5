/*
 * Private to src/store: what lies in the LMDB environment, and the handles
 * on it.  Keys are big-endian, so that bytes sort as numbers do:
 *
 *   meta     "store"                                  -> META record
 *   jobs     id 16                                    -> JOB record
 *   payload  id 16, kind 1, n 4                       -> up to 4,080 bytes
 *   ready    length 1, queue, 9 - priority 1,
 *            queued 8, number 8, id 16                -> nothing
 *   timers   kind 1, due 8, id 16                     -> nothing
 *            0, server 8, 9 - priority 1, queued 8,
 *            id 16                                    -> nothing
 *   running  epoch 8, id 16                           -> nothing
 *            4, due 8, id 16                          -> nothing
 *   trail    id 16, seq 8                             -> TRAIL record
 *   feed     number 8                                 -> id 16, seq 8
 *   bystate  state 1, created 8, id 16                -> nothing
 *   counts   queue                                    -> COUNT record: that
 *            wait, that run, of each state
 *            0, owner 16, queue                       -> COUNT record
 *   policy   1, key 16 | 2, queue | 3                 -> POLICY | QUEUE | KEYS
 *            4, queue                                 -> COUNT record
 *            5, key 16 | 6                            -> HOOKS record
 *   stats    name                                     -> COUNT record
 *            1, server 8, location 8 | 2, queue       -> RUNS record
 *            3, queue | 4, queue                      -> METRICS | RECENT
 *   keys     bucket 8, hash 32                        -> id 16, print 16
 *            0 8, id 16, hash 32                      -> JOINED record
 *   owners   bucket 8, owner 16, id 16                -> nothing
 *   hooks    id 16, n 4 (0 today)                     -> HOOK record
 *   schedules  0                                      -> COUNT record
 *            1, name | 2, name                        -> SCHEDULE records
 *            3, id 16, name                           -> nothing
 *
 * A row of ready, of a job of queue "default" with priority 4 that was queued
 * at 1795341600000 ms (2026-11-22T10:00:00Z) by feed entry 7:
 *
 *   07 64 65 66 61 75 6c 74  05  00 00 01 a2 02 b2 c5 00
 *   7 "default"              9-4 queued
 *   00 00 00 00 00 00 00 07  01 92 f3 c1 7a 9b 7c 3e 9d 2f 1b 5e 0c 8a 4d 11
 *   number                   id
 *
 * The number makes jobs of one millisecond first in, first out; the rows of
 * jobs that come back to their place have 0 and go before the rest of it.
 * The kind stands before due in timers, unlike in the plan, so that a claim
 * does not walk over the rows that wait for the sweeper.  Jobs of a server
 * that is away lie by server and not by time: as long as it is away nobody
 * touches them, however many they are.
 *
 * Every job has exactly two index rows, both derived from its record: one in
 * bystate, and its place, see async_key_place().  It may have three more, in
 * keys and owners, which its record names: see async_known.c; more in keys,
 * which it does not name: async_joined.h; and one in hooks, which has a row of
 * timers of its own while it is due.
 */

#ifndef ASYNC_DB_H
#define ASYNC_DB_H

#include <lmdb.h>
#include <stdatomic.h>

#include "async_ahead.h"
#include "async_apply.h"
#include "async_cipher.h"
#include "async_door.h"
#include "async_guard.h"
#include "async_metrics.h"
#include "async_payload.h"
#include "async_runs.h"
#include "async_schedules.h"
#include "async_scribe.h"


#define ASYNC_SCHEMA         1

/*        symbol    name */
#define ASYNC_DATABASES(X)                                                   \
    X(META,    "meta")                                                       \
    X(JOBS,    "jobs")                                                       \
    X(PAYLOAD, "payload")                                                    \
    X(READY,   "ready")                                                      \
    X(TIMERS,  "timers")                                                     \
    X(RUNNING, "running")                                                    \
    X(TRAIL,   "trail")                                                      \
    X(FEED,    "feed")                                                       \
    X(BYSTATE, "bystate")                                                    \
    X(COUNTS,  "counts")                                                     \
    X(POLICY,  "policy")                                                     \
    X(STATS,   "stats")                                                      \
    X(KNOWN,   "keys")                                                       \
    X(OWNERS,  "owners")                                                     \
    X(HOOKS,   "hooks")                                                      \
    X(SCHEDULES, "schedules")

typedef enum {
#define X(symbol, name)  ASYNC_DB_##symbol,
    ASYNC_DATABASES(X)
#undef X
    ASYNC_DB_MAX
} async_db_t;

/* from here on they may be missing in a store of an older version */
#define ASYNC_DB_NEWER  ASYNC_DB_KNOWN

typedef enum {                       /* on disk, part of the key */
    ASYNC_TIMER_AWAY   = 0,          /* parked until its server answers */
    ASYNC_TIMER_DUE    = 1,          /* scheduled, retrying, or parked for a
                                        time */
    ASYNC_TIMER_EXPIRE = 2,          /* final: until the result is dropped */
    ASYNC_TIMER_FORGET = 3,          /* swept: until all of it is */
    ASYNC_TIMER_HOOK   = 4,          /* a webhook's: until its next try */
    ASYNC_TIMER_DEAD   = 6           /* of no time: dead webhooks, for lists */
} async_timer_t;

#define ASYNC_POLICY_OF_LOCATION  1  /* first byte of a key of policy */
#define ASYNC_POLICY_OF_QUEUE     2
#define ASYNC_POLICY_OF_KEYS      3
#define ASYNC_POLICY_OF_GATE      4  /* numbers below: whether it may start a
                                        job, whatever nginx.conf says */

#define ASYNC_POLICY_OF_HOOKS     5
#define ASYNC_POLICY_OF_HOOKS_IN_FORCE  6

/* first byte of a key of schedules */
typedef enum {
    ASYNC_SCHEDULE_OF_ALL   = 0,     /* how often somebody changed them */
    ASYNC_SCHEDULE_OF_CONF  = 1,     /* what nginx.conf said */
    ASYNC_SCHEDULE_OF_STATE = 2,
    ASYNC_SCHEDULE_OF_RUN   = 3      /* to be run by hand, as this job */
} async_schedule_of_t;

#define ASYNC_GATE_PAUSED         0
#define ASYNC_GATE_NEXT           1  /* unix us: no start before */
#define ASYNC_GATE_NUMBERS        2

#define ASYNC_STAT_OF_LOCATION    1  /* first byte of a key of stats that is */
#define ASYNC_STAT_OF_QUEUE       2  /* no name */
#define ASYNC_STAT_METRICS        3
#define ASYNC_STAT_RECENT         4

/* what a queue gets that nobody configured */
#define ASYNC_QUEUE_CONCURRENCY   8
#define ASYNC_QUEUE_QUEUED        100000


/* a key with its database; the longest is a row of ready */
typedef struct {
    async_db_t  db;
    size_t      len;
    uint8_t     bytes[1 + ASYNC_QUEUE_MAX + 1 + 8 + 8 + 16];
} async_key_t;

void async_key_meta(async_key_t *key);
void async_key_job(async_key_t *key, const async_id_t *id);
void async_key_payload(async_key_t *key, const async_id_t *id,
    async_payload_kind_t kind, uint32_t n);
void async_key_trail(async_key_t *key, const async_id_t *id, uint64_t seq);
void async_key_feed(async_key_t *key, uint64_t number);
void async_key_count(async_key_t *key, async_str_t queue);
/* the least key of counts that is a queue's: owners come before */
void async_key_first_count(async_key_t *key);
/* what an owner has in a queue; without owner, the first bytes of all */
void async_key_owned(async_key_t *key, async_str_t owner, async_str_t queue);
#define ASYNC_KNOWN_ROW  (sizeof(async_id_t) + ASYNC_SUBMIT_PRINT)
void async_key_known(async_key_t *key, uint64_t bucket,
    const uint8_t hash[ASYNC_SUBMIT_HASH]);
void async_key_owner(async_key_t *key, uint64_t bucket, async_str_t owner,
    const async_id_t *id);
void async_key_policy(async_key_t *key, const uint8_t *policy);
void async_key_queue(async_key_t *key, async_str_t queue);
void async_key_gate(async_key_t *key, async_str_t queue);
void async_key_keys(async_key_t *key);
void async_key_stat(async_key_t *key, const char *name);
/* run times */
void async_key_location_runs(async_key_t *key, uint64_t server,
    uint64_t location);
void async_key_queue_runs(async_key_t *key, async_str_t queue);
/* whether the key is one of these two, as far as can be seen */
bool async_key_is_runs(const void *key, size_t len);
/* async_hook_apply.c, async_hook_publish.c */
void async_key_hook(async_key_t *key, const async_id_t *id);
/* a row, whose strings then lie in buf, ASYNC_HOOK_MAX bytes */
async_rc_t async_hook_copy(async_hook_t *hook, uint8_t *buf,
    const MDB_val *row);
void async_key_hook_policy(async_key_t *key, const uint8_t *policy);
void async_key_hooks_in_force(async_key_t *key);
/* whether a row of policy is one of these two, and sound */
bool async_hook_policy_sound(const uint8_t *key, size_t key_len,
    const void *value, size_t len);
/* what is counted of a queue */
void async_key_metrics(async_key_t *key, async_str_t queue);
void async_key_recent(async_key_t *key, async_str_t queue);
/* whether value is sound, under a key of one of these two; ASYNC_NOT_FOUND:
   the key is none */
async_rc_t async_key_metered(const void *key, size_t key_len,
    const void *value, size_t len);
void async_key_schedule(async_key_t *key, async_schedule_of_t of,
    async_str_t name);
void async_key_schedule_run(async_key_t *key, const async_id_t *id,
    async_str_t name);
void async_key_timer(async_key_t *key, async_timer_t kind, int64_t due,
    const async_id_t *id);
/* the first bytes of all rows of jobs that are parked for a server */
void async_key_away(async_key_t *key, uint64_t server);
void async_key_running(async_key_t *key, uint64_t epoch,
    const async_id_t *id);
/* the first bytes of all rows of a queue in ready */
void async_key_ready(async_key_t *key, async_str_t queue);

/* the job's row in bystate */
void async_key_state(async_key_t *key, const async_job_t *job);
/*
 * The job's other row: in ready if it waits for its turn, in timers if for a
 * time or for the sweeper, in running if it runs.  number counts in ready.
 */
void async_key_place(async_key_t *key, const async_job_t *job,
    uint64_t number);
/* true if both are rows of ready that differ in nothing but the number */
bool async_key_same_place(const MDB_val *row, const async_key_t *key);
/* the id that a row of ready, timers, running or bystate ends in */
void async_key_id(const MDB_val *row, async_id_t *id);


typedef struct {
    uint32_t  schema;
    uint32_t  lmdb_major;
    uint32_t  lmdb_minor;
    uint64_t  epoch;
    uint64_t  size;                  /* the map that it was last given */
    char      token[ASYNC_TOKEN];
} async_meta_t;

#define ASYNC_META_MAX  128

size_t async_meta_encode(const async_meta_t *meta, uint8_t *buf, size_t cap);
async_rc_t async_meta_decode(async_meta_t *meta, const void *data,
    size_t len);

/* COUNT records: a queue's figures, or n numbers of stats */
#define ASYNC_COUNT_MAX  128

/* of a queue: they wait, they run; then of each state from 1 on, which a row
   of an older version does not have */
#define ASYNC_QUEUE_COUNTS  (2 + ASYNC_STATE_MAX - 1)

size_t async_count_encode(const uint64_t *n, unsigned count, uint8_t *buf,
    size_t cap);
async_rc_t async_count_decode(uint64_t *n, unsigned count, const void *data,
    size_t len);

#define ASYNC_STAT_SPOOLED  "spooled"
#define ASYNC_STAT_BUCKET   "bucket"      /* the newest, and jobs in it */
#define ASYNC_STAT_HOOKS    "webhooks"    /* the numbers below */

/* on disk, in this order; see async_hook_figures_t */
typedef enum {
    ASYNC_HOOK_DELIVERED_N = 0,
    ASYNC_HOOK_FAILED_N,
    ASYNC_HOOK_GIVEN_UP_N,
    ASYNC_HOOK_PENDING_N,
    ASYNC_HOOK_DEAD_N,
    ASYNC_HOOK_NUMBERS
} async_hook_number_t;

/* in db/: who makes a backup holds it, who removes spool files shares it */
#define ASYNC_BACKUP_LOCK   "backup.lock"


/* percent of the size at which writes stop */
#define ASYNC_QUOTA_SUBMIT  90
#define ASYNC_QUOTA_REST    98

typedef struct async_bell_map_s  async_bell_map_t;
typedef struct async_slate_map_s  async_slate_map_t;

/* the figures and the policy of a queue, for the time of a transaction */
typedef struct {
    async_key_t  key;                /* of counts: the bytes are the name */
    uint64_t     queued;
    uint64_t     running;
    uint64_t     states[ASYNC_STATE_MAX];
    uint32_t     concurrency;
    uint32_t     max_queued;
    uint32_t     per_owner;          /* 0 = no limit */
    bool         changed;
    bool         metered;            /* the last two were read */

    uint64_t     interval;           /* of the policy */
    bool         gate;               /* the two below were read */
    bool         paused;
    uint64_t     next;

    async_metrics_t  metrics;
    async_recent_t   recent;
} async_tally_t;

/* run times that a transaction adds to */
typedef struct {
    async_key_t   key;               /* of stats */
    async_runs_t  runs;
} async_learned_t;

/* keys in use, and those before: nothing is freed while the store is open */
typedef struct async_key_ring_s  async_key_ring_t;
typedef struct async_sieves_s    async_sieves_t;

struct async_key_ring_s {
    async_keys_t       keys;
    async_key_ring_t  *before;
};

#define ASYNC_FILES  3               /* data.mdb, lock.mdb, door */

struct async_store_s {
    MDB_env           *env;
    MDB_txn           *opening;      /* of async_store_open */
    bool               making;       /* and it writes */
    MDB_dbi            dbi[ASYNC_DB_MAX];
    char              *path;
    uint64_t           size;
    char               token[ASYNC_TOKEN + 1];
    bool               older;        /* databases are missing that the version
                                        before did not have */
    bool               relaxed;      /* a commit is on the disk after the next
                                        one, or a sync */
    int                dir_fd;       /* db/ */
    int                worker_fd;    /* worker.lock, -1 = not held */
    int                schema_fd;    /* schema.lock, held shared */
    dev_t              dev[ASYNC_FILES];     /* as opened */
    ino_t              ino[ASYNC_FILES];
    async_bell_map_t  *bell;
    int                bell_fd;      /* mapped above */
    int                ring_fd;      /* unbound socket to ring with */
    int                mute;         /* slot of it that we do not ring, or -1 */
    async_slate_map_t  *slate;       /* NULL: there is none */
    int                seat;         /* of it, -1 = none */
    atomic_int         health;       /* async_store_health_t */
    async_scribe_t    *scribe;       /* NULL until the first write */
    async_ahead_t     *ahead;        /* his; NULL until the first commit */
    async_key_ring_t  *_Atomic ring; /* NULL: no key was ever given */
    async_door_t       door;

    /* behind the door */
    async_quota_t     *quota;        /* in the door's map: of all processes */
    MDB_txn           *quota_txn;    /* cached, for the list of free pages */
    int64_t            looked;       /* at our files, CLOCK_MONOTONIC ms */
    async_tally_t     *tallies;
    unsigned           ntallies;     /* room */
    async_learned_t   *learned;
    unsigned           nlearned;     /* room */
    async_sieves_t    *sieves;       /* NULL: nothing is remembered of keys */
    async_key_t        turn;         /* queue that was served last */
};

struct async_view_s {
    async_store_t  *store;
    MDB_txn        *txn;             /* reset between calls */
    async_guard_t   guard;
};


/* opens the databases; the handles last if the transaction commits */
async_rc_t async_store_handles(async_store_t *store, MDB_txn *txn,
    bool create, async_error_t *err);
/* the one place where LMDB's errors become ours; err may be NULL */
async_rc_t async_db_rc(int rc, const char *what, async_error_t *err);
const char *async_db_name(async_db_t db);
/*
 * mdb_txn_begin, which clears the slots of dead readers if there is no other
 * left: the worker, who does it each second, may be the one that begins.  Not
 * for an event loop.
 */
int async_db_begin(async_store_t *store, unsigned flags, MDB_txn **txn);
/* a private word for both sides: ASYNC_OK, ASYNC_NOT_FOUND or an error */
async_rc_t async_db_get(async_store_t *store, MDB_txn *txn,
    const async_key_t *key, MDB_val *value);
int64_t async_monotonic(void);       /* ms */
bool async_queue_paused(async_store_t *store, MDB_txn *txn,
    async_str_t queue);

async_rc_t async_quota_measure(async_store_t *store, async_error_t *err);
void async_quota_done(async_store_t *store);
/* asked of the disk now */
bool async_quota_disk_full(const async_store_t *store);
/* pages that are free, as a read transaction sees them; an LMDB code */
int async_quota_free(MDB_txn *txn, uint64_t *pages);
/* bytes that are in use by now, as far as we know */
uint64_t async_quota_used(const async_store_t *store, uint64_t spooled);
bool async_quota_allows(const async_store_t *store, uint64_t spooled,
    uint64_t need, unsigned percent);

/*
 * A view's transaction, renewed; async_view_end() resets it.  A damaged page
 * in between leads back here, with an error; so this is for a function that
 * does nothing but return then, and holds nothing.
 */
#define async_view_begin(view)                                               \
    (async_guard_begin(&(view)->guard),                                      \
     sigsetjmp((view)->guard.back, 0) == 0 ? async_view_renew(view)          \
                                           : async_view_damaged(view))

async_rc_t async_view_renew(async_view_t *view);
async_rc_t async_view_damaged(async_view_t *view);
void async_view_end(async_view_t *view);

/*
 * All of that around one cursor: fn returns what LMDB said last, and that no
 * row is left is as good as any other end.
 */
typedef int (*async_walk_fn)(MDB_cursor *cursor, void *data);

async_rc_t async_view_walk(async_view_t *view, async_db_t db,
    async_walk_fn fn, void *data);

/* ASYNC_UNAVAILABLE, and a sentence, on a filesystem that LMDB cannot use */
async_rc_t async_folder_local(int fd, async_error_t *err);
async_rc_t async_key_files_decode(async_key_files_t *files,
    const void *data, size_t len);
void async_store_drop_keys(async_store_t *store);
/* how to encrypt now; not used if the store does not */
void async_store_seal(const async_store_t *store, async_seal_t *seal,
    const uint8_t salt[ASYNC_SALT]);
/* ASYNC_NO_KEY, or ASYNC_NO_SPACE */
async_rc_t async_store_cipher(const async_store_t *store,
    async_cipher_t *cipher, const async_seal_t *seal, const async_id_t *id,
    async_payload_kind_t kind, bool encrypt);

typedef async_rc_t (*async_look_fn)(async_store_t *store, MDB_txn *txn,
    void *data);

/* remembers which files are open */
async_rc_t async_health_begin(async_store_t *store, async_error_t *err);
/*
 * What fn says of a transaction that reads, behind a guard.  For a single
 * look; who looks more than once has a view.
 */
async_rc_t async_db_look(async_store_t *store, async_look_fn fn, void *data,
    async_error_t *err);
/* a page could not be read: the word for it, and no more of this store */
async_rc_t async_health_damaged(async_store_t *store, async_error_t *err);
/* the same for what LMDB said, if it says that this environment is done */
void async_health_judge(async_store_t *store, int rc);
/* false, and noted, if the files that we have open are no longer there */
bool async_health_there(async_store_t *store);

/*
 * data.mdb, if there is none, and its name on the disk in any case: who made
 * it may have died before.  Behind the door.
 */
async_rc_t async_make_data(async_store_t *store, async_error_t *err);
/* the names in a folder; and with them the folder's own name */
async_rc_t async_make_durable(int fd, async_error_t *err);
async_rc_t async_make_root_durable(int fd, async_error_t *err);

async_rc_t async_bell_attach(async_store_t *store, async_error_t *err);
void async_bell_detach(async_store_t *store);
/* of a process, in ticks; 0 if there is no such process */
uint64_t async_bell_start_time(int32_t pid);

void async_slate_attach(async_store_t *store);
void async_slate_detach(async_store_t *store);
/* a commit of so many events, which took so long */
void async_slate_commit(async_store_t *store, uint64_t us, uint64_t events);


#endif /* ASYNC_DB_H */
