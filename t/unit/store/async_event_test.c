/*
 * One event at a time: the record, its two index rows, the counts, the
 * history and the feed after each.
 */

#include "async_one_job.h"


static void
a_claimed_job_is_processing_and_counted(void **state)
{
    lines_t             found;
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_job_t         job;
    const async_job_t  *claimed;

    f->now += 7;
    claimed = one_running(f, 0);
    job = fixture_look(f, &claimed->id, buf);

    assert_int_equal(job.state, ASYNC_STATE_PROCESSING);
    assert_int_equal(job.attempt, 1);
    assert_int_equal(job.epoch, f->epoch);
    assert_int_equal(job.started, f->now);
    assert_int_equal(job.seq, 2);

    assert_int_equal(claimed->state, ASYNC_STATE_PROCESSING);
    assert_int_equal(claimed->attempt, 1);
    assert_int_equal(claimed->epoch, f->epoch);
    assert_memory_equal(claimed->queue.data, "default", 7);

    fixture_assert_only(f, &job, ASYNC_DB_RUNNING);
    fixture_assert_counts(f, "default", 0, 1);

    found = lines(f, &job.id);
    assert_int_equal(found.n, 2);
    assert_int_equal(found.last.event, ASYNC_EVENT_STARTED);
    assert_int_equal(found.last.attempt, 1);
    assert_string_equal(found.by, "worker");
}


static void
a_completed_job_has_its_result_and_a_time_to_live(void **state)
{
    size_t               len;
    lines_t              found;
    uint8_t              buf[ASYNC_JOB_MAX], bytes[64];
    fixture_t           *f = *state;
    async_str_t          head;
    async_job_t          job;
    async_event_t        event;
    const async_job_t   *claimed;

    claimed = one_running(f, 0);
    f->now += 1500;

    event = fixture_completed(claimed);
    event.resource = fixture_str("http://host/reports/5");
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    job = fixture_look(f, &claimed->id, buf);
    assert_int_equal(job.state, ASYNC_STATE_COMPLETED);
    assert_int_equal(job.finished, f->now);
    assert_int_equal(job.expires, f->now + DAY);
    assert_int_equal(job.result_status, 200);
    assert_int_equal(job.error, ASYNC_JOB_ERROR_NONE);
    assert_int_equal(job.response.where, ASYNC_BODY_CHUNKS);
    assert_int_equal(job.response.len, 6);
    assert_int_equal(job.resource.len, 21);

    fixture_assert_only(f, &job, ASYNC_DB_TIMERS);
    fixture_assert_counts(f, "default", 0, 0);

    head = fixture_head(ASYNC_RECORD_RESPONSE);
    assert_int_equal(async_view_head(f->view, &job.id, ASYNC_PAYLOAD_RESPONSE,
                                     bytes, sizeof(bytes), &len), ASYNC_OK);
    assert_int_equal(len, head.len);
    assert_memory_equal(bytes, head.data, len);

    assert_int_equal(async_view_body(f->view, &job.id,
                                     ASYNC_PAYLOAD_RESPONSE_BODY, 0, bytes,
                                     6), ASYNC_OK);
    assert_memory_equal(bytes, "result", 6);

    found = lines(f, &job.id);
    assert_int_equal(found.n, 3);
    assert_int_equal(found.last.event, ASYNC_EVENT_COMPLETED);
    assert_int_equal(found.last.status, 200);
    assert_int_equal(found.last.duration, 1500);
}


/* who waits for the door took his time before those that were let in */

static void
no_line_of_a_job_is_older_than_the_one_before_it(void **state)
{
    lines_t             found;
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_job_t         job;
    async_event_t       event;
    const async_job_t  *claimed;

    f->now += 300;
    fixture_submit_all(f, 1, 1);
    fixture_take_over(f);

    f->now -= 200;
    assert_int_equal(fixture_claim(f, 1), 1);
    claimed = &f->claims[0].job;
    assert_int_equal(claimed->started, FIXTURE_NOW + 300);
    assert_int_equal(lines(f, &claimed->id).last.at, FIXTURE_NOW + 300);

    /* a client is faster than the worker that is at the end */

    f->now = FIXTURE_NOW + 900;
    event = fixture_about(ASYNC_EVENT_CANCEL_REQUESTED, claimed);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    f->now = FIXTURE_NOW + 800;
    event = fixture_completed(claimed);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    job = fixture_look(f, &claimed->id, buf);
    assert_int_equal(job.finished, FIXTURE_NOW + 900);
    assert_int_equal(job.expires, FIXTURE_NOW + 900 + DAY);

    found = lines(f, &job.id);
    assert_int_equal(found.n, 4);
    assert_int_equal(found.last.at, FIXTURE_NOW + 900);
}


