/*
 * UTF-8, a sequence at a time.
 */

#include "async_utf8.h"


size_t
async_utf8(const uint8_t *p, const uint8_t *end, bool *valid)
{
    size_t   n, len;
    uint8_t  low, high;

    low = 0x80;
    high = 0xbf;

    if (p[0] < 0x80) {
        len = 1;

    } else if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        len = 2;

    } else if ((p[0] & 0xf0) == 0xe0) {
        len = 3;

        /* neither overlong nor a surrogate */

        low = (p[0] == 0xe0) ? 0xa0 : low;
        high = (p[0] == 0xed) ? 0x9f : high;

    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        len = 4;

        /* neither overlong nor above U+10FFFF */

        low = (p[0] == 0xf0) ? 0x90 : low;
        high = (p[0] == 0xf4) ? 0x8f : high;

    } else {
        *valid = false;
        return 1;
    }

    for (n = 1; n < len; n++) {

        if (p + n == end || p[n] < low || p[n] > high) {
            *valid = false;
            return n;
        }

        low = 0x80;
        high = 0xbf;
    }

    *valid = true;

    return len;
}
