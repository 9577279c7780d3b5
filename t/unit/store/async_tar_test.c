/*
 * Headers of tar: golden bytes, and numbers that do not fit into digits.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "async_tar.h"


static async_tar_t
header(const char *name, uint64_t size)
{
    async_tar_t  tar;

    memset(&tar, 0, sizeof(tar));

    snprintf(tar.name, sizeof(tar.name), "%s", name);
    tar.mode = 0600;
    tar.uid = 33;
    tar.gid = 33;
    tar.size = size;
    tar.mtime = 1795341600;

    return tar;
}


/* byte for byte what Python's tarfile makes of it, as ustar */

static void
a_header_is_what_tar_writes(void **state)
{
    uint8_t      block[ASYNC_TAR_BLOCK];
    async_tar_t  tar;

    (void) state;

    tar = header("db/data.mdb", 1000);
    async_tar_encode(&tar, block);

    assert_string_equal((char *) block, "db/data.mdb");
    assert_memory_equal(block + 100, "0000600", 8);
    assert_memory_equal(block + 108, "0000041", 8);
    assert_memory_equal(block + 116, "0000041", 8);
    assert_memory_equal(block + 124, "00000001750", 12);
    assert_memory_equal(block + 136, "15300536440", 12);
    assert_memory_equal(block + 148, "007773\0 ", 8);
    assert_int_equal(block[156], '0');
    assert_memory_equal(block + 257, "ustar\00000", 8);
}


static void
a_folder_is_known_by_its_name(void **state)
{
    uint8_t      block[ASYNC_TAR_BLOCK];
    async_tar_t  tar;

    (void) state;

    tar = header("spool/", 0);
    async_tar_encode(&tar, block);

    assert_int_equal(block[156], '5');
}


static void
every_size_is_read_as_it_was_written(void **state)
{
    size_t       i;
    uint8_t      block[ASYNC_TAR_BLOCK];
    async_tar_t  tar, read;

    static const uint64_t  sizes[] = {
        0, 1, 511, 512, (8ull << 30) - 1, 8ull << 30, 64ull << 30,
        INT64_MAX
    };

    (void) state;

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {

        tar = header("spool/x.res", sizes[i]);
        async_tar_encode(&tar, block);

        assert_true(async_tar_decode(&read, block));
        assert_true(read.size == sizes[i]);
        assert_string_equal(read.name, tar.name);

        assert_int_equal((sizes[i] % 512 + async_tar_fill(sizes[i])) % 512,
                         0);
        assert_true(async_tar_fill(sizes[i]) < 512);
    }

    /* eight gigabytes: the first that is not written in digits */

    tar = header("x", 8ull << 30);
    async_tar_encode(&tar, block);
    assert_memory_equal(block + 124, "\x80\0\0\0\0\0\0\x02\0\0\0", 12);
}


static void
a_changed_header_is_none(void **state)
{
    int          i;
    uint8_t      block[ASYNC_TAR_BLOCK];
    async_tar_t  tar, read;

    (void) state;

    tar = header("db/data.mdb", 1000);

    for (i = 0; i < ASYNC_TAR_BLOCK; i++) {

        async_tar_encode(&tar, block);
        block[i] ^= 1;

        /* the last of the checksum's bytes are not looked at */

        if (i != 155 && i != 154) {
            assert_false(async_tar_decode(&read, block));
        }
    }

    memset(block, 0, sizeof(block));
    assert_false(async_tar_decode(&read, block));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_header_is_what_tar_writes),
        cmocka_unit_test(a_folder_is_known_by_its_name),
        cmocka_unit_test(every_size_is_read_as_it_was_written),
        cmocka_unit_test(a_changed_header_is_none)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
