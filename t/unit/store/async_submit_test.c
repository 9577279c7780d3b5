/*
 * How a job begins: its record, its rows, its first line of history; and how
 * long one waits that was delayed.
 */

#include "async_one_job.h"


static void
a_submitted_job_is_queued_whatever_its_record_says(void **state)
{
    lines_t       found;
    uint8_t       buf[ASYNC_JOB_MAX];
    fixture_t    *f = *state;
    async_job_t   job, given;

    given = fixture_job(1);
    given.state = ASYNC_STATE_COMPLETED;
    given.seq = 99;
    given.queued = 1;
    given.attempt = 3;
    given.deaths = 2;
    given.epoch = 9;
    given.percent = 50;
    given.error = ASYNC_JOB_ERROR_TIMEOUT;
    given.flags = ASYNC_JOB_REPEATABLE | ASYNC_JOB_PARKED
                  | ASYNC_JOB_CANCEL_WANTED;
    given.finished = 5;
    given.expires = 5;
    given.result_status = 200;
    given.response.where = ASYNC_BODY_SPOOL;
    given.response.len = 5;

    f->now += 5;
    assert_int_equal(fixture_submit(f, &given), ASYNC_OK);

    job = fixture_look(f, &given.id, buf);
    assert_int_equal(job.state, ASYNC_STATE_QUEUED);
    assert_int_equal(job.seq, 1);
    assert_int_equal(job.queued, f->now);
    assert_int_equal(job.created, FIXTURE_NOW);
    assert_int_equal(job.flags, ASYNC_JOB_REPEATABLE);
    assert_int_equal(job.percent, ASYNC_NO_PERCENT);
    assert_int_equal(job.attempt, 0);
    assert_int_equal(job.deaths, 0);
    assert_int_equal(job.epoch, 0);
    assert_int_equal(job.error, 0);
    assert_int_equal(job.finished, 0);
    assert_int_equal(job.expires, 0);
    assert_int_equal(job.result_status, 0);
    assert_int_equal(job.response.where, ASYNC_BODY_NONE);
    assert_int_equal(job.server, 7);
    assert_memory_equal(job.queue.data, "default", 7);

    fixture_assert_only(f, &job, ASYNC_DB_READY);
    fixture_assert_counts(f, "default", 1, 0);

    found = lines(f, &given.id);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.seq, 1);
    assert_int_equal(found.last.event, ASYNC_EVENT_SUBMITTED);
    assert_int_equal(found.last.state, ASYNC_STATE_QUEUED);
    assert_int_equal(found.last.at, f->now);
    assert_string_equal(found.by, "client");
}


static void
a_submit_that_cannot_be_is_refused_before_a_write(void **state)
{
    char           name[ASYNC_QUEUE_MAX + 1];
    unsigned       i;
    fixture_t     *f = *state;
    async_job_t    jobs[8];
    async_event_t  events[8];

    memset(name, 'q', sizeof(name));

    for (i = 0; i < 8; i++) {
        jobs[i] = fixture_job(i);
        events[i] = fixture_submitted(&jobs[i]);
    }

    jobs[0].queue.len = 0;
    jobs[1].queue = (async_str_t) { name, sizeof(name) };
    jobs[2].priority = 10;
    jobs[3].request.len = 3;
    jobs[4].request.where = ASYNC_BODY_NONE;
    jobs[5].request.where = ASYNC_BODY_SPOOL;
    events[6].payload.head.len = 0;
    events[7].job = NULL;

    assert_int_equal(fixture_apply(f, events, 8), ASYNC_OK);

    for (i = 0; i < 8; i++) {
        assert_int_equal(events[i].rc, ASYNC_INVALID);
    }

    assert_int_equal(fixture_entries(f, ASYNC_DB_JOBS), 0);
    assert_int_equal(fixture_entries(f, ASYNC_DB_PAYLOAD), 0);
    fixture_assert_counts(f, "default", 0, 0);
}


