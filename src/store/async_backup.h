/*
 * A consistent copy of a store that is in use, as one tar archive (POSIX
 * ustar): db/data.mdb, compacted, and the files of spool/ that its jobs name.
 * Unpacked into an empty folder it is a store.
 *
 * Neither the door nor LMDB's lock for writing is taken.  Two things follow
 * for those who write meanwhile: spool files are not removed (backup.lock),
 * and pages that are freed are not used again while the database is copied,
 * so that data.mdb may grow by what is written in that time.
 */

#ifndef ASYNC_BACKUP_H
#define ASYNC_BACKUP_H

#include "async_check.h"


typedef struct {
    int        fd;            /* empty, for reading and writing: the archive */
    int        spare;         /* another, for the copy of the database; must
                                 be the caller's own, its name may be gone */
    uint64_t   rate;          /* bytes a second, 0 = no bound */
    int64_t    now;           /* unix ms, for the archive's files */
} async_backup_options_t;

typedef struct {
    uint64_t               files;    /* of spool/ */
    uint64_t               bytes;    /* of the archive */
    async_check_figures_t  check;    /* of what the archive holds */
} async_backup_figures_t;


/*
 * ASYNC_OK: the archive is whole and on the disk; it was read again, and
 * figures->check says how many faults it has.  ASYNC_BUSY: another backup is
 * at work.  ASYNC_STORE_FULL: no room on the disk.  progress counts bytes.
 */
async_rc_t async_store_backup(async_store_t *store,
    const async_backup_options_t *options, async_backup_figures_t *figures,
    async_check_fn report, async_check_progress_fn progress, void *data,
    async_error_t *err);


#endif /* ASYNC_BACKUP_H */
