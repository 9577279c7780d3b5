/*
 * The value of an Idempotency-Key header.
 */

#include <stdbool.h>
#include <string.h>

#include "async_idempotency.h"


static void async_idempotency_trim(async_str_t *value);
static async_rc_t async_idempotency_quoted(const char *p, const char *end,
    char *out, size_t *len);
static const char *async_idempotency_parameter(const char *p,
    const char *end);
static const char *async_idempotency_string(const char *p, const char *end);
static bool async_idempotency_key_char(char c, bool first);
static bool async_idempotency_item_char(char c);
static bool async_idempotency_printable(char c);


async_rc_t
async_idempotency_parse(async_str_t value, char out[ASYNC_IDEMPOTENCY_MAX],
    size_t *len)
{
    size_t  i;

    *len = 0;

    async_idempotency_trim(&value);

    if (value.len == 0) {
        return ASYNC_INVALID;
    }

    if (value.data[0] == '"') {
        return async_idempotency_quoted(value.data + 1,
                                        value.data + value.len, out, len);
    }

    if (value.len > ASYNC_IDEMPOTENCY_MAX) {
        return ASYNC_INVALID;
    }

    for (i = 0; i < value.len; i++) {

        if (!async_idempotency_printable(value.data[i])) {
            return ASYNC_INVALID;
        }
    }

    memcpy(out, value.data, value.len);
    *len = value.len;

    return ASYNC_OK;
}


static void
async_idempotency_trim(async_str_t *value)
{
    char  c;

    while (value->len != 0
           && (value->data[0] == ' ' || value->data[0] == '\t'))
    {
        value->data++;
        value->len--;
    }

    while (value->len != 0) {
        c = value->data[value->len - 1];

        if (c != ' ' && c != '\t') {
            break;
        }

        value->len--;
    }
}


/* what follows the opening quote: sf-string, parameters */

static async_rc_t
async_idempotency_quoted(const char *p, const char *end, char *out,
    size_t *len)
{
    size_t       n;
    const char  *last;

    last = async_idempotency_string(p, end);
    if (last == NULL) {
        return ASYNC_INVALID;
    }

    for (n = 0; p < last - 1; p++) {

        if (*p == '\\') {
            p++;
        }

        if (n == ASYNC_IDEMPOTENCY_MAX) {
            return ASYNC_INVALID;
        }

        out[n++] = *p;
    }

    for (p = last; p < end; /* void */ ) {
        p = async_idempotency_parameter(p, end);

        if (p == NULL) {
            return ASYNC_INVALID;
        }
    }

    if (n == 0) {
        return ASYNC_INVALID;
    }

    *len = n;

    return ASYNC_OK;
}


/*
 * ";" *SP key [ "=" bare-item ].  Of the items only strings are looked at
 * closely: of the others it is enough that none of them holds a separator.
 */

static const char *
async_idempotency_parameter(const char *p, const char *end)
{
    const char  *start;

    if (*p++ != ';') {
        return NULL;
    }

    while (p < end && *p == ' ') {
        p++;
    }

    start = p;

    while (p < end && async_idempotency_key_char(*p, p == start)) {
        p++;
    }

    if (p == start) {
        return NULL;
    }

    if (p == end || *p != '=') {
        return p;
    }

    p++;

    if (p < end && *p == '"') {
        return async_idempotency_string(p + 1, end);
    }

    start = p;

    while (p < end && async_idempotency_item_char(*p)) {
        p++;
    }

    return (p != start) ? p : NULL;
}


/* from behind the opening quote to behind the closing one; NULL if it fails */

static const char *
async_idempotency_string(const char *p, const char *end)
{
    for ( /* void */ ; p < end; p++) {

        if (*p == '"') {
            return p + 1;
        }

        if (!async_idempotency_printable(*p)) {
            return NULL;
        }

        if (*p == '\\') {
            p++;

            if (p == end || (*p != '"' && *p != '\\')) {
                return NULL;
            }
        }
    }

    return NULL;
}


static bool
async_idempotency_key_char(char c, bool first)
{
    if ((c >= 'a' && c <= 'z') || c == '*') {
        return true;
    }

    return !first
           && ((c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.');
}


/* numbers, tokens, byte sequences and booleans are of these */

static bool
async_idempotency_item_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
           || (c >= 'A' && c <= 'Z')
           || (c != '\0' && strchr("!#$%&'*+-.^_`|~:/=?", c) != NULL);
}


static bool
async_idempotency_printable(char c)
{
    return c >= 0x20 && c <= 0x7e;
}
