/*
 * One worker at a time, and what becomes of the jobs of the one before.
 */

#include "async_fixture.h"


static bool
recover(fixture_t *f, unsigned max)
{
    bool  left;

    assert_int_equal(async_store_recover(f->store, f->epoch, f->now, max,
                                         &left, &f->err), ASYNC_OK);

    return left;
}


static void
submit_as(fixture_t *f, unsigned n, uint16_t flags)
{
    async_job_t  job;

    job = fixture_job(n);
    job.flags = flags;

    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
}


static void
a_second_worker_is_kept_out_until_the_first_has_gone(void **state)
{
    int                     fds[2], fds_back[2];
    char                    byte;
    pid_t                   pid;
    fixture_t              *f = *state;
    async_store_t          *store;
    async_store_options_t   options;

    memset(&options, 0, sizeof(options));
    options.path = f->path;

    fixture_close(f);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(pipe(fds_back), 0);

    pid = fork();

    if (pid == 0) {
        if (async_store_open(&store, &options, NULL) != ASYNC_OK
            || !async_store_lock_worker(store, NULL)
            || write(fds[1], "x", 1) != 1
            || read(fds_back[0], &byte, 1) != 1)
        {
            _exit(1);
        }

        _exit(0);
    }

    assert_int_equal(read(fds[0], &byte, 1), 1);
    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_OK);
    assert_false(async_store_lock_worker(f->store, &f->err));
    assert_non_null(strstr(f->err.text, "another worker"));

    /* without the lock there is nothing to take over */

    assert_int_equal(async_store_take_over(f->store, &f->epoch, &f->err),
                     ASYNC_INVALID);
    assert_int_equal(async_store_epoch(f->store), 0);

    assert_int_equal(write(fds_back[1], "x", 1), 1);
    assert_int_equal(fixture_wait(pid), 0);

    assert_true(async_store_lock_worker(f->store, &f->err));
    assert_true(async_store_lock_worker(f->store, &f->err));

    close(fds[0]);
    close(fds[1]);
    close(fds_back[0]);
    close(fds_back[1]);
}


static void
each_take_over_is_one_epoch_and_outlives_the_process(void **state)
{
    fixture_t  *f = *state;

    assert_int_equal(async_store_epoch(f->store), 0);
    fixture_take_over(f);
    assert_int_equal(f->epoch, 1);
    fixture_take_over(f);
    assert_int_equal(f->epoch, 2);

    fixture_close(f);
    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_OK);
    assert_int_equal(async_store_epoch(f->store), 2);
}


static void
a_repeatable_job_runs_again_and_another_has_failed(void **state)
{
    uint8_t      buf[ASYNC_JOB_MAX];
    fixture_t   *f = *state;
    async_id_t   id;
    async_job_t  job;

    submit_as(f, 1, ASYNC_JOB_REPEATABLE);
    submit_as(f, 2, 0);
    submit_as(f, 3, 0);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 2), 2);

    fixture_take_over(f);
    f->now += 60;
    assert_false(recover(f, 100));

    id = fixture_id(1);
    job = fixture_look(f, &id, buf);
    assert_int_equal(job.state, ASYNC_STATE_QUEUED);
    assert_int_equal(job.deaths, 1);
    assert_int_equal(job.queued, FIXTURE_NOW);

    id = fixture_id(2);
    job = fixture_look(f, &id, buf);
    assert_int_equal(job.state, ASYNC_STATE_FAILED);
    assert_int_equal(job.error, ASYNC_JOB_ERROR_OUTCOME_UNKNOWN);
    assert_int_equal(job.deaths, 1);
    assert_int_equal(job.finished, f->now);
    assert_true(job.detail.len > 0);

    /* what never ran is not concerned */

    id = fixture_id(3);
    job = fixture_look(f, &id, buf);
    assert_int_equal(job.state, ASYNC_STATE_QUEUED);
    assert_int_equal(job.deaths, 0);

    fixture_assert_counts(f, "default", 2, 0);
    assert_int_equal(fixture_entries(f, ASYNC_DB_RUNNING), 0);
}


static void
what_the_present_worker_runs_is_left_alone(void **state)
{
    uint8_t      buf[ASYNC_JOB_MAX];
    fixture_t   *f = *state;
    async_id_t   id;
    async_job_t  job;

    submit_as(f, 1, 0);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 1), 1);
    assert_false(recover(f, 100));

    id = fixture_id(1);
    job = fixture_look(f, &id, buf);
    assert_int_equal(job.state, ASYNC_STATE_PROCESSING);
}


