/*
 * Cancel, whoever asks and wherever the job stands: its record, its rows,
 * the counts and the history.
 */

#include "async_one_job.h"


/* the job is canceled, and in its place */

static async_job_t
assert_canceled(fixture_t *f, const async_id_t *id, uint8_t *buf, bool unknown)
{
    async_job_t  job;

    job = fixture_look(f, id, buf);

    assert_int_equal(job.state, ASYNC_STATE_CANCELED);
    assert_int_equal(job.finished, f->now);
    assert_int_equal(job.expires, f->now + DAY);
    assert_int_equal(job.due, f->now + 30 * DAY);
    assert_int_equal(job.error, ASYNC_JOB_ERROR_NONE);
    assert_int_equal(job.detail.len, 0);
    assert_int_equal(job.result_status, 0);
    assert_int_equal(job.flags & ASYNC_JOB_PARKED, 0);
    assert_int_equal(job.flags & ASYNC_JOB_SENT,
                     unknown ? ASYNC_JOB_SENT : 0);
    assert_int_equal(job.request.where, ASYNC_BODY_NONE);
    assert_int_equal(job.response.where, ASYNC_BODY_NONE);

    fixture_assert_only(f, &job, ASYNC_DB_TIMERS);
    fixture_assert_counts(f, "default", 0, 0);
    assert_int_equal(fixture_entries(f, ASYNC_DB_PAYLOAD), 0);
    assert_int_equal(lines(f, id).last.event, ASYNC_EVENT_CANCELED);

    return job;
}


static void
a_job_that_waits_for_its_turn_is_canceled_at_once(void **state)
{
    lines_t       found;
    uint8_t       buf[ASYNC_JOB_MAX];
    fixture_t    *f = *state;
    async_id_t    id;

    fixture_submit_all(f, 1, 1);
    id = fixture_id(1);
    f->now += 5;

    assert_int_equal(cancel(f, &id), ASYNC_OK);
    (void) assert_canceled(f, &id, buf, false);

    found = lines(f, &id);
    assert_int_equal(found.n, 2);
    assert_int_equal(found.last.state, ASYNC_STATE_CANCELED);
    assert_int_equal(found.last.at, f->now);
    assert_string_equal(found.by, "client");

    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 1), 0);
}


static void
asked_again_nothing_happens(void **state)
{
    uint64_t      transaction;
    uint8_t       buf[ASYNC_JOB_MAX];
    fixture_t    *f = *state;
    async_id_t    id;

    fixture_submit_all(f, 1, 1);
    id = fixture_id(1);

    assert_int_equal(cancel(f, &id), ASYNC_OK);
    transaction = fixture_transaction(f);

    assert_int_equal(cancel(f, &id), ASYNC_OK);
    assert_int_equal(fixture_transaction(f), transaction);
    assert_int_equal(lines(f, &id).n, 2);
    (void) assert_canceled(f, &id, buf, false);
}


static void
a_job_that_waits_for_its_next_attempt_is_canceled_at_once(void **state)
{
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_event_t       event;
    const async_job_t  *claimed;

    claimed = one_running(f, ASYNC_JOB_REPEATABLE);

    event = fixture_about(ASYNC_EVENT_ATTEMPT_FAILED, claimed);
    event.error = ASYNC_JOB_ERROR_BACKEND_STATUS;
    event.detail = fixture_str("503");
    event.sent = true;
    event.due = f->now + 1000;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_int_equal(cancel(f, &claimed->id), ASYNC_OK);
    (void) assert_canceled(f, &claimed->id, buf, false);

    f->now += 1000;
    assert_int_equal(fixture_claim(f, 1), 0);
}


static void
what_an_attempt_before_left_open_is_said(void **state)
{
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_event_t       event;
    const async_job_t  *claimed;

    claimed = one_running(f, ASYNC_JOB_REPEATABLE);

    event = fixture_about(ASYNC_EVENT_ATTEMPT_FAILED, claimed);
    event.error = ASYNC_JOB_ERROR_TIMEOUT;
    event.sent = true;
    event.due = f->now + 1000;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_int_equal(cancel(f, &claimed->id), ASYNC_OK);
    (void) assert_canceled(f, &claimed->id, buf, true);
}


