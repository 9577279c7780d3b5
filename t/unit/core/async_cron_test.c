/*
 * Expressions of cron: what is taken, what is refused in which words, and
 * which times come of it.  A whole year against another implementation:
 * t/flow/cron.t.
 */

#include "async_cron.h"
#include "async_text.h"
#include "async_time.h"
#include "async_tzif.h"


static async_rc_t
parse(async_cron_t *cron, const char *text, async_error_t *err)
{
    async_rc_t    rc;
    async_str_t   value;

    value = exact(text, strlen(text));

    err->text[0] = '\0';
    rc = async_cron_parse(cron, value, err);
    exact_free(value);

    return rc;
}


static async_cron_t
cron_of(const char *text)
{
    async_cron_t   cron;
    async_error_t  err;

    if (parse(&cron, text, &err) != ASYNC_OK) {
        fail_msg("refused: %s: %s", text, err.text);
    }

    return cron;
}


static int64_t
ms(const char *text)
{
    int64_t  at;

    assert_true(async_time_parse(&at, text, strlen(text)));

    return at;
}


/* the times after the first of a list, ended by NULL, are the rest of it */

static void
assert_times(const char *text, const async_zone_t *zone, const char **times)
{
    char          shown[ASYNC_TIME_TEXT + 1];
    int64_t       at;
    async_cron_t  cron;

    cron = cron_of(text);

    for (at = ms(*times++); *times != NULL; times++) {
        at = async_cron_next(&cron, zone, at);

        *async_time_format(shown, at) = '\0';

        if (at != ms(*times)) {
            fail_msg("%s: %s, and not %s", text, shown, *times);
        }
    }
}

#define TIMES(text, zone, ...)                                               \
    assert_times(text, zone, (const char *[]) { __VA_ARGS__, NULL })


/* --- what is taken --- */

static void
test_fields(void **state)
{
    async_cron_t  cron;

    (void) state;

    cron = cron_of("* * * * *");
    assert_int_equal(cron.minutes, (UINT64_C(1) << 60) - 1);
    assert_int_equal(cron.hours, 0xffffff);
    assert_int_equal(cron.days, 0xfffffffe);
    assert_int_equal(cron.months, 0x1ffe);
    assert_int_equal(cron.weekdays, 0x7f);
    assert_true(cron.both);
    assert_true(cron.elapsed);

    cron = cron_of("  5,10-12\t0 1\t \tJAN-mar,Dec Mon ");
    assert_int_equal(cron.minutes, 1 << 5 | 7 << 10);
    assert_int_equal(cron.hours, 1);
    assert_int_equal(cron.days, 2);
    assert_int_equal(cron.months, 0xe | 1 << 12);
    assert_int_equal(cron.weekdays, 2);
    assert_false(cron.both);
    assert_false(cron.elapsed);

    cron = cron_of("*/20 8-18/5 */10 */6 */3");
    assert_int_equal(cron.minutes, 1 | 1 << 20 | UINT64_C(1) << 40);
    assert_int_equal(cron.hours, 1 << 8 | 1 << 13 | 1 << 18);
    assert_int_equal(cron.days, 1 << 1 | 1 << 11 | 1 << 21
                                | UINT32_C(1) << 31);
    assert_int_equal(cron.months, 1 << 1 | 1 << 7);
    assert_int_equal(cron.weekdays, 1 | 1 << 3 | 1 << 6);
    assert_true(cron.both);
    assert_false(cron.elapsed);

    assert_int_equal(cron_of("55/2 * * * *").minutes,
                     UINT64_C(1) << 55 | UINT64_C(1) << 57
                     | UINT64_C(1) << 59);
    assert_int_equal(cron_of("007 * * * *").minutes, 1 << 7);
    assert_true(cron_of("0 */2 * * 1").elapsed);
    assert_true(cron_of("0 0 */2 * 1").both);
}


static void
test_weekdays(void **state)
{
    size_t  i;

    static const struct {
        const char  *text;
        uint8_t      weekdays;
    } cases[] = {
        { "0 0 * * 0", 0x01 }, { "0 0 * * 7", 0x01 }, { "0 0 * * sun", 0x01 },
        { "0 0 * * 5-7", 0x61 }, { "0 0 * * 1-5", 0x3e },
        { "0 0 * * fri-sun", 0x61 }, { "0 0 * * sat-sun", 0x41 },
        { "0 0 * * sun-tue", 0x07 }, { "0 0 * * sun-sun", 0x01 },
        { "0 0 * * 0-7", 0x7f }, { "0 0 * * 1-7/2", 0x2b },
        { "0 0 * * mon,WED,Fri", 0x2a }, { "0 0 * * 2/2", 0x54 },
        { "0 0 * * 7/2", 0x01 }, { "0 0 * * */7", 0x01 }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (cron_of(cases[i].text).weekdays != cases[i].weekdays) {
            fail_msg("%s: %x", cases[i].text,
                     cron_of(cases[i].text).weekdays);
        }
    }
}


