/*
 * What backends report of a job that runs.
 */

#include "async_one_job.h"
#include "async_check.h"
#include "async_pace.h"


static void
a_report_is_a_line_and_the_next_takes_its_place(void **state)
{
    lines_t             found;
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_job_t         job;
    const async_job_t  *claimed;

    claimed = one_running(f, 0);

    assert_int_equal(reported(f, claimed, 10, "page 1"), ASYNC_OK);
    job = fixture_look(f, &claimed->id, buf);
    assert_int_equal(job.state, ASYNC_STATE_PROCESSING);
    assert_int_equal(job.percent, 10);
    assert_memory_equal(job.message.data, "page 1", 6);
    assert_int_equal(job.seq, 3);
    assert_int_equal(job.reports.row, 3);
    assert_int_equal(job.reports.thinned, 0);

    found = lines(f, &job.id);
    assert_int_equal(found.n, 3);
    assert_int_equal(found.last.event, ASYNC_EVENT_PROGRESSED);
    assert_string_equal(found.by, "backend");

    /* each field stands until it is said again */

    f->now += 1000;
    assert_int_equal(reported(f, claimed, 20, NULL), ASYNC_OK);
    f->now += 1000;
    assert_int_equal(reported(f, claimed, ASYNC_NO_PERCENT, "page 3"),
                     ASYNC_OK);

    job = fixture_look(f, &claimed->id, buf);
    assert_int_equal(job.percent, 20);
    assert_memory_equal(job.message.data, "page 3", 6);
    assert_int_equal(job.seq, 5);
    assert_int_equal(job.reports.thinned, 2);
    assert_int_equal(lines(f, &job.id).n, 3);

    /* the same again is nothing new */

    f->now += 1000;
    assert_int_equal(reported(f, claimed, 20, "page 3"), ASYNC_OK);
    job = fixture_look(f, &claimed->id, buf);
    assert_int_equal(job.seq, 5);

    fixture_assert_counts(f, "default", 0, 1);
}


static void
the_end_leaves_no_line_of_progress_and_how_far_it_came(void **state)
{
    lines_t             found;
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_job_t         job;
    async_event_t       event;
    const async_job_t  *claimed;

    claimed = one_running(f, 0);
    assert_int_equal(reported(f, claimed, 90, "almost"), ASYNC_OK);
    assert_int_equal(cancel(f, &claimed->id), ASYNC_OK);

    event = fixture_completed(claimed);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    job = fixture_look(f, &claimed->id, buf);
    assert_int_equal(job.percent, 90);
    assert_int_equal(job.seq, 5);
    assert_int_equal(job.reports.row, 0);
    assert_int_equal(job.reports.thinned, 1);

    found = lines(f, &job.id);
    assert_int_equal(found.n, 4);
    assert_int_equal(found.last.event, ASYNC_EVENT_COMPLETED);

    assert_int_equal(reported(f, claimed, 91, NULL), ASYNC_REFUSED);
}


static void
the_next_attempt_begins_anew(void **state)
{
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_job_t         job, first;
    async_event_t       event;
    const async_job_t  *claimed;

    claimed = one_running(f, ASYNC_JOB_REPEATABLE);
    first = *claimed;
    assert_int_equal(reported(f, claimed, 50, "half"), ASYNC_OK);

    event = fixture_about(ASYNC_EVENT_INTERRUPTED, claimed);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    job = fixture_look(f, &first.id, buf);
    assert_int_equal(job.percent, ASYNC_NO_PERCENT);
    assert_int_equal(job.message.len, 0);
    assert_int_equal(reported(f, &first, 51, NULL), ASYNC_STALE);

    assert_int_equal(fixture_claim(f, 1), 1);
    assert_int_equal(f->claims[0].job.attempt, 2);
    assert_int_equal(reported(f, &first, 52, NULL), ASYNC_STALE);
    f->now += 1000;
    assert_int_equal(reported(f, &f->claims[0].job, 5, NULL), ASYNC_OK);

    job = fixture_look(f, &first.id, buf);
    assert_int_equal(job.percent, 5);
    assert_int_equal(job.message.len, 0);
    assert_int_equal(job.reports.thinned, 1);
}


static void
many_at_once_are_paced_and_the_last_one_counts(void **state)
{
    unsigned            i, n;
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_job_t         job;
    async_event_t       event;
    const async_job_t  *claimed;

    claimed = one_running(f, 0);

    for (i = 0, n = 0; i < 50; i++) {
        event = report(claimed, (uint8_t) i, NULL, f->now * 1000 + i);

        switch (fixture_event(f, &event)) {

        case ASYNC_OK:
            n++;
            break;

        case ASYNC_EARLY:
            assert_true(event.due > f->now);
            assert_true(event.due <= f->now + ASYNC_PACE_INTERVAL);
            break;

        default:
            fail();
        }
    }

    assert_int_equal(n, ASYNC_PACE_BURST);
    job = fixture_look(f, &claimed->id, buf);
    assert_int_equal(job.seq, 2 + ASYNC_PACE_BURST);

    /* the one that waited is written after one that came in later */

    event = report(claimed, 60, NULL, f->now * 1000 + 60);
    f->now += 1000;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    event = report(claimed, 55, NULL, (f->now - 1000) * 1000 + 55);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    job = fixture_look(f, &claimed->id, buf);
    assert_int_equal(job.percent, 60);

    /* unless the clock was set back by much */

    event = report(claimed, 61, NULL, (f->now - 3600 * 1000) * 1000);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    job = fixture_look(f, &claimed->id, buf);
    assert_int_equal(job.percent, 61);
}


