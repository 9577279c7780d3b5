/*
 * Problem documents, byte for byte.
 */

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


/* 600 bytes of one character: how it stands in the document, how often */

static const struct {
    const char  *bytes;
    const char  *written;
    size_t       times;
} fills[] = {
    { "a",            "a",            512 },
    { "\"",           "\\\"",         256 },
    { "\x01",         "\\u0001",       85 },
    { "\xff",         "\xef\xbf\xbd", 170 },
    { "\xe2\x9c\x93", "\xe2\x9c\x93", 170 }
};


static void
a_long_detail_is_cut_between_characters(void **state)
{
    char         text[600], *out, *p;
    size_t       i, n, len;
    async_str_t  detail = { text, sizeof(text) };

    static const char  head[] =
        "{\"title\":\"The queue is full\",\"status\":503,\"detail\":\"";
    static const char  tail[] = "\",\"code\":\"queue-full\"}";

    (void) state;

    for (i = 0; i < sizeof(fills) / sizeof(fills[0]); i++) {

        for (n = 0; n < sizeof(text); n++) {
            text[n] = fills[i].bytes[n % strlen(fills[i].bytes)];
        }

        out = malloc(ASYNC_PROBLEM_TEXT);
        assert_non_null(out);

        len = async_problem_json(out, ASYNC_PROBLEM_QUEUE_FULL, detail, NULL,
                                 0);
        assert_int_equal(len, strlen(head) + strlen(tail)
                              + fills[i].times * strlen(fills[i].written));
        assert_memory_equal(out, head, strlen(head));
        p = out + strlen(head);

        for (n = 0; n < fills[i].times; n++) {
            assert_memory_equal(p, fills[i].written,
                                strlen(fills[i].written));
            p += strlen(fills[i].written);
        }

        assert_memory_equal(p, tail, strlen(tail));
        free(out);
    }
}


static void
every_problem_fits_with_the_longest_detail(void **state)
{
    int           i, j;
    char         *out, text[600];
    size_t        len;
    const char   *code;
    async_str_t   detail = { text, sizeof(text) };

    (void) state;

    memset(text, 'a', sizeof(text));

    for (i = 0; i < ASYNC_PROBLEM_MAX; i++) {
        out = malloc(ASYNC_PROBLEM_TEXT);
        assert_non_null(out);

        len = async_problem_json(out, (async_problem_t) i, detail, &id, 1);
        assert_in_range(len, 600, ASYNC_PROBLEM_TEXT);
        free(out);

        assert_in_range(async_problem_status((async_problem_t) i), 400, 599);
        code = async_problem_code((async_problem_t) i);

        for (j = 0; j < i; j++) {
            assert_string_not_equal(async_problem_code((async_problem_t) j),
                                    code);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(the_document_holds_what_is_given_and_no_more),
        cmocka_unit_test(a_long_detail_is_cut_between_characters),
        cmocka_unit_test(every_problem_fits_with_the_longest_detail)
    };

    return cmocka_run_group_tests_name("async_problem", tests, NULL, NULL);
}
