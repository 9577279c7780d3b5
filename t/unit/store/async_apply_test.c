/*
 * Batches: what lands together, what is withdrawn, and what is said when the
 * store is full, held by another, or failing.
 */

#include <sys/resource.h>

#include "async_fixture.h"


static void
one_bad_event_does_not_harm_its_batch(void **state)
{
    fixture_t     *f = *state;
    async_job_t    jobs[3];
    async_event_t  events[3];

    jobs[0] = fixture_job(1);
    jobs[1] = fixture_job(2);
    jobs[1].priority = 77;
    jobs[2] = fixture_job(3);

    events[0] = fixture_submitted(&jobs[0]);
    events[1] = fixture_submitted(&jobs[1]);
    events[2] = fixture_submitted(&jobs[2]);

    assert_int_equal(fixture_apply(f, events, 3), ASYNC_OK);
    assert_int_equal(events[0].rc, ASYNC_OK);
    assert_int_equal(events[1].rc, ASYNC_INVALID);
    assert_int_equal(events[2].rc, ASYNC_OK);
    fixture_assert_counts(f, "default", 2, 0);
}


static void
an_id_twice_in_one_batch_is_one_job(void **state)
{
    fixture_t     *f = *state;
    async_job_t    job;
    async_event_t  events[2];

    job = fixture_job(1);
    events[0] = fixture_submitted(&job);
    events[1] = fixture_submitted(&job);

    assert_int_equal(fixture_apply(f, events, 2), ASYNC_OK);
    assert_int_equal(events[0].rc, ASYNC_OK);
    assert_int_equal(events[1].rc, ASYNC_INVALID);
    assert_int_equal(fixture_entries(f, ASYNC_DB_READY), 1);
}


static void
events_settle_and_claim_in_one_transaction(void **state)
{
    uint64_t               before;
    fixture_t             *f = *state;
    async_batch_t          batch;
    async_event_t          event;
    async_claim_request_t  request;

    fixture_submit_all(f, 1, 2);
    fixture_queue(f, "default", 1, 10, 1);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 2), 1);

    event = fixture_completed(&f->claims[0].job);

    memset(&batch, 0, sizeof(batch));
    memset(&request, 0, sizeof(request));
    request.epoch = f->epoch;
    request.claims = &f->claims[1];
    request.max = 4;
    batch.events = &event;
    batch.n = 1;
    batch.claim = &request;
    batch.now = f->now;

    before = fixture_transaction(f);
    assert_int_equal(async_store_apply(f->store, &batch, &f->err), ASYNC_OK);
    assert_int_equal(fixture_transaction(f), before + 1);

    /* the place that the first left was free for the second */

    assert_int_equal(event.rc, ASYNC_OK);
    assert_int_equal(request.n, 1);
    assert_memory_equal(&f->claims[1].job.id, &(async_id_t[1]) {
                            fixture_id(2) }, sizeof(async_id_t));
    fixture_assert_counts(f, "default", 0, 1);
}


static void
what_is_late_is_withdrawn(void **state)
{
    uint8_t        buf[ASYNC_JOB_MAX];
    fixture_t     *f = *state;
    async_job_t    jobs[2], found;
    async_event_t  events[2];

    jobs[0] = fixture_job(1);
    jobs[1] = fixture_job(2);
    events[0] = fixture_submitted(&jobs[0]);
    events[1] = fixture_submitted(&jobs[1]);
    events[0].deadline = async_monotonic() - 1;
    events[1].deadline = async_monotonic() + 60000;

    assert_int_equal(fixture_apply(f, events, 2), ASYNC_OK);
    assert_int_equal(events[0].rc, ASYNC_LATE);
    assert_int_equal(events[1].rc, ASYNC_OK);

    assert_int_equal(async_view_job(f->view, &jobs[0].id, &found, buf),
                     ASYNC_NOT_FOUND);
    fixture_assert_counts(f, "default", 1, 0);
}


