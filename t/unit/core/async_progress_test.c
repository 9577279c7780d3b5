/*
 * Reports of progress.
 */

#include "async_progress.h"
#include "async_text.h"


static async_rc_t
parse(async_progress_t *progress, const char *text, size_t len)
{
    async_rc_t    rc;
    async_str_t   body;

    body = exact(text, len);

    rc = async_progress_parse(progress, body);
    exact_free(body);

    return rc;
}


static void
assert_taken(const char *text, unsigned percent, const char *message)
{
    async_progress_t  progress;

    if (parse(&progress, text, strlen(text)) != ASYNC_OK) {
        fail_msg("refused: %s", text);
    }

    assert_int_equal(progress.percent, percent);
    assert_int_equal(progress.has_message, message != NULL);

    if (message != NULL) {
        assert_int_equal(progress.message_len, strlen(message));
        assert_memory_equal(progress.message, message, strlen(message));
    }
}


static void
assert_percent(const char *number, unsigned percent)
{
    char  text[256];

    strcpy(text, "{\"percentComplete\":");
    strcat(text, number);
    strcat(text, "}");

    assert_taken(text, percent, NULL);
}


static void
assert_refused(const char *text)
{
    async_progress_t  progress;

    if (parse(&progress, text, strlen(text)) != ASYNC_INVALID) {
        fail_msg("taken: %s", text);
    }
}


static void
assert_no_percent(const char *number)
{
    char  text[256];

    strcpy(text, "{\"percentComplete\":");
    strcat(text, number);
    strcat(text, ",\"message\":\"x\"}");

    assert_refused(text);
}


static void
either_field_or_both(void **state)
{
    (void) state;

    assert_taken("{\"percentComplete\":35,\"message\":\"page 7 of 20\"}", 35,
                 "page 7 of 20");
    assert_taken("{\"percentComplete\":35}", 35, NULL);
    assert_taken("{\"message\":\"page 7 of 20\"}", ASYNC_NO_PERCENT,
                 "page 7 of 20");
    assert_taken("{\"message\":\"\"}", ASYNC_NO_PERCENT, "");
    assert_taken(" \t\r\n{ \"percentComplete\" : 1 , \"message\" : \"m\" } \n",
                 1, "m");
    assert_taken("{\"percentComplete\":null,\"message\":\"m\"}",
                 ASYNC_NO_PERCENT, "m");
    assert_taken("{\"percentComplete\":7,\"message\":null}", 7, NULL);

    assert_refused("{}");
    assert_refused("{\"percentComplete\":null}");
    assert_refused("{\"percentComplete\":null,\"message\":null}");
    assert_refused("{\"percent\":5}");
}


static void
other_fields_are_ignored(void **state)
{
    (void) state;

    assert_taken("{\"a\":[1,{\"message\":\"no\"},null,true,false,-1.5e+3],"
                 "\"percentComplete\":2,\"b\":{\"percentComplete\":101}}",
                 2, NULL);
    assert_taken("{\"x\":1,\"x\":2,\"percentComplete\":3}", 3, NULL);
    assert_taken("{\"\":1,\"percentComplete\":3}", 3, NULL);
    assert_refused("{\"PercentComplete\":5}");
    assert_refused("{\"percentcomplete\":5,\"Message\":\"m\"}");
}


static void
a_percentage_is_0_to_100_rounded_down(void **state)
{
    (void) state;

    assert_percent("0", 0);
    assert_percent("-0", 0);
    assert_percent("0.999", 0);
    assert_percent("1", 1);
    assert_percent("99.999", 99);
    assert_percent("100", 100);
    assert_percent("100.0", 100);
    assert_percent("3.5e1", 35);
    assert_percent("3.5E+1", 35);
    assert_percent("350e-1", 35);
    assert_percent("1e-999", 0);

    assert_no_percent("-1");
    assert_no_percent("-0.001");
    assert_no_percent("100.001");
    assert_no_percent("101");
    assert_no_percent("256");
    assert_no_percent("1e999");
    assert_no_percent("-1e999");
    assert_no_percent("\"35\"");
    assert_no_percent("true");
    assert_no_percent("[35]");
    assert_no_percent("{}");
}


