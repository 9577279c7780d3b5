/*
 * Who was away learns what changed; and the history of one job.
 */

#include "async_fixture.h"


typedef struct {
    unsigned    n, stop;            /* stop after so many; 0 = never */
    async_id_t  ids[64];
    uint64_t    seqs[64];
} seen_t;


static bool
see(void *data, const async_id_t *id, uint64_t seq)
{
    seen_t  *seen = data;

    seen->ids[seen->n % 64] = *id;
    seen->seqs[seen->n % 64] = seq;
    seen->n++;

    return seen->n != seen->stop;
}


static seen_t
feed(fixture_t *f, uint64_t *seq, unsigned limit, unsigned stop, bool *lost)
{
    seen_t  seen;

    memset(&seen, 0, sizeof(seen));
    seen.stop = stop;
    assert_int_equal(async_view_feed(f->view, seq, limit, lost, see, &seen),
                     ASYNC_OK);

    return seen;
}


static void
an_empty_store_has_no_news(void **state)
{
    bool        lost;
    uint64_t    seq;
    fixture_t  *f = *state;

    seq = 5;
    assert_int_equal(async_view_feed_last(f->view, &seq), ASYNC_OK);
    assert_int_equal(seq, 0);
    assert_int_equal(feed(f, &seq, 10, 0, &lost).n, 0);
    assert_int_equal(seq, 0);
    assert_false(lost);
}


