/*
 * The query of a list.
 */

#include "async_query.h"
#include "fuzz.h"


/* what was understood, in other words: every byte of the queue escaped */

static size_t
write_query(char *text, size_t size, const async_query_t *query)
{
    size_t  i, n;

    n = (size_t) snprintf(text, size, "x&%%6cimit=%u&status=%s&queue=",
                          query->limit, async_state_name(query->status));

    for (i = 0; i < query->queue_len; i++) {
        n += (size_t) snprintf(text + n, size - n, "%%%02x",
                               (unsigned char) query->queue[i]);
    }

    n += (size_t) snprintf(text + n, size - n, "&cursor=");

    if (query->has_cursor) {
        fuzz_assert(n + ASYNC_CURSOR_TEXT <= size);
        n = (size_t) (async_cursor_format(text + n, &query->cursor) - text);
    }

    return n;
}


static void
assert_taken(const async_query_t *query)
{
    char            text[512];
    size_t          len;
    const char     *wrong;
    async_query_t   again;

    fuzz_assert(query->status < ASYNC_STATE_MAX);
    fuzz_assert(query->limit >= 1 && query->limit <= ASYNC_QUERY_LIMIT_MAX);
    fuzz_assert(query->queue_len <= sizeof(query->queue));

    len = write_query(text, sizeof(text), query);

    fuzz_assert(async_query_parse(&again, fuzz_str(text, len), &wrong)
                == ASYNC_OK);

    fuzz_assert(again.status == query->status);
    fuzz_assert(again.limit == query->limit);
    fuzz_assert_same(again.queue, again.queue_len, query->queue,
                     query->queue_len);
    fuzz_assert(again.has_cursor == query->has_cursor);
    fuzz_assert(again.cursor.bucket == query->cursor.bucket);
    fuzz_assert(memcmp(&again.cursor.id, &query->cursor.id,
                       sizeof(async_id_t)) == 0);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    async_rc_t      rc;
    const char     *wrong;
    async_query_t   query;

    rc = async_query_parse(&query, fuzz_str(data, size), &wrong);

    if (rc == ASYNC_OK) {
        fuzz_assert(wrong == NULL);
        assert_taken(&query);
        return 0;
    }

    fuzz_assert(rc == ASYNC_INVALID);
    fuzz_assert(strcmp(wrong, "status") == 0 || strcmp(wrong, "queue") == 0
                || strcmp(wrong, "limit") == 0
                || strcmp(wrong, "cursor") == 0);
    return 0;
}
