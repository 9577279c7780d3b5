/*
 * Salvage: damages of one kind each.
 */

#include "async_salvaged.h"


static void
a_healthy_store_comes_back_as_it_was(void **state)
{
    salvaged_t    x;
    async_line_t  line;
    async_runs_t  again;

    (void) state;

    salvage(&x, image, size);

    assert_all_back(&x, false);
    assert_true(async_salvage_whole(&x.figures));
    assert_int_equal(x.figures.promised, JOBS);
    assert_int_equal(x.figures.damaged, 0);
    assert_int_equal(async_store_epoch(x.f.store), whole->epoch + 1);

    /* what was learned is not learned once more */

    assert_int_equal(async_view_runs(x.f.view, 7, policy_of(false)->location,
                                     &again), ASYNC_OK);
    assert_memory_equal(&again, &learned, sizeof(learned));

    assert_int_equal(async_view_line(x.f.view, fixture_str("default"), &line),
                     ASYNC_OK);
    assert_int_not_equal(line.each, 0);

    salvaged_done(&x);
}


/* who asks again after that gets the job that he had */

static void
what_a_job_is_known_by_comes_back(void **state)
{
    unsigned       n;
    salvaged_t     x;
    async_rc_t     rc;
    async_job_t    job;
    async_event_t  event;

    (void) state;

    salvage(&x, image, size);
    assert_int_equal(x.rc, ASYNC_OK);

    for (n = 0; n < JOBS; n += 3) {
        job = fixture_job(1000 + n);
        event = fixture_submitted(&job);
        event.idempotency.used = true;
        event.idempotency.ttl = DAY;
        memset(event.idempotency.hash, (int) n, ASYNC_SUBMIT_HASH);
        memset(event.idempotency.print, (int) n + 1, ASYNC_SUBMIT_PRINT);

        rc = fixture_event(&x.f, &event);
        assert_int_equal(rc, ASYNC_EXISTS);
        assert_non_null(now_of(&event.id));
    }

    assert_int_equal(fixture_entries(&x.f, ASYNC_DB_OWNERS), JOBS / 2);

    salvaged_done(&x);
}


/* so does who was coalesced into another's */

static void
further_keys_come_back(void **state)
{
    int             fd;
    void           *made;
    char            path[600];
    unsigned        n;
    uint8_t        *copy;
    fixture_t      *f;
    salvaged_t      x;
    struct stat     st;
    async_job_t     job;
    async_event_t   event;

    (void) state;

    fixture_setup(&made);
    f = made;

    for (n = 1; n <= 5; n++) {
        job = fixture_job(n);
        event = fixture_submitted(&job);
        event.idempotency.used = true;
        event.idempotency.ttl = DAY;
        memset(event.idempotency.hash, (int) n, ASYNC_SUBMIT_HASH);
        memset(event.idempotency.print, (int) n, ASYNC_SUBMIT_PRINT);
        event.coalesce.used = true;
        memset(event.coalesce.hash, 'c', ASYNC_SUBMIT_HASH);
        assert_int_equal(fixture_event(f, &event),
                         n == 1 ? ASYNC_OK : ASYNC_EXISTS);
    }

    file_path(path, f->path, "db/data.mdb");
    fd = open(path, O_RDONLY);
    assert_int_equal(fstat(fd, &st), 0);
    copy = malloc((size_t) st.st_size);
    assert_int_equal(read(fd, copy, (size_t) st.st_size), st.st_size);
    close(fd);

    salvage(&x, copy, (size_t) st.st_size);
    assert_int_equal(x.rc, ASYNC_OK);
    assert_int_equal(fixture_entries(&x.f, ASYNC_DB_JOBS), 1);
    assert_int_equal(fixture_entries(&x.f, ASYNC_DB_KNOWN), 10);

    for (n = 1; n <= 5; n++) {
        job = fixture_job(10 + n);
        event = fixture_submitted(&job);
        event.idempotency.used = true;
        memset(event.idempotency.hash, (int) n, ASYNC_SUBMIT_HASH);
        memset(event.idempotency.print, (int) n, ASYNC_SUBMIT_PRINT);
        assert_int_equal(fixture_event(&x.f, &event), ASYNC_EXISTS);
    }

    salvaged_done(&x);
    free(copy);
    fixture_teardown(&made);
}


