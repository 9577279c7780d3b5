/*
 * A retry by hand: a new job of one that has failed.
 */

#include "async_hooked.h"


static async_rc_t
retry(fixture_t *f, const async_id_t *id, async_id_t *as)
{
    async_rc_t     rc;
    async_retry_t  retry;

    memset(&retry, 0, sizeof(retry));

    retry.id = *id;
    retry.as = *as;
    retry.by = fixture_str("cli:alice");
    retry.now = f->now;

    rc = async_store_retry(f->store, &retry, &f->err);

    *as = retry.as;

    return rc;
}


static async_job_t
job_of(fixture_t *f, const async_id_t *id)
{
    static uint8_t  buf[4][ASYNC_JOB_MAX];
    static unsigned n;
    async_job_t     job;

    n = (n + 1) % 4;
    assert_int_equal(async_view_job(f->view, id, &job, buf[n]), ASYNC_OK);

    return job;
}


static void
fail_claimed(fixture_t *f)
{
    async_event_t  event;

    event = fixture_about(ASYNC_EVENT_FAILED, &f->claims[0].job);
    event.error = ASYNC_JOB_ERROR_OUTCOME_UNKNOWN;
    event.sent = true;

    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
}


static void
assert_request(fixture_t *f, const async_id_t *id, const char *body,
    size_t len)
{
    uint8_t  *buf;
    size_t    head;

    buf = malloc(len + 4096);
    assert_int_equal(async_view_head(f->view, id, ASYNC_PAYLOAD_REQUEST, buf,
                                     4096, &head), ASYNC_OK);
    assert_memory_equal(buf, fixture_head(ASYNC_RECORD_REQUEST).data, head);
    assert_int_equal(async_view_head(f->view, id, ASYNC_PAYLOAD_CAPTURE, buf,
                                     4096, &head), ASYNC_OK);
    assert_memory_equal(buf, fixture_head(ASYNC_RECORD_CAPTURE).data, head);
    assert_int_equal(async_view_body(f->view, id, ASYNC_PAYLOAD_REQUEST_BODY,
                                     0, buf, len), ASYNC_OK);
    assert_memory_equal(buf, body, len);
    free(buf);
}


static void
submit_known(fixture_t *f)
{
    async_job_t    job;
    async_event_t  event;

    job = fixture_job(1);
    job.owner = fixture_str("alice...........");
    job.priority = 7;

    event = fixture_submitted(&job);
    event.idempotency.used = true;
    event.idempotency.ttl = DAY;
    memset(event.idempotency.hash, 1, ASYNC_SUBMIT_HASH);

    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 1), 1);
}


static void
a_failed_job_runs_again_as_another(void **state)
{
    lines_t      found;
    fixture_t   *f = *state;
    async_id_t   id, as, again;
    async_job_t  old, job;

    submit_known(f);
    id = fixture_id(1);
    as = fixture_id(2);
    f->now += 5000;

    assert_int_equal(retry(f, &id, &as), ASYNC_REFUSED);
    fail_claimed(f);
    assert_int_equal(retry(f, &id, &as), ASYNC_OK);

    old = job_of(f, &id);
    assert_int_equal(old.state, ASYNC_STATE_FAILED);
    assert_memory_equal(&old.retried_as, &as, sizeof(as));
    assert_true(old.idempotency.used);

    job = job_of(f, &as);
    assert_int_equal(job.state, ASYNC_STATE_QUEUED);
    assert_memory_equal(&job.retry_of, &id, sizeof(id));
    assert_int_equal(job.created, f->now);
    assert_int_equal(job.attempt, 0);
    assert_int_equal(job.error, ASYNC_JOB_ERROR_NONE);
    assert_int_equal(job.priority, 7);
    assert_int_equal(job.owner.len, ASYNC_OWNER);
    assert_false(job.idempotency.used);
    assert_request(f, &as, "body", 4);

    found = lines(f, &id);
    assert_int_equal(found.last.event, ASYNC_EVENT_RETRIED);
    assert_string_equal(found.by, "cli:alice");
    assert_int_equal(found.seq, old.seq);

    found = lines(f, &as);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.last.event, ASYNC_EVENT_SUBMITTED);
    assert_string_equal(found.by, "cli:alice");

    /* once: whoever asks again is told */

    again = fixture_id(3);
    assert_int_equal(retry(f, &id, &again), ASYNC_EXISTS);
    assert_memory_equal(&again, &as, sizeof(as));

    assert_int_equal(fixture_claim(f, 1), 1);
    assert_memory_equal(&f->claims[0].job.id, &as, sizeof(as));
    fail_claimed(f);

    /* a retry of a retry; and of one whose retry is gone */

    again = fixture_id(3);
    assert_int_equal(retry(f, &as, &again), ASYNC_OK);
    assert_request(f, &again, "body", 4);
    fixture_assert_counts(f, "default", 1, 0);
}


