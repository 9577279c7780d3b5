/*
 * The record: writer, reader and checksum.
 */

#include <endian.h>
#include <string.h>

#include "async_record.h"

#if (defined __x86_64__ && defined __GNUC__)
#include <nmmintrin.h>
#define ASYNC_HAVE_SSE42  1
#endif


#define ASYNC_OFFSET_LENGTH  4
#define ASYNC_OFFSET_CRC     8
#define ASYNC_TAG_HEADER     6


static uint32_t async_record_crc(const uint8_t *data, size_t len);
static inline const uint8_t *async_read_bytes(async_reader_t *rd,
    size_t len);


/* one byte at a time, polynomial 0x1EDC6F41 reflected */
static const uint32_t  async_crc32c_bytes[256] = {
    0x00000000, 0xf26b8303, 0xe13b70f7, 0x1350f3f4, 0xc79a971f, 0x35f1141c,
    0x26a1e7e8, 0xd4ca64eb, 0x8ad958cf, 0x78b2dbcc, 0x6be22838, 0x9989ab3b,
    0x4d43cfd0, 0xbf284cd3, 0xac78bf27, 0x5e133c24, 0x105ec76f, 0xe235446c,
    0xf165b798, 0x030e349b, 0xd7c45070, 0x25afd373, 0x36ff2087, 0xc494a384,
    0x9a879fa0, 0x68ec1ca3, 0x7bbcef57, 0x89d76c54, 0x5d1d08bf, 0xaf768bbc,
    0xbc267848, 0x4e4dfb4b, 0x20bd8ede, 0xd2d60ddd, 0xc186fe29, 0x33ed7d2a,
    0xe72719c1, 0x154c9ac2, 0x061c6936, 0xf477ea35, 0xaa64d611, 0x580f5512,
    0x4b5fa6e6, 0xb93425e5, 0x6dfe410e, 0x9f95c20d, 0x8cc531f9, 0x7eaeb2fa,
    0x30e349b1, 0xc288cab2, 0xd1d83946, 0x23b3ba45, 0xf779deae, 0x05125dad,
    0x1642ae59, 0xe4292d5a, 0xba3a117e, 0x4851927d, 0x5b016189, 0xa96ae28a,
    0x7da08661, 0x8fcb0562, 0x9c9bf696, 0x6ef07595, 0x417b1dbc, 0xb3109ebf,
    0xa0406d4b, 0x522bee48, 0x86e18aa3, 0x748a09a0, 0x67dafa54, 0x95b17957,
    0xcba24573, 0x39c9c670, 0x2a993584, 0xd8f2b687, 0x0c38d26c, 0xfe53516f,
    0xed03a29b, 0x1f682198, 0x5125dad3, 0xa34e59d0, 0xb01eaa24, 0x42752927,
    0x96bf4dcc, 0x64d4cecf, 0x77843d3b, 0x85efbe38, 0xdbfc821c, 0x2997011f,
    0x3ac7f2eb, 0xc8ac71e8, 0x1c661503, 0xee0d9600, 0xfd5d65f4, 0x0f36e6f7,
    0x61c69362, 0x93ad1061, 0x80fde395, 0x72966096, 0xa65c047d, 0x5437877e,
    0x4767748a, 0xb50cf789, 0xeb1fcbad, 0x197448ae, 0x0a24bb5a, 0xf84f3859,
    0x2c855cb2, 0xdeeedfb1, 0xcdbe2c45, 0x3fd5af46, 0x7198540d, 0x83f3d70e,
    0x90a324fa, 0x62c8a7f9, 0xb602c312, 0x44694011, 0x5739b3e5, 0xa55230e6,
    0xfb410cc2, 0x092a8fc1, 0x1a7a7c35, 0xe811ff36, 0x3cdb9bdd, 0xceb018de,
    0xdde0eb2a, 0x2f8b6829, 0x82f63b78, 0x709db87b, 0x63cd4b8f, 0x91a6c88c,
    0x456cac67, 0xb7072f64, 0xa457dc90, 0x563c5f93, 0x082f63b7, 0xfa44e0b4,
    0xe9141340, 0x1b7f9043, 0xcfb5f4a8, 0x3dde77ab, 0x2e8e845f, 0xdce5075c,
    0x92a8fc17, 0x60c37f14, 0x73938ce0, 0x81f80fe3, 0x55326b08, 0xa759e80b,
    0xb4091bff, 0x466298fc, 0x1871a4d8, 0xea1a27db, 0xf94ad42f, 0x0b21572c,
    0xdfeb33c7, 0x2d80b0c4, 0x3ed04330, 0xccbbc033, 0xa24bb5a6, 0x502036a5,
    0x4370c551, 0xb11b4652, 0x65d122b9, 0x97baa1ba, 0x84ea524e, 0x7681d14d,
    0x2892ed69, 0xdaf96e6a, 0xc9a99d9e, 0x3bc21e9d, 0xef087a76, 0x1d63f975,
    0x0e330a81, 0xfc588982, 0xb21572c9, 0x407ef1ca, 0x532e023e, 0xa145813d,
    0x758fe5d6, 0x87e466d5, 0x94b49521, 0x66df1622, 0x38cc2a06, 0xcaa7a905,
    0xd9f75af1, 0x2b9cd9f2, 0xff56bd19, 0x0d3d3e1a, 0x1e6dcdee, 0xec064eed,
    0xc38d26c4, 0x31e6a5c7, 0x22b65633, 0xd0ddd530, 0x0417b1db, 0xf67c32d8,
    0xe52cc12c, 0x1747422f, 0x49547e0b, 0xbb3ffd08, 0xa86f0efc, 0x5a048dff,
    0x8ecee914, 0x7ca56a17, 0x6ff599e3, 0x9d9e1ae0, 0xd3d3e1ab, 0x21b862a8,
    0x32e8915c, 0xc083125f, 0x144976b4, 0xe622f5b7, 0xf5720643, 0x07198540,
    0x590ab964, 0xab613a67, 0xb831c993, 0x4a5a4a90, 0x9e902e7b, 0x6cfbad78,
    0x7fab5e8c, 0x8dc0dd8f, 0xe330a81a, 0x115b2b19, 0x020bd8ed, 0xf0605bee,
    0x24aa3f05, 0xd6c1bc06, 0xc5914ff2, 0x37faccf1, 0x69e9f0d5, 0x9b8273d6,
    0x88d28022, 0x7ab90321, 0xae7367ca, 0x5c18e4c9, 0x4f48173d, 0xbd23943e,
    0xf36e6f75, 0x0105ec76, 0x12551f82, 0xe03e9c81, 0x34f4f86a, 0xc69f7b69,
    0xd5cf889d, 0x27a40b9e, 0x79b737ba, 0x8bdcb4b9, 0x988c474d, 0x6ae7c44e,
    0xbe2da0a5, 0x4c4623a6, 0x5f16d052, 0xad7d5351
};


