/*
 * What the store learns of run times, and where a job stands in its queue.
 */

#include "async_fixture.h"


#define LOCATION  0x77


static async_policy_t
publish(fixture_t *f, uint64_t location, uint64_t timeout)
{
    async_policy_t  policy;

    async_policy_defaults(&policy);
    policy.location = location;
    policy.timeout = timeout;

    assert_int_equal(async_store_publish(f->store, &policy, 1, NULL, 0,
                                         &f->err), ASYNC_OK);

    return policy;
}


static void
submit(fixture_t *f, unsigned n, const async_policy_t *policy)
{
    async_job_t  job;

    job = fixture_job(n);
    async_policy_key(job.policy, policy);

    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
}


/* n jobs, claimed and completed together, the first after ms, each with one
   more */

static void
run(fixture_t *f, const async_policy_t *policy, unsigned n, uint64_t ms)
{
    unsigned         i;
    async_event_t    events[FIXTURE_CLAIMS];
    static unsigned  number;

    for (i = 0; i < n; i++) {
        submit(f, ++number, policy);
    }

    assert_int_equal(fixture_claim(f, n), n);

    for (i = 0; i < n; i++) {
        events[i] = fixture_completed(&f->claims[i].job);
        events[i].duration = ms + i;
    }

    assert_int_equal(fixture_apply(f, events, n), ASYNC_OK);

    for (i = 0; i < n; i++) {
        assert_int_equal(events[i].rc, ASYNC_OK);
    }
}


static async_runs_t
learned(fixture_t *f, uint64_t location)
{
    async_runs_t  runs;

    assert_int_equal(async_view_runs(f->view, 7, location, &runs), ASYNC_OK);

    return runs;
}


static uint32_t
each_of(fixture_t *f, const char *queue)
{
    async_line_t  line;

    assert_int_equal(async_view_line(f->view, fixture_str(queue), &line),
                     ASYNC_OK);

    return line.each;
}


/* rows of what is learned, which are not alone in their database */

static unsigned
lessons(fixture_t *f)
{
    unsigned     n;
    MDB_txn     *txn;
    MDB_val      k, v;
    MDB_cursor  *cursor;

    assert_int_equal(mdb_txn_begin(f->store->env, NULL, MDB_RDONLY, &txn), 0);
    assert_int_equal(mdb_cursor_open(txn, f->store->dbi[ASYNC_DB_STATS],
                                     &cursor), 0);

    for (n = 0; mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0; /* void */ ) {
        n += async_key_is_runs(k.mv_data, k.mv_size);
    }

    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);

    return n;
}


static void
what_was_completed_is_learned(void **state)
{
    unsigned         i;
    fixture_t       *f = *state;
    async_runs_t     runs;
    async_policy_t   policy;

    fixture_take_over(f);
    policy = publish(f, LOCATION, 1000);

    assert_int_equal(learned(f, LOCATION).n, 0);
    assert_int_equal(each_of(f, "default"), 0);

    run(f, &policy, 1, 1500);
    run(f, &policy, 3, 100);

    runs = learned(f, LOCATION);
    assert_int_equal(runs.n, 4);
    assert_int_equal(runs.ms[0], 1500);

    for (i = 0; i < 3; i++) {
        assert_int_equal(runs.ms[1 + i], 100 + i);
    }

    assert_int_equal(each_of(f, "default"), 452);
    assert_int_equal(each_of(f, "other"), 0);

    /* a row for the location, one for the queue, however many there were */

    assert_int_equal(lessons(f), 2);
}


static void
failures_teach_nothing(void **state)
{
    unsigned            i;
    fixture_t          *f = *state;
    async_event_t       event;
    async_policy_t      policy;
    async_event_type_t  types[] = { ASYNC_EVENT_FAILED,
                                    ASYNC_EVENT_ATTEMPT_FAILED,
                                    ASYNC_EVENT_INTERRUPTED,
                                    ASYNC_EVENT_RELEASED };

    fixture_take_over(f);
    policy = publish(f, LOCATION, 1000);

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        submit(f, 1000 + i, &policy);
        assert_int_equal(fixture_claim(f, 1), 1);

        event = fixture_completed(&f->claims[0].job);
        event.type = types[i];
        event.error = ASYNC_JOB_ERROR_BACKEND_STATUS;
        event.due = f->now + 1000000;

        if (types[i] != ASYNC_EVENT_FAILED) {
            memset(&event.payload, 0, sizeof(event.payload));
            memset(&event.response, 0, sizeof(event.response));
        }

        assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    }

    assert_int_equal(lessons(f), 0);
}


/* nor does what the store refused */

static void
a_stale_event_teaches_nothing(void **state)
{
    fixture_t       *f = *state;
    async_event_t    event;
    async_policy_t   policy;

    fixture_take_over(f);
    policy = publish(f, LOCATION, 1000);

    submit(f, 1, &policy);
    assert_int_equal(fixture_claim(f, 1), 1);

    event = fixture_completed(&f->claims[0].job);
    event.attempt = 2;
    assert_int_equal(fixture_event(f, &event), ASYNC_STALE);

    assert_int_equal(lessons(f), 0);
}


