/*
 * Who runs next.
 */

#include "async_fixture.h"


#define SERVER  7


static void
submit_as(fixture_t *f, unsigned n, const char *queue, uint8_t priority,
    uint64_t server)
{
    async_job_t  job;

    job = fixture_job(n);
    job.queue = fixture_str(queue);
    job.priority = priority;
    job.server = server;

    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
}


/* the numbers that the jobs of the last claim were made from */

static void
assert_claimed(fixture_t *f, const unsigned *numbers, unsigned n)
{
    unsigned    i;
    async_id_t  id;

    assert_int_equal(f->n, n);

    for (i = 0; i < n; i++) {
        id = fixture_id(numbers[i]);
        assert_memory_equal(&f->claims[i].job.id, &id, sizeof(id));
    }
}


#define assert_claims(f, max, ...)                                           \
    do {                                                                     \
        const unsigned  numbers[] = { __VA_ARGS__ };                         \
        fixture_claim(f, max);                                               \
        assert_claimed(f, numbers, sizeof(numbers) / sizeof(numbers[0]));    \
    } while (0)


static void
settle(fixture_t *f, unsigned i)
{
    async_event_t  event;

    event = fixture_completed(&f->claims[i].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
}


static void
release(fixture_t *f, unsigned i, int64_t due)
{
    async_event_t  event;

    event = fixture_about(ASYNC_EVENT_RELEASED, &f->claims[i].job);
    event.due = due;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
}


/* jobs from..from+n-1 of two queues, each in a ms of its own */

static void
submit_backlog(fixture_t *f, unsigned from, unsigned n, uint64_t server)
{
    unsigned       i;
    async_job_t    job;
    async_batch_t  batch;
    async_event_t  event;

    memset(&batch, 0, sizeof(batch));
    batch.events = &event;
    batch.n = 1;

    (void) mdb_env_set_flags(f->store->env, MDB_NOSYNC, 1);

    for (i = from; i < from + n; i++) {
        job = fixture_job(i);
        job.queue = fixture_str(i % 2 ? "default" : "other");
        job.server = server;
        event = fixture_submitted(&job);
        batch.now = f->now++;
        assert_int_equal(async_store_apply(f->store, &batch, &f->err),
                         ASYNC_OK);
        assert_int_equal(event.rc, ASYNC_OK);
    }
}


static void
the_higher_priority_goes_first_and_then_the_older(void **state)
{
    fixture_t  *f = *state;

    submit_as(f, 5, "default", 4, SERVER);
    submit_as(f, 4, "default", 4, SERVER);
    submit_as(f, 3, "default", 9, SERVER);
    submit_as(f, 2, "default", 0, SERVER);
    submit_as(f, 1, "default", 9, SERVER);
    f->now++;
    submit_as(f, 0, "default", 4, SERVER);

    fixture_take_over(f);
    assert_claims(f, 8, 3, 1, 5, 4, 0, 2);
    assert_false(f->more);
}


static void
jobs_of_one_millisecond_are_first_in_first_out(void **state)
{
    unsigned       i;
    fixture_t     *f = *state;
    async_job_t    jobs[5];
    async_event_t  events[5];

    for (i = 0; i < 5; i++) {
        jobs[i] = fixture_job((i * 7 + 3) % 5);
        events[i] = fixture_submitted(&jobs[i]);
    }

    assert_int_equal(fixture_apply(f, events, 5), ASYNC_OK);

    fixture_take_over(f);
    assert_claims(f, 5, 3, 0, 2, 4, 1);
}


static void
a_queue_runs_no_more_at_once_than_it_may(void **state)
{
    fixture_t  *f = *state;

    fixture_queue(f, "default", 2, 100, 1);
    fixture_submit_all(f, 1, 5);
    fixture_take_over(f);

    assert_claims(f, 8, 1, 2);
    assert_false(f->more);                      /* it is the queue's limit */
    assert_int_equal(fixture_claim(f, 8), 0);

    fixture_claim(f, 0);
    assert_false(f->more);

    f->n = 0;
    settle(f, 0);
    assert_claims(f, 8, 3);
    fixture_assert_counts(f, "default", 2, 2);
}


static void
a_queue_without_a_policy_runs_eight(void **state)
{
    fixture_t  *f = *state;

    fixture_submit_all(f, 1, 12);
    fixture_take_over(f);

    assert_int_equal(fixture_claim(f, 64), 8);
}


static void
more_says_that_the_callers_limit_left_work(void **state)
{
    fixture_t  *f = *state;

    fixture_submit_all(f, 1, 3);
    fixture_take_over(f);

    assert_claims(f, 2, 1, 2);
    assert_true(f->more);
    assert_claims(f, 2, 3);
    assert_false(f->more);
    assert_int_equal(fixture_claim(f, 2), 0);
    assert_false(f->more);
}


static void
queues_take_turns(void **state)
{
    unsigned    i;
    fixture_t  *f = *state;

    for (i = 0; i < 6; i++) {
        submit_as(f, 10 + i, "a", 4, SERVER);
    }

    submit_as(f, 1, "b", 4, SERVER);
    submit_as(f, 2, "b", 4, SERVER);
    submit_as(f, 3, "cc", 0, SERVER);

    fixture_take_over(f);
    assert_claims(f, 4, 10, 1, 3, 11);
    assert_true(f->more);

    /* the next claim begins where this one ended */

    assert_claims(f, 2, 2, 12);
    assert_claims(f, 8, 13, 14, 15);
}


static void
a_name_that_begins_like_another_is_another_queue(void **state)
{
    fixture_t  *f = *state;

    submit_as(f, 1, "a", 4, SERVER);
    submit_as(f, 2, "aa", 9, SERVER);
    submit_as(f, 3, "a\x05", 9, SERVER);
    fixture_queue(f, "aa", 0, 100, 1);

    fixture_take_over(f);
    assert_claims(f, 8, 1, 3);
    fixture_assert_counts(f, "a", 0, 1);
    fixture_assert_counts(f, "aa", 1, 0);
}


static void
a_full_queue_does_not_hold_up_the_others(void **state)
{
    unsigned    i;
    fixture_t  *f = *state;

    fixture_queue(f, "a", 1, 1000, 1);

    for (i = 0; i < 50; i++) {
        submit_as(f, 100 + i, "a", 9, SERVER);
    }

    submit_as(f, 1, "b", 0, SERVER);
    submit_as(f, 2, "b", 0, SERVER);

    fixture_take_over(f);
    assert_claims(f, 64, 100, 1, 2);
}


static void
jobs_of_a_server_that_is_away_are_parked(void **state)
{
    uint8_t         buf[ASYNC_JOB_MAX];
    uint64_t        skip[] = { 3, 8 };
    fixture_t      *f = *state;
    async_id_t      id;
    async_job_t     job;

    submit_as(f, 1, "default", 9, 8);
    submit_as(f, 2, "default", 4, SERVER);
    submit_as(f, 3, "default", 4, 8);

    fixture_take_over(f);
    assert_int_equal(fixture_claim_skip(f, 8, skip, 2), ASYNC_OK);
    assert_claimed(f, (const unsigned[]) { 2 }, 1);
    assert_int_equal(f->next_due, 0);               /* there is no time */
    assert_false(f->more);

    id = fixture_id(1);
    job = fixture_look(f, &id, buf);
    assert_int_equal(job.state, ASYNC_STATE_QUEUED);
    assert_int_equal(job.flags & ASYNC_JOB_PARKED, ASYNC_JOB_PARKED);
    assert_int_equal(job.queued, FIXTURE_NOW);
    assert_int_equal(job.seq, 1);                   /* nobody saw it leave */
    assert_int_equal(fixture_entries(f, ASYNC_DB_TIMERS), 2);
    assert_int_equal(fixture_entries(f, ASYNC_DB_READY), 0);
    fixture_assert_counts(f, "default", 2, 1);

    f->now += 3600 * 1000;
    assert_int_equal(fixture_claim_skip(f, 8, skip, 2), ASYNC_OK);
    assert_int_equal(f->n, 0);
    assert_claims(f, 8, 1, 3);
    assert_int_equal(f->next_due, 0);
    assert_int_equal(f->claims[0].job.seq, 2);
}


static void
who_was_parked_keeps_his_place(void **state)
{
    uint64_t    skip[] = { 8 };
    fixture_t  *f = *state;

    submit_as(f, 9, "default", 4, 8);
    fixture_take_over(f);
    assert_int_equal(fixture_claim_skip(f, 8, skip, 1), ASYNC_OK);

    submit_as(f, 2, "default", 4, SERVER);          /* the same ms */
    f->now += 500;
    submit_as(f, 1, "default", 4, SERVER);
    f->now += 500;

    assert_claims(f, 8, 9, 2, 1);
}


static void
a_due_time_beyond_now_waits(void **state)
{
    fixture_t  *f = *state;

    fixture_take_over(f);

    submit_as(f, 1, "default", 4, 8);
    submit_as(f, 2, "default", 4, 8);
    assert_claims(f, 8, 1, 2);
    release(f, 0, f->now + 1000);
    release(f, 1, f->now + 500);
    assert_int_equal(fixture_claim(f, 8), 0);
    assert_int_equal(f->next_due, f->now + 500);

    f->now += 700;
    assert_claims(f, 8, 2);
    assert_int_equal(f->next_due, FIXTURE_NOW + 1000);

    /* a time for the sweeper is not the claim's business */

    settle(f, 0);
    fixture_claim(f, 8);
    assert_int_equal(f->next_due, FIXTURE_NOW + 1000);
}


static void
a_claim_looks_at_a_bounded_number_of_jobs(void **state)
{
    unsigned    calls;
    uint64_t    skip[] = { SERVER };
    fixture_t  *f = *state;

    fixture_queue(f, "default", 8, 100000, 1);
    fixture_submit_all(f, 0, 1200);
    fixture_take_over(f);

    for (calls = 1; calls < 100; calls++) {
        assert_int_equal(fixture_claim_skip(f, 8, skip, 1), ASYNC_OK);
        assert_int_equal(f->n, 0);

        if (!f->more) {
            break;
        }
    }

    assert_true(calls > 1 && calls < 10);
    assert_int_equal(fixture_entries(f, ASYNC_DB_READY), 0);
    assert_int_equal(fixture_entries(f, ASYNC_DB_TIMERS), 1200);

    /* and so when they all come back at once */

    assert_int_equal(fixture_claim(f, 8), 8);
    assert_true(f->more);
    assert_true(fixture_entries(f, ASYNC_DB_TIMERS) >= 600);
}


static void
a_backlog_of_a_server_that_is_away_is_left_alone(void **state)
{
    unsigned    i;
    uint64_t    before, skip[] = { 8, 9 };
    fixture_t  *f = *state;

    submit_backlog(f, 0, 5000, 8);
    fixture_take_over(f);

    do {
        assert_int_equal(fixture_claim_skip(f, 8, skip, 2), ASYNC_OK);
        assert_int_equal(f->n, 0);
    } while (f->more);

    before = fixture_transaction(f);

    for (i = 0; i < 20; i++) {
        f->now += 5000;
        assert_int_equal(fixture_claim_skip(f, 8, skip, 2), ASYNC_OK);
        assert_int_equal(f->n, 0);
        assert_false(f->more);
        assert_int_equal(f->next_due, 0);
    }

    assert_int_equal(fixture_transaction(f), before);

    /* and who is there runs at once */

    submit_as(f, 5000, "default", 4, SERVER);
    submit_as(f, 5001, "other", 0, SERVER);
    assert_int_equal(fixture_claim_skip(f, 8, skip, 2), ASYNC_OK);
    assert_claimed(f, (const unsigned[]) { 5001, 5000 }, 2);
    assert_int_equal(fixture_entries(f, ASYNC_DB_TIMERS), 5000);
    fixture_assert_counts(f, "default", 2500, 1);
}


static void
a_backlog_comes_back_in_order(void **state)
{
    unsigned       i, q, next[] = { 0, 1 };
    uint64_t       skip[] = { 8, UINT64_MAX };
    fixture_t     *f = *state;
    async_id_t     id;
    async_event_t  events[FIXTURE_CLAIMS];

    fixture_queue(f, "default", 8, 100000, 1);
    fixture_queue(f, "other", 3, 100000, 1);
    submit_backlog(f, 0, 1500, 8);
    submit_backlog(f, 1500, 100, UINT64_MAX);
    submit_backlog(f, 2000, 1, SERVER);
    fixture_take_over(f);

    do {
        assert_int_equal(fixture_claim_skip(f, 0, skip, 2), ASYNC_OK);
        assert_int_equal(fixture_claim_skip(f, 8, skip, 2), ASYNC_OK);
    } while (f->more);

    assert_int_equal(fixture_entries(f, ASYNC_DB_TIMERS), 1600);

    /* one is back, the other is not; the job of a third may be among them */

    do {
        fixture_claim_skip(f, FIXTURE_CLAIMS, skip + 1, 1);

        for (i = 0; i < f->n; i++) {
            events[i] = fixture_completed(&f->claims[i].job);
            q = f->claims[i].job.queue.data[0] == 'd';

            if (f->claims[i].job.server == 8) {
                id = fixture_id(next[q]);
                assert_memory_equal(&f->claims[i].job.id, &id, sizeof(id));
                next[q] += 2;
            }
        }

        assert_int_equal(fixture_apply(f, events, f->n), ASYNC_OK);
    } while (f->n > 0);

    assert_int_equal(next[0], 1500);
    assert_int_equal(next[1], 1501);

    /* 8 and 3, but one of the latter runs since it came between the claims */

    assert_int_equal(fixture_claim(f, 64), 10);
    assert_int_equal(f->claims[0].job.server, UINT64_MAX);
}


static void
a_job_given_back_waits_for_its_time_and_then_for_its_server(void **state)
{
    uint64_t    before, skip[] = { 8 };
    fixture_t  *f = *state;

    submit_as(f, 1, "default", 4, 8);
    fixture_take_over(f);
    assert_claims(f, 8, 1);
    release(f, 0, f->now + 250);

    assert_int_equal(fixture_claim_skip(f, 8, skip, 1), ASYNC_OK);
    assert_int_equal(f->next_due, f->now + 250);

    f->now += 250;
    assert_int_equal(fixture_claim_skip(f, 8, skip, 1), ASYNC_OK);
    assert_int_equal(f->n, 0);
    assert_int_equal(f->next_due, 0);

    before = fixture_transaction(f);
    assert_int_equal(fixture_claim_skip(f, 8, skip, 1), ASYNC_OK);
    assert_int_equal(fixture_transaction(f), before);

    assert_claims(f, 8, 1);
    assert_int_equal(f->claims[0].job.attempt, 1);
}


/* figures that are damaged are counted from the rows, these among them */

static void
who_waits_for_his_server_is_counted(void **state)
{
    uint64_t      skip[] = { SERVER };
    fixture_t    *f = *state;
    async_key_t   key;

    fixture_submit_all(f, 1, 3);
    fixture_take_over(f);
    assert_int_equal(fixture_claim_skip(f, 8, skip, 1), ASYNC_OK);

    async_key_count(&key, fixture_str("default"));
    fixture_overwrite(f, &key, "?", 1);
    fixture_submit_all(f, 4, 1);

    fixture_assert_counts(f, "default", 4, 0);
}


static void
only_the_present_epoch_claims(void **state)
{
    uint64_t    epoch;
    fixture_t  *f = *state;

    fixture_submit_all(f, 1, 1);
    fixture_take_over(f);
    epoch = f->epoch;

    f->epoch = epoch - 1;
    assert_int_equal(fixture_claim_skip(f, 8, NULL, 0), ASYNC_STALE);
    assert_int_equal(f->n, 0);
    f->epoch = epoch + 1;
    assert_int_equal(fixture_claim_skip(f, 8, NULL, 0), ASYNC_STALE);

    f->epoch = epoch;
    fixture_take_over(f);
    assert_int_equal(f->epoch, epoch + 1);

    f->epoch = epoch;
    assert_int_equal(fixture_claim_skip(f, 8, NULL, 0), ASYNC_STALE);

    fixture_assert_counts(f, "default", 1, 0);
}


static void
a_damaged_job_is_set_aside_and_the_next_one_runs(void **state)
{
    uint8_t       whole[ASYNC_JOB_MAX];
    fixture_t    *f = *state;
    async_id_t    id;
    async_key_t   key;

    fixture_submit_all(f, 1, 3);
    fixture_take_over(f);

    id = fixture_id(1);
    async_key_job(&key, &id);
    fixture_overwrite(f, &key, whole, fixture_value(f, &key, whole,
                                                    sizeof(whole)) - 1);
    id = fixture_id(2);
    async_key_job(&key, &id);
    fixture_overwrite(f, &key, NULL, 0);

    assert_claims(f, 8, 3);
    assert_int_equal(fixture_entries(f, ASYNC_DB_READY), 0);
    fixture_assert_counts(f, "default", 0, 1);
    assert_int_equal(fixture_entries(f, ASYNC_DB_JOBS), 2);
}


static void
a_timer_without_a_job_does_not_stay_for_ever(void **state)
{
    fixture_t    *f = *state;
    async_id_t    id;
    async_key_t   key;

    fixture_submit_all(f, 1, 1);
    fixture_take_over(f);

    id = fixture_id(5);
    async_key_timer(&key, ASYNC_TIMER_DUE, f->now - 5, &id);
    fixture_overwrite(f, &key, "", 1);
    id = fixture_id(1);                             /* ready, not parked */
    async_key_timer(&key, ASYNC_TIMER_DUE, f->now - 4, &id);
    fixture_overwrite(f, &key, "", 1);

    async_key_away(&key, SERVER);                   /* too short besides */
    fixture_overwrite(f, &key, "", 1);

    assert_claims(f, 8, 1);
    assert_int_equal(f->next_due, 0);
    assert_int_equal(fixture_entries(f, ASYNC_DB_TIMERS), 0);
}


static void
a_job_whose_policy_is_gone_runs_by_the_defaults(void **state)
{
    fixture_t    *f = *state;
    async_job_t   job;

    job = fixture_job(1);
    memset(job.policy, 0xaa, sizeof(job.policy));
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);

    fixture_take_over(f);
    assert_claims(f, 1, 1);
    assert_int_equal(f->claims[0].policy.timeout, 900000);
    assert_int_equal(f->claims[0].policy.attempts, 5);
}

