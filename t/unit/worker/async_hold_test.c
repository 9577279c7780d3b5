/*
 * Whether, and for how long, the end of a job waits for a report of it that
 * may still be on its way.  What has passed is told by the wall clock: what
 * happens in a test is written ahead of it, and the test goes on at its time.
 */

#include "async_loop.h"

#include "../store/async_one_job.h"


#define BOOT  5000000               /* any time since the machine started */
#define PACE  150                   /* ms, of reports that are many */
#define SLOW  100                   /* ms that a test may lose */
#define WRITE 400                   /* ms for its commits */


typedef struct {
    fixture_t           *f;
    const async_job_t   *job;
    unsigned             n;         /* reports of it */
    async_loop_t         w;
    async_replay_t       replay;
    async_replay_t      *held[1];
    async_replay_t      *ended[1];
} hold_t;


static void
comes(int64_t wall)
{
    while (async_clock_ms(CLOCK_REALTIME) < wall) {
        usleep(1000);
    }
}


/* a job whose attempt comes to its end ago ms after n reports at once */

static void
ends(hold_t *h, void **state, unsigned n, int64_t ago)
{
    memset(h, 0, sizeof(hold_t));

    h->f = *state;
    h->f->now = async_clock_ms(CLOCK_REALTIME) + WRITE;
    h->job = one_running(h->f, 0);

    while (h->n < n) {
        assert_int_equal(reported(h->f, h->job, (uint8_t) ++h->n, NULL),
                         ASYNC_OK);
    }

    comes(h->f->now + ago);

    h->w.env.view = h->f->view;
    h->w.held = h->held;
    h->w.ended = h->ended;

    h->replay.id = h->job->id;
    h->replay.event.type = ASYNC_EVENT_COMPLETED;
}


static bool
waits(hold_t *h)
{
    return async_hold_add(&h->w, &h->replay, BOOT);
}


static void
who_reports_seldom_ends_at_once(void **state)
{
    hold_t  h;

    ends(&h, state, 3, 0);
    assert_false(waits(&h));
    assert_int_equal(h.w.nheld, 0);
}


static void
who_never_reports_ends_at_once(void **state)
{
    hold_t  h;

    ends(&h, state, 0, 0);
    assert_false(waits(&h));
}


/* the fifth would be written when the pace allows, and that takes a while */

static void
one_that_had_to_wait_is_waited_for(void **state)
{
    hold_t  h;

    ends(&h, state, 4, 0);
    assert_true(waits(&h));
    assert_int_equal(h.w.nheld, 1);
    assert_in_range(h.replay.held, BOOT + PACE + 250 - SLOW,
                    BOOT + PACE + 250);
    assert_int_equal(async_hold_next(&h.w), h.replay.held);
}


static void
one_that_was_due_a_moment_ago_too(void **state)
{
    hold_t  h;

    ends(&h, state, 4, PACE + 20);
    assert_true(waits(&h));
    assert_in_range(h.replay.held, BOOT + 1, BOOT + 230);
}


static void
one_that_was_due_long_ago_is_not(void **state)
{
    hold_t  h;

    ends(&h, state, 4, PACE + 250);
    assert_false(waits(&h));
}


static void
what_did_not_come_is_not_waited_for_again(void **state)
{
    hold_t  h;

    ends(&h, state, 4, 0);
    assert_true(waits(&h));

    async_hold_release(&h.w, h.replay.held - 1, false);
    assert_int_equal(h.w.nheld, 1);

    async_hold_release(&h.w, h.replay.held, false);
    assert_int_equal(h.w.nheld, 0);
    assert_int_equal(h.w.nended, 1);
    assert_ptr_equal(h.ended[0], &h.replay);
}


/* another process may have one, too, but a backend that goes on is not
   waited for */

static void
what_came_may_not_be_the_last_but_there_is_an_end(void **state)
{
    hold_t   h;
    int64_t  first;

    ends(&h, state, 4, 0);
    assert_true(waits(&h));
    first = h.replay.held;

    h.f->now += PACE;
    assert_int_equal(reported(h.f, h.job, 5, NULL), ASYNC_OK);
    comes(h.f->now);

    async_hold_release(&h.w, first, false);
    assert_int_equal(h.w.nheld, 1);
    assert_int_equal(h.replay.held, BOOT + 500);

    h.f->now += PACE;
    assert_int_equal(reported(h.f, h.job, 6, NULL), ASYNC_OK);

    async_hold_release(&h.w, BOOT + 500, false);
    assert_int_equal(h.w.nheld, 0);
    assert_int_equal(h.w.nended, 1);
}


static void
who_stops_waits_for_nothing(void **state)
{
    hold_t  h;

    ends(&h, state, 4, 0);
    h.w.phase = ASYNC_LOOP_STOPS;
    assert_false(waits(&h));

    h.w.phase = ASYNC_LOOP_RUNS;
    assert_true(waits(&h));
    async_hold_release(&h.w, BOOT, true);
    assert_int_equal(h.w.nheld, 0);
    assert_int_equal(h.w.nended, 1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(who_never_reports_ends_at_once),
        sound(who_reports_seldom_ends_at_once),
        sound(one_that_had_to_wait_is_waited_for),
        sound(one_that_was_due_a_moment_ago_too),
        sound(one_that_was_due_long_ago_is_not),
        sound(what_did_not_come_is_not_waited_for_again),
        sound(what_came_may_not_be_the_last_but_there_is_an_end),
        sound(who_stops_waits_for_nothing)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
