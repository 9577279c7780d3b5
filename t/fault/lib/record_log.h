/*
 * What preload_record.c writes down, and power_cut.c reads: one entry after
 * the other, in the order in which the calls returned.  Paths are relative to
 * the folder that is watched; data follows each entry, and zeros up to a
 * multiple of eight bytes.
 */

#ifndef RECORD_LOG_H
#define RECORD_LOG_H

#include <stdint.h>


typedef enum {
    RECORD_CREATE = 1,         /* data: path of a new file */
    RECORD_MKDIR  = 2,         /* data: path of a new folder */
    RECORD_WRITE  = 3,         /* data: the bytes */
    RECORD_SIZE   = 4,         /* ftruncate to at */
    RECORD_SYNC   = 5,         /* fsync or fdatasync, of a folder as well */
    RECORD_RENAME = 6,         /* data: both paths, a NUL after each */
    RECORD_UNLINK = 7          /* data: path */
} record_type_t;

typedef struct {
    uint32_t  type;
    uint32_t  dsync;           /* a write that returned when it was on disk */
    uint64_t  ino;
    uint64_t  at;
    uint64_t  len;             /* of data */
} record_entry_t;


#endif /* RECORD_LOG_H */
