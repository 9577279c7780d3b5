/*
 * Base64.
 */

#include "async_base64.h"


static int async_base64_digit(char c);


bool
async_base64_decode(uint8_t *out, size_t cap, size_t *len, async_str_t text)
{
    int       digit;
    size_t    i, n;
    unsigned  bits;
    uint32_t  sum;

    *len = 0;

    if (text.len != 0 && text.len % 4 == 0 && text.data[text.len - 1] == '=') {
        text.len -= (text.data[text.len - 2] == '=') ? 2 : 1;
    }

    if (text.len % 4 == 1) {
        return false;
    }

    n = 0;
    sum = 0;
    bits = 0;

    for (i = 0; i < text.len; i++) {
        digit = async_base64_digit(text.data[i]);

        if (digit < 0) {
            return false;
        }

        sum = sum << 6 | (uint32_t) digit;
        bits += 6;

        if (bits < 8) {
            continue;
        }

        if (n == cap) {
            return false;
        }

        bits -= 8;
        out[n++] = (uint8_t) (sum >> bits);
        sum &= (1u << bits) - 1;
    }

    *len = n;

    return sum == 0;
}


static int
async_base64_digit(char c)
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

    return c == '+' ? 62 : c == '/' ? 63 : -1;
}
