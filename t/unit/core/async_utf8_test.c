/*
 * UTF-8, all of it.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "async_utf8.h"


/* by the bits alone: surrogates too, and what lies above U+10FFFF */

static size_t
encode(uint32_t c, uint8_t *out)
{
    if (c < 0x80) {
        out[0] = (uint8_t) c;
        return 1;
    }

    if (c < 0x800) {
        out[0] = (uint8_t) (0xc0 | c >> 6);
        out[1] = 0x80 | (c & 0x3f);
        return 2;
    }

    if (c < 0x10000) {
        out[0] = (uint8_t) (0xe0 | c >> 12);
        out[1] = 0x80 | (c >> 6 & 0x3f);
        out[2] = 0x80 | (c & 0x3f);
        return 3;
    }

    out[0] = (uint8_t) (0xf0 | c >> 18);
    out[1] = 0x80 | (c >> 12 & 0x3f);
    out[2] = 0x80 | (c >> 6 & 0x3f);
    out[3] = 0x80 | (c & 0x3f);

    return 4;
}


static void
every_character_is_valid_and_no_start_of_it(void **state)
{
    bool      valid;
    size_t    n, len;
    uint8_t   bytes[4];
    uint32_t  c;

    (void) state;

    for (c = 0; c <= 0x1fffff; c++) {
        len = encode(c, bytes);
        n = async_utf8(bytes, bytes + len, &valid);

        assert_int_equal(valid, c <= 0x10ffff && (c < 0xd800 || c > 0xdfff));

        if (!valid) {
            assert_int_equal(n, 1);
            continue;
        }

        assert_int_equal(n, len);

        while (--len > 0) {
            assert_int_equal(async_utf8(bytes, bytes + len, &valid), len);
            assert_false(valid);
        }
    }
}


/* of all texts of three bytes, as many start validly as characters allow */

static void
nothing_else_is_valid(void **state)
{
    bool      valid;
    size_t    n;
    uint8_t   bytes[4];
    uint32_t  i, found[5] = { 0 };

    (void) state;

    for (i = 0; i <= 0xffffff; i++) {
        bytes[0] = (uint8_t) (i >> 16);
        bytes[1] = (uint8_t) (i >> 8);
        bytes[2] = (uint8_t) i;

        n = async_utf8(bytes, bytes + 3, &valid);

        assert_in_range(n, 1, 3);
        found[valid ? n : 0]++;
    }

    assert_int_equal(found[1], 0x80 * 0x10000);
    assert_int_equal(found[2], (0x800 - 0x80) * 0x100);
    assert_int_equal(found[3], 0x10000 - 0x800 - 0x800);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(every_character_is_valid_and_no_start_of_it),
        cmocka_unit_test(nothing_else_is_valid)
    };

    return cmocka_run_group_tests_name("async_utf8", tests, NULL, NULL);
}
