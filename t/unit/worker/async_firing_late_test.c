/*
 * Schedules that were missed, and clocks that are set.
 */

#include "async_firing_turns.h"


/* --- late --- */

/* so much after the time that is due, with nobody there before */

static unsigned
missed(fixture_t *f, const char *cron, async_misfire_t misfire, int64_t late)
{
    unsigned  n;

    add("s", cron, misfire);
    publish(f);
    start(f);
    (void) later(f, 1000);
    f->now = state_of(f, "s", NULL).next + late;
    start(f);

    for (n = 0; turn(f) > 0; n++) {
        /* void */
    }

    return n;
}


static void
test_late(void **state)
{
    fixture_t  *f = *state;

    /* a minute is no misfire, whatever is said of those */

    assert_int_equal(missed(f, "0 * * * *", ASYNC_MISFIRE_SKIP, MINUTE), 1);
    assert_next(f, "s", "2026-11-22T12:00:00Z");
}


static void
test_misfire_once(void **state)
{
    fixture_t  *f = *state;

    assert_int_equal(missed(f, "*/10 * * * *", ASYNC_MISFIRE_ONCE,
                            3 * HOUR + 1), 1);
    assert_next(f, "s", "2026-11-22T13:20:00Z");
    assert_int_equal(state_of(f, "s", NULL).last, f->now);
}


static void
test_misfire_all(void **state)
{
    fixture_t  *f = *state;

    assert_int_equal(missed(f, "*/10 * * * *", ASYNC_MISFIRE_ALL,
                            3 * HOUR + 2 * MINUTE), 19);
    assert_next(f, "s", "2026-11-22T13:20:00Z");
    assert_int_equal(state_of(f, "s", NULL).last,
                     FIXTURE_NOW + 3 * HOUR + 10 * MINUTE);
}


static void
test_misfire_skip(void **state)
{
    fixture_t  *f = *state;

    assert_int_equal(missed(f, "*/10 * * * *", ASYNC_MISFIRE_SKIP,
                            3 * HOUR + 2 * MINUTE), 0);
    assert_next(f, "s", "2026-11-22T13:20:00Z");
    assert_int_equal(state_of(f, "s", NULL).skipped, 1);
}


/* the last of them is on time, all others are not */

static void
test_misfire_skip_now(void **state)
{
    fixture_t  *f = *state;

    assert_int_equal(missed(f, "*/10 * * * *", ASYNC_MISFIRE_SKIP,
                            3 * HOUR + MINUTE / 2), 1);
    assert_next(f, "s", "2026-11-22T13:20:00Z");
}


/* those that were missed are wanted, each of them */

static void
test_overlap_all(void **state)
{
    fixture_t  *f = *state;

    assert_int_equal(missed(f, "*/10 * * * *", ASYNC_MISFIRE_ALL,
                            30 * MINUTE + MINUTE / 2), 3);
    assert_next(f, "s", "2026-11-22T10:50:00Z");

    /* the one that is on time is not: the last job has not run */

    assert_int_equal(state_of(f, "s", NULL).skipped, 1);
}


/* what nginx.conf did not have then, or somebody had paused, is not missed */

static void
test_not_missed(void **state)
{
    fixture_t  *f = *state;

    add("changed", "*/10 * * * *", ASYNC_MISFIRE_ALL);
    add("paused", "*/10 * * * *", ASYNC_MISFIRE_ALL);
    publish(f);
    start(f);
    (void) later(f, 1000);

    assert_int_equal(async_store_pause_schedule(f->store,
                                                fixture_str("paused"), true,
                                                &f->err), ASYNC_OK);
    assert_true(state_of(f, "paused", NULL).next == ASYNC_SCHEDULE_NEVER);

    said.n = 1;
    list[0].cron = fixture_str("*/20 * * * *");
    f->now += HOUR;
    boot += HOUR;
    publish(f);

    /* paused has left nginx.conf as well, and comes back */

    said.n = 2;
    publish(f);
    assert_int_equal(turn(f), 0);
    assert_next(f, "changed", "2026-11-22T11:20:00Z");
    assert_true(state_of(f, "paused", NULL).next == ASYNC_SCHEDULE_NEVER);

    assert_int_equal(async_store_pause_schedule(f->store,
                                                fixture_str("paused"), false,
                                                &f->err), ASYNC_OK);
    assert_int_equal(turn(f), 0);
    assert_next(f, "paused", "2026-11-22T11:10:00Z");
}


/* --- the clock --- */

