/*
 * The figures of queues heal: they are derived from the jobs' index rows.
 */

#include "async_fixture.h"


/* default: two ready, one parked, one running; other: one of each but that */

static void
some_of_each(fixture_t *f)
{
    unsigned       i;
    async_job_t    job;
    async_event_t  event;

    fixture_take_over(f);

    for (i = 0; i < 4; i++) {
        job = fixture_job(i);
        assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
    }

    assert_int_equal(fixture_claim(f, 2), 2);
    event = fixture_about(ASYNC_EVENT_RELEASED, &f->claims[0].job);
    event.due = f->now + 1000;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    for (i = 4; i < 6; i++) {
        job = fixture_job(i);
        job.queue = fixture_str("other");
        assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
    }

    assert_int_equal(fixture_claim(f, 1), 1);
    assert_memory_equal(f->claims[0].job.queue.data, "other", 5);
}


static void
damaged_figures_are_counted_anew(void **state)
{
    size_t       len, cut;
    uint8_t      whole[ASYNC_COUNT_MAX];
    fixture_t   *f = *state;
    async_key_t  key;
    async_job_t  job;

    some_of_each(f);

    async_key_count(&key, fixture_str("default"));
    len = fixture_value(f, &key, whole, sizeof(whole));

    for (cut = 1; cut < len; cut++) {
        fixture_overwrite(f, &key, whole, cut);

        /* seen by who asks about the queue, and mended by who writes */

        fixture_assert_counts(f, "default", 0, 0);

        job = fixture_job(100 + (unsigned) cut);
        assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
        fixture_assert_counts(f, "default", 3 + cut, 1);
        fixture_assert_counts(f, "other", 1, 1);
    }
}


static void
damaged_figures_count_what_came_before_in_the_batch(void **state)
{
    unsigned       i;
    fixture_t     *f = *state;
    async_key_t    key;
    async_job_t    jobs[3];
    async_event_t  events[3];

    some_of_each(f);

    async_key_count(&key, fixture_str("other"));
    fixture_overwrite(f, &key, "damage", 6);

    for (i = 0; i < 3; i++) {
        jobs[i] = fixture_job(100 + i);
        jobs[i].queue = fixture_str(i == 1 ? "other" : "default");
        events[i] = fixture_submitted(&jobs[i]);
    }

    assert_int_equal(fixture_apply(f, events, 3), ASYNC_OK);

    fixture_assert_counts(f, "default", 3 + 2, 1);
    fixture_assert_counts(f, "other", 1 + 1, 1);
}


static void
a_limit_holds_also_right_after_damage(void **state)
{
    fixture_t   *f = *state;
    async_key_t  key;
    async_job_t  job;

    some_of_each(f);
    fixture_queue(f, "default", 8, 3, 1);

    async_key_count(&key, fixture_str("default"));
    fixture_overwrite(f, &key, "damage", 6);

    job = fixture_job(100);
    assert_int_equal(fixture_submit(f, &job), ASYNC_QUEUE_FULL);

    fixture_assert_counts(f, "default", 3, 1);
}


static void
a_damaged_running_job_gives_its_place_back_at_recovery(void **state)
{
    bool         left;
    uint8_t      whole[ASYNC_JOB_MAX];
    fixture_t   *f = *state;
    async_key_t  key;

    some_of_each(f);

    async_key_job(&key, &f->claims[0].job.id);              /* of "other" */
    fixture_overwrite(f, &key, whole, fixture_value(f, &key, whole,
                                                    sizeof(whole)) - 1);

    fixture_take_over(f);
    assert_int_equal(async_store_recover(f->store, f->epoch, f->now, 10,
                                         &left, &f->err), ASYNC_OK);

    fixture_assert_counts(f, "other", 1, 0);
    fixture_assert_counts(f, "default", 3, 0);
}


static void
a_damaged_parked_job_is_no_longer_counted(void **state)
{
    unsigned     i;
    uint8_t      whole[ASYNC_JOB_MAX];
    fixture_t   *f = *state;
    async_id_t   id;
    async_key_t  key;

    some_of_each(f);
    id = fixture_id(0);

    async_key_job(&key, &id);
    fixture_overwrite(f, &key, whole, fixture_value(f, &key, whole,
                                                    sizeof(whole)) - 1);

    f->now += 1000;

    for (i = 0; i < 2; i++) {
        fixture_claim(f, 0);
        fixture_assert_counts(f, "default", 2, 1);
        assert_int_equal(f->next_due, 0);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(damaged_figures_are_counted_anew),
        sound(damaged_figures_count_what_came_before_in_the_batch),
        sound(a_limit_holds_also_right_after_damage),
        plain(a_damaged_running_job_gives_its_place_back_at_recovery),
        plain(a_damaged_parked_job_is_no_longer_counted)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
