/*
 * Queues that may not start a job at any time: paused ones, and those with a
 * rate.
 */

#include "async_fixture.h"
#include "async_salvage.h"


#define MS  1000                        /* us */


static void
publish(fixture_t *f, const char *name, uint64_t interval, bool paused)
{
    async_queue_t  queue;

    memset(&queue, 0, sizeof(queue));

    queue.name = fixture_str(name);
    queue.concurrency = 50;
    queue.max_queued = 1000;
    queue.interval = interval;
    queue.paused = paused;
    queue.loaded = ++f->now;

    assert_int_equal(async_store_publish(f->store, NULL, 0, &queue, 1,
                                         &f->err), ASYNC_OK);
}


static void
submit(fixture_t *f, const char *queue, unsigned from, unsigned n)
{
    async_job_t  job;

    for ( /* void */ ; n > 0; n--, from++) {
        job = fixture_job(from);
        job.queue = fixture_str(queue);
        assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
    }
}


static async_rc_t
set_paused(fixture_t *f, const char *queue, bool paused)
{
    return async_store_pause(f->store, fixture_str(queue), paused, &f->err);
}


typedef struct {
    const char  *name;
    bool         found;
    bool         paused;
} looked_t;


static bool
look_each(void *data, const async_queue_t *q,
    const async_queue_figures_t *figures)
{
    looked_t  *looked = data;

    if (q->name.len == strlen(looked->name)
        && memcmp(q->name.data, looked->name, q->name.len) == 0)
    {
        looked->found = true;
        looked->paused = figures->paused;
    }

    return true;
}


static bool
is_paused(fixture_t *f, const char *queue)
{
    looked_t  looked = { .name = queue };

    assert_int_equal(async_view_queues(f->view, look_each, &looked),
                     ASYNC_OK);
    assert_true(looked.found);

    return looked.paused;
}


/* --- paused --- */

static void
a_paused_queue_gives_nothing_until_it_is_resumed(void **state)
{
    fixture_t  *f = *state;

    publish(f, "q", 0, true);
    submit(f, "q", 1, 3);
    fixture_take_over(f);

    assert_true(is_paused(f, "q"));
    assert_int_equal(fixture_claim(f, 10), 0);
    assert_int_equal(f->next_due, 0);
    assert_false(f->more);
    assert_int_equal(fixture_claim(f, 0), 0);
    assert_false(f->more);

    assert_int_equal(set_paused(f, "q", false), ASYNC_OK);
    assert_false(is_paused(f, "q"));
    assert_int_equal(fixture_claim(f, 10), 3);
}


static void
others_go_on_beside_it(void **state)
{
    fixture_t  *f = *state;

    publish(f, "a", 0, false);
    publish(f, "b", 0, true);
    publish(f, "c", 0, false);
    submit(f, "a", 1, 2);
    submit(f, "b", 11, 2);
    submit(f, "c", 21, 2);
    fixture_take_over(f);

    assert_int_equal(fixture_claim(f, 10), 4);
    fixture_assert_counts(f, "b", 2, 0);
}


static void
what_runs_goes_on_while_it_is_paused(void **state)
{
    fixture_t      *f = *state;
    async_event_t   event;

    publish(f, "q", 0, false);
    submit(f, "q", 1, 2);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 1), 1);

    assert_int_equal(set_paused(f, "q", true), ASYNC_OK);

    event = fixture_completed(&f->claims[0].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_int_equal(fixture_claim(f, 1), 0);
    fixture_assert_counts(f, "q", 1, 0);
}


static void
the_file_says_it_at_the_first_appearance_only(void **state)
{
    fixture_t  *f = *state;

    publish(f, "q", 0, true);
    assert_int_equal(set_paused(f, "q", false), ASYNC_OK);
    publish(f, "q", 0, true);
    assert_false(is_paused(f, "q"));

    publish(f, "r", 0, false);
    publish(f, "r", 0, true);
    assert_false(is_paused(f, "r"));

    assert_int_equal(set_paused(f, "r", true), ASYNC_OK);
    publish(f, "r", 0, false);
    assert_true(is_paused(f, "r"));
}


static void
it_stays_paused_when_the_store_is_opened_anew(void **state)
{
    fixture_t  *f = *state;

    publish(f, "q", 100 * MS, false);
    submit(f, "q", 1, 1);
    assert_int_equal(set_paused(f, "q", true), ASYNC_OK);

    fixture_close(f);
    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_OK);
    fixture_take_over(f);

    assert_true(is_paused(f, "q"));
    assert_int_equal(fixture_claim(f, 1), 0);
}