static void
a_clock_that_was_set_back_is_believed(void **state)
{
    fixture_t  *f = *state;

    f->now += 60000;
    fixture_submit_all(f, 1, 1);
    fixture_take_over(f);

    f->now -= 120000;
    assert_int_equal(fixture_claim(f, 1), 1);
    assert_int_equal(f->claims[0].job.started, f->now);
}


static void
how_long_is_kept_what_is_the_jobs_policy(void **state)
{
    uint8_t         buf[ASYNC_JOB_MAX];
    fixture_t      *f = *state;
    async_job_t     job;
    async_event_t   event;
    async_policy_t  policy;

    async_policy_defaults(&policy);
    policy.timeout = 1000;
    policy.retain_result = 5000;
    policy.retain_failed = 7000;
    policy.retain_history = 6000;
    policy.attempts = 2;

    assert_int_equal(async_store_publish(f->store, &policy, 1, NULL, 0,
                                         &f->err), ASYNC_OK);
    fixture_take_over(f);

    job = fixture_job(1);
    async_policy_key(job.policy, &policy);
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
    job = fixture_job(2);
    async_policy_key(job.policy, &policy);
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);

    assert_int_equal(fixture_claim(f, 2), 2);
    assert_int_equal(f->claims[0].policy.timeout, 1000);
    assert_int_equal(f->claims[1].policy.attempts, 2);

    event = fixture_completed(&f->claims[0].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    event = fixture_about(ASYNC_EVENT_FAILED, &f->claims[1].job);
    event.error = ASYNC_JOB_ERROR_TIMEOUT;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    job = fixture_look(f, &f->claims[0].job.id, buf);
    assert_int_equal(job.expires, f->now + 5000);
    assert_int_equal(job.due, f->now + 6000);
    job = fixture_look(f, &f->claims[1].job.id, buf);
    assert_int_equal(job.expires, f->now + 7000);

    /* the history stands for as long as the result, whatever is said */

    assert_int_equal(job.due, f->now + 7000);
}


static void
a_failed_job_says_why_and_keeps_what_the_backend_said(void **state)
{
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_job_t         job;
    async_event_t       event;
    const async_job_t  *claimed;

    claimed = one_running(f, 0);

    event = fixture_completed(claimed);
    event.type = ASYNC_EVENT_FAILED;
    event.status = 502;
    event.error = ASYNC_JOB_ERROR_BACKEND_STATUS;
    event.detail = fixture_str("The backend answered 502.");
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    job = fixture_look(f, &claimed->id, buf);
    assert_int_equal(job.state, ASYNC_STATE_FAILED);
    assert_int_equal(job.error, ASYNC_JOB_ERROR_BACKEND_STATUS);
    assert_int_equal(job.result_status, 502);
    assert_int_equal(job.response.len, 6);
    assert_int_equal(job.detail.len, 25);
    assert_int_equal(job.expires, f->now + 7 * DAY);
    fixture_assert_only(f, &job, ASYNC_DB_TIMERS);
    fixture_assert_counts(f, "default", 0, 0);
}


static void
a_job_that_failed_without_an_answer_has_no_status(void **state)
{
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_job_t         job;
    async_event_t       event;
    const async_job_t  *claimed;

    claimed = one_running(f, 0);

    event = fixture_about(ASYNC_EVENT_FAILED, claimed);
    event.status = 504;
    event.error = ASYNC_JOB_ERROR_TIMEOUT;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    job = fixture_look(f, &claimed->id, buf);
    assert_int_equal(job.result_status, 0);
    assert_int_equal(job.response.where, ASYNC_BODY_NONE);
    assert_int_equal(lines(f, &claimed->id).last.status, 504);
}


static void
a_released_job_is_ready_again_and_lost_no_attempt(void **state)
{
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_job_t         job;
    async_event_t       event;
    const async_job_t  *claimed;

    claimed = one_running(f, 0);
    f->now += 10;

    event = fixture_about(ASYNC_EVENT_RELEASED, claimed);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    job = fixture_look(f, &claimed->id, buf);
    assert_int_equal(job.state, ASYNC_STATE_QUEUED);
    assert_int_equal(job.attempt, 0);
    assert_int_equal(job.queued, FIXTURE_NOW);
    assert_int_equal(job.flags & ASYNC_JOB_PARKED, 0);
    assert_int_equal(lines(f, &job.id).last.event, ASYNC_EVENT_RELEASED);
    fixture_assert_only(f, &job, ASYNC_DB_READY);
    fixture_assert_counts(f, "default", 1, 0);
}


