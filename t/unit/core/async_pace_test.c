/*
 * Never more than ten in any second, a few at once, and a clock that jumps.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "async_pace.h"


#define NOW   1795341600000
#define TIME  20000


/* sends whenever it may, if it wants to; how many went in each ms */

static void
run(unsigned char *went, int64_t *last, unsigned every)
{
    int64_t  now, pace;

    pace = 0;

    for (now = NOW; now < NOW + TIME; now++) {
        went[now - NOW] = 0;

        while (every == 0 || (now - NOW) % every == 0) {

            if (async_pace_next(pace, now) > now) {
                break;
            }

            pace = async_pace_after(pace, now);
            went[now - NOW]++;
            *last = now;

            if (every != 0) {
                break;
            }
        }
    }
}


static void
a_chatty_one_has_ten_in_any_second(void **state)
{
    int64_t        last;
    unsigned       i, j, n, most, all;
    unsigned char  went[TIME];

    (void) state;

    run(went, &last, 0);
    assert_int_equal(went[0], ASYNC_PACE_BURST);

    for (i = 0, most = 0, all = 0; i < TIME; i++) {

        for (j = i, n = 0; j <= i + 1000 && j < TIME; j++) {
            n += went[j];
        }

        most = n > most ? n : most;
        all += went[i];
    }

    assert_int_equal(most, 10);
    assert_true(all >= 6 * TIME / 1000);
    assert_true(last >= NOW + TIME - ASYNC_PACE_INTERVAL);
}


static void
a_slow_one_never_waits(void **state)
{
    int64_t        last;
    unsigned       i;
    unsigned char  went[TIME];

    (void) state;

    run(went, &last, ASYNC_PACE_INTERVAL);

    for (i = 0; i < TIME; i += ASYNC_PACE_INTERVAL) {
        assert_int_equal(went[i], 1);
    }
}


static void
a_clock_that_was_set_back_silences_nobody(void **state)
{
    int64_t  pace;

    (void) state;

    pace = async_pace_after(0, NOW + 3600 * 1000);
    assert_true(async_pace_next(pace, NOW) <= NOW);

    pace = async_pace_after(pace, NOW);
    assert_int_equal(pace, NOW + ASYNC_PACE_INTERVAL);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_chatty_one_has_ten_in_any_second),
        cmocka_unit_test(a_slow_one_never_waits),
        cmocka_unit_test(a_clock_that_was_set_back_silences_nobody)
    };

    return cmocka_run_group_tests_name("async_pace", tests, NULL, NULL);
}
