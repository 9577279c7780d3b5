/*
 * What a submit is known by: who asks again gets the job that there is, and
 * for how long.
 */

#include "async_keyed.h"


static void
the_same_request_under_a_key_is_the_same_job(void **state)
{
    fixture_t  *f = *state;

    assert_submit(f, 1, 'k', 1, ASYNC_OK, 1);
    assert_submit(f, 2, 'k', 1, ASYNC_EXISTS, 1);
    assert_submit(f, 3, 'k', 2, ASYNC_KEY_REUSED, 1);
    assert_submit(f, 4, 'l', 1, ASYNC_OK, 4);

    assert_int_equal(fixture_entries(f, ASYNC_DB_JOBS), 2);
    assert_int_equal(fixture_entries(f, ASYNC_DB_KNOWN), 2);
    assert_int_equal(fixture_entries(f, ASYNC_DB_FEED), 2);
    fixture_assert_counts(f, "default", 2, 0);

    /* and after a restart */

    fixture_close(f);
    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_OK);
    assert_submit(f, 5, 'k', 1, ASYNC_EXISTS, 1);
    assert_submit(f, 6, 'l', 2, ASYNC_KEY_REUSED, 4);
}


static void
two_of_one_batch_find_each_other(void **state)
{
    fixture_t      *f = *state;
    async_job_t     jobs[5];
    async_event_t   events[5];

    events[0] = keyed(&jobs[0], 1, 'k', 1);
    events[1] = keyed(&jobs[1], 2, 'k', 1);
    events[2] = keyed(&jobs[2], 3, 'k', 2);
    events[3] = coalesced(&jobs[3], 4, 'c');
    events[4] = coalesced(&jobs[4], 5, 'c');

    assert_int_equal(fixture_apply(f, events, 5), ASYNC_OK);
    assert_is(&events[0], ASYNC_OK, 1);
    assert_is(&events[1], ASYNC_EXISTS, 1);
    assert_is(&events[2], ASYNC_KEY_REUSED, 1);
    assert_is(&events[3], ASYNC_OK, 4);
    assert_is(&events[4], ASYNC_EXISTS, 4);
    assert_int_equal(fixture_entries(f, ASYNC_DB_JOBS), 2);
}


static void
who_asks_again_is_answered_however_full_it_is(void **state)
{
    fixture_t      *f = *state;
    async_job_t     job;
    async_event_t   event;

    fixture_queue(f, "default", 1, 2, 1);
    assert_submit(f, 1, 'k', 1, ASYNC_OK, 1);

    event = coalesced(&job, 2, 'c');
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_submit(f, 3, 'l', 1, ASYNC_QUEUE_FULL, 3);
    assert_submit(f, 4, 'k', 1, ASYNC_EXISTS, 1);
    assert_submit(f, 5, 'k', 2, ASYNC_KEY_REUSED, 1);

    event = coalesced(&job, 6, 'c');
    assert_int_equal(fixture_event(f, &event), ASYNC_EXISTS);

    /* a key whose job was refused is nobody's */

    assert_int_equal(fixture_entries(f, ASYNC_DB_KNOWN), 2);
}