/* whatever a job gets with its submission, but for what it is known by */

static void
all_that_was_submitted_comes_along(void **state)
{
    size_t           len, expected_len;
    uint8_t          buf[ASYNC_JOB_MAX], expected[ASYNC_JOB_MAX];
    fixture_t       *f = *state;
    async_id_t       as;
    async_job_t      job;
    async_hook_t     hook;
    async_event_t    event;
    async_policy_t   policy;

    async_policy_defaults(&policy);
    policy.attempts = 3;

    job = fixture_job(1);
    job.owner = fixture_str("alice...........");
    job.priority = 7;
    job.dialect = ASYNC_DIALECT_AZURE;
    job.server = 0x5ca1ab1e;
    job.attempts_max = policy.attempts;
    job.queue = fixture_str("reports");
    job.status_prefix = fixture_str("/desk/jobs/");
    job.method = fixture_str("PUT");
    job.uri = fixture_str("/reports?year=2026");
    job.flags = ASYNC_JOB_REPEATABLE;
    async_policy_key(job.policy, &policy);

    assert_int_equal(async_store_publish(f->store, &policy, 1, NULL, 0,
                                         &f->err), ASYNC_OK);

    hook = waiting();
    event = fixture_submitted(&job);
    event.hook = &hook;
    event.idempotency.used = true;
    event.idempotency.ttl = DAY;
    memset(event.idempotency.hash, 1, ASYNC_SUBMIT_HASH);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    as = fixture_id(2);
    job = job_of(f, &job.id);
    memset(&job.idempotency, 0, sizeof(async_job_key_t));
    job.retry_of = job.id;
    expected_len = async_job_encode(&job, expected, sizeof(expected));

    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 1), 1);
    fail_claimed(f);
    assert_int_equal(retry(f, &job.id, &as), ASYNC_OK);

    job = job_of(f, &as);
    len = async_job_encode(&job, buf, sizeof(buf));
    assert_int_equal(len, expected_len);
    assert_memory_equal(buf, expected, len);

    assert_int_equal(look(f, &as).state, ASYNC_HOOK_WAITING);
    assert_int_equal(look(f, &as).url.len, hook.url.len);
}


static void
forget(fixture_t *f, const async_id_t *id)
{
    async_event_t  event;

    memset(&event, 0, sizeof(event));
    event.type = ASYNC_EVENT_FORGOTTEN;
    event.id = *id;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
}


static void
if_the_retry_is_gone_there_may_be_another(void **state)
{
    fixture_t   *f = *state;
    async_id_t   id, as;
    async_job_t  job;

    id = one_running(f, 0)->id;
    fail_claimed(f);

    as = fixture_id(2);
    assert_int_equal(retry(f, &id, &as), ASYNC_OK);
    assert_int_equal(cancel(f, &as), ASYNC_OK);
    forget(f, &as);

    as = fixture_id(3);
    assert_int_equal(retry(f, &id, &as), ASYNC_OK);
    job = job_of(f, &id);
    assert_memory_equal(&job.retried_as, &as, sizeof(as));

    /* the old one goes, and what it gave stays */

    forget(f, &id);
    assert_request(f, &as, "body", 4);
}


static void
what_keeps_no_request_is_not_retried(void **state)
{
    fixture_t     *f = *state;
    async_id_t     id, as;
    async_event_t  event;

    as = fixture_id(9);
    id = fixture_id(8);
    assert_int_equal(retry(f, &id, &as), ASYNC_NOT_FOUND);

    id = one_running(f, 0)->id;
    event = fixture_completed(&f->claims[0].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_int_equal(retry(f, &id, &as), ASYNC_REFUSED);

    fixture_submit_all(f, 2, 1);
    id = fixture_id(2);
    assert_int_equal(cancel(f, &id), ASYNC_OK);
    assert_int_equal(retry(f, &id, &as), ASYNC_REFUSED);
    assert_int_equal(fixture_entries(f, ASYNC_DB_JOBS), 2);
}


static void
a_full_queue_takes_no_retry(void **state)
{
    fixture_t   *f = *state;
    async_id_t   id, as;

    id = one_running(f, 0)->id;
    fail_claimed(f);

    fixture_queue(f, "default", 1, 1, 1);
    fixture_submit_all(f, 2, 1);

    as = fixture_id(3);
    assert_int_equal(retry(f, &id, &as), ASYNC_QUEUE_FULL);
    assert_int_equal(fixture_entries(f, ASYNC_DB_JOBS), 2);
}


/* --- bodies in files, and under keys --- */

static void
use_key(fixture_t *f)
{
    async_keys_t  keys;

    memset(&keys, 0, sizeof(keys));
    keys.n = 1;
    keys.encrypts = true;
    memset(&keys.secrets[0], 7, sizeof(keys.secrets[0]));

    assert_int_equal(async_store_use_keys(f->store, &keys), ASYNC_OK);
}


static void
submit_spooled(fixture_t *f, unsigned n, const char *body)
{
    async_job_t    job;
    async_spool_t  spool;

    job = fixture_job(n);

    assert_int_equal(async_spool_create(&spool, f->store, &job.id,
                                        ASYNC_PAYLOAD_REQUEST_BODY, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_spool_write(&spool, body, strlen(body), &f->err),
                     ASYNC_OK);
    assert_int_equal(async_spool_finish(&spool, &job.request, &f->err),
                     ASYNC_OK);
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);

    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 1), 1);
    fail_claimed(f);
}


