/*
 * Result codes and error texts.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "async_rc.h"


static void
every_code_has_its_own_name(void **state)
{
    int  i, j;

    (void) state;

    for (i = ASYNC_OK; i <= ASYNC_EARLY; i++) {
        assert_true(strlen(async_rc_name((async_rc_t) i)) > 0);

        for (j = ASYNC_OK; j < i; j++) {
            assert_string_not_equal(async_rc_name((async_rc_t) i),
                                    async_rc_name((async_rc_t) j));
        }
    }

    assert_string_equal(async_rc_name(ASYNC_QUEUE_FULL), "queue-full");
    assert_string_equal(async_rc_name((async_rc_t) 99), "invalid-code");
}


static void
a_long_text_is_cut_and_ends(void **state)
{
    char           text[2 * ASYNC_ERROR_TEXT];
    async_error_t  err;

    (void) state;

    async_error_set(&err, "open \"%s\" failed (%d)", "/x", 2);
    assert_string_equal(err.text, "open \"/x\" failed (2)");

    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';

    async_error_set(&err, "%s", text);
    assert_int_equal(strlen(err.text), ASYNC_ERROR_TEXT - 1);

    async_error_set(NULL, "%s", "nobody listens");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(every_code_has_its_own_name),
        cmocka_unit_test(a_long_text_is_cut_and_ends)
    };

    return cmocka_run_group_tests_name("async_rc", tests, NULL, NULL);
}
