/*
 * Time zones: what is taken for one, and which offset holds when.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "async_time.h"
#include "async_tzif.h"
#include "async_zone.h"


static int64_t
at(const char *text)
{
    int64_t  ms;

    assert_true(async_time_parse(&ms, text, strlen(text)));

    return ms / 1000;
}


static async_rc_t
decode(const uint8_t *data, size_t len)
{
    uint8_t       *exact;
    async_rc_t     rc;
    async_zone_t   zone;

    exact = malloc(len);
    assert_true(exact != NULL || len == 0);

    if (len > 0) {
        memcpy(exact, data, len);
    }

    rc = async_zone_decode(&zone, exact, len);
    free(exact);

    return rc;
}


/* a zone of nothing but a rule; the buffer is the caller's */

static bool
ruled(async_zone_t *zone, uint8_t *buf, const char *rule)
{
    static const uint8_t  head[] = {
        TZIF('2', 0, 1, 1), 0, 0, 0, 0, 0, 0, 0,
        TZIF('2', 0, 1, 1), 0, 0, 0, 0, 0, 0, 0
    };

    memcpy(buf, head, sizeof(head));

    return async_zone_decode(zone, buf, sizeof(head)
                             + (size_t) sprintf((char *) buf + sizeof(head),
                                                "\n%s\n", rule))
           == ASYNC_OK;
}


static void
assert_span(const async_zone_t *zone, int64_t t, int64_t from, int64_t to,
    int offset, int before)
{
    async_zone_span_t  span;

    async_zone_span(zone, t, &span);

    assert_int_equal(span.from, from);
    assert_int_equal(span.to, to);
    assert_int_equal(span.offset, offset);
    assert_int_equal(span.before, before);
}


static void
test_spans(void **state)
{
    int64_t       spring, autumn, next, last;
    async_zone_t  zone;

    (void) state;

    assert_int_equal(async_zone_decode(&zone, berlin_tzif,
                                       sizeof(berlin_tzif)), ASYNC_OK);

    spring = at("2025-03-30T01:00:00Z");
    autumn = at("2025-10-26T01:00:00Z");
    last = at("2026-03-29T01:00:00Z");
    next = at("2026-10-25T01:00:00Z");

    assert_span(&zone, 0, INT64_MIN, spring, 3600, 3600);
    assert_span(&zone, spring - 1, INT64_MIN, spring, 3600, 3600);
    assert_span(&zone, spring, spring, autumn, 7200, 3600);
    assert_span(&zone, autumn, autumn, last, 3600, 7200);
    assert_span(&zone, last, last, next, 7200, 3600);
    assert_span(&zone, next - 1, last, next, 7200, 3600);
    assert_span(&zone, next, next, at("2027-03-28T01:00:00Z"), 3600, 7200);

    async_zone_utc(&zone);
    assert_span(&zone, next, INT64_MIN, INT64_MAX, 0, 0);
}


static void
test_rules(void **state)
{
    uint8_t       buf[256];
    async_zone_t  zone;

    (void) state;

    assert_true(ruled(&zone, buf, "<+0545>-5:45"));
    assert_span(&zone, 0, INT64_MIN, INT64_MAX, 20700, 20700);

    /* from the fourth Sunday, at 2:00; half an hour; in the south */

    assert_true(ruled(&zone, buf, "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"));
    assert_span(&zone, at("2026-06-01T00:00:00Z"),
                at("2026-04-04T15:00:00Z"), at("2026-10-03T15:30:00Z"),
                37800, 39600);
    assert_span(&zone, at("2027-01-01T00:00:00Z"),
                at("2026-10-03T15:30:00Z"), at("2027-04-03T15:00:00Z"),
                39600, 37800);

    /* winter is the exception; a time before midnight */

    assert_true(ruled(&zone, buf, "IST-1GMT0,M10.5.0,M3.5.0/1"));
    assert_span(&zone, at("2026-12-01T00:00:00Z"),
                at("2026-10-25T01:00:00Z"), at("2027-03-28T01:00:00Z"), 0,
                3600);

    assert_true(ruled(&zone, buf, "<-02>2<-01>,M3.5.0/-1,M10.5.0/0"));
    assert_span(&zone, at("2026-06-01T00:00:00Z"),
                at("2026-03-29T01:00:00Z"), at("2026-10-25T01:00:00Z"), -3600,
                -7200);

    /* days by number: with and without the leap day */

    assert_true(ruled(&zone, buf, "AAA0BBB,J60/0,59/0"));
    assert_span(&zone, at("2028-02-29T12:00:00Z"),
                at("2028-02-28T23:00:00Z"), at("2028-03-01T00:00:00Z"), 0,
                3600);

    /* summer for good */

    assert_true(ruled(&zone, buf, "XXX3EDT4,0/0,J365/23"));
    assert_span(&zone, at("2026-06-01T00:00:00Z"),
                at("2026-01-01T03:00:00Z"), at("2027-01-01T03:00:00Z"),
                -14400, -10800);
}


