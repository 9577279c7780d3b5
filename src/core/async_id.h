/*
 * Job ids: UUID version 7 (RFC 9562, section 5.7), 16 bytes, big-endian, so
 * that ids sort by their time.  All 74 free bits are random; the caller
 * brings them from the kernel's generator.
 */

#ifndef ASYNC_ID_H
#define ASYNC_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


#define ASYNC_ID_TEXT    36      /* characters, without a final NUL */
#define ASYNC_ID_RANDOM  10      /* random bytes wanted (80 bits, 74 used) */

typedef struct {
    uint8_t  bytes[16];
} async_id_t;


void async_id_make(async_id_t *id, int64_t now_ms,
    const uint8_t random[ASYNC_ID_RANDOM]);
/* writes ASYNC_ID_TEXT lower-case characters, no NUL; returns the end */
char *async_id_format(char *out, const async_id_t *id);
/* false unless text is exactly a version 7 UUID (either case) */
bool async_id_parse(async_id_t *id, const char *text, size_t len);
bool async_id_valid(const uint8_t bytes[16]);    /* has version and variant */
int64_t async_id_time(const async_id_t *id);     /* unix ms */


#endif /* ASYNC_ID_H */
