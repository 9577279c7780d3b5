/*
 * The calendar: every day of 10,000 years.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "async_date.h"


static void
test_days(void **state)
{
    int64_t       days;
    unsigned      weekday;
    async_date_t  date, next;

    (void) state;

    date.year = 0;
    date.month = 3;
    date.day = 1;
    weekday = 3;                             /* a Wednesday */

    for (days = async_date_days(&date); date.year < 10000; days++) {
        next = async_date(days);

        assert_int_equal(next.year, date.year);
        assert_int_equal(next.month, date.month);
        assert_int_equal(next.day, date.day);
        assert_int_equal(async_date_days(&date), days);
        assert_int_equal(async_date_weekday(days), weekday);

        weekday = (weekday + 1) % 7;

        if (date.day++ == async_date_month(&date)) {
            date.day = 1;
            date.year += date.month == 12;
            date.month = date.month % 12 + 1;
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_days)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