static void
test_bad_rules(void **state)
{
    size_t        i;
    uint8_t       buf[256];
    async_zone_t  zone;

    static const char  *cases[] = {
        "CE-1", "CET", "CET-", "CET-1CEST", "CET-1CEST,M3.5.0",
        "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,M3.5.0,M10.5.0/3x",
        "CET-1CEST,J0,J365", "CET-1CEST,0,366", "<CET-1", "CET-200",
        "CET-1:60", "CET-1CEST,,", "1", "CET-1CEST,M3.5.0/,M10.5.0",
        "CET-1CEST,M3.5.0/1:00:61,M10.5.0"
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (ruled(&zone, buf, cases[i])) {
            fail_msg("taken: %s", cases[i]);
        }
    }

    assert_true(ruled(&zone, buf, ""));
}


static void
test_corrupt(void **state)
{
    size_t   i;
    uint8_t  data[sizeof(berlin_tzif)];

    (void) state;

    for (i = 0; i < sizeof(berlin_tzif); i++) {
        assert_int_equal(decode(berlin_tzif, i), ASYNC_CORRUPT);
    }

    /* a byte that is another: refused or taken, but never read beyond */

    for (i = 0; i < sizeof(berlin_tzif); i++) {
        memcpy(data, berlin_tzif, sizeof(data));
        data[i] = 0xff;
        (void) decode(data, sizeof(data));
    }

    /* times that fall, a type that there is not, an offset of a month */

    memcpy(data, berlin_tzif, sizeof(data));
    memcpy(data + 95 + 8, data + 95, 8);
    assert_int_equal(decode(data, sizeof(data)), ASYNC_CORRUPT);

    memcpy(data, berlin_tzif, sizeof(data));
    data[95 + 24] = 2;
    assert_int_equal(decode(data, sizeof(data)), ASYNC_CORRUPT);

    memcpy(data, berlin_tzif, sizeof(data));
    data[95 + 27] = 1;
    assert_int_equal(decode(data, sizeof(data)), ASYNC_CORRUPT);
}


static void
test_old(void **state)
{
    async_zone_t          zone;
    static const uint8_t  data[] = {
        TZIF(0, 1, 2, 2), 0x65, 0x92, 0x00, 0x80, 1,
        0, 0, 0, 0, 0, 0,   0, 0, 0x0e, 0x10, 1, 0,   'A', 0
    };

    (void) state;

    assert_int_equal(async_zone_decode(&zone, data, sizeof(data)), ASYNC_OK);
    assert_span(&zone, 0, INT64_MIN, 1704067200, 0, 0);
    assert_span(&zone, 1704067200, 1704067200, INT64_MAX, 3600, 0);
    assert_int_equal(decode(data, sizeof(data) - 1), ASYNC_CORRUPT);
}


static void
test_names(void **state)
{
    size_t       i;
    async_str_t  name;

    static const struct {
        const char  *name;
        bool         good;
    } cases[] = {
        { "UTC", true }, { "Europe/Berlin", true }, { "Etc/GMT+5", true },
        { "America/Argentina/Buenos_Aires", true }, { "EST5EDT", true },
        { "", false }, { "/etc/passwd", false }, { "Europe/", false },
        { "../../etc/passwd", false }, { "Europe/../../x", false },
        { "Europe//Berlin", false }, { "a b", false }, { "a.b", false }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        name.data = cases[i].name;
        name.len = strlen(cases[i].name);
        assert_int_equal(async_zone_name(name), cases[i].good);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_bad_rules),
        cmocka_unit_test(test_corrupt),
        cmocka_unit_test(test_old),
        cmocka_unit_test(test_names)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
