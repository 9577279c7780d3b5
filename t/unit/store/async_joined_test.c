/*
 * Further keys: those of requests that were coalesced into another's job.
 */

#include "async_keyed.h"


/* n is coalesced into another, and brings a key */

static void
assert_joins(fixture_t *f, unsigned n, int hash, uint64_t ttl, unsigned is)
{
    async_job_t    job;
    async_event_t  event;

    event = coalesced(&job, n, 'c');
    event.idempotency = key_of(hash, 1, ttl);
    assert_int_equal(fixture_apply(f, &event, 1), ASYNC_OK);
    assert_is(&event, ASYNC_EXISTS, is);
    assert_true(event.joined);
}


static void
cancel(fixture_t *f, unsigned n)
{
    async_job_t    job;
    async_event_t  event;

    job = fixture_job(n);
    event = fixture_about(ASYNC_EVENT_CANCEL_REQUESTED, &job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
}


static void
a_key_that_was_coalesced_names_that_job(void **state)
{
    unsigned        n;
    fixture_t      *f = *state;
    async_job_t     job;
    async_event_t   event;

    fixture_take_over(f);

    event = coalesced(&job, 1, 'c');
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    for (n = 10; n < 20; n++) {
        assert_joins(f, n, (int) n, DAY, 1);
    }

    /* while it waits, runs, and when it has ended */

    assert_submit(f, 30, 10, 1, ASYNC_EXISTS, 1);
    assert_submit(f, 31, 19, 1, ASYNC_EXISTS, 1);
    assert_submit(f, 32, 15, 2, ASYNC_KEY_REUSED, 1);
    fixture_assert_sound(f);

    assert_int_equal(fixture_claim(f, 1), 1);
    assert_joins(f, 20, 20, DAY, 1);
    event = fixture_completed(&f->claims[0].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    fixture_assert_sound(f);

    event = coalesced(&job, 33, 'c');
    event.idempotency = key_of(20, 1, DAY);
    assert_int_equal(fixture_apply(f, &event, 1), ASYNC_OK);
    assert_is(&event, ASYNC_EXISTS, 1);
    assert_false(event.joined);

    assert_submit(f, 34, 10, 1, ASYNC_EXISTS, 1);
    assert_submit(f, 35, 15, 1, ASYNC_EXISTS, 1);
    assert_int_equal(fixture_entries(f, ASYNC_DB_JOBS), 1);
}


static void
a_further_key_is_given_up_with_the_first(void **state)
{
    fixture_t      *f = *state;
    async_job_t     job;
    async_event_t   event;

    fixture_take_over(f);

    event = coalesced(&job, 1, 'c');
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_joins(f, 2, 'k', DAY, 1);
    assert_joins(f, 3, 'l', DAY, 1);
    assert_joins(f, 4, 'm', DAY, 1);
    cancel(f, 1);
    fixture_assert_sound(f);

    assert_submit(f, 5, 'k', 2, ASYNC_OK, 5);
    assert_submit(f, 6, 'l', 2, ASYNC_OK, 6);
    fixture_assert_sound(f);

    /* the job that had them first goes, they stay where they are */

    event = fixture_about(ASYNC_EVENT_FORGOTTEN, &job);
    event.id = fixture_id(1);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    fixture_assert_sound(f);
    assert_int_equal(fixture_entries(f, ASYNC_DB_KNOWN), 2);
    assert_submit(f, 7, 'l', 2, ASYNC_EXISTS, 6);
}


static void
a_further_key_lives_as_long_as_it_was_asked_to(void **state)
{
    fixture_t      *f = *state;
    async_job_t     job;
    async_event_t   event;

    fixture_take_over(f);

    event = coalesced(&job, 1, 'c');
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_joins(f, 2, 'k', DAY, 1);
    assert_joins(f, 3, 'l', 40 * DAY, 1);
    assert_joins(f, 4, 'm', 35 * DAY, 1);
    assert_int_equal(fixture_claim(f, 1), 1);
    event = fixture_completed(&f->claims[0].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    f->now += 40 * DAY - 1;
    (void) fixture_sweep(f);
    assert_submit(f, 11, 'l', 1, ASYNC_EXISTS, 1);
    assert_submit(f, 12, 'k', 1, ASYNC_EXISTS, 1);

    f->now += 1;
    (void) fixture_sweep(f);
    assert_int_equal(fixture_entries(f, ASYNC_DB_KNOWN), 0);
    assert_submit(f, 13, 'l', 1, ASYNC_OK, 13);
    assert_submit(f, 14, 'm', 1, ASYNC_OK, 14);
}


static void
many_further_keys_go_in_slices(void **state)
{
    unsigned        n, slices;
    fixture_t      *f = *state;
    async_job_t     job;
    async_event_t   event;

    fixture_take_over(f);

    event = coalesced(&job, 1, 'c');
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    for (n = 0; n < 1200; n++) {
        event = coalesced(&job, 2, 'c');
        event.idempotency = key_of('k', 1, DAY);
        memcpy(event.idempotency.hash, &n, sizeof(n));
        assert_int_equal(fixture_event(f, &event), ASYNC_EXISTS);
    }

    assert_int_equal(fixture_claim(f, 1), 1);
    event = fixture_completed(&f->claims[0].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    f->now += 40 * DAY;

    for (slices = 0; fixture_entries(f, ASYNC_DB_JOBS) > 0; slices++) {
        (void) fixture_sweep(f);
        fixture_assert_sound(f);
    }

    assert_true(slices > 1);
    assert_int_equal(fixture_entries(f, ASYNC_DB_KNOWN), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(a_key_that_was_coalesced_names_that_job),
        sound(a_further_key_is_given_up_with_the_first),
        sound(a_further_key_lives_as_long_as_it_was_asked_to),
        sound(many_further_keys_go_in_slices)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