static void
a_lost_meta_page_is_no_loss(void **state)
{
    int         i;
    uint8_t    *copy;
    salvaged_t  x;

    (void) state;

    for (i = 0; i < 2; i++) {
        copy = copy_of_image();
        memset(copy + i * PAGE, 0, PAGE);

        salvage(&x, copy, size);
        assert_all_back(&x, true);
        assert_true(async_salvage_whole(&x.figures));

        salvaged_done(&x);
        free(copy);
    }
}


/* the one that leads to the older state pretends to be the newer */

static void
a_meta_page_that_lies_about_its_age_is_found_out(void **state)
{
    int         older;
    uint8_t    *copy;
    uint64_t    txn[2], lie;
    salvaged_t  x;

    (void) state;

    memcpy(&txn[0], image + 16 + 128, 8);
    memcpy(&txn[1], image + PAGE + 16 + 128, 8);
    older = txn[0] > txn[1];
    lie = txn[older] + 2;

    copy = copy_of_image();
    memcpy(copy + older * PAGE + 16 + 128, &lie, 8);

    salvage(&x, copy, size);
    assert_all_back(&x, true);

    salvaged_done(&x);
    free(copy);
}


static void
without_both_meta_pages_no_job_is_lost(void **state)
{
    uint8_t    *copy;
    salvaged_t  x;
    span_t      damage = { 0, 2 * PAGE };

    (void) state;

    copy = copy_of_image();
    memset(copy, 0xff, 2 * PAGE);

    salvage(&x, copy, size);

    assert_int_equal(x.rc, ASYNC_OK);
    (void) compare(&x, damage, true);
    assert_int_equal(x.figures.jobs, JOBS + back);

    salvaged_done(&x);
    free(copy);
}


/* the page that a tree begins with: all of its leaves are still there */

static void
the_tree_is_not_needed(void **state)
{
    size_t      page;
    uint8_t    *copy;
    uint16_t    flags;
    unsigned    branches;
    salvaged_t  x;
    span_t      damage;

    (void) state;

    for (page = 2, branches = 0; page < size / PAGE; page++) {

        memcpy(&flags, image + page * PAGE + 10, sizeof(flags));

        if (flags != 1 || memcmp(image + page * PAGE, &page, 8) != 0) {
            continue;
        }

        damage.from = page * PAGE;
        damage.to = damage.from + PAGE;

        if (blinding(damage)) {
            continue;
        }

        branches++;
        copy = copy_of_image();
        memset(copy + page * PAGE, 0, PAGE);

        salvage(&x, copy, size);
        assert_int_equal(x.rc, ASYNC_OK);
        assert_int_equal(compare(&x, damage, false), 0);

        salvaged_done(&x);
        free(copy);
    }

    print_message("# %u branch pages, lost one at a time\n", branches);
    assert_true(branches > 3);
}


static void
what_is_no_store_is_said_to_be_none(void **state)
{
    char        junk[3 * PAGE];
    unsigned    i;
    salvaged_t  x;

    (void) state;

    salvage(&x, (uint8_t *) "", 0);
    assert_int_equal(x.rc, ASYNC_CORRUPT);
    assert_non_null(strstr(x.f.err.text, "is empty"));
    salvaged_done(&x);

    for (i = 0; i < sizeof(junk); i++) {
        junk[i] = (char) (i * 131 + i / 7);
    }

    salvage(&x, (uint8_t *) junk, sizeof(junk));
    assert_int_equal(x.rc, ASYNC_CORRUPT);
    assert_non_null(strstr(x.f.err.text, "nothing of a store was found"));
    salvaged_done(&x);

    salvage(&x, (uint8_t *) junk, 17);
    assert_int_equal(x.rc, ASYNC_CORRUPT);
    salvaged_done(&x);
}


