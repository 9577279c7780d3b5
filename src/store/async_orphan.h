/*
 * Spool files that no job names: left by a submit or an attempt that was cut
 * between its file and its commit.
 */

#ifndef ASYNC_ORPHAN_H
#define ASYNC_ORPHAN_H

#include "async_store.h"


/* younger ones may belong to what is under way */
#define ASYNC_ORPHAN_AGE  3600000       /* ms since it was last written to */

typedef struct async_orphans_s  async_orphans_t;


/* a scan of the spool folder; NULL if it cannot be opened */
async_orphans_t *async_orphans_begin(async_store_t *store);
/*
 * Looks at up to max files and removes orphans; files that are not named as
 * ours are left alone.  now is unix ms.  True at the folder's end.
 */
bool async_orphans_some(async_orphans_t *scan, async_view_t *view,
    int64_t now, unsigned max, unsigned *removed);
/* NULL is fine */
void async_orphans_end(async_orphans_t *scan);


#endif /* ASYNC_ORPHAN_H */