static void
what_is_coalesced_is_one_job_until_it_ends(void **state)
{
    fixture_t      *f = *state;
    async_job_t     job;
    async_event_t   event;

    fixture_take_over(f);

    event = coalesced(&job, 1, 'c');
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_int_equal(fixture_claim(f, 1), 1);

    event = coalesced(&job, 2, 'c');
    assert_int_equal(fixture_apply(f, &event, 1), ASYNC_OK);
    assert_is(&event, ASYNC_EXISTS, 1);

    event = fixture_completed(&f->claims[0].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_int_equal(fixture_entries(f, ASYNC_DB_KNOWN), 0);

    event = coalesced(&job, 3, 'c');
    assert_int_equal(fixture_apply(f, &event, 1), ASYNC_OK);
    assert_is(&event, ASYNC_OK, 3);
}


static void
of_both_keys_that_of_the_client_rules(void **state)
{
    fixture_t      *f = *state;
    async_job_t     job;
    async_event_t   event;

    event = coalesced(&job, 1, 'c');
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_submit(f, 2, 'k', 1, ASYNC_OK, 2);

    event = coalesced(&job, 3, 'c');
    event.idempotency = key_of('k', 1, DAY);
    assert_int_equal(fixture_apply(f, &event, 1), ASYNC_OK);
    assert_is(&event, ASYNC_EXISTS, 2);

    event = coalesced(&job, 4, 'c');
    event.idempotency = key_of('k', 2, DAY);
    assert_int_equal(fixture_apply(f, &event, 1), ASYNC_OK);
    assert_is(&event, ASYNC_KEY_REUSED, 2);

    event = coalesced(&job, 5, 'c');
    event.idempotency = key_of('l', 1, DAY);
    assert_int_equal(fixture_apply(f, &event, 1), ASYNC_OK);
    assert_is(&event, ASYNC_EXISTS, 1);
}


/* --- how a job can end, and what becomes of its key --- */

static void
fail_running(fixture_t *f, unsigned n, uint8_t error)
{
    async_event_t  event;

    assert_submit(f, n, (int) n, 1, ASYNC_OK, n);
    assert_int_equal(fixture_claim(f, 1), 1);

    event = fixture_about(ASYNC_EVENT_FAILED, &f->claims[0].job);
    event.error = error;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
}


/* an attempt fails, and the retry cannot reach the backend */

static void
fail_again(fixture_t *f, unsigned n, uint8_t error, bool sent)
{
    async_event_t  event;

    assert_submit(f, n, (int) n, 1, ASYNC_OK, n);
    assert_int_equal(fixture_claim(f, 1), 1);

    event = fixture_about(ASYNC_EVENT_ATTEMPT_FAILED, &f->claims[0].job);
    event.error = error;
    event.sent = sent;
    event.due = f->now + 1;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    f->now += 1;
    assert_int_equal(fixture_claim(f, 1), 1);

    event = fixture_about(ASYNC_EVENT_FAILED, &f->claims[0].job);
    event.error = ASYNC_JOB_ERROR_BACKEND_UNREACHABLE;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
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
a_job_that_never_reached_the_backend_gives_its_key_up(void **state)
{
    fixture_t       *f = *state;
    async_id_t       id;
    async_event_t    event;
    async_policy_t   policy;

    fixture_take_over(f);
    async_policy_defaults(&policy);

    fail_running(f, 1, ASYNC_JOB_ERROR_BACKEND_UNREACHABLE);
    fail_again(f, 2, ASYNC_JOB_ERROR_BACKEND_UNREACHABLE, false);
    fail_again(f, 3, ASYNC_JOB_ERROR_TIMEOUT, false);

    assert_submit(f, 4, 4, 1, ASYNC_OK, 4);
    cancel(f, 4);

    /* taken, given back, and canceled before it was sent */

    assert_submit(f, 5, 5, 1, ASYNC_OK, 5);
    assert_int_equal(fixture_claim(f, 1), 1);
    cancel(f, 5);
    event = fixture_about(ASYNC_EVENT_RELEASED, &f->claims[0].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_submit(f, 6, 6, 1, ASYNC_OK, 6);
    f->now += (int64_t) policy.start_timeout + 1;
    id = fixture_id(6);
    async_event_late(&event, &id, f->epoch);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_int_equal(fixture_entries(f, ASYNC_DB_KNOWN), 0);

    assert_submit(f, 11, 1, 2, ASYNC_OK, 11);
    assert_submit(f, 12, 2, 1, ASYNC_OK, 12);
    assert_submit(f, 13, 3, 1, ASYNC_OK, 13);
    assert_submit(f, 14, 4, 1, ASYNC_OK, 14);
    assert_submit(f, 15, 5, 1, ASYNC_OK, 15);
    assert_submit(f, 16, 6, 1, ASYNC_OK, 16);
}


/* a message that ends so: whether the same may run again */

static void
assert_message(fixture_t *f, unsigned n, uint8_t error, bool again)
{
    async_job_t    job;
    async_event_t  event;

    event = keyed(&job, n, (int) n, 1);
    job.flags |= ASYNC_JOB_MESSAGE;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_int_equal(fixture_claim(f, 1), 1);
    assert_true(f->claims[0].job.flags & ASYNC_JOB_MESSAGE);

    event = error != ASYNC_JOB_ERROR_NONE
            ? fixture_about(ASYNC_EVENT_FAILED, &f->claims[0].job)
            : fixture_completed(&f->claims[0].job);
    event.error = error;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_submit(f, n + 100, (int) n, 1, again ? ASYNC_OK : ASYNC_EXISTS,
                  again ? n + 100 : n);

    if (again) {
        cancel(f, n + 100);
    }
}


static void
a_message_that_failed_gives_its_key_up(void **state)
{
    fixture_t  *f = *state;

    fixture_take_over(f);

    assert_message(f, 1, ASYNC_JOB_ERROR_BACKEND_STATUS, true);
    assert_message(f, 2, ASYNC_JOB_ERROR_TIMEOUT, true);
    assert_message(f, 3, ASYNC_JOB_ERROR_RESULT_TOO_LARGE, true);
    assert_message(f, 4, ASYNC_JOB_ERROR_OUTCOME_UNKNOWN, false);
    assert_message(f, 5, ASYNC_JOB_ERROR_NONE, false);
}


static void
any_other_end_keeps_the_key(void **state)
{
    fixture_t      *f = *state;
    async_event_t   event;

    fixture_take_over(f);

    fail_running(f, 1, ASYNC_JOB_ERROR_BACKEND_STATUS);
    fail_running(f, 2, ASYNC_JOB_ERROR_OUTCOME_UNKNOWN);
    fail_running(f, 3, ASYNC_JOB_ERROR_TIMEOUT);
    fail_again(f, 4, ASYNC_JOB_ERROR_BACKEND_STATUS, false);
    fail_again(f, 5, ASYNC_JOB_ERROR_TIMEOUT, true);

    assert_submit(f, 6, 6, 1, ASYNC_OK, 6);
    assert_int_equal(fixture_claim(f, 1), 1);
    event = fixture_completed(&f->claims[0].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    /* canceled, when it had been sent, or had been answered before */

    assert_submit(f, 7, 7, 1, ASYNC_OK, 7);
    assert_int_equal(fixture_claim(f, 1), 1);
    cancel(f, 7);
    event = fixture_about(ASYNC_EVENT_CANCELED, &f->claims[0].job);
    event.sent = true;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_submit(f, 8, 8, 1, ASYNC_OK, 8);
    assert_int_equal(fixture_claim(f, 1), 1);
    event = fixture_about(ASYNC_EVENT_ATTEMPT_FAILED, &f->claims[0].job);
    event.error = ASYNC_JOB_ERROR_BACKEND_STATUS;
    event.status = 503;
    event.due = f->now + 1000;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    cancel(f, 8);

    assert_submit(f, 9, 9, 1, ASYNC_OK, 9);
    assert_int_equal(fixture_claim(f, 1), 1);
    cancel(f, 9);
    event.id = fixture_id(9);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_int_equal(fixture_entries(f, ASYNC_DB_KNOWN), 9);

    assert_submit(f, 11, 1, 1, ASYNC_EXISTS, 1);
    assert_submit(f, 12, 2, 1, ASYNC_EXISTS, 2);
    assert_submit(f, 13, 3, 1, ASYNC_EXISTS, 3);
    assert_submit(f, 14, 4, 1, ASYNC_EXISTS, 4);
    assert_submit(f, 15, 5, 1, ASYNC_EXISTS, 5);
    assert_submit(f, 16, 6, 2, ASYNC_KEY_REUSED, 6);
    assert_submit(f, 17, 7, 1, ASYNC_EXISTS, 7);
    assert_submit(f, 18, 8, 1, ASYNC_EXISTS, 8);
    assert_submit(f, 19, 9, 1, ASYNC_EXISTS, 9);
}


/* nginx went away in the middle: the backend may have begun all the same */

static void
what_was_sent_when_it_was_given_back_keeps_its_key(void **state)
{
    fixture_t       *f = *state;
    async_id_t       id;
    async_event_t    event;
    async_policy_t   policy;

    fixture_take_over(f);
    async_policy_defaults(&policy);

    assert_submit(f, 1, 1, 1, ASYNC_OK, 1);
    assert_int_equal(fixture_claim(f, 1), 1);
    event = fixture_about(ASYNC_EVENT_RELEASED, &f->claims[0].job);
    event.sent = true;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    cancel(f, 1);

    /* canceled before it was given back */

    assert_submit(f, 2, 2, 1, ASYNC_OK, 2);
    assert_int_equal(fixture_claim(f, 1), 1);
    cancel(f, 2);
    event = fixture_about(ASYNC_EVENT_RELEASED, &f->claims[0].job);
    event.sent = true;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    /* never started again */

    assert_submit(f, 3, 3, 1, ASYNC_OK, 3);
    assert_int_equal(fixture_claim(f, 1), 1);
    event = fixture_about(ASYNC_EVENT_RELEASED, &f->claims[0].job);
    event.sent = true;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    f->now += (int64_t) policy.start_timeout + 1;
    id = fixture_id(3);
    async_event_late(&event, &id, f->epoch);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_submit(f, 11, 1, 1, ASYNC_EXISTS, 1);
    assert_submit(f, 12, 2, 1, ASYNC_EXISTS, 2);
    assert_submit(f, 13, 3, 1, ASYNC_EXISTS, 3);
}


/* --- how long --- */

static void
complete_with(fixture_t *f, unsigned n, uint64_t ttl)
{
    async_job_t    job;
    async_event_t  event;

    event = keyed(&job, n, (int) n, 1);
    event.idempotency.ttl = ttl;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_int_equal(fixture_claim(f, 1), 1);
    event = fixture_completed(&f->claims[0].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
}


static void
a_key_lives_for_the_longer_of_its_ttl_and_its_job(void **state)
{
    fixture_t  *f = *state;

    fixture_take_over(f);

    /* the history is kept for 30 days */

    complete_with(f, 1, 1000);
    complete_with(f, 2, 40 * DAY);
    complete_with(f, 3, UINT64_MAX);

    f->now += 30 * DAY - 1;
    (void) fixture_sweep(f);
    assert_submit(f, 11, 1, 1, ASYNC_EXISTS, 1);

    f->now += 1;
    (void) fixture_sweep(f);
    assert_submit(f, 12, 1, 1, ASYNC_OK, 12);

    f->now += 10 * DAY - 1;
    (void) fixture_sweep(f);
    assert_submit(f, 13, 2, 1, ASYNC_EXISTS, 2);

    f->now += 1;
    (void) fixture_sweep(f);
    assert_submit(f, 14, 2, 1, ASYNC_OK, 14);

    f->now += 10000 * DAY;
    (void) fixture_sweep(f);
    assert_submit(f, 15, 3, 1, ASYNC_EXISTS, 3);
}


/* --- buckets --- */

static void
set_bucket(fixture_t *f, uint64_t bucket, uint64_t jobs)
{
    uint64_t     n[2] = { bucket, jobs };
    uint8_t      buf[ASYNC_COUNT_MAX];
    async_key_t  key;

    async_key_stat(&key, ASYNC_STAT_BUCKET);
    fixture_overwrite(f, &key, buf, async_count_encode(n, 2, buf,
                                                       sizeof(buf)));
}


static uint64_t
bucket_of(fixture_t *f, unsigned n)
{
    uint8_t     buf[ASYNC_JOB_MAX];
    async_id_t  id;

    id = fixture_id(n);

    return fixture_look(f, &id, buf).bucket;
}


static void
a_full_bucket_is_followed_by_the_next(void **state)
{
    fixture_t  *f = *state;

    assert_submit(f, 1, 1, 1, ASYNC_OK, 1);
    assert_int_equal(bucket_of(f, 1), 1);

    set_bucket(f, 1, 4095);
    assert_submit(f, 2, 2, 1, ASYNC_OK, 2);
    assert_submit(f, 3, 3, 1, ASYNC_OK, 3);
    assert_submit(f, 4, 4, 1, ASYNC_OK, 4);
    assert_int_equal(bucket_of(f, 2), 1);
    assert_int_equal(bucket_of(f, 3), 2);
    assert_int_equal(bucket_of(f, 4), 2);
}


static void
a_key_is_found_in_any_bucket(void **state)
{
    int         n;
    fixture_t  *f = *state;

    /* hashes rise and fall, so that rows lie on all sides of the place */

    for (n = 1; n <= 60; n++) {
        assert_submit(f, (unsigned) n, (n * 37) % 61, 1, ASYNC_OK,
                      (unsigned) n);
        set_bucket(f, (uint64_t) n * n / 3 + 1, 1);
    }

    for (n = 1; n <= 60; n++) {
        assert_submit(f, (unsigned) n + 100, (n * 37) % 61, 1, ASYNC_EXISTS,
                      (unsigned) n);
    }

    assert_submit(f, 200, 0, 1, ASYNC_OK, 200);
    assert_submit(f, 201, 255, 1, ASYNC_OK, 201);
}


static void
many_buckets_begin_no_other(void **state)
{
    unsigned    n;
    fixture_t  *f = *state;

    for (n = 1; n <= 60; n++) {
        assert_submit(f, n, (int) n, 1, ASYNC_OK, n);
        set_bucket(f, n + 1, 0);
    }

    set_bucket(f, 60, 1 << 20);
    assert_submit(f, 61, 61, 1, ASYNC_OK, 61);
    assert_int_equal(bucket_of(f, 61), 60);
}


static void
what_is_known_of_buckets_may_be_lost(void **state)
{
    fixture_t    *f = *state;
    async_key_t   key;

    assert_submit(f, 1, 1, 1, ASYNC_OK, 1);
    set_bucket(f, 7, 0);
    assert_submit(f, 2, 2, 1, ASYNC_OK, 2);

    async_key_stat(&key, ASYNC_STAT_BUCKET);
    fixture_overwrite(f, &key, "gone", 4);

    assert_submit(f, 3, 3, 1, ASYNC_OK, 3);
    assert_int_equal(bucket_of(f, 3), 7);
    assert_submit(f, 4, 1, 1, ASYNC_EXISTS, 1);

    fixture_overwrite(f, &key, NULL, 0);
    assert_submit(f, 5, 5, 1, ASYNC_OK, 5);
    assert_int_equal(bucket_of(f, 5), 7);
}


static void
a_row_that_outlived_its_job_names_nobody(void **state)
{
    uint8_t      value[16 + ASYNC_SUBMIT_PRINT] = { 0 };
    uint8_t      hash[ASYNC_SUBMIT_HASH];
    fixture_t   *f = *state;
    async_key_t  key;

    assert_submit(f, 1, 1, 1, ASYNC_OK, 1);

    memset(hash, 'k', sizeof(hash));
    async_key_known(&key, 1, hash);
    fixture_overwrite(f, &key, value, sizeof(value));

    assert_submit(f, 2, 'k', 1, ASYNC_OK, 2);
    assert_submit(f, 3, 'k', 1, ASYNC_EXISTS, 2);
}


static void
a_taken_id_leaves_no_key(void **state)
{
    fixture_t  *f = *state;

    assert_submit(f, 1, 1, 1, ASYNC_OK, 1);
    assert_submit(f, 1, 2, 1, ASYNC_INVALID, 1);
    assert_int_equal(fixture_entries(f, ASYNC_DB_KNOWN), 1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(the_same_request_under_a_key_is_the_same_job),
        sound(two_of_one_batch_find_each_other),
        sound(who_asks_again_is_answered_however_full_it_is),
        sound(what_is_coalesced_is_one_job_until_it_ends),
        sound(of_both_keys_that_of_the_client_rules),
        sound(a_job_that_never_reached_the_backend_gives_its_key_up),
        sound(any_other_end_keeps_the_key),
        sound(a_message_that_failed_gives_its_key_up),
        sound(what_was_sent_when_it_was_given_back_keeps_its_key),
        sound(a_key_lives_for_the_longer_of_its_ttl_and_its_job),
        sound(a_full_bucket_is_followed_by_the_next),
        sound(a_key_is_found_in_any_bucket),
        sound(many_buckets_begin_no_other),
        sound(what_is_known_of_buckets_may_be_lost),
        sound(a_row_that_outlived_its_job_names_nobody),
        sound(a_taken_id_leaves_no_key)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