static void
the_third_death_is_the_last(void **state)
{
    unsigned     deaths;
    uint8_t      buf[ASYNC_JOB_MAX];
    fixture_t   *f = *state;
    async_id_t   id;
    async_job_t  job;

    submit_as(f, 1, ASYNC_JOB_REPEATABLE);
    id = fixture_id(1);
    fixture_take_over(f);

    for (deaths = 1; deaths <= 3; deaths++) {
        assert_int_equal(fixture_claim(f, 1), 1);
        assert_int_equal(f->claims[0].job.attempt, deaths);

        fixture_take_over(f);
        assert_false(recover(f, 10));

        job = fixture_look(f, &id, buf);
        assert_int_equal(job.deaths, deaths);
        assert_int_equal(job.state, deaths < 3 ? ASYNC_STATE_QUEUED
                                               : ASYNC_STATE_FAILED);
    }

    assert_int_equal(job.error, ASYNC_JOB_ERROR_OUTCOME_UNKNOWN);
    assert_int_equal(fixture_claim(f, 1), 0);
}


static void
recovery_goes_in_slices(void **state)
{
    unsigned    i;
    fixture_t  *f = *state;

    fixture_queue(f, "default", 64, 100, 1);

    for (i = 0; i < 10; i++) {
        submit_as(f, i, ASYNC_JOB_REPEATABLE);
    }

    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 10), 10);
    fixture_take_over(f);

    assert_true(recover(f, 4));
    fixture_assert_counts(f, "default", 4, 6);
    assert_true(recover(f, 4));
    assert_false(recover(f, 4));
    fixture_assert_counts(f, "default", 10, 0);
    assert_false(recover(f, 4));
}


static void
only_the_present_worker_judges(void **state)
{
    bool        left;
    fixture_t  *f = *state;

    submit_as(f, 1, ASYNC_JOB_REPEATABLE);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 1), 1);
    fixture_take_over(f);

    assert_int_equal(async_store_recover(f->store, f->epoch - 1, f->now, 10,
                                         &left, &f->err), ASYNC_STALE);
    fixture_assert_counts(f, "default", 0, 1);
}


static void
a_damaged_job_does_not_stop_recovery(void **state)
{
    uint8_t      whole[ASYNC_JOB_MAX];
    fixture_t   *f = *state;
    async_id_t   id;
    async_key_t  key;

    submit_as(f, 1, ASYNC_JOB_REPEATABLE);
    submit_as(f, 2, ASYNC_JOB_REPEATABLE);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 2), 2);

    id = fixture_id(1);
    async_key_job(&key, &id);
    fixture_overwrite(f, &key, whole, fixture_value(f, &key, whole,
                                                    sizeof(whole)) - 1);

    fixture_take_over(f);
    assert_false(recover(f, 10));

    assert_int_equal(fixture_entries(f, ASYNC_DB_RUNNING), 0);
    assert_int_equal(fixture_entries(f, ASYNC_DB_READY), 1);
    assert_true(fixture_has(f, &key));
}


/* --- a clock that was set back --- */

static void
rewind_by(fixture_t *f, int64_t jump, unsigned moved)
{
    unsigned  n;

    assert_int_equal(async_store_rewind(f->store, f->epoch, f->now, jump, &n,
                                        &f->err), ASYNC_OK);
    assert_int_equal(n, moved);
    fixture_assert_sound(f);
}


static void
waits_are_put_right_after_a_jump_back(void **state)
{
    int             i;
    unsigned        n;
    uint8_t         buf[ASYNC_JOB_MAX];
    fixture_t      *f = *state;
    async_id_t      id;
    async_job_t     job;
    async_event_t   event;
    const int64_t   hour = 3600000;

    for (i = 1; i <= 3; i++) {
        submit_as(f, i, 0);
        assert_int_equal(fixture_claim(f, 1), 1);
        event = fixture_about(ASYNC_EVENT_ATTEMPT_FAILED, &f->claims[0].job);
        event.error = ASYNC_JOB_ERROR_TIMEOUT;
        event.due = f->now + 10000 * i;
        assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    }

    f->now -= hour;
    rewind_by(f, -hour, 3);

    for (i = 1; i <= 3; i++) {
        id = fixture_id(i);
        job = fixture_look(f, &id, buf);
        assert_int_equal(job.due, f->now + 10000 * i);
    }

    /* without a witness of the jump it is seen by the start to come */

    f->now -= 10 * hour;
    rewind_by(f, ASYNC_REWIND_UNKNOWN, 3);

    for (i = 1; i <= 3; i++) {
        id = fixture_id(i);
        job = fixture_look(f, &id, buf);
        assert_in_range(job.due, f->now + 1, f->now + 10000 * i);
    }

    /* nothing is wrong, nothing moves; nor for a worker of before */

    rewind_by(f, ASYNC_REWIND_UNKNOWN, 0);
    assert_int_equal(async_store_rewind(f->store, f->epoch - 1, f->now, -hour,
                                        &n, &f->err), ASYNC_STALE);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(a_second_worker_is_kept_out_until_the_first_has_gone),
        sound(each_take_over_is_one_epoch_and_outlives_the_process),
        sound(a_repeatable_job_runs_again_and_another_has_failed),
        sound(what_the_present_worker_runs_is_left_alone),
        sound(the_third_death_is_the_last),
        sound(recovery_goes_in_slices),
        sound(only_the_present_worker_judges),
        sound(waits_are_put_right_after_a_jump_back),
        plain(a_damaged_job_does_not_stop_recovery)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
