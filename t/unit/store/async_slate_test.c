/*
 * The slate: who is there, what was refused, how long commits take.
 */

#include "async_fixture.h"
#include "async_slate.h"


#define AT_ONCE  8
#define ROUNDS   40


static async_slate_figures_t  figures;


static const async_slate_queue_t *
queue_of(fixture_t *f, const char *name)
{
    unsigned  i;

    async_slate_read(f->store, &figures);

    for (i = 0; i < figures.nqueues; i++) {
        if (figures.queues[i].queue.len == strlen(name)
            && memcmp(figures.queues[i].queue.data, name, strlen(name)) == 0)
        {
            return &figures.queues[i];
        }
    }

    return NULL;
}


static void
what_was_refused_survives(void **state)
{
    unsigned    i;
    fixture_t  *f = *state;

    assert_null(queue_of(f, "default"));

    for (i = 0; i < 3; i++) {
        async_slate_submit(f->store, fixture_str("default"),
                           ASYNC_SUBMIT_QUEUE_FULL);
    }

    async_slate_submit(f->store, fixture_str("other"),
                       ASYNC_SUBMIT_REPLAYED);

    fixture_close(f);
    assert_int_equal(fixture_open_as(f, 256ull << 20, false), ASYNC_OK);

    assert_int_equal(queue_of(f, "default")->submits[ASYNC_SUBMIT_QUEUE_FULL],
                     3);
    assert_int_equal(queue_of(f, "default")->submits[ASYNC_SUBMIT_REPLAYED],
                     0);
    assert_int_equal(queue_of(f, "other")->submits[ASYNC_SUBMIT_REPLAYED], 1);
}


static void
more_queues_than_there_is_room_for_share_a_row(void **state)
{
    char        name[16];
    unsigned    i;
    fixture_t  *f = *state;

    for (i = 0; i < ASYNC_SLATE_QUEUES + 9; i++) {
        snprintf(name, sizeof(name), "queue-%u", i);
        async_slate_submit(f->store, fixture_str(name),
                           ASYNC_SUBMIT_STORE_FULL);
    }

    assert_int_equal(queue_of(f, "")->submits[ASYNC_SUBMIT_STORE_FULL], 10);
    assert_int_equal(figures.nqueues, ASYNC_SLATE_QUEUES);
    assert_int_equal(queue_of(f, "queue-3")->submits[ASYNC_SUBMIT_STORE_FULL],
                     1);
}


static void
commits_are_counted_with_their_events(void **state)
{
    unsigned     i;
    uint64_t     n;
    fixture_t   *f = *state;
    async_job_t  jobs[7];
    async_event_t  events[7];

    for (i = 0; i < 7; i++) {
        jobs[i] = fixture_job(i);
        events[i] = fixture_submitted(&jobs[i]);
    }

    assert_int_equal(fixture_apply(f, events, 7), ASYNC_OK);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 2), 2);

    async_slate_read(f->store, &figures);
    assert_int_equal(figures.batch_events, 9);
    assert_int_equal(figures.batches[3], 1);         /* 7: up to 10 */
    assert_int_equal(figures.batches[1], 1);         /* 2 */

    for (i = 0, n = 0; i <= ASYNC_COMMIT_BOUNDS; i++) {
        n += figures.commits[i];
    }

    assert_int_equal(n, 2);
    assert_true(figures.commit_us > 0);
    assert_int_equal(async_batch_bound(3), 10);
    assert_int_equal(async_batch_bound(ASYNC_BATCH_BOUNDS), 0);
}


/* the round's children: each sits when "go" is closed, and ends with "end" */

static void
sits(fixture_t *f, int go[2], int done[2], int end[2])
{
    char     byte = 0;
    ssize_t  n;

    close(go[1]);
    close(end[1]);

    n = read(go[0], &byte, 1);
    async_slate_sit(f->store, ASYNC_SEAT_NGINX);
    async_slate_gauge(f->store, ASYNC_GAUGE_WAITERS, 1);

    n = write(done[1], &byte, 1) == 1 ? read(end[0], &byte, 1) : -1;

    _exit(n == 0 ? 0 : 1);
}


static void
who_come_at_once_have_a_seat_each(void **state)
{
    int         i, round, status, go[2], done[2], end[2];
    char        byte;
    fixture_t  *f = *state;

    for (round = 0; round < ROUNDS; round++) {
        assert_int_equal(pipe(go), 0);
        assert_int_equal(pipe(done), 0);
        assert_int_equal(pipe(end), 0);

        for (i = 0; i < AT_ONCE; i++) {
            if (fork() == 0) {
                sits(f, go, done, end);
            }
        }

        close(go[1]);

        for (i = 0; i < AT_ONCE; i++) {
            assert_int_equal(read(done[0], &byte, 1), 1);
        }

        async_slate_read(f->store, &figures);
        close(end[1]);

        for (i = 0; i < AT_ONCE; i++) {
            assert_true(wait(&status) > 0);
            assert_int_equal(status, 0);
        }

        assert_int_equal(figures.seats[ASYNC_SEAT_NGINX], AT_ONCE);
        assert_int_equal(figures.gauges[ASYNC_GAUGE_WAITERS], AT_ONCE);

        close(go[0]);
        close(done[0]);
        close(done[1]);
        close(end[0]);
    }
}


