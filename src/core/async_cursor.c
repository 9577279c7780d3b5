/*
 * The place in a list, written and read.
 */

#include <string.h>

#include "async_cursor.h"


#define ASYNC_CURSOR_VERSION  1
#define ASYNC_CURSOR_BUCKET   7                     /* bytes */
#define ASYNC_CURSOR_BYTES    24
#define ASYNC_CURSOR_LAST     0xffffffffffffffull   /* what fits into seven */


static int async_cursor_digit(char c);


char *
async_cursor_format(char *out, const async_cursor_t *cursor)
{
    size_t             i;
    uint64_t           bucket;
    uint8_t            bytes[ASYNC_CURSOR_BYTES];
    uint32_t           group;
    static const char  digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    bucket = cursor->bucket;

    if (bucket > ASYNC_CURSOR_LAST) {
        bucket = ASYNC_CURSOR_LAST;
    }

    bytes[0] = ASYNC_CURSOR_VERSION;

    for (i = ASYNC_CURSOR_BUCKET; i > 0; i--) {
        bytes[i] = (uint8_t) bucket;
        bucket >>= 8;
    }

    memcpy(bytes + 1 + ASYNC_CURSOR_BUCKET, cursor->id.bytes,
           sizeof(cursor->id.bytes));

    for (i = 0; i < ASYNC_CURSOR_BYTES; i += 3) {
        group = (uint32_t) bytes[i] << 16 | (uint32_t) bytes[i + 1] << 8
                | bytes[i + 2];

        *out++ = digits[group >> 18];
        *out++ = digits[group >> 12 & 0x3f];
        *out++ = digits[group >> 6 & 0x3f];
        *out++ = digits[group & 0x3f];
    }

    return out;
}


bool
async_cursor_parse(async_cursor_t *cursor, const char *text, size_t len)
{
    int       digit;
    size_t    i;
    uint8_t   bytes[ASYNC_CURSOR_BYTES];
    uint32_t  group;

    if (len != ASYNC_CURSOR_TEXT) {
        return false;
    }

    group = 0;

    for (i = 0; i < ASYNC_CURSOR_TEXT; i++) {
        digit = async_cursor_digit(text[i]);

        if (digit < 0) {
            return false;
        }

        group = group << 6 | (uint32_t) digit;

        if (i % 4 == 3) {
            bytes[i / 4 * 3] = (uint8_t) (group >> 16);
            bytes[i / 4 * 3 + 1] = (uint8_t) (group >> 8);
            bytes[i / 4 * 3 + 2] = (uint8_t) group;
        }
    }

    if (bytes[0] != ASYNC_CURSOR_VERSION
        || !async_id_valid(bytes + 1 + ASYNC_CURSOR_BUCKET))
    {
        return false;
    }

    cursor->bucket = 0;

    for (i = 1; i <= ASYNC_CURSOR_BUCKET; i++) {
        cursor->bucket = cursor->bucket << 8 | bytes[i];
    }

    memcpy(cursor->id.bytes, bytes + 1 + ASYNC_CURSOR_BUCKET,
           sizeof(cursor->id.bytes));

    return true;
}


static int
async_cursor_digit(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }

    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }

    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }

    if (c == '-') {
        return 62;
    }

    return (c == '_') ? 63 : -1;
}