/*
 * All numbers pass through these: the layout on disk is the same whatever
 * the machine's byte order is.
 */

static void
async_put_le(uint8_t *p, uint64_t v, size_t size)
{
    size_t  i;

    for (i = 0; i < size; i++) {
        p[i] = (uint8_t) (v >> (8 * i));
    }
}


static inline uint64_t
async_get_le(const uint8_t *p, size_t size)
{
    uint64_t  v;

    /* a constant size makes it one load: every status poll reads a record */

    v = 0;
    memcpy(&v, p, size);

    return le64toh(v);
}


void
async_writer_init(async_writer_t *w, uint8_t *buf, size_t cap,
    async_record_kind_t kind)
{
    w->buf = buf;
    w->cap = cap;
    w->need = 0;

    async_write_u16(w, ASYNC_RECORD_MAGIC);
    async_write_u8(w, (uint8_t) kind);
    async_write_u8(w, ASYNC_RECORD_VERSION);
    async_write_u32(w, 0);
    async_write_u32(w, 0);
}


/* room for len bytes, or NULL: from then on need only counts */

static uint8_t *
async_writer_room(async_writer_t *w, size_t len)
{
    uint8_t  *p;

    if (len > SIZE_MAX - w->need) {
        w->need = SIZE_MAX;
        return NULL;
    }

    p = (w->need + len <= w->cap) ? w->buf + w->need : NULL;
    w->need += len;

    return p;
}


