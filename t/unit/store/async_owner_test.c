/*
 * What an owner has: a list, a page at a time, and a limit.
 */

#include "async_fixture.h"


#define FOUND  4096


typedef struct {
    unsigned    n;
    unsigned    stop;
    unsigned    jobs[FOUND];             /* their numbers */
} found_t;

static const char  alice[] = "alice...........";
static const char  bob[]   = "bob.............";


static async_rc_t
submit_of(fixture_t *f, unsigned n, const char *owner, const char *queue)
{
    async_job_t  job;

    job = fixture_job(n);
    job.owner = fixture_str(owner);
    job.queue = fixture_str(queue);

    return fixture_submit(f, &job);
}


static void
set_bucket(fixture_t *f, uint64_t bucket)
{
    uint64_t     n[2] = { bucket, 0 };
    uint8_t      buf[ASYNC_COUNT_MAX];
    async_key_t  key;

    async_key_stat(&key, ASYNC_STAT_BUCKET);
    fixture_overwrite(f, &key, buf, async_count_encode(n, 2, buf,
                                                       sizeof(buf)));
}


static bool
found_each(void *data, const async_job_t *job)
{
    found_t  *found = data;

    found->jobs[found->n++] = async_get_be32(job->id.bytes + 12);

    return found->n != found->stop;
}


static async_own_page_t
page_of(fixture_t *f, const async_own_query_t *query, found_t *found)
{
    async_own_page_t  page;

    found->n = 0;
    assert_int_equal(async_view_own(f->view, query, &page, found_each, found),
                     ASYNC_OK);

    return page;
}


static async_own_query_t
query_of(const char *owner, unsigned limit)
{
    async_own_query_t  query = { .limit = limit };

    query.owner = fixture_str(owner);

    return query;
}


/* --- the list --- */

static void
a_list_is_the_owners_alone_and_newest_first(void **state)
{
    unsigned           i;
    fixture_t         *f = *state;
    found_t            found = { 0 };
    async_own_page_t   page;
    async_own_query_t  query;

    for (i = 1; i <= 9; i++) {
        assert_int_equal(submit_of(f, i, i % 3 == 0 ? bob : alice, "default"),
                         ASYNC_OK);
    }

    fixture_submit_all(f, 10, 2);

    query = query_of(alice, 10);
    page = page_of(f, &query, &found);
    assert_false(page.more);
    assert_int_equal(found.n, 6);
    assert_memory_equal(found.jobs, ((unsigned []) { 8, 7, 5, 4, 2, 1 }),
                        6 * sizeof(unsigned));

    query = query_of(bob, 10);
    page = page_of(f, &query, &found);
    assert_int_equal(found.n, 3);
    assert_memory_equal(found.jobs, ((unsigned []) { 9, 6, 3 }),
                        3 * sizeof(unsigned));

    query = query_of("nobody..........", 10);
    page = page_of(f, &query, &found);
    assert_int_equal(found.n, 0);
    assert_false(page.more);

    query.owner.len = 15;
    assert_int_equal(async_view_own(f->view, &query, &page, found_each,
                                    &found), ASYNC_INVALID);
}


static void
pages_follow_each_other_through_all_buckets(void **state)
{
    unsigned           i, n, limit;
    fixture_t         *f = *state;
    found_t            found = { 0 };
    async_own_page_t   page;
    async_own_query_t  query;

    for (i = 1; i <= 40; i++) {
        assert_int_equal(submit_of(f, i, i % 4 == 0 ? bob : alice, "default"),
                         ASYNC_OK);
        set_bucket(f, i / 3 * 5 + 1);
    }

    for (limit = 1; limit <= 31; limit++) {

        query = query_of(alice, limit);
        n = 40;

        do {
            page = page_of(f, &query, &found);

            for (i = 0; i < found.n; i++, n--) {
                n -= n % 4 == 0 ? 1 : 0;
                assert_int_equal(found.jobs[i], n);
            }

            assert_true(found.n == limit || !page.more);
            query.before = page.last;
        } while (page.more);

        assert_int_equal(n, 0);
    }
}


static void
a_list_can_be_of_a_state_and_of_a_queue(void **state)
{
    unsigned           i;
    fixture_t         *f = *state;
    found_t            found = { 0 };
    async_own_query_t  query;

    fixture_take_over(f);

    for (i = 1; i <= 6; i++) {
        assert_int_equal(submit_of(f, i, alice, i % 2 ? "odd" : "even"),
                         ASYNC_OK);
    }

    assert_int_equal(fixture_claim(f, 2), 2);

    query = query_of(alice, 10);
    query.queue = fixture_str("odd");
    (void) page_of(f, &query, &found);
    assert_int_equal(found.n, 3);
    assert_memory_equal(found.jobs, ((unsigned []) { 5, 3, 1 }),
                        3 * sizeof(unsigned));

    query.state = ASYNC_STATE_PROCESSING;
    (void) page_of(f, &query, &found);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.jobs[0], 1);

    query.queue.len = 0;
    (void) page_of(f, &query, &found);
    assert_int_equal(found.n, 2);

    query.state = ASYNC_STATE_NONE;
    query.queue = fixture_str("od");
    (void) page_of(f, &query, &found);
    assert_int_equal(found.n, 0);
}


