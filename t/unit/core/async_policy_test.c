/*
 * The records of a location's policy and of a queue's.
 */

#include "async_golden.h"
#include "async_policy.h"


/* 15m, 1g, 24h, 7d, 30d, 5 attempts, 5 s: of before there were tags */

static const char  bare[] =
    "414a06013c000000d1a6e133a0bb0d00000000000000004000000000005c2605"
    "0000000000840c240000000000c87e9a000000000500000005000000";

/* and 10s:2m, 24h, error, timeout, 408, 429, 500, 502, 503, 504 */

static const char  policy[] =
    "414a060193000000712765c1a0bb0d00000000000000004000000000005c2605"
    "0000000000840c240000000000c87e9a00000000050000000500000001000800"
    "00001027000000000000020008000000c0d4010000000000030008000000005c"
    "2605000000000400080000000300000000000000050019000000000100200000"
    "000000000000d0010000000000000000000000";

/* "default", 8 at once, 100,000 waiting, loaded 2026-11-22T10:00:00Z */

static const char  queue[] =
    "414a0701290000001ad9c70a08000000a086010000c5b202a201000001000700"
    "000064656661756c74";


static void
the_golden_policy(void **state)
{
    size_t          len;
    uint8_t        *bytes, buf[ASYNC_POLICY_MAX];
    async_policy_t  p;

    (void) state;

    bytes = async_golden_bytes(policy, &len);
    assert_int_equal(async_policy_decode(&p, bytes, len), ASYNC_OK);

    assert_int_equal(p.timeout, 900000);
    assert_int_equal(p.result_max, 1 << 30);
    assert_int_equal(p.retain_result, 86400000);
    assert_int_equal(p.retain_failed, 604800000);
    assert_int_equal(p.retain_history, 2592000000);
    assert_int_equal(p.attempts, 5);
    assert_int_equal(p.retry_after, 5);
    assert_int_equal(p.backoff_min, 10000);
    assert_int_equal(p.backoff_max, 120000);
    assert_int_equal(p.start_timeout, 86400000);
    assert_int_equal(p.retry_on, ASYNC_RETRY_ERROR|ASYNC_RETRY_TIMEOUT);
    assert_true(async_policy_retries(&p, 408));
    assert_true(async_policy_retries(&p, 504));
    assert_false(async_policy_retries(&p, 501));

    assert_int_equal(async_policy_encode(&p, buf, len - 1), 0);
    assert_int_equal(async_policy_encode(&p, buf, sizeof(buf)), len);
    assert_memory_equal(buf, bytes, len);

    p.attempts = 0;
    assert_int_equal(async_policy_encode(&p, buf, sizeof(buf)), 0);

    bytes[52] = 0;
    async_golden_seal(bytes, len);
    assert_int_equal(async_policy_decode(&p, bytes, len), ASYNC_CORRUPT);
    free(bytes);
}


static void
a_policy_without_tags_has_the_defaults(void **state)
{
    size_t           len;
    uint8_t         *bytes;
    async_policy_t   p, defaults;

    (void) state;

    bytes = async_golden_bytes(bare, &len);
    assert_int_equal(async_policy_decode(&p, bytes, len), ASYNC_OK);
    free(bytes);

    async_policy_defaults(&defaults);
    defaults.retry_after = 5;
    assert_memory_equal(&p, &defaults, sizeof(p));
}


/* a location of its own, and async_estimate off */

static void
the_tags_of_estimates(void **state)
{
    size_t          len;
    uint8_t        *bytes, buf[ASYNC_POLICY_MAX];
    async_policy_t  p;

    static const char  tags[] =
        "0600080000008877665544332211" "0700080000000000000000000000";

    (void) state;

    async_policy_defaults(&p);
    assert_true(p.estimate);
    assert_int_equal(p.location, 0);
    assert_int_equal(p.retry_after, 0);

    /* with the defaults it is as long as it was before there were these */

    bytes = async_golden_bytes(policy, &len);
    free(bytes);
    assert_int_equal(async_policy_encode(&p, buf, sizeof(buf)), len);

    p.location = 0x1122334455667788;
    p.estimate = false;
    assert_int_equal(async_policy_encode(&p, buf, sizeof(buf)), len + 28);

    bytes = async_golden_bytes(tags, &len);
    assert_memory_equal(buf + async_policy_encode(&p, buf, sizeof(buf)) - len,
                        bytes, len);
    free(bytes);

    assert_int_equal(async_policy_decode(&p, buf,
                                         async_policy_encode(&p, buf,
                                                             sizeof(buf))),
                     ASYNC_OK);
    assert_int_equal(p.location, 0x1122334455667788);
    assert_false(p.estimate);
}