static void
a_parked_job_is_canceled_at_once(void **state)
{
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_event_t       event;
    const async_job_t  *claimed;

    claimed = one_running(f, 0);

    event = fixture_about(ASYNC_EVENT_RELEASED, claimed);
    event.due = f->now + 100;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_int_equal(cancel(f, &claimed->id), ASYNC_OK);
    (void) assert_canceled(f, &claimed->id, buf, false);
}


static void
a_job_whose_server_is_away_is_canceled_at_once(void **state)
{
    uint8_t       buf[ASYNC_JOB_MAX];
    uint64_t      server;
    fixture_t    *f = *state;
    async_job_t   job;

    fixture_submit_all(f, 1, 1);
    fixture_take_over(f);

    job = fixture_job(1);
    server = job.server;
    assert_int_equal(fixture_claim_skip(f, 1, &server, 1), ASYNC_OK);
    job = fixture_look(f, &job.id, buf);
    assert_int_equal(job.flags & ASYNC_JOB_PARKED, ASYNC_JOB_PARKED);

    assert_int_equal(cancel(f, &job.id), ASYNC_OK);
    (void) assert_canceled(f, &job.id, buf, false);
}


static void
a_job_that_waits_for_its_time_is_canceled_at_once(void **state)
{
    uint8_t         buf[ASYNC_JOB_MAX];
    fixture_t      *f = *state;
    async_job_t     job;
    async_event_t   event;

    job = fixture_job(1);
    event = fixture_submitted(&job);
    event.due = f->now + 60000;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_int_equal(fixture_look(f, &job.id, buf).state,
                     ASYNC_STATE_SCHEDULED);

    assert_int_equal(cancel(f, &job.id), ASYNC_OK);
    (void) assert_canceled(f, &job.id, buf, false);

    fixture_take_over(f);
    f->now += 60000;
    assert_int_equal(fixture_claim(f, 1), 0);
}


static void
a_job_that_runs_is_marked_once(void **state)
{
    lines_t             found;
    uint8_t             buf[ASYNC_JOB_MAX];
    unsigned            i;
    fixture_t          *f = *state;
    async_job_t         job;
    const async_job_t  *claimed;

    claimed = one_running(f, 0);

    for (i = 0; i < 2; i++) {
        assert_int_equal(cancel(f, &claimed->id), ASYNC_OK);

        job = fixture_look(f, &claimed->id, buf);
        assert_int_equal(job.state, ASYNC_STATE_PROCESSING);
        assert_int_equal(job.flags, ASYNC_JOB_CANCEL_WANTED);
        assert_int_equal(job.request.where, ASYNC_BODY_CHUNKS);
        fixture_assert_only(f, &job, ASYNC_DB_RUNNING);
        fixture_assert_counts(f, "default", 0, 1);

        found = lines(f, &claimed->id);
        assert_int_equal(found.n, 3);
        assert_int_equal(found.last.event, ASYNC_EVENT_CANCEL_REQUESTED);
        assert_int_equal(found.last.state, ASYNC_STATE_PROCESSING);
        assert_string_equal(found.by, "client");
    }
}


static void
its_worker_ends_it_and_says_whether_it_was_sent(void **state)
{
    lines_t             found;
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_event_t       event;
    const async_job_t  *claimed;

    claimed = one_running(f, 0);
    assert_int_equal(cancel(f, &claimed->id), ASYNC_OK);

    event = fixture_about(ASYNC_EVENT_CANCELED, claimed);
    event.sent = true;
    event.duration = 700;
    f->now += 700;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    (void) assert_canceled(f, &claimed->id, buf, true);

    found = lines(f, &claimed->id);
    assert_int_equal(found.n, 4);
    assert_int_equal(found.last.duration, 700);
    assert_string_equal(found.by, "worker");

    /* once is enough */

    assert_int_equal(fixture_event(f, &event), ASYNC_REFUSED);
    assert_int_equal(cancel(f, &claimed->id), ASYNC_OK);
    assert_int_equal(lines(f, &claimed->id).n, 4);
}


static void
one_that_was_not_sent_has_no_unknown_outcome(void **state)
{
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_event_t       event;
    const async_job_t  *claimed;

    claimed = one_running(f, 0);
    assert_int_equal(cancel(f, &claimed->id), ASYNC_OK);

    event = fixture_about(ASYNC_EVENT_CANCELED, claimed);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    (void) assert_canceled(f, &claimed->id, buf, false);
}


