/*
 * The line in which nginx says how far a replay came.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "async_facts.h"


static async_facts_t
parse(const char *text)
{
    char           *copy;
    size_t          len;
    async_facts_t   facts;

    /* on the heap and without a NUL, so that a sanitizer sees the end */

    len = strlen(text);
    copy = malloc(len ? len : 1);
    memcpy(copy, text, len);

    async_facts_parse(&facts, copy, len);
    free(copy);

    return facts;
}


static void
an_answer_says_so(void **state)
{
    async_facts_t  facts;

    (void) state;

    facts = parse("200,1,5120,3");

    assert_true(facts.sound);
    assert_true(facts.answered);
    assert_true(facts.sent);
    assert_false(facts.shutdown);
    assert_int_equal(facts.attempts, 1);
}


static void
the_last_entry_answers_and_any_entry_sends(void **state)
{
    async_facts_t  facts;

    (void) state;

    facts = parse("502,0,0,- 200,1,17,0");
    assert_true(facts.answered);
    assert_true(facts.sent);
    assert_int_equal(facts.attempts, 2);

    facts = parse("502,1,44,0 504,0,0,-");
    assert_true(facts.sound);
    assert_false(facts.answered);
    assert_true(facts.sent);

    facts = parse("502,0,0,- 502,0,0,12");
    assert_true(facts.sound);
    assert_false(facts.answered);
    assert_false(facts.sent);
}


static void
no_upstream_is_an_answer(void **state)
{
    async_facts_t  facts;

    (void) state;

    facts = parse("-");

    assert_true(facts.sound);
    assert_true(facts.answered);
    assert_false(facts.sent);
    assert_int_equal(facts.attempts, 0);
}


static void
a_shutdown_is_never_an_answer(void **state)
{
    async_facts_t  facts;

    (void) state;

    facts = parse("- shutdown");
    assert_true(facts.sound);
    assert_true(facts.shutdown);
    assert_false(facts.answered);
    assert_false(facts.sent);

    facts = parse("0,1,812,1 shutdown");
    assert_true(facts.shutdown);
    assert_false(facts.answered);
    assert_true(facts.sent);
}


static void
a_huge_number_is_a_number(void **state)
{
    async_facts_t  facts;

    (void) state;

    facts = parse("502,0,99999999999999999999999999999999999999999999,1");
    assert_true(facts.sound);
    assert_true(facts.sent);

    facts = parse("502,0,0000000000000000000000000000000000000,1");
    assert_true(facts.sound);
    assert_false(facts.sent);
}


/* it counts as sent, and as not answered */

static void
hostile_text_never_allows_a_second_run(void **state)
{
    size_t         i;
    async_facts_t  facts;

    const char *const  texts[] = {
        "", " ", "shutdown", "x", "0", ",", ",,,", "200", "200,1", "200,1,0",
        "200,1,0,", "200,1,,3", "200,,0,3", ",1,0,3", "200,2,0,3",
        "200,1,-1,3", "200,1,+1,3", "200,1,0x0,3", "200,1,0,3,4",
        "200,1,0,3 ", "200,1,0,3  x", "502,0,0,- -", "- -", "- 502,0,0,-",
        "shutdown 502,0,0,-", "502,0,0,- shutdown shutdown",
        "502,0,0,- SHUTDOWN", "502,0,0,-\tshutdown", "502,0,0,\xff",
        "502,0, 0,-", "5o2,0,0,-", "--", "502,0,-,-", "502,00,0,-",
        "502,0,0,-, 200,1,1,1"
    };

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        facts = parse(texts[i]);

        /* trailing blanks are the one thing that may be there or not */

        if (strcmp(texts[i], "200,1,0,3 ") == 0) {
            assert_true(facts.sound);
            continue;
        }

        if (facts.sound) {
            fail_msg("taken for sound: \"%s\"", texts[i]);
        }

        assert_true(facts.sent);
        assert_false(facts.answered);
        assert_false(facts.shutdown);
    }
}


static void
every_truncation_is_sound_or_counts_as_sent(void **state)
{
    size_t         len;
    async_facts_t  facts;

    const char  text[] = "502,0,0,- 504,0,812,1 shutdown";

    (void) state;

    for (len = 0; len < sizeof(text) - 1; len++) {
        char  *copy = malloc(len ? len : 1);

        memcpy(copy, text, len);
        async_facts_parse(&facts, copy, len);
        free(copy);

        assert_true(facts.sound || facts.sent);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(an_answer_says_so),
        cmocka_unit_test(the_last_entry_answers_and_any_entry_sends),
        cmocka_unit_test(no_upstream_is_an_answer),
        cmocka_unit_test(a_shutdown_is_never_an_answer),
        cmocka_unit_test(a_huge_number_is_a_number),
        cmocka_unit_test(hostile_text_never_allows_a_second_run),
        cmocka_unit_test(every_truncation_is_sound_or_counts_as_sent)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
