/*
 * A file that holds one secret, in one line.
 */

#ifndef ASYNC_SECRET_FILE_H
#define ASYNC_SECRET_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "async_rc.h"


/*
 * The first size bytes at the most, which tell by their number that the file
 * is too long, without the end of the line: *len.  line is the caller's to
 * cleanse.  *exposed: it can be read by others than its owner and group.
 * hint: how such a file is made, for one that is not there, or NULL.
 * ASYNC_UNAVAILABLE: it cannot be read.  Never waits: a pipe or a device is
 * refused.
 */
async_rc_t async_secret_file(const char *path, char *line, size_t size,
    size_t *len, bool *exposed, const char *hint, async_error_t *err);


#endif /* ASYNC_SECRET_FILE_H */
