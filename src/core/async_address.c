/*
 * IP addresses: text, networks, and what is global.
 */

#include <string.h>

#include "async_address.h"


#define ASYNC_ADDRESS_NO_GAP  SIZE_MAX


typedef struct {
    uint8_t  bits;
    uint8_t  bytes[ASYNC_ADDRESS_V6];
} async_address_range_t;


static bool async_address_parse_v4(uint8_t *out, const char *p,
    const char *end);
static bool async_address_parse_v6(uint8_t *out, const char *p,
    const char *end);
static const char *async_address_group(const char *p, const char *end,
    uint8_t *out);
static int async_address_digit(char c);
static bool async_address_mapped(const uint8_t *bytes);
static bool async_address_global_v4(const uint8_t *bytes);
static bool async_address_global_v6(const uint8_t *bytes);
static bool async_address_in(const async_address_range_t *ranges,
    const uint8_t *bytes);
static bool async_address_prefix(const uint8_t *a, const uint8_t *b,
    unsigned bits);


/*
 * IANA's IPv4 Special-Purpose Address Registry, and Class D and E.  An entry
 * of no bits ends a list.
 */

static const async_address_range_t  async_address_special_v4[] = {
    {  8, { 0 } },                      /* "this network" */
    {  8, { 10 } },                     /* private use */
    { 10, { 100, 64 } },                /* carrier-grade NAT, RFC 6598 */
    {  8, { 127 } },                    /* loopback */
    { 16, { 169, 254 } },               /* link-local, clouds' metadata */
    { 12, { 172, 16 } },                /* private use */
    { 24, { 192, 0, 0 } },              /* IETF protocols */
    { 24, { 192, 0, 2 } },              /* documentation, TEST-NET-1 */
    { 24, { 192, 31, 196 } },           /* AS112, RFC 7535 */
    { 24, { 192, 52, 193 } },           /* AMT relays, RFC 7450 */
    { 24, { 192, 88, 99 } },            /* 6to4 relays, RFC 7526 */
    { 16, { 192, 168 } },               /* private use */
    { 24, { 192, 175, 48 } },           /* AS112, RFC 7534 */
    { 15, { 198, 18 } },                /* benchmarks, RFC 2544 */
    { 24, { 198, 51, 100 } },           /* documentation, TEST-NET-2 */
    { 24, { 203, 0, 113 } },            /* documentation, TEST-NET-3 */
    {  4, { 224 } },                    /* multicast */
    {  4, { 240 } },                    /* reserved, and broadcast */
    {  0, { 0 } }
};


/*
 * IANA's IPv6 Special-Purpose Address Registry, as far as it lies in the one
 * block that global unicast addresses are given out from.
 */

static const async_address_range_t  async_address_unicast = {
    3, { 0x20 }
};

static const async_address_range_t  async_address_special_v6[] = {
    { 23, { 0x20, 0x01, 0x00 } },       /* IETF protocols: Teredo, ORCHID,
                                           benchmarks, AMT, AS112 */
    { 32, { 0x20, 0x01, 0x0d, 0xb8 } }, /* documentation */
    { 16, { 0x20, 0x02 } },             /* 6to4 */
    { 48, { 0x26, 0x20, 0x00, 0x4f, 0x80, 0x00 } },     /* AS112 */
    { 16, { 0x3f, 0xfe } },             /* 6bone, given back */
    { 20, { 0x3f, 0xff, 0x00 } },       /* documentation, RFC 9637 */
    {  0, { 0 } }
};

static const async_address_range_t  async_address_nat64 = {
    96, { 0x00, 0x64, 0xff, 0x9b }
};


void
async_address_set(async_address_t *a, const void *bytes, size_t len)
{
    const uint8_t  *p;

    memset(a, 0, sizeof(async_address_t));

    p = bytes;

    if (len == ASYNC_ADDRESS_V6 && async_address_mapped(p)) {
        p += ASYNC_ADDRESS_V6 - ASYNC_ADDRESS_V4;
        len = ASYNC_ADDRESS_V4;
    }

    a->len = (uint8_t) len;
    memcpy(a->bytes, p, len);
}