static void
statuses_from_400_to_599_can_be_tried_again(void **state)
{
    unsigned        status, n;
    async_policy_t  p;

    (void) state;

    async_policy_defaults(&p);

    for (status = 0, n = 0; status < 1000; status++) {
        n += async_policy_retries(&p, status) ? 1 : 0;
    }

    assert_int_equal(n, 6);

    for (status = 400; status <= 599; status++) {
        assert_true(async_policy_set_retry(&p, status));
        assert_true(async_policy_retries(&p, status));
    }

    assert_false(async_policy_set_retry(&p, 399));
    assert_false(async_policy_set_retry(&p, 600));
    assert_false(async_policy_retries(&p, 399));
    assert_false(async_policy_retries(&p, 600));
}


/* the bounds of each attempt are met and never left */

static void
the_wait_is_random_within_doubling_bounds(void **state)
{
    int64_t         wait, least, most;
    uint32_t        attempt;
    uint64_t        random;
    async_policy_t  p;

    static const int64_t  longest[] = { 0, 20000, 40000, 80000, 120000,
                                        120000 };

    (void) state;

    async_policy_defaults(&p);

    for (attempt = 1; attempt < 6; attempt++) {
        least = INT64_MAX;
        most = 0;

        for (random = 0; random < 130000; random++) {
            wait = async_policy_wait(&p, attempt, -1, random);
            least = wait < least ? wait : least;
            most = wait > most ? wait : most;
        }

        assert_int_equal(least, 10000);
        assert_int_equal(most, longest[attempt]);
    }

    assert_int_equal(async_policy_wait(&p, UINT32_MAX, -1, 110000), 120000);

    p.backoff_min = 0;
    assert_int_equal(async_policy_wait(&p, 3, -1, 12345), 0);

    p.backoff_min = p.backoff_max = 7000;
    assert_int_equal(async_policy_wait(&p, 3, -1, 12345), 7000);
}


static void
what_the_backend_asks_for_goes_before(void **state)
{
    async_policy_t  p;

    (void) state;

    async_policy_defaults(&p);

    assert_int_equal(async_policy_wait(&p, 1, 3600000, 5), 3600000);
    assert_int_equal(async_policy_wait(&p, 1, 0, 5), 10000);
    assert_int_equal(async_policy_wait(&p, 1, 9999, 5), 10000);
    assert_int_equal(async_policy_wait(&p, 1, INT64_MAX, 5), 86400000);
}


static void
overdue_is_who_waits_for_his_first_start(void **state)
{
    async_job_t     job;
    async_policy_t  p;

    (void) state;

    async_policy_defaults(&p);
    memset(&job, 0, sizeof(job));

    p.start_timeout = 1000;
    job.state = ASYNC_STATE_QUEUED;
    job.queued = 50000;

    assert_false(async_policy_overdue(&p, &job, 51000));
    assert_true(async_policy_overdue(&p, &job, 51001));
    assert_false(async_policy_overdue(&p, &job, 40000));

    /* cut by a crash, it comes back to its place */

    job.started = 50000;
    assert_false(async_policy_overdue(&p, &job, 51001));

    /* an attempt before it was due again does not count */

    job.started = 49999;
    assert_true(async_policy_overdue(&p, &job, 51001));

    /* a record may hold any time */

    job.queued = INT64_MIN;
    job.started = 0;
    assert_true(async_policy_overdue(&p, &job, 51001));

    job.state = ASYNC_STATE_PROCESSING;
    assert_false(async_policy_overdue(&p, &job, 51001));
}


static void
the_golden_queue(void **state)
{
    size_t         len;
    uint8_t       *bytes, buf[ASYNC_POLICY_MAX];
    async_queue_t  q;

    (void) state;

    bytes = async_golden_bytes(queue, &len);
    assert_int_equal(async_queue_decode(&q, bytes, len), ASYNC_OK);

    assert_str(q.name, "default");
    assert_int_equal(q.concurrency, 8);
    assert_int_equal(q.max_queued, 100000);
    assert_int_equal(q.loaded, 1795341600000);

    assert_int_equal(async_queue_encode(&q, buf, len - 1), 0);
    assert_int_equal(async_queue_encode(&q, buf, sizeof(buf)), len);
    assert_memory_equal(buf, bytes, len);
    free(bytes);
}


static void
what_a_queue_may_have_besides_comes_back(void **state)
{
    size_t         len;
    uint8_t        buf[ASYNC_POLICY_MAX];
    async_queue_t  q, back;

    (void) state;

    memset(&q, 0, sizeof(q));
    q.name = (async_str_t) async_str("reports");
    q.concurrency = 3;
    q.max_queued = 9;
    q.interval = ASYNC_INTERVAL_MAX;
    q.paused = true;

    len = async_queue_encode(&q, buf, sizeof(buf));
    assert_int_equal(async_queue_decode(&back, buf, len), ASYNC_OK);
    assert_str(back.name, "reports");
    assert_int_equal(back.interval, ASYNC_INTERVAL_MAX);
    assert_true(back.paused);

    /* slower than can be said */

    q.interval++;
    len = async_queue_encode(&q, buf, sizeof(buf));
    assert_int_equal(async_queue_decode(&back, buf, len), ASYNC_CORRUPT);

    q.interval = 0;
    q.paused = false;
    len = async_queue_encode(&q, buf, sizeof(buf));
    assert_int_equal(async_queue_decode(&back, buf, len), ASYNC_OK);
    assert_int_equal(back.interval, 0);
    assert_false(back.paused);
}


