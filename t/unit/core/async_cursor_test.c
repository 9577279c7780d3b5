/*
 * The place in a list.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "async_cursor.h"


/* 1795341600000, 017f22e2-79b0-7cc3-98c4-dc0c0c07398f */

static const char  golden[] = "AQABogKyxQABfyLiebB8w5jE3AwMBzmP";


static async_cursor_t
example(void)
{
    async_cursor_t  cursor;

    cursor.bucket = 1795341600000;
    assert_true(async_id_parse(&cursor.id,
                               "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
                               ASYNC_ID_TEXT));
    return cursor;
}


static void
the_golden_cursor(void **state)
{
    char            text[ASYNC_CURSOR_TEXT + 1];
    async_cursor_t  cursor, parsed;

    (void) state;

    cursor = example();
    text[ASYNC_CURSOR_TEXT] = '\0';

    assert_ptr_equal(async_cursor_format(text, &cursor),
                     text + ASYNC_CURSOR_TEXT);
    assert_string_equal(text, golden);

    assert_true(async_cursor_parse(&parsed, golden, ASYNC_CURSOR_TEXT));
    assert_int_equal(parsed.bucket, cursor.bucket);
    assert_memory_equal(parsed.id.bytes, cursor.id.bytes, 16);
}


static void
buckets_go_and_come_back(void **state)
{
    char            text[ASYNC_CURSOR_TEXT];
    size_t          i;
    async_cursor_t  cursor, parsed;
    const uint64_t  buckets[][2] = {
        { 0, 0 }, { 1, 1 }, { 255, 255 }, { 256, 256 },
        { 0xffffffffffff, 0xffffffffffff },
        { 0xffffffffffffff, 0xffffffffffffff },
        { 0x100000000000000, 0xffffffffffffff },
        { UINT64_MAX, 0xffffffffffffff }
    };

    (void) state;

    cursor = example();

    for (i = 0; i < sizeof(buckets) / sizeof(buckets[0]); i++) {
        cursor.bucket = buckets[i][0];
        (void) async_cursor_format(text, &cursor);

        assert_true(async_cursor_parse(&parsed, text, sizeof(text)));
        assert_int_equal(parsed.bucket, buckets[i][1]);
    }
}


/* what is taken is written the same: there is one text for each place */

static void
every_byte_in_every_place_is_taken_or_refused(void **state)
{
    int             c, taken;
    char            text[ASYNC_CURSOR_TEXT], again[ASYNC_CURSOR_TEXT];
    size_t          i;
    async_cursor_t  cursor;

    (void) state;

    taken = 0;

    for (i = 0; i < sizeof(text); i++) {

        for (c = 0; c < 256; c++) {
            memcpy(text, golden, sizeof(text));
            text[i] = (char) c;

            if (!async_cursor_parse(&cursor, text, sizeof(text))) {
                continue;
            }

            (void) async_cursor_format(again, &cursor);
            assert_memory_equal(again, text, sizeof(text));
            taken++;
        }
    }

    /*
     * 64 for each character, but: the first two are of the version, with six
     * and two of its bits; two more hold the version of the id, and one its
     * variant, with two bits each
     */

    assert_int_equal(taken, 27 * 64 + 1 + 4 * 16);
}


static void
other_lengths_and_versions_are_refused(void **state)
{
    char            text[ASYNC_CURSOR_TEXT + 4];
    size_t          len;
    async_cursor_t  cursor;

    (void) state;

    memset(text, 'A', sizeof(text));
    memcpy(text, golden, ASYNC_CURSOR_TEXT);

    for (len = 0; len < sizeof(text); len++) {
        assert_int_equal(async_cursor_parse(&cursor, text, len),
                         len == ASYNC_CURSOR_TEXT);
    }

    text[1] = 'A';      /* version 0 */
    assert_false(async_cursor_parse(&cursor, text, ASYNC_CURSOR_TEXT));
    text[1] = 'g';      /* version 2 */
    assert_false(async_cursor_parse(&cursor, text, ASYNC_CURSOR_TEXT));

    assert_false(async_cursor_parse(&cursor, NULL, 0));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(the_golden_cursor),
        cmocka_unit_test(buckets_go_and_come_back),
        cmocka_unit_test(every_byte_in_every_place_is_taken_or_refused),
        cmocka_unit_test(other_lengths_and_versions_are_refused)
    };

    return cmocka_run_group_tests_name("async_cursor", tests, NULL, NULL);
}
