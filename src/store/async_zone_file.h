/*
 * The system's time zone data, as files (package tzdata).  Reading one takes
 * a few system calls; it blocks as any small file does.
 */

#ifndef ASYNC_ZONE_FILE_H
#define ASYNC_ZONE_FILE_H

#include "async_zone.h"


typedef struct {
    async_zone_t   zone;                /* borrows from data */
    uint8_t       *data;                /* NULL: UTC, without a file */
} async_zone_file_t;


/*
 * An empty name is the machine's own zone (/etc/localtime), and UTC if it has
 * none.  ASYNC_INVALID: it is no name; ASYNC_NOT_FOUND: there is no such zone;
 * ASYNC_UNAVAILABLE, ASYNC_CORRUPT: its file cannot be read, or is none.
 */
async_rc_t async_zone_load(async_zone_file_t *file, async_str_t name,
    async_error_t *err);
void async_zone_free(async_zone_file_t *file);


#endif /* ASYNC_ZONE_FILE_H */
