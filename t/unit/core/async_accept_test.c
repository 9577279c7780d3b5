/*
 * The Accept header: ranges, weights, and what quoted strings hide.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "async_accept.h"


static void
test_weights(void **state)
{
    size_t          i;
    async_accept_t  accept;

    static const struct {
        async_str_t           value;
        async_accept_match_t  match;
        unsigned              weight;
    } cases[] = {
        { async_str(""), ASYNC_ACCEPT_NONE, 0 },
        { async_str("a/b"), ASYNC_ACCEPT_NAMED, 1000 },
        { async_str(" \tA/B\t"), ASYNC_ACCEPT_NAMED, 1000 },
        { async_str("a/bc, aa/b, a, a/"), ASYNC_ACCEPT_NONE, 0 },
        { async_str("*/*;q=0.2"), ASYNC_ACCEPT_ALL, 200 },
        { async_str("A/*;q=0.25"), ASYNC_ACCEPT_GROUP, 250 },
        { async_str("c/*, */b"), ASYNC_ACCEPT_NONE, 0 },
        { async_str("a/*, a/b;q=0.125, */*"), ASYNC_ACCEPT_NAMED, 125 },
        { async_str("a/b;q=0, */*"), ASYNC_ACCEPT_NAMED, 0 },
        { async_str("a/b;q=0.1,a/b;x=1;q=0.3"), ASYNC_ACCEPT_NAMED, 300 },
        { async_str("a/b ; x=\"q=0\" ; Q=0.5 "), ASYNC_ACCEPT_NAMED, 500 },
        { async_str("a/b;x=\",*/*;q=1\";q=0.5"), ASYNC_ACCEPT_NAMED, 500 },
        { async_str("c/d;x=\"\\\",a/b,\""), ASYNC_ACCEPT_NONE, 0 },
        { async_str("c/d;x=\",a/b"), ASYNC_ACCEPT_NONE, 0 },
        { async_str("a/b;q=1.000"), ASYNC_ACCEPT_NAMED, 1000 },
        { async_str("a/b;q=0.001"), ASYNC_ACCEPT_NAMED, 1 },
        { async_str("a/b;q=0.0009"), ASYNC_ACCEPT_NAMED, 0 },
        { async_str("a/b;q=0x9"), ASYNC_ACCEPT_NAMED, 0 },
        { async_str("a/b;q=0.9x"), ASYNC_ACCEPT_NAMED, 900 },
        { async_str("a/b;q="), ASYNC_ACCEPT_NAMED, 0 },
        { async_str("a/b;q"), ASYNC_ACCEPT_NAMED, 1000 },
        { async_str("a/b;;,"), ASYNC_ACCEPT_NAMED, 1000 }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        async_accept_init(&accept, "a/b");
        async_accept_add(&accept, cases[i].value);

        assert_int_equal(accept.match, cases[i].match);
        assert_int_equal(accept.weight, cases[i].weight);
    }
}


static void
test_lines(void **state)
{
    async_accept_t  accept;

    (void) state;

    async_accept_init(&accept, "a/b");
    async_accept_add(&accept, (async_str_t) async_str("a/b;q=0.5"));
    async_accept_add(&accept, (async_str_t) async_str("*/*, c/d"));

    assert_int_equal(accept.match, ASYNC_ACCEPT_NAMED);
    assert_int_equal(accept.weight, 500);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_lines)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