static void
a_queue_that_is_not_there_cannot_be_paused(void **state)
{
    char        name[ASYNC_QUEUE_MAX + 1];
    uint64_t    before;
    fixture_t  *f = *state;

    publish(f, "q", 0, false);
    before = fixture_transaction(f);

    assert_int_equal(set_paused(f, "p", true), ASYNC_NOT_FOUND);
    assert_string_equal(f->err.text, "there is no queue \"p\"");
    assert_int_equal(set_paused(f, "", true), ASYNC_NOT_FOUND);
    memset(name, 'q', ASYNC_QUEUE_MAX);
    name[ASYNC_QUEUE_MAX] = '\0';
    assert_int_equal(set_paused(f, name, true), ASYNC_NOT_FOUND);

    /* and what is said again is not written again */

    assert_int_equal(set_paused(f, "q", false), ASYNC_OK);
    assert_int_equal(fixture_transaction(f), before);

    /* one that only jobs name is there */

    submit(f, "used", 1, 1);
    assert_int_equal(set_paused(f, "used", true), ASYNC_OK);
    assert_true(is_paused(f, "used"));
}


/* --- rate --- */

/* claims at each ms; when the jobs were started, at most max */

static unsigned
starts(fixture_t *f, unsigned ms, int64_t *at, unsigned max)
{
    int64_t   end;
    unsigned  i, n;

    n = 0;

    for (end = f->now + ms; f->now < end; f->now++) {
        assert_int_equal(fixture_claim(f, 8) > 8, 0);

        for (i = 0; i < f->n; i++) {
            assert_true(n < max);
            at[n++] = f->now;
        }
    }

    return n;
}


static void
jobs_start_at_the_rate_evenly(void **state)
{
    int64_t     at[50], began;
    unsigned    i, n;
    fixture_t  *f = *state;

    publish(f, "q", 100 * MS, false);
    submit(f, "q", 1, 30);
    fixture_take_over(f);

    began = f->now;
    n = starts(f, 2000, at, 50);

    assert_in_range(n, 20, 21);
    assert_int_equal(at[0], began);

    for (i = 1; i < n; i++) {
        assert_in_range(at[i] - at[i - 1], 80, 101);
    }

    for (i = 11; i < n; i++) {
        assert_true(at[i] - at[i - 11] >= 1000);
    }
}


static void
the_worker_is_told_when_to_look_again(void **state)
{
    int64_t     due;
    fixture_t  *f = *state;

    publish(f, "q", 250 * MS, false);
    submit(f, "q", 1, 3);
    fixture_take_over(f);

    assert_int_equal(fixture_claim(f, 5), 1);
    assert_false(f->more);
    due = f->next_due;
    assert_in_range(due - f->now, 230, 250);

    /* whether there is room for a job or not */

    assert_int_equal(fixture_claim(f, 0), 0);
    assert_false(f->more);
    assert_int_equal(f->next_due, due);

    f->now = due - 1;
    assert_int_equal(fixture_claim(f, 5), 0);
    f->now = due;
    assert_int_equal(fixture_claim(f, 5), 1);

    /* nobody waits: nothing to look at */

    f->now = f->next_due;
    assert_int_equal(fixture_claim(f, 5), 1);
    assert_int_equal(f->next_due, 0);
}


static void
an_earlier_timer_comes_first(void **state)
{
    fixture_t      *f = *state;
    async_event_t   event;

    publish(f, "q", 1000 * MS, false);
    publish(f, "r", 0, false);
    submit(f, "q", 1, 2);
    submit(f, "r", 11, 1);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 5), 2);

    event = fixture_about(ASYNC_EVENT_RELEASED,
                          f->claims[0].job.queue.data[0] == 'r'
                          ? &f->claims[0].job : &f->claims[1].job);
    event.due = f->now + 50;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_int_equal(fixture_claim(f, 5), 0);
    assert_int_equal(f->next_due, f->now + 50);
    f->now += 50;
    assert_int_equal(fixture_claim(f, 5), 1);
    assert_true(f->next_due > f->now + 900);
}


static void
a_rate_holds_across_restarts(void **state)
{
    int64_t     due;
    fixture_t  *f = *state;

    publish(f, "q", 1000 * MS, false);
    submit(f, "q", 1, 3);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 5), 1);
    due = f->next_due;

    fixture_close(f);
    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_OK);
    fixture_take_over(f);

    assert_int_equal(fixture_claim(f, 5), 0);
    assert_int_equal(f->next_due, due);
    f->now = due;
    assert_int_equal(fixture_claim(f, 5), 1);
}


static void
a_rate_does_not_save_up(void **state)
{
    fixture_t  *f = *state;

    publish(f, "q", 100 * MS, false);
    submit(f, "q", 1, 10);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 5), 1);

    f->now += 3600 * 1000;
    assert_int_equal(fixture_claim(f, 5), 1);
    assert_int_equal(fixture_claim(f, 5), 0);
}


