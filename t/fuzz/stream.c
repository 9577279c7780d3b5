/*
 * The id that a client of an event stream comes back with: each number has
 * one text, and no other text is taken.
 */

#include <inttypes.h>

#include "async_stream.h"
#include "fuzz.h"


static void
assert_text(const char *text, size_t len)
{
    char         again[24];
    uint64_t     id;

    if (!async_stream_id(&id, fuzz_str(text, len))) {
        return;
    }

    (void) snprintf(again, sizeof(again), "%" PRIu64, id);
    fuzz_assert_same(again, strlen(again), text, len);
}


static void
assert_number(const uint8_t *data)
{
    char      text[24];
    uint64_t  id, again;

    memcpy(&id, data, sizeof(id));
    id >>= id % 64;

    (void) snprintf(text, sizeof(text), "%" PRIu64, id);

    fuzz_assert(async_stream_id(&again, fuzz_str(text, strlen(text))));
    fuzz_assert(again == id);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char  *copy;

    /* in memory of exactly its length, so that a look behind it is seen */

    copy = fuzz_alloc(size);
    if (size > 0) {
        memcpy(copy, data, size);
    }

    assert_text(copy, size);
    free(copy);

    if (size >= sizeof(uint64_t)) {
        assert_number(data);
    }

    return 0;
}
