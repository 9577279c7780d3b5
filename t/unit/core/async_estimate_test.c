/*
 * What is told of a job that is not finished.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "async_estimate.h"


#define NOW   ((int64_t) 1795341600000)
#define NONE  ASYNC_NO_PERCENT


static const uint32_t  medians[] = { 1, 2, 7, 10, 99, 200, 1000, 60000,
                                     UINT32_MAX };


static async_job_t
job_in(async_state_t state)
{
    async_job_t  job;

    memset(&job, 0, sizeof(job));

    job.state = (uint8_t) state;
    job.percent = ASYNC_NO_PERCENT;
    job.created = NOW - 500;
    job.queued = NOW - 500;

    return job;
}


static void
the_percentage_of_an_attempt(void **state)
{
    size_t  i;

    static const struct {
        int64_t   elapsed;
        uint32_t  run;
        uint8_t   percent;
    } table[] = {
        { 0, 1000, 0 }, { 9, 1000, 0 }, { 10, 1000, 1 },
        { 500, 1000, 50 }, { 899, 1000, 89 }, { 900, 1000, 90 },
        { 901, 1000, 90 }, { 1000, 1000, 91 }, { 2000, 1000, 95 },
        { 4500, 1000, 98 }, { 9000, 1000, 99 }, { 90000, 1000, 99 },
        { 0, 1, 0 }, { 1, 1, 91 }, { 1000000, 1, 99 },
        { -1, 1000, 0 }, { INT64_MIN, 1000, 0 }, { INT64_MAX, 1000, 99 },
        { INT64_MAX, UINT32_MAX, 99 }, { 1, UINT32_MAX, 0 }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(async_estimate_percent(table[i].elapsed,
                                                table[i].run),
                         table[i].percent);
    }
}


static void
the_percentage_rises_and_never_ends(void **state)
{
    size_t   i;
    int64_t  elapsed;
    uint8_t  percent, before;

    (void) state;

    for (i = 0; i < sizeof(medians) / sizeof(medians[0]); i++) {

        before = 0;

        for (elapsed = 0; elapsed < 20 * (int64_t) medians[i];
             elapsed += medians[i] / 3000 + 1)
        {
            percent = async_estimate_percent(elapsed, medians[i]);

            assert_true(percent >= before);
            assert_true(percent <= 99);
            before = percent;
        }

        assert_int_equal(before, 99);
    }
}


static void
what_is_left_of_an_attempt(void **state)
{
    size_t  i;

    static const struct {
        int64_t   elapsed;
        uint32_t  run;
        uint64_t  left;
    } table[] = {
        { 0, 1000, 1000 }, { 300, 1000, 700 }, { 900, 1000, 100 },
        { 1000, 1000, 111 }, { 9000, 1000, 1000 }, { 90000, 1000, 10000 },
        { 1, 1, 1 }, { 0, 1, 1 }, { -5000, 1000, 1000 },
        { INT64_MIN, 1000, 1000 }, { INT64_MAX, 1000, ((int64_t) 1 << 43) / 9 }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(async_estimate_left(table[i].elapsed, table[i].run),
                         table[i].left);
    }
}


static void
the_wait_in_a_queue(void **state)
{
    size_t  i;

    static const struct {
        uint64_t  ahead;
        uint64_t  running;
        uint32_t  concurrency;
        uint32_t  each;
        uint64_t  interval;
        uint64_t  wait;
    } table[] = {
        { 0, 0, 8, 1000, 0, 0 }, { 0, 7, 8, 1000, 0, 0 },
        { 7, 0, 8, 1000, 0, 0 },
        { 0, 8, 8, 1000, 0, 125 }, { 0, 1, 1, 1000, 0, 1000 },
        { 16, 8, 8, 1000, 0, 2125 }, { 99, 1, 1, 60000, 0, 6000000 },
        { 5, 0, 0, 100, 0, 500 },

        /* one start in half a second: the slower of the two decides */

        { 0, 0, 8, 1000, 500000, 0 }, { 4, 0, 8, 1000, 500000, 2000 },
        { 16, 8, 8, 1000, 500000, 8000 }, { 16, 1, 1, 1000, 500000, 17000 },

        { 1000000000, 8, 8, UINT32_MAX, 0, (uint64_t) 1 << 43 },
        { UINT64_MAX, UINT64_MAX, 1, 1, 1, (uint64_t) 1 << 43 },
        { 0, UINT64_MAX, UINT32_MAX, UINT32_MAX, 0, (uint64_t) 1 << 43 },
        { UINT32_MAX, 0, UINT32_MAX, 1, UINT64_MAX, (uint64_t) 1 << 43 },
        { 1, 0, 8, 1, UINT64_MAX, (uint64_t) 1 << 43 },
        { 0, 0, 8, 1, UINT64_MAX, 0 },
        { UINT32_MAX, 0, 1, 1, 0, UINT32_MAX },
        { UINT32_MAX, UINT32_MAX, UINT32_MAX, 10, 0, 10 }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(async_estimate_wait(table[i].ahead, table[i].running,
                                             table[i].concurrency,
                                             table[i].each,
                                             table[i].interval),
                         table[i].wait);
    }
}


