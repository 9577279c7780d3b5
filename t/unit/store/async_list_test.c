/*
 * Lists of anybody's jobs, page by page, and the purge of a queue.
 */

#include "async_fixture.h"


#define FOUND  4096


typedef struct {
    unsigned  n;
    unsigned  jobs[FOUND];               /* their numbers */
} found_t;


static bool
found_each(void *data, const async_job_t *job)
{
    found_t  *found = data;

    found->jobs[found->n++] = async_get_be32(job->id.bytes + 12);

    return true;
}


static async_list_page_t
page_of(fixture_t *f, const async_list_query_t *query, found_t *found)
{
    async_list_page_t  page;

    found->n = 0;
    assert_int_equal(async_view_list(f->view, query, &page, found_each,
                                     found), ASYNC_OK);

    return page;
}

#define assert_found(found, ...)                                             \
    do {                                                                     \
        assert_int_equal((found).n, sizeof((unsigned []) { __VA_ARGS__ })    \
                                    / sizeof(unsigned));                     \
        assert_memory_equal((found).jobs, ((unsigned []) { __VA_ARGS__ }),   \
                            sizeof((unsigned []) { __VA_ARGS__ }));          \
    } while (0)


/* made a second after the one before it, as its id says too */

static async_id_t
submit_at(fixture_t *f, unsigned n, const char *queue, int64_t due)
{
    uint8_t        random[ASYNC_ID_RANDOM] = { 0 };
    async_job_t    job;
    async_event_t  event;

    job = fixture_job(n);
    job.created = FIXTURE_NOW + n * 1000;
    job.queue = fixture_str(queue);
    job.owner = fixture_str(n % 2 ? "odd............." : "");

    async_put_be32(random + 6, n);
    async_id_make(&job.id, job.created, random);

    event = fixture_submitted(&job);
    event.due = due;

    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    return job.id;
}


static void
jobs_are_found_by_what_is_asked(void **state)
{
    unsigned            i;
    fixture_t          *f = *state;
    found_t             found;
    async_list_query_t  query = { .limit = 100 };

    for (i = 1; i <= 8; i++) {
        (void) submit_at(f, i, i <= 6 ? "default" : "slow",
                         i % 4 == 0 ? FIXTURE_NOW + 60000 : 0);
    }

    assert_false(page_of(f, &query, &found).more);
    assert_found(found, 8, 7, 6, 5, 4, 3, 2, 1);

    query.state = ASYNC_STATE_SCHEDULED;
    (void) page_of(f, &query, &found);
    assert_found(found, 8, 4);

    query.queue = fixture_str("slow");
    (void) page_of(f, &query, &found);
    assert_found(found, 8);

    query.state = ASYNC_STATE_QUEUED;
    query.queue = fixture_str("default");
    (void) page_of(f, &query, &found);
    assert_found(found, 6, 5, 3, 2, 1);

    query.owner = fixture_str("odd.............");
    (void) page_of(f, &query, &found);
    assert_found(found, 5, 3, 1);

    query.since = FIXTURE_NOW + 3000;
    (void) page_of(f, &query, &found);
    assert_found(found, 5, 3);

    query.until = FIXTURE_NOW + 5000;
    (void) page_of(f, &query, &found);
    assert_found(found, 3);

    memset(&query, 0, sizeof(query));
    query.limit = 100;
    query.since = FIXTURE_NOW + 3000;
    query.until = FIXTURE_NOW + 5000;
    (void) page_of(f, &query, &found);
    assert_found(found, 4, 3);

    query.state = ASYNC_STATE_FAILED;
    assert_false(page_of(f, &query, &found).more);
    assert_int_equal(found.n, 0);
}


static void
pages_follow_each_other(void **state)
{
    unsigned            i, k;
    fixture_t          *f = *state;
    found_t             found;
    async_list_page_t   page;
    async_list_query_t  query = { .limit = 3 };
    static const uint8_t  states[] = { ASYNC_STATE_NONE, ASYNC_STATE_QUEUED };

    for (i = 1; i <= 7; i++) {
        (void) submit_at(f, i, "default", 0);
    }

    for (k = 0; k < sizeof(states); k++) {
        query.state = states[k];
        memset(&query.before, 0, sizeof(query.before));

        page = page_of(f, &query, &found);
        assert_true(page.more);
        assert_found(found, 7, 6, 5);
        assert_int_equal(page.last.created, FIXTURE_NOW + 5000);

        query.before = page.last;
        page = page_of(f, &query, &found);
        assert_true(page.more);
        assert_found(found, 4, 3, 2);

        query.before = page.last;
        page = page_of(f, &query, &found);
        assert_false(page.more);
        assert_found(found, 1);

        query.before = page.last;
        page = page_of(f, &query, &found);
        assert_false(page.more);
        assert_int_equal(found.n, 0);
    }
}


