/*
 * Retention: what goes when, what stays, and that slices end.  Jobs that are
 * not started in time, and attempts that failed.
 */

#include "async_fixture.h"


#define RESULT   5000
#define FAILED   7000
#define HISTORY  20000
#define LARGE    300000


static async_policy_t  policy;
static uint8_t         policy_key[ASYNC_POLICY_KEY];


static int
setup(void **state)
{
    fixture_t  *f;

    fixture_setup(state);
    f = *state;

    async_policy_defaults(&policy);
    policy.retain_result = RESULT;
    policy.retain_failed = FAILED;
    policy.retain_history = HISTORY;
    policy.start_timeout = 3000;
    async_policy_key(policy_key, &policy);

    assert_int_equal(async_store_publish(f->store, &policy, 1, NULL, 0,
                                         &f->err), ASYNC_OK);
    fixture_take_over(f);

    return 0;
}


static void
submit(fixture_t *f, unsigned n)
{
    async_job_t  job;

    job = fixture_job(n);
    memcpy(job.policy, policy_key, ASYNC_POLICY_KEY);
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
}


/* submitted, claimed and ended, all of them now */

static void
finish(fixture_t *f, unsigned from, unsigned n, async_event_type_t type)
{
    unsigned       i;
    async_event_t  event;

    for (i = from; i < from + n; i++) {
        submit(f, i);
        assert_int_equal(fixture_claim(f, 1), 1);

        event = fixture_completed(&f->claims[0].job);
        event.type = type;
        event.error = type == ASYNC_EVENT_FAILED
                      ? ASYNC_JOB_ERROR_BACKEND_STATUS : 0;
        assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    }
}


static bool
has_payload(fixture_t *f, unsigned n, async_payload_kind_t kind)
{
    async_id_t   id;
    async_key_t  key;

    id = fixture_id(n);
    async_key_payload(&key, &id, kind, 0);

    return fixture_has(f, &key);
}


static void
a_completed_job_keeps_its_response_and_no_request(void **state)
{
    uint8_t      buf[ASYNC_JOB_MAX];
    fixture_t   *f = *state;
    async_id_t   id;
    async_job_t  job;

    finish(f, 1, 1, ASYNC_EVENT_COMPLETED);

    assert_false(has_payload(f, 1, ASYNC_PAYLOAD_REQUEST));
    assert_false(has_payload(f, 1, ASYNC_PAYLOAD_CAPTURE));
    assert_false(has_payload(f, 1, ASYNC_PAYLOAD_REQUEST_BODY));
    assert_true(has_payload(f, 1, ASYNC_PAYLOAD_RESPONSE));
    assert_true(has_payload(f, 1, ASYNC_PAYLOAD_RESPONSE_BODY));

    id = fixture_id(1);
    job = fixture_look(f, &id, buf);
    assert_int_equal(job.request.where, ASYNC_BODY_NONE);
    assert_int_equal(job.request.len, 0);
}


static void
a_failed_job_keeps_both(void **state)
{
    fixture_t  *f = *state;

    finish(f, 1, 1, ASYNC_EVENT_FAILED);

    assert_true(has_payload(f, 1, ASYNC_PAYLOAD_REQUEST));
    assert_true(has_payload(f, 1, ASYNC_PAYLOAD_CAPTURE));
    assert_true(has_payload(f, 1, ASYNC_PAYLOAD_REQUEST_BODY));
    assert_true(has_payload(f, 1, ASYNC_PAYLOAD_RESPONSE));
}


