/*
 * What is counted of a queue's jobs.
 */

#include "async_one_job.h"


static async_queue_meter_t
meter(fixture_t *f, const char *queue)
{
    async_queue_meter_t  m;

    assert_int_equal(async_view_meter(f->view, fixture_str(queue), &m),
                     ASYNC_OK);

    return m;
}


static bool
states_each(void *data, const async_queue_t *q,
    const async_queue_figures_t *figures)
{
    (void) q;

    *(async_queue_figures_t *) data = *figures;

    return false;
}


static void
assert_states(fixture_t *f, async_state_t state, uint64_t n)
{
    async_queue_figures_t  figures;

    assert_int_equal(async_view_queues(f->view, states_each, &figures),
                     ASYNC_OK);
    assert_int_equal(figures.states[state], n);
}


static void
a_completed_job_is_counted_on_its_way(void **state)
{
    fixture_t            *f = *state;
    async_event_t         event;
    async_queue_meter_t   m;

    fixture_submit_all(f, 1, 2);
    assert_int_equal(meter(f, "default").oldest, f->now);
    assert_states(f, ASYNC_STATE_QUEUED, 2);

    fixture_take_over(f);
    f->now += 3000;
    assert_int_equal(fixture_claim(f, 1), 1);
    assert_states(f, ASYNC_STATE_PROCESSING, 1);

    f->now += 70000;
    event = fixture_completed(&f->claims[0].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_states(f, ASYNC_STATE_COMPLETED, 1);

    m = meter(f, "default");
    assert_int_equal(m.metrics.submits[ASYNC_SUBMIT_ACCEPTED], 2);
    assert_int_equal(m.metrics.attempts[ASYNC_ATTEMPT_COMPLETED], 1);
    assert_int_equal(m.metrics.finished[ASYNC_STATE_COMPLETED], 1);
    assert_int_equal(async_histogram_count(&m.metrics.wait), 1);
    assert_int_equal(m.metrics.wait.n[ASYNC_HISTOGRAM_SUM], 3000);
    assert_int_equal(m.metrics.duration.n[ASYNC_HISTOGRAM_SUM], 70000);
    assert_int_equal(m.recent.minutes[0].completed, 1);
    assert_int_equal(m.recent.minutes[0].ran, 70);
    assert_int_equal(m.recent.minutes[1].accepted, 2);
    assert_int_equal(m.recent.minutes[1].waited, 3);
    assert_int_equal(async_runs_percentile(&m.runs, 95), 1500);

    /* what is counted outlives the jobs, and the process */

    event.type = ASYNC_EVENT_FORGOTTEN;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_states(f, ASYNC_STATE_COMPLETED, 0);

    fixture_close(f);
    assert_int_equal(fixture_open_as(f, 256ull << 20, false), ASYNC_OK);
    m = meter(f, "default");
    assert_int_equal(m.metrics.finished[ASYNC_STATE_COMPLETED], 1);
    assert_int_equal(meter(f, "other").metrics.submits[0], 0);
}


static void
other_ends_are_told_apart(void **state)
{
    async_id_t            id;
    fixture_t            *f = *state;
    async_event_t         event;
    async_queue_meter_t   m;

    (void) one_running(f, ASYNC_JOB_REPEATABLE);

    event = fixture_about(ASYNC_EVENT_ATTEMPT_FAILED, &f->claims[0].job);
    event.error = ASYNC_JOB_ERROR_TIMEOUT;
    event.due = f->now + 1000;
    event.sent = true;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_states(f, ASYNC_STATE_RETRYING, 1);

    f->now += 1000;
    assert_int_equal(fixture_claim(f, 1), 1);
    event = fixture_about(ASYNC_EVENT_FAILED, &f->claims[0].job);
    event.error = ASYNC_JOB_ERROR_BACKEND_UNREACHABLE;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    /* one that never ran ends without an attempt */

    fixture_submit_all(f, 2, 1);
    id = fixture_id(2);
    assert_int_equal(cancel(f, &id), ASYNC_OK);

    m = meter(f, "default");
    assert_int_equal(m.metrics.attempts[ASYNC_JOB_ERROR_TIMEOUT], 1);
    assert_int_equal(m.metrics.attempts[ASYNC_JOB_ERROR_BACKEND_UNREACHABLE],
                     1);
    assert_int_equal(m.metrics.attempts[ASYNC_ATTEMPT_CANCELED], 0);
    assert_int_equal(m.metrics.finished[ASYNC_STATE_FAILED], 1);
    assert_int_equal(m.metrics.finished[ASYNC_STATE_CANCELED], 1);
    assert_int_equal(async_histogram_count(&m.metrics.wait), 2);
    assert_int_equal(async_histogram_count(&m.metrics.duration), 1);
    assert_int_equal(m.recent.minutes[0].failed, 2);
    assert_int_equal(m.oldest, 0);
}


static void
the_oldest_of_all_priorities_is_told(void **state)
{
    unsigned      i;
    fixture_t    *f = *state;
    async_job_t   job;

    for (i = 1; i <= 3; i++) {
        job = fixture_job(i);
        job.priority = (uint8_t) (i == 2 ? 0 : 9);
        assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
        f->now += 1000;
    }

    assert_int_equal(meter(f, "default").oldest, FIXTURE_NOW);

    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 2), 2);
    assert_int_equal(meter(f, "default").oldest, FIXTURE_NOW + 1000);
    assert_int_equal(meter(f, "defaul").oldest, 0);
}


static void
damage_begins_anew_and_is_told(void **state)
{
    fixture_t              *f = *state;
    async_key_t             key;
    async_error_t           err;
    async_check_figures_t   figures;

    fixture_submit_all(f, 1, 1);

    async_key_metrics(&key, fixture_str("default"));
    fixture_overwrite(f, &key, (uint8_t *) "damage", 6);

    assert_int_equal(async_store_check(f->store, &figures, NULL, NULL, NULL,
                                       &err), ASYNC_OK);
    assert_int_equal(figures.faults, 1);

    fixture_submit_all(f, 2, 1);
    assert_int_equal(meter(f, "default").metrics.submits[0], 1);
}


/* a store of a version that did not count by state */

static void
states_are_counted_where_they_are_missing(void **state)
{
    uint8_t       buf[ASYNC_COUNT_MAX];
    uint64_t      n[2] = { 1, 0 };
    fixture_t    *f = *state;
    async_id_t    id;
    async_key_t   key;

    fixture_submit_all(f, 1, 2);
    id = fixture_id(1);
    assert_int_equal(cancel(f, &id), ASYNC_OK);

    async_key_count(&key, fixture_str("default"));
    fixture_overwrite(f, &key, buf, async_count_encode(n, 2, buf,
                                                       sizeof(buf)));
    fixture_assert_sound(f);
    fixture_assert_counts(f, "default", 1, 0);
    assert_states(f, ASYNC_STATE_CANCELED, 0);

    fixture_submit_all(f, 3, 1);
    fixture_assert_counts(f, "default", 2, 0);
    assert_states(f, ASYNC_STATE_CANCELED, 1);
    assert_states(f, ASYNC_STATE_QUEUED, 2);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(a_completed_job_is_counted_on_its_way),
        sound(other_ends_are_told_apart),
        sound(the_oldest_of_all_priorities_is_told),
        sound(damage_begins_anew_and_is_told),
        sound(states_are_counted_where_they_are_missing)
    };

    return cmocka_run_group_tests_name("async_meter", tests, NULL, NULL);
}