/* in one transaction, too */

static void
a_location_is_known_by_its_key_not_its_policy(void **state)
{
    fixture_t       *f = *state;
    async_event_t    events[2];
    async_policy_t   before, after;

    fixture_take_over(f);
    before = publish(f, LOCATION, 1000);
    after = publish(f, LOCATION, 2000);

    submit(f, 1, &before);
    submit(f, 2, &after);
    assert_int_equal(fixture_claim(f, 2), 2);

    events[0] = fixture_completed(&f->claims[0].job);
    events[1] = fixture_completed(&f->claims[1].job);
    assert_int_equal(fixture_apply(f, events, 2), ASYNC_OK);

    assert_int_equal(learned(f, LOCATION).n, 2);
    assert_int_equal(lessons(f), 2);
}


static void
locations_learn_apart_and_queues_from_all(void **state)
{
    unsigned         i;
    fixture_t       *f = *state;
    async_event_t    events[20];
    async_policy_t   policies[20];

    fixture_take_over(f);

    /* more than there is room for at first */

    for (i = 0; i < 20; i++) {
        policies[i] = publish(f, 1 + i, 1000);
        submit(f, i, &policies[i]);
    }

    fixture_queue(f, "default", 100, 100, 1);
    assert_int_equal(fixture_claim(f, 20), 20);

    for (i = 0; i < 20; i++) {
        events[i] = fixture_completed(&f->claims[i].job);
        events[i].duration = 100 * i;
    }

    assert_int_equal(fixture_apply(f, events, 20), ASYNC_OK);

    for (i = 0; i < 20; i++) {
        assert_int_equal(learned(f, 1 + i).n, 1);
        assert_int_equal(learned(f, 1 + i).ms[0], 100 * i);
    }

    assert_int_equal(each_of(f, "default"), 952);
}


static void
a_job_of_no_location_teaches_its_queue(void **state)
{
    fixture_t       *f = *state;
    async_policy_t   policy;

    fixture_take_over(f);
    policy = publish(f, 0, 1000);

    run(f, &policy, 1, 100);

    assert_int_equal(lessons(f), 1);
    assert_int_equal(each_of(f, "default"), 100);
}


static void
count_fault(void *data, const char *fault)
{
    assert_non_null(strstr(fault, "stats: the run times of a "));
    *(unsigned *) data += 1;
}


static void
damage_is_told_and_learned_anew(void **state)
{
    size_t                  len, cut;
    uint8_t                 whole[ASYNC_RUNS_MAX];
    unsigned                faults;
    fixture_t              *f = *state;
    async_key_t             key;
    async_policy_t          policy;
    async_check_figures_t   figures;

    fixture_take_over(f);
    policy = publish(f, LOCATION, 1000);

    run(f, &policy, 4, 100);

    async_key_location_runs(&key, 7, LOCATION);
    len = fixture_value(f, &key, whole, sizeof(whole));

    for (cut = 1; cut < len; cut++) {
        fixture_overwrite(f, &key, whole, cut);

        assert_int_equal(learned(f, LOCATION).n, 0);
        faults = 0;
        assert_int_equal(async_store_check(f->store, &figures, count_fault,
                                           NULL, &faults, &f->err), ASYNC_OK);
        assert_int_equal(faults, 1);
    }

    run(f, &policy, 1, 100);
    assert_int_equal(learned(f, LOCATION).n, 1);

    async_key_queue_runs(&key, fixture_str("default"));
    fixture_overwrite(f, &key, whole, 3);
    assert_int_equal(each_of(f, "default"), 0);

    run(f, &policy, 1, 100);
    assert_int_equal(each_of(f, "default"), 100);
}


/* --- the line --- */

static async_line_t
line_of(fixture_t *f, const char *queue)
{
    async_line_t  line;

    assert_int_equal(async_view_line(f->view, fixture_str(queue), &line),
                     ASYNC_OK);

    return line;
}


/* three of the middle, then one that is first, then one that is last */