static void
first_the_result_goes_then_all_of_it(void **state)
{
    int            i;
    int64_t        kept;
    uint8_t        buf[ASYNC_JOB_MAX];
    fixture_t     *f = *state;
    async_id_t     id;
    async_job_t    job;
    async_sweep_t  slice;

    for (i = 0; i < 2; i++) {
        kept = i == 0 ? RESULT : FAILED;
        id = fixture_id(1 + i);
        finish(f, 1 + i, 1, i == 0 ? ASYNC_EVENT_COMPLETED
                                   : ASYNC_EVENT_FAILED);

        f->now += kept - 1;
        slice = fixture_sweep(f);
        assert_int_equal(slice.rows, 0);
        assert_true(has_payload(f, 1 + i, ASYNC_PAYLOAD_RESPONSE_BODY));

        f->now++;
        slice = fixture_sweep(f);
        assert_int_equal(slice.results, 1);
        assert_int_equal(slice.jobs, 0);
        assert_false(slice.more);
        assert_int_equal(fixture_entries(f, ASYNC_DB_PAYLOAD), 0);
        assert_int_equal(fixture_entries(f, ASYNC_DB_TRAIL), 3);

        job = fixture_look(f, &id, buf);
        assert_true(job.flags & ASYNC_JOB_SWEPT);
        assert_int_equal(job.state, i == 0 ? ASYNC_STATE_COMPLETED
                                           : ASYNC_STATE_FAILED);
        assert_int_equal(job.result_status, 200);
        assert_int_equal(job.response.where, ASYNC_BODY_NONE);
        fixture_assert_only(f, &job, ASYNC_DB_TIMERS);
        fixture_assert_sound(f);

        f->now += HISTORY - kept - 1;
        assert_int_equal(fixture_sweep(f).rows, 0);

        f->now++;
        slice = fixture_sweep(f);
        assert_int_equal(slice.jobs, 1);
        assert_int_equal(async_view_job(f->view, &id, &job, buf),
                         ASYNC_NOT_FOUND);
        assert_int_equal(fixture_entries(f, ASYNC_DB_JOBS), 0);
        assert_int_equal(fixture_entries(f, ASYNC_DB_TRAIL), 0);
        assert_int_equal(fixture_entries(f, ASYNC_DB_TIMERS), 0);
        assert_int_equal(fixture_entries(f, ASYNC_DB_BYSTATE), 0);
    }
}


/* a worker that was away for long: one step instead of two */

static void
who_is_past_both_is_forgotten_at_once(void **state)
{
    fixture_t      *f = *state;
    async_sweep_t   slice;

    finish(f, 1, 3, ASYNC_EVENT_COMPLETED);
    f->now += HISTORY;

    slice = fixture_sweep(f);
    assert_int_equal(slice.results, 0);
    assert_int_equal(slice.jobs, 3);
    assert_int_equal(fixture_entries(f, ASYNC_DB_JOBS), 0);
    assert_int_equal(fixture_entries(f, ASYNC_DB_PAYLOAD), 0);
}


static void
unfinished_jobs_are_never_swept(void **state)
{
    fixture_t  *f = *state;

    submit(f, 1);
    submit(f, 2);
    assert_int_equal(fixture_claim(f, 1), 1);

    f->now += 1000 * (int64_t) HISTORY;
    assert_int_equal(fixture_sweep(f).rows, 0);
    assert_int_equal(fixture_entries(f, ASYNC_DB_JOBS), 2);
}


/* neither rows nor time: with these few, rows are what ends it */

static void
a_slice_ends_and_says_so(void **state)
{
    unsigned        slices, jobs;
    fixture_t      *f = *state;
    async_sweep_t   slice;

    finish(f, 1, 400, ASYNC_EVENT_FAILED);
    f->now += HISTORY;

    for (slices = 0, jobs = 0; slices < 400; slices++) {
        slice = fixture_sweep(f);
        jobs += slice.jobs;
        assert_in_range(slice.rows, 1, 1100);
        fixture_assert_sound(f);

        if (!slice.more) {
            break;
        }
    }

    assert_int_equal(jobs, 400);
    assert_true(slices >= 2);
    assert_int_equal(fixture_entries(f, ASYNC_DB_JOBS), 0);
}


static void
a_sweep_of_an_older_worker_is_refused(void **state)
{
    fixture_t      *f = *state;
    async_sweep_t   slice;
    async_batch_t   batch;

    finish(f, 1, 1, ASYNC_EVENT_COMPLETED);
    f->now += HISTORY;

    memset(&batch, 0, sizeof(batch));
    memset(&slice, 0, sizeof(slice));

    slice.epoch = f->epoch - 1;
    batch.sweep = &slice;
    batch.now = f->now;

    assert_int_equal(async_store_apply(f->store, &batch, &f->err),
                     ASYNC_STALE);
    assert_int_equal(fixture_entries(f, ASYNC_DB_JOBS), 1);
}


/*
 * Deletes take pages too: a map that is full to the last of them can still be
 * emptied, one job at a time, while a result keeps knocking.
 */