static void
a_page_looks_at_a_bounded_number_of_rows(void **state)
{
    unsigned           i, pages;
    fixture_t         *f = *state;
    found_t            found = { 0 };
    async_job_t        jobs[500];
    async_event_t      events[500];
    async_own_page_t   page;
    async_own_query_t  query;

    assert_int_equal(submit_of(f, 1, alice, "wanted"), ASYNC_OK);

    for (i = 0; i < 4500; i++) {
        jobs[i % 500] = fixture_job(i + 2);
        jobs[i % 500].owner = fixture_str(alice);
        events[i % 500] = fixture_submitted(&jobs[i % 500]);

        if (i % 500 == 499) {
            assert_int_equal(fixture_apply(f, events, 500), ASYNC_OK);
        }
    }

    query = query_of(alice, 5);
    query.queue = fixture_str("wanted");

    for (pages = 1; /* void */ ; pages++) {
        page = page_of(f, &query, &found);

        if (!page.more) {
            break;
        }

        assert_int_equal(found.n, 0);
        query.before = page.last;
    }

    assert_int_equal(pages, 3);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.jobs[0], 1);
}


/* and so does one that finds nothing but buckets of others */

static void
a_page_looks_at_a_bounded_number_of_buckets(void **state)
{
    MDB_txn           *txn;
    MDB_val            k, v = { 0, "" };
    unsigned           i, pages;
    fixture_t         *f = *state;
    found_t            found = { 0 };
    async_id_t         id;
    async_key_t        key;
    async_own_page_t   page;
    async_own_query_t  query;

    assert_int_equal(submit_of(f, 1, alice, "default"), ASYNC_OK);
    assert_int_equal(mdb_txn_begin(f->store->env, NULL, 0, &txn), 0);

    for (i = 2; i <= 5000; i++) {
        id = fixture_id(i);
        async_key_owner(&key, i, fixture_str(bob), &id);
        k.mv_size = key.len;
        k.mv_data = key.bytes;
        assert_int_equal(mdb_put(txn, f->store->dbi[key.db], &k, &v, 0), 0);
    }

    assert_int_equal(mdb_txn_commit(txn), 0);

    query = query_of(alice, 5);

    for (pages = 1; /* void */ ; pages++) {
        page = page_of(f, &query, &found);

        if (!page.more) {
            break;
        }

        query.before = page.last;
    }

    assert_in_range(pages, 3, 6);
    assert_int_equal(found.n, 1);
}


static void
a_place_may_come_from_anywhere(void **state)
{
    fixture_t         *f = *state;
    found_t            found = { 0 };
    async_own_page_t   page;
    async_own_query_t  query;

    assert_int_equal(submit_of(f, 1, alice, "default"), ASYNC_OK);

    query = query_of(alice, 5);
    query.before.set = true;

    page = page_of(f, &query, &found);
    assert_int_equal(found.n, 0);
    assert_false(page.more);

    query.before.bucket = 1;
    (void) page_of(f, &query, &found);
    assert_int_equal(found.n, 0);

    query.before.bucket = UINT64_MAX - 1;
    (void) page_of(f, &query, &found);
    assert_int_equal(found.n, 1);
}


static void
a_list_can_be_stopped_and_passes_what_is_damaged(void **state)
{
    fixture_t         *f = *state;
    found_t            found = { .stop = 2 };
    async_id_t         id;
    async_key_t        key;
    async_own_query_t  query;

    assert_int_equal(submit_of(f, 1, alice, "default"), ASYNC_OK);
    assert_int_equal(submit_of(f, 2, alice, "default"), ASYNC_OK);
    assert_int_equal(submit_of(f, 3, alice, "default"), ASYNC_OK);

    query = query_of(alice, 5);
    (void) page_of(f, &query, &found);
    assert_int_equal(found.n, 2);

    id = fixture_id(3);
    async_key_job(&key, &id);
    fixture_overwrite(f, &key, "damage", 6);

    found.stop = 0;
    (void) page_of(f, &query, &found);
    assert_int_equal(found.n, 2);
    assert_int_equal(found.jobs[0], 2);
}


/* --- the limit --- */

