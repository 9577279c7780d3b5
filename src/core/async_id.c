/*
 * Job ids (UUID version 7): made, written, read.
 */

#include <string.h>

#include "async_id.h"


#define ASYNC_ID_TIME_MAX  0xffffffffffffll     /* 48 bits, year 10889 */


static bool async_id_dash(size_t i);


/* what a character says, and one more; 0: it is no digit */
static const uint8_t  async_id_digits[256] = {
    ['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6,
    ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
    ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16
};


void
async_id_make(async_id_t *id, int64_t now_ms,
    const uint8_t random[ASYNC_ID_RANDOM])
{
    int       i;
    uint64_t  ms;

    if (now_ms < 0) {
        now_ms = 0;
    }

    if (now_ms > ASYNC_ID_TIME_MAX) {
        now_ms = ASYNC_ID_TIME_MAX;
    }

    ms = (uint64_t) now_ms;

    for (i = 5; i >= 0; i--) {
        id->bytes[i] = (uint8_t) ms;
        ms >>= 8;
    }

    memcpy(id->bytes + 6, random, ASYNC_ID_RANDOM);

    /* version 7 and variant 10 take six of the eighty bits */

    id->bytes[6] = 0x70 | (id->bytes[6] & 0x0f);
    id->bytes[8] = 0x80 | (id->bytes[8] & 0x3f);
}


/* whether a dash stands before byte i of the text form */

static bool
async_id_dash(size_t i)
{
    return i == 4 || i == 6 || i == 8 || i == 10;
}


char *
async_id_format(char *out, const async_id_t *id)
{
    size_t             i;
    static const char  hex[] = "0123456789abcdef";

    for (i = 0; i < sizeof(id->bytes); i++) {

        if (async_id_dash(i)) {
            *out++ = '-';
        }

        *out++ = hex[id->bytes[i] >> 4];
        *out++ = hex[id->bytes[i] & 0x0f];
    }

    return out;
}


bool
async_id_parse(async_id_t *id, const char *text, size_t len)
{
    size_t      i;
    uint8_t     high, low;
    async_id_t  parsed;

    if (len != ASYNC_ID_TEXT) {
        return false;
    }

    for (i = 0; i < sizeof(parsed.bytes); i++) {

        if (async_id_dash(i) && *text++ != '-') {
            return false;
        }

        high = async_id_digits[(uint8_t) text[0]];
        low = async_id_digits[(uint8_t) text[1]];

        if (high == 0 || low == 0) {
            return false;
        }

        parsed.bytes[i] = (uint8_t) ((high - 1) << 4 | (low - 1));
        text += 2;
    }

    if (!async_id_valid(parsed.bytes)) {
        return false;
    }

    *id = parsed;

    return true;
}


bool
async_id_valid(const uint8_t bytes[16])
{
    return bytes[6] >> 4 == 7 && bytes[8] >> 6 == 2;
}


int64_t
async_id_time(const async_id_t *id)
{
    int      i;
    int64_t  ms;

    ms = 0;

    for (i = 0; i < 6; i++) {
        ms = ms << 8 | id->bytes[i];
    }

    return ms;
}
