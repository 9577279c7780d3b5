/*
 * Reading: lists, and what a reader holds on to.
 */

#include "async_fixture.h"


typedef struct {
    unsigned    n, stop;
    async_id_t  ids[32];
} listed_t;


static bool
each(void *data, const async_job_t *job)
{
    listed_t  *listed = data;

    listed->ids[listed->n++] = job->id;

    return listed->n != listed->stop;
}


static listed_t
list(fixture_t *f, unsigned limit, unsigned stop)
{
    listed_t  listed;

    memset(&listed, 0, sizeof(listed));
    listed.stop = stop;
    assert_int_equal(async_view_jobs(f->view, limit, each, &listed),
                     ASYNC_OK);

    return listed;
}


static void
jobs_are_listed_newest_first(void **state)
{
    unsigned     i;
    listed_t     listed;
    fixture_t   *f = *state;
    async_id_t   id;

    assert_int_equal(list(f, 10, 0).n, 0);

    fixture_submit_all(f, 1, 6);
    listed = list(f, 10, 0);
    assert_int_equal(listed.n, 6);

    for (i = 0; i < 6; i++) {
        id = fixture_id(6 - i);
        assert_memory_equal(&listed.ids[i], &id, sizeof(id));
    }

    assert_int_equal(list(f, 4, 0).n, 4);
    assert_int_equal(list(f, 0, 0).n, 0);
    assert_int_equal(list(f, 10, 2).n, 2);
}


static void
a_damaged_job_is_left_out_of_a_list(void **state)
{
    listed_t     listed;
    fixture_t   *f = *state;
    async_id_t   id;
    async_key_t  key;

    fixture_submit_all(f, 1, 3);
    id = fixture_id(2);
    async_key_job(&key, &id);
    fixture_overwrite(f, &key, "damage", 6);

    listed = list(f, 10, 0);
    assert_int_equal(listed.n, 2);
    id = fixture_id(1);
    assert_memory_equal(&listed.ids[1], &id, sizeof(id));
}


static void
a_job_that_was_read_stays_as_it_was_read(void **state)
{
    uint8_t      buf[ASYNC_JOB_MAX];
    fixture_t   *f = *state;
    async_id_t   id;
    async_job_t  job;

    fixture_submit_all(f, 1, 1);
    id = fixture_id(1);
    job = fixture_look(f, &id, buf);

    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 1), 1);
    fixture_submit_all(f, 2, 200);

    assert_int_equal(job.state, ASYNC_STATE_QUEUED);
    assert_memory_equal(job.queue.data, "default", 7);
    assert_true((uint8_t *) job.queue.data > buf
                && (uint8_t *) job.queue.data < buf + sizeof(buf));

    job = fixture_look(f, &id, buf);
    assert_int_equal(job.state, ASYNC_STATE_PROCESSING);
}


static void
a_record_longer_than_any_is_corrupt(void **state)
{
    uint8_t      buf[ASYNC_JOB_MAX], big[ASYNC_JOB_MAX + 1] = { 0 };
    fixture_t   *f = *state;
    async_id_t   id;
    async_job_t  job;
    async_key_t  key;

    id = fixture_id(1);
    async_key_job(&key, &id);
    fixture_overwrite(f, &key, big, sizeof(big));
    assert_int_equal(async_view_job(f->view, &id, &job, buf), ASYNC_CORRUPT);
}


/*
 * Between its calls a view holds no snapshot: what others delete is used
 * again, and the file does not grow.
 */

static void
a_view_at_rest_does_not_make_the_store_grow(void **state)
{
    char         value[1000] = { 0 };
    uint8_t      buf[ASYNC_JOB_MAX];
    unsigned     i;
    fixture_t   *f = *state;
    async_id_t   id;
    async_key_t  key;
    MDB_envinfo  before, after;

    fixture_submit_all(f, 1, 1);
    id = fixture_id(1);
    (void) fixture_look(f, &id, buf);

    async_key_payload(&key, &id, ASYNC_PAYLOAD_RESPONSE_BODY, 0);

    for (i = 0; i < 400; i++) {

        if (i == 100) {
            assert_int_equal(mdb_env_info(f->store->env, &before), 0);
        }

        value[0] = (char) i;
        fixture_overwrite(f, &key, value, sizeof(value));
    }

    assert_int_equal(mdb_env_info(f->store->env, &after), 0);
    assert_int_equal(after.me_last_pgno, before.me_last_pgno);
}


static void
several_views_read_side_by_side(void **state)
{
    unsigned       i;
    uint8_t        buf[ASYNC_JOB_MAX];
    fixture_t     *f = *state;
    async_id_t     id;
    async_job_t    job;
    async_view_t  *views[50];

    fixture_submit_all(f, 1, 1);
    id = fixture_id(1);

    for (i = 0; i < 50; i++) {
        assert_int_equal(async_view_open(&views[i], f->store), ASYNC_OK);
    }

    for (i = 0; i < 50; i++) {
        assert_int_equal(async_view_job(views[i], &id, &job, buf), ASYNC_OK);
    }

    for (i = 0; i < 50; i++) {
        async_view_close(views[i]);
    }

    async_view_close(NULL);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(jobs_are_listed_newest_first),
        plain(a_damaged_job_is_left_out_of_a_list),
        sound(a_job_that_was_read_stays_as_it_was_read),
        plain(a_record_longer_than_any_is_corrupt),
        plain(a_view_at_rest_does_not_make_the_store_grow),
        sound(several_views_read_side_by_side)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