static void
an_id_that_is_taken_stays_what_it_was(void **state)
{
    uint8_t       buf[ASYNC_JOB_MAX];
    fixture_t    *f = *state;
    async_job_t   job;

    fixture_submit_all(f, 1, 1);

    job = fixture_job(1);
    job.priority = 9;

    assert_int_equal(fixture_submit(f, &job), ASYNC_INVALID);

    job = fixture_look(f, &job.id, buf);
    assert_int_equal(job.priority, ASYNC_PRIORITY);
    fixture_assert_only(f, &job, ASYNC_DB_READY);
    fixture_assert_counts(f, "default", 1, 0);
    assert_int_equal(fixture_entries(f, ASYNC_DB_FEED), 1);
}


/* --- many at once --- */

static void
jobs_of_one_batch_are_as_those_of_many(void **state)
{
    size_t         len;
    lines_t        found;
    uint8_t        buf[ASYNC_JOB_MAX];
    unsigned       i;
    fixture_t     *f = *state;
    async_id_t     id;
    async_job_t    jobs[6];
    async_event_t  events[6];

    fixture_take_over(f);

    /* the fourth has the id of the second, the fifth is for later */

    for (i = 0; i < 6; i++) {
        jobs[i] = fixture_job(i == 3 ? 1 : i);
        events[i] = fixture_submitted(&jobs[i]);
    }

    events[3].payload.body = fixture_str("lost");
    events[4].due = f->now + 1000;

    assert_int_equal(fixture_apply(f, events, 6), ASYNC_OK);

    for (i = 0; i < 6; i++) {
        assert_int_equal(events[i].rc, i == 3 ? ASYNC_INVALID : ASYNC_OK);
    }

    assert_int_equal(fixture_entries(f, ASYNC_DB_FEED), 5);
    assert_int_equal(fixture_entries(f, ASYNC_DB_READY), 4);
    assert_int_equal(fixture_entries(f, ASYNC_DB_TIMERS), 1);
    fixture_assert_counts(f, "default", 5, 0);

    id = fixture_id(1);
    found = lines(f, &id);
    assert_int_equal(found.n, 1);

    assert_int_equal(async_view_body(f->view, &id,
                                     ASYNC_PAYLOAD_REQUEST_BODY, 0, buf,
                                     4), ASYNC_OK);
    assert_memory_equal(buf, "body", 4);

    assert_int_equal(async_view_head(f->view, &id, ASYNC_PAYLOAD_CAPTURE,
                                     buf, sizeof(buf), &len), ASYNC_OK);

    /* first in, first out, also within a millisecond */

    assert_int_equal(fixture_claim(f, 6), 4);

    for (i = 0; i < 4; i++) {
        id = fixture_id((unsigned []) { 0, 1, 2, 5 }[i]);
        assert_memory_equal(&f->claims[i].job.id, &id, sizeof(async_id_t));
    }
}


static void
what_comes_after_a_submit_in_its_batch_finds_the_job(void **state)
{
    uint8_t                buf[ASYNC_JOB_MAX];
    fixture_t             *f = *state;
    async_job_t            job, other;
    async_event_t          events[3];
    async_batch_t          batch;
    async_claim_request_t  request;

    fixture_take_over(f);

    job = fixture_job(1);
    other = fixture_job(2);
    events[0] = fixture_submitted(&job);
    events[1] = fixture_about(ASYNC_EVENT_CANCEL_REQUESTED, &job);
    events[2] = fixture_submitted(&other);

    memset(&request, 0, sizeof(request));
    request.epoch = f->epoch;
    request.claims = f->claims;
    request.max = 2;

    memset(&batch, 0, sizeof(batch));
    batch.events = events;
    batch.n = 3;
    batch.now = f->now;
    batch.claim = &request;

    assert_int_equal(async_store_apply(f->store, &batch, &f->err), ASYNC_OK);
    assert_int_equal(events[1].rc, ASYNC_OK);

    assert_int_equal(request.n, 1);
    assert_memory_equal(&f->claims[0].job.id, &other.id, sizeof(async_id_t));

    job = fixture_look(f, &job.id, buf);
    assert_int_equal(job.state, ASYNC_STATE_CANCELED);
    assert_int_equal(fixture_entries(f, ASYNC_DB_READY), 0);
    assert_int_equal(fixture_entries(f, ASYNC_DB_BYSTATE), 2);
    fixture_assert_counts(f, "default", 0, 1);
}


/* pages that the next commits can have, and in how many pieces they lie */

