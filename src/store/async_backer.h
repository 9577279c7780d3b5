/*
 * Private to src/store: the state of a backup, shared by its two files.
 */

#ifndef ASYNC_BACKER_H
#define ASYNC_BACKER_H

#include "async_backup.h"
#include "async_checker.h"
#include "async_tar.h"


#define ASYNC_BACKUP_BUFFER  (256 * 1024)
#define ASYNC_BACKUP_DATA    "db/data.mdb"

typedef struct {
    async_store_t                 *store;
    const async_backup_options_t  *options;
    async_backup_figures_t        *figures;
    async_check_fn                 report;
    async_check_progress_fn        progress;
    void                          *data;
    async_error_t                 *err;

    int                            lock;      /* -1: not held */
    async_store_t                  copy;      /* not opened as a store: env,
                                                 handles, path */
    uint64_t                       size;      /* of the copy */
    uint32_t                       crc;
    uid_t                          uid;       /* owner of db/ */
    gid_t                          gid;
    uint8_t                       *buf;

    int64_t                        start;     /* CLOCK_MONOTONIC ms */
    uint64_t                       done;      /* bytes, of all passes */
    uint64_t                       total;

    uint64_t                       at;        /* where in the archive */
} async_backup_t;


/* of a body, in the archive; 64 bytes are room enough */
void async_backup_name(char *name, const async_id_t *id,
    async_payload_kind_t kind);
/* bytes were moved: sleeps as long as we are ahead of the rate */
void async_backup_pace(async_backup_t *b, uint64_t bytes);


/* --- async_backup_verify.c --- */

async_rc_t async_backup_verify(async_backup_t *b);


#endif /* ASYNC_BACKER_H */
