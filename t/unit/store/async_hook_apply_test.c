/*
 * Webhooks in the store: owed in the transaction that ends a job, tried again
 * or given up, and kept with the job.
 */

#include "async_hooked.h"


static void
it_waits_for_its_job(void **state)
{
    int64_t             next;
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_hook_t        hook;
    async_due_hook_t    hooks[2];
    const async_job_t  *job;

    hook = waiting();
    job = running_with(f, &hook);

    assert_int_equal(fixture_look(f, &job->id, buf).hooks, 1);

    hook = look(f, &job->id);
    assert_int_equal(hook.state, ASYNC_HOOK_WAITING);
    assert_memory_equal(hook.url.data, "https://example.com/in",
                        hook.url.len);

    assert_int_equal(due(f, hooks, 2, &next), 0);
    assert_int_equal(next, 0);
    assert_int_equal(figures(f).pending, 0);
}


static void
it_is_owed_with_the_end_of_its_job(void **state)
{
    int64_t           next;
    fixture_t        *f = *state;
    async_id_t        id;
    async_hook_t      hook;
    async_due_hook_t  hooks[2];

    hook = waiting();
    id = completed_with(f, &hook);

    hook = look(f, &id);
    assert_int_equal(hook.state, ASYNC_HOOK_PENDING);
    assert_int_equal(hook.owed, f->now);
    assert_int_equal(hook.due, f->now);

    assert_int_equal(due(f, hooks, 2, &next), 1);
    assert_memory_equal(&hooks[0].id, &id, sizeof(id));
    assert_int_equal(figures(f).pending, 1);

    /* one that is on its way is not due twice */

    {
        unsigned           n;
        async_due_place_t  place = { .set = false };

        assert_int_equal(async_view_due_hooks(f->view, f->now, &place, &id, 1,
                                              hooks, 2, &n, &next),
                         ASYNC_OK);
        assert_int_equal(n, 0);
    }
}


static void
an_end_that_is_not_to_be_told_drops_it(void **state)
{
    uint8_t        buf[ASYNC_JOB_MAX];
    fixture_t     *f = *state;
    async_id_t     id;
    async_hook_t   hook;

    hook = waiting();
    hook.on = ASYNC_HOOK_ON_FAILED;
    id = completed_with(f, &hook);

    assert_int_equal(fixture_look(f, &id, buf).hooks, 0);
    assert_int_equal(fixture_entries(f, ASYNC_DB_HOOKS), 0);
    assert_int_equal(figures(f).pending, 0);
}