static void
who_is_dead_is_not_there(void **state)
{
    int         status;
    pid_t       pid;
    fixture_t  *f = *state;

    async_slate_sit(f->store, ASYNC_SEAT_STANDBY);
    async_slate_sit(f->store, ASYNC_SEAT_WORKER);
    async_slate_gauge(f->store, ASYNC_GAUGE_WAITERS, 5);

    async_slate_read(f->store, &figures);
    assert_int_equal(figures.seats[ASYNC_SEAT_WORKER], 1);
    assert_int_equal(figures.seats[ASYNC_SEAT_STANDBY], 0);
    assert_int_equal(figures.gauges[ASYNC_GAUGE_WAITERS], 5);

    fixture_close(f);
    pid = fork();
    assert_true(pid >= 0);

    if (pid == 0) {
        if (fixture_open_as(f, 256ull << 20, false) == ASYNC_OK) {
            async_slate_sit(f->store, ASYNC_SEAT_NGINX);
            async_slate_gauge(f->store, ASYNC_GAUGE_STREAMS, 7);
        }

        _exit(0);
    }

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);

    assert_int_equal(fixture_open_as(f, 256ull << 20, false), ASYNC_OK);
    async_slate_read(f->store, &figures);
    assert_true(figures.there);
    assert_int_equal(figures.seats[ASYNC_SEAT_NGINX], 0);
    assert_int_equal(figures.seats[ASYNC_SEAT_WORKER], 0);
    assert_int_equal(figures.gauges[ASYNC_GAUGE_STREAMS], 0);

    /* his seat is taken by the next, who begins with nothing */

    async_slate_sit(f->store, ASYNC_SEAT_NGINX);
    async_slate_read(f->store, &figures);
    assert_int_equal(figures.seats[ASYNC_SEAT_NGINX], 1);
    assert_int_equal(figures.gauges[ASYNC_GAUGE_STREAMS], 0);
}


/* one of another layout is left as it is, and nothing is counted */

static void
without_a_slate_nothing_fails(void **state)
{
    int         fd;
    char        path[640];
    fixture_t  *f = *state;

    fixture_close(f);
    snprintf(path, sizeof(path), "%s/db/slate", f->path);
    fd = open(path, O_WRONLY);
    assert_int_equal(write(fd, "another!", 8), 8);
    close(fd);

    assert_int_equal(fixture_open_as(f, 256ull << 20, false), ASYNC_OK);
    async_slate_sit(f->store, ASYNC_SEAT_NGINX);
    async_slate_gauge(f->store, ASYNC_GAUGE_STREAMS, 1);
    async_slate_submit(f->store, fixture_str("q"), ASYNC_SUBMIT_REPLAYED);
    fixture_submit_all(f, 1, 1);
    async_slate_read(f->store, &figures);
    assert_false(figures.there);
    assert_int_equal(figures.nqueues, 0);
}


static void
results_have_names(void **state)
{
    (void) state;

    assert_string_equal(async_submit_result_name(ASYNC_SUBMIT_REPLAYED),
                        "replayed");
    assert_string_equal(async_submit_result_name(ASYNC_SUBMIT_MAX), "");
    assert_int_equal(async_submit_result("queue-full"),
                     ASYNC_SUBMIT_QUEUE_FULL);
    assert_int_equal(async_submit_result("query-invalid"),
                     ASYNC_SUBMIT_STORE_UNAVAILABLE);
}


static void
a_reader_that_stays_lags(void **state)
{
    uint64_t     lag;
    MDB_txn     *txn;
    fixture_t   *f = *state;

    assert_int_equal(async_store_lag(f->store, &lag), ASYNC_OK);
    assert_int_equal(lag, 0);

    assert_int_equal(mdb_txn_begin(f->store->env, NULL, MDB_RDONLY, &txn), 0);
    fixture_submit_all(f, 1, 3);
    assert_int_equal(async_store_lag(f->store, &lag), ASYNC_OK);
    assert_int_equal(lag, 3);
    mdb_txn_abort(txn);

    assert_int_equal(async_store_lag(f->store, &lag), ASYNC_OK);
    assert_int_equal(lag, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(what_was_refused_survives),
        sound(more_queues_than_there_is_room_for_share_a_row),
        sound(commits_are_counted_with_their_events),
        sound(who_come_at_once_have_a_seat_each),
        sound(who_is_dead_is_not_there),
        sound(without_a_slate_nothing_fails),
        cmocka_unit_test(results_have_names),
        sound(a_reader_that_stays_lags)
    };

    return cmocka_run_group_tests_name("async_slate", tests, NULL, NULL);
}
