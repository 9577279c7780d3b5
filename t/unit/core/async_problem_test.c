/*
 * Problem documents, read back by cJSON.
 */

#include <cjson/cJSON.h>

#include "async_golden.h"
#include "async_problem.h"


static const async_id_t  id = {
    { 0x01, 0xa2, 0x02, 0xb2, 0xc5, 0x00, 0x7c, 0x3e,
      0x9d, 0x2f, 0x1b, 0x5e, 0x0c, 0x8a, 0x4d, 0x11 }
};


static void
the_document_holds_what_is_given_and_no_more(void **state)
{
    char         out[ASYNC_PROBLEM_TEXT + 1];
    async_str_t  none = { NULL, 0 }, why = async_str("Try \"later\".");

    (void) state;

    out[async_problem_json(out, ASYNC_PROBLEM_JOB_NOT_FOUND, none, NULL,
                           0)] = '\0';
    assert_string_equal(out,
        "{\"title\":\"No such job\",\"status\":404,"
        "\"code\":\"job-not-found\"}");

    out[async_problem_json(out, ASYNC_PROBLEM_STORE_UNAVAILABLE, why, &id,
                           1)] = '\0';
    assert_string_equal(out,
        "{\"title\":\"The job store is unavailable\",\"status\":503,"
        "\"detail\":\"Try \\\"later\\\".\",\"code\":\"store-unavailable\","
        "\"jobId\":\"01a202b2-c500-7c3e-9d2f-1b5e0c8a4d11\","
        "\"outcome\":\"unknown\"}");
}


static void
every_problem_is_json_and_fits_whatever_the_detail(void **state)
{
    int          i;
    char        *out, text[600];
    size_t       len, fill;
    cJSON       *tree;
    async_str_t  detail = { text, sizeof(text) };

    static const char  *fills[] = { "a", "\x01", "\"", "\xff", "\xe2\x9c\x93" };

    (void) state;

    for (fill = 0; fill < 5; fill++) {

        for (len = 0; len < sizeof(text); len++) {
            text[len] = fills[fill][len % strlen(fills[fill])];
        }

        for (i = 0; i < ASYNC_PROBLEM_MAX; i++) {
            out = malloc(ASYNC_PROBLEM_TEXT);
            assert_non_null(out);

            len = async_problem_json(out, (async_problem_t) i, detail, &id,
                                     1);
            assert_true(len <= ASYNC_PROBLEM_TEXT);

            tree = cJSON_ParseWithLength(out, len);
            assert_non_null(tree);
            assert_int_equal(
                cJSON_GetObjectItem(tree, "status")->valueint,
                async_problem_status((async_problem_t) i));
            assert_string_equal(
                cJSON_GetStringValue(cJSON_GetObjectItem(tree, "code")),
                async_problem_code((async_problem_t) i));

            cJSON_Delete(tree);
            free(out);
        }
    }
}


static void
a_detail_is_cut_between_characters(void **state)
{
    char         out[ASYNC_PROBLEM_TEXT], text[600], *found;
    size_t       i, len;
    async_str_t  detail = { text, sizeof(text) };

    (void) state;

    for (i = 0; i < sizeof(text); i++) {
        text[i] = "\xe2\x9c\x93"[i % 3];
    }

    len = async_problem_json(out, ASYNC_PROBLEM_QUEUE_FULL, detail, NULL, 0);
    found = memmem(out, len, "\"detail\":\"", 10);
    assert_non_null(found);

    /* 170 characters of three bytes, then the quote; no U+FFFD */

    assert_memory_equal(found + 10 + 510, "\",", 2);
    assert_null(memmem(out, len, "\xef\xbf\xbd", 3));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(the_document_holds_what_is_given_and_no_more),
        cmocka_unit_test(every_problem_is_json_and_fits_whatever_the_detail),
        cmocka_unit_test(a_detail_is_cut_between_characters)
    };

    return cmocka_run_group_tests_name("async_problem", tests, NULL, NULL);
}