static void
test_clock_ahead(void **state)
{
    fixture_t  *f = *state;

    add("each", "* * * * *", ASYNC_MISFIRE_ONCE)->overlap = true;
    publish(f);
    start(f);
    (void) later(f, 1000);

    /* a jump that is taken back does no harm */

    f->now += 365 * 24 * (int64_t) HOUR;
    assert_int_equal(turn(f), 0);
    f->now -= 365 * 24 * (int64_t) HOUR - 2000;
    assert_int_equal(turn(f), 0);
    assert_next(f, "each", "2026-11-22T10:01:00Z");

    boot += ASYNC_CLOCK_DOUBT;
    f->now += ASYNC_CLOCK_DOUBT;
    assert_int_equal(turn(f), 0);
    assert_next(f, "each", "2026-11-22T10:01:00Z");

    /* one that stays is one run for all that it has passed over */

    f->now += 5 * HOUR;
    assert_int_equal(turn(f), 0);
    boot += ASYNC_CLOCK_DOUBT;
    f->now += ASYNC_CLOCK_DOUBT;
    assert_int_equal(turn(f), 1);
    assert_int_equal(turn(f), 0);
    assert_next(f, "each", "2026-11-22T15:01:00Z");
}


/* set back by so much, as it stands after the doubt */

static void
set_back(fixture_t *f, int64_t by)
{
    f->now -= by;
    (void) turn(f);
    boot += ASYNC_CLOCK_DOUBT;
    f->now += ASYNC_CLOCK_DOUBT;
    assert_int_equal(turn(f), 0);
}


static void
test_clock_back(void **state)
{
    fixture_t  *f = *state;

    add("each", "* * * * *", ASYNC_MISFIRE_ONCE)->overlap = true;
    add("fixed", "0-59 0-23 * * *", ASYNC_MISFIRE_ONCE)->overlap = true;
    publish(f);
    start(f);
    (void) later(f, 1000);
    assert_int_equal(later(f, MINUTE), 2);
    assert_next(f, "fixed", "2026-11-22T10:02:00Z");

    /* a correction: what was fired is not fired again */

    f->now -= 10000;
    assert_int_equal(turn(f), 0);
    start(f);
    assert_int_equal(turn(f), 0);
    assert_next(f, "each", "2026-11-22T10:02:00Z");
    f->now += 10000;

    /* an hour: one goes by the new clock, the other waits for it */

    set_back(f, HOUR);
    assert_next(f, "each", "2026-11-22T09:02:00Z");
    assert_next(f, "fixed", "2026-11-22T10:02:00Z");

    /* another four: that is no change of a clock, but a wrong one before */

    set_back(f, 4 * HOUR);
    assert_next(f, "each", "2026-11-22T05:02:00Z");
    assert_next(f, "fixed", "2026-11-22T05:02:00Z");
    assert_int_equal(later(f, MINUTE), 2);

    /* the same while no worker looked */

    f->now -= 365 * 24 * (int64_t) HOUR;
    start(f);
    assert_int_equal(turn(f), 0);
    assert_next(f, "fixed", "2025-11-22T05:03:00Z");
}


/* --- a zone, and where clocks are changed --- */

static void
test_zone(void **state)
{
    fixture_t  *f = *state;

    f->now = FIXTURE_NOW - 28 * 24 * (int64_t) HOUR - 12 * HOUR;
    add("berlin", "30 2 * * *", ASYNC_MISFIRE_ONCE)->zone =
        fixture_str("Europe/Berlin");
    add("bad", "* * * * *", ASYNC_MISFIRE_ONCE)->zone =
        fixture_str("Mars/Phobos");
    publish(f);
    start(f);
    (void) later(f, 1000);

    /* twice that night, in summer time and in winter time: once */

    assert_next(f, "berlin", "2026-10-25T00:30:00Z");
    f->now = state_of(f, "berlin", NULL).next;
    start(f);
    assert_int_equal(later(f, 1000), 1);
    assert_next(f, "berlin", "2026-10-26T01:30:00Z");

    /* the other has no times, and harms nobody */

    assert_int_equal(state_of(f, "bad", NULL).next, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        TURNS(test_late),
        TURNS(test_misfire_once),
        TURNS(test_misfire_all),
        TURNS(test_misfire_skip),
        TURNS(test_misfire_skip_now),
        TURNS(test_overlap_all),
        TURNS(test_not_missed),
        TURNS(test_clock_ahead),
        TURNS(test_clock_back),
        TURNS(test_zone)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