static void
a_job_stands_where_it_will_be_claimed(void **state)
{
    unsigned        i;
    fixture_t      *f = *state;
    async_job_t     jobs[5];
    async_line_t    line;
    async_queue_t   queue = { .concurrency = 2, .max_queued = 100,
                              .loaded = 2, .interval = 250000 };

    static const struct {
        uint8_t   priority;
        uint64_t  ahead;
    } table[] = { { 4, 1 }, { 4, 2 }, { 4, 3 }, { 9, 0 }, { 0, 4 } };

    fixture_queue(f, "default", 3, 100, 1);
    fixture_queue(f, "defaul", 2, 100, 1);

    for (i = 0; i < 5; i++) {
        jobs[i] = fixture_job(i);
        jobs[i].priority = table[i].priority;
        jobs[i].queued = ++f->now;
        assert_int_equal(fixture_submit(f, &jobs[i]), ASYNC_OK);
    }

    line = line_of(f, "default");

    assert_int_equal(line.queued, 5);
    assert_int_equal(line.running, 0);
    assert_int_equal(line.concurrency, 3);
    assert_int_equal(line.n, 5);
    assert_false(line.more);

    for (i = 0; i < 5; i++) {
        assert_int_equal(async_line_ahead(&line, &jobs[i]), table[i].ahead);
    }

    /* those that run stand no longer there */

    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 2), 2);

    line = line_of(f, "default");

    assert_int_equal(line.queued, 3);
    assert_int_equal(line.running, 2);
    assert_int_equal(async_line_ahead(&line, &jobs[0]), 0);
    assert_int_equal(async_line_ahead(&line, &jobs[2]), 1);
    assert_int_equal(async_line_ahead(&line, &jobs[4]), 2);

    line = line_of(f, "defaul");

    assert_int_equal(line.n, 0);
    assert_int_equal(line.concurrency, 2);
    assert_int_equal(async_line_ahead(&line, &jobs[0]), 0);

    /* how fast it goes, and whether */

    queue.name = fixture_str("defaul");
    assert_int_equal(async_store_publish(f->store, NULL, 0, &queue, 1,
                                         &f->err), ASYNC_OK);

    assert_int_equal(line_of(f, "defaul").interval, 250000);
    assert_int_equal(line_of(f, "default").interval, 0);
    assert_false(line_of(f, "default").paused);

    assert_int_equal(async_store_pause(f->store, fixture_str("default"), true,
                                       &f->err), ASYNC_OK);
    assert_true(line_of(f, "default").paused);
    assert_false(line_of(f, "defaul").paused);

    line = line_of(f, "unheard");

    assert_int_equal(line.n, 0);
    assert_int_equal(line.concurrency, ASYNC_QUEUE_CONCURRENCY);
}


/* ten a millisecond: exact at first, and fairly so beyond */

static void
a_long_line_is_not_walked_to_its_end(void **state)
{
    unsigned        i;
    uint64_t        ahead, before;
    fixture_t      *f = *state;
    async_job_t     job, jobs[10];
    async_line_t    line;
    async_event_t   events[10];

    enum { JOBS = 2000 };

    /* of other queues, before and after it */

    job = fixture_job(9001);
    job.queue = fixture_str("defaul");
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
    job = fixture_job(9002);
    job.queue = fixture_str("defaulu");
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);

    for (i = 0; i < JOBS; i++) {
        jobs[i % 10] = fixture_job(i);
        events[i % 10] = fixture_submitted(&jobs[i % 10]);

        if (i % 10 == 9) {
            f->now++;
            assert_int_equal(fixture_apply(f, events, 10), ASYNC_OK);
        }
    }

    line = line_of(f, "default");

    assert_int_equal(line.n, ASYNC_LINE);
    assert_true(line.more);
    assert_int_equal(line.queued, JOBS);

    for (i = 0, before = 0; i < JOBS; i++) {
        job.queued = FIXTURE_NOW + 1 + i / 10;
        ahead = async_line_ahead(&line, &job);

        assert_true(ahead >= before);
        assert_true(ahead + 20 >= i && ahead <= i + 20);
        before = ahead;
    }

    /* who came since */

    job.queued = FIXTURE_NOW + JOBS;
    assert_int_equal(async_line_ahead(&line, &job), JOBS);

    /* the last queue of all: nothing comes after its end */

    line = line_of(f, "defaulu");
    assert_int_equal(line.n, 1);
}


static void
figures_that_disagree_do_no_harm(void **state)
{
    unsigned       i, j;
    uint64_t       ahead;
    fixture_t     *f = *state;
    async_job_t    job;
    async_line_t   line;

    static const uint64_t  odd[] = { 0, 1, ASYNC_LINE, UINT64_MAX };

    job = fixture_job(0);
    job.queued = INT64_MIN;
    line = line_of(f, "default");

    assert_int_equal(async_line_ahead(&line, &job), 0);

    line.n = ASYNC_LINE;
    line.more = true;

    for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        for (j = 0; j < sizeof(odd) / sizeof(odd[0]); j++) {
            line.queued = odd[i];
            line.last = odd[j];
            job.queued = (int64_t) odd[j];
            ahead = async_line_ahead(&line, &job);

            assert_true(ahead <= ASYNC_LINE || ahead <= line.queued);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(what_was_completed_is_learned),
        sound(failures_teach_nothing),
        sound(a_stale_event_teaches_nothing),
        sound(a_location_is_known_by_its_key_not_its_policy),
        sound(locations_learn_apart_and_queues_from_all),
        sound(a_job_of_no_location_teaches_its_queue),
        sound(damage_is_told_and_learned_anew),
        sound(a_job_stands_where_it_will_be_claimed),
        sound(a_long_line_is_not_walked_to_its_end),
        sound(figures_that_disagree_do_no_harm)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