static void
the_work_for_a_page_is_bounded(void **state)
{
    fixture_t          *f = *state;
    found_t             found;
    async_list_page_t   page;
    async_list_query_t  query = { .limit = 10 };

    fixture_submit_all(f, 1, 2001);
    query.queue = fixture_str("none");

    page = page_of(f, &query, &found);
    assert_true(page.more);
    assert_int_equal(found.n, 0);
    assert_int_equal(async_get_be32(page.last.id.bytes + 12), 2);

    query.before = page.last;
    assert_false(page_of(f, &query, &found).more);

    query.state = ASYNC_STATE_QUEUED;
    memset(&query.before, 0, sizeof(query.before));
    assert_true(page_of(f, &query, &found).more);
}


/* --- the purge --- */

static unsigned
purge(fixture_t *f, const char *queue)
{
    unsigned       calls;
    async_purge_t  purge;

    memset(&purge, 0, sizeof(purge));
    purge.queue = fixture_str(queue);
    purge.by = fixture_str("cli:alice");
    purge.now = f->now;

    for (calls = 0; !purge.done; calls++) {
        assert_int_equal(async_store_purge(f->store, &purge, &f->err),
                         ASYNC_OK);
        assert_true(calls < 100);
    }

    return purge.canceled;
}


static void
what_waits_in_a_queue_is_canceled(void **state)
{
    uint8_t       buf[ASYNC_JOB_MAX];
    unsigned      i;
    fixture_t    *f = *state;
    found_t       found;
    async_id_t    other, late;
    async_job_t   job;
    async_list_query_t  query = { .limit = FOUND };

    fixture_submit_all(f, 1, 600);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 1), 1);

    other = submit_at(f, 700, "slow", 0);
    late = submit_at(f, 701, "default", FIXTURE_NOW + 60000);

    assert_int_equal(purge(f, "default"), 600);

    query.state = ASYNC_STATE_CANCELED;
    (void) page_of(f, &query, &found);
    assert_int_equal(found.n, 600);

    assert_int_equal(async_view_job(f->view, &f->claims[0].job.id, &job, buf),
                     ASYNC_OK);
    assert_int_equal(job.state, ASYNC_STATE_PROCESSING);
    assert_false(job.flags & ASYNC_JOB_CANCEL_WANTED);

    assert_int_equal(async_view_job(f->view, &other, &job, buf), ASYNC_OK);
    assert_int_equal(job.state, ASYNC_STATE_QUEUED);
    assert_int_equal(async_view_job(f->view, &late, &job, buf), ASYNC_OK);
    assert_int_equal(job.state, ASYNC_STATE_CANCELED);

    fixture_assert_counts(f, "default", 0, 1);

    for (i = 0; i < 2; i++) {
        assert_int_equal(purge(f, i == 0 ? "default" : "none"), 0);
    }
}


static void
jobs_are_counted_by_when_they_were_made(void **state)
{
    unsigned            i;
    fixture_t          *f = *state;
    async_count_page_t  count;

    static const struct {
        int64_t   since, until;
        unsigned  max, n;
        int64_t   oldest;
    } asked[] = {
        { 0, 9000000, 100, 8, 1000 },
        { 3000, 6000, 100, 3, 3000 },
        { 3001, 6001, 100, 3, 4000 },
        { 3000, 6000, 2, 2, 4000 },
        { 3000, 6000, 3, 3, 3000 },
        { 8001, 9000, 100, 0, 0 },
        { -9000, 1000, 100, 0, 0 },
        { 6000, 3000, 100, 0, 0 },
        { 0, 9000, 0, 0, 0 }
    };

    for (i = 1; i <= 8; i++) {
        (void) submit_at(f, i, "default", 0);
    }

    for (i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        assert_int_equal(async_view_count(f->view,
                                          FIXTURE_NOW + asked[i].since,
                                          FIXTURE_NOW + asked[i].until,
                                          asked[i].max, &count), ASYNC_OK);
        assert_int_equal(count.n, asked[i].n);
        assert_int_equal(count.oldest,
                         asked[i].n ? FIXTURE_NOW + asked[i].oldest : 0);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(jobs_are_found_by_what_is_asked),
        sound(pages_follow_each_other),
        sound(the_work_for_a_page_is_bounded),
        sound(jobs_are_counted_by_when_they_were_made),
        sound(what_waits_in_a_queue_is_canceled)
    };

    return cmocka_run_group_tests_name("async_list", tests, NULL, NULL);
}