static void
an_owner_has_no_more_unfinished_jobs_than_he_may(void **state)
{
    fixture_t      *f = *state;
    async_job_t     jobs[3];
    async_event_t   events[3], event;

    fixture_queue_of(f, "default", 8, 4, 2, 1);
    fixture_take_over(f);

    /* counted within a batch as well */

    for (int i = 0; i < 3; i++) {
        jobs[i] = fixture_job(1 + (unsigned) i);
        jobs[i].owner = fixture_str(alice);
        events[i] = fixture_submitted(&jobs[i]);
    }

    assert_int_equal(fixture_apply(f, events, 3), ASYNC_OK);
    assert_int_equal(events[1].rc, ASYNC_OK);
    assert_int_equal(events[2].rc, ASYNC_OWNER_FULL);

    /* of another queue, of another owner, of nobody */

    assert_int_equal(submit_of(f, 4, alice, "other"), ASYNC_OK);
    assert_int_equal(submit_of(f, 5, bob, "default"), ASYNC_OK);
    fixture_submit_all(f, 6, 1);

    /* his own limit before that of all */

    assert_int_equal(submit_of(f, 7, alice, "default"), ASYNC_OWNER_FULL);
    assert_int_equal(submit_of(f, 7, bob, "default"), ASYNC_QUEUE_FULL);

    /* what runs is unfinished; of two queues, that of the shorter name first */

    assert_int_equal(fixture_claim(f, 2), 2);
    assert_int_equal(submit_of(f, 7, alice, "default"), ASYNC_OWNER_FULL);

    event = fixture_completed(&f->claims[1].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_int_equal(submit_of(f, 7, alice, "default"), ASYNC_OK);
    assert_int_equal(submit_of(f, 8, alice, "default"), ASYNC_OWNER_FULL);

    /* a canceled one gives room, too */

    event = fixture_about(ASYNC_EVENT_CANCEL_REQUESTED, &jobs[1]);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_int_equal(submit_of(f, 8, alice, "default"), ASYNC_OK);
}


static void
figures_that_are_nought_are_not_kept(void **state)
{
    unsigned        n;
    fixture_t      *f = *state;
    async_event_t   event;

    fixture_take_over(f);
    fixture_submit_all(f, 9, 1);
    n = (unsigned) fixture_entries(f, ASYNC_DB_COUNTS);

    assert_int_equal(submit_of(f, 1, alice, "default"), ASYNC_OK);
    assert_int_equal(submit_of(f, 2, bob, "default"), ASYNC_OK);
    assert_int_equal(fixture_entries(f, ASYNC_DB_COUNTS), n + 2);

    assert_int_equal(fixture_claim(f, 3), 3);

    for (unsigned i = 0; i < 3; i++) {
        event = fixture_completed(&f->claims[i].job);
        assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    }

    assert_int_equal(fixture_entries(f, ASYNC_DB_COUNTS), n);
    fixture_assert_counts(f, "default", 0, 0);
}


static void
damaged_figures_are_made_anew(void **state)
{
    fixture_t      *f = *state;
    async_key_t     key;
    async_event_t   event;

    fixture_queue_of(f, "default", 8, 100, 3, 1);
    fixture_take_over(f);

    assert_int_equal(submit_of(f, 1, alice, "default"), ASYNC_OK);
    assert_int_equal(submit_of(f, 2, alice, "default"), ASYNC_OK);
    assert_int_equal(fixture_claim(f, 1), 1);

    async_key_owned(&key, fixture_str(alice), fixture_str("default"));
    fixture_overwrite(f, &key, "damage", 6);

    assert_int_equal(submit_of(f, 3, alice, "default"), ASYNC_OK);
    assert_int_equal(submit_of(f, 4, alice, "default"), ASYNC_OWNER_FULL);
    fixture_assert_sound(f);

    event = fixture_completed(&f->claims[0].job);
    fixture_overwrite(f, &key, "damage", 6);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    fixture_assert_sound(f);

    /* what retention removes is listed no longer */

    assert_int_equal(fixture_entries(f, ASYNC_DB_OWNERS), 3);

    f->now += 31ll * 24 * 3600 * 1000;
    assert_int_equal(fixture_sweep(f).jobs, 1);
    assert_int_equal(fixture_entries(f, ASYNC_DB_OWNERS), 2);
}


/* whose job it was is in the record that cannot be read any more */

static void
a_damaged_job_counts_no_longer_for_its_owner(void **state)
{
    fixture_t    *f = *state;
    async_id_t    id;
    async_key_t   key;

    fixture_queue_of(f, "default", 8, 100, 2, 1);
    fixture_take_over(f);

    assert_int_equal(submit_of(f, 1, alice, "default"), ASYNC_OK);
    assert_int_equal(submit_of(f, 2, alice, "default"), ASYNC_OK);
    assert_int_equal(submit_of(f, 3, alice, "default"), ASYNC_OWNER_FULL);

    id = fixture_id(1);
    async_key_job(&key, &id);
    fixture_overwrite(f, &key, "damage", 6);

    assert_int_equal(fixture_claim(f, 2), 1);
    fixture_assert_counts(f, "default", 0, 1);
    assert_int_equal(submit_of(f, 3, alice, "default"), ASYNC_OK);
    assert_int_equal(submit_of(f, 4, alice, "default"), ASYNC_OWNER_FULL);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(a_list_is_the_owners_alone_and_newest_first),
        sound(pages_follow_each_other_through_all_buckets),
        sound(a_list_can_be_of_a_state_and_of_a_queue),
        sound(a_page_looks_at_a_bounded_number_of_rows),
        plain(a_page_looks_at_a_bounded_number_of_buckets),
        sound(a_place_may_come_from_anywhere),
        plain(a_list_can_be_stopped_and_passes_what_is_damaged),
        sound(an_owner_has_no_more_unfinished_jobs_than_he_may),
        sound(figures_that_are_nought_are_not_kept),
        sound(damaged_figures_are_made_anew),
        plain(a_damaged_job_counts_no_longer_for_its_owner)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