static void
each_change_is_told_once_in_order(void **state)
{
    bool           lost;
    seen_t         seen;
    uint64_t       seq;
    fixture_t     *f = *state;
    async_id_t     id;
    async_event_t  event;

    fixture_take_over(f);
    fixture_submit_all(f, 1, 2);
    assert_int_equal(fixture_claim(f, 1), 1);
    event = fixture_completed(&f->claims[0].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_int_equal(async_view_feed_last(f->view, &seq), ASYNC_OK);
    assert_int_equal(seq, 4);

    seq = 0;
    seen = feed(f, &seq, 10, 0, &lost);
    assert_int_equal(seen.n, 4);
    assert_int_equal(seq, 4);
    assert_false(lost);

    id = fixture_id(1);
    assert_memory_equal(&seen.ids[0], &id, sizeof(id));
    assert_int_equal(seen.seqs[0], 1);
    assert_memory_equal(&seen.ids[2], &id, sizeof(id));
    assert_int_equal(seen.seqs[2], 2);
    assert_int_equal(seen.seqs[3], 3);
    id = fixture_id(2);
    assert_memory_equal(&seen.ids[1], &id, sizeof(id));

    assert_int_equal(feed(f, &seq, 10, 0, &lost).n, 0);

    /* by limit and by the reader's word it stops with the place kept */

    seq = 0;
    assert_int_equal(feed(f, &seq, 3, 0, &lost).n, 3);
    assert_int_equal(seq, 3);
    seq = 1;
    assert_int_equal(feed(f, &seq, 10, 2, &lost).n, 2);
    assert_int_equal(seq, 3);
}


static void
who_was_away_for_too_long_is_told_so(void **state)
{
    bool         lost;
    seen_t       seen;
    uint64_t     seq, n;
    fixture_t   *f = *state;
    async_key_t  key;

    fixture_submit_all(f, 1, 5);

    for (n = 1; n <= 2; n++) {
        async_key_feed(&key, n);
        fixture_overwrite(f, &key, NULL, 0);
    }

    seq = 0;
    seen = feed(f, &seq, 10, 0, &lost);
    assert_true(lost);
    assert_int_equal(seen.n, 3);
    assert_int_equal(seq, 5);

    seq = 2;
    seen = feed(f, &seq, 10, 0, &lost);
    assert_false(lost);
    assert_int_equal(seen.n, 3);
}


/* a feed with a number so high that the oldest are past what is kept */

static void
the_feed_is_trimmed_to_its_newest(void **state)
{
    bool           lost;
    char           value[24] = { 0 };
    uint64_t       seq, n;
    unsigned       calls;
    fixture_t     *f = *state;
    async_key_t    key;

    for (n = 1; n <= 600; n++) {
        async_key_feed(&key, n);
        fixture_overwrite(f, &key, value, sizeof(value));
    }

    async_key_feed(&key, 100200);
    fixture_overwrite(f, &key, value, sizeof(value));

    /* what the next one makes 201 too many of goes in one slice */

    fixture_submit_all(f, 1, 1);
    assert_int_equal(fixture_entries(f, ASYNC_DB_FEED), 601 - 201 + 1);

    async_key_feed(&key, 200000);
    fixture_overwrite(f, &key, value, sizeof(value));

    for (calls = 1; fixture_entries(f, ASYNC_DB_FEED) > calls + 2; calls++) {
        fixture_submit_all(f, 1 + calls, 1);
        assert_true(calls < 10);
    }

    assert_true(calls > 1);                         /* in slices */

    seq = 0;
    (void) feed(f, &seq, 1000, 0, &lost);
    assert_true(lost);
}


typedef struct {
    unsigned       n, stop;
    uint64_t       seqs[16];
    async_trail_t  lines[16];
} history_t;


static bool
line(void *data, uint64_t seq, const async_trail_t *t)
{
    history_t  *history = data;

    history->seqs[history->n] = seq;
    history->lines[history->n] = *t;
    history->n++;

    return history->n != history->stop;
}


static history_t
trail(fixture_t *f, const async_id_t *id, uint64_t seq, unsigned stop)
{
    history_t  history;

    memset(&history, 0, sizeof(history));
    history.stop = stop;
    assert_int_equal(async_view_trail(f->view, id, seq, line, &history),
                     ASYNC_OK);

    return history;
}


static void
a_trail_is_of_its_job_alone(void **state)
{
    fixture_t      *f = *state;
    async_id_t      id;
    history_t       history;
    async_event_t   event;

    fixture_take_over(f);
    fixture_submit_all(f, 1, 3);
    f->now += 10;
    assert_int_equal(fixture_claim(f, 2), 2);
    f->now += 10;
    event = fixture_about(ASYNC_EVENT_FAILED, &f->claims[1].job);
    event.error = ASYNC_JOB_ERROR_TIMEOUT;
    event.duration = 10;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    id = fixture_id(2);
    history = trail(f, &id, 0, 0);
    assert_int_equal(history.n, 3);
    assert_int_equal(history.seqs[0], 1);
    assert_int_equal(history.lines[0].event, ASYNC_EVENT_SUBMITTED);
    assert_int_equal(history.lines[0].attempt, 0);
    assert_int_equal(history.lines[1].event, ASYNC_EVENT_STARTED);
    assert_int_equal(history.lines[1].at, FIXTURE_NOW + 10);
    assert_int_equal(history.lines[2].event, ASYNC_EVENT_FAILED);
    assert_int_equal(history.lines[2].state, ASYNC_STATE_FAILED);
    assert_int_equal(history.lines[2].error, ASYNC_JOB_ERROR_TIMEOUT);
    assert_int_equal(history.lines[2].duration, 10);
    assert_int_equal(history.lines[2].attempt, 1);

    history = trail(f, &id, 2, 0);
    assert_int_equal(history.n, 1);
    assert_int_equal(history.seqs[0], 3);
    assert_int_equal(trail(f, &id, 3, 0).n, 0);
    assert_int_equal(trail(f, &id, 0, 2).n, 2);

    id = fixture_id(3);                             /* the last of all */
    assert_int_equal(trail(f, &id, 0, 0).n, 1);
    id = fixture_id(9);
    assert_int_equal(trail(f, &id, 0, 0).n, 0);
}


static void
a_damaged_line_is_left_out(void **state)
{
    size_t       len;
    uint8_t      buf[ASYNC_TRAIL_MAX];
    fixture_t   *f = *state;
    async_id_t   id;
    history_t    history;
    async_key_t  key;

    fixture_take_over(f);
    fixture_submit_all(f, 1, 1);
    assert_int_equal(fixture_claim(f, 1), 1);

    id = fixture_id(1);
    async_key_trail(&key, &id, 1);
    len = fixture_value(f, &key, buf, sizeof(buf));
    fixture_overwrite(f, &key, buf, len - 1);

    history = trail(f, &id, 0, 0);
    assert_int_equal(history.n, 1);
    assert_int_equal(history.seqs[0], 2);
}


static void
a_damaged_entry_of_the_feed_is_corrupt(void **state)
{
    bool         lost;
    seen_t       seen;
    uint64_t     seq;
    fixture_t   *f = *state;
    async_key_t  key;

    fixture_submit_all(f, 1, 3);
    async_key_feed(&key, 2);
    fixture_overwrite(f, &key, "short", 5);

    memset(&seen, 0, sizeof(seen));
    seq = 0;

    /* told as lost, so that nobody waits behind it for ever */

    assert_int_equal(async_view_feed(f->view, &seq, 10, &lost, see, &seen),
                     ASYNC_OK);
    assert_true(lost);
    assert_int_equal(seen.n, 2);
    assert_int_equal(seq, 3);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(an_empty_store_has_no_news),
        sound(each_change_is_told_once_in_order),
        plain(who_was_away_for_too_long_is_told_so),
        plain(the_feed_is_trimmed_to_its_newest),
        sound(a_trail_is_of_its_job_alone),
        plain(a_damaged_line_is_left_out),
        plain(a_damaged_entry_of_the_feed_is_corrupt)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