static unsigned
free_pages(fixture_t *f, unsigned *pieces)
{
    size_t       *list;
    MDB_txn      *txn;
    MDB_val       k, v;
    unsigned      i, n;
    MDB_cursor   *cursor;
    static bool   lies[1 << 16];

    memset(lies, 0, sizeof(lies));

    assert_int_equal(mdb_txn_begin(f->store->env, NULL, MDB_RDONLY, &txn), 0);
    assert_int_equal(mdb_cursor_open(txn, 0, &cursor), 0);

    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
        list = v.mv_data;

        for (i = 1; i <= list[0]; i++) {
            assert_true(list[i] < sizeof(lies));
            lies[list[i]] = true;
        }
    }

    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);

    for (i = 1, n = 0, *pieces = 0; i < sizeof(lies); i++) {
        n += lies[i];
        *pieces += lies[i] && !lies[i - 1];
    }

    return n;
}


static void
what_commits_of_submits_free_lies_together(void **state)
{
    char           body[600];
    unsigned       i, n, all, pieces, sum;
    fixture_t     *f = *state;
    async_job_t    jobs[30];
    async_event_t  events[30];

    memset(body, 'x', sizeof(body));

    for (n = 0, all = 0, sum = 0; n < 200; n++) {

        for (i = 0; i < 30; i++) {
            jobs[i] = fixture_job(n * 30 + i);
            jobs[i].request.len = sizeof(body);
            jobs[i].request.crc = async_crc32c(0, body, sizeof(body));
            events[i] = fixture_submitted(&jobs[i]);
            events[i].payload.body.data = body;
        }

        assert_int_equal(fixture_apply(f, events, 30), ASYNC_OK);
        assert_int_equal(events[29].rc, ASYNC_OK);

        if (n >= 100) {
            all += free_pages(f, &pieces);
            sum += pieces;
        }
    }

    /* were they single, most pieces would be a page: 36 pages in 23 */

    assert_in_range(all, 100 * 10, 100 * 100);
    assert_true(sum < all / 2);
}


/* --- not before a time --- */

static async_rc_t
submit_due(fixture_t *f, unsigned n, int64_t due)
{
    async_job_t    job;
    async_event_t  event;

    job = fixture_job(n);
    event = fixture_submitted(&job);
    event.due = due;

    return fixture_event(f, &event);
}


static void
a_delayed_job_is_scheduled_until_it_is_due(void **state)
{
    lines_t       found;
    uint8_t       buf[ASYNC_JOB_MAX];
    fixture_t    *f = *state;
    async_id_t    id;
    async_job_t   job;

    fixture_take_over(f);
    id = fixture_id(1);

    assert_int_equal(submit_due(f, 1, f->now + 5000), ASYNC_OK);

    job = fixture_look(f, &id, buf);
    assert_int_equal(job.state, ASYNC_STATE_SCHEDULED);
    assert_int_equal(job.due, f->now + 5000);
    fixture_assert_only(f, &job, ASYNC_DB_TIMERS);
    fixture_assert_counts(f, "default", 1, 0);

    found = lines(f, &id);
    assert_int_equal(found.last.event, ASYNC_EVENT_DELAYED);
    assert_int_equal(found.last.state, ASYNC_STATE_SCHEDULED);

    f->now += 4999;
    assert_int_equal(fixture_claim(f, 1), 0);
    assert_int_equal(f->next_due, f->now + 1);

    /* the worker looks late: he has waited since he was due */

    f->now += 700;
    assert_int_equal(fixture_claim(f, 0), 0);

    job = fixture_look(f, &id, buf);
    assert_int_equal(job.state, ASYNC_STATE_QUEUED);
    assert_int_equal(job.queued, f->now - 699);
    assert_int_equal(job.due, 0);
    fixture_assert_only(f, &job, ASYNC_DB_READY);

    assert_int_equal(fixture_claim(f, 1), 1);
    assert_int_equal(f->claims[0].job.attempt, 1);

    found = lines(f, &id);
    assert_int_equal(found.n, 3);
    assert_int_equal(found.last.state, ASYNC_STATE_PROCESSING);
}


