/*
 * The last run times, and what is made of them.
 */

#include "async_golden.h"
#include "async_runs.h"


/* 250 ms, 1 s, and one that was too long to be counted */

static const char  golden[] =
    "414a0c011c0000002acfd08c03000000fa000000e8030000ffffffff";


static async_runs_t
runs_of(const uint64_t *ms, unsigned n)
{
    unsigned      i;
    async_runs_t  runs;

    memset(&runs, 0, sizeof(runs));

    for (i = 0; i < n; i++) {
        async_runs_add(&runs, ms[i]);
    }

    return runs;
}


static void
the_golden_runs(void **state)
{
    size_t        len;
    uint8_t      *bytes, buf[ASYNC_RUNS_MAX];
    async_runs_t  runs;

    (void) state;

    bytes = async_golden_bytes(golden, &len);
    assert_int_equal(async_runs_decode(&runs, bytes, len), ASYNC_OK);
    assert_int_equal(runs.n, 3);
    assert_int_equal(runs.ms[0], 250);
    assert_int_equal(runs.ms[1], 1000);
    assert_int_equal(runs.ms[2], UINT32_MAX);

    assert_int_equal(async_runs_encode(&runs, buf, len - 1), 0);
    assert_int_equal(async_runs_encode(&runs, buf, sizeof(buf)), len);
    assert_memory_equal(buf, bytes, len);

    free(bytes);
}


static void
a_number_of_runs_that_cannot_be_is_corrupt(void **state)
{
    size_t        i, len;
    uint8_t      *bytes, buf[ASYNC_RUNS_MAX];
    async_runs_t  runs;

    static const uint8_t  numbers[] = { 0, 4, ASYNC_RUNS, ASYNC_RUNS + 1,
                                        255 };

    (void) state;

    for (i = 0; i < sizeof(numbers); i++) {
        bytes = async_golden_bytes(golden, &len);
        bytes[12] = numbers[i];
        async_golden_seal(bytes, len);

        assert_int_equal(async_runs_decode(&runs, bytes, len),
                         ASYNC_CORRUPT);
        assert_int_equal(runs.n, 0);
        assert_int_equal(async_runs_median(&runs), 0);
        free(bytes);
    }

    assert_int_equal(async_runs_encode(&runs, buf, sizeof(buf)), 0);
}


static async_rc_t
decode(const void *data, size_t len)
{
    async_runs_t  runs;

    return async_runs_decode(&runs, data, len);
}


static void
damage_is_corrupt(void **state)
{
    (void) state;

    async_golden_damage(golden, decode);
}


static void
the_fullest_fits(void **state)
{
    size_t        len;
    uint8_t       buf[ASYNC_RUNS_MAX];
    unsigned      i;
    async_runs_t  runs, again;

    (void) state;

    memset(&runs, 0, sizeof(runs));

    for (i = 0; i < 3 * ASYNC_RUNS; i++) {
        async_runs_add(&runs, i);
    }

    assert_int_equal(runs.n, ASYNC_RUNS);
    assert_int_equal(runs.ms[0], 2 * ASYNC_RUNS);
    assert_int_equal(runs.ms[ASYNC_RUNS - 1], 3 * ASYNC_RUNS - 1);

    len = async_runs_encode(&runs, buf, sizeof(buf));
    assert_int_equal(len, sizeof(buf));
    assert_int_equal(async_runs_decode(&again, buf, len), ASYNC_OK);
    assert_memory_equal(&runs, &again, sizeof(runs));
}


static void
the_middle_and_the_mean(void **state)
{
    size_t        i;
    async_runs_t  runs;

    static const struct {
        unsigned  n;
        uint64_t  ms[5];
        uint32_t  median;
        uint32_t  mean;
    } table[] = {
        { 0, { 0 }, 0, 0 },
        { 1, { 0 }, 1, 1 },                 /* none is not no time */
        { 1, { 100 }, 100, 100 },
        { 2, { 100, 40 }, 70, 70 },
        { 3, { 9, 100, 2 }, 9, 37 },
        { 5, { 50, 60, 50, 60, 120000 }, 60, 24064 },
        { 5, { 5, 4, 3, 2, 1 }, 3, 3 },
        { 4, { 100, 100, 0, 0 }, 50, 50 },

        /* about a percent, up or down */

        { 1, { 127 }, 127, 127 },
        { 1, { 128 }, 128, 128 },
        { 1, { 1003 }, 1000, 1000 },
        { 1, { 1004 }, 1008, 1008 },
        { 1, { 1023 }, 1024, 1024 },
        { 1, { 59999 }, 59904, 59904 },
        { 1, { UINT64_MAX }, UINT32_MAX, UINT32_MAX },
        { 2, { UINT64_MAX, UINT32_MAX }, UINT32_MAX, UINT32_MAX }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        runs = runs_of(table[i].ms, table[i].n);

        assert_int_equal(async_runs_median(&runs), table[i].median);
        assert_int_equal(async_runs_mean(&runs), table[i].mean);
    }
}


static void
a_percentile_is_one_of_the_runs(void **state)
{
    async_runs_t    runs;
    static const uint64_t  ms[] = { 900, 100, 300, 500, 700 };

    (void) state;

    runs = runs_of(ms, 0);
    assert_int_equal(async_runs_percentile(&runs, 50), 0);

    runs = runs_of(ms, 5);
    assert_int_equal(async_runs_percentile(&runs, 0), 100);
    assert_int_equal(async_runs_percentile(&runs, 50), 500);
    assert_int_equal(async_runs_percentile(&runs, 80), 700);
    assert_int_equal(async_runs_percentile(&runs, 81), 900);
    assert_int_equal(async_runs_percentile(&runs, 100), 900);
}


static void
rounding_is_a_percent_and_no_more(void **state)
{
    uint64_t      ms;
    uint32_t      median;
    async_runs_t  runs;

    (void) state;

    for (ms = 1; ms < 3000000000; ms += ms / 97 + 1) {
        runs = runs_of(&ms, 1);
        median = async_runs_median(&runs);

        assert_true(median * (uint64_t) 100 <= ms * 101);
        assert_true(median * (uint64_t) 100 >= ms * 99);
    }
}


/* few that are odd do not count, half that are new do */

static void
the_median_follows_a_change_of_speed(void **state)
{
    unsigned      i;
    async_runs_t  runs;

    (void) state;

    memset(&runs, 0, sizeof(runs));

    for (i = 0; i < 100; i++) {
        async_runs_add(&runs, 200);
    }

    for (i = 0; i < ASYNC_RUNS / 2; i++) {
        async_runs_add(&runs, 1000);
        assert_int_equal(async_runs_median(&runs), 200);
    }

    for (i = 0; i < 100; i++) {
        async_runs_add(&runs, 1000);
        assert_int_equal(async_runs_median(&runs), 1000);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(the_golden_runs),
        cmocka_unit_test(a_number_of_runs_that_cannot_be_is_corrupt),
        cmocka_unit_test(damage_is_corrupt),
        cmocka_unit_test(the_fullest_fits),
        cmocka_unit_test(the_middle_and_the_mean),
        cmocka_unit_test(a_percentile_is_one_of_the_runs),
        cmocka_unit_test(rounding_is_a_percent_and_no_more),
        cmocka_unit_test(the_median_follows_a_change_of_speed)
    };

    return cmocka_run_group_tests_name("async_runs", tests, NULL, NULL);
}
