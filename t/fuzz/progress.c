/*
 * Reports of progress.
 */

#include <cjson/cJSON.h>

#include "async_json.h"
#include "async_progress.h"
#include "async_utf8.h"
#include "fuzz.h"


static unsigned  allocations;       /* before one fails */


static void *
allocate(size_t size)
{
    return (allocations-- != 0) ? malloc(size) : NULL;
}


static void
assert_utf8(const char *text, size_t len)
{
    bool            valid;
    const uint8_t  *p, *end;

    p = (const uint8_t *) text;
    end = p + len;

    while (p < end) {
        p += async_utf8(p, end, &valid);
        fuzz_assert(valid);
    }

    fuzz_assert(p == end);
}


static void
assert_same(const async_progress_t *a, const async_progress_t *b)
{
    fuzz_assert(a->percent == b->percent);
    fuzz_assert(a->has_message == b->has_message);
    fuzz_assert_same(a->message, a->message_len, b->message, b->message_len);
}


/* what was understood, written as we write JSON; escapes can make it longer */

static void
assert_again(const async_progress_t *progress)
{
    char              text[8 * ASYNC_PROGRESS_MESSAGE], *p;
    async_progress_t  again;

    p = text + sprintf(text, "{");

    if (progress->percent != ASYNC_NO_PERCENT) {
        p += sprintf(p, "\"percentComplete\":%u.9e0,", progress->percent);

        if (progress->percent == 100) {
            p = text + sprintf(text, "{\"percentComplete\":1E2,");
        }
    }

    if (progress->has_message) {
        p += sprintf(p, "\"message\":");
        p = async_json_string(p, text + sizeof(text),
                              fuzz_str(progress->message,
                                       progress->message_len));
        fuzz_assert(p != NULL);
        p += sprintf(p, ",");
    }

    p += sprintf(p, "\"x\":0}");

    if (p - text > ASYNC_PROGRESS_BODY) {
        return;
    }

    fuzz_assert(async_progress_parse(&again,
                                     fuzz_str(text, (size_t) (p - text)))
                == ASYNC_OK);
    assert_same(progress, &again);
}


/* the same report where memory ends: refused, or nothing is different */

static void
assert_without_memory(const async_progress_t *progress, async_rc_t rc,
    async_str_t body)
{
    async_rc_t        again_rc;
    async_progress_t  again;
    cJSON_Hooks       hooks = { allocate, free };

    allocations = (unsigned) (body.len % 13);

    cJSON_InitHooks(&hooks);
    again_rc = async_progress_parse(&again, body);
    cJSON_InitHooks(NULL);

    if (again_rc == ASYNC_OK) {
        fuzz_assert(rc == ASYNC_OK);
        assert_same(progress, &again);
        return;
    }

    fuzz_assert(again_rc == ASYNC_INVALID);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    async_rc_t        rc;
    async_str_t       body;
    async_progress_t  progress;

    body = fuzz_str(data, size);
    rc = async_progress_parse(&progress, body);

    assert_without_memory(&progress, rc, body);

    if (rc != ASYNC_OK) {
        fuzz_assert(rc == ASYNC_INVALID);
        return 0;
    }

    fuzz_assert(size <= ASYNC_PROGRESS_BODY);
    fuzz_assert(progress.percent <= 100
                || progress.percent == ASYNC_NO_PERCENT);
    fuzz_assert(progress.has_message || progress.percent != ASYNC_NO_PERCENT);
    fuzz_assert(progress.has_message || progress.message_len == 0);
    fuzz_assert(progress.message_len <= sizeof(progress.message));
    fuzz_assert(memchr(progress.message, 0, progress.message_len) == NULL);

    assert_utf8(progress.message, progress.message_len);
    assert_again(&progress);

    return 0;
}
