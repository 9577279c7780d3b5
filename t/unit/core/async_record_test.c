/*
 * Writer, reader and checksum.
 */

#include "async_golden.h"
#include "async_message.h"


/* POST /reports?y=2026 with Host, X-Empty and X-Two twice */

static const char  request[] =
    "414a02016d000000f58cb0e2010004000000504f535402000f0000002f726570"
    "6f7274733f793d323032360300110000000400486f73746578616d706c652e63"
    "6f6d0300090000000700582d456d7074790300080000000500582d54776f6103"
    "00080000000500582d54776f62";

/* 201 with one header */

static const char  response[] =
    "414a04013800000098cde969010008000000c900000000000000020018000000"
    "0c00436f6e74656e742d54797065746578742f706c61696e";


static void
crc32c_gives_the_values_of_rfc_3720(void **state)
{
    size_t         i;
    uint8_t        b[32];
    const uint8_t  read10[48] = {
        0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
        0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18,
        0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00
    };

    (void) state;

    memset(b, 0, sizeof(b));
    assert_int_equal(async_crc32c(0, b, sizeof(b)), 0x8a9136aa);

    memset(b, 0xff, sizeof(b));
    assert_int_equal(async_crc32c(0, b, sizeof(b)), 0x62a8ab43);

    for (i = 0; i < sizeof(b); i++) {
        b[i] = (uint8_t) i;
    }

    assert_int_equal(async_crc32c(0, b, sizeof(b)), 0x46dd794e);

    for (i = 0; i < sizeof(b); i++) {
        b[i] = (uint8_t) (31 - i);
    }

    assert_int_equal(async_crc32c(0, b, sizeof(b)), 0x113fdb5c);
    assert_int_equal(async_crc32c(0, read10, sizeof(read10)), 0xd9963a56);
    assert_int_equal(async_crc32c_table(0, read10, sizeof(read10)),
                     0xd9963a56);
    assert_int_equal(async_crc32c(0, b, 0), 0);
}


static void
crc32c_is_the_same_by_instruction_table_and_parts(void **state)
{
    size_t    i, len, cut;
    uint8_t   b[300];
    uint32_t  seed, crc;

    (void) state;

    seed = 1;

    for (i = 0; i < sizeof(b); i++) {
        seed = seed * 1103515245 + 12345;
        b[i] = (uint8_t) (seed >> 16);
    }

    for (len = 0; len <= 64; len++) {

        for (i = 0; i < 9; i++) {
            assert_int_equal(async_crc32c(seed, b + i, len),
                             async_crc32c_table(seed, b + i, len));
        }
    }

    for (cut = 0; cut <= sizeof(b); cut++) {
        crc = async_crc32c(0, b, cut);
        crc = async_crc32c(crc, b + cut, sizeof(b) - cut);
        assert_int_equal(crc, async_crc32c_table(0, b, sizeof(b)));
    }
}


static void
a_golden_request_reads_back_in_order(void **state)
{
    size_t          i, len;
    uint8_t        *bytes;
    uint16_t        tag;
    async_str_t     value, name, rest;
    async_reader_t  rd;

    static const char  *pairs[][2] = {
        { "Host", "example.com" }, { "X-Empty", "" },
        { "X-Two", "a" }, { "X-Two", "b" }
    };

    (void) state;

    bytes = async_golden_bytes(request, &len);
    assert_int_equal(async_reader_init(&rd, bytes, len, ASYNC_RECORD_REQUEST),
                     ASYNC_OK);
    assert_int_equal(rd.version, 1);

    assert_true(async_read_tag(&rd, &tag, &value));
    assert_int_equal(tag, ASYNC_REQUEST_METHOD);
    assert_str(value, "POST");

    assert_true(async_read_tag(&rd, &tag, &value));
    assert_int_equal(tag, ASYNC_REQUEST_TARGET);
    assert_str(value, "/reports?y=2026");

    for (i = 0; i < 4; i++) {
        assert_true(async_read_tag(&rd, &tag, &value));
        assert_int_equal(tag, ASYNC_REQUEST_HEADER);
        assert_true(async_tag_pair(value, &name, &rest));
        assert_int_equal(name.len, strlen(pairs[i][0]));
        assert_memory_equal(name.data, pairs[i][0], name.len);
        assert_int_equal(rest.len, strlen(pairs[i][1]));
        assert_memory_equal(rest.data, pairs[i][1], rest.len);
    }

    assert_false(async_read_tag(&rd, &tag, &value));
    assert_false(rd.broken);
    free(bytes);
}


