/*
 * Schedules that fire: on time, once, many at a time, while their last job
 * runs, by hand, and as nginx.conf has them.  Late: async_firing_late_test.c.
 */

#include "async_firing_turns.h"


/* --- on time --- */

static void
test_on_time(void **state)
{
    uint8_t                  last, buf[ASYNC_JOB_MAX];
    fixture_t               *f = *state;
    async_job_t              job;
    async_schedule_state_t   s;

    add("each", "* * * * *", ASYNC_MISFIRE_ONCE);
    add("daily", "30 12 * * *", ASYNC_MISFIRE_ONCE);
    publish(f);
    start(f);

    assert_int_equal(later(f, 1000), 0);
    assert_next(f, "each", "2026-11-22T10:01:00Z");
    assert_next(f, "daily", "2026-11-22T12:30:00Z");

    assert_int_equal(later(f, 58000), 0);
    assert_int_equal(later(f, 1000), 1);
    assert_next(f, "each", "2026-11-22T10:02:00Z");

    s = state_of(f, "each", &last);
    assert_int_equal(last, ASYNC_STATE_QUEUED);
    assert_int_equal(s.last, FIXTURE_NOW + MINUTE);
    assert_int_equal(s.fired, f->now);

    job = fixture_look(f, &s.job, buf);
    assert_int_equal(job.request.len, 5);
    assert_memory_equal(job.schedule.data, "each", 4);

    assert_int_equal(run_all(f), 1);
    (void) state_of(f, "each", &last);
    assert_int_equal(last, ASYNC_STATE_COMPLETED);

    assert_int_equal(later(f, 1000), 0);
    assert_int_equal(later(f, MINUTE - 1000), 1);
}


/* another worker follows, or the same: nobody fires what was fired */

static void
test_once(void **state)
{
    fixture_t        *f = *state;
    async_batch_t     batch;
    async_firings_t  *paused;

    add("each", "* * * * *", ASYNC_MISFIRE_ONCE);
    publish(f);
    start(f);
    (void) later(f, 1000);

    f->now += MINUTE;
    boot += MINUTE;
    (void) async_clock_look(&wall_clock, f->now, boot);
    async_firing_collect(&firings, f->store, f->view, &wall_clock, f->now,
                         boot);
    async_firing_events(&firings, events);
    assert_int_equal(firings.n, 1);

    /* stopped here, while another takes over and fires */

    paused = calloc(1, sizeof(async_firings_t));
    assert_non_null(paused);
    *paused = firings;
    memset(&firings, 0, sizeof(firings));
    start(f);
    assert_int_equal(turn(f), 1);

    async_firing_events(paused, events);

    memset(&batch, 0, sizeof(batch));
    batch.events = events;
    batch.n = 1;
    batch.now = f->now;

    assert_int_equal(async_store_apply(f->store, &batch, &f->err), ASYNC_OK);
    assert_int_equal(events[0].rc, ASYNC_STALE);
    assert_int_equal(fixture_entries(f, ASYNC_DB_JOBS), 1);

    async_firing_clean(paused);
    free(paused);

    /* killed after the commit: the next one finds it done */

    start(f);
    assert_int_equal(turn(f), 0);
    assert_int_equal(fixture_entries(f, ASYNC_DB_JOBS), 1);
}


static void
test_many(void **state)
{
    char        name[16];
    unsigned    i;
    fixture_t  *f = *state;

    for (i = 0; i < 70; i++) {
        snprintf(name, sizeof(name), "s%02u", i);
        add(name, "0 * * * *", ASYNC_MISFIRE_ONCE);
    }

    publish(f);
    start(f);
    (void) later(f, 1000);
    assert_next(f, "s69", "2026-11-22T11:00:00Z");

    f->now = FIXTURE_NOW + HOUR;
    boot += HOUR;
    assert_int_equal(turn(f), ASYNC_FIRING_MAX);
    assert_int_equal(turn(f), 70 - ASYNC_FIRING_MAX);
    assert_int_equal(turn(f), 0);
}


/* --- its last job --- */

static void
test_overlap(void **state)
{
    unsigned    i;
    fixture_t  *f = *state;

    add("skip", "* * * * *", ASYNC_MISFIRE_ONCE);
    add("allow", "* * * * *", ASYNC_MISFIRE_ONCE)->overlap = true;
    publish(f);
    start(f);
    (void) later(f, 1000);

    assert_int_equal(later(f, MINUTE), 2);
    assert_int_equal(fixture_claim(f, 8), 2);
    assert_int_equal(later(f, MINUTE), 1);
    assert_int_equal(state_of(f, "skip", NULL).skipped, 1);
    assert_next(f, "skip", "2026-11-22T10:03:00Z");
    assert_next(f, "allow", "2026-11-22T10:03:00Z");

    for (i = 0; i < 2; i++) {
        async_event_t  done = fixture_completed(&f->claims[i].job);

        fixture_apply(f, &done, 1);
    }

    assert_int_equal(later(f, MINUTE), 2);
    assert_int_equal(state_of(f, "skip", NULL).skipped, 1);
}