/* by state, with a median of 2 s and, in the queue, 8 s before that */

static void
what_is_told_in_each_state(void **state)
{
    size_t            i;
    async_job_t       job;
    async_known_t     known;
    async_estimate_t  told;

    static const struct {
        async_state_t  state;
        int64_t        started;         /* before now */
        int64_t        due;             /* after now; 0 = none */
        uint16_t       flags;
        bool           stands;
        uint8_t        percent;
        int64_t        completion;      /* after now; 0 = none */
        uint32_t       retry_after;
    } table[] = {
        { ASYNC_STATE_QUEUED, 0, 0, 0, false, NONE, 10000, 10 },
        { ASYNC_STATE_QUEUED, 0, 0, 0, true, NONE, 0, 5 },

        { ASYNC_STATE_QUEUED, 0, 0, ASYNC_JOB_PARKED, false, NONE, 0, 5 },
        { ASYNC_STATE_QUEUED, 0, 250, ASYNC_JOB_PARKED, false, NONE, 2250,
          3 },

        { ASYNC_STATE_SCHEDULED, 0, 30000, 0, false, NONE, 32000, 32 },
        { ASYNC_STATE_SCHEDULED, 0, 3600000, 0, false, NONE, 3602000, 60 },
        { ASYNC_STATE_SCHEDULED, 0, -100, 0, false, NONE, 2000, 2 },
        { ASYNC_STATE_RETRYING, 0, 1, 0, false, NONE, 2001, 3 },
        { ASYNC_STATE_RETRYING, 0, 1, 0, true, NONE, 0, 5 },
        { ASYNC_STATE_RETRYING, 0, -100, 0, true, NONE, 0, 5 },

        { ASYNC_STATE_PROCESSING, 0, 0, 0, false, 0, 2000, 2 },
        { ASYNC_STATE_PROCESSING, 1010, 0, 0, false, 50, 990, 1 },
        { ASYNC_STATE_PROCESSING, 1999, 0, 0, false, 90, 1, 1 },
        { ASYNC_STATE_PROCESSING, 2000, 0, 0, false, 91, 501, 1 },
        { ASYNC_STATE_PROCESSING, 20000, 0, 0, false, 99, 3311, 3 },

        /* its end is near, and not of its own */

        { ASYNC_STATE_PROCESSING, 500, 0, ASYNC_JOB_CANCEL_WANTED, false,
          NONE, 0, 1 },

        /* the clock was set back, or the record holds anything */

        { ASYNC_STATE_PROCESSING, -3600000, 0, 0, false, 0, 2000, 2 },
        { ASYNC_STATE_PROCESSING, NOW, 0, 0, false, 0, 2000, 2 },

        { ASYNC_STATE_COMPLETED, 500, 0, 0, false, NONE, 0, 0 },
        { ASYNC_STATE_FAILED, 500, 0, 0, false, NONE, 0, 0 },
        { ASYNC_STATE_CANCELED, 500, 0, 0, false, NONE, 0, 0 }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        job = job_in(table[i].state);
        job.started = NOW - table[i].started;
        job.due = table[i].due != 0 ? NOW + table[i].due : 0;
        job.flags = table[i].flags;

        known = (async_known_t) { .shown = true, .run = 2000, .wait = 8000,
                                  .stands = table[i].stands };

        async_estimate_job(&told, &job, &known, NOW);

        assert_int_equal(told.percent, table[i].percent);
        assert_int_equal(told.completion,
                         table[i].completion ? NOW + table[i].completion : 0);
        assert_int_equal(told.retry_after, table[i].retry_after);

        /* nothing learned: the old five seconds, and no word more */

        known.run = 0;
        async_estimate_job(&told, &job, &known, NOW);

        assert_int_equal(told.percent, NONE);
        assert_int_equal(told.completion, 0);
        assert_int_equal(told.retry_after, table[i].retry_after ? 5 : 0);

        /* off: learned all the same, for Retry-After */

        known.run = 2000;
        known.shown = false;
        async_estimate_job(&told, &job, &known, NOW);

        assert_int_equal(told.percent, NONE);
        assert_int_equal(told.completion, 0);
        assert_int_equal(told.retry_after, table[i].retry_after);

        /* what the location says, goes */

        known.retry_after = 7;
        async_estimate_job(&told, &job, &known, NOW);

        assert_int_equal(told.retry_after, table[i].retry_after ? 7 : 0);
    }
}


