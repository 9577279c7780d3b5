/*
 * The Prefer header: a line of the input is a line of the header.
 */

#include "async_prefer.h"
#include "fuzz.h"


static void
add_lines(async_prefer_t *p, const uint8_t *data, size_t size)
{
    char           *line;
    size_t          len;
    const uint8_t  *end;

    while (size != 0) {
        end = memchr(data, '\n', size);
        len = (end != NULL) ? (size_t) (end - data) : size;

        line = fuzz_alloc(len);
        memcpy(line, data, len);
        async_prefer_add(p, fuzz_str(line, len));
        free(line);

        len += (end != NULL);
        data += len;
        size -= len;
    }
}


static void
assert_same(const async_prefer_t *a, const async_prefer_t *b)
{
    fuzz_assert(a->respond_async == b->respond_async);
    fuzz_assert(a->has_wait == b->has_wait);
    fuzz_assert(a->wait == b->wait);
}


/* what comes later makes a difference only to what was not there */

static void
assert_first_counts(const async_prefer_t *p)
{
    async_prefer_t            again;
    static const char *const  lines[] = {
        "respond-async, wait=1", "respond-async=no, wait=no"
    };

    again = *p;
    async_prefer_add(&again, fuzz_str(lines[p->respond_async],
                                      strlen(lines[p->respond_async])));

    if (p->seen_respond_async) {
        fuzz_assert(again.respond_async == p->respond_async);
    }

    if (p->seen_wait) {
        fuzz_assert(again.has_wait == p->has_wait);
        fuzz_assert(again.wait == p->wait);
    }
}


/* one line with commas is as good as several, but for quotes */

static void
assert_lines_join(const async_prefer_t *p, const uint8_t *data, size_t size)
{
    char            *line;
    size_t           i;
    async_prefer_t   joined;

    if (size == 0 || memchr(data, '"', size) != NULL) {
        return;
    }

    line = fuzz_alloc(size);

    for (i = 0; i < size; i++) {
        line[i] = (data[i] == '\n') ? ',' : (char) data[i];
    }

    async_prefer_init(&joined);
    async_prefer_add(&joined, fuzz_str(line, size));
    assert_same(p, &joined);
    free(line);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int             len;
    char            line[64];
    async_prefer_t  p, again;

    async_prefer_init(&p);
    add_lines(&p, data, size);

    fuzz_assert(p.has_wait || p.wait == 0);
    fuzz_assert(!p.has_wait || p.seen_wait);
    fuzz_assert(!p.respond_async || p.seen_respond_async);

    assert_first_counts(&p);
    assert_lines_join(&p, data, size);

    /* what was understood, in other words */

    len = snprintf(line, sizeof(line), "%s=\"\" ; x, WAIT = \"%u\"",
                   p.respond_async ? "Respond-Async" : "x", p.wait);

    async_prefer_init(&again);
    async_prefer_add(&again, fuzz_str(line, (size_t) len));
    fuzz_assert(again.respond_async == p.respond_async);
    fuzz_assert(again.has_wait && again.wait == p.wait);

    return 0;
}
