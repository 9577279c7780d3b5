/*
 * The query of a list.
 */

#include <string.h>

#include "async_query.h"


#define ASYNC_QUERY_NAME   8                    /* bytes: more than any has */
#define ASYNC_QUERY_VALUE  ASYNC_QUEUE_MAX      /* the longest value */


typedef struct {
    const char  *name;
    bool       (*set)(async_query_t *query, async_str_t value);
} async_query_argument_t;


static const async_query_argument_t *async_query_argument(async_str_t name);
static bool async_query_set(async_query_t *query,
    const async_query_argument_t *argument, async_str_t encoded);
static bool async_query_status(async_query_t *query, async_str_t value);
static bool async_query_queue(async_query_t *query, async_str_t value);
static bool async_query_limit(async_query_t *query, async_str_t value);
static bool async_query_cursor(async_query_t *query, async_str_t value);

static async_str_t async_query_cut(async_str_t *rest, char c);
static bool async_query_decode(async_str_t encoded, char *out, size_t size,
    async_str_t *decoded);
static int async_query_digit(char c);


static const async_query_argument_t  async_query_arguments[] = {
    { "status", async_query_status },
    { "queue",  async_query_queue },
    { "limit",  async_query_limit },
    { "cursor", async_query_cursor },
    { NULL, NULL }
};


async_rc_t
async_query_parse(async_query_t *query, async_str_t args, const char **wrong)
{
    unsigned                       seen, bit;
    async_str_t                    value, name;
    const async_query_argument_t  *argument;

    memset(query, 0, sizeof(async_query_t));
    query->status = ASYNC_STATE_NONE;
    query->limit = ASYNC_QUERY_LIMIT;

    *wrong = NULL;
    seen = 0;

    while (args.len != 0) {
        value = async_query_cut(&args, '&');
        name = async_query_cut(&value, '=');

        argument = async_query_argument(name);
        if (argument == NULL) {
            continue;
        }

        bit = 1u << (argument - async_query_arguments);

        if ((seen & bit) || !async_query_set(query, argument, value)) {
            *wrong = argument->name;
            return ASYNC_INVALID;
        }

        seen |= bit;
    }

    return ASYNC_OK;
}


static const async_query_argument_t *
async_query_argument(async_str_t name)
{
    char                           buf[ASYNC_QUERY_NAME];
    async_str_t                    decoded;
    const async_query_argument_t  *argument;

    if (!async_query_decode(name, buf, sizeof(buf), &decoded)) {
        return NULL;
    }

    for (argument = async_query_arguments; argument->name != NULL; argument++) {

        if (strlen(argument->name) == decoded.len
            && memcmp(argument->name, decoded.data, decoded.len) == 0)
        {
            return argument;
        }
    }

    return NULL;
}


static bool
async_query_set(async_query_t *query, const async_query_argument_t *argument,
    async_str_t encoded)
{
    char         buf[ASYNC_QUERY_VALUE];
    async_str_t  value;

    if (!async_query_decode(encoded, buf, sizeof(buf), &value)) {
        return false;
    }

    return value.len == 0 || argument->set(query, value);
}


static bool
async_query_status(async_query_t *query, async_str_t value)
{
    int          state;
    const char  *name;

    for (state = ASYNC_STATE_NONE + 1; state < ASYNC_STATE_MAX; state++) {
        name = async_state_name((async_state_t) state);

        if (strlen(name) == value.len
            && memcmp(name, value.data, value.len) == 0)
        {
            query->status = (async_state_t) state;
            return true;
        }
    }

    return false;
}


static bool
async_query_queue(async_query_t *query, async_str_t value)
{
    memcpy(query->queue, value.data, value.len);
    query->queue_len = value.len;

    return true;
}


static bool
async_query_limit(async_query_t *query, async_str_t value)
{
    size_t    i;
    uint32_t  limit;

    limit = 0;

    for (i = 0; i < value.len; i++) {

        if (value.data[i] < '0' || value.data[i] > '9') {
            return false;
        }

        limit = limit * 10 + (uint32_t) (value.data[i] - '0');

        if (limit > ASYNC_QUERY_LIMIT_MAX) {
            return false;
        }
    }

    query->limit = limit;

    return limit != 0;
}


static bool
async_query_cursor(async_query_t *query, async_str_t value)
{
    query->has_cursor = async_cursor_parse(&query->cursor, value.data,
                                           value.len);
    return query->has_cursor;
}


/* what is before c, or all; rest goes on behind it */

static async_str_t
async_query_cut(async_str_t *rest, char c)
{
    const char   *end;
    async_str_t   head;

    head = *rest;
    end = (head.len != 0) ? memchr(head.data, c, head.len) : NULL;

    if (end == NULL) {
        rest->data += rest->len;
        rest->len = 0;
        return head;
    }

    head.len = (size_t) (end - head.data);
    rest->data = end + 1;
    rest->len -= head.len + 1;

    return head;
}


/* into out; false if it does not fit or is not encoded well */

static bool
async_query_decode(async_str_t encoded, char *out, size_t size,
    async_str_t *decoded)
{
    int     high, low;
    char    c;
    size_t  i, n;

    n = 0;

    for (i = 0; i < encoded.len; i++) {
        c = encoded.data[i];

        if (c == '+') {
            c = ' ';

        } else if (c == '%') {

            if (encoded.len - i < 3) {
                return false;
            }

            high = async_query_digit(encoded.data[i + 1]);
            low = async_query_digit(encoded.data[i + 2]);

            if (high < 0 || low < 0) {
                return false;
            }

            c = (char) (high << 4 | low);
            i += 2;
        }

        if (n == size) {
            return false;
        }

        out[n++] = c;
    }

    decoded->data = out;
    decoded->len = n;

    return true;
}


static int
async_query_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }

    return (c >= 'A' && c <= 'F') ? c - 'A' + 10 : -1;
}