static void
a_batch_that_changes_nothing_commits_nothing(void **state)
{
    uint64_t       before;
    fixture_t     *f = *state;
    async_job_t    job;
    async_event_t  event;

    fixture_take_over(f);
    before = fixture_transaction(f);

    assert_int_equal(fixture_apply(f, NULL, 0), ASYNC_OK);
    assert_int_equal(fixture_claim(f, 8), 0);

    job = fixture_job(1);
    event = fixture_submitted(&job);
    event.deadline = 1;
    assert_int_equal(fixture_event(f, &event), ASYNC_LATE);

    event = fixture_completed(&job);
    assert_int_equal(fixture_event(f, &event), ASYNC_NOT_FOUND);

    assert_int_equal(fixture_transaction(f), before);
}


static void
a_full_queue_takes_no_more_until_one_has_left(void **state)
{
    fixture_t     *f = *state;
    async_job_t    jobs[3];
    async_event_t  events[3];

    fixture_queue(f, "default", 8, 2, 1);

    jobs[0] = fixture_job(1);
    jobs[1] = fixture_job(2);
    jobs[2] = fixture_job(3);
    events[0] = fixture_submitted(&jobs[0]);
    events[1] = fixture_submitted(&jobs[1]);
    events[2] = fixture_submitted(&jobs[2]);

    assert_int_equal(fixture_apply(f, events, 3), ASYNC_OK);
    assert_int_equal(events[1].rc, ASYNC_OK);
    assert_int_equal(events[2].rc, ASYNC_QUEUE_FULL);

    /* another queue is not concerned */

    jobs[2].queue = fixture_str("other");
    assert_int_equal(fixture_submit(f, &jobs[2]), ASYNC_OK);

    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 2), 2);           /* one of each */

    jobs[2] = fixture_job(4);
    assert_int_equal(fixture_submit(f, &jobs[2]), ASYNC_OK);
    fixture_assert_counts(f, "default", 2, 1);
}


/* --- a door that stays shut --- */

static void
a_stopped_holder_makes_us_say_busy_and_nothing_is_written(void **state)
{
    int             fds[2];
    char            byte;
    pid_t           pid;
    int64_t         before, took;
    uint8_t         buf[ASYNC_JOB_MAX];
    fixture_t      *f = *state;
    async_job_t     jobs[2], found;
    async_door_t    door;
    async_batch_t   batch;
    async_event_t   events[2];

    assert_int_equal(pipe(fds), 0);

    pid = fork();

    if (pid == 0) {
        if (async_door_open(&door, f->store->dir_fd, ASYNC_DOOR_WAIT, NULL)
                != ASYNC_OK
            || async_door_lock(&door, 2000, NULL) != ASYNC_OK
            || write(fds[1], "x", 1) != 1)
        {
            _exit(1);
        }

        raise(SIGSTOP);
        async_door_unlock(&door);
        _exit(0);
    }

    assert_int_equal(read(fds[0], &byte, 1), 1);
    assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);

    jobs[0] = fixture_job(1);
    jobs[1] = fixture_job(2);
    events[0] = fixture_submitted(&jobs[0]);
    events[1] = fixture_submitted(&jobs[1]);

    memset(&batch, 0, sizeof(batch));
    batch.events = events;
    batch.n = 2;
    batch.now = f->now;
    batch.wait_ms = 200;

    before = async_monotonic();
    assert_int_equal(async_store_apply(f->store, &batch, &f->err),
                     ASYNC_BUSY);
    took = async_monotonic() - before;

    /* not at once: it waited; the upper limit is the watchdog's of the run */

    assert_true(took >= 199);
    assert_int_equal(events[0].rc, ASYNC_BUSY);
    assert_int_equal(events[1].rc, ASYNC_BUSY);
    assert_true(strlen(f->err.text) > 0);

    assert_int_equal(async_view_job(f->view, &jobs[0].id, &found, buf),
                     ASYNC_NOT_FOUND);

    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(fixture_wait(pid), 0);

    assert_int_equal(async_store_apply(f->store, &batch, &f->err), ASYNC_OK);
    assert_int_equal(events[0].rc, ASYNC_OK);

    close(fds[0]);
    close(fds[1]);
}


/* --- full --- */

static int
setup_small(void **state)
{
    return fixture_setup_size(state, ASYNC_STORE_SIZE_MIN);
}


