/*
 * The record of a line of history, and the JSON that is made of it.
 */

#include "async_json.h"
#include "async_trail.h"
#include "fuzz_record.h"


static void
assert_again(const async_trail_t *line, size_t len)
{
    size_t         first_len, second_len;
    uint8_t       *first, *second;
    async_trail_t  again;

    first = fuzz_alloc(len);
    second = fuzz_alloc(len);

    first_len = async_trail_encode(line, first, len);
    fuzz_assert(first_len != 0);

    fuzz_assert(async_trail_decode(&again, first, first_len) == ASYNC_OK);

    second_len = async_trail_encode(&again, second, len);
    fuzz_assert_same(first, first_len, second, second_len);

    free(first);
    free(second);
}


static void
assert_document(const async_trail_t *line, size_t len)
{
    char    *out;
    size_t   n, size;

    size = ASYNC_JSON_TRAIL_MAX + 6 * len;
    out = fuzz_alloc(size + 1);

    n = async_json_trail(out, size, line->at >= 0 ? (uint64_t) line->at : 1,
                         line);
    fuzz_assert(n != 0 && n <= size);
    fuzz_assert(len > ASYNC_TRAIL_MAX || n <= ASYNC_JSON_TRAIL_MAX);
    out[n] = '\0';
    fuzz_assert_document(out, n);

    free(out);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t        *record;
    async_rc_t      rc;
    async_trail_t   line;

    (void) async_trail_decode(&line, data, size);

    record = fuzz_record(ASYNC_RECORD_TRAIL, data, size);
    size += ASYNC_RECORD_HEADER;

    rc = async_trail_decode(&line, record, size);

    if (rc == ASYNC_OK) {
        fuzz_assert(line.event != 0);
        fuzz_assert(line.state > ASYNC_STATE_NONE);
        fuzz_assert(line.state < ASYNC_STATE_MAX);
        assert_again(&line, size);
        assert_document(&line, size);

    } else {
        fuzz_assert(rc == ASYNC_CORRUPT);
    }

    free(record);

    return 0;
}
