/*
 * The value of an Idempotency-Key header.
 */

#include "async_idempotency.h"
#include "fuzz.h"


/* the same key once more, quoted */

static void
assert_quoted(const char *key, size_t len)
{
    char    text[2 * ASYNC_IDEMPOTENCY_MAX + 2], again[ASYNC_IDEMPOTENCY_MAX];
    size_t  i, n, again_len;

    n = 0;
    text[n++] = '"';

    for (i = 0; i < len; i++) {

        if (key[i] == '"' || key[i] == '\\') {
            text[n++] = '\\';
        }

        text[n++] = key[i];
    }

    text[n++] = '"';

    fuzz_assert(async_idempotency_parse(fuzz_str(text, n), again, &again_len)
                == ASYNC_OK);
    fuzz_assert_same(again, again_len, key, len);
}


/* and bare, where nothing of it would be taken for something else */

static void
assert_bare(const char *key, size_t len)
{
    char    again[ASYNC_IDEMPOTENCY_MAX];
    size_t  again_len;

    if (key[0] == '"' || key[0] == ' ' || key[len - 1] == ' ') {
        return;
    }

    fuzz_assert(async_idempotency_parse(fuzz_str(key, len), again, &again_len)
                == ASYNC_OK);
    fuzz_assert_same(again, again_len, key, len);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char        key[ASYNC_IDEMPOTENCY_MAX];
    size_t      i, len;
    async_rc_t  rc;

    rc = async_idempotency_parse(fuzz_str(data, size), key, &len);

    if (rc != ASYNC_OK) {
        fuzz_assert(rc == ASYNC_INVALID);
        fuzz_assert(len == 0);
        return 0;
    }

    fuzz_assert(len >= 1 && len <= sizeof(key));

    for (i = 0; i < len; i++) {
        fuzz_assert(key[i] >= 0x20 && key[i] <= 0x7e);
    }

    assert_quoted(key, len);
    assert_bare(key, len);

    return 0;
}