static void
what_is_no_number_in_json_is_none_here(void **state)
{
    size_t       i;
    const char  *bad[] = {
        "NaN", "nan", "Infinity", "-Infinity", "inf", "0x10", "01", "00",
        "-01", "1.", ".5", "-.5", "+5", "-", "--1", "1e", "1e+", "1.e1",
        "1-1", "1 1", "1_0", "1.5.5", "1e5e5", "0e", "5%"
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_no_percent(bad[i]);
    }
}


static void
a_message_is_text(void **state)
{
    async_progress_t   progress;
    static const char  nul[] = "{\"message\":\"a\0b\"}";

    (void) state;

    assert_taken("{\"message\":\"a\\n\\\"b\\\" \\u20ac \\ud83d\\ude00 \\\\u0000"
                 "\"}", ASYNC_NO_PERCENT,
                 "a\n\"b\" \xe2\x82\xac \xf0\x9f\x98\x80 \\u0000");
    assert_taken("{\"message\":\"\xe2\x82\xac\"}", ASYNC_NO_PERCENT,
                 "\xe2\x82\xac");

    assert_refused("{\"message\":5}");
    assert_refused("{\"message\":[\"m\"]}");
    assert_refused("{\"message\":true}");
    assert_refused("{\"message\":\"a\\u0000b\"}");
    assert_refused("{\"message\\u0000\":\"m\",\"message\":\"m\"}");
    assert_refused("{\"message\":\"a\nb\"}");
    assert_refused("{\"message\":\"a\001b\"}");
    assert_refused("{\"message\":\"\\x\"}");
    assert_refused("{\"message\":\"\\u12\"}");
    assert_refused("{\"message\":\"\\ud800\"}");
    assert_refused("{\"message\":\"\\ud800\\u0041\"}");
    assert_refused("{\"message\":\"\\udc00\"}");

    assert_int_equal(parse(&progress, nul, sizeof(nul) - 1), ASYNC_INVALID);
}


static void
bytes_that_are_not_utf8_are_refused(void **state)
{
    (void) state;

    assert_refused("{\"message\":\"\xff\"}");
    assert_refused("{\"message\":\"\x80\"}");
    assert_refused("{\"message\":\"\xc0\x80\"}");
    assert_refused("{\"message\":\"\xe2\x82\"}");
    assert_refused("{\"message\":\"\xed\xa0\x80\"}");
    assert_refused("{\"message\":\"\xf4\x90\x80\x80\"}");
    assert_refused("{\"x\":\"\xff\",\"percentComplete\":5}");
    assert_refused("{\"\xff\":1,\"percentComplete\":5}");
    assert_refused("\xff{\"percentComplete\":5}");
}


static void
a_message_has_1024_bytes_at_most(void **state)
{
    char              text[2 * ASYNC_PROGRESS_BODY];
    size_t            n;
    async_progress_t  progress;

    (void) state;

    strcpy(text, "{\"message\":\"");
    n = strlen(text);
    memset(text + n, 'm', 1024);
    strcpy(text + n + 1024, "\"}");
    assert_int_equal(parse(&progress, text, strlen(text)), ASYNC_OK);
    assert_int_equal(progress.message_len, 1024);

    memset(text + n, 'm', 1025);
    strcpy(text + n + 1025, "\"}");
    assert_int_equal(parse(&progress, text, strlen(text)), ASYNC_INVALID);
}


static void
a_body_has_4096_bytes_at_most(void **state)
{
    char              text[ASYNC_PROGRESS_BODY + 2];
    async_progress_t  progress;

    (void) state;

    memset(text, ' ', sizeof(text));
    memcpy(text, "{\"percentComplete\":5}", 21);

    assert_int_equal(parse(&progress, text, ASYNC_PROGRESS_BODY), ASYNC_OK);
    assert_int_equal(progress.percent, 5);
    assert_int_equal(parse(&progress, text, ASYNC_PROGRESS_BODY + 1),
                     ASYNC_INVALID);
}


