/*
 * What a backend reports of its progress:
 *
 *   {"percentComplete":35,"message":"page 7 of 20"}
 *
 * Either field, and at least one of them; null is as if it were not there, and
 * other fields are ignored.
 *
 * Not for two threads at a time: cJSON keeps the place of its last error.
 */

#ifndef ASYNC_PROGRESS_H
#define ASYNC_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "async_job.h"
#include "async_rc.h"
#include "async_record.h"


#define ASYNC_PROGRESS_BODY     4096    /* bytes of a report */
#define ASYNC_PROGRESS_MESSAGE  1024    /* bytes of a message */

typedef struct {
    uint8_t  percent;                   /* 0..100 or ASYNC_NO_PERCENT */
    bool     has_message;
    size_t   message_len;               /* may be 0 */
    char     message[ASYNC_PROGRESS_MESSAGE];   /* UTF-8, no NUL in it */
} async_progress_t;


/*
 * ASYNC_INVALID unless it is JSON in UTF-8 (RFC 8259) within the limits above,
 * with a percentage from 0 to 100 (fractions are rounded down), a message that
 * fits, each at most once; or if memory is gone.
 */
async_rc_t async_progress_parse(async_progress_t *progress, async_str_t body);


#endif /* ASYNC_PROGRESS_H */
