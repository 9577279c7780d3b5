/*
 * What a damaged store still holds, put into a new one.
 *
 * The old data.mdb is read page by page, without LMDB; nothing of it is
 * changed.  Jobs, their history, policies, and what jobs own are taken over;
 * indices, counts and figures are made anew.  Every record has a checksum, so
 * a wrong byte is never taken for a right one.  What is left are the rows
 * that are sound but may be of the past, where a page that would tell is
 * gone.  Of such a job:
 *
 *   a final state is kept: there is no other after it
 *   any other becomes failed, outcome-unknown: it never runs again
 *
 * A job whose request is damaged does not run either.  A finished job whose
 * result is damaged is left as if its result had expired.
 */

#ifndef ASYNC_SALVAGE_H
#define ASYNC_SALVAGE_H

#include "async_check.h"


typedef struct {
    const char  *from;            /* the damaged store; nobody should use it
                                     meanwhile */
    const char  *to;              /* folders of a store, made by
                                     async_store_prepare(), without a store */
    int64_t      now;             /* unix ms */
} async_salvage_options_t;

typedef struct {
    uint64_t  promised;           /* jobs that the damaged store counted */
    bool      counted;            /* it could be read how many */
    uint64_t  jobs;               /* found, all of them in the new store */
    uint64_t  whole;              /* of these, nothing is lost or changed */
    uint64_t  stopped;            /* of these, were not final and now are */
    uint64_t  no_result;          /* of these, result lost */
    uint64_t  rows;               /* of history and policy, that were counted
                                     and not found */
    uint64_t  damaged;            /* pages, and pointers to pages */
} async_salvage_figures_t;


/*
 * report gets one sentence for each job that lost something.  ASYNC_OK: the
 * new store was made and passes the check; figures tell what it lacks.
 * ASYNC_CORRUPT: nothing of a store was found.  Else to holds no store.
 */
async_rc_t async_store_salvage(const async_salvage_options_t *options,
    async_salvage_figures_t *figures, async_check_fn report,
    async_check_progress_fn progress, void *data, async_error_t *err);
/* nothing at all is missing */
bool async_salvage_whole(const async_salvage_figures_t *figures);


#endif /* ASYNC_SALVAGE_H */