static void
a_time_that_has_passed_delays_nobody(void **state)
{
    uint8_t       buf[ASYNC_JOB_MAX];
    fixture_t    *f = *state;
    async_id_t    id;
    async_job_t   job;

    assert_int_equal(submit_due(f, 1, f->now), ASYNC_OK);

    id = fixture_id(1);
    job = fixture_look(f, &id, buf);
    assert_int_equal(job.state, ASYNC_STATE_QUEUED);
    assert_int_equal(job.due, 0);
    fixture_assert_only(f, &job, ASYNC_DB_READY);
}


static void
a_delayed_job_goes_by_its_time_and_its_priority(void **state)
{
    fixture_t     *f = *state;
    async_id_t     ids[3];
    async_job_t    job;
    async_event_t  event;
    unsigned       i;

    fixture_take_over(f);

    /* due before the second was submitted, and with a higher priority */

    job = fixture_job(1);
    event = fixture_submitted(&job);
    event.due = f->now + 10;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    f->now += 20;
    fixture_submit_all(f, 2, 1);

    job = fixture_job(3);
    job.priority = 9;
    event = fixture_submitted(&job);
    event.due = f->now + 10;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    f->now += 20;
    assert_int_equal(fixture_claim(f, 3), 3);

    for (i = 0; i < 3; i++) {
        ids[i] = fixture_id((unsigned []) { 3, 1, 2 }[i]);
        assert_memory_equal(&f->claims[i].job.id, &ids[i],
                            sizeof(async_id_t));
    }
}


static void
the_start_deadline_runs_from_when_a_job_was_due(void **state)
{
    uint8_t         buf[ASYNC_JOB_MAX];
    fixture_t      *f = *state;
    async_id_t      ids[2];
    async_job_t     job;
    async_policy_t  policy;

    async_policy_defaults(&policy);
    fixture_take_over(f);

    assert_int_equal(submit_due(f, 1, f->now + 1000), ASYNC_OK);
    assert_int_equal(submit_due(f, 2, f->now + 1001), ASYNC_OK);

    /* nobody looked for as long as that, and both are woken at once */

    f->now += 1001 + (int64_t) policy.start_timeout;
    assert_int_equal(fixture_claim(f, 2), 1);

    ids[0] = fixture_id(1);
    ids[1] = fixture_id(2);

    job = fixture_look(f, &ids[0], buf);
    assert_int_equal(job.state, ASYNC_STATE_FAILED);
    assert_int_equal(job.error, ASYNC_JOB_ERROR_START_TIMEOUT);

    assert_memory_equal(&f->claims[0].job.id, &ids[1], sizeof(async_id_t));
}


static void
a_time_that_was_asked_for_stands_when_the_clock_is_set_back(void **state)
{
    uint8_t       buf[ASYNC_JOB_MAX];
    unsigned      moved;
    fixture_t    *f = *state;
    async_id_t    id;
    async_job_t   job;

    fixture_take_over(f);
    assert_int_equal(submit_due(f, 1, f->now + 5000), ASYNC_OK);

    f->now -= 3600000;
    assert_int_equal(async_store_rewind(f->store, f->epoch, f->now, -3600000,
                                        &moved, &f->err), ASYNC_OK);
    assert_int_equal(moved, 0);

    assert_int_equal(async_store_rewind(f->store, f->epoch, f->now,
                                        ASYNC_REWIND_UNKNOWN, &moved,
                                        &f->err), ASYNC_OK);
    assert_int_equal(moved, 0);

    id = fixture_id(1);
    job = fixture_look(f, &id, buf);
    assert_int_equal(job.due, FIXTURE_NOW + 5000);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(a_submitted_job_is_queued_whatever_its_record_says),
        sound(a_submit_that_cannot_be_is_refused_before_a_write),
        sound(an_id_that_is_taken_stays_what_it_was),
        sound(jobs_of_one_batch_are_as_those_of_many),
        sound(what_comes_after_a_submit_in_its_batch_finds_the_job),
        sound(what_commits_of_submits_free_lies_together),
        sound(a_delayed_job_is_scheduled_until_it_is_due),
        sound(a_time_that_has_passed_delays_nobody),
        sound(a_delayed_job_goes_by_its_time_and_its_priority),
        sound(the_start_deadline_runs_from_when_a_job_was_due),
        sound(a_time_that_was_asked_for_stands_when_the_clock_is_set_back)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
