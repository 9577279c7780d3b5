/*
 * The door: one lock in front of LMDB's own, which nobody can wait for with
 * a limit.  db/door holds a process-shared robust mutex; who dies behind the
 * door leaves it open for the next.
 *
 * Everybody who has the store open holds a shared flock on the file.  Who
 * finds himself alone may make the mutex anew, and does so if it is from an
 * earlier boot (a power cut leaves it locked), from another PID namespace
 * (owners are known by their thread ids), or damaged; with company, the
 * latter two are refused.
 */

#ifndef ASYNC_DOOR_H
#define ASYNC_DOOR_H

#include <stdbool.h>
#include <stdint.h>

#include "async_rc.h"


#define ASYNC_DOOR_WAIT  2000        /* ms */

typedef struct async_door_map_s  async_door_map_t;

/* what of the quota is used, as all that share the store know it */
typedef struct {
    int64_t    at;                   /* CLOCK_MONOTONIC ms of the measure */
    uint64_t   pages;                /* bytes in use when it was made */
    uint64_t   added;                /* bytes written since, by whomever */
    uint64_t   disk;                 /* bytes that the filesystem has left */
} async_quota_t;

typedef struct {
    int                fd;           /* -1 = closed */
    async_door_map_t  *map;
    bool               locked;       /* by us */
} async_door_t;


/* dir_fd is db/; the file is made if it is missing.  Waits for others for
   up to wait_ms */
async_rc_t async_door_open(async_door_t *door, int dir_fd, int64_t wait_ms,
    async_error_t *err);
void async_door_close(async_door_t *door);

/* ASYNC_BUSY if it was not open within wait_ms */
async_rc_t async_door_lock(async_door_t *door, int64_t wait_ms,
    async_error_t *err);
void async_door_unlock(async_door_t *door);

/* to be read and written behind the door; lives as long as it is open */
async_quota_t *async_door_quota(async_door_t *door);

/*
 * Word for all who share the store.  A latch stays until the last of them has
 * closed it: a disk that failed a write is not to be trusted before a person
 * has looked.  Faults are pages that could not be read; three in a minute of
 * CLOCK_MONOTONIC (now, ms) trip the breaker, until that minute is over.
 */
#define ASYNC_DOOR_FAULTS  3
#define ASYNC_DOOR_MINUTE  60000

void async_door_latch(async_door_t *door);
bool async_door_latched(const async_door_t *door);
void async_door_fault(async_door_t *door, int64_t now);
bool async_door_tripped(const async_door_t *door, int64_t now);

/*
 * flock() with a limit, for the other files of db/ too: ASYNC_BUSY when it
 * has passed.  0 asks once.
 */
async_rc_t async_door_flock(int fd, int operation, int64_t wait_ms);
/* 36 characters and a NUL: this boot of this machine */
#define ASYNC_BOOT_ID  37
async_rc_t async_door_boot_id(char id[ASYNC_BOOT_ID], async_error_t *err);


#endif /* ASYNC_DOOR_H */