static void
what_the_backend_reports_goes_before(void **state)
{
    async_job_t       job;
    async_known_t     known = { .shown = true, .run = 2000 };
    async_estimate_t  told;

    (void) state;

    job = job_in(ASYNC_STATE_PROCESSING);
    job.started = NOW - 1000;
    job.percent = 10;

    async_estimate_job(&told, &job, &known, NOW);

    assert_int_equal(told.percent, NONE);
    assert_int_equal(told.completion, NOW + 1000);
}


/* of one attempt: always ahead, never earlier, and seldom another */

static void
a_completion_stands_still_while_it_can(void **state)
{
    unsigned          changes;
    int64_t           now, before;
    async_job_t       job;
    async_known_t     known = { .shown = true, .run = 10000 };
    async_estimate_t  told;

    (void) state;

    job = job_in(ASYNC_STATE_PROCESSING);
    job.started = NOW;
    before = NOW + 10000;
    changes = 0;

    for (now = NOW; now < NOW + 200000; now += 10) {
        async_estimate_job(&told, &job, &known, now);

        assert_true(told.completion > now);
        assert_true(told.completion >= before);
        assert_true(now >= NOW + 10000 || told.completion == NOW + 10000);

        changes += told.completion != before;
        before = told.completion;
    }

    assert_true(changes > 10 && changes < 20);
}


/* the median is another whenever a job ends, and mostly by a little */

static void
a_completion_does_not_move_with_each_millisecond(void **state)
{
    int64_t           before;
    uint32_t          base;
    unsigned          changes;
    async_job_t       job;
    async_known_t     known = { .shown = true };
    async_estimate_t  told;

    (void) state;

    job = job_in(ASYNC_STATE_PROCESSING);
    job.started = NOW - 10;

    for (base = 100; base < 1000000; base *= 10) {
        changes = 0;
        before = 0;

        for (known.run = base; known.run < 2 * base; known.run++) {
            async_estimate_job(&told, &job, &known, NOW);

            assert_true(told.completion >= job.started + known.run);
            assert_true(told.completion <= job.started + known.run
                                           + known.run / 20);
            changes += told.completion != before;
            before = told.completion;
        }

        assert_true(changes > 10 && changes <= 40);
    }
}


/* in a queue that does not move it goes on in steps of a tenth or so */

static void
a_completion_in_a_queue_goes_in_steps(void **state)
{
    unsigned          changes;
    int64_t           now, before;
    async_job_t       job;
    async_known_t     known = { .shown = true, .run = 1000 };
    async_estimate_t  told;

    (void) state;

    job = job_in(ASYNC_STATE_QUEUED);

    for (known.wait = 0; known.wait < 100000000; known.wait *= 3) {

        before = 0;
        changes = 0;

        for (now = NOW; now < NOW + 100000; now += 100) {
            async_estimate_job(&told, &job, &known, now);

            assert_true(told.completion >= now + 1000 + (int64_t) known.wait);
            assert_true(told.completion <= now + 2000
                                           + (int64_t) known.wait * 5 / 4);

            changes += told.completion != before;
            before = told.completion;
        }

        assert_true(changes >= 1 && changes <= 101);
        assert_true(known.wait < 10000 || changes <= 51);
        assert_true(known.wait < 900000 || changes < 4);
        known.wait += 1000;
    }
}


static void
hostile_numbers_do_no_harm(void **state)
{
    size_t            i, j;
    async_job_t       job;
    async_known_t     known = { .shown = true, .run = UINT32_MAX };
    async_estimate_t  told;

    static const int64_t  times[] = { INT64_MIN, INT64_MIN + 1, -1, 0, 1,
                                      NOW, INT64_MAX - 1, INT64_MAX };

    static const async_state_t  states[] = {
        ASYNC_STATE_QUEUED, ASYNC_STATE_SCHEDULED, ASYNC_STATE_PROCESSING,
        ASYNC_STATE_RETRYING
    };

    (void) state;

    known.wait = (uint64_t) 1 << 43;

    for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        for (j = 0; j < sizeof(states) / sizeof(states[0]); j++) {
            job = job_in(states[j]);
            job.started = times[i];
            job.due = times[i];
            job.queued = times[i];

            async_estimate_job(&told, &job, &known, NOW);

            assert_true(told.completion > NOW);
            assert_int_equal(told.retry_after, 60);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(the_percentage_of_an_attempt),
        cmocka_unit_test(the_percentage_rises_and_never_ends),
        cmocka_unit_test(what_is_left_of_an_attempt),
        cmocka_unit_test(the_wait_in_a_queue),
        cmocka_unit_test(what_is_told_in_each_state),
        cmocka_unit_test(what_the_backend_reports_goes_before),
        cmocka_unit_test(a_completion_stands_still_while_it_can),
        cmocka_unit_test(a_completion_does_not_move_with_each_millisecond),
        cmocka_unit_test(a_completion_in_a_queue_goes_in_steps),
        cmocka_unit_test(hostile_numbers_do_no_harm)
    };

    return cmocka_run_group_tests_name("async_estimate", tests, NULL, NULL);
}