static void
a_retry_by_hand_owes_it_too(void **state)
{
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_hook_t        hook;
    async_retry_t       retry;
    async_event_t       event;
    const async_job_t  *job;

    hook = waiting();
    hook.on = ASYNC_HOOK_ON_COMPLETED;
    job = running_with(f, &hook);

    event = fixture_about(ASYNC_EVENT_FAILED, job);
    event.error = ASYNC_JOB_ERROR_TIMEOUT;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_int_equal(figures(f).pending, 0);

    memset(&retry, 0, sizeof(retry));
    retry.id = job->id;
    retry.as = fixture_id(2);
    retry.now = f->now;
    retry.by = fixture_str("cli:alice");
    assert_int_equal(async_store_retry(f->store, &retry, &f->err), ASYNC_OK);

    assert_int_equal(fixture_look(f, &retry.as, buf).hooks, 1);
    assert_int_equal(look(f, &retry.as).state, ASYNC_HOOK_WAITING);

    assert_int_equal(fixture_claim(f, 1), 1);
    event = fixture_completed(&f->claims[0].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_int_equal(look(f, &retry.as).state, ASYNC_HOOK_PENDING);
}


static void
a_cancel_is_an_end(void **state)
{
    fixture_t     *f = *state;
    async_job_t    job;
    async_hook_t   hook;

    hook = waiting();
    hook.on = ASYNC_HOOK_ON_CANCELED;
    job = fixture_job(1);

    assert_int_equal(submit_with(f, &job, &hook), ASYNC_OK);
    assert_int_equal(cancel(f, &job.id), ASYNC_OK);
    assert_int_equal(look(f, &job.id).state, ASYNC_HOOK_PENDING);
}


static void
one_that_is_delivered_is_a_line_of_history(void **state)
{
    int64_t           next, expires;
    lines_t           found;
    uint8_t           buf[ASYNC_JOB_MAX];
    fixture_t        *f = *state;
    async_id_t        id;
    async_job_t       job;
    async_hook_t      hook;
    async_event_t     event;
    async_due_hook_t  hooks[2];

    hook = waiting();
    id = completed_with(f, &hook);
    expires = fixture_look(f, &id, buf).expires;

    f->now += 5000;
    event = tried(f, &id, ASYNC_EVENT_WEBHOOK_DELIVERED, 1);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    job = fixture_look(f, &id, buf);
    found = lines(f, &id);

    assert_int_equal(job.state, ASYNC_STATE_COMPLETED);
    assert_int_equal(found.seq, job.seq);
    assert_int_equal(found.last.event, ASYNC_EVENT_WEBHOOK_DELIVERED);
    assert_int_equal(found.last.state, ASYNC_STATE_COMPLETED);
    assert_int_equal(found.last.attempt, 1);
    assert_int_equal(found.last.status, 204);
    assert_int_equal(found.last.duration, 12);

    hook = look(f, &id);
    assert_int_equal(hook.state, ASYNC_HOOK_DELIVERED);
    assert_int_equal(hook.attempts, 1);
    assert_int_equal(hook.ended, f->now);

    /* its result is kept from then on */

    assert_int_equal(job.expires, expires + 5000);
    assert_int_equal(due(f, hooks, 2, &next), 0);
    assert_int_equal(figures(f).delivered, 1);
    assert_int_equal(figures(f).pending, 0);
}


static void
one_that_failed_is_due_again(void **state)
{
    int64_t           next;
    uint8_t           buf[ASYNC_JOB_MAX];
    fixture_t        *f = *state;
    async_id_t        id;
    async_hook_t      hook;
    async_event_t     event;
    async_due_hook_t  hooks[2];

    hook = waiting();
    id = completed_with(f, &hook);

    event = tried(f, &id, ASYNC_EVENT_WEBHOOK_FAILED, 1);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_int_equal(due(f, hooks, 2, &next), 0);
    assert_int_equal(next, f->now + 5000);
    assert_true(fixture_look(f, &id, buf).expires >= f->now + 5000 + DAY);

    f->now += 5000;
    assert_int_equal(due(f, hooks, 2, &next), 1);
    assert_int_equal(hooks[0].hook.attempts, 1);
    assert_int_equal(hooks[0].hook.status, 500);
    assert_int_equal(figures(f).failed, 1);
    assert_int_equal(figures(f).pending, 1);
}


static void
what_is_not_of_this_attempt_is_stale(void **state)
{
    fixture_t     *f = *state;
    async_id_t     id;
    async_hook_t   hook;
    async_event_t  event;

    hook = waiting();
    id = completed_with(f, &hook);

    event = tried(f, &id, ASYNC_EVENT_WEBHOOK_DELIVERED, 2);
    assert_int_equal(fixture_event(f, &event), ASYNC_STALE);

    event = tried(f, &id, ASYNC_EVENT_WEBHOOK_DELIVERED, 1);
    event.epoch--;
    assert_int_equal(fixture_event(f, &event), ASYNC_STALE);

    event = tried(f, &id, ASYNC_EVENT_WEBHOOK_DELIVERED, 1);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_int_equal(fixture_event(f, &event), ASYNC_STALE);
}


static void
one_that_was_given_up_can_be_redelivered(void **state)
{
    int64_t           next;
    uint8_t           buf[ASYNC_JOB_MAX];
    fixture_t        *f = *state;
    async_id_t        id;
    async_hook_t      hook;
    async_event_t     event;
    async_due_hook_t  hooks[2];

    hook = waiting();
    id = completed_with(f, &hook);

    event = tried(f, &id, ASYNC_EVENT_WEBHOOK_DEAD, 1);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_int_equal(look(f, &id).state, ASYNC_HOOK_DEAD);
    assert_int_equal(figures(f).dead, 1);
    assert_int_equal(figures(f).given_up, 1);

    /* kept as long as the history, from then on */

    assert_true(fixture_look(f, &id, buf).due >= f->now + 30 * DAY);

    f->now += DAY;
    memset(&event, 0, sizeof(event));
    event.type = ASYNC_EVENT_WEBHOOK_REDELIVER;
    event.id = id;
    event.by = fixture_str("cli:alice");
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_string_equal(lines(f, &id).by, "cli:alice");
    assert_int_equal(figures(f).dead, 0);
    assert_int_equal(due(f, hooks, 2, &next), 1);
    assert_int_equal(hooks[0].hook.attempts, 1);
    assert_int_equal(hooks[0].hook.tries, 0);

    event = tried(f, &id, ASYNC_EVENT_WEBHOOK_DELIVERED, 2);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
}


static void
nothing_is_redelivered_that_is_not_owed(void **state)
{
    fixture_t          *f = *state;
    async_job_t         other;
    async_hook_t        hook;
    async_event_t       event;
    const async_job_t  *job;

    hook = waiting();
    job = running_with(f, &hook);

    memset(&event, 0, sizeof(event));
    event.type = ASYNC_EVENT_WEBHOOK_REDELIVER;
    event.id = job->id;
    assert_int_equal(fixture_event(f, &event), ASYNC_REFUSED);

    other = fixture_job(2);
    assert_int_equal(fixture_submit(f, &other), ASYNC_OK);
    event.id = other.id;
    assert_int_equal(fixture_event(f, &event), ASYNC_NOT_FOUND);
}


static void
it_is_put_off_without_a_word(void **state)
{
    int64_t           next;
    uint64_t          seq;
    fixture_t        *f = *state;
    async_id_t        id;
    async_hook_t      hook;
    async_event_t     event;
    async_due_hook_t  hooks[2];

    hook = waiting();
    id = completed_with(f, &hook);
    seq = lines(f, &id).seq;

    event = tried(f, &id, ASYNC_EVENT_WEBHOOK_FAILED, 0);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_int_equal(due(f, hooks, 2, &next), 0);
    assert_int_equal(next, f->now + 5000);
    assert_int_equal(look(f, &id).attempts, 0);
    assert_int_equal(lines(f, &id).seq, seq);
    assert_int_equal(figures(f).failed, 0);
}


static void
a_result_outlives_its_webhook(void **state)
{
    uint8_t        buf[ASYNC_JOB_MAX];
    fixture_t     *f = *state;
    async_id_t     id;
    async_job_t    job;
    async_hook_t   hook;
    async_event_t  event;

    hook = waiting();
    id = completed_with(f, &hook);

    /* no worker for a month, and the sweep comes before the webhook */

    f->now += 40 * DAY;
    (void) fixture_sweep(f);

    job = fixture_look(f, &id, buf);
    assert_false(job.flags & ASYNC_JOB_SWEPT);
    assert_true(job.expires > f->now);

    event = tried(f, &id, ASYNC_EVENT_WEBHOOK_DELIVERED, 1);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    f->now += DAY;
    (void) fixture_sweep(f);
    assert_true(fixture_look(f, &id, buf).flags & ASYNC_JOB_SWEPT);

    f->now += 40 * DAY;
    (void) fixture_sweep(f);
    assert_int_equal(async_view_job(f->view, &id, &job, buf),
                     ASYNC_NOT_FOUND);
    assert_int_equal(fixture_entries(f, ASYNC_DB_HOOKS), 0);
    assert_int_equal(fixture_entries(f, ASYNC_DB_TIMERS), 0);
}


static void
it_goes_with_its_job(void **state)
{
    fixture_t     *f = *state;
    async_id_t     id;
    async_hook_t   hook;
    async_event_t  event;

    hook = waiting();
    id = completed_with(f, &hook);

    memset(&event, 0, sizeof(event));
    event.type = ASYNC_EVENT_FORGOTTEN;
    event.id = id;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_int_equal(fixture_entries(f, ASYNC_DB_HOOKS), 0);
    assert_int_equal(fixture_entries(f, ASYNC_DB_TIMERS), 0);
    assert_int_equal(figures(f).pending, 0);
}


static void
a_clock_that_was_set_back_does_not_delay_it(void **state)
{
    int64_t           next;
    unsigned          moved;
    fixture_t        *f = *state;
    async_id_t        id;
    async_hook_t      hook;
    async_event_t     event;
    async_due_hook_t  hooks[2];

    hook = waiting();
    id = completed_with(f, &hook);

    f->now += 300 * DAY;
    event = tried(f, &id, ASYNC_EVENT_WEBHOOK_FAILED, 1);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    f->now -= 300 * DAY;
    assert_int_equal(async_store_rewind(f->store, f->epoch, f->now,
                                        -300 * DAY, &moved, &f->err),
                     ASYNC_OK);
    assert_int_equal(moved, 1);
    assert_int_equal(due(f, hooks, 2, &next), 0);
    assert_int_equal(next, f->now + 5000);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(it_waits_for_its_job),
        sound(it_is_owed_with_the_end_of_its_job),
        sound(an_end_that_is_not_to_be_told_drops_it),
        sound(a_retry_by_hand_owes_it_too),
        sound(a_cancel_is_an_end),
        sound(one_that_is_delivered_is_a_line_of_history),
        sound(one_that_failed_is_due_again),
        sound(what_is_not_of_this_attempt_is_stale),
        sound(one_that_was_given_up_can_be_redelivered),
        sound(nothing_is_redelivered_that_is_not_owed),
        sound(it_is_put_off_without_a_word),
        sound(a_result_outlives_its_webhook),
        sound(it_goes_with_its_job),
        sound(a_clock_that_was_set_back_does_not_delay_it)
    };

    return cmocka_run_group_tests_name("async_hook_apply", tests, NULL, NULL);
}