static void
async_write_le(async_writer_t *w, uint64_t v, size_t size)
{
    uint8_t  *p;

    p = async_writer_room(w, size);

    if (p != NULL) {
        async_put_le(p, v, size);
    }
}


void
async_write_u8(async_writer_t *w, uint8_t v)
{
    async_write_le(w, v, 1);
}


void
async_write_u16(async_writer_t *w, uint16_t v)
{
    async_write_le(w, v, 2);
}


void
async_write_u32(async_writer_t *w, uint32_t v)
{
    async_write_le(w, v, 4);
}


void
async_write_u64(async_writer_t *w, uint64_t v)
{
    async_write_le(w, v, 8);
}


void
async_write_raw(async_writer_t *w, const void *data, size_t len)
{
    uint8_t  *p;

    p = async_writer_room(w, len);

    if (p != NULL && len != 0) {
        memcpy(p, data, len);
    }
}


static void
async_write_tag_header(async_writer_t *w, uint16_t tag, size_t len)
{
    if (len > UINT32_MAX) {
        /* a length that the format cannot hold never fits */
        w->need = SIZE_MAX;
        return;
    }

    async_write_u16(w, tag);
    async_write_u32(w, (uint32_t) len);
}


void
async_write_tag(async_writer_t *w, uint16_t tag, const void *data, size_t len)
{
    async_write_tag_header(w, tag, len);
    async_write_raw(w, data, len);
}


void
async_write_tag_u64(async_writer_t *w, uint16_t tag, uint64_t v)
{
    async_write_tag_header(w, tag, 8);
    async_write_u64(w, v);
}


void
async_write_tag_pair(async_writer_t *w, uint16_t tag, async_str_t name,
    async_str_t value)
{
    if (name.len > UINT16_MAX || value.len > UINT32_MAX - 2 - name.len) {
        w->need = SIZE_MAX;
        return;
    }

    async_write_tag_header(w, tag, 2 + name.len + value.len);
    async_write_u16(w, (uint16_t) name.len);
    async_write_raw(w, name.data, name.len);
    async_write_raw(w, value.data, value.len);
}


size_t
async_writer_end(async_writer_t *w)
{
    if (w->need > w->cap || w->need > UINT32_MAX) {
        return 0;
    }

    async_put_le(w->buf + ASYNC_OFFSET_LENGTH, w->need, 4);
    async_put_le(w->buf + ASYNC_OFFSET_CRC,
                 async_record_crc(w->buf, w->need), 4);

    return w->need;
}


async_rc_t
async_reader_init(async_reader_t *rd, const void *data, size_t len,
    async_record_kind_t kind)
{
    const uint8_t  *p;

    p = data;

    /* a reader that was refused reads nothing, should anyone go on with it */

    rd->pos = p;
    rd->end = p;
    rd->version = 0;
    rd->broken = true;

    if (len < ASYNC_RECORD_HEADER
        || async_get_le(p, 2) != ASYNC_RECORD_MAGIC
        || p[2] != (uint8_t) kind
        || p[3] != ASYNC_RECORD_VERSION
        || async_get_le(p + ASYNC_OFFSET_LENGTH, 4) != len
        || async_get_le(p + ASYNC_OFFSET_CRC, 4) != async_record_crc(p, len))
    {
        return ASYNC_CORRUPT;
    }

    rd->pos = p + ASYNC_RECORD_HEADER;
    rd->end = p + len;
    rd->version = p[3];
    rd->broken = false;

    return ASYNC_OK;
}


/* the next len bytes, or NULL and broken: nothing is read after that */

static inline const uint8_t *
async_read_bytes(async_reader_t *rd, size_t len)
{
    const uint8_t  *p;

    if (rd->broken || len > (size_t) (rd->end - rd->pos)) {
        rd->broken = true;
        return NULL;
    }

    p = rd->pos;
    rd->pos += len;

    return p;
}


static inline uint64_t
async_read_le(async_reader_t *rd, size_t size)
{
    const uint8_t  *p;

    p = async_read_bytes(rd, size);

    return (p != NULL) ? async_get_le(p, size) : 0;
}


uint8_t
async_read_u8(async_reader_t *rd)
{
    return (uint8_t) async_read_le(rd, 1);
}


uint16_t
async_read_u16(async_reader_t *rd)
{
    return (uint16_t) async_read_le(rd, 2);
}