/* submits of 64 KB until one is refused; how many went in */

static unsigned
fill(fixture_t *f, async_rc_t *rc)
{
    unsigned       n;
    async_job_t    job;
    async_event_t  event;
    static char    body[64 * 1024];

    for (n = 0; n < 1000; n++) {
        job = fixture_job(n);
        job.request.len = sizeof(body);
        job.request.crc = async_crc32c(0, body, sizeof(body));

        event = fixture_submitted(&job);
        event.payload.body.data = body;
        event.payload.body.len = sizeof(body);

        *rc = fixture_event(f, &event);

        if (*rc != ASYNC_OK) {
            break;
        }
    }

    return n;
}


static void
a_full_store_refuses_jobs_and_still_takes_results(void **state)
{
    unsigned                n, i;
    uint8_t                 buf[ASYNC_JOB_MAX];
    fixture_t              *f = *state;
    async_rc_t              rc;
    async_job_t             job;
    async_event_t           event;
    async_store_figures_t   figures;

    fixture_queue(f, "default", 8, 100000, 1);

    n = fill(f, &rc);
    assert_int_equal(rc, ASYNC_STORE_FULL);
    assert_true(n > 100);

    job = fixture_job(n);
    assert_int_equal(async_view_job(f->view, &job.id, &job, buf),
                     ASYNC_NOT_FOUND);

    assert_int_equal(async_store_figures(f->store, &figures), ASYNC_OK);
    assert_true(figures.used <= ASYNC_STORE_SIZE_MIN / 100 * 90);
    assert_true(figures.used >= ASYNC_STORE_SIZE_MIN / 100 * 80);

    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 8), 8);

    for (i = 0; i < 8; i++) {
        event = fixture_completed(&f->claims[i].job);
        assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    }

    fixture_assert_counts(f, "default", n - 8, 0);
}


/*
 * With the quota out of the way the map itself is what ends: then those land
 * that fit, and only the others are told.
 */

static void
when_the_map_ends_only_what_does_not_fit_fails(void **state)
{
    unsigned       n, i;
    uint64_t       size;
    fixture_t     *f = *state;
    async_rc_t     rc;
    async_job_t    jobs[3];
    async_event_t  events[3];
    static char    body[ASYNC_CHUNKED_MAX];

    size = f->store->size;
    f->store->size = size * 4;

    do {
        n = fill(f, &rc);
        assert_int_equal(rc, ASYNC_STORE_FULL);
    } while (n > 999);

    for (i = 0; i < 3; i++) {
        jobs[i] = fixture_job(2000 + i);
        events[i] = fixture_submitted(&jobs[i]);
    }

    jobs[1].request.len = sizeof(body);
    events[1].payload.body.data = body;
    events[1].payload.body.len = sizeof(body);

    assert_int_equal(fixture_apply(f, events, 3), ASYNC_OK);
    assert_int_equal(events[0].rc, ASYNC_OK);
    assert_int_equal(events[1].rc, ASYNC_STORE_FULL);
    assert_int_equal(events[2].rc, ASYNC_OK);

    f->store->size = size;
    fixture_assert_counts(f, "default", n + 2, 0);
}


/* --- a disk that fails: a limit on the size of files plays it --- */

static int
failing_disk(fixture_t *f)
{
    int                    n;
    pid_t                  pid;
    async_rc_t             rc;
    async_job_t            job;
    async_store_t         *store;
    async_store_options_t  options;

    memset(&options, 0, sizeof(options));
    options.path = f->path;

    if (async_store_open(&store, &options, &f->err) != ASYNC_OK) {
        return 10;
    }

    signal(SIGXFSZ, SIG_IGN);

    if (setrlimit(RLIMIT_FSIZE, &(struct rlimit) { 512 * 1024, 512 * 1024 })
        != 0)
    {
        return 11;
    }

    f->store = store;

    for (n = 0, rc = ASYNC_OK; n < 1000 && rc == ASYNC_OK; n++) {
        job = fixture_job(n);
        rc = fixture_submit(f, &job);
    }

    if (rc != ASYNC_UNKNOWN) {
        return 12;
    }

    /* latched, also for what would fit, and for who opens it now */

    job = fixture_job(5000);

    if (fixture_submit(f, &job) != ASYNC_UNAVAILABLE
        || async_store_health(store) != ASYNC_STORE_BROKEN)
    {
        return 13;
    }

    pid = fork();

    if (pid == 0) {
        execl("/proc/self/exe", "latched", f->path, NULL);
    }

    return fixture_wait(pid);
}