static void
a_job_that_runs_not_has_nothing_to_report(void **state)
{
    fixture_t      *f = *state;
    async_job_t     job, none;
    async_event_t   event;

    job = fixture_job(1);
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
    assert_int_equal(reported(f, &job, 1, NULL), ASYNC_STALE);

    none = job;
    none.id = fixture_id(77);
    assert_int_equal(reported(f, &none, 1, NULL), ASYNC_NOT_FOUND);

    event = report(&job, 101, NULL, 1);
    assert_int_equal(fixture_event(f, &event), ASYNC_INVALID);
}


/* a record is full: what ends the job goes before what was said of it */

static void
a_long_message_is_cut_where_it_leaves_no_room(void **state)
{
    char                text[1025], uri[256], prefix[512];
    size_t              len;
    uint8_t             buf[ASYNC_JOB_MAX];
    fixture_t          *f = *state;
    async_job_t         job;
    async_event_t       event;

    memset(uri, 'u', sizeof(uri));
    memset(prefix, 'p', sizeof(prefix));

    for (len = 0; len < 1024; len += 2) {
        memcpy(text + len, "\xc3\xa4", 2);
    }

    text[1024] = '\0';

    job = fixture_job(1);
    job.uri.data = uri;
    job.uri.len = sizeof(uri);
    job.status_prefix.data = prefix;
    job.status_prefix.len = sizeof(prefix);
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 1), 1);

    assert_int_equal(reported(f, &f->claims[0].job, 10, text), ASYNC_OK);
    job = fixture_look(f, &f->claims[0].job.id, buf);
    assert_int_equal(job.percent, 10);
    assert_true(job.message.len > 800 && job.message.len <= 1024);
    assert_int_equal(job.message.len % 2, 0);

    event = fixture_completed(&f->claims[0].job);
    event.resource.data = prefix;
    event.resource.len = sizeof(prefix);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    job = fixture_look(f, &f->claims[0].job.id, buf);
    assert_int_equal(job.state, ASYNC_STATE_COMPLETED);
    assert_int_equal(job.resource.len, sizeof(prefix));
}


static void
found_fault(void *data, const char *fault)
{
    (void) fault;

    (*(unsigned *) data)++;
}


static void
a_check_counts_the_lines_that_stand(void **state)
{
    uint8_t               buf[ASYNC_JOB_MAX], line[ASYNC_TRAIL_MAX];
    size_t                len;
    unsigned              faults;
    fixture_t            *f = *state;
    async_key_t           key;
    async_job_t           job;
    async_error_t         err;
    const async_job_t    *claimed;
    async_check_figures_t figures;

    claimed = one_running(f, 0);
    assert_int_equal(reported(f, claimed, 10, NULL), ASYNC_OK);
    f->now += 1000;
    assert_int_equal(reported(f, claimed, 20, NULL), ASYNC_OK);
    job = fixture_look(f, &claimed->id, buf);

    fixture_assert_sound(f);

    /* one line more than there should be */

    async_key_trail(&key, &job.id, 4);
    len = fixture_value(f, &key, line, sizeof(line));
    async_key_trail(&key, &job.id, 3);
    fixture_overwrite(f, &key, line, len);

    faults = 0;
    assert_int_equal(async_store_check(f->store, &figures, found_fault, NULL,
                                       &faults, &err), ASYNC_OK);
    assert_true(faults > 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(
            a_report_is_a_line_and_the_next_takes_its_place,
            fixture_setup, fixture_teardown_sound),
        cmocka_unit_test_setup_teardown(
            the_end_leaves_no_line_of_progress_and_how_far_it_came,
            fixture_setup, fixture_teardown_sound),
        cmocka_unit_test_setup_teardown(the_next_attempt_begins_anew,
            fixture_setup, fixture_teardown_sound),
        cmocka_unit_test_setup_teardown(
            many_at_once_are_paced_and_the_last_one_counts,
            fixture_setup, fixture_teardown_sound),
        cmocka_unit_test_setup_teardown(
            a_job_that_runs_not_has_nothing_to_report,
            fixture_setup, fixture_teardown_sound),
        cmocka_unit_test_setup_teardown(
            a_long_message_is_cut_where_it_leaves_no_room,
            fixture_setup, fixture_teardown_sound),
        cmocka_unit_test_setup_teardown(a_check_counts_the_lines_that_stand,
            fixture_setup, fixture_teardown)
    };

    return cmocka_run_group_tests_name("async_report", tests, NULL, NULL);
}