bool
async_address_parse(async_address_t *a, async_str_t text)
{
    uint8_t      bytes[ASYNC_ADDRESS_V6];
    const char  *end;

    if (text.len == 0) {
        return false;
    }

    end = text.data + text.len;

    if (async_address_parse_v4(bytes, text.data, end)) {
        async_address_set(a, bytes, ASYNC_ADDRESS_V4);
        return true;
    }

    if (async_address_parse_v6(bytes, text.data, end)) {
        async_address_set(a, bytes, ASYNC_ADDRESS_V6);
        return true;
    }

    return false;
}


static bool
async_address_parse_v4(uint8_t *out, const char *p, const char *end)
{
    unsigned     n, number;
    const char  *start;

    for (n = 0; n < ASYNC_ADDRESS_V4; n++) {

        if (n != 0 && (p == end || *p++ != '.')) {
            return false;
        }

        start = p;
        number = 0;

        while (p < end && *p >= '0' && *p <= '9' && p - start < 3) {
            number = number * 10 + (unsigned) (*p++ - '0');
        }

        if (p == start || number > 255 || (*start == '0' && p - start != 1)) {
            return false;
        }

        out[n] = (uint8_t) number;
    }

    return p == end;
}


/* groups before "::" are put in front, those behind it to the end */

static bool
async_address_parse_v6(uint8_t *out, const char *p, const char *end)
{
    size_t       n, gap;
    const char  *next;

    n = 0;
    gap = ASYNC_ADDRESS_NO_GAP;
    memset(out, 0, ASYNC_ADDRESS_V6);

    if (end - p >= 2 && p[0] == ':' && p[1] == ':') {
        gap = 0;
        p += 2;
    }

    while (p < end) {

        if (n == ASYNC_ADDRESS_V6) {
            return false;
        }

        if (n <= ASYNC_ADDRESS_V6 - ASYNC_ADDRESS_V4
            && async_address_parse_v4(out + n, p, end))
        {
            n += ASYNC_ADDRESS_V4;
            break;
        }

        next = async_address_group(p, end, out + n);
        if (next == NULL) {
            return false;
        }

        n += 2;
        p = next;

        if (p == end) {
            break;
        }

        /* a ":", and behind it a group, or another one once */

        if (*p++ != ':' || p == end) {
            return false;
        }

        if (*p == ':') {

            if (gap != ASYNC_ADDRESS_NO_GAP) {
                return false;
            }

            gap = n;
            p++;
        }
    }

    if (gap == ASYNC_ADDRESS_NO_GAP) {
        return n == ASYNC_ADDRESS_V6;
    }

    if (n == ASYNC_ADDRESS_V6) {
        return false;                   /* "::" stands for one at the least */
    }

    memmove(out + ASYNC_ADDRESS_V6 - (n - gap), out + gap, n - gap);
    memset(out + gap, 0, ASYNC_ADDRESS_V6 - n);

    return true;
}


/* behind one to four hexadecimal digits; NULL if there are none, or more */

static const char *
async_address_group(const char *p, const char *end, uint8_t *out)
{
    int          digit;
    unsigned     number;
    const char  *start;

    start = p;
    number = 0;

    while (p < end && (digit = async_address_digit(*p)) >= 0) {

        if (p - start == 4) {
            return NULL;
        }

        number = number << 4 | (unsigned) digit;
        p++;
    }

    if (p == start) {
        return NULL;
    }

    out[0] = (uint8_t) (number >> 8);
    out[1] = (uint8_t) number;

    return p;
}


static int
async_address_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }

    return (c >= 'A' && c <= 'F') ? c - 'A' + 10 : -1;
}