static void
only_its_worker_may_say_that_it_stopped(void **state)
{
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_job_t         job;
    async_event_t       event;
    const async_job_t  *claimed;

    claimed = one_running(f, 0);

    event = fixture_about(ASYNC_EVENT_CANCELED, claimed);
    event.epoch++;
    assert_int_equal(fixture_event(f, &event), ASYNC_STALE);

    event = fixture_about(ASYNC_EVENT_CANCELED, claimed);
    event.attempt++;
    assert_int_equal(fixture_event(f, &event), ASYNC_STALE);

    event = fixture_completed(claimed);
    event.type = ASYNC_EVENT_CANCELED;
    assert_int_equal(fixture_event(f, &event), ASYNC_INVALID);

    event = fixture_about(ASYNC_EVENT_CANCELED, claimed);
    event.error = ASYNC_JOB_ERROR_TIMEOUT;
    assert_int_equal(fixture_event(f, &event), ASYNC_INVALID);

    job = fixture_look(f, &claimed->id, buf);
    assert_int_equal(job.state, ASYNC_STATE_PROCESSING);
}


/* what the worker says of a marked job, and what it is after that */

static async_event_t
marked_event(const async_job_t *claimed, async_event_type_t type, bool sent,
    async_job_error_t error)
{
    async_event_t  event;

    event = type == ASYNC_EVENT_COMPLETED ? fixture_completed(claimed)
                                          : fixture_about(type, claimed);

    if (type == ASYNC_EVENT_ATTEMPT_FAILED || type == ASYNC_EVENT_RELEASED) {
        event.due = FIXTURE_NOW + 100000;
    }

    event.sent = sent;
    event.error = (uint8_t) error;

    return event;
}


static void
a_marked_job_is_not_tried_again(void **state)
{
    uint8_t             buf[ASYNC_JOB_MAX];
    unsigned            i;
    fixture_t          *f = *state;
    async_job_t         job;
    async_event_t       event;
    const async_job_t  *claimed;

    static const struct {
        async_event_type_t  type;
        bool                sent;
        async_job_error_t   error;
        bool                unknown;
    } cases[] = {
        { ASYNC_EVENT_RELEASED, false, ASYNC_JOB_ERROR_NONE, false },
        { ASYNC_EVENT_RELEASED, true, ASYNC_JOB_ERROR_NONE, true },
        { ASYNC_EVENT_INTERRUPTED, true, ASYNC_JOB_ERROR_NONE, true },
        { ASYNC_EVENT_ATTEMPT_FAILED, false,
          ASYNC_JOB_ERROR_BACKEND_UNREACHABLE, false },
        { ASYNC_EVENT_ATTEMPT_FAILED, true, ASYNC_JOB_ERROR_TIMEOUT, true },
        { ASYNC_EVENT_ATTEMPT_FAILED, true, ASYNC_JOB_ERROR_BACKEND_STATUS,
          false },

        /* a worker that stops, and must not repeat it */

        { ASYNC_EVENT_FAILED, true, ASYNC_JOB_ERROR_OUTCOME_UNKNOWN, true }
    };

    fixture_take_over(f);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fixture_submit_all(f, i, 1);
        assert_int_equal(fixture_claim(f, 1), 1);
        claimed = &f->claims[0].job;
        assert_int_equal(cancel(f, &claimed->id), ASYNC_OK);

        event = marked_event(claimed, cases[i].type, cases[i].sent,
                             cases[i].error);
        assert_int_equal(fixture_event(f, &event), ASYNC_OK);

        job = fixture_look(f, &claimed->id, buf);
        assert_int_equal(job.state, ASYNC_STATE_CANCELED);
        assert_int_equal(job.error, ASYNC_JOB_ERROR_NONE);
        assert_int_equal(job.deaths, 0);
        assert_int_equal(job.flags & ASYNC_JOB_SENT,
                         cases[i].unknown ? ASYNC_JOB_SENT : 0);
        assert_int_equal(lines(f, &claimed->id).last.event,
                         ASYNC_EVENT_CANCELED);
        fixture_assert_counts(f, "default", 0, 0);
        assert_int_equal(fixture_entries(f, ASYNC_DB_PAYLOAD), 0);
    }
}


