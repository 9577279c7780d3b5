/*
 * The worker's life: waiting for a store, standing by, being told to stop,
 * being killed; and what the jobs that it had in hand become.
 */

#include "async_fake.h"


#define COMPLETED  ASYNC_STATE_COMPLETED
#define FAILED     ASYNC_STATE_FAILED
#define QUEUED     ASYNC_STATE_QUEUED

#define UNKNOWN    ASYNC_JOB_ERROR_OUTCOME_UNKNOWN


static fake_server_t  server;

static const fake_job_t  ok = { .target = "/ok" };
static const fake_job_t  slow = { .target = "/slow" };
static const fake_job_t  never = { .target = "/never" };
static const fake_job_t  never_again = { .target = "/never/again",
                                         .repeatable = true };


static int
begin(void **state)
{
    (void) state;

    fake_folder();
    fake_store();
    fake_listen(&server, fake.path, 1, 0);

    return 0;
}


static int
finish(void **state)
{
    (void) state;

    fake_unlisten(&server);
    fake_remove();

    return 0;
}


static void
a_worker_waits_for_its_store(void **state)
{
    pid_t       worker;
    async_id_t  id;

    (void) state;

    fake_folder();
    worker = fake_start(4, 1000);

    fake_store();
    fake_listen(&server, fake.path, 1, 0);

    id = fake_submit(&ok);
    assert_int_equal(fake_wait(&id).state, COMPLETED);
    assert_int_equal(fake_stop(worker), 0);
}


static void
a_worker_without_a_store_stops_when_told(void **state)
{
    pid_t  worker;

    (void) state;

    fake_folder();
    worker = fake_start(4, 1000);
    assert_int_equal(fake_stop(worker), 0);
    fake_remove();
}


static void
a_store_of_another_user_is_refused(void **state)
{
    char   store[96], db[128];
    pid_t  worker;

    (void) state;

    snprintf(store, sizeof(store), "%s/other", fake.path);
    snprintf(db, sizeof(db), "%s/db", store);
    assert_int_equal(mkdir(store, 0755), 0);

    /* what is root's is another's to anybody but root */

    if (geteuid() == 0) {
        assert_int_equal(mkdir(db, 0700), 0);
        assert_int_equal(chown(db, 12345, (gid_t) -1), 0);
    } else {
        assert_int_equal(symlink("/", db), 0);
    }

    worker = fake_start_at(store, 4, 1000);
    assert_int_equal(fake_reap(worker), 1);
}


static void
told_to_stop_it_lets_jobs_finish(void **state)
{
    pid_t       worker;
    async_id_t  running, waiting;

    (void) state;

    worker = fake_start(1, 10000);

    running = fake_submit(&slow);
    fake_wait_executions("/slow", 1);
    waiting = fake_submit(&ok);

    assert_int_equal(fake_stop(worker), 0);
    assert_int_equal(fake_look(&running).state, COMPLETED);
    assert_int_equal(fake_look(&waiting).state, QUEUED);
    assert_int_equal(fake_executions("/ok"), 0);
}


/* after the grace: what may run again goes back, what may not is judged */

static void
check_cut(const async_id_t *post, const async_id_t *put)
{
    async_job_t  job;

    job = fake_look(post);
    assert_int_equal(job.state, FAILED);
    assert_int_equal(job.error, UNKNOWN);

    job = fake_look(put);
    assert_int_equal(job.state, QUEUED);
    assert_int_equal(job.deaths, 1);
    assert_int_equal(job.attempt, 1);
}


static void
after_the_grace_the_rest_is_cut(void **state)
{
    pid_t       worker;
    async_id_t  post, put;

    (void) state;

    worker = fake_start(8, 100);

    post = fake_submit(&never);
    put = fake_submit(&never_again);
    fake_wait_executions("/never", 1);
    fake_wait_executions("/never/again", 1);

    assert_int_equal(fake_stop(worker), 0);
    check_cut(&post, &put);
}


static void
a_second_signal_ends_the_grace(void **state)
{
    pid_t       worker;
    int64_t     begun;
    async_id_t  post, put;

    (void) state;

    worker = fake_start(8, 600000);

    post = fake_submit(&never);
    put = fake_submit(&never_again);
    fake_wait_executions("/never", 1);
    fake_wait_executions("/never/again", 1);

    begun = fake_now();
    kill(worker, SIGTERM);
    fake_hear("STATUS=draining");
    kill(worker, SIGINT);

    assert_int_equal(fake_reap(worker), 0);
    assert_true(fake_now() - begun < 600000);
    check_cut(&post, &put);
}