static bool
async_address_mapped(const uint8_t *bytes)
{
    static const uint8_t  mapped[] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
    };

    return memcmp(bytes, mapped, sizeof(mapped)) == 0;
}


bool
async_address_equal(const async_address_t *a, const async_address_t *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}


bool
async_address_global(const async_address_t *a)
{
    switch (a->len) {

    case ASYNC_ADDRESS_V4:
        return async_address_global_v4(a->bytes);

    case ASYNC_ADDRESS_V6:
        return async_address_global_v6(a->bytes);

    default:
        return false;
    }
}


static bool
async_address_global_v4(const uint8_t *bytes)
{
    return !async_address_in(async_address_special_v4, bytes);
}


static bool
async_address_global_v6(const uint8_t *bytes)
{
    const uint8_t  *last;

    last = bytes + ASYNC_ADDRESS_V6 - ASYNC_ADDRESS_V4;

    if (async_address_prefix(bytes, async_address_nat64.bytes,
                             async_address_nat64.bits))
    {
        return async_address_global_v4(last);
    }

    if (!async_address_prefix(bytes, async_address_unicast.bytes,
                              async_address_unicast.bits)
        || async_address_in(async_address_special_v6, bytes))
    {
        return false;
    }

    /* ISATAP: 0000:5efe or, with the bit of a global one, 0200:5efe */

    if ((bytes[8] & 0xfd) == 0 && bytes[9] == 0 && bytes[10] == 0x5e
        && bytes[11] == 0xfe)
    {
        return async_address_global_v4(last);
    }

    return true;
}


static bool
async_address_in(const async_address_range_t *ranges, const uint8_t *bytes)
{
    const async_address_range_t  *range;

    for (range = ranges; range->bits != 0; range++) {

        if (async_address_prefix(bytes, range->bytes, range->bits)) {
            return true;
        }
    }

    return false;
}


static bool
async_address_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    uint8_t  mask;

    if (memcmp(a, b, bits / 8) != 0) {
        return false;
    }

    if (bits % 8 == 0) {
        return true;
    }

    mask = (uint8_t) (0xff << (8 - bits % 8));

    return ((a[bits / 8] ^ b[bits / 8]) & mask) == 0;
}


bool
async_cidr_parse(async_cidr_t *cidr, async_str_t text)
{
    size_t        i, all;
    unsigned      bits;
    const char   *slash, *p, *end;
    async_str_t   address;

    memset(cidr, 0, sizeof(async_cidr_t));

    slash = (text.len != 0) ? memchr(text.data, '/', text.len) : NULL;
    end = text.data + text.len;

    address = text;
    address.len = (slash != NULL) ? (size_t) (slash - text.data) : text.len;

    if (!async_address_parse(&cidr->address, address)) {
        return false;
    }

    all = cidr->address.len * 8u;
    cidr->bits = (uint8_t) all;

    if (slash == NULL) {
        return true;
    }

    p = slash + 1;

    if (p == end || end - p > 3 || (*p == '0' && end - p != 1)) {
        return false;
    }

    for (bits = 0; p < end; p++) {

        if (*p < '0' || *p > '9') {
            return false;
        }

        bits = bits * 10 + (unsigned) (*p - '0');
    }

    /* what was written as IPv6 has become IPv4 only if it was a mapped one */

    if (cidr->address.len == ASYNC_ADDRESS_V4
        && memchr(address.data, ':', address.len) != NULL)
    {
        return bits == ASYNC_ADDRESS_V6 * 8;
    }

    if (bits > all) {
        return false;
    }

    cidr->bits = (uint8_t) bits;

    for (i = bits; i < all; i++) {
        cidr->address.bytes[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
    }

    return true;
}


bool
async_cidr_has(const async_cidr_t *cidr, const async_address_t *a)
{
    return cidr->address.len == a->len
           && async_address_prefix(cidr->address.bytes, a->bytes, cidr->bits);
}