static void
a_map_that_is_full_can_be_emptied(void **state)
{
    char            *body;
    size_t           size;
    unsigned         i, n, ended = 0;
    fixture_t       *f = *state;
    async_job_t      job;
    async_event_t    event, result;
    async_sweep_t    slice;
    async_batch_t    batch;
    const unsigned   len = 60000;

    fixture_close(f);
    fixture_remove(f->path);
    assert_int_equal(async_store_prepare(f->path, geteuid(), getegid(),
                                         &f->err), ASYNC_OK);
    assert_int_equal(fixture_open_as(f, 16 << 20, true), ASYNC_OK);
    assert_int_equal(async_store_publish(f->store, &policy, 1, NULL, 0,
                                         &f->err), ASYNC_OK);
    fixture_take_over(f);

    submit(f, 1);
    assert_int_equal(fixture_claim(f, 1), 1);

    body = calloc(1, len);
    assert_non_null(body);
    result = fixture_completed(&f->claims[0].job);
    result.response.len = len;
    result.response.crc = async_crc32c(0, body, len);
    result.payload.body.data = body;
    result.payload.body.len = len;

    /* the quota looks away */

    size = f->store->size;
    f->store->size = 1ull << 40;

    for (n = 0; n < 1000; n++) {
        job = fixture_job(2 + n);
        memcpy(job.policy, policy_key, ASYNC_POLICY_KEY);
        job.request.len = len;
        job.request.crc = result.response.crc;

        event = fixture_submitted(&job);
        event.payload.body.data = body;

        if (fixture_event(f, &event) != ASYNC_OK) {
            break;
        }
    }

    assert_in_range(n, 100, 999);

    for (i = 0; i < n; i++) {
        async_id_t  id = fixture_id(2 + i);

        f->now += i == 0 ? policy.start_timeout + 1 : 0;
        async_event_late(&event, &id, f->epoch);
        ended += fixture_event(f, &event) == ASYNC_OK ? 1 : 0;
    }

    assert_in_range(ended, 10, n);
    f->store->size = size;
    f->now += HISTORY;

    memset(&slice, 0, sizeof(slice));
    slice.epoch = f->epoch;

    for (i = 0; i < 3 * n; i++) {
        memset(&batch, 0, sizeof(batch));
        batch.events = &result;
        batch.n = result.rc == ASYNC_OK && i > 0 ? 0 : 1;
        batch.sweep = &slice;
        batch.now = f->now;

        assert_int_equal(async_store_apply(f->store, &batch, &f->err),
                         ASYNC_OK);
        f->store->quota->at -= 1000;

        if (i > 0 && result.rc == ASYNC_OK && slice.rows == 0) {
            break;
        }
    }

    assert_true(i < 3 * n);
    assert_int_equal(result.rc, ASYNC_OK);
    assert_int_equal(fixture_entries(f, ASYNC_DB_JOBS), n - ended + 1);
    free(body);
}


