/*
 * Verifies a store from one read transaction: every record decodes, every
 * index row has its job and every job its index rows, counts are right, every
 * body is there with its length and checksum, no spool file is left over.
 */

#ifndef ASYNC_CHECK_H
#define ASYNC_CHECK_H

#include "async_store.h"


typedef struct {
    uint64_t  jobs;
    uint64_t  records;        /* all rows looked at */
    uint64_t  spool_files;
    uint64_t  orphans;        /* spool files that no job names: no fault, they
                                 are swept */
    uint64_t  faults;
} async_check_figures_t;

/* one sentence for each fault, without a final newline */
typedef void (*async_check_fn)(void *data, const char *fault);
/* done and total rows, now and then */
typedef void (*async_check_progress_fn)(void *data, uint64_t done,
    uint64_t total);

async_rc_t async_store_check(async_store_t *store,
    async_check_figures_t *figures, async_check_fn report,
    async_check_progress_fn progress, void *data, async_error_t *err);


#endif /* ASYNC_CHECK_H */
