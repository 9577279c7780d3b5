/*
 * What nginx.conf said, told by every nginx worker at every start.
 */

#include "async_fixture.h"


static async_policy_t
policy(uint64_t timeout)
{
    async_policy_t  p;

    memset(&p, 0, sizeof(p));

    p.timeout = timeout;
    p.result_max = 1 << 30;
    p.attempts = 5;
    p.retry_after = 5;

    return p;
}


typedef struct {
    async_queue_t  queues[8];
    char           names[8][ASYNC_QUEUE_MAX + 1];
    unsigned       n, max;
} found_t;


static bool
each(void *data, const async_queue_t *q, const async_queue_figures_t *figures)
{
    found_t  *found = data;

    (void) figures;

    snprintf(found->names[found->n], sizeof(found->names[0]), "%.*s",
             (int) q->name.len, q->name.data);
    found->queues[found->n++] = *q;

    return found->n < found->max;
}


static found_t
queues(fixture_t *f, unsigned max)
{
    found_t  found;

    memset(&found, 0, sizeof(found));
    found.max = max;
    assert_int_equal(async_view_queues(f->view, each, &found), ASYNC_OK);

    return found;
}


static void
a_policy_is_found_by_its_key(void **state)
{
    uint8_t         key[ASYNC_POLICY_KEY];
    fixture_t      *f = *state;
    async_policy_t  p[2], found;

    p[0] = policy(1000);
    p[1] = policy(2000);

    async_policy_key(key, &p[1]);
    assert_int_equal(async_view_policy(f->view, key, &found),
                     ASYNC_NOT_FOUND);
    assert_int_equal(async_store_publish(f->store, p, 2, NULL, 0, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_view_policy(f->view, key, &found), ASYNC_OK);
    assert_int_equal(found.timeout, 2000);

    async_policy_key(key, &p[0]);
    assert_int_equal(async_view_policy(f->view, key, &found), ASYNC_OK);
    assert_int_equal(found.timeout, 1000);
}


static void
the_key_is_of_the_content_alone(void **state)
{
    uint8_t         a[ASYNC_POLICY_KEY], b[ASYNC_POLICY_KEY];
    async_policy_t  p;

    (void) state;

    p = policy(1000);
    async_policy_key(a, &p);
    async_policy_key(b, &p);
    assert_memory_equal(a, b, sizeof(a));

    p.retain_history = 1;
    async_policy_key(b, &p);
    assert_memory_not_equal(a, b, sizeof(a));
}


static void
what_is_known_is_not_written_again(void **state)
{
    uint64_t        before;
    fixture_t      *f = *state;
    async_queue_t   q;
    async_policy_t  p;

    p = policy(1000);
    memset(&q, 0, sizeof(q));
    q.name = fixture_str("default");
    q.concurrency = 4;
    q.max_queued = 10;
    q.loaded = 100;

    before = fixture_transaction(f);
    assert_int_equal(async_store_publish(f->store, &p, 1, &q, 1, &f->err),
                     ASYNC_OK);
    assert_int_equal(fixture_transaction(f), before + 1);

    assert_int_equal(async_store_publish(f->store, &p, 1, &q, 1, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_store_publish(f->store, NULL, 0, NULL, 0,
                                         &f->err), ASYNC_OK);
    assert_int_equal(fixture_transaction(f), before + 1);

    q.loaded = 101;
    assert_int_equal(async_store_publish(f->store, &p, 1, &q, 1, &f->err),
                     ASYNC_OK);
    assert_int_equal(fixture_transaction(f), before + 2);
}


static void
the_newest_start_of_nginx_wins(void **state)
{
    found_t     found;
    fixture_t  *f = *state;

    fixture_queue(f, "default", 4, 10, 100);
    fixture_queue(f, "default", 9, 99, 99);

    found = queues(f, 8);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.queues[0].concurrency, 4);

    fixture_queue(f, "default", 2, 20, 101);
    found = queues(f, 8);
    assert_int_equal(found.queues[0].concurrency, 2);
    assert_int_equal(found.queues[0].max_queued, 20);
    assert_int_equal(found.queues[0].loaded, 101);
}


static void
queues_are_told_in_order_of_name_used_or_configured(void **state)
{
    found_t      found;
    fixture_t   *f = *state;
    async_job_t  job;
    async_policy_t p;

    p = policy(1);
    assert_int_equal(async_store_publish(f->store, &p, 1, NULL, 0, &f->err),
                     ASYNC_OK);
    assert_int_equal(queues(f, 8).n, 0);

    fixture_queue(f, "reports", 1, 1, 1);
    fixture_queue(f, "a", 3, 4, 5);

    job = fixture_job(1);
    job.queue = fixture_str("default");
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
    job = fixture_job(2);
    job.queue = fixture_str("reports");
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
    job = fixture_job(3);
    job.queue = fixture_str("zz");
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);

    found = queues(f, 8);
    assert_int_equal(found.n, 4);
    assert_string_equal(found.names[0], "a");
    assert_string_equal(found.names[1], "default");
    assert_string_equal(found.names[2], "reports");
    assert_string_equal(found.names[3], "zz");

    /* what nobody configured runs by the defaults */

    assert_int_equal(found.queues[1].concurrency, 8);
    assert_int_equal(found.queues[1].max_queued, 100000);
    assert_int_equal(found.queues[1].loaded, 0);
    assert_int_equal(found.queues[2].max_queued, 1);

    assert_int_equal(queues(f, 2).n, 2);
}


