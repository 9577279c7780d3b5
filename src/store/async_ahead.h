/*
 * Room that is ready before it is needed.  A commit that makes the file longer
 * has its inode to write, too, and often a journal: a tenth of its time on a
 * disk that has nothing else to do, more on one that has, and most of its tail
 * then.  So a thread appends zeros, a step ahead of the commits.
 *
 * They cannot come to lie on what was written: O_APPEND puts them, behind the
 * inode's lock, where the file ends, and LMDB has never written there.  They
 * go past the page cache (O_DIRECT), so that no commit has to flush them.
 * fallocate() would not do: the first write to what it made changes as much.
 *
 * Whatever prevents it, a filesystem without O_DIRECT or a full disk, ends it
 * until the store is opened anew; commits are then as slow as without.
 */

#ifndef ASYNC_AHEAD_H
#define ASYNC_AHEAD_H

#include "async_store.h"


typedef struct async_ahead_s  async_ahead_t;


/*
 * By who writes, behind the guard and the door, of the commits before.  The
 * thread is started when they made the file grow.
 */
void async_ahead_tell(async_store_t *store);
/* of the store's close; the thread has ended when it returns */
void async_ahead_end(async_store_t *store);


#endif /* ASYNC_AHEAD_H */
