/*
 * What counts as a jump of the wall clock, and for how long it is doubted.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "async_clock.h"


#define WALL  1795341600000
#define BOOT  5000000


static void
a_clock_that_goes_with_the_other_is_sure(void **state)
{
    int64_t        t;
    async_clock_t  clock = { .known = false };

    (void) state;

    for (t = 0; t < 10 * 86400000ll; t += 3600000) {
        assert_int_equal(async_clock_look(&clock, WALL + t, BOOT + t), 0);
        assert_true(async_clock_sure(&clock, BOOT + t));
    }
}


static void
a_correction_is_no_jump(void **state)
{
    async_clock_t  clock = { .known = false };

    (void) state;

    (void) async_clock_look(&clock, WALL, BOOT);
    assert_int_equal(async_clock_look(&clock, WALL + ASYNC_CLOCK_JUMP - 1,
                                      BOOT), 0);
    assert_int_equal(async_clock_look(&clock, WALL, BOOT), 0);
    assert_true(async_clock_sure(&clock, BOOT));
}


static void
a_jump_is_told_once_and_doubted_until_it_has_held(void **state)
{
    int            i;
    async_clock_t  clock = { .known = false };
    const int64_t  jumps[] = {
        ASYNC_CLOCK_JUMP, -ASYNC_CLOCK_JUMP, 3600000, -3600000,
        365 * 86400000ll, -365 * 86400000ll
    };

    (void) state;

    for (i = 0; i < 6; i++) {
        clock.known = false;
        clock.sure = 0;

        (void) async_clock_look(&clock, WALL, BOOT);
        assert_int_equal(async_clock_look(&clock, WALL + jumps[i] + 1000,
                                          BOOT + 1000), jumps[i]);
        assert_false(async_clock_sure(&clock, BOOT + 1000));
        assert_int_equal(async_clock_look(&clock, WALL + jumps[i] + 2000,
                                          BOOT + 2000), 0);
        assert_false(async_clock_sure(&clock,
                                      BOOT + 1000 + ASYNC_CLOCK_DOUBT - 1));
        assert_true(async_clock_sure(&clock,
                                     BOOT + 1000 + ASYNC_CLOCK_DOUBT));
    }
}


/* taken back within the doubt: it begins again */

static void
a_jump_back_is_a_jump(void **state)
{
    async_clock_t  clock = { .known = false };

    (void) state;

    (void) async_clock_look(&clock, WALL, BOOT);
    assert_int_equal(async_clock_look(&clock, WALL + 3600000, BOOT),
                     3600000);
    assert_int_equal(async_clock_look(&clock, WALL + 5000, BOOT + 5000),
                     -3600000);
    assert_false(async_clock_sure(&clock, BOOT + ASYNC_CLOCK_DOUBT));
    assert_true(async_clock_sure(&clock, BOOT + 5000 + ASYNC_CLOCK_DOUBT));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_clock_that_goes_with_the_other_is_sure),
        cmocka_unit_test(a_correction_is_no_jump),
        cmocka_unit_test(a_jump_is_told_once_and_doubted_until_it_has_held),
        cmocka_unit_test(a_jump_back_is_a_jump)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
