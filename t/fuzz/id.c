/*
 * Job ids, as text and made from any time and any bytes.
 */

#include <ctype.h>

#include "async_id.h"
#include "fuzz.h"


static void
assert_text(const char *text, size_t len)
{
    char        again[ASYNC_ID_TEXT];
    size_t      i;
    async_id_t  id;

    if (!async_id_parse(&id, text, len)) {
        return;
    }

    fuzz_assert(async_id_valid(id.bytes));
    fuzz_assert(async_id_format(again, &id) == again + ASYNC_ID_TEXT);
    fuzz_assert(len == ASYNC_ID_TEXT);

    for (i = 0; i < len; i++) {
        fuzz_assert(again[i] == tolower((unsigned char) text[i]));
    }
}


static void
assert_made(const uint8_t *data)
{
    char        text[ASYNC_ID_TEXT];
    int64_t     ms;
    async_id_t  id, again;

    memcpy(&ms, data, sizeof(ms));

    async_id_make(&id, ms, data + sizeof(ms));
    (void) async_id_format(text, &id);

    fuzz_assert(async_id_parse(&again, text, sizeof(text)));
    fuzz_assert(memcmp(&id, &again, sizeof(id)) == 0);
    fuzz_assert(async_id_time(&id) >= 0);
    fuzz_assert(ms < 0 || ms >> 48 != 0 || async_id_time(&id) == ms);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    assert_text((const char *) data, size);

    if (size >= sizeof(int64_t) + ASYNC_ID_RANDOM) {
        assert_made(data);
    }

    return 0;
}
