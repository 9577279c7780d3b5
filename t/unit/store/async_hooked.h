/*
 * Jobs with webhooks, and the few words that tests say of them.
 */

#ifndef ASYNC_HOOKED_H
#define ASYNC_HOOKED_H

#include "async_hooks.h"
#include "async_one_job.h"


static inline async_hook_t
waiting(void)
{
    async_hook_t  hook;

    memset(&hook, 0, sizeof(hook));

    hook.state = ASYNC_HOOK_WAITING;
    hook.on = ASYNC_HOOK_ON_ALL;
    hook.url = fixture_str("https://example.com/in");
    hook.origin = fixture_str("https://api.example.com");

    return hook;
}


static inline async_rc_t
submit_with(fixture_t *f, const async_job_t *job, const async_hook_t *hook)
{
    async_event_t  event;

    event = fixture_submitted(job);
    event.hook = hook;

    return fixture_event(f, &event);
}


static inline const async_job_t *
running_with(fixture_t *f, const async_hook_t *hook)
{
    async_job_t  job;

    job = fixture_job(1);

    assert_int_equal(submit_with(f, &job, hook), ASYNC_OK);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 1), 1);

    return &f->claims[0].job;
}


static inline async_id_t
completed_with(fixture_t *f, const async_hook_t *hook)
{
    async_event_t       event;
    const async_job_t  *job;

    job = running_with(f, hook);
    event = fixture_completed(job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    return job->id;
}


static inline async_hook_t
look(fixture_t *f, const async_id_t *id)
{
    static uint8_t  buf[ASYNC_HOOK_MAX];
    async_hook_t    hook;

    assert_int_equal(async_view_hook(f->view, id, &hook, buf), ASYNC_OK);

    return hook;
}


static inline async_event_t
tried(fixture_t *f, const async_id_t *id, async_event_type_t type,
    uint32_t attempt)
{
    async_event_t  event;

    memset(&event, 0, sizeof(event));

    event.type = type;
    event.id = *id;
    event.epoch = f->epoch;
    event.attempt = attempt;
    event.duration = 12;
    event.by = fixture_str("worker");

    if (type != ASYNC_EVENT_WEBHOOK_DELIVERED) {
        event.error = ASYNC_HOOK_ERROR_STATUS;
    }

    event.status = type == ASYNC_EVENT_WEBHOOK_DELIVERED ? 204 : 500;
    event.due = type == ASYNC_EVENT_WEBHOOK_FAILED ? f->now + 5000 : 0;

    return event;
}


static inline unsigned
due(fixture_t *f, async_due_hook_t *hooks, unsigned max, int64_t *next)
{
    unsigned           n;
    async_due_place_t  place = { .set = false };

    assert_int_equal(async_view_due_hooks(f->view, f->now, &place, NULL, 0,
                                          hooks, max, &n, next), ASYNC_OK);

    return n;
}


static inline async_hook_figures_t
figures(fixture_t *f)
{
    async_hook_figures_t  found;

    assert_int_equal(async_view_hook_figures(f->view, &found), ASYNC_OK);

    return found;
}


#endif /* ASYNC_HOOKED_H */
