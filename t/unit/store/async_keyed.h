/*
 * Submits under keys, and what comes of them.
 */

#ifndef ASYNC_KEYED_H
#define ASYNC_KEYED_H

#include "async_fixture.h"


#define DAY  (24 * 3600 * 1000ll)


static inline async_submit_key_t
key_of(int hash, int print, uint64_t ttl)
{
    async_submit_key_t  key;

    key.used = true;
    key.ttl = ttl;
    memset(key.hash, hash, sizeof(key.hash));
    memset(key.print, print, sizeof(key.print));

    return key;
}


static inline async_event_t
keyed(async_job_t *job, unsigned n, int hash, int print)
{
    async_event_t  event;

    *job = fixture_job(n);
    event = fixture_submitted(job);
    event.idempotency = key_of(hash, print, DAY);

    return event;
}


static inline async_event_t
coalesced(async_job_t *job, unsigned n, int hash)
{
    async_event_t  event;

    *job = fixture_job(n);
    event = fixture_submitted(job);
    event.coalesce = key_of(hash, 0, 0);

    return event;
}


static inline void
assert_is(const async_event_t *event, async_rc_t rc, unsigned n)
{
    async_id_t  id;

    id = fixture_id(n);

    assert_int_equal(event->rc, rc);
    assert_memory_equal(&event->id, &id, sizeof(id));
}


/* submits n under a key, and says what came of it */

static inline void
assert_submit(fixture_t *f, unsigned n, int hash, int print, async_rc_t rc,
    unsigned is)
{
    async_job_t    job;
    async_event_t  event;

    event = keyed(&job, n, hash, print);
    assert_int_equal(fixture_apply(f, &event, 1), ASYNC_OK);
    assert_is(&event, rc, is);
}


#endif /* ASYNC_KEYED_H */
