/*
 * The Prefer header.
 */

#include "async_prefer.h"
#include "async_text.h"


#define NO_WAIT  (-1ll)


static void
add(async_prefer_t *p, const char *line, size_t len)
{
    async_str_t   value;

    value = exact(line, len);

    async_prefer_add(p, value);
    exact_free(value);
}


static void
assert_prefers(const async_prefer_t *p, bool respond_async, long long wait)
{
    assert_int_equal(p->respond_async, respond_async);
    assert_int_equal(p->has_wait, wait != NO_WAIT);

    if (wait != NO_WAIT) {
        assert_int_equal(p->wait, wait);
    }
}


static void
assert_line(const char *line, bool respond_async, long long wait)
{
    async_prefer_t  p;

    async_prefer_init(&p);
    add(&p, line, strlen(line));

    if (p.respond_async != respond_async || p.has_wait != (wait != NO_WAIT)) {
        print_error("Prefer: %s\n", line);
    }

    assert_prefers(&p, respond_async, wait);
}


static void
nothing_is_preferred_without_the_header(void **state)
{
    async_str_t     none = { NULL, 0 };
    async_prefer_t  p;

    (void) state;

    async_prefer_init(&p);
    assert_prefers(&p, false, NO_WAIT);

    async_prefer_add(&p, none);
    assert_prefers(&p, false, NO_WAIT);

    assert_line("", false, NO_WAIT);
    assert_line(" \t ", false, NO_WAIT);
    assert_line(",", false, NO_WAIT);
    assert_line(" , ,\t, ", false, NO_WAIT);
}


static void
the_examples_of_rfc_7240(void **state)
{
    (void) state;

    assert_line("respond-async, wait=10", true, 10);
    assert_line("respond-async", true, NO_WAIT);
    assert_line("wait=100", false, 100);
    assert_line("respond-async, wait=100, handling=lenient", true, 100);
    assert_line("foo; some-parameter=\"\"", false, NO_WAIT);
    assert_line("return=minimal; foo=\"some parameter\"", false, NO_WAIT);
    assert_line("Lenient", false, NO_WAIT);
}


static void
names_are_of_any_case(void **state)
{
    (void) state;

    assert_line("Respond-Async, WAIT=7", true, 7);
    assert_line("RESPOND-ASYNC", true, NO_WAIT);
    assert_line("respond-asynch, waits=7", false, NO_WAIT);
    assert_line("respond-asyn, wai=7", false, NO_WAIT);
    assert_line("respond_async", false, NO_WAIT);
}


static void
white_space_stands_where_it_may(void **state)
{
    (void) state;

    assert_line("  respond-async\t,\twait = 10  ", true, 10);
    assert_line("wait\t=\t10,respond-async", true, 10);
    assert_line("respond-async ; a ; b = c;d=e , wait =10", true, 10);
    assert_line(",, respond-async ,, , wait= 10,,", true, 10);

    assert_line("respond async", false, NO_WAIT);
    assert_line("wait=1 0", false, NO_WAIT);
    assert_line("wait=10 respond-async", false, NO_WAIT);
    assert_line("respond-async\r\n", false, NO_WAIT);
}


static void
values_may_be_quoted(void **state)
{
    (void) state;

    assert_line("wait=\"10\"", false, 10);
    assert_line("wait = \"10\" , respond-async", true, 10);
    assert_line("wait=\"1\\0\"", false, 10);
    assert_line("respond-async=\"\"", true, NO_WAIT);

    assert_line("wait=\"\"", false, NO_WAIT);
    assert_line("wait=\" 10\"", false, NO_WAIT);
    assert_line("wait=\"10", false, NO_WAIT);
    assert_line("wait=10\"", false, NO_WAIT);
    assert_line("wait=\"10\"1", false, NO_WAIT);
    assert_line("wait=\"10\\\"", false, NO_WAIT);
    assert_line("wait=\"10\\", false, NO_WAIT);
    assert_line("\"respond-async\"", false, NO_WAIT);
}


static void
a_comma_in_quotes_separates_nothing(void **state)
{
    (void) state;

    assert_line("foo=\"a, respond-async, wait=5\"", false, NO_WAIT);
    assert_line("foo=\"a\\\", wait=5\", respond-async", true, NO_WAIT);
    assert_line("foo=\"\\\\\", wait=5", false, 5);
    assert_line("foo; a=\"x, wait=5\", respond-async", true, NO_WAIT);
    assert_line("(?)=\"x, wait=5\", respond-async", true, NO_WAIT);
    assert_line("foo=\"a\001, wait=5\", respond-async", true, NO_WAIT);
}


