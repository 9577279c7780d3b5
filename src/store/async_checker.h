/*
 * Private to src/store: the state of a check, shared by its files.
 */

#ifndef ASYNC_CHECKER_H
#define ASYNC_CHECKER_H

#include "async_check.h"
#include "async_db.h"


/* what the jobs of a queue add up to */
typedef struct {
    async_str_t  queue;              /* borrowed from the map */
    uint64_t     queued;
    uint64_t     running;
    uint64_t     states[ASYNC_STATE_MAX];
    bool         seen;               /* there is a row for it in counts */
} async_check_tally_t;

/* an unfinished job of an owner */
typedef struct {
    uint8_t   owner[ASYNC_OWNER];
    unsigned  queue;                 /* of the tallies */
} async_check_owned_t;

/*
 * Spooled bodies that lie elsewhere than in spool/: NULL, *fd at the body's
 * first byte, and its length, or what is wrong with it.  Asked for in the
 * order of jobs, requests before responses.
 */
typedef const char *(*async_check_file_fn)(void *data, const async_id_t *id,
    async_payload_kind_t kind, int *fd, uint64_t *len);

typedef struct {
    async_store_t            *store;
    MDB_txn                  *txn;
    MDB_cursor               *cursors[ASYNC_DB_MAX];
    async_check_figures_t    *figures;

    async_check_fn            report;
    async_check_progress_fn   progress;
    void                     *data;
    uint64_t                  total;

    async_check_file_fn       file;       /* NULL: in spool/ */
    void                     *file_data;

    uint64_t                  epoch;
    uint64_t                  corrupt;    /* jobs that do not decode */
    uint64_t                  spooled;    /* bytes that jobs name */
    uint64_t                  feed;       /* number of the row before */
    async_id_t                last;       /* id that was found missing last */
    async_check_tally_t      *tallies;
    unsigned                  ntallies;
    async_check_owned_t      *owned;
    size_t                    nowned, owned_room;
    bool                      owned_sorted;
    uint64_t                  nfound;     /* of them, that counts tell of */
    uint64_t                  bucket;     /* highest of keys and owners */
    uint64_t                  hooks_pending;
    uint64_t                  hooks_dead;
    uint64_t                  hooks_listed;   /* as dead */

    uint8_t                  *head;       /* a record put together */
    size_t                    head_cap;

    async_rc_t                rc;         /* why it could not go on */
} async_checker_t;


/* the whole of it, with what the caller has set in ck */
async_rc_t async_check_run(async_checker_t *ck, async_error_t *err);
/* cursors on all databases of ck->store, at one point in time */
async_rc_t async_check_open(async_checker_t *ck, async_error_t *err);
void async_check_close(async_checker_t *ck);

/* one sentence; control characters become '?' */
__attribute__((format(printf, 2, 3)))
void async_check_fault(async_checker_t *ck, const char *fmt, ...);
/* the same, after "job <id>: " */
__attribute__((format(printf, 3, 4)))
void async_check_fault_of(async_checker_t *ck, const async_id_t *id,
    const char *fmt, ...);

/*
 * The first row of db that is not below key, and the one after; false at the
 * end.  Key and value lie in the map.
 */
bool async_check_seek(async_checker_t *ck, const async_key_t *key,
    MDB_val *row, MDB_val *value);
bool async_check_next(async_checker_t *ck, async_db_t db, MDB_val *row,
    MDB_val *value);
/* the job's record in the snapshot; strings are borrowed from the map */
async_rc_t async_check_job(async_checker_t *ck, MDB_txn *txn,
    const async_id_t *id, async_job_t *job);


/*
 * The same, for a row of db that needs the job.  Only ASYNC_NOT_FOUND is the
 * row's fault; it is told once for all rows of an id that follow each other.
 */
async_rc_t async_check_owner(async_checker_t *ck, async_db_t db,
    const async_id_t *id, async_job_t *job);
/* NULL: no memory.  Valid until the next call */
async_check_tally_t *async_check_tally(async_checker_t *ck,
    async_str_t queue);


/* --- async_check_row.c: one row of a database --- */

typedef void (*async_check_row_t)(async_checker_t *ck, async_db_t db,
    const MDB_val *row, const MDB_val *value);

void async_check_meta_row(async_checker_t *ck, async_db_t db,
    const MDB_val *row, const MDB_val *value);
void async_check_trail_row(async_checker_t *ck, async_db_t db,
    const MDB_val *row, const MDB_val *value);
/* a job of whose history lines were removed: as many as it says */
void async_check_thinned(async_checker_t *ck, const async_job_t *job);
void async_check_feed_row(async_checker_t *ck, async_db_t db,
    const MDB_val *row, const MDB_val *value);
void async_check_count_row(async_checker_t *ck, async_db_t db,
    const MDB_val *row, const MDB_val *value);
void async_check_policy_row(async_checker_t *ck, async_db_t db,
    const MDB_val *row, const MDB_val *value);
void async_check_stat_row(async_checker_t *ck, async_db_t db,
    const MDB_val *row, const MDB_val *value);
/* rows that should be there, once all were seen */
void async_check_totals(async_checker_t *ck);
/* jobs that do not decode are counted somewhere, but nobody knows where */
bool async_check_sum(const async_checker_t *ck, uint64_t stored,
    uint64_t found);


/* --- async_check_known.c: keys and owners --- */

/* what a sound record says of them */
void async_check_known(async_checker_t *ck, const async_job_t *job);
void async_check_known_row(async_checker_t *ck, async_db_t db,
    const MDB_val *row, const MDB_val *value);
void async_check_owner_row(async_checker_t *ck, async_db_t db,
    const MDB_val *row, const MDB_val *value);
/* an owner's row of counts */
void async_check_owned_row(async_checker_t *ck, const MDB_val *row,
    const MDB_val *value);
void async_check_known_totals(async_checker_t *ck);


/* --- async_check_hook.c: webhooks --- */

/* what a sound record says of its */
void async_check_hook(async_checker_t *ck, const async_job_t *job);
void async_check_hook_row(async_checker_t *ck, async_db_t db,
    const MDB_val *row, const MDB_val *value);
/* a row of timers */
void async_check_hook_timer(async_checker_t *ck, const MDB_val *row);
void async_check_hook_totals(async_checker_t *ck);


/* --- async_check_schedule.c --- */

void async_check_schedule_row(async_checker_t *ck, async_db_t db,
    const MDB_val *row, const MDB_val *value);


/* --- async_check_body.c: what belongs to a job besides its record --- */

/* all that a job's record says about its request, and about its response;
   true: no fault was found */
bool async_check_request(async_checker_t *ck, const async_job_t *job);
bool async_check_response(async_checker_t *ck, const async_job_t *job);
/* each file of the folder against the jobs */
void async_check_spool(async_checker_t *ck);


#endif /* ASYNC_CHECKER_H */