/* who waited too long fails when it would have been his turn */

static void
a_claim_names_those_that_were_not_started_in_time(void **state)
{
    unsigned                i, told;
    async_batch_t           batch;
    async_claim_request_t   request;
    async_overdue_t         late[3];
    async_claim_t           claims[10];
    async_policy_t          policy;
    fixture_t              *f = *state;

    fixture_take_over(f);
    fixture_submit_all(f, 1, 7);

    async_policy_defaults(&policy);
    f->now += (int64_t) policy.start_timeout + 1;

    for (told = 0; told < 7; told += request.nlate) {
        memset(&batch, 0, sizeof(batch));
        memset(&request, 0, sizeof(request));

        request.epoch = f->epoch;
        request.claims = claims;
        request.max = 10;
        request.late = late;
        request.max_late = 3;
        batch.claim = &request;
        batch.now = f->now;

        assert_int_equal(async_store_apply(f->store, &batch, &f->err),
                         ASYNC_OK);
        assert_int_equal(request.n, 0);
        assert_in_range(request.nlate, 1, 3);
        assert_int_equal(request.more, told + request.nlate < 7
                                       || request.nlate == 3);

        for (i = 0; i < request.nlate; i++) {
            assert_memory_equal(&late[i].id, &(async_id_t[])
                                { fixture_id(1 + told + i) }[0],
                                sizeof(async_id_t));
            assert_string_equal(late[i].queue, "default");
            assert_int_equal(late[i].attempt, 0);
        }
    }

    assert_int_equal(told, 7);
    assert_int_equal(fixture_entries(f, ASYNC_DB_READY), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(the_higher_priority_goes_first_and_then_the_older),
        sound(jobs_of_one_millisecond_are_first_in_first_out),
        sound(a_queue_runs_no_more_at_once_than_it_may),
        sound(a_queue_without_a_policy_runs_eight),
        sound(more_says_that_the_callers_limit_left_work),
        sound(queues_take_turns),
        sound(a_name_that_begins_like_another_is_another_queue),
        sound(a_full_queue_does_not_hold_up_the_others),
        sound(jobs_of_a_server_that_is_away_are_parked),
        sound(who_was_parked_keeps_his_place),
        sound(a_backlog_of_a_server_that_is_away_is_left_alone),
        sound(a_backlog_comes_back_in_order),
        sound(a_job_given_back_waits_for_its_time_and_then_for_its_server),
        sound(who_waits_for_his_server_is_counted),
        sound(a_due_time_beyond_now_waits),
        sound(a_claim_looks_at_a_bounded_number_of_jobs),
        sound(a_claim_names_those_that_were_not_started_in_time),
        sound(only_the_present_epoch_claims),
        plain(a_damaged_job_is_set_aside_and_the_next_one_runs),
        sound(a_timer_without_a_job_does_not_stay_for_ever),
        plain(a_job_whose_policy_is_gone_runs_by_the_defaults)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