static void
the_first_instance_is_the_one_that_counts(void **state)
{
    async_prefer_t  p;

    (void) state;

    assert_line("wait=5, wait=10", false, 5);
    assert_line("wait=0, Wait=10", false, 0);
    assert_line("wait=soon, wait=10", false, NO_WAIT);
    assert_line("wait, wait=10", false, NO_WAIT);
    assert_line("respond-async=no, respond-async", false, NO_WAIT);
    assert_line("respond-async, respond-async=no", true, NO_WAIT);

    /* what is not of the grammar is no instance */

    assert_line("wait=, wait=10", false, 10);
    assert_line("wait=\"1, wait=10", false, NO_WAIT);
    assert_line("wait=(1), wait=10", false, 10);
    assert_line("respond-async=/, respond-async", true, NO_WAIT);

    async_prefer_init(&p);
    add(&p, "return=minimal, wait=5", 22);
    assert_prefers(&p, false, 5);
    add(&p, "respond-async, wait=10", 22);
    assert_prefers(&p, true, 5);
}


static void
a_quote_ends_with_its_line(void **state)
{
    async_prefer_t  p;

    (void) state;

    async_prefer_init(&p);
    add(&p, "foo=\"never closed, wait=5", 25);
    assert_prefers(&p, false, NO_WAIT);
    add(&p, "wait=6", 6);
    assert_prefers(&p, false, 6);
}


static void
a_wait_is_a_whole_number(void **state)
{
    (void) state;

    assert_line("wait=0", false, 0);
    assert_line("wait=00010", false, 10);
    assert_line("wait=4294967294", false, 4294967294);
    assert_line("wait=4294967295", false, UINT32_MAX);
    assert_line("wait=4294967296", false, UINT32_MAX);
    assert_line("wait=18446744073709551616", false, UINT32_MAX);
    assert_line("wait=99999999999999999999999999999999", false, UINT32_MAX);

    assert_line("wait", false, NO_WAIT);
    assert_line("wait=", false, NO_WAIT);
    assert_line("wait=abc", false, NO_WAIT);
    assert_line("wait=-1", false, NO_WAIT);
    assert_line("wait=+1", false, NO_WAIT);
    assert_line("wait=1.5", false, NO_WAIT);
    assert_line("wait=10s", false, NO_WAIT);
    assert_line("wait=0x10", false, NO_WAIT);
}


static void
parameters_mean_nothing_but_must_be_some(void **state)
{
    (void) state;

    assert_line("respond-async;wait=5", true, NO_WAIT);
    assert_line("wait=5;wait=6;respond-async", false, 5);
    assert_line("wait=5;", false, 5);
    assert_line("wait=5;;;", false, 5);
    assert_line("wait=5; a=\"b;c\"; d", false, 5);

    assert_line("wait=5; =b", false, NO_WAIT);
    assert_line("wait=5; a=", false, NO_WAIT);
    assert_line("wait=5; a=\"b", false, NO_WAIT);
    assert_line("wait=5; a b, respond-async", true, NO_WAIT);
}


/* every byte in every place: what is found is what stands before the comma */

static void
a_hostile_byte_spoils_its_element_only(void **state)
{
    int             c;
    char            line[] = "foo=bar, respond-async";
    size_t          i;
    async_prefer_t  p;

    (void) state;

    for (i = 0; i < sizeof("foo=bar") - 1; i++) {

        for (c = 0; c < 256; c++) {

            if (c == '"') {
                continue;       /* it may swallow the rest */
            }

            memcpy(line, "foo=bar", sizeof("foo=bar") - 1);
            line[i] = (char) c;

            async_prefer_init(&p);
            add(&p, line, sizeof(line) - 1);
            assert_prefers(&p, true, NO_WAIT);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(nothing_is_preferred_without_the_header),
        cmocka_unit_test(the_examples_of_rfc_7240),
        cmocka_unit_test(names_are_of_any_case),
        cmocka_unit_test(white_space_stands_where_it_may),
        cmocka_unit_test(values_may_be_quoted),
        cmocka_unit_test(a_comma_in_quotes_separates_nothing),
        cmocka_unit_test(the_first_instance_is_the_one_that_counts),
        cmocka_unit_test(a_quote_ends_with_its_line),
        cmocka_unit_test(a_wait_is_a_whole_number),
        cmocka_unit_test(parameters_mean_nothing_but_must_be_some),
        cmocka_unit_test(a_hostile_byte_spoils_its_element_only)
    };

    return cmocka_run_group_tests_name("async_prefer", tests, NULL, NULL);
}