static unsigned
spooled(fixture_t *f, const async_id_t *id, async_payload_kind_t kind,
    async_body_t *body)
{
    char           *bytes;
    async_spool_t   spool;

    bytes = calloc(1, LARGE);
    assert_non_null(bytes);
    assert_int_equal(async_spool_create(&spool, f->store, id, kind, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_spool_write(&spool, bytes, LARGE, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_spool_finish(&spool, body, &f->err), ASYNC_OK);
    free(bytes);

    return LARGE;
}


static bool
is_file(fixture_t *f, const async_id_t *id, async_payload_kind_t kind)
{
    char  path[1024];

    assert_true(async_spool_path(f->store, id, kind, path, sizeof(path)));

    return access(path, F_OK) == 0;
}


static void
spool_files_go_with_what_named_them(void **state)
{
    fixture_t              *f = *state;
    async_job_t             job;
    async_event_t           event;
    async_store_figures_t   figures;

    job = fixture_job(1);
    memcpy(job.policy, policy_key, ASYNC_POLICY_KEY);
    spooled(f, &job.id, ASYNC_PAYLOAD_REQUEST_BODY, &job.request);

    event = fixture_submitted(&job);
    event.payload.body.len = 0;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_int_equal(fixture_claim(f, 1), 1);

    event = fixture_completed(&f->claims[0].job);
    event.payload.body.len = 0;
    spooled(f, &job.id, ASYNC_PAYLOAD_RESPONSE_BODY, &event.response);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_false(is_file(f, &job.id, ASYNC_PAYLOAD_REQUEST_BODY));
    assert_true(is_file(f, &job.id, ASYNC_PAYLOAD_RESPONSE_BODY));
    assert_int_equal(async_store_figures(f->store, &figures), ASYNC_OK);
    assert_int_equal(figures.spooled, LARGE);

    f->now += RESULT;
    assert_int_equal(fixture_sweep(f).results, 1);
    assert_false(is_file(f, &job.id, ASYNC_PAYLOAD_RESPONSE_BODY));
    assert_int_equal(async_store_figures(f->store, &figures), ASYNC_OK);
    assert_int_equal(figures.spooled, 0);
}


/* --- the start deadline --- */

static void
a_job_that_waits_too_long_fails(void **state)
{
    unsigned         n;
    uint8_t          buf[ASYNC_JOB_MAX];
    fixture_t       *f = *state;
    async_id_t       id;
    async_job_t      job;
    async_event_t    event;
    async_patrol_t   patrol = { .len = 0 };
    async_overdue_t  late[4];

    submit(f, 1);
    f->now += 1;
    submit(f, 2);

    f->now += policy.start_timeout;
    assert_int_equal(async_view_overdue(f->view, &patrol, f->now, late, 4, &n),
                     ASYNC_OK);
    assert_int_equal(n, 1);
    id = fixture_id(1);
    assert_memory_equal(&late[0].id, &id, sizeof(id));
    assert_string_equal(late[0].queue, "default");
    assert_int_equal(late[0].attempt, 0);
    assert_int_equal(late[0].queued, f->now - 1 - policy.start_timeout);

    async_event_late(&event, &late[0].id, f->epoch);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    job = fixture_look(f, &id, buf);
    assert_int_equal(job.state, ASYNC_STATE_FAILED);
    assert_int_equal(job.error, ASYNC_JOB_ERROR_START_TIMEOUT);
    assert_int_equal(job.attempt, 0);

    /* not twice, not before its time, not by a worker of before */

    async_event_late(&event, &late[0].id, f->epoch);
    assert_int_equal(fixture_event(f, &event), ASYNC_REFUSED);

    id = fixture_id(2);
    async_event_late(&event, &id, f->epoch);
    assert_int_equal(fixture_event(f, &event), ASYNC_STALE);

    f->now += 1;
    async_event_late(&event, &id, f->epoch - 1);
    assert_int_equal(fixture_event(f, &event), ASYNC_STALE);
    async_event_late(&event, &id, f->epoch);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
}


static void
a_claim_does_not_start_what_is_too_late(void **state)
{
    uint8_t                 buf[ASYNC_JOB_MAX];
    fixture_t              *f = *state;
    async_id_t              id;
    async_job_t             job;
    async_batch_t           batch;
    async_claim_request_t   request;

    submit(f, 1);
    f->now += policy.start_timeout + 1;
    submit(f, 2);

    /* a clock that jumped proves nothing */

    memset(&batch, 0, sizeof(batch));
    memset(&request, 0, sizeof(request));
    request.epoch = f->epoch;
    request.claims = f->claims;
    request.max = 1;
    request.doubt = true;
    batch.claim = &request;
    batch.now = f->now;

    assert_int_equal(async_store_apply(f->store, &batch, &f->err), ASYNC_OK);
    assert_int_equal(request.n, 1);

    submit(f, 3);
    f->now += policy.start_timeout + 1;
    submit(f, 4);

    assert_int_equal(fixture_claim(f, 8), 1);
    id = fixture_id(4);
    assert_memory_equal(&f->claims[0].job.id, &id, sizeof(id));

    id = fixture_id(2);
    job = fixture_look(f, &id, buf);
    assert_int_equal(job.error, ASYNC_JOB_ERROR_START_TIMEOUT);
    id = fixture_id(3);
    job = fixture_look(f, &id, buf);
    assert_int_equal(job.error, ASYNC_JOB_ERROR_START_TIMEOUT);
}


/* more of them than one look takes: it goes on where it stopped */

static void
the_patrol_comes_round(void **state)
{
    unsigned         i, n, looks, found;
    fixture_t       *f = *state;
    async_patrol_t   patrol = { .len = 0 };
    async_overdue_t  late[8];

    policy.start_timeout = 1000000;
    async_policy_key(policy_key, &policy);
    assert_int_equal(async_store_publish(f->store, &policy, 1, NULL, 0,
                                         &f->err), ASYNC_OK);

    for (i = 0; i < 2500; i++) {
        submit(f, i);
    }

    for (looks = 0; looks < 10; looks++) {
        assert_int_equal(async_view_overdue(f->view, &patrol, f->now, late, 8,
                                            &n), ASYNC_OK);
        assert_int_equal(n, 0);

        if (patrol.len == 0) {
            break;
        }
    }

    assert_int_equal(looks, 2);

    f->now += 1000001;

    for (found = 0, looks = 0; looks < 1000; looks++) {
        assert_int_equal(async_view_overdue(f->view, &patrol, f->now, late, 8,
                                            &n), ASYNC_OK);
        found += n;

        if (patrol.len == 0) {
            break;
        }
    }

    assert_int_equal(found, 2500);
}


/* --- retries --- */

static void
an_attempt_that_failed_waits_for_the_next(void **state)
{
    uint8_t         buf[ASYNC_JOB_MAX];
    fixture_t      *f = *state;
    async_id_t      id;
    async_job_t     job;
    async_event_t   event;

    id = fixture_id(1);
    submit(f, 1);
    assert_int_equal(fixture_claim(f, 1), 1);

    event = fixture_about(ASYNC_EVENT_ATTEMPT_FAILED, &f->claims[0].job);
    event.error = ASYNC_JOB_ERROR_BACKEND_STATUS;
    event.status = 503;
    event.detail = fixture_str("The backend answered with status 503.");
    assert_int_equal(fixture_event(f, &event), ASYNC_INVALID);

    event.due = f->now + 10000;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    job = fixture_look(f, &id, buf);
    assert_int_equal(job.state, ASYNC_STATE_RETRYING);
    assert_int_equal(job.due, f->now + 10000);
    assert_int_equal(job.error, ASYNC_JOB_ERROR_BACKEND_STATUS);
    assert_int_equal(job.detail.len, event.detail.len);
    fixture_assert_only(f, &job, ASYNC_DB_TIMERS);
    fixture_assert_counts(f, "default", 1, 0);

    f->now += 9999;
    assert_int_equal(fixture_claim(f, 1), 0);
    assert_int_equal(f->next_due, job.due);

    f->now++;
    assert_int_equal(fixture_claim(f, 1), 1);
    assert_int_equal(f->claims[0].job.attempt, 2);
    assert_int_equal(f->claims[0].job.error, 0);
    assert_int_equal(f->claims[0].job.detail.len, 0);
    assert_true(has_payload(f, 1, ASYNC_PAYLOAD_REQUEST_BODY));
}


static void
what_a_crash_cut_is_allowed_once_more(void **state)
{
    uint8_t         buf[ASYNC_JOB_MAX];
    fixture_t      *f = *state;
    async_id_t      id;
    async_job_t     job;
    async_event_t   event;

    id = fixture_id(1);
    submit(f, 1);
    assert_int_equal(fixture_claim(f, 1), 1);
    assert_int_equal(f->claims[0].job.attempts_max, 5);

    event = fixture_about(ASYNC_EVENT_INTERRUPTED, &f->claims[0].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    job = fixture_look(f, &id, buf);
    assert_int_equal(job.attempt, 1);
    assert_int_equal(job.attempts_max, 6);
}


int
main(void)
{
#define swept(test)  cmocka_unit_test_setup_teardown(test, setup,            \
                                                     fixture_teardown_sound)

    const struct CMUnitTest  tests[] = {
        swept(a_completed_job_keeps_its_response_and_no_request),
        swept(a_failed_job_keeps_both),
        swept(first_the_result_goes_then_all_of_it),
        swept(who_is_past_both_is_forgotten_at_once),
        swept(unfinished_jobs_are_never_swept),
        swept(a_slice_ends_and_says_so),
        swept(a_sweep_of_an_older_worker_is_refused),
        swept(a_map_that_is_full_can_be_emptied),
        swept(spool_files_go_with_what_named_them),
        swept(a_job_that_waits_too_long_fails),
        swept(a_claim_does_not_start_what_is_too_late),
        swept(the_patrol_comes_round),
        swept(an_attempt_that_failed_waits_for_the_next),
        swept(what_a_crash_cut_is_allowed_once_more)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