static void
a_marked_job_that_ended_has_ended(void **state)
{
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_job_t         job;
    async_event_t       event;
    async_claim_t       claim;

    fixture_take_over(f);
    fixture_submit_all(f, 1, 2);
    assert_int_equal(fixture_claim(f, 2), 2);
    assert_int_equal(cancel(f, &f->claims[0].job.id), ASYNC_OK);
    assert_int_equal(cancel(f, &f->claims[1].job.id), ASYNC_OK);

    event = marked_event(&f->claims[0].job, ASYNC_EVENT_COMPLETED, true, 0);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    event = marked_event(&f->claims[1].job, ASYNC_EVENT_FAILED, true,
                         ASYNC_JOB_ERROR_TIMEOUT);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    claim = f->claims[0];
    job = fixture_look(f, &claim.job.id, buf);
    assert_int_equal(job.state, ASYNC_STATE_COMPLETED);
    assert_int_equal(job.response.len, 6);
    assert_int_equal(cancel(f, &job.id), ASYNC_REFUSED);

    job = fixture_look(f, &f->claims[1].job.id, buf);
    assert_int_equal(job.state, ASYNC_STATE_FAILED);
    assert_int_equal(job.error, ASYNC_JOB_ERROR_TIMEOUT);
    assert_int_equal(cancel(f, &job.id), ASYNC_REFUSED);

    assert_int_equal(lines(f, &claim.job.id).n, 4);
    assert_int_equal(lines(f, &job.id).n, 4);
}


static void
a_marked_job_of_a_worker_that_died_is_canceled(void **state)
{
    bool          left;
    uint8_t       buf[ASYNC_JOB_MAX];
    fixture_t    *f = *state;
    async_id_t    id;

    id = one_running(f, ASYNC_JOB_REPEATABLE)->id;
    assert_int_equal(cancel(f, &id), ASYNC_OK);

    f->now += 50;
    fixture_take_over(f);
    assert_int_equal(async_store_recover(f->store, f->epoch, f->now, 10,
                                         &left, &f->err), ASYNC_OK);
    assert_false(left);

    (void) assert_canceled(f, &id, buf, true);
    assert_int_equal(fixture_claim(f, 1), 0);
}


static void
a_job_that_nobody_knows_is_not_found(void **state)
{
    fixture_t   *f = *state;
    async_id_t   id;

    id = fixture_id(9);
    assert_int_equal(cancel(f, &id), ASYNC_NOT_FOUND);
}


static void
what_was_spooled_goes_with_the_request(void **state)
{
    char                   path[640];
    uint8_t                buf[ASYNC_JOB_MAX];
    fixture_t             *f = *state;
    async_job_t            job;
    async_spool_t          spool;
    async_store_figures_t  figures;

    job = fixture_job(1);
    assert_int_equal(async_spool_create(&spool, f->store, &job.id,
                                        ASYNC_PAYLOAD_REQUEST_BODY, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_spool_write(&spool, "a body", 6, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_spool_finish(&spool, &job.request, &f->err),
                     ASYNC_OK);
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);

    assert_int_equal(cancel(f, &job.id), ASYNC_OK);
    (void) assert_canceled(f, &job.id, buf, false);

    assert_int_equal(async_store_figures(f->store, &figures), ASYNC_OK);
    assert_int_equal(figures.spooled, 0);

    assert_true(async_spool_path(f->store, &job.id,
                                 ASYNC_PAYLOAD_REQUEST_BODY, path,
                                 sizeof(path)));
    assert_int_equal(access(path, F_OK), -1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(a_job_that_waits_for_its_turn_is_canceled_at_once),
        sound(asked_again_nothing_happens),
        sound(a_job_that_waits_for_its_next_attempt_is_canceled_at_once),
        sound(what_an_attempt_before_left_open_is_said),
        sound(a_parked_job_is_canceled_at_once),
        sound(a_job_whose_server_is_away_is_canceled_at_once),
        sound(a_job_that_waits_for_its_time_is_canceled_at_once),
        sound(a_job_that_runs_is_marked_once),
        sound(its_worker_ends_it_and_says_whether_it_was_sent),
        sound(one_that_was_not_sent_has_no_unknown_outcome),
        sound(only_its_worker_may_say_that_it_stopped),
        sound(a_marked_job_is_not_tried_again),
        sound(a_marked_job_that_ended_has_ended),
        sound(a_marked_job_of_a_worker_that_died_is_canceled),
        sound(a_job_that_nobody_knows_is_not_found),
        sound(what_was_spooled_goes_with_the_request)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