static void
a_store_is_not_written_over(void **state)
{
    char                     path[600];
    salvaged_t               x;
    async_salvage_options_t  options;

    (void) state;

    salvage(&x, image, size);
    fixture_close(&x.f);

    options.from = x.from;
    options.to = x.f.path;
    options.now = 0;

    assert_int_equal(async_store_salvage(&options, &x.figures, NULL, NULL,
                                         NULL, &x.f.err), ASYNC_INVALID);
    assert_non_null(strstr(x.f.err.text, "already"));

    file_path(path, x.f.path, "db/data.mdb");
    assert_int_equal(access(path, F_OK), 0);

    x.rc = ASYNC_INVALID;
    salvaged_done(&x);
}


/* a spooled result with a flipped bit: the job stays, its result goes */

static void
a_damaged_file_is_not_a_result(void **state)
{
    int            fd;
    char           path[700], moved[700];
    unsigned       i;
    uint8_t        buf[ASYNC_JOB_MAX];
    async_job_t    job;
    salvaged_t     x;
    char           text[ASYNC_ID_TEXT + 1];

    (void) state;

    for (i = 0; i < njobs; i++) {
        (void) async_job_decode(&job, &models[i].id, models[i].record,
                                models[i].len);

        if (job.response.where == ASYNC_BODY_SPOOL && job.response.len > 0) {
            break;
        }
    }

    assert_true(i < njobs);

    *async_id_format(text, &job.id) = '\0';
    snprintf(path, sizeof(path), "%s/spool/%s.res", whole->path, text);
    snprintf(moved, sizeof(moved), "%s/kept", root);

    assert_int_equal(rename(path, moved), 0);
    fd = open(path, O_WRONLY|O_CREAT, 0600);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);

    salvage(&x, image, size);

    assert_int_equal(x.rc, ASYNC_OK);
    assert_false(async_salvage_whole(&x.figures));
    assert_int_equal(x.figures.no_result, 1);
    assert_int_equal(x.figures.whole, JOBS - 1);
    assert_non_null(strstr(said, text));
    assert_non_null(strstr(said, "its result is lost"));

    job = fixture_look(&x.f, &models[i].id, buf);
    assert_int_equal(job.state, ASYNC_STATE_COMPLETED);
    assert_true(job.flags & ASYNC_JOB_SWEPT);

    salvaged_done(&x);
    assert_int_equal(rename(moved, path), 0);
}


/*
 * The newest state is gone without a trace but for its leaves: a job that it
 * claimed must not be found waiting in the state before.
 */

static void
a_claimed_job_does_not_wait_again(void **state)
{
    int         newer;
    uint8_t    *copy;
    uint64_t    txn[2], main;
    span_t      damage = { 0, 2 * PAGE };
    salvaged_t  x;

    (void) state;

    memcpy(&txn[0], image + 16 + 128, 8);
    memcpy(&txn[1], image + PAGE + 16 + 128, 8);
    newer = txn[1] > txn[0];

    memcpy(&main, image + newer * PAGE + 16 + 24 + 48 + 40, 8);

    copy = copy_of_image();
    memset(copy + newer * PAGE, 0, PAGE);
    memset(copy + main * PAGE, 0, PAGE);

    salvage(&x, copy, size);
    assert_int_equal(x.rc, ASYNC_OK);

    look(&x);
    (void) damage;

    for (unsigned i = 0; i < njobs; i++) {
        if (now[i].found) {
            assert_nothing_wrong(&models[i], &now[i]);
        }
    }

    salvaged_done(&x);
    free(copy);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_healthy_store_comes_back_as_it_was),
        cmocka_unit_test(what_a_job_is_known_by_comes_back),
        cmocka_unit_test(further_keys_come_back),
        cmocka_unit_test(a_lost_meta_page_is_no_loss),
        cmocka_unit_test(a_meta_page_that_lies_about_its_age_is_found_out),
        cmocka_unit_test(without_both_meta_pages_no_job_is_lost),
        cmocka_unit_test(the_tree_is_not_needed),
        cmocka_unit_test(what_is_no_store_is_said_to_be_none),
        cmocka_unit_test(a_store_is_not_written_over),
        cmocka_unit_test(a_damaged_file_is_not_a_result),
        cmocka_unit_test(a_claimed_job_does_not_wait_again)
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