static void
write_request(async_writer_t *w, uint8_t *buf, size_t cap)
{
    async_str_t  host = async_str("Host"), name = async_str("example.com");
    async_str_t  empty = async_str("X-Empty"), two = async_str("X-Two");
    async_str_t  none = { NULL, 0 }, a = async_str("a"), b = async_str("b");

    async_writer_init(w, buf, cap, ASYNC_RECORD_REQUEST);
    async_write_tag(w, ASYNC_REQUEST_METHOD, "POST", 4);
    async_write_tag(w, ASYNC_REQUEST_TARGET, "/reports?y=2026", 15);
    async_write_tag_pair(w, ASYNC_REQUEST_HEADER, host, name);
    async_write_tag_pair(w, ASYNC_REQUEST_HEADER, empty, none);
    async_write_tag_pair(w, ASYNC_REQUEST_HEADER, two, a);
    async_write_tag_pair(w, ASYNC_REQUEST_HEADER, two, b);
}


static void
the_writer_makes_the_golden_request_at_any_size(void **state)
{
    size_t          len, cap;
    uint8_t        *bytes, *buf;
    async_writer_t  w;

    (void) state;

    bytes = async_golden_bytes(request, &len);

    for (cap = 0; cap < len + 3; cap++) {
        buf = malloc(cap + 1);
        assert_non_null(buf);
        buf[cap] = 0x5a;

        write_request(&w, buf, cap);

        assert_int_equal(w.need, len);
        assert_int_equal(async_writer_end(&w), (cap < len) ? 0 : len);
        assert_int_equal(buf[cap], 0x5a);

        if (cap >= len) {
            assert_memory_equal(buf, bytes, len);
        }

        free(buf);
    }

    free(bytes);
}


static void
a_golden_response_reads_back(void **state)
{
    size_t          len;
    uint8_t        *bytes;
    uint16_t        tag;
    uint64_t        status;
    async_str_t     value, name, rest;
    async_reader_t  rd;

    (void) state;

    bytes = async_golden_bytes(response, &len);
    assert_int_equal(async_reader_init(&rd, bytes, len,
                                       ASYNC_RECORD_RESPONSE), ASYNC_OK);

    assert_true(async_read_tag(&rd, &tag, &value));
    assert_int_equal(tag, ASYNC_RESPONSE_STATUS);
    assert_true(async_tag_u64(value, &status));
    assert_int_equal(status, 201);

    assert_true(async_read_tag(&rd, &tag, &value));
    assert_int_equal(tag, ASYNC_RESPONSE_HEADER);
    assert_true(async_tag_pair(value, &name, &rest));
    assert_str(name, "Content-Type");
    assert_str(rest, "text/plain");

    assert_false(async_read_tag(&rd, &tag, &value));
    assert_false(rd.broken);
    free(bytes);
}


static async_rc_t
decode_request(const void *data, size_t len)
{
    async_reader_t  rd;

    return async_reader_init(&rd, data, len, ASYNC_RECORD_REQUEST);
}


static void
damage_is_corrupt(void **state)
{
    (void) state;

    async_golden_damage(request, decode_request);
}


static void
another_kind_or_version_is_corrupt(void **state)
{
    size_t          len;
    uint8_t        *bytes;
    uint16_t        tag;
    async_str_t     value;
    async_reader_t  rd;

    (void) state;

    bytes = async_golden_bytes(request, &len);

    assert_int_equal(async_reader_init(&rd, bytes, len, ASYNC_RECORD_JOB),
                     ASYNC_CORRUPT);
    assert_true(rd.broken);
    assert_false(async_read_tag(&rd, &tag, &value));
    assert_int_equal(async_read_u64(&rd), 0);

    bytes[3] = 2;
    async_golden_seal(bytes, len);
    assert_int_equal(decode_request(bytes, len), ASYNC_CORRUPT);

    bytes[3] = 1;
    async_golden_seal(bytes, len);
    assert_int_equal(decode_request(bytes, len), ASYNC_OK);
    free(bytes);
}


