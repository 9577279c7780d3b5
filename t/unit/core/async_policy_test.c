/*
 * The records of a location's policy and of a queue's.
 */

#include "async_golden.h"
#include "async_policy.h"


/* 15m, 1g, 24h, 7d, 30d, 5 attempts, 5 s */

static const char  policy[] =
    "414a06013c000000d1a6e133a0bb0d00000000000000004000000000005c2605"
    "0000000000840c240000000000c87e9a000000000500000005000000";

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
a_queue_needs_a_name_of_fitting_length(void **state)
{
    char           name[ASYNC_QUEUE_MAX + 1];
    size_t         len;
    uint8_t       *bytes, buf[ASYNC_POLICY_MAX];
    async_queue_t  q = { { name, 0 }, 1, 1, 1 };

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
    bytes[28] = 2;
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
    memcpy(buf + len, "\x07\0\x02\0\0\0hi", 8);
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
        cmocka_unit_test(the_golden_queue),
        cmocka_unit_test(a_queue_needs_a_name_of_fitting_length),
        cmocka_unit_test(damage_is_corrupt),
        cmocka_unit_test(tags_that_are_not_known_are_skipped)
    };

    return cmocka_run_group_tests_name("async_policy", tests, NULL, NULL);
}
