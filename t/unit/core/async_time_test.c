/*
 * Times, compared with the C library's calendar.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <cmocka.h>

#include "async_time.h"


static void
assert_time(int64_t ms, const char *expected)
{
    char  text[ASYNC_TIME_TEXT + 1];

    text[ASYNC_TIME_TEXT] = '\0';

    assert_ptr_equal(async_time_format(text, ms), text + ASYNC_TIME_TEXT);
    assert_string_equal(text, expected);
}


static void
times_at_the_edges(void **state)
{
    (void) state;

    assert_time(0, "1970-01-01T00:00:00.000Z");
    assert_time(1, "1970-01-01T00:00:00.001Z");
    assert_time(86399999, "1970-01-01T23:59:59.999Z");
    assert_time(86400000, "1970-01-02T00:00:00.000Z");
    assert_time(951782399999, "2000-02-28T23:59:59.999Z");
    assert_time(951782400000, "2000-02-29T00:00:00.000Z");
    assert_time(951868800000, "2000-03-01T00:00:00.000Z");
    assert_time(1795341600000, "2026-11-22T10:00:00.000Z");
    assert_time(2147483648000, "2038-01-19T03:14:08.000Z");
    assert_time(4107542399000, "2100-02-28T23:59:59.000Z");
    assert_time(4107542400000, "2100-03-01T00:00:00.000Z");
    assert_time(253402300799999, "9999-12-31T23:59:59.999Z");
}


static void
times_out_of_range_are_clamped(void **state)
{
    (void) state;

    assert_time(-1, "1970-01-01T00:00:00.000Z");
    assert_time(INT64_MIN, "1970-01-01T00:00:00.000Z");
    assert_time(253402300800000, "9999-12-31T23:59:59.999Z");
    assert_time(INT64_MAX, "9999-12-31T23:59:59.999Z");
}


static void
every_day_until_9999_is_as_the_c_library_says(void **state)
{
    char       expected[64];
    time_t     day;
    struct tm  tm;

    (void) state;

    for (day = 0; day < 2932897; day++) {
        time_t  t = day * 86400 + day % 86400;

        gmtime_r(&t, &tm);
        snprintf(expected, sizeof(expected),
                 "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                 (int) (day % 1000));

        assert_time((int64_t) t * 1000 + day % 1000, expected);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(times_at_the_edges),
        cmocka_unit_test(times_out_of_range_are_clamped),
        cmocka_unit_test(every_day_until_9999_is_as_the_c_library_says)
    };

    return cmocka_run_group_tests_name("async_time", tests, NULL, NULL);
}