/* a sealed record whose tag reaches past the end: the reader must notice */

static void
a_tag_past_the_end_breaks_the_reader(void **state)
{
    size_t          cut;
    uint8_t        *bytes;
    uint16_t        tag;
    async_str_t     value;
    async_reader_t  rd;

    (void) state;

    /* one tag of 6 + 4 bytes, cut everywhere */

    for (cut = 1; cut < 10; cut++) {
        bytes = malloc(ASYNC_RECORD_HEADER + cut);
        assert_non_null(bytes);
        memcpy(bytes, "\x41\x4a\x02\x01\0\0\0\0\0\0\0\0", 12);
        memcpy(bytes + 12, "\x01\0\x04\0\0\0POST", cut);
        async_golden_seal(bytes, ASYNC_RECORD_HEADER + cut);

        assert_int_equal(async_reader_init(&rd, bytes,
                                           ASYNC_RECORD_HEADER + cut,
                                           ASYNC_RECORD_REQUEST), ASYNC_OK);
        assert_false(async_read_tag(&rd, &tag, &value));
        assert_true(rd.broken);
        assert_false(async_read_tag(&rd, &tag, &value));
        free(bytes);
    }
}


static void
malformed_values_of_tags_are_refused(void **state)
{
    uint64_t     v;
    async_str_t  name, rest;
    async_str_t  seven = async_str("\x01\0\0\0\0\0\0");
    async_str_t  nine = async_str("\x01\0\0\0\0\0\0\0\0");
    async_str_t  one = async_str("\x00"), none = { NULL, 0 };
    async_str_t  past = async_str("\x03\0ab"), exact = async_str("\x02\0ab");

    (void) state;

    assert_false(async_tag_u64(none, &v));
    assert_false(async_tag_u64(seven, &v));
    assert_false(async_tag_u64(nine, &v));

    assert_false(async_tag_pair(none, &name, &rest));
    assert_false(async_tag_pair(one, &name, &rest));
    assert_false(async_tag_pair(past, &name, &rest));

    assert_true(async_tag_pair(exact, &name, &rest));
    assert_str(name, "ab");
    assert_int_equal(rest.len, 0);
}


static void
a_name_over_65535_bytes_never_fits(void **state)
{
    char           *big;
    uint8_t         buf[64];
    async_str_t     name, value = async_str("v");
    async_writer_t  w;

    (void) state;

    big = calloc(1, 65536);
    assert_non_null(big);
    name.data = big;
    name.len = 65536;

    async_writer_init(&w, buf, sizeof(buf), ASYNC_RECORD_REQUEST);
    async_write_tag_pair(&w, 3, name, value);
    async_write_tag(&w, 4, "x", 1);
    assert_int_equal(w.need, SIZE_MAX);
    assert_int_equal(async_writer_end(&w), 0);
    free(big);
}


static void
numbers_of_keys_are_big_endian(void **state)
{
    uint8_t  b[8];

    (void) state;

    async_put_be64(b, 0x0102030405060708);
    assert_memory_equal(b, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
    assert_int_equal(async_get_be64(b), 0x0102030405060708);
    assert_int_equal(async_get_be32(b + 4), 0x05060708);

    async_put_be32(b, 0xfffefdfc);
    assert_memory_equal(b, "\xff\xfe\xfd\xfc\x05", 5);
    assert_int_equal(async_get_be32(b), 0xfffefdfc);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(crc32c_gives_the_values_of_rfc_3720),
        cmocka_unit_test(crc32c_is_the_same_by_instruction_table_and_parts),
        cmocka_unit_test(a_golden_request_reads_back_in_order),
        cmocka_unit_test(the_writer_makes_the_golden_request_at_any_size),
        cmocka_unit_test(a_golden_response_reads_back),
        cmocka_unit_test(damage_is_corrupt),
        cmocka_unit_test(another_kind_or_version_is_corrupt),
        cmocka_unit_test(a_tag_past_the_end_breaks_the_reader),
        cmocka_unit_test(malformed_values_of_tags_are_refused),
        cmocka_unit_test(a_name_over_65535_bytes_never_fits),
        cmocka_unit_test(numbers_of_keys_are_big_endian)
    };

    return cmocka_run_group_tests_name("async_record", tests, NULL, NULL);
}
