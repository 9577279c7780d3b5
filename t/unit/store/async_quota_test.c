/*
 * How full is full.
 */

#include "async_fixture.h"


#define SIZE  (100ull << 20)


static int
setup(void **state)
{
    return fixture_setup_size(state, SIZE);
}


static void
measure(fixture_t *f)
{
    f->store->quota->at -= 1000;
    assert_int_equal(async_quota_measure(f->store, &f->err), ASYNC_OK);
}


static void
what_is_written_counts_before_it_is_measured(void **state)
{
    uint64_t      before, guess, real;
    fixture_t    *f = *state;

    measure(f);
    before = async_quota_used(f->store, 0);

    fixture_submit_all(f, 1, 300);
    guess = async_quota_used(f->store, 0) - before;

    measure(f);
    real = async_quota_used(f->store, 0) - before;

    assert_true(guess >= real);
    assert_true(guess < real * 8);
}


static void
pages_that_are_free_again_do_not_count(void **state)
{
    int           n;
    uint64_t      full, empty;
    uint8_t       big[4000] = { 0 };
    fixture_t    *f = *state;
    async_id_t    id;
    async_key_t   key;

    id = fixture_id(1);

    for (n = 0; n < 50; n++) {
        async_key_payload(&key, &id, ASYNC_PAYLOAD_RESPONSE_BODY, n);
        fixture_overwrite(f, &key, big, sizeof(big));
    }

    measure(f);
    full = async_quota_used(f->store, 0);

    for (n = 0; n < 50; n++) {
        async_key_payload(&key, &id, ASYNC_PAYLOAD_RESPONSE_BODY, n);
        fixture_overwrite(f, &key, NULL, 0);
    }

    measure(f);
    empty = async_quota_used(f->store, 0);

    assert_true(full - empty >= 50 * 4096);
}


static void
the_marks_are_at_90_and_98_percent(void **state)
{
    fixture_t  *f = *state;

    measure(f);
    f->store->quota->pages = 0;
    f->store->quota->added = 0;

    assert_true(async_quota_allows(f->store, 0, SIZE / 100 * 90, 90));
    assert_false(async_quota_allows(f->store, 0, SIZE / 100 * 90 + 1, 90));
    assert_true(async_quota_allows(f->store, SIZE / 2, SIZE / 100 * 48, 98));
    assert_false(async_quota_allows(f->store, SIZE / 2,
                                    SIZE / 100 * 48 + 1, 98));
}


static void
spool_and_map_share_one_bound(void **state)
{
    fixture_t     *f = *state;
    async_job_t    job;
    async_event_t  event;

    fixture_take_over(f);

    job = fixture_job(1);
    job.request.where = ASYNC_BODY_SPOOL;
    job.request.len = SIZE / 100 * 85;
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);

    job = fixture_job(2);
    job.request.where = ASYNC_BODY_SPOOL;
    job.request.len = SIZE / 100 * 6;
    assert_int_equal(fixture_submit(f, &job), ASYNC_STORE_FULL);

    job = fixture_job(3);
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);

    /* a result may go on to 98, and not beyond */

    assert_int_equal(fixture_claim(f, 2), 2);

    event = fixture_completed(&f->claims[0].job);
    event.type = ASYNC_EVENT_FAILED;
    event.error = ASYNC_JOB_ERROR_BACKEND_STATUS;
    event.response.where = ASYNC_BODY_SPOOL;
    event.response.len = SIZE / 100 * 14;
    event.payload.body.len = 0;
    assert_int_equal(fixture_event(f, &event), ASYNC_STORE_FULL);

    event.response.len = SIZE / 100 * 10;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    job = fixture_job(4);
    assert_int_equal(fixture_submit(f, &job), ASYNC_STORE_FULL);

    event = fixture_completed(&f->claims[1].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
}


/* what ran to its end gives back what its request took */

static void
a_completed_job_makes_room(void **state)
{
    fixture_t      *f = *state;
    async_job_t     job;
    async_event_t   event;

    fixture_take_over(f);

    job = fixture_job(1);
    job.request.where = ASYNC_BODY_SPOOL;
    job.request.len = SIZE / 100 * 85;
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);

    job = fixture_job(2);
    job.request.where = ASYNC_BODY_SPOOL;
    job.request.len = SIZE / 100 * 6;
    assert_int_equal(fixture_submit(f, &job), ASYNC_STORE_FULL);

    assert_int_equal(fixture_claim(f, 1), 1);
    event = fixture_completed(&f->claims[0].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
}


static void
nothing_is_claimed_when_no_result_could_be_stored(void **state)
{
    fixture_t  *f = *state;

    fixture_take_over(f);
    fixture_submit_all(f, 1, 1);

    f->store->quota->pages = SIZE;
    assert_int_equal(fixture_claim(f, 1), 0);

    measure(f);
    assert_int_equal(fixture_claim(f, 1), 1);
}


/* a disk that is nearly full by what others store is kept away from */

static void
a_disk_without_room_counts_as_full(void **state)
{
    fixture_t    *f = *state;
    async_job_t   job;

    fixture_submit_all(f, 1, 1);
    fixture_take_over(f);

    f->store->quota->disk = 10 << 20;
    job = fixture_job(2);
    assert_int_equal(fixture_submit(f, &job), ASYNC_STORE_FULL);
    assert_int_equal(fixture_claim(f, 1), 1);

    measure(f);
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
}


int
main(void)
{
#define unit(test)  cmocka_unit_test_setup_teardown(test, setup,             \
                                                    fixture_teardown)

    const struct CMUnitTest  tests[] = {
        unit(what_is_written_counts_before_it_is_measured),
        unit(pages_that_are_free_again_do_not_count),
        unit(the_marks_are_at_90_and_98_percent),
        unit(spool_and_map_share_one_bound),
        unit(a_completed_job_makes_room),
        unit(nothing_is_claimed_when_no_result_could_be_stored),
        unit(a_disk_without_room_counts_as_full)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
