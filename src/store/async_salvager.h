/*
 * Private to src/store: the state of a salvage, shared by its files.
 *
 * Rows go from the damaged file into a scratch environment first, with the
 * databases and keys of a store: it sorts them, keeps the best version of
 * each, and lets the check look at a job as it would in a store.
 */

#ifndef ASYNC_SALVAGER_H
#define ASYNC_SALVAGER_H

#include "async_checker.h"
#include "async_salvage.h"
#include "async_salvage_page.h"
#include "async_work.h"


typedef struct {
    const async_salvage_options_t  *options;
    async_salvage_figures_t        *figures;
    async_check_fn                  report;
    async_check_progress_fn         progress;
    void                           *data;
    async_error_t                  *err;
    async_rc_t                      rc;       /* why it could not go on */

    async_pages_t                   pages;

    /* the scratch: not a store that was opened, but like one to the check */
    async_store_t                   scratch;
    MDB_dbi                         unsure;   /* id -> nothing: the best that
                                                 was found may be of the
                                                 past */
    MDB_txn                        *txn;
    unsigned                        written;  /* since its begin */

    /* how to take the rows that come */
    bool                            stale;    /* may be of the past */
    bool                            newer;    /* a job that is not known is of
                                                 the past, unless it is as
                                                 young as the youngest */
    bool                            rest;     /* or unless a line of its
                                                 history was found */

    /* found on the way */
    async_meta_t                    meta;
    bool                            has_meta;
    uint64_t                        feed;     /* highest number */
    uint64_t                        epoch;    /* highest */
    int64_t                         youngest; /* time of an id */
    uint64_t                        rows;
    uint64_t                        entries;  /* that were promised */
} async_salvager_t;


/* --- async_salvage_row.c: the scratch --- */

async_rc_t async_scratch_open(async_salvager_t *s);
void async_scratch_close(async_salvager_t *s);
/* an async_pages_fn; data is the salvager */
void async_scratch_row(void *data, const async_pages_row_t *row);
/* what was put so far can be read */
void async_scratch_commit(async_salvager_t *s);
/* rows of db */
uint64_t async_scratch_count(async_salvager_t *s, async_db_t db);


/* --- async_salvage_find.c: which pages, in which order --- */

void async_salvage_find(async_salvager_t *s);


/* --- async_salvage_job.c: from the scratch into the new store --- */

#define ASYNC_FILL_TEXT   512

typedef struct {
    async_salvager_t       *s;
    async_store_t          *store;            /* the new one */
    async_checker_t         ck;               /* of the scratch */
    async_check_figures_t   faults;
    async_work_t            work;
    bool                    begun;            /* with what is no job's */
    size_t                  bytes;            /* in this transaction */
    bool                    linked;           /* a file, not yet synced */
    uint64_t                number;           /* counts in ready */
    async_id_t              id;               /* of the job at present */
    char                    text[ASYNC_FILL_TEXT];
    size_t                  len;              /* of text */
} async_fill_t;

void async_salvage_fill(async_salvager_t *s, async_store_t *store);
/* one thing more that the job lost or became */
__attribute__((format(printf, 2, 3)))
void async_fill_say(async_fill_t *f, const char *fmt, ...);


/* --- async_salvage_body.c --- */

/* what was captured as well; without request, one that says nothing */
void async_fill_payload(async_fill_t *f, const async_job_t *job,
    bool request);
/* every line stands; for one that is lost, one by "salvage" */
void async_fill_history(async_fill_t *f, const async_job_t *job);


#endif /* ASYNC_SALVAGER_H */