static void
test_words(void **state)
{
    size_t        i;
    async_cron_t  word, text;

    static const char  *cases[][2] = {
        { "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" },
        { "@monthly", "0 0 1 * *" }, { "@weekly", "0 0 * * 0" },
        { "@daily", "0 0 * * *" }, { "@midnight", "0 0 * * *" },
        { "@hourly", "0 * * * *" }, { " @Daily ", "0 0 * * *" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        word = cron_of(cases[i][0]);
        text = cron_of(cases[i][1]);
        assert_memory_equal(&word, &text, sizeof(async_cron_t));
    }
}


/* --- what is refused --- */

static void
test_refused(void **state)
{
    size_t         i;
    async_cron_t   cron;
    async_error_t  err;

    static const struct {
        const char  *text;
        const char  *why;
    } cases[] = {
        { "", "it has 0 fields" },
        { "* * * *", "it has 4 fields" },
        { "0 0 * * * *", "it has 6 fields" },
        { "60 * * * *", "the minute \"60\" takes 0 to 59" },
        { "* 24 * * *", "the hour \"24\" takes 0 to 23" },
        { "* * 0 * *", "the day of the month \"0\" takes 1 to 31" },
        { "* * 32 * *", "the day of the month \"32\" takes 1 to 31" },
        { "* * * 13 *", "the month \"13\" takes 1 to 12" },
        { "* * * 0 *", "the month \"0\"" },
        { "* * * foo *", "the month \"foo\" takes 1 to 12, or jan to dec" },
        { "* * * * 8", "the day of the week \"8\" takes 0 to 7" },
        { "* * * * jan", "the day of the week \"jan\"" },
        { "jan * * * *", "the minute \"jan\"" },
        { "5-1 * * * *", "the minute \"5-1\" has a range that ends before" },
        { "* 22-2 * * *", "the hour \"22-2\" has a range that ends before" },
        { "* * * * sat-mon", "the day of the week \"sat-mon\" has a range" },
        { "*/0 * * * *", "the minute \"*/0\" has a step" },
        { "*/60 * * * *", "the minute \"*/60\" has a step" },
        { "*/ * * * *", "the minute \"*/\" has a step" },
        { "*/a * * * *", "the minute \"*/a\" has a step" },
        { "1, * * * *", "the minute \"1,\" takes 0 to 59" },
        { ",1 * * * *", "the minute \",1\" takes 0 to 59" },
        { "1- * * * *", "the minute \"1-\" takes 0 to 59" },
        { "-1 * * * *", "the minute \"-1\" takes 0 to 59" },
        { "1-2-3 * * * *", "the minute \"1-2-3\" takes numbers, ranges" },
        { "*5 * * * *", "the minute \"*5\" takes numbers, ranges" },
        { "1/2/3 * * * *", "the minute \"1/2/3\" takes numbers, ranges" },
        { "* * L * *", "the day of the month \"L\"" },
        { "* * ? * *", "the day of the month \"?\"" },
        { "* * * * mon#2", "the day of the week \"mon#2\"" },
        { "* * * * monday", "the day of the week \"monday\"" },
        { "4294967297 * * * *", "the minute \"4294967297\"" },
        { "0 0 30 2 *", "the day of the month \"30\" never comes in the "
                        "month \"2\"" },
        { "0 0 31 4,jun,9 *", "the day of the month \"31\" never comes in "
                              "the month \"4,jun,9\"" },
        { "@reboot", "\"@reboot\" is none of @hourly" },
        { "@every 5m", "\"@every 5m\" is none of @hourly" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        if (parse(&cron, cases[i].text, &err) != ASYNC_INVALID) {
            fail_msg("taken: %s", cases[i].text);
        }

        if (strncmp(err.text, cases[i].why, strlen(cases[i].why)) != 0) {
            fail_msg("%s: %s", cases[i].text, err.text);
        }
    }
}


static void
test_long(void **state)
{
    char           text[ASYNC_CRON_TEXT + 2];
    async_cron_t   cron;
    async_error_t  err;

    (void) state;

    memset(text, '9', sizeof(text));
    memcpy(text, "* * * * ", 8);
    text[sizeof(text) - 1] = '\0';

    assert_int_equal(parse(&cron, text, &err), ASYNC_INVALID);
    assert_non_null(strstr(err.text, "longer than"));

    text[ASYNC_CRON_TEXT] = '\0';
    assert_int_equal(parse(&cron, text, &err), ASYNC_INVALID);
    assert_non_null(strstr(err.text, "the day of the week"));
}


/* --- which times --- */

static void
test_times(void **state)
{
    async_zone_t  utc;

    (void) state;

    async_zone_utc(&utc);

    TIMES("* * * * *", &utc, "2026-11-29T08:59:59.999Z",
          "2026-11-29T09:00:00Z", "2026-11-29T09:01:00Z");
    TIMES("* * * * *", &utc, "2026-11-29T09:00:00Z", "2026-11-29T09:01:00Z");
    TIMES("0 0 1 1 *", &utc, "2026-11-29T09:00:00Z", "2027-01-01T00:00:00Z",
          "2028-01-01T00:00:00Z");
    TIMES("59 23 31 * *", &utc, "2026-01-31T23:59:00Z",
          "2026-03-31T23:59:00Z", "2026-05-31T23:59:00Z");

    /* either day, or both */

    TIMES("0 12 13 * 5", &utc, "2026-11-01T00:00:00Z", "2026-11-06T12:00:00Z",
          "2026-11-13T12:00:00Z", "2026-11-20T12:00:00Z",
          "2026-11-27T12:00:00Z", "2026-12-04T12:00:00Z",
          "2026-12-11T12:00:00Z", "2026-12-13T12:00:00Z");
    TIMES("0 12 */2 * 5", &utc, "2026-11-01T00:00:00Z",
          "2026-11-13T12:00:00Z", "2026-11-27T12:00:00Z");

    /* leap days: 2100 has none; and one that is a Monday */

    TIMES("0 0 29 2 *", &utc, "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z",
          "2032-02-29T00:00:00Z");
    TIMES("0 0 29 2 *", &utc, "2096-02-29T00:00:00Z",
          "2104-02-29T00:00:00Z");
    TIMES("0 0 29 2 */6", &utc, "2026-01-01T00:00:00Z",
          "2032-02-29T00:00:00Z", "2048-02-29T00:00:00Z",
          "2060-02-29T00:00:00Z");
}


static void
test_daylight(void **state)
{
    async_zone_t  berlin;

    (void) state;

    assert_int_equal(async_zone_decode(&berlin, berlin_tzif,
                                       sizeof(berlin_tzif)), ASYNC_OK);

    /* 2:00 to 3:00 is left out on March 29, at 01:00 UTC */

    TIMES("0 2 * * *", &berlin, "2026-03-28T00:00:00Z",
          "2026-03-28T01:00:00Z", "2026-03-29T01:00:00Z",
          "2026-03-30T00:00:00Z");
    TIMES("30 2 * * *", &berlin, "2026-03-28T12:00:00Z",
          "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z");
    TIMES("*/20 2 * * *", &berlin, "2026-03-28T12:00:00Z",
          "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z",
          "2026-03-30T00:20:00Z");
    TIMES("0 2,3 * * *", &berlin, "2026-03-28T12:00:00Z",
          "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z",
          "2026-03-30T01:00:00Z");
    TIMES("*/30 * * * *", &berlin, "2026-03-29T00:20:00Z",
          "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z",
          "2026-03-29T01:30:00Z");
    TIMES("30 */2 * * *", &berlin, "2026-03-28T23:00:00Z",
          "2026-03-28T23:30:00Z", "2026-03-29T02:30:00Z");

    /* and comes twice on October 25, at 00:00 and 01:00 UTC */

    TIMES("0 2 * * *", &berlin, "2026-10-24T12:00:00Z",
          "2026-10-25T00:00:00Z", "2026-10-26T01:00:00Z");
    TIMES("30 2 * * *", &berlin, "2026-10-24T12:00:00Z",
          "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z");
    TIMES("30 2 * * *", &berlin, "2026-10-25T01:10:00Z",
          "2026-10-26T01:30:00Z");
    TIMES("0 3 * * *", &berlin, "2026-10-25T00:30:00Z",
          "2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z");
    TIMES("*/30 * * * *", &berlin, "2026-10-25T00:20:00Z",
          "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z",
          "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z");

    /* by the rule behind the table */

    TIMES("30 2 * * *", &berlin, "2060-03-27T12:00:00Z",
          "2060-03-28T01:00:00Z", "2060-03-29T00:30:00Z");
    TIMES("0 0 29 2 *", &berlin, "2026-03-01T00:00:00Z",
          "2028-02-28T23:00:00Z");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_weekdays),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_daylight)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