uint32_t
async_read_u32(async_reader_t *rd)
{
    return (uint32_t) async_read_le(rd, 4);
}


uint64_t
async_read_u64(async_reader_t *rd)
{
    return async_read_le(rd, 8);
}


async_str_t
async_read_raw(async_reader_t *rd, size_t len)
{
    async_str_t     s;
    const uint8_t  *p;

    p = async_read_bytes(rd, len);

    s.data = (const char *) p;
    s.len = (p != NULL) ? len : 0;

    return s;
}


bool
async_read_tag(async_reader_t *rd, uint16_t *tag, async_str_t *value)
{
    size_t  len;

    if (rd->broken || rd->pos == rd->end) {
        return false;
    }

    *tag = async_read_u16(rd);
    len = async_read_u32(rd);
    *value = async_read_raw(rd, len);

    return !rd->broken;
}


bool
async_tag_u64(async_str_t value, uint64_t *v)
{
    if (value.len != 8) {
        return false;
    }

    *v = async_get_le((const uint8_t *) value.data, 8);

    return true;
}


bool
async_tag_pair(async_str_t value, async_str_t *name, async_str_t *rest)
{
    size_t  len;

    if (value.len < 2) {
        return false;
    }

    len = async_get_le((const uint8_t *) value.data, 2);

    if (len > value.len - 2) {
        return false;
    }

    name->data = value.data + 2;
    name->len = len;
    rest->data = value.data + 2 + len;
    rest->len = value.len - 2 - len;

    return true;
}


/* the checksum covers its own place as four zero bytes */

static uint32_t
async_record_crc(const uint8_t *data, size_t len)
{
    uint32_t              crc;
    static const uint8_t  zero[4];

    crc = async_crc32c(0, data, ASYNC_OFFSET_CRC);
    crc = async_crc32c(crc, zero, sizeof(zero));

    return async_crc32c(crc, data + ASYNC_RECORD_HEADER,
                        len - ASYNC_RECORD_HEADER);
}


uint32_t
async_crc32c_table(uint32_t crc, const void *data, size_t len)
{
    size_t          i;
    const uint8_t  *p;

    p = data;
    crc = ~crc;

    for (i = 0; i < len; i++) {
        crc = async_crc32c_bytes[(crc ^ p[i]) & 0xff] ^ (crc >> 8);
    }

    return ~crc;
}


#if (ASYNC_HAVE_SSE42)

/* compiled for SSE4.2 whatever the rest is compiled for, called if it is
   there: one distribution package serves every machine */

__attribute__((target("sse4.2")))
static uint32_t
async_crc32c_sse42(uint32_t crc, const void *data, size_t len)
{
    uint64_t        c, word;
    const uint8_t  *p;

    p = data;
    c = (uint32_t) ~crc;

    for ( /* void */ ; len >= 8; len -= 8, p += 8) {
        memcpy(&word, p, 8);
        c = _mm_crc32_u64(c, word);
    }

    for ( /* void */ ; len != 0; len--, p++) {
        c = _mm_crc32_u8((uint32_t) c, *p);
    }

    return ~(uint32_t) c;
}

#endif


uint32_t
async_crc32c(uint32_t crc, const void *data, size_t len)
{
#if (ASYNC_HAVE_SSE42)
    if (__builtin_cpu_supports("sse4.2")) {
        return async_crc32c_sse42(crc, data, len);
    }
#endif

    return async_crc32c_table(crc, data, len);
}


/* keys in the store are big-endian, so that bytes sort like numbers */

void
async_put_be32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t) (v >> 24);
    p[1] = (uint8_t) (v >> 16);
    p[2] = (uint8_t) (v >> 8);
    p[3] = (uint8_t) v;
}


void
async_put_be64(uint8_t *p, uint64_t v)
{
    async_put_be32(p, (uint32_t) (v >> 32));
    async_put_be32(p + 4, (uint32_t) v);
}


uint32_t
async_get_be32(const uint8_t *p)
{
    return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16
           | (uint32_t) p[2] << 8 | p[3];
}


uint64_t
async_get_be64(const uint8_t *p)
{
    return (uint64_t) async_get_be32(p) << 32 | async_get_be32(p + 4);
}
