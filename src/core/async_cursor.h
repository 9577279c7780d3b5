/*
 * Where the next page of a list of jobs begins: behind the job of this bucket
 * of the store's and this id.  To clients it is opaque text; it says no
 * more than about how many jobs there have been, and whose jobs are listed is
 * decided anew with each request, so it need not be signed.
 *
 * base64url (RFC 4648, section 5), without padding, of 24 bytes:
 *
 *   offset size
 *        0    1  version  1
 *        1    7  bucket   big-endian
 *        8   16  id
 */

#ifndef ASYNC_CURSOR_H
#define ASYNC_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "async_id.h"


#define ASYNC_CURSOR_TEXT  32       /* characters, without a final NUL */

typedef struct {
    uint64_t    bucket;             /* 0..2^56-1 */
    async_id_t  id;
} async_cursor_t;


/* writes ASYNC_CURSOR_TEXT characters, no NUL; returns the end */
char *async_cursor_format(char *out, const async_cursor_t *cursor);
/* false unless text is one that async_cursor_format() may have written */
bool async_cursor_parse(async_cursor_t *cursor, const char *text, size_t len);


#endif /* ASYNC_CURSOR_H */