static void
a_released_job_may_wait_before_it_is_ready(void **state)
{
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_job_t         job;
    async_event_t       event;
    const async_job_t  *claimed;

    claimed = one_running(f, 0);

    event = fixture_about(ASYNC_EVENT_RELEASED, claimed);
    event.due = f->now + 100;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    job = fixture_look(f, &claimed->id, buf);
    assert_int_equal(job.flags & ASYNC_JOB_PARKED, ASYNC_JOB_PARKED);
    assert_int_equal(job.due, f->now + 100);
    fixture_assert_only(f, &job, ASYNC_DB_TIMERS);
    fixture_assert_counts(f, "default", 1, 0);

    assert_int_equal(fixture_claim(f, 1), 0);
    assert_int_equal(f->next_due, f->now + 100);

    f->now += 100;
    assert_int_equal(fixture_claim(f, 1), 1);
    assert_int_equal(f->claims[0].job.flags & ASYNC_JOB_PARKED, 0);
    assert_int_equal(f->claims[0].job.attempt, 1);
    assert_int_equal(f->next_due, 0);
}


static void
an_interrupted_job_runs_again_as_the_next_attempt(void **state)
{
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_job_t         job;
    async_event_t       event;
    const async_job_t  *claimed;

    claimed = one_running(f, ASYNC_JOB_REPEATABLE);

    event = fixture_about(ASYNC_EVENT_INTERRUPTED, claimed);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    job = fixture_look(f, &claimed->id, buf);
    assert_int_equal(job.state, ASYNC_STATE_QUEUED);
    assert_int_equal(job.deaths, 1);
    assert_int_equal(job.attempt, 1);
    assert_int_equal(job.queued, FIXTURE_NOW);
    fixture_assert_only(f, &job, ASYNC_DB_READY);

    assert_int_equal(fixture_claim(f, 1), 1);
    assert_int_equal(f->claims[0].job.attempt, 2);
}


static void
only_the_claim_that_holds_a_job_may_settle_it(void **state)
{
    uint64_t            epoch;
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_job_t         job;
    async_event_t       events[4];
    const async_job_t  *claimed;

    claimed = one_running(f, 0);

    events[0] = fixture_completed(claimed);
    events[0].epoch++;
    events[1] = fixture_completed(claimed);
    events[1].epoch--;
    events[2] = fixture_completed(claimed);
    events[2].attempt++;
    events[3] = fixture_completed(claimed);
    events[3].attempt--;

    assert_int_equal(fixture_apply(f, events, 4), ASYNC_OK);
    assert_int_equal(events[0].rc, ASYNC_STALE);
    assert_int_equal(events[1].rc, ASYNC_STALE);
    assert_int_equal(events[2].rc, ASYNC_STALE);
    assert_int_equal(events[3].rc, ASYNC_STALE);

    assert_int_equal(async_store_take_over(f->store, &epoch, &f->err),
                     ASYNC_OK);
    assert_int_equal(epoch, f->epoch + 1);

    events[0] = fixture_completed(claimed);
    assert_int_equal(fixture_event(f, &events[0]), ASYNC_STALE);

    job = fixture_look(f, &claimed->id, buf);
    assert_int_equal(job.state, ASYNC_STATE_PROCESSING);
    fixture_assert_only(f, &job, ASYNC_DB_RUNNING);
}


static void
a_job_that_was_handed_back_is_no_longer_held(void **state)
{
    fixture_t          *f = *state;
    async_job_t         held;
    async_event_t       event;
    const async_job_t  *claimed;

    claimed = one_running(f, ASYNC_JOB_REPEATABLE);
    held = *claimed;

    event = fixture_about(ASYNC_EVENT_INTERRUPTED, &held);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    /* the table would let a queued job fail: the fence does not */

    event = fixture_about(ASYNC_EVENT_FAILED, &held);
    event.error = ASYNC_JOB_ERROR_TIMEOUT;
    assert_int_equal(fixture_event(f, &event), ASYNC_STALE);
    fixture_assert_counts(f, "default", 1, 0);
}


static void
a_final_state_never_changes(void **state)
{
    unsigned            i;
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_job_t         job, held;
    async_event_t       event;
    const async_job_t  *claimed;
    static const int    types[] = {
        ASYNC_EVENT_COMPLETED, ASYNC_EVENT_FAILED, ASYNC_EVENT_RELEASED,
        ASYNC_EVENT_INTERRUPTED
    };

    claimed = one_running(f, 0);
    held = *claimed;

    event = fixture_completed(&held);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    for (i = 0; i < 4; i++) {
        event = fixture_about(types[i], &held);
        event.error = ASYNC_JOB_ERROR_TIMEOUT;
        assert_int_equal(fixture_event(f, &event), ASYNC_REFUSED);
    }

    job = fixture_look(f, &held.id, buf);
    assert_int_equal(job.state, ASYNC_STATE_COMPLETED);
    assert_int_equal(job.result_status, 200);
    assert_int_equal(lines(f, &held.id).n, 3);
    fixture_assert_only(f, &job, ASYNC_DB_TIMERS);
}