static void
the_limit_of_an_owner_is_a_tag_of_its_own(void **state)
{
    size_t         len, with;
    uint8_t       *bytes, buf[ASYNC_POLICY_MAX];
    async_queue_t  q, again;

    (void) state;

    bytes = async_golden_bytes(queue, &len);
    assert_int_equal(async_queue_decode(&q, bytes, len), ASYNC_OK);
    assert_int_equal(q.per_owner, 0);

    q.per_owner = 12;
    with = async_queue_encode(&q, buf, sizeof(buf));
    assert_int_equal(with, len + 6 + 8);
    assert_int_equal(async_queue_decode(&again, buf, with), ASYNC_OK);
    assert_int_equal(again.per_owner, 12);
    assert_str(again.name, "default");

    /* more than there can be, and less than a number */

    buf[with - 1] = 1;
    async_golden_seal(buf, with);
    assert_int_equal(async_queue_decode(&again, buf, with), ASYNC_CORRUPT);

    buf[with - 1] = 0;
    buf[len + 2] = 7;
    async_golden_seal(buf, with - 1);
    assert_int_equal(async_queue_decode(&again, buf, with - 1),
                     ASYNC_CORRUPT);
    free(bytes);
}


static void
a_queue_needs_a_name_of_fitting_length(void **state)
{
    char           name[ASYNC_QUEUE_MAX + 1];
    size_t         len;
    uint8_t       *bytes, buf[ASYNC_POLICY_MAX];
    async_queue_t  q = { .name.data = name, .concurrency = 1,
                         .max_queued = 1, .loaded = 1 };

    (void) state;

    memset(name, 'q', sizeof(name));
    assert_int_equal(async_queue_encode(&q, buf, sizeof(buf)), 0);

    q.name.len = ASYNC_QUEUE_MAX + 1;
    assert_int_equal(async_queue_encode(&q, buf, sizeof(buf)), 0);

    q.name.len = ASYNC_QUEUE_MAX;
    len = async_queue_encode(&q, buf, sizeof(buf));
    assert_true(len > 0);
    assert_int_equal(async_queue_decode(&q, buf, len), ASYNC_OK);

    /* the tag becomes one that we do not know: no name left */

    bytes = async_golden_bytes(queue, &len);
    bytes[28] = 3;
    async_golden_seal(bytes, len);
    assert_int_equal(async_queue_decode(&q, bytes, len), ASYNC_CORRUPT);
    free(bytes);
}


static async_rc_t
decode_policy(const void *data, size_t len)
{
    async_policy_t  p;

    return async_policy_decode(&p, data, len);
}


static async_rc_t
decode_queue(const void *data, size_t len)
{
    async_queue_t  q;

    return async_queue_decode(&q, data, len);
}


static void
damage_is_corrupt(void **state)
{
    (void) state;

    async_golden_damage(policy, decode_policy);
    async_golden_damage(queue, decode_queue);
}


/* a tag of a version to come is skipped, half a tag is not */

static void
tags_that_are_not_known_are_skipped(void **state)
{
    size_t          len;
    uint8_t        *bytes, buf[ASYNC_POLICY_MAX];
    async_policy_t  p;

    (void) state;

    bytes = async_golden_bytes(policy, &len);
    memcpy(buf, bytes, len);
    memcpy(buf + len, "\xc8\0\x02\0\0\0hi", 8);
    free(bytes);

    async_golden_seal(buf, len + 8);
    assert_int_equal(async_policy_decode(&p, buf, len + 8), ASYNC_OK);
    assert_int_equal(p.retry_after, 5);

    async_golden_seal(buf, len + 7);
    assert_int_equal(async_policy_decode(&p, buf, len + 7), ASYNC_CORRUPT);

    async_golden_seal(buf, len - 1);
    assert_int_equal(async_policy_decode(&p, buf, len - 1), ASYNC_CORRUPT);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(the_golden_policy),
        cmocka_unit_test(a_policy_without_tags_has_the_defaults),
        cmocka_unit_test(the_tags_of_estimates),
        cmocka_unit_test(statuses_from_400_to_599_can_be_tried_again),
        cmocka_unit_test(the_wait_is_random_within_doubling_bounds),
        cmocka_unit_test(what_the_backend_asks_for_goes_before),
        cmocka_unit_test(overdue_is_who_waits_for_his_first_start),
        cmocka_unit_test(the_golden_queue),
        cmocka_unit_test(what_a_queue_may_have_besides_comes_back),
        cmocka_unit_test(the_limit_of_an_owner_is_a_tag_of_its_own),
        cmocka_unit_test(a_queue_needs_a_name_of_fitting_length),
        cmocka_unit_test(damage_is_corrupt),
        cmocka_unit_test(tags_that_are_not_known_are_skipped)
    };

    return cmocka_run_group_tests_name("async_policy", tests, NULL, NULL);
}
