/*
 * Private to src/store: the thread that writes.
 *
 * A damaged page can lead LMDB astray in the middle of a write, with cursors
 * of its own on the stack that is left: the transaction can be neither
 * committed nor aborted any more, and two locks are held that all processes
 * wait for.  Both are robust, and open when their holder ends.  And LMDB
 * changes pages in the heap, by lengths that it finds in them; a thread has a
 * part of the heap to itself.  So what writes is a thread that may be lost,
 * and not one of nginx's.
 */

#ifndef ASYNC_SCRIBE_H
#define ASYNC_SCRIBE_H

#include "async_store.h"


/* after so many threads were lost, a process opens no store any more: what
   they held, their map included, is lost with them */
#define ASYNC_SCRIBE_LOST  16

typedef struct async_scribe_s  async_scribe_t;
typedef async_rc_t (*async_scribe_fn)(async_store_t *store, void *data,
    async_error_t *err);
/* true: once more, when who waits has had his turn; with NULL: the thread was
   lost, it never will be run */
typedef bool (*async_scribe_turn_fn)(async_store_t *store, void *data);


/*
 * Runs fn on the store's scribe thread, which is started by the first call,
 * and waits for its result; one at a time.  ASYNC_UNAVAILABLE if there is no
 * thread to be had.
 */
async_rc_t async_scribe_run(async_store_t *store, async_scribe_fn fn,
    void *data, async_error_t *err);
/*
 * Has fn run there soon, and returns at once.  The thread must have started,
 * and this is not called again before fn has returned false.
 * ASYNC_UNAVAILABLE: fn is not run.
 */
async_rc_t async_scribe_post(async_store_t *store, async_scribe_turn_fn fn,
    void *data, async_error_t *err);
/* by fn, before it returns: the thread is to end with what it holds; false
   if this is not that thread */
bool async_scribe_give_up(async_store_t *store);
/* by fn: whether it did */
bool async_scribe_gave_up(const async_store_t *store);
/*
 * Closes the store's environment, on that thread if there is one, and ends
 * it.  Where a thread was lost, or is by this, the environment is left.
 */
void async_scribe_close(async_store_t *store);
/* ends it, and closes nothing */
void async_scribe_quit(async_store_t *store);
/* threads that this process has lost */
unsigned async_scribe_lost(void);


#endif /* ASYNC_SCRIBE_H */
