/*
 * A member of an object, from pieces.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "async_member.h"


/* the same, however it is cut */

static bool
find(const char *json, char *out)
{
    bool            ok, again;
    size_t          step, i, n, len;
    async_str_t     text, first;
    async_member_t  m, whole;

    len = strlen(json);

    async_member_init(&whole, "id");
    async_member_feed(&whole, json, len);
    ok = async_member_text(&whole, &first);

    for (step = 1; step <= 3; step++) {
        async_member_init(&m, "id");

        for (i = 0; i < len; i += n) {
            n = len - i < step ? len - i : step;
            async_member_feed(&m, json + i, n);
        }

        again = async_member_text(&m, &text);
        assert_true(again == ok);

        if (ok) {
            assert_int_equal(text.len, first.len);
            assert_memory_equal(text.data, first.data, text.len);
        }
    }

    if (ok) {
        memcpy(out, first.data, first.len);
        out[first.len] = '\0';
    }

    return ok;
}


static void
assert_id(const char *json, const char *expected)
{
    char  out[ASYNC_MEMBER_MAX + 1];

    if (!find(json, out)) {
        fail_msg("nothing in %s", json);
    }

    assert_string_equal(out, expected);
}


static void
it_may_stand_anywhere(void **state)
{
    (void) state;

    assert_id("{\"id\":\"evt_1\"}", "evt_1");
    assert_id(" \r\n\t{ \"id\" : \"evt_1\" , \"x\":1}", "evt_1");
    assert_id("{\"a\":1,\"id\":\"evt_1\"}", "evt_1");
    assert_id("{\"a\":-1.5e3,\"b\":true,\"c\":null,\"id\":\"evt_1\"}",
              "evt_1");
    assert_id("{\"a\":\"id\",\"id\":\"evt_1\"}", "evt_1");
    assert_id("{\"a\":{},\"b\":[],\"c\":[1,2,{\"id\":\"no\"}],"
              "\"id\":\"evt_1\"}", "evt_1");
    assert_id("{\"object\":{\"id\":\"no\",\"x\":{\"id\":\"no\"}},"
              "\"id\":\"evt_1\"}", "evt_1");
    assert_id("{\"a\":\"\\\"id\\\":\\\\\",\"id\":\"evt_1\"}", "evt_1");
    assert_id("{\"a\":\"}{][,:\",\"id\":\"evt_1\"}", "evt_1");
    assert_id("{\"ident\":\"no\",\"i\":\"no\",\"ID\":\"no\","
              "\"id\":\"evt_1\"}", "evt_1");
    assert_id("{\"id\":1,\"id\":\"evt_1\"}", "evt_1");
    assert_id("{\"id\":\"evt_1\",\"id\":\"evt_2\"}", "evt_1");
    assert_id("{\"id\":\"evt_1\" what follows is not looked at", "evt_1");
}


static void
escapes_are_read(void **state)
{
    (void) state;

    assert_id("{\"id\":\"a\\\"b\\\\c\\/d\"}", "a\"b\\c/d");
    assert_id("{\"\\u0069d\":\"\\u0065vt\\u005F1\"}", "evt_1");
    assert_id("{\"id\":\"\\b\\f\\n\\r\\t\"}", "\b\f\n\r\t");
}


static void
or_not_be_there(void **state)
{
    size_t       i;
    char         out[ASYNC_MEMBER_MAX + 1];
    const char  *none[] = {
        "", " ", "{", "{}", "[]", "null", "\"id\"", "\"id\":\"x\"",
        "[\"id\",\"x\"]", "[{\"id\":\"x\"}]", "{\"a\":1}",
        "{\"id\":1}", "{\"id\":null}", "{\"id\":{}}", "{\"id\":[\"x\"]}",
        "{\"id\":{\"id\":\"x\"}}", "{\"id\":\"\"}", "{\"id\":\"x",
        "{\"id\":\"x\\", "{\"id\":\"x\\\"", "{\"id\":\"\\x\"}",
        "{\"id\":\"\\u00g1\"}", "{\"id\":\"\\u00\"}", "{\"id\" \"x\"}",
        "{\"id\",\"x\"}", "{:\"x\"}", "{\"a\":}\"id\":\"x\"}", "{,}",
        "{\"a\":1}{\"id\":\"x\"}", "{\"id\":\"\xc3\xa4\"}",
        "{\"id\":\"\\u00e4\"}", "{\"id\":\"\\ud83d\\ude00\"}",
        "{\"a\":\"id\":\"x\"}", "\xef\xbb\xbf{\"id\":\"x\"}"
    };

    (void) state;

    for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {

        if (find(none[i], out)) {
            fail_msg("%s: %s", none[i], out);
        }
    }
}


static void
it_has_a_length(void **state)
{
    int    i;
    char   json[2 * ASYNC_MEMBER_MAX], out[ASYNC_MEMBER_MAX + 1];
    char  *p;

    (void) state;

    for (i = 0; i < 2; i++) {
        p = json + strlen(strcpy(json, "{\"id\":\""));
        memset(p, 'x', ASYNC_MEMBER_MAX + (size_t) i);
        strcpy(p + ASYNC_MEMBER_MAX + i, "\"}");

        assert_true(find(json, out) == (i == 0));
    }

    assert_int_equal(strlen(out), ASYNC_MEMBER_MAX);

    /* and so has a name */

    p = json + strlen(strcpy(json, "{\""));
    memset(p, 'i', ASYNC_MEMBER_MAX + 9);
    strcpy(p + ASYNC_MEMBER_MAX + 9, "\":1,\"id\":\"evt_1\"}");
    assert_id(json, "evt_1");
}


static void
depth_costs_nothing(void **state)
{
    char            c;
    size_t          i;
    async_str_t     text;
    async_member_t  m;

    (void) state;

    async_member_init(&m, "id");
    async_member_feed(&m, "{\"a\":", 5);

    for (i = 0; i < 2000000; i++) {
        c = i < 1000000 ? '[' : ']';
        async_member_feed(&m, &c, 1);
    }

    async_member_feed(&m, ",\"id\":\"evt_1\"}", 14);
    assert_true(async_member_text(&m, &text));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(it_may_stand_anywhere),
        cmocka_unit_test(escapes_are_read),
        cmocka_unit_test(or_not_be_there),
        cmocka_unit_test(it_has_a_length),
        cmocka_unit_test(depth_costs_nothing)
    };

    return cmocka_run_group_tests_name("async_member", tests, NULL, NULL);
}
