/*
 * The feed: which jobs changed since I last looked; and a job's trail.
 */

#ifndef ASYNC_FEED_H
#define ASYNC_FEED_H

#include "async_apply.h"


/* the number of the newest feed entry, 0 = none yet */
async_rc_t async_view_feed_last(async_view_t *view, uint64_t *seq);

/*
 * Calls fn for each entry after *seq, oldest first, at most limit, and moves
 * *seq on.  *lost is set if entries after *seq were removed already: then
 * every watched job must be read again.
 */
typedef bool (*async_feed_fn)(void *data, const async_id_t *id,
    uint64_t job_seq);

async_rc_t async_view_feed(async_view_t *view, uint64_t *seq, unsigned limit,
    bool *lost, async_feed_fn fn, void *data);

/* the events of a job after seq, oldest first; t borrowed for the call */
typedef bool (*async_trail_fn)(void *data, uint64_t seq,
    const async_trail_t *t);

async_rc_t async_view_trail(async_view_t *view, const async_id_t *id,
    uint64_t seq, async_trail_fn fn, void *data);


#endif /* ASYNC_FEED_H */