static void
assert_spooled(fixture_t *f, const async_id_t *id, const char *body)
{
    char                  buf[64];
    async_job_t           job;
    async_spool_reader_t  reader;

    job = job_of(f, id);

    assert_int_equal(async_spool_open(&reader, f->store, id,
                                      ASYNC_PAYLOAD_REQUEST_BODY,
                                      &job.request, &f->err), ASYNC_OK);
    assert_int_equal(async_spool_read(&reader, 0, buf, strlen(body)),
                     ASYNC_OK);
    assert_memory_equal(buf, body, strlen(body));
    async_spool_close(&reader);
}


static void
a_spooled_body_is_shared(void **state)
{
    char                    path[640];
    unsigned                sealed, first;
    fixture_t              *f = *state;
    async_id_t              id, as, again;
    struct stat             st;
    async_store_figures_t   figures;

    for (sealed = 0; sealed < 2; sealed++) {

        if (sealed) {
            use_key(f);
        }

        first = 1 + 3 * sealed;
        submit_spooled(f, first, "a spooled body");
        id = fixture_id(first);
        as = fixture_id(first + 1);

        assert_int_equal(retry(f, &id, &as), ASYNC_OK);
        assert_spooled(f, &as, "a spooled body");
        assert_int_equal(async_store_figures(f->store, &figures), ASYNC_OK);
        assert_int_equal(figures.spooled, 2 * strlen("a spooled body"));

        /* nothing is left of a retry that was not made */

        again = fixture_id(first + 2);
        assert_int_equal(retry(f, &id, &again), ASYNC_EXISTS);
        again = fixture_id(first + 2);
        assert_true(async_spool_path(f->store, &again,
                                     ASYNC_PAYLOAD_REQUEST_BODY, path,
                                     sizeof(path)));
        assert_int_equal(stat(path, &st), -1);
        fixture_assert_sound(f);

        forget(f, &id);
        assert_spooled(f, &as, "a spooled body");

        assert_int_equal(fixture_claim(f, 1), 1);
        fail_claimed(f);
        again = fixture_id(first + 2);
        assert_int_equal(retry(f, &as, &again), ASYNC_OK);
        forget(f, &as);
        assert_spooled(f, &again, "a spooled body");

        assert_int_equal(cancel(f, &again), ASYNC_OK);
        forget(f, &again);
        assert_int_equal(async_store_figures(f->store, &figures), ASYNC_OK);
        assert_int_equal(figures.spooled, 0);

        fixture_close(f);
        assert_int_equal(fixture_open_as(f, 256ull << 20, true), ASYNC_OK);
    }
}


static void
what_is_encrypted_is_read_under_its_first_id(void **state)
{
    fixture_t   *f = *state;
    async_id_t   id, as, again;
    async_job_t  job;

    use_key(f);
    id = one_running(f, 0)->id;
    fail_claimed(f);

    as = fixture_id(2);
    assert_int_equal(retry(f, &id, &as), ASYNC_OK);
    assert_true(job_of(f, &as).request.seal.moved);
    assert_request(f, &as, "body", 4);
    forget(f, &id);

    assert_int_equal(fixture_claim(f, 1), 1);
    fail_claimed(f);
    again = fixture_id(3);
    assert_int_equal(retry(f, &as, &again), ASYNC_OK);
    job = job_of(f, &again);
    assert_memory_equal(&job.request.seal.of, &id, sizeof(id));
    assert_request(f, &again, "body", 4);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(a_failed_job_runs_again_as_another),
        sound(all_that_was_submitted_comes_along),
        sound(if_the_retry_is_gone_there_may_be_another),
        sound(what_keeps_no_request_is_not_retried),
        sound(a_full_queue_takes_no_retry),
        sound(a_spooled_body_is_shared),
        sound(what_is_encrypted_is_read_under_its_first_id)
    };

    return cmocka_run_group_tests_name("async_retry", tests, NULL, NULL);
}
