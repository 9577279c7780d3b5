/*
 * A job that has ended is removed by hand: nothing of it is left.
 */

#include "async_one_job.h"


static async_rc_t
forget(fixture_t *f, const async_id_t *id)
{
    async_event_t  event;

    memset(&event, 0, sizeof(event));

    event.type = ASYNC_EVENT_FORGOTTEN;
    event.id = *id;

    return fixture_event(f, &event);
}


static void
nothing_is_left_of_a_job_that_is_forgotten(void **state)
{
    fixture_t      *f = *state;
    async_id_t      id;
    async_db_t      db;
    async_event_t   event;

    const async_db_t  dbs[] = {
        ASYNC_DB_JOBS, ASYNC_DB_PAYLOAD, ASYNC_DB_READY, ASYNC_DB_TIMERS,
        ASYNC_DB_RUNNING, ASYNC_DB_TRAIL, ASYNC_DB_BYSTATE
    };

    id = one_running(f, 0)->id;
    event = fixture_completed(&f->claims[0].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_int_equal(forget(f, &id), ASYNC_OK);

    for (db = 0; db < sizeof(dbs) / sizeof(dbs[0]); db++) {
        assert_int_equal(fixture_entries(f, dbs[db]), 0);
    }

    assert_int_equal(forget(f, &id), ASYNC_NOT_FOUND);
    assert_int_equal(cancel(f, &id), ASYNC_NOT_FOUND);
    fixture_assert_counts(f, "default", 0, 0);
}


static void
the_file_of_a_forgotten_result_goes(void **state)
{
    char                   path[640];
    fixture_t             *f = *state;
    async_id_t             id;
    async_event_t          event;
    async_spool_t          spool;
    async_store_figures_t  figures;

    id = one_running(f, 0)->id;
    event = fixture_completed(&f->claims[0].job);
    memset(&event.payload.body, 0, sizeof(async_str_t));
    memset(&event.response, 0, sizeof(async_body_t));

    assert_int_equal(async_spool_create(&spool, f->store, &id,
                                        ASYNC_PAYLOAD_RESPONSE_BODY, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_spool_write(&spool, "result", 6, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_spool_finish(&spool, &event.response, &f->err),
                     ASYNC_OK);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_true(async_spool_path(f->store, &id, ASYNC_PAYLOAD_RESPONSE_BODY,
                                 path, sizeof(path)));
    assert_int_equal(access(path, F_OK), 0);

    assert_int_equal(forget(f, &id), ASYNC_OK);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(async_store_figures(f->store, &figures), ASYNC_OK);
    assert_int_equal(figures.spooled, 0);
    assert_int_equal(figures.jobs, 0);
}


static void
one_whose_result_has_expired_is_forgotten_too(void **state)
{
    fixture_t      *f = *state;
    async_id_t      id;

    fixture_submit_all(f, 1, 1);
    id = fixture_id(1);
    assert_int_equal(cancel(f, &id), ASYNC_OK);
    fixture_take_over(f);

    f->now += DAY;
    assert_int_equal(fixture_sweep(f).results, 1);

    assert_int_equal(forget(f, &id), ASYNC_OK);
    assert_int_equal(fixture_entries(f, ASYNC_DB_JOBS), 0);
    assert_int_equal(fixture_entries(f, ASYNC_DB_TIMERS), 0);
}


static void
a_job_that_has_not_ended_is_not_forgotten(void **state)
{
    uint8_t        buf[ASYNC_JOB_MAX];
    fixture_t     *f = *state;
    async_id_t     id;
    async_event_t  event;

    fixture_submit_all(f, 2, 1);
    id = fixture_id(2);
    assert_int_equal(forget(f, &id), ASYNC_REFUSED);
    assert_int_equal(cancel(f, &id), ASYNC_OK);
    assert_int_equal(forget(f, &id), ASYNC_OK);

    id = one_running(f, ASYNC_JOB_REPEATABLE)->id;
    assert_int_equal(forget(f, &id), ASYNC_REFUSED);

    event = fixture_about(ASYNC_EVENT_ATTEMPT_FAILED, &f->claims[0].job);
    event.error = ASYNC_JOB_ERROR_TIMEOUT;
    event.due = f->now + 1000;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_int_equal(forget(f, &id), ASYNC_REFUSED);

    assert_int_equal(fixture_look(f, &id, buf).state, ASYNC_STATE_RETRYING);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(nothing_is_left_of_a_job_that_is_forgotten),
        sound(the_file_of_a_forgotten_result_goes),
        sound(one_whose_result_has_expired_is_forgotten_too),
        sound(a_job_that_has_not_ended_is_not_forgotten)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