/* another process, while the first still has the store open */

static int
latched(const char *path)
{
    fixture_t    f;
    async_rc_t   rc;
    async_job_t  job;

    memset(&f, 0, sizeof(f));
    snprintf(f.path, sizeof(f.path), "%s", path);

    if (fixture_open_as(&f, 0, false) != ASYNC_OK) {
        return 20;
    }

    job = fixture_job(5001);
    rc = fixture_submit(&f, &job);
    fixture_close(&f);

    return rc == ASYNC_UNAVAILABLE ? 0 : 21;
}


static void
a_commit_that_fails_is_unknown_and_then_nothing_is_written(void **state)
{
    pid_t        pid;
    fixture_t   *f = *state;
    async_job_t  job;

    fixture_close(f);

    pid = fork();

    if (pid == 0) {
        _exit(failing_disk(f));
    }

    assert_int_equal(fixture_wait(pid), 0);

    /* what was promised is there, and who comes after can go on */

    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_OK);
    job = fixture_job(6000);
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
}


static void
files_that_were_replaced_are_not_written_to(void **state)
{
    char         from[600], to[600];
    fixture_t   *f = *state;
    async_job_t  job;

    fixture_submit_all(f, 1, 1);

    snprintf(from, sizeof(from), "%s/db/lock.mdb", f->path);
    snprintf(to, sizeof(to), "%s/db/lock.old", f->path);
    assert_int_equal(rename(from, to), 0);

    /* it is looked at once a second: the last look is made an old one */

    f->store->looked -= 1000;

    job = fixture_job(2);
    assert_int_equal(fixture_submit(f, &job), ASYNC_UNAVAILABLE);
    assert_non_null(strstr(f->err.text, "replaced"));

    assert_int_equal(async_store_health(f->store), ASYNC_STORE_REPLACED);

    /* who comes after finds what is there */

    assert_int_equal(rename(to, from), 0);
    assert_int_equal(fixture_submit(f, &job), ASYNC_UNAVAILABLE);

    fixture_close(f);
    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_OK);
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
}


static void
a_folder_that_was_moved_is_not_written_to(void **state)
{
    char         aside[600];
    fixture_t   *f = *state;
    async_job_t  job;

    snprintf(aside, sizeof(aside), "%s.aside", f->path);
    assert_int_equal(rename(f->path, aside), 0);
    f->store->looked -= 1000;

    job = fixture_job(1);
    assert_int_equal(fixture_submit(f, &job), ASYNC_UNAVAILABLE);

    assert_int_equal(rename(aside, f->path), 0);
    fixture_close(f);
    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_OK);
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
}


int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[0], "latched") == 0) {
        return latched(argv[1]);
    }

#define small(test)                                                          \
    cmocka_unit_test_setup_teardown(test, setup_small,                       \
                                    fixture_teardown_sound)

    const struct CMUnitTest  tests[] = {
        sound(one_bad_event_does_not_harm_its_batch),
        sound(an_id_twice_in_one_batch_is_one_job),
        sound(events_settle_and_claim_in_one_transaction),
        sound(what_is_late_is_withdrawn),
        sound(a_batch_that_changes_nothing_commits_nothing),
        sound(a_full_queue_takes_no_more_until_one_has_left),
        sound(a_stopped_holder_makes_us_say_busy_and_nothing_is_written),
        small(a_full_store_refuses_jobs_and_still_takes_results),
        small(when_the_map_ends_only_what_does_not_fit_fails),
        sound(a_commit_that_fails_is_unknown_and_then_nothing_is_written),
        sound(files_that_were_replaced_are_not_written_to),
        sound(a_folder_that_was_moved_is_not_written_to)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
