/*
 * Private to src/store: damaged pages must not kill the process that reads
 * them, for it may be an nginx worker that serves other sites besides.
 *
 * LMDB reads pages as they lie in the map.  One that is damaged leads it out
 * of the map (SIGSEGV), one beyond the end of a truncated file does not exist
 * (SIGBUS), and some it notices itself (its assertions).  All three come back
 * here, to the call of the store that was under way, which ends its
 * transaction and says that the store is damaged.
 *
 *   static async_rc_t
 *   async_view_x(async_view_t *view, ...)
 *   {
 *       async_rc_t     rc;
 *       async_guard_t  guard;
 *
 *       if (async_guard_caught(&guard)) {
 *           return async_view_damaged(view);
 *       }
 *
 *       rc = async_view_x_read(view, ...);
 *
 *       async_guard_end(&guard);
 *       return rc;
 *   }
 *
 * Between the two nothing may be held that the way back would lose, but what
 * the function itself gives back.  Guards of a thread nest.  A fault anywhere
 * else is the process's own, and takes its course as if we were not there.
 */

#ifndef ASYNC_GUARD_H
#define ASYNC_GUARD_H

#include <lmdb.h>
#include <setjmp.h>


typedef struct async_guard_s  async_guard_t;

struct async_guard_s {
    async_guard_t  *outer;
    sigjmp_buf      back;
};


/* before the first guard, and again if somebody else took the signals */
void async_guard_init(void);
/* LMDB's assertions of this environment come to the guard as well */
void async_guard_env(MDB_env *env);

/*
 * The calling thread may be lost with all that it holds, the lock of its part
 * of the heap included: what LMDB breaks there comes back to a guard as well,
 * be it that libc notices and aborts.
 */
void async_guard_expendable(void);

void async_guard_begin(async_guard_t *guard);
void async_guard_end(async_guard_t *guard);

/* false at first, true if a fault led back; the guard has ended then */
#define async_guard_caught(guard)                                            \
    (async_guard_begin(guard), sigsetjmp((guard)->back, 0) != 0)


#endif /* ASYNC_GUARD_H */
