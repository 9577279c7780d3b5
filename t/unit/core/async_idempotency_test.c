/*
 * The value of an Idempotency-Key header.
 */

#include "async_idempotency.h"
#include "async_text.h"


static async_rc_t
parse(const char *text, size_t text_len, char *out, size_t *len)
{
    async_rc_t    rc;
    async_str_t   value;

    value = exact(text, text_len);

    rc = async_idempotency_parse(value, out, len);
    exact_free(value);

    return rc;
}


static void
assert_key(const char *text, const char *key)
{
    char    out[ASYNC_IDEMPOTENCY_MAX];
    size_t  len;

    if (parse(text, strlen(text), out, &len) != ASYNC_OK) {
        fail_msg("refused: %s", text);
    }

    assert_int_equal(len, strlen(key));
    assert_memory_equal(out, key, len);
}


static void
assert_refused(const char *text)
{
    char    out[ASYNC_IDEMPOTENCY_MAX];
    size_t  len;

    if (parse(text, strlen(text), out, &len) != ASYNC_INVALID) {
        fail_msg("taken: %s", text);
    }

    assert_int_equal(len, 0);
}


static void
quoted_and_bare_are_the_same_key(void **state)
{
    (void) state;

    assert_key("r-2026-11", "r-2026-11");
    assert_key("\"r-2026-11\"", "r-2026-11");
    assert_key("8e03978e-40d5-43dd-bc93-6894a57f9324",
               "8e03978e-40d5-43dd-bc93-6894a57f9324");
    assert_key("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"",
               "8e03978e-40d5-43dd-bc93-6894a57f9324");
    assert_key("a", "a");
    assert_key("\"a\"", "a");
    assert_key("two words", "two words");
    assert_key("\"two words\"", "two words");
}


static void
white_space_around_is_no_part_of_it(void **state)
{
    (void) state;

    assert_key(" \t a b\t ", "a b");
    assert_key("\t \"a b\" \t", "a b");
    assert_key("\" a \"", " a ");
    assert_key("\" \"", " ");

    assert_refused("");
    assert_refused(" ");
    assert_refused(" \t \t");
    assert_refused("a\tb");
    assert_refused("\"a\tb\"");
}


static void
only_quoted_ones_have_escapes(void **state)
{
    (void) state;

    assert_key("\"a\\\"b\"", "a\"b");
    assert_key("\"a\\\\b\"", "a\\b");
    assert_key("\"\\\"\"", "\"");
    assert_key("\"\\\\\"", "\\");
    assert_key("a\\\"b", "a\\\"b");
    assert_key("a\"b", "a\"b");
    assert_key("a\"", "a\"");

    assert_refused("\"a\\b\"");
    assert_refused("\"a\\");
    assert_refused("\"a\\\"");
}


static void
a_quote_is_closed_and_something_is_in_it(void **state)
{
    (void) state;

    assert_refused("\"");
    assert_refused("\"\"");
    assert_refused("\"a");
    assert_refused("\"\\");
    assert_refused("\"\";a");
    assert_refused("\"a\"b");
    assert_refused("\"a\"\"");
    assert_refused("\"a\" b");
    assert_refused("\"a\", \"b\"");
}


static void
parameters_are_left_out(void **state)
{
    (void) state;

    assert_key("\"k\";a", "k");
    assert_key("\"k\";a;b", "k");
    assert_key("\"k\";  a=1", "k");
    assert_key("\"k\";a=-1.5;b=?0;c=tok/en:1;d=:aGk=:;*e.f-g_1=\"x;\\\"y\"",
               "k");

    assert_refused("\"k\";");
    assert_refused("\"k\"; ");
    assert_refused("\"k\" ;a");
    assert_refused("\"k\";a ;b");
    assert_refused("\"k\";A=1");
    assert_refused("\"k\";1=1");
    assert_refused("\"k\";a=");
    assert_refused("\"k\";a=;b");
    assert_refused("\"k\";a=\"");
    assert_refused("\"k\";a=\"b");
    assert_refused("\"k\";a=\"b\"c");
    assert_refused("\"k\";a=1,");

    /* to a bare one there is nothing but itself */

    assert_key("k;a=1", "k;a=1");
}


static void
no_key_is_longer_than_255(void **state)
{
    char    text[1024], out[ASYNC_IDEMPOTENCY_MAX];
    size_t  i, len;

    (void) state;

    memset(text, 'x', sizeof(text));

    assert_int_equal(parse(text, 255, out, &len), ASYNC_OK);
    assert_int_equal(len, 255);
    assert_int_equal(parse(text, 256, out, &len), ASYNC_INVALID);

    text[0] = '"';
    text[256] = '"';
    assert_int_equal(parse(text, 257, out, &len), ASYNC_OK);
    assert_int_equal(len, 255);
    assert_memory_equal(out, text + 1, 255);

    text[256] = 'x';
    text[257] = '"';
    assert_int_equal(parse(text, 258, out, &len), ASYNC_INVALID);

    /* what counts is the key, not how it is written */

    for (i = 0; i < 255; i++) {
        memcpy(text + 1 + 2 * i, "\\\"", 2);
    }

    text[511] = '"';
    assert_int_equal(parse(text, 512, out, &len), ASYNC_OK);
    assert_int_equal(len, 255);

    memcpy(text + 511, "\\\\\"", 3);
    assert_int_equal(parse(text, 514, out, &len), ASYNC_INVALID);
}


static void
every_other_byte_is_refused(void **state)
{
    int     c;
    char    bare[3] = "aaa", quoted[5] = "\"aaa\"", out[ASYNC_IDEMPOTENCY_MAX];
    size_t  len;

    (void) state;

    for (c = 0; c < 256; c++) {
        bare[1] = (char) c;
        quoted[2] = (char) c;

        assert_int_equal(parse(bare, 3, out, &len),
                         (c >= 0x20 && c <= 0x7e) ? ASYNC_OK : ASYNC_INVALID);

        if (c == '"' || c == '\\') {
            continue;
        }

        assert_int_equal(parse(quoted, 5, out, &len),
                         (c >= 0x20 && c <= 0x7e) ? ASYNC_OK : ASYNC_INVALID);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(quoted_and_bare_are_the_same_key),
        cmocka_unit_test(white_space_around_is_no_part_of_it),
        cmocka_unit_test(only_quoted_ones_have_escapes),
        cmocka_unit_test(a_quote_is_closed_and_something_is_in_it),
        cmocka_unit_test(parameters_are_left_out),
        cmocka_unit_test(no_key_is_longer_than_255),
        cmocka_unit_test(every_other_byte_is_refused)
    };

    return cmocka_run_group_tests_name("async_idempotency", tests, NULL,
                                       NULL);
}
