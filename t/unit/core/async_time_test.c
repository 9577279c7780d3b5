/*
 * Times, compared with the C library's calendar.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
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
assert_parsed(const char *text, int64_t expected)
{
    int64_t  ms;

    if (!async_time_parse(&ms, text, strlen(text))) {
        fail_msg("refused: %s", text);
    }

    assert_int_equal(ms, expected);
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
        assert_parsed(expected, (int64_t) t * 1000 + day % 1000);
    }
}


/* the C library counts the years before 1970 as well */

static void
every_day_from_the_year_0_is_read(void **state)
{
    char       text[64];
    time_t     day;
    struct tm  tm;

    (void) state;

    for (day = -719528; day < 0; day++) {
        time_t  t = day * 86400;

        gmtime_r(&t, &tm);
        snprintf(text, sizeof(text), "%04d-%02d-%02dT00:00:00Z",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);

        assert_parsed(text, (int64_t) t * 1000);
    }
}


static void
the_examples_of_rfc_3339(void **state)
{
    (void) state;

    assert_parsed("1985-04-12T23:20:50.52Z", 482196050520);
    assert_parsed("1996-12-19T16:39:57-08:00", 851042397000);
    assert_parsed("1996-12-20T00:39:57Z", 851042397000);
    assert_parsed("1990-12-31T23:59:60Z", 662688000000);
    assert_parsed("1990-12-31T15:59:60-08:00", 662688000000);
    assert_parsed("1937-01-01T12:00:27.87+00:20", -1041337172130);
}


static void
letters_fractions_and_offsets(void **state)
{
    (void) state;

    assert_parsed("2026-11-22t10:00:00z", 1795341600000);
    assert_parsed("2026-11-22T10:00:00.0Z", 1795341600000);
    assert_parsed("2026-11-22T10:00:00.5Z", 1795341600500);
    assert_parsed("2026-11-22T10:00:00.0009Z", 1795341600000);
    assert_parsed("2026-11-22T10:00:00.123456789012345678901Z",
                  1795341600123);
    assert_parsed("2026-11-22T10:00:00+00:00", 1795341600000);
    assert_parsed("2026-11-22T10:00:00-00:00", 1795341600000);
    assert_parsed("2026-11-23T00:30:00+14:30", 1795341600000);
    assert_parsed("2026-11-21T10:01:00-23:59", 1795341600000);
    assert_parsed("2016-12-31T23:59:60.25z", 1483228800250);
    assert_parsed("0000-01-01T00:00:00+23:59", -62167305540000);
    assert_parsed("9999-12-31T23:59:59.999-23:59", 253402387139999);
}


static void
what_is_no_time_is_refused(void **state)
{
    size_t       i, len;
    int64_t      ms;
    const char  *whole = "2026-11-22T10:00:00.5+01:00";
    const char  *bad[] = {
        "2026-11-22T10:00:00", "2026-11-22", "10:00:00Z",
        "2026-00-22T10:00:00Z", "2026-13-22T10:00:00Z",
        "2026-11-00T10:00:00Z", "2026-11-31T10:00:00Z",
        "2026-02-29T10:00:00Z", "2100-02-29T10:00:00Z",
        "2024-02-30T10:00:00Z", "2026-04-31T10:00:00Z",
        "2026-06-31T10:00:00Z", "2026-09-31T10:00:00Z",
        "2026-01-32T10:00:00Z", "2026-11-22T24:00:00Z",
        "2026-11-22T10:60:00Z", "2026-11-22T10:00:61Z",
        "2026-11-22T10:00:60Z", "2026-11-22T23:59:60+01:00",
        "2026-11-22T10:00:00.Z", "2026-11-22T10:00:00,5Z",
        "2026-11-22T10:00:00+24:00", "2026-11-22T10:00:00+01:60",
        "2026-11-22T10:00:00+0100", "2026-11-22T10:00:00+01",
        "2026-11-22T10:00:00ZZ", "2026-11-22T10:00:00Z ",
        " 2026-11-22T10:00:00Z", "2026-11-22 10:00:00Z",
        "2026-11-22T10:00Z", "2026-1-22T10:00:00Z",
        "12026-11-22T10:00:00Z", "-2026-11-22T10:00:00Z",
        "+026-11-22T10:00:00Z", "2026/11/22T10:00:00Z",
        "20261122T100000Z", "2026-W47-7T10:00:00Z"
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {

        if (async_time_parse(&ms, bad[i], strlen(bad[i]))) {
            fail_msg("read: %s", bad[i]);
        }
    }

    for (len = 0; len < strlen(whole); len++) {
        assert_false(async_time_parse(&ms, whole, len));
    }

    assert_true(async_time_parse(&ms, whole, len));
    assert_false(async_time_parse(&ms, NULL, 0));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(times_at_the_edges),
        cmocka_unit_test(times_out_of_range_are_clamped),
        cmocka_unit_test(every_day_until_9999_is_as_the_c_library_says),
        cmocka_unit_test(every_day_from_the_year_0_is_read),
        cmocka_unit_test(the_examples_of_rfc_3339),
        cmocka_unit_test(letters_fractions_and_offsets),
        cmocka_unit_test(what_is_no_time_is_refused)
    };

    return cmocka_run_group_tests_name("async_time", tests, NULL, NULL);
}
