/*
 * The doorbell: "something new in the store", between processes.
 *
 * db/bell is a mapped table of slots (pid, start time, armed); each slot has
 * a unix datagram socket db/bell-<slot>.sock.  A receiver arms its slot
 * before it looks at the store for the last time and sleeps; a sender rings
 * armed slots only and disarms them.  A lost ring is harmless (everyone looks
 * again after a while), a full socket is success, a dead slot is freed.
 */

#ifndef ASYNC_BELL_H
#define ASYNC_BELL_H

#include "async_store.h"


#define ASYNC_BELL_SLOTS  256

typedef struct async_bell_s  async_bell_t;


/* takes a slot; *fd is a non-blocking datagram socket to poll for reading */
async_rc_t async_bell_open(async_bell_t **bell, async_store_t *store, int *fd,
    async_error_t *err);
void async_bell_close(async_bell_t *bell);
void async_bell_arm(async_bell_t *bell);
/*
 * From now on commits of this store handle do not ring this bell: who made
 * them knows.  For who has one thread that does both.
 */
void async_bell_mute(async_bell_t *bell);
/* empties the socket after a wake-up */
void async_bell_drain(async_bell_t *bell);
/* called by async_store_apply after a commit; cheap when nobody is armed */
void async_bell_ring(async_store_t *store);


#endif /* ASYNC_BELL_H */