static void
a_killed_workers_jobs_are_judged_by_the_next(void **state)
{
    pid_t        worker;
    async_id_t   post, put;
    async_job_t  job;

    const fake_job_t  once = { .target = "/slow/put", .repeatable = true };

    (void) state;

    worker = fake_start(8, 1000);

    post = fake_submit(&slow);
    put = fake_submit(&once);
    fake_wait_executions("/slow", 1);
    fake_wait_executions("/slow/put", 1);

    kill(worker, SIGKILL);
    assert_int_equal(fake_reap(worker), 128 + SIGKILL);

    worker = fake_start(8, 1000);

    job = fake_wait(&post);
    assert_int_equal(job.state, FAILED);
    assert_int_equal(job.error, UNKNOWN);

    job = fake_wait(&put);
    assert_int_equal(job.state, COMPLETED);
    assert_int_equal(job.attempt, 2);
    assert_int_equal(job.deaths, 1);

    assert_int_equal(fake_executions("/slow"), 1);
    assert_int_equal(fake_executions("/slow/put"), 2);
    assert_int_equal(fake_stop(worker), 0);
}


static void
a_second_worker_stands_by(void **state)
{
    pid_t       first, second;
    async_id_t  id;

    (void) state;

    first = fake_start(8, 1000);
    id = fake_submit(&ok);
    assert_int_equal(fake_wait(&id).state, COMPLETED);

    second = fake_start(8, 1000);
    fake_hear("STATUS=standby");
    assert_int_equal(async_store_epoch(fake.store), 1);

    kill(first, SIGKILL);
    assert_int_equal(fake_reap(first), 128 + SIGKILL);

    id = fake_submit(&ok);
    assert_int_equal(fake_wait(&id).state, COMPLETED);
    assert_int_equal(async_store_epoch(fake.store), 2);
    assert_int_equal(fake_stop(second), 0);
}


static void
a_standby_stops_when_told(void **state)
{
    pid_t       first, second;
    async_id_t  id;

    (void) state;

    first = fake_start(8, 1000);
    id = fake_submit(&ok);
    assert_int_equal(fake_wait(&id).state, COMPLETED);

    second = fake_start(8, 1000);
    fake_hear("STATUS=standby");
    assert_int_equal(fake_stop(second), 0);

    id = fake_submit(&ok);
    assert_int_equal(fake_wait(&id).state, COMPLETED);
    assert_int_equal(fake_stop(first), 0);
}


/* another epoch in the store: ours is over, whatever we hold */

static void
a_worker_that_was_replaced_gives_up(void **state)
{
    char           path[96];
    pid_t          worker;
    uint64_t       epoch;
    async_id_t     id;
    async_error_t  err;

    (void) state;

    worker = fake_start(8, 1000);
    id = fake_submit(&ok);
    assert_int_equal(fake_wait(&id).state, COMPLETED);

    /* somebody removed the lock file: nothing but the epoch is left */

    snprintf(path, sizeof(path), "%s/db/worker.lock", fake.path);
    assert_int_equal(unlink(path), 0);
    assert_true(async_store_lock_worker(fake.store, &err));
    assert_int_equal(async_store_take_over(fake.store, &epoch, &err),
                     ASYNC_OK);

    id = fake_submit(&ok);
    assert_int_equal(fake_reap(worker), 1);
    assert_int_equal(fake_look(&id).state, QUEUED);
    assert_int_equal(fake_executions("/ok"), 1);
}


static void
the_service_manager_is_told(void **state)
{
    pid_t  worker;

    (void) state;

    setenv("WATCHDOG_USEC", "100000", 1);
    worker = fake_start(8, 1000);
    unsetenv("WATCHDOG_USEC");

    fake_hear("STATUS=active");
    fake_hear("WATCHDOG=1");
    fake_hear("WATCHDOG=1");

    kill(worker, SIGTERM);
    fake_hear("STOPPING=1");
    assert_int_equal(fake_reap(worker), 0);
}


/* a path that no socket address has room for */

static void
a_long_path_has_a_short_form(void **state)
{
    char         link[256], socket[300];
    pid_t        worker;
    async_id_t   id;

    (void) state;

    snprintf(link, sizeof(link), "%s/%0*d", fake.path, 120, 0);
    assert_int_equal(symlink(fake.path, link), 0);
    snprintf(socket, sizeof(socket), "%s/run", link);
    assert_int_equal(access(socket, F_OK), 0);

    id = fake_submit(&ok);

    worker = fake_start_at(link, 4, 1000);
    assert_int_equal(fake_wait(&id).state, COMPLETED);
    assert_int_equal(fake_stop(worker), 0);
}


int
main(int argc, char **argv)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_teardown(a_worker_waits_for_its_store, finish),
        cmocka_unit_test(a_worker_without_a_store_stops_when_told),
#define test(name)  cmocka_unit_test_setup_teardown(name, begin, finish)
        test(a_store_of_another_user_is_refused),
        test(told_to_stop_it_lets_jobs_finish),
        test(after_the_grace_the_rest_is_cut),
        test(a_second_signal_ends_the_grace),
        test(a_killed_workers_jobs_are_judged_by_the_next),
        test(a_second_worker_stands_by),
        test(a_standby_stops_when_told),
        test(a_worker_that_was_replaced_gives_up),
        test(the_service_manager_is_told),
        test(a_long_path_has_a_short_form)
#undef test
    };

    if (argc > 1 && strcmp(argv[1], "worker") == 0) {
        return fake_worker_main(argc, argv);
    }

    return cmocka_run_group_tests(tests, NULL, NULL);
}