static void
a_field_is_there_once(void **state)
{
    (void) state;

    assert_refused("{\"percentComplete\":5,\"percentComplete\":5}");
    assert_refused("{\"message\":\"a\",\"message\":\"b\"}");
    assert_refused("{\"message\":\"a\",\"\\u006dessage\":\"b\"}");
    assert_refused("{\"percentComplete\":null,\"percentComplete\":5}");
}


static void
the_body_is_one_object_and_nothing_else(void **state)
{
    size_t             len;
    async_progress_t   progress;
    async_str_t        none = { NULL, 0 };
    static const char  whole[] =
        "{\"percentComplete\":35,\"message\":\"a\\u20acb\",\"c\":[{}]}";
    static const char  tail[] = "{\"percentComplete\":5}\0{}";

    (void) state;

    assert_int_equal(async_progress_parse(&progress, none), ASYNC_INVALID);

    for (len = 0; len < sizeof(whole) - 1; len++) {
        assert_int_equal(parse(&progress, whole, len), ASYNC_INVALID);
    }

    assert_int_equal(parse(&progress, whole, len), ASYNC_OK);

    for (len = 22; len < sizeof(tail); len++) {
        assert_int_equal(parse(&progress, tail, len), ASYNC_INVALID);
    }

    assert_refused("5");
    assert_refused("null");
    assert_refused("[{\"percentComplete\":5}]");
    assert_refused("[\"percentComplete\",5]");
    assert_refused("{\"percentComplete\":5}x");
    assert_refused("{\"percentComplete\":5}{}");
    assert_refused("{\"percentComplete\":5}}");
    assert_refused("{\"percentComplete\":5,}");
    assert_refused("{,\"percentComplete\":5}");
    assert_refused("{\"percentComplete\":5;}");
    assert_refused("{\"percentComplete\":5}\v");
    assert_refused("{'percentComplete':5}");
    assert_refused("{percentComplete:5}");
    assert_refused("percentComplete=5");
    assert_refused("{\"percentComplete\":5/**/}");
    assert_refused("{\"percentComplete\" 5}");
    assert_refused("{\"x\":tru,\"percentComplete\":5}");
}


static void
a_bomb_of_brackets_is_refused(void **state)
{
    int               depth;
    char              text[ASYNC_PROGRESS_BODY];
    async_progress_t  progress;

    (void) state;

    memset(text, '[', sizeof(text));
    assert_int_equal(parse(&progress, text, sizeof(text)), ASYNC_INVALID);

    for (depth = 1; depth < 1000; depth++) {
        strcpy(text, "{\"percentComplete\":5,\"x\":");
        memset(text + strlen(text) + depth, 0, 1);
        memset(text + strlen(text), '[', depth);
        memset(text + strlen(text) + depth, 0, 1);
        memset(text + strlen(text), ']', depth);
        strcat(text, "}");

        assert_int_equal(parse(&progress, text, strlen(text)),
                         depth < 16 ? ASYNC_OK : ASYNC_INVALID);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(either_field_or_both),
        cmocka_unit_test(other_fields_are_ignored),
        cmocka_unit_test(a_percentage_is_0_to_100_rounded_down),
        cmocka_unit_test(what_is_no_number_in_json_is_none_here),
        cmocka_unit_test(a_message_is_text),
        cmocka_unit_test(bytes_that_are_not_utf8_are_refused),
        cmocka_unit_test(a_message_has_1024_bytes_at_most),
        cmocka_unit_test(a_body_has_4096_bytes_at_most),
        cmocka_unit_test(a_field_is_there_once),
        cmocka_unit_test(the_body_is_one_object_and_nothing_else),
        cmocka_unit_test(a_bomb_of_brackets_is_refused)
    };

    return cmocka_run_group_tests_name("async_progress", tests, NULL, NULL);
}
