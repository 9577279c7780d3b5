/*
 * Every value that we store is a record:
 *
 *   offset size
 *        0    2  magic     0x4A41 ("AJ"), little-endian like all numbers
 *        2    1  kind      ASYNC_RECORD_*
 *        3    1  version   1; a new tag never raises it
 *        4    4  length    of the whole record, this header included
 *        8    4  crc32c    of the record with these four bytes as zero
 *       12    -  fixed head of that kind (may be empty), then tags
 *
 * A tag is: u16 tag, u32 length, bytes.  Tag numbers are never used again.
 * A reader skips tags that it does not know; a writer that changes a record
 * carries them along.  Nothing here allocates, reads a clock or does I/O.
 */

#ifndef ASYNC_RECORD_H
#define ASYNC_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "async_rc.h"


#define ASYNC_RECORD_MAGIC    0x4A41
#define ASYNC_RECORD_VERSION  1
#define ASYNC_RECORD_HEADER   12

typedef enum {
    ASYNC_RECORD_JOB      = 1,   /* async_job.h */
    ASYNC_RECORD_REQUEST  = 2,   /* async_message.h, like the next two */
    ASYNC_RECORD_CAPTURE  = 3,
    ASYNC_RECORD_RESPONSE = 4,
    ASYNC_RECORD_TRAIL    = 5,   /* async_trail.h */
    ASYNC_RECORD_POLICY   = 6,   /* async_policy.h */
    ASYNC_RECORD_QUEUE    = 7,
    ASYNC_RECORD_META     = 8,
    ASYNC_RECORD_COUNT    = 9,
    ASYNC_RECORD_KEYS     = 10,  /* async_keys.h */
    ASYNC_RECORD_RUNS     = 12,  /* async_runs.h */
    ASYNC_RECORD_HOOK     = 13,  /* async_hook.h */
    ASYNC_RECORD_HOOKS    = 14   /* async_hook_policy.h */,
    ASYNC_RECORD_SCHEDULE = 15,  /* async_schedule.h */
    ASYNC_RECORD_METRICS  = 16,  /* async_metrics.h, like the next */
    ASYNC_RECORD_RECENT   = 17,
    ASYNC_RECORD_JOINED   = 19   /* of src/store alone: async_joined.h */
} async_record_kind_t;


/* borrowed bytes, not NUL-terminated; data may be NULL when len is 0 */
typedef struct {
    const char  *data;
    size_t       len;
} async_str_t;

#define async_str(literal)  { (literal), sizeof(literal) - 1 }


/*
 * Writer: fills a caller's buffer; on overflow it stops writing and goes on
 * counting, so that need tells how much room the record wants.
 */
typedef struct {
    uint8_t  *buf;
    size_t    cap;
    size_t    need;
} async_writer_t;

void async_writer_init(async_writer_t *w, uint8_t *buf, size_t cap,
    async_record_kind_t kind);
void async_write_u8(async_writer_t *w, uint8_t v);      /* fixed head only */
void async_write_u16(async_writer_t *w, uint16_t v);
void async_write_u32(async_writer_t *w, uint32_t v);
void async_write_u64(async_writer_t *w, uint64_t v);
void async_write_raw(async_writer_t *w, const void *data, size_t len);
void async_write_tag(async_writer_t *w, uint16_t tag, const void *data,
    size_t len);
void async_write_tag_u64(async_writer_t *w, uint16_t tag, uint64_t v);
/* a tag that holds u16 name length, name, value */
void async_write_tag_pair(async_writer_t *w, uint16_t tag, async_str_t name,
    async_str_t value);
/* sets length and checksum; 0 if the record did not fit, else its length */
size_t async_writer_end(async_writer_t *w);


/* Reader: borrows the record; every length is checked before use. */
typedef struct {
    const uint8_t  *pos;
    const uint8_t  *end;
    uint8_t         version;
    bool            broken;      /* a read went past the end */
} async_reader_t;

/* ASYNC_CORRUPT unless magic, kind, version, length and checksum hold */
async_rc_t async_reader_init(async_reader_t *rd, const void *data, size_t len,
    async_record_kind_t kind);
uint8_t async_read_u8(async_reader_t *rd);
uint16_t async_read_u16(async_reader_t *rd);
uint32_t async_read_u32(async_reader_t *rd);
uint64_t async_read_u64(async_reader_t *rd);
async_str_t async_read_raw(async_reader_t *rd, size_t len);
/* the next tag; false at the end or when broken (see rd->broken) */
bool async_read_tag(async_reader_t *rd, uint16_t *tag, async_str_t *value);
/* takes a tag's value apart; false if it is malformed */
bool async_tag_u64(async_str_t value, uint64_t *v);
bool async_tag_pair(async_str_t value, async_str_t *name, async_str_t *rest);


/*
 * CRC32C (Castagnoli, RFC 3720 B.4), incremental: start with 0 and feed the
 * result of one call to the next.
 */
uint32_t async_crc32c(uint32_t crc, const void *data, size_t len);
/* the same without the processor's instruction; only tests call it by name */
uint32_t async_crc32c_table(uint32_t crc, const void *data, size_t len);

void async_put_be32(uint8_t *p, uint32_t v);      /* for keys */
void async_put_be64(uint8_t *p, uint64_t v);
uint32_t async_get_be32(const uint8_t *p);
uint64_t async_get_be64(const uint8_t *p);


#endif /* ASYNC_RECORD_H */
