/*
 * What is counted, as bytes; and the minutes of the last hour.
 */

#include "async_golden.h"
#include "async_metrics.h"


#define MINUTE  (60 * 1000ll)
#define NOW     (1795341600000ll)            /* 2026-11-22T10:00:00Z */

/* a record of a version that counted less in row 1, and more in row 7 */

static const char  golden[] =
    "414a10012800000000000000010008000000070000000000000007000800000009000000"
    "00000000";


static void
each_number_comes_back(void **state)
{
    size_t           len, i;
    uint8_t          buf[ASYNC_METRICS_MAX];
    uint64_t        *n;
    async_metrics_t  metrics, again;

    (void) state;

    n = (uint64_t *) &metrics;

    for (i = 0; i < sizeof(metrics) / sizeof(uint64_t); i++) {
        n[i] = (i + 1) * 0x0102030405060708ull;
    }

    len = async_metrics_encode(&metrics, buf, sizeof(buf));
    assert_int_equal(len, ASYNC_METRICS_MAX);
    assert_int_equal(async_metrics_encode(&metrics, buf, len - 1), 0);
    assert_int_equal(async_metrics_encode(&metrics, buf, len), len);

    assert_int_equal(async_metrics_decode(&again, buf, len), ASYNC_OK);
    assert_memory_equal(&again, &metrics, sizeof(metrics));

    for (i = 0; i < len; i++) {
        assert_int_equal(async_metrics_decode(&again, buf, i),
                         ASYNC_CORRUPT);
        assert_int_equal(again.submits[0], 0);
    }
}


static void
another_version_is_read_as_far_as_it_is_known(void **state)
{
    size_t           len;
    uint8_t         *bytes;
    async_metrics_t  metrics;

    (void) state;

    bytes = async_golden_bytes(golden, &len);
    async_golden_seal(bytes, len);

    assert_int_equal(async_metrics_decode(&metrics, bytes, len), ASYNC_OK);
    assert_int_equal(metrics.submits[ASYNC_SUBMIT_ACCEPTED], 7);
    assert_int_equal(metrics.submits[ASYNC_SUBMIT_RETRIED], 0);
    assert_int_equal(metrics.attempts[0], 0);
    free(bytes);
}


static void
a_value_is_in_the_first_bucket_that_holds_it(void **state)
{
    async_histogram_t  h;

    (void) state;

    memset(&h, 0, sizeof(h));

    async_histogram_add(&h, 0);
    async_histogram_add(&h, 100);
    async_histogram_add(&h, 101);
    async_histogram_add(&h, 14400000);
    async_histogram_add(&h, 14400001);

    assert_int_equal(h.n[0], 2);
    assert_int_equal(h.n[1], 1);
    assert_int_equal(h.n[ASYNC_BUCKETS - 2], 1);
    assert_int_equal(h.n[ASYNC_BUCKETS - 1], 1);
    assert_int_equal(h.n[ASYNC_HISTOGRAM_SUM], 28800202);
    assert_int_equal(async_histogram_count(&h), 5);

    assert_int_equal(async_bound(0), 100);
    assert_int_equal(async_bound(ASYNC_BUCKETS - 2), 14400000);
    assert_int_equal(async_bound(ASYNC_BUCKETS - 1), 0);
}


static void
minutes_move_on(void **state)
{
    size_t          len;
    uint8_t         buf[ASYNC_RECENT_MAX];
    async_recent_t  recent, again;

    (void) state;

    memset(&recent, 0, sizeof(recent));

    async_recent_at(&recent, NOW)->accepted = 1;
    async_recent_at(&recent, NOW + MINUTE - 1)->started = 2;
    assert_int_equal(recent.minute, NOW / MINUTE);
    assert_int_equal(recent.minutes[0].accepted, 1);
    assert_int_equal(recent.minutes[0].started, 2);

    async_recent_at(&recent, NOW + 2 * MINUTE)->completed = 3;
    assert_int_equal(recent.minutes[0].completed, 3);
    assert_int_equal(recent.minutes[1].accepted, 0);
    assert_int_equal(recent.minutes[2].accepted, 1);

    /* the clock was set back: nothing is lost by it */

    async_recent_at(&recent, NOW)->failed = 4;
    assert_int_equal(recent.minutes[0].failed, 4);

    len = async_recent_encode(&recent, buf, sizeof(buf));
    assert_int_equal(len, ASYNC_RECENT_MAX);
    assert_int_equal(async_recent_decode(&again, buf, len), ASYNC_OK);
    assert_memory_equal(&again, &recent, sizeof(recent));
    assert_int_equal(async_recent_decode(&again, buf, len - 1),
                     ASYNC_CORRUPT);

    (void) async_recent_at(&recent, NOW + 61 * MINUTE);
    assert_int_equal(recent.minutes[59].completed, 3);
    (void) async_recent_at(&recent, NOW + 62 * MINUTE);
    assert_int_equal(recent.minutes[59].completed, 0);
    (void) async_recent_at(&recent, NOW + 1000 * MINUTE);
    assert_int_equal(recent.minutes[0].completed, 0);
}


static void
results_have_names(void **state)
{
    unsigned  i, n;

    (void) state;

    for (i = 0, n = 0; i < 256; i++) {
        n += *async_attempt_name(i) != '\0';
    }

    assert_int_equal(n, 8);
    assert_string_equal(async_attempt_name(0), "completed");
    assert_string_equal(async_attempt_name(1), "backend-status");
    assert_string_equal(async_attempt_name(4), "");
    assert_string_equal(async_attempt_name(11), "canceled");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(each_number_comes_back),
        cmocka_unit_test(another_version_is_read_as_far_as_it_is_known),
        cmocka_unit_test(a_value_is_in_the_first_bucket_that_holds_it),
        cmocka_unit_test(minutes_move_on),
        cmocka_unit_test(results_have_names)
    };

    return cmocka_run_group_tests_name("async_metrics", tests, NULL, NULL);
}