/* --- by hand --- */

static void
test_by_hand(void **state)
{
    uint8_t      buf[ASYNC_JOB_MAX], last;
    async_id_t   id;
    fixture_t   *f = *state;

    add("yearly", "@yearly", ASYNC_MISFIRE_ONCE);
    publish(f);
    start(f);
    (void) later(f, 1000);

    id = fixture_id(99);
    assert_int_equal(async_store_run_schedule(f->store, fixture_str("yearly"),
                                              &id, &f->err), ASYNC_OK);
    assert_int_equal(turn(f), 1);
    assert_int_equal(turn(f), 0);
    (void) fixture_look(f, &id, buf);
    assert_next(f, "yearly", "2027-01-01T00:00:00Z");
    assert_int_equal(state_of(f, "yearly", &last).last, 0);
    assert_int_equal(last, ASYNC_STATE_QUEUED);

    /* also while it runs, and while it is paused */

    assert_int_equal(async_store_pause_schedule(f->store,
                                                fixture_str("yearly"), true,
                                                &f->err), ASYNC_OK);
    id = fixture_id(100);
    assert_int_equal(async_store_run_schedule(f->store, fixture_str("yearly"),
                                              &id, &f->err), ASYNC_OK);
    assert_int_equal(turn(f), 1);

    assert_int_equal(async_store_run_schedule(f->store, fixture_str("none"),
                                              &id, &f->err), ASYNC_NOT_FOUND);
    assert_int_equal(async_store_pause_schedule(f->store, fixture_str("none"),
                                                true, &f->err),
                     ASYNC_NOT_FOUND);
}


/* --- nginx.conf --- */

static void
test_gone(void **state)
{
    async_id_t   id = fixture_id(5);
    fixture_t   *f = *state;

    add("one", "* * * * *", ASYNC_MISFIRE_ONCE);
    add("two", "* * * * *", ASYNC_MISFIRE_ONCE);
    publish(f);

    said.n = 0;
    said.instance = 8;
    add("three", "* * * * *", ASYNC_MISFIRE_ONCE);
    publish(f);
    start(f);
    (void) later(f, 1000);
    assert_int_equal(later(f, MINUTE), 3);

    /* an older start, that comes late, changes nothing */

    loaded -= 2;
    said.n = 0;
    publish(f);
    loaded += 2;
    (void) run_all(f);
    assert_int_equal(later(f, MINUTE), 3);

    /* one instance has none any more, the other is as it was */

    said.instance = 7;
    said.n = 0;
    publish(f);
    (void) run_all(f);
    assert_int_equal(later(f, MINUTE), 1);
    assert_true(state_of(f, "one", NULL).next == ASYNC_SCHEDULE_NEVER);
    assert_true(state_of(f, "one", NULL).fired != 0);
    assert_int_equal(async_store_run_schedule(f->store, fixture_str("one"),
                                              &id, &f->err), ASYNC_REFUSED);

    /* and takes the name of the other's */

    add("three", "0 * * * *", ASYNC_MISFIRE_ONCE);
    publish(f);
    (void) later(f, 1000);
    assert_next(f, "three", "2026-11-22T11:00:00Z");
}


/* a queue that is full: the time stays due */

static void
test_full(void **state)
{
    fixture_t  *f = *state;

    fixture_queue(f, "default", 8, 1, 1);
    add("a", "* * * * *", ASYNC_MISFIRE_ONCE);
    add("b", "* * * * *", ASYNC_MISFIRE_ONCE);
    publish(f);
    start(f);
    (void) later(f, 1000);

    assert_int_equal(later(f, MINUTE), 1);
    assert_next(f, "b", "2026-11-22T10:01:00Z");
    (void) run_all(f);
    boot += 2000;
    assert_int_equal(turn(f), 1);
    assert_next(f, "b", "2026-11-22T10:02:00Z");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        TURNS(test_on_time),
        TURNS(test_once),
        TURNS(test_many),
        TURNS(test_overlap),
        TURNS(test_by_hand),
        TURNS(test_gone),
        TURNS(test_full)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