static void
a_damaged_policy_is_told_of_and_mended_by_the_next_start(void **state)
{
    size_t          len;
    uint8_t         digest[ASYNC_POLICY_KEY], buf[ASYNC_POLICY_MAX];
    fixture_t      *f = *state;
    async_key_t     key;
    async_policy_t  p, found;

    p = policy(1000);
    async_policy_key(digest, &p);
    assert_int_equal(async_store_publish(f->store, &p, 1, NULL, 0, &f->err),
                     ASYNC_OK);

    async_key_policy(&key, digest);
    len = fixture_value(f, &key, buf, sizeof(buf));
    fixture_overwrite(f, &key, buf, len - 1);
    assert_int_equal(async_view_policy(f->view, digest, &found),
                     ASYNC_CORRUPT);

    assert_int_equal(async_store_publish(f->store, &p, 1, NULL, 0, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_view_policy(f->view, digest, &found), ASYNC_OK);

    fixture_queue(f, "default", 3, 3, 50);
    async_key_queue(&key, fixture_str("default"));
    fixture_overwrite(f, &key, buf, 5);
    fixture_queue(f, "default", 4, 3, 50);
    assert_int_equal(queues(f, 1).queues[0].concurrency, 4);
}


static void
what_cannot_be_encoded_is_refused_whole(void **state)
{
    char            name[ASYNC_QUEUE_MAX + 2];
    fixture_t      *f = *state;
    async_queue_t   q;
    async_policy_t  p[2];

    memset(name, 'q', sizeof(name));
    memset(&q, 0, sizeof(q));
    q.name = (async_str_t) { name, ASYNC_QUEUE_MAX + 1 };
    q.loaded = 1;

    assert_int_equal(async_store_publish(f->store, NULL, 0, &q, 1, &f->err),
                     ASYNC_INVALID);

    q.name.len = 0;
    assert_int_equal(async_store_publish(f->store, NULL, 0, &q, 1, &f->err),
                     ASYNC_INVALID);

    p[0] = policy(1000);
    p[1] = policy(1000);
    p[1].attempts = 0;
    assert_int_equal(async_store_publish(f->store, p, 2, NULL, 0, &f->err),
                     ASYNC_INVALID);

    assert_int_equal(fixture_entries(f, ASYNC_DB_POLICY), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(a_policy_is_found_by_its_key),
        cmocka_unit_test(the_key_is_of_the_content_alone),
        sound(what_is_known_is_not_written_again),
        sound(the_newest_start_of_nginx_wins),
        sound(queues_are_told_in_order_of_name_used_or_configured),
        sound(a_damaged_policy_is_told_of_and_mended_by_the_next_start),
        sound(what_cannot_be_encoded_is_refused_whole)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
