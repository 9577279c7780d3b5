/*
 * Jobs that are canceled while they run: the worker hears of it, lets go of
 * the connection, and says what is known.
 */

#include "async_fake.h"


#define MANY  40


static pid_t          worker;
static fake_server_t  server;


static int
begin(void **state)
{
    (void) state;

    fake_folder();
    fake_store();
    fake_listen(&server, fake.path, 1, 0);
    worker = fake_start(MANY, 5000);

    return 0;
}


static int
finish(void **state)
{
    (void) state;

    assert_int_equal(fake_stop(worker), 0);
    fake_unlisten(&server);
    fake_remove();

    return 0;
}


static async_rc_t
cancel(const async_id_t *id)
{
    async_batch_t  batch;
    async_error_t  err;
    async_event_t  event;

    memset(&event, 0, sizeof(async_event_t));
    memset(&batch, 0, sizeof(async_batch_t));

    event.type = ASYNC_EVENT_CANCEL_REQUESTED;
    event.id = *id;
    event.by = (async_str_t) async_str("client");

    batch.events = &event;
    batch.n = 1;
    batch.now = fake_now();

    assert_int_equal(async_store_apply(fake.store, &batch, &err), ASYNC_OK);

    return event.rc;
}


static void
wait_running(const async_id_t *id)
{
    int64_t  end;

    for (end = fake_now() + FAKE_WAIT; fake_now() < end; fake_sleep(2)) {
        if (fake_look(id).state == ASYNC_STATE_PROCESSING) {
            return;
        }
    }

    fail_msg("the job does not run");
}


static void
assert_canceled(const async_id_t *id, bool unknown)
{
    async_job_t  job;

    job = fake_wait(id);

    assert_int_equal(job.state, ASYNC_STATE_CANCELED);
    assert_int_equal(job.flags & ASYNC_JOB_SENT,
                     unknown ? ASYNC_JOB_SENT : 0);
    assert_int_equal(job.request.where, ASYNC_BODY_NONE);
}


static void
a_job_that_runs_is_stopped(void **state)
{
    async_id_t        id;
    const fake_job_t  never = { .target = "/never", .body = "x",
                                .body_len = 1, .repeatable = true };

    (void) state;

    id = fake_submit(&never);
    fake_wait_executions("/never", 1);

    assert_int_equal(cancel(&id), ASYNC_OK);
    assert_canceled(&id, true);
    assert_int_equal(fake_executions("/never"), 1);

    /* and is no longer served */

    while (fake_working() > 0) {
        fake_sleep(2);
    }
}


/* nginx has not read a byte, but may: what was written may still be run */

static void
one_that_nginx_has_not_read_may_have_been_sent(void **state)
{
    async_id_t        id;
    fake_server_t     late;
    const fake_job_t  job = { .target = "/ok", .server = 4 };

    (void) state;

    fake_bind(&late, fake.path, 4);
    id = fake_submit(&job);
    wait_running(&id);

    assert_int_equal(cancel(&id), ASYNC_OK);
    assert_int_equal(fake_wait(&id).state, ASYNC_STATE_CANCELED);

    fake_serve(&late);
    fake_unlisten(&late);
}


/* all slots are taken: nobody rings for want of a claim */

static void
it_hears_of_a_cancel_while_it_has_no_room(void **state)
{
    unsigned          i;
    async_id_t        ids[MANY + 1];
    const fake_job_t  never = { .target = "/never", .no_body = true };
    const fake_job_t  ok = { .target = "/ok", .no_body = true };

    (void) state;

    for (i = 0; i < MANY; i++) {
        ids[i] = fake_submit(&never);
    }

    fake_wait_executions("/never", MANY);
    ids[MANY] = fake_submit(&ok);

    assert_int_equal(cancel(&ids[MANY / 2]), ASYNC_OK);
    assert_canceled(&ids[MANY / 2], true);

    /* whose turn it is now */

    assert_int_equal(fake_wait(&ids[MANY]).state, ASYNC_STATE_COMPLETED);

    for (i = 0; i < MANY; i++) {
        assert_int_equal(cancel(&ids[i]), ASYNC_OK);
    }

    for (i = 0; i < MANY; i++) {
        assert_canceled(&ids[i], true);
    }
}


/* among other changes, a cancel is found; nobody else is cut */

static void
only_those_that_are_meant_are_stopped(void **state)
{
    unsigned          i;
    async_id_t        ids[20];
    const fake_job_t  slow = { .target = "/slow", .no_body = true };
    const fake_job_t  never = { .target = "/never", .no_body = true };

    (void) state;

    for (i = 0; i < 20; i++) {
        ids[i] = fake_submit(i % 2 ? &slow : &never);
    }

    for (i = 0; i < 20; i += 2) {
        wait_running(&ids[i]);
        assert_int_equal(cancel(&ids[i]), ASYNC_OK);
    }

    for (i = 0; i < 20; i++) {
        if (i % 2) {
            assert_int_equal(fake_wait(&ids[i]).state, ASYNC_STATE_COMPLETED);

        } else {
            assert_int_equal(fake_wait(&ids[i]).state, ASYNC_STATE_CANCELED);
        }
    }
}


/* a cancel that meets the job at each moment of its start and its end */

static void
whatever_comes_first_is_how_it_ends(void **state)
{
    unsigned          i, canceled;
    async_rc_t        rc;
    async_id_t        id;
    async_job_t       job;
    const fake_job_t  ok = { .target = "/ok", .no_body = true };

    (void) state;

    for (i = 0, canceled = 0; i < 100; i++) {
        id = fake_submit(&ok);

        if (i % 5) {
            fake_sleep((int) (i % 5));
        }

        rc = cancel(&id);
        job = fake_wait(&id);

        assert_true(job.state == ASYNC_STATE_CANCELED
                    || job.state == ASYNC_STATE_COMPLETED);
        assert_true(rc == ASYNC_OK
                    || (rc == ASYNC_REFUSED
                        && job.state == ASYNC_STATE_COMPLETED));

        canceled += job.state == ASYNC_STATE_CANCELED;
    }

    assert_int_not_equal(canceled, 0);
}


int
main(int argc, char **argv)
{
    const struct CMUnitTest  tests[] = {
#define test(name)  cmocka_unit_test_setup_teardown(name, begin, finish)
        test(a_job_that_runs_is_stopped),
        test(one_that_nginx_has_not_read_may_have_been_sent),
        test(it_hears_of_a_cancel_while_it_has_no_room),
        test(only_those_that_are_meant_are_stopped),
        test(whatever_comes_first_is_how_it_ends)
#undef test
    };

    if (argc > 1 && strcmp(argv[1], "worker") == 0) {
        return fake_worker_main(argc, argv);
    }

    return cmocka_run_group_tests(tests, NULL, NULL);
}
