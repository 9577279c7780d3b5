/*
 * Private to src/store: the header of a file in a tar archive, POSIX ustar
 * (IEEE 1003.1, pax, "ustar Interchange Format").  A number that does not fit
 * into its digits is written in base 256, as GNU and BSD tar do.
 */

#ifndef ASYNC_TAR_H
#define ASYNC_TAR_H

#include <stdbool.h>
#include <stdint.h>


#define ASYNC_TAR_BLOCK  512          /* of a header; contents are filled up */

typedef struct {
    char       name[101];             /* a folder's ends in "/" */
    unsigned   mode;
    uint64_t   uid;
    uint64_t   gid;
    uint64_t   size;
    int64_t    mtime;                 /* seconds */
} async_tar_t;


void async_tar_encode(const async_tar_t *tar,
    uint8_t block[ASYNC_TAR_BLOCK]);
/* name and size; false if the block is no header */
bool async_tar_decode(async_tar_t *tar,
    const uint8_t block[ASYNC_TAR_BLOCK]);
/* bytes after contents of that size */
unsigned async_tar_fill(uint64_t size);


#endif /* ASYNC_TAR_H */
