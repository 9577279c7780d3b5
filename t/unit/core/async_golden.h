/*
 * Golden bytes: records as they lie on disk, written in hex.  A change that
 * makes one of them decode differently breaks every store in the field.
 */

#ifndef ASYNC_GOLDEN_H
#define ASYNC_GOLDEN_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "async_rc.h"
#include "async_record.h"


#define assert_str(s, text)                                                  \
    do {                                                                     \
        assert_int_equal((s).len, sizeof(text) - 1);                         \
        assert_memory_equal((s).data, text, sizeof(text) - 1);               \
    } while (0)


typedef async_rc_t (*async_golden_decode_t)(const void *data, size_t len);


static inline unsigned
async_golden_digit(char c)
{
    return (unsigned) ((c <= '9') ? c - '0' : c - 'a' + 10);
}


/* the bytes of a hex string, in memory of exactly their length */

static inline uint8_t *
async_golden_bytes(const char *hex, size_t *len)
{
    size_t    i;
    uint8_t  *bytes;

    *len = strlen(hex) / 2;
    bytes = malloc(*len);
    assert_non_null(bytes);

    for (i = 0; i < *len; i++) {
        bytes[i] = (uint8_t) (async_golden_digit(hex[2 * i]) << 4
                              | async_golden_digit(hex[2 * i + 1]));
    }

    return bytes;
}


/*
 * Every truncation, every surplus byte and every single flipped bit is
 * corrupt.  Each try is an allocation of its own, so that ASan sees a read
 * past the end.
 */

static inline void
async_golden_damage(const char *hex, async_golden_decode_t decode)
{
    size_t    i, len;
    uint8_t  *bytes, *copy;

    bytes = async_golden_bytes(hex, &len);
    assert_int_equal(decode(bytes, len), ASYNC_OK);

    for (i = 0; i < len; i++) {
        copy = malloc(i + 1);
        assert_non_null(copy);
        memcpy(copy, bytes, i);
        assert_int_equal(decode(copy, i), ASYNC_CORRUPT);
        free(copy);
    }

    copy = calloc(1, len + 1);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    assert_int_equal(decode(copy, len + 1), ASYNC_CORRUPT);
    free(copy);

    for (i = 0; i < 8 * len; i++) {
        bytes[i / 8] ^= (uint8_t) (1 << i % 8);
        assert_int_equal(decode(bytes, len), ASYNC_CORRUPT);
        bytes[i / 8] ^= (uint8_t) (1 << i % 8);
    }

    assert_int_equal(decode(bytes, len), ASYNC_OK);
    free(bytes);
}


/* gives a record that was changed by hand its length and checksum again */

static inline void
async_golden_seal(uint8_t *bytes, size_t len)
{
    size_t    i;
    uint32_t  crc;

    for (i = 0; i < 4; i++) {
        bytes[4 + i] = (uint8_t) (len >> (8 * i));
        bytes[8 + i] = 0;
    }

    crc = async_crc32c(0, bytes, len);

    for (i = 0; i < 4; i++) {
        bytes[8 + i] = (uint8_t) (crc >> (8 * i));
    }
}


#endif /* ASYNC_GOLDEN_H */
