/*
 * Webhooks that are due, sent.  The worker has one of this beside its jobs:
 * it looks for what is due, makes the body of the job's document, signs it,
 * and turns what came of it into an event for the next commit.  Until that is
 * on the disk the webhook is still due there: a worker that is killed sends
 * it again, under the same webhook-id.
 */

#ifndef ASYNC_WEBHOOK_H
#define ASYNC_WEBHOOK_H

#include "async_hooks.h"


#define ASYNC_WEBHOOK_EVENTS  256   /* in one commit, at the most */

typedef struct async_webhooks_s  async_webhooks_t;


/* NULL: no memory, or no descriptor */
async_webhooks_t *async_webhooks_create(uint64_t epoch);
/* what is under way is cut, and due again */
void async_webhooks_destroy(async_webhooks_t *webhooks);

/* readable when async_webhooks_run() has something to do */
int async_webhooks_fd(const async_webhooks_t *webhooks);
/* when it has, at the latest; 0: nothing is waited for.  Times are
   CLOCK_BOOTTIME ms here, wall is unix ms */
int64_t async_webhooks_next(const async_webhooks_t *webhooks, int64_t now);
/* there may be something new in the store */
void async_webhooks_stir(async_webhooks_t *webhooks);
/* what is under way */
unsigned async_webhooks_running(const async_webhooks_t *webhooks);
/* moves what is under way; starts what is due unless drains; never waits */
void async_webhooks_run(async_webhooks_t *webhooks, async_view_t *view,
    bool drains, int64_t now, int64_t wall);

/* whether there are events that wait for a commit */
bool async_webhooks_waits(const async_webhooks_t *webhooks);
/* these, at most ASYNC_WEBHOOK_EVENTS; how many */
unsigned async_webhooks_events(async_webhooks_t *webhooks,
    async_event_t *events);
/*
 * The same, after a commit that took them, in their order; false: one has to
 * be applied once more.
 */
bool async_webhooks_settled(async_webhooks_t *webhooks,
    const async_event_t *events, unsigned n);


#endif /* ASYNC_WEBHOOK_H */
