/*
 * The transaction behind the door, among threads and processes, of which
 * some are killed in the middle of it.
 */

#include <pthread.h>

#include "async_fixture.h"
#include "async_work.h"


#define PAIR_EACH   300             /* submits of each of two writers */
#define PAIR_BATCH  7


static void
who_is_killed_in_mid_transaction_leaves_nothing_of_it(void **state)
{
    int           status, i;
    pid_t         pid;
    uint8_t       buf[ASYNC_JOB_MAX];
    fixture_t    *f = *state;
    async_id_t    id;
    async_job_t   job;
    async_key_t   key;
    async_work_t  work;

    for (i = 0; i < 3; i++) {
        fixture_close(f);
        pid = fork();

        if (pid == 0) {
            id = fixture_id(100);
            async_key_job(&key, &id);

            if (fixture_open_as(f, 0, true) == ASYNC_OK
                && async_work_begin(&work, f->store, f->now, 2000, NULL)
                   == ASYNC_OK)
            {
                async_work_put(&work, &key, "half", 4);
                kill(getpid(), SIGKILL);
            }

            _exit(1);
        }

        assert_int_equal(fixture_open_as(f, 0, true), ASYNC_OK);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));

        fixture_submit_all(f, i, 1);
        id = fixture_id(100);
        assert_int_equal(async_view_job(f->view, &id, &job, buf),
                         ASYNC_NOT_FOUND);
    }
}


/* --- several writers --- */

typedef struct {
    fixture_t  *f;
    unsigned    from;
    unsigned    refused;
} thread_t;


static void *
submit_in_thread(void *data)
{
    unsigned        i;
    thread_t       *thread = data;
    async_job_t     job;
    async_batch_t   batch;
    async_event_t   event;

    for (i = 0; i < PAIR_EACH; i++) {
        memset(&batch, 0, sizeof(batch));
        job = fixture_job(thread->from + i);
        event = fixture_submitted(&job);
        batch.events = &event;
        batch.n = 1;
        batch.now = FIXTURE_NOW;

        if (async_store_apply(thread->f->store, &batch, NULL) != ASYNC_OK
            || event.rc != ASYNC_OK)
        {
            thread->refused++;
        }
    }

    return NULL;
}


static void
threads_of_one_process_share_a_store(void **state)
{
    unsigned    i;
    uint64_t    seq;
    thread_t    threads[2];
    pthread_t   tids[2];
    fixture_t  *f = *state;

    for (i = 0; i < 2; i++) {
        threads[i] = (thread_t) { f, i * PAIR_EACH, 0 };
        assert_int_equal(pthread_create(&tids[i], NULL, submit_in_thread,
                                        &threads[i]), 0);
    }

    do {
        assert_int_equal(async_view_feed_last(f->view, &seq), ASYNC_OK);
    } while (seq < 2 * PAIR_EACH && threads[0].refused == 0
             && threads[1].refused == 0);

    for (i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(tids[i], NULL), 0);
        assert_int_equal(threads[i].refused, 0);
    }

    fixture_assert_counts(f, "default", 2 * PAIR_EACH, 0);
}


static int
writer(const char *path, unsigned from)
{
    unsigned               i, j;
    async_job_t            jobs[PAIR_BATCH];
    async_batch_t          batch;
    async_error_t          err;
    async_event_t          events[PAIR_BATCH];
    async_store_t         *store;
    async_store_options_t  options;

    memset(&options, 0, sizeof(options));
    options.path = path;

    if (async_store_open(&store, &options, &err) != ASYNC_OK) {
        return 1;
    }

    for (i = 0; i < PAIR_EACH; i += batch.n) {

        memset(&batch, 0, sizeof(batch));
        batch.events = events;
        batch.now = FIXTURE_NOW + i;

        for (j = 0; j < PAIR_BATCH && i + j < PAIR_EACH; j++) {
            jobs[j] = fixture_job(from + i + j);
            events[j] = fixture_submitted(&jobs[j]);
            batch.n++;
        }

        if (async_store_apply(store, &batch, &err) != ASYNC_OK) {
            return 2;
        }

        for (j = 0; j < batch.n; j++) {
            if (events[j].rc != ASYNC_OK) {
                return 3;
            }
        }
    }

    async_store_close(store);

    return 0;
}


static bool
count_feed(void *data, const async_id_t *id, uint64_t seq)
{
    unsigned  *n = data;

    (void) id;
    (void) seq;

    (*n)++;

    return true;
}


static void
two_processes_submit_at_once(void **state)
{
    bool        lost;
    pid_t       pids[2];
    unsigned    i, n;
    uint64_t    seq;
    fixture_t  *f = *state;

    fixture_close(f);

    for (i = 0; i < 2; i++) {
        pids[i] = fork();

        if (pids[i] == 0) {
            _exit(writer(f->path, i * PAIR_EACH));
        }
    }

    assert_int_equal(fixture_wait(pids[0]), 0);
    assert_int_equal(fixture_wait(pids[1]), 0);

    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_OK);
    assert_int_equal(fixture_entries(f, ASYNC_DB_JOBS), 2 * PAIR_EACH);
    assert_int_equal(fixture_entries(f, ASYNC_DB_READY), 2 * PAIR_EACH);
    fixture_assert_counts(f, "default", 2 * PAIR_EACH, 0);

    n = 0;
    seq = 0;
    assert_int_equal(async_view_feed(f->view, &seq, 10000, &lost, count_feed,
                                     &n), ASYNC_OK);
    assert_int_equal(n, 2 * PAIR_EACH);
    assert_int_equal(seq, 2 * PAIR_EACH);
    assert_false(lost);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(who_is_killed_in_mid_transaction_leaves_nothing_of_it),
        sound(threads_of_one_process_share_a_store),
        sound(two_processes_submit_at_once)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
