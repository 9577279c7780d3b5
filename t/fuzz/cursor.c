/*
 * The place in a list: each has one text, and no other text is taken.
 */

#include "async_cursor.h"
#include "fuzz.h"


static void
assert_text(const char *text, size_t len)
{
    char            again[ASYNC_CURSOR_TEXT];
    async_cursor_t  cursor;

    if (!async_cursor_parse(&cursor, text, len)) {
        return;
    }

    fuzz_assert(cursor.bucket >> 56 == 0);
    fuzz_assert(async_id_valid(cursor.id.bytes));

    fuzz_assert(async_cursor_format(again, &cursor)
                == again + ASYNC_CURSOR_TEXT);
    fuzz_assert_same(again, sizeof(again), text, len);
}


static void
assert_place(const uint8_t *data)
{
    char            text[ASYNC_CURSOR_TEXT];
    async_cursor_t  cursor, again;

    memcpy(&cursor.bucket, data, sizeof(cursor.bucket));
    async_id_make(&cursor.id, cursor.bucket, data + sizeof(cursor.bucket));

    (void) async_cursor_format(text, &cursor);

    fuzz_assert(async_cursor_parse(&again, text, sizeof(text)));
    fuzz_assert(memcmp(&again.id, &cursor.id, sizeof(async_id_t)) == 0);
    fuzz_assert(cursor.bucket >> 56 != 0
                || again.bucket == cursor.bucket);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    assert_text((const char *) data, size);

    if (size >= sizeof(uint64_t) + ASYNC_ID_RANDOM) {
        assert_place(data);
    }

    return 0;
}