static void
events_that_are_not_built_yet_are_refused(void **state)
{
    unsigned            i;
    fixture_t          *f = *state;
    async_event_t       event;
    const async_job_t  *claimed;
    static const int    types[] = {
        0, ASYNC_EVENT_STARTED, ASYNC_EVENT_DUE, ASYNC_EVENT_MAX
    };

    claimed = one_running(f, 0);

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        event = fixture_about(types[i], claimed);
        assert_int_equal(fixture_event(f, &event), ASYNC_REFUSED);
    }

    fixture_assert_counts(f, "default", 0, 1);
}


static void
an_event_about_no_job_or_with_a_wrong_body_is_told_so(void **state)
{
    fixture_t          *f = *state;
    async_job_t         none;
    async_event_t       events[4];
    const async_job_t  *claimed;

    claimed = one_running(f, 0);

    none = *claimed;
    none.id = fixture_id(77);
    events[0] = fixture_completed(&none);

    events[1] = fixture_completed(claimed);
    events[1].response.len++;

    events[2] = fixture_completed(claimed);
    events[2].type = ASYNC_EVENT_FAILED;
    events[2].error = ASYNC_JOB_ERROR_MAX;

    events[3] = fixture_completed(claimed);
    events[3].detail.data = (char *) f->claims;         /* any bytes */
    events[3].detail.len = ASYNC_JOB_MAX;

    assert_int_equal(fixture_apply(f, events, 4), ASYNC_OK);
    assert_int_equal(events[0].rc, ASYNC_NOT_FOUND);
    assert_int_equal(events[1].rc, ASYNC_INVALID);
    assert_int_equal(events[2].rc, ASYNC_INVALID);
    assert_int_equal(events[3].rc, ASYNC_INVALID);

    fixture_assert_counts(f, "default", 0, 1);
}


/* a record that is cut short anywhere harms its own job, and no other */

static void
a_damaged_job_is_told_of_and_the_rest_goes_on(void **state)
{
    size_t         len, cut;
    uint8_t        whole[ASYNC_JOB_MAX], buf[ASYNC_JOB_MAX];
    fixture_t     *f = *state;
    async_id_t     bad;
    async_job_t    job;
    async_key_t    key;
    async_event_t  events[2];

    fixture_submit_all(f, 1, 2);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 2), 2);

    bad = f->claims[0].job.id;
    async_key_job(&key, &bad);
    len = fixture_value(f, &key, whole, sizeof(whole));

    for (cut = 1; cut < len; cut += 13) {
        fixture_overwrite(f, &key, whole, cut);

        assert_int_equal(async_view_job(f->view, &bad, &job, buf),
                         ASYNC_CORRUPT);

        events[0] = fixture_completed(&f->claims[0].job);
        assert_int_equal(fixture_event(f, &events[0]), ASYNC_CORRUPT);
    }

    events[0] = fixture_completed(&f->claims[0].job);
    events[1] = fixture_completed(&f->claims[1].job);
    assert_int_equal(fixture_apply(f, events, 2), ASYNC_OK);
    assert_int_equal(events[0].rc, ASYNC_CORRUPT);
    assert_int_equal(events[1].rc, ASYNC_OK);

    /* the record itself is left for whoever can still read it */

    assert_true(fixture_has(f, &key));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(a_claimed_job_is_processing_and_counted),
        sound(a_completed_job_has_its_result_and_a_time_to_live),
        sound(no_line_of_a_job_is_older_than_the_one_before_it),
        sound(a_clock_that_was_set_back_is_believed),
        sound(how_long_is_kept_what_is_the_jobs_policy),
        sound(a_failed_job_says_why_and_keeps_what_the_backend_said),
        sound(a_job_that_failed_without_an_answer_has_no_status),
        sound(a_released_job_is_ready_again_and_lost_no_attempt),
        sound(a_released_job_may_wait_before_it_is_ready),
        sound(an_interrupted_job_runs_again_as_the_next_attempt),
        sound(only_the_claim_that_holds_a_job_may_settle_it),
        sound(a_job_that_was_handed_back_is_no_longer_held),
        sound(a_final_state_never_changes),
        sound(events_that_are_not_built_yet_are_refused),
        sound(an_event_about_no_job_or_with_a_wrong_body_is_told_so),
        plain(a_damaged_job_is_told_of_and_the_rest_goes_on)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