static void
a_high_rate_is_reached_though_the_clock_is_coarse(void **state)
{
    int64_t     end;
    unsigned    n;
    fixture_t  *f = *state;

    publish(f, "q", 500, false);                /* 2000r/s */
    submit(f, "q", 1, 1000);
    fixture_take_over(f);

    n = 0;

    /* the worker looks each 5 ms; what was claimed ends at once */

    for (end = f->now + 200; f->now < end; f->now += 5) {
        unsigned        i;
        async_event_t   events[FIXTURE_CLAIMS];

        n += fixture_claim(f, 40);

        for (i = 0; i < f->n; i++) {
            events[i] = fixture_completed(&f->claims[i].job);
        }

        assert_int_equal(fixture_apply(f, events, f->n), ASYNC_OK);
    }

    assert_in_range(n, 390, 442);
}


static void
a_clock_that_was_set_back_holds_nobody_up(void **state)
{
    fixture_t  *f = *state;

    publish(f, "q", 100 * MS, false);
    submit(f, "q", 1, 10);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 5), 1);

    f->now -= 3600 * 1000;
    assert_int_equal(fixture_claim(f, 5), 1);
    assert_int_equal(fixture_claim(f, 5), 0);
    assert_true(f->next_due <= f->now + 100);
}


static void
a_slow_queue_does_not_hold_up_another(void **state)
{
    unsigned    i, fast;
    fixture_t  *f = *state;

    publish(f, "a-slow", 1000 * MS, false);
    publish(f, "fast", 0, false);
    submit(f, "a-slow", 1, 20);
    submit(f, "fast", 101, 20);
    fixture_take_over(f);

    assert_int_equal(fixture_claim(f, 10), 10);

    for (i = 0, fast = 0; i < f->n; i++) {
        fast += f->claims[i].job.queue.data[0] == 'f';
    }

    assert_int_equal(fast, 9);
    assert_true(f->more);
    assert_int_equal(fixture_claim(f, 40), 11);
}


/* --- damage --- */

static void
a_damaged_row_is_told_of_and_counts_as_none(void **state)
{
    async_error_t           err;
    fixture_t              *f = *state;
    async_key_t             key;
    async_check_figures_t   figures;

    publish(f, "q", 0, true);
    submit(f, "q", 1, 1);
    fixture_take_over(f);

    async_key_gate(&key, fixture_str("q"));
    fixture_overwrite(f, &key, "rubbish", 7);

    assert_int_equal(async_store_check(f->store, &figures,
                                       fixture_check_fault, NULL, NULL, &err),
                     ASYNC_OK);
    assert_int_equal(figures.faults, 1);

    assert_int_equal(fixture_claim(f, 1), 1);
    assert_int_equal(set_paused(f, "q", true), ASYNC_OK);
    fixture_assert_sound(f);
}


static void
it_stays_paused_in_a_salvaged_store(void **state)
{
    char                      path[512];
    fixture_t                *f = *state;
    async_salvage_figures_t   figures;
    async_salvage_options_t   options;

    publish(f, "q", 0, false);
    assert_int_equal(set_paused(f, "q", true), ASYNC_OK);
    submit(f, "q", 1, 1);
    fixture_close(f);

    fixture_folder(path, sizeof(path));
    assert_int_equal(async_store_prepare(path, geteuid(), getegid(), &f->err),
                     ASYNC_OK);

    options.from = f->path;
    options.to = path;
    options.now = f->now;
    assert_int_equal(async_store_salvage(&options, &figures,
                                         fixture_check_fault, NULL, NULL,
                                         &f->err), ASYNC_OK);
    fixture_remove(f->path);
    memcpy(f->path, path, sizeof(path));

    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_OK);
    fixture_take_over(f);
    assert_true(is_paused(f, "q"));
    assert_int_equal(fixture_claim(f, 1), 0);
    fixture_assert_counts(f, "q", 1, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(a_paused_queue_gives_nothing_until_it_is_resumed),
        sound(others_go_on_beside_it),
        sound(what_runs_goes_on_while_it_is_paused),
        sound(the_file_says_it_at_the_first_appearance_only),
        sound(it_stays_paused_when_the_store_is_opened_anew),
        sound(a_queue_that_is_not_there_cannot_be_paused),
        sound(jobs_start_at_the_rate_evenly),
        sound(the_worker_is_told_when_to_look_again),
        sound(an_earlier_timer_comes_first),
        sound(a_rate_holds_across_restarts),
        sound(a_rate_does_not_save_up),
        sound(a_high_rate_is_reached_though_the_clock_is_coarse),
        sound(a_clock_that_was_set_back_holds_nobody_up),
        sound(a_slow_queue_does_not_hold_up_another),
        sound(a_damaged_row_is_told_of_and_counts_as_none),
        sound(it_stays_paused_in_a_salvaged_store)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
