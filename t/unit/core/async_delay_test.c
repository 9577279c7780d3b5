/*
 * Delays.
 */

#include "async_delay.h"
#include "async_text.h"


#define NOW    1795341600250ll      /* 2026-11-22T10:00:00.250Z */
#define DAY    86400000ll


static async_rc_t
parse(const char *text, int64_t *due)
{
    async_rc_t    rc;
    async_str_t   value;

    value = exact(text, strlen(text));

    rc = async_delay_parse(value, NOW, due);
    exact_free(value);

    return rc;
}


static void
assert_due(const char *text, int64_t expected)
{
    int64_t  due;

    if (parse(text, &due) != ASYNC_OK) {
        fail_msg("refused: %s", text);
    }

    if (due != expected) {
        print_error("delay: %s\n", text);
    }

    assert_int_equal(due, expected);
}


static void
assert_after(const char *text, int64_t ms)
{
    assert_due(text, NOW + ms);
}


static void
assert_refused(const char *text)
{
    int64_t  due;

    if (parse(text, &due) != ASYNC_INVALID) {
        fail_msg("taken: %s", text);
    }

    assert_int_equal(due, 0);
}


static void
units_are_those_of_nginx(void **state)
{
    (void) state;

    assert_after("5ms", 5);
    assert_after("10s", 10000);
    assert_after("3m", 180000);
    assert_after("2h", 7200000);
    assert_after("4d", 4 * DAY);
    assert_after("2w", 14 * DAY);
    assert_after("2M", 60 * DAY);
    assert_after("1y", 365 * DAY);
    assert_after("010s", 10000);
}


static void
units_may_follow_each_other_and_fall(void **state)
{
    (void) state;

    assert_after("1h30m", 5400000);
    assert_after("1h 30m", 5400000);
    assert_after("1h  30m 5s  7ms", 5405007);
    assert_after("1h90", 3690000);
    assert_after("11M1w1d1h1m1s1ms", 338 * DAY + 3661001);
    assert_after("1m500ms", 60500);
    assert_after("0h0m1s", 1000);

    assert_refused("30m1h");
    assert_refused("1h1h");
    assert_refused("1ms1s");
    assert_refused("1s1");
    assert_refused("1ms1");
}


static void
a_bare_number_is_seconds_or_unix_time(void **state)
{
    (void) state;

    assert_after("1", 1000);
    assert_after("90", 90000);
    assert_after("31536000", 365 * DAY);
    assert_refused("31536001");
    assert_refused("999999999");
    assert_due("1000000000", 0);
    assert_due("1795341600", 0);
    assert_due("1795341601", 1795341601000);
    assert_due("1826877600", NOW - 250 + 365 * DAY);
    assert_refused("1826877601");

    /* milliseconds, to which others are used */

    assert_refused("1795341601000");
}


static void
a_date_is_one_of_rfc_3339(void **state)
{
    (void) state;

    assert_due("2026-11-22T10:00:00.251Z", NOW + 1);
    assert_due("2026-11-22t12:00:01+02:00", 1795341601000);
    assert_due("2026-12-31T23:59:60Z", 1798761600000);
    assert_due("2027-11-22T10:00:00.250Z", NOW + 365 * DAY);
    assert_refused("2027-11-22T10:00:00.251Z");
    assert_refused("9999-12-31T23:59:59Z");
    assert_refused("2026-11-31T10:00:00Z");
    assert_refused("2026-11-23");
    assert_refused("Sun, 22 Nov 2026 10:00:00 GMT");
}


static void
what_has_passed_is_at_once(void **state)
{
    (void) state;

    assert_due("0", 0);
    assert_due("0s", 0);
    assert_due("0h0m0s", 0);
    assert_due("2026-11-22T10:00:00.250Z", 0);
    assert_due("2026-11-22T10:00:00Z", 0);
    assert_due("1970-01-01T00:00:00Z", 0);
    assert_due("0000-01-01T00:00:00Z", 0);
    assert_due("1000000001", 0);
}


static void
nothing_is_no_delay(void **state)
{
    int64_t      due;
    async_str_t  none = { NULL, 0 };

    (void) state;

    assert_due("", 0);
    assert_due(" \t ", 0);
    assert_int_equal(async_delay_parse(none, NOW, &due), ASYNC_OK);
    assert_int_equal(due, 0);
}


static void
white_space_around_is_no_part_of_it(void **state)
{
    (void) state;

    assert_after(" 10s\t", 10000);
    assert_after("\t 10 ", 10000);
    assert_due("  2026-11-22T10:00:01Z ", 1795341601000);
}


static void
more_than_a_year_is_refused(void **state)
{
    (void) state;

    assert_refused("1y1ms");
    assert_refused("366d");
    assert_refused("12M6d");
    assert_refused("31536000001ms");
    assert_after("31536000000ms", 365 * DAY);

    assert_refused("99999999999999999999999999999999y");
    assert_refused("9223372036854775807s");
    assert_refused("9223372036854775808ms");
    assert_refused("18446744073709551617");
    assert_refused("1y12M52w365d8760h525600m31536000s31536000000ms");
}


static void
everything_else_is_refused(void **state)
{
    size_t       i;
    const char  *bad[] = {
        "s", "h", "ms", "-1", "-10s", "+10", "+10s", "1.5h", "10 s", "10S",
        "10sec", "10s!", "10s,", "1h-30m", "1h\t30m", "abc", "0x10", "1e3",
        "10ss", "10s s", "10 20", "1d h", "h1", "10mss", "ten", "now",
        "\"10s\"", "10s\n", "PT10S", "1hm"
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_refused(bad[i]);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(units_are_those_of_nginx),
        cmocka_unit_test(units_may_follow_each_other_and_fall),
        cmocka_unit_test(a_bare_number_is_seconds_or_unix_time),
        cmocka_unit_test(a_date_is_one_of_rfc_3339),
        cmocka_unit_test(what_has_passed_is_at_once),
        cmocka_unit_test(nothing_is_no_delay),
        cmocka_unit_test(white_space_around_is_no_part_of_it),
        cmocka_unit_test(more_than_a_year_is_refused),
        cmocka_unit_test(everything_else_is_refused)
    };

    return cmocka_run_group_tests_name("async_delay", tests, NULL, NULL);
}
