/*
 * The archive, read again: the database against its checksum, then by the
 * check, which reads the files of spool/ where they now are.
 */

#include <string.h>
#include <unistd.h>

#include "async_backer.h"


static const char *async_backup_next(async_backup_t *b, const char *name,
    uint64_t *size);
static const char *async_backup_file(void *data, const async_id_t *id,
    async_payload_kind_t kind, int *fd, uint64_t *len);


async_rc_t
async_backup_verify(async_backup_t *b)
{
    size_t           part;
    ssize_t          n;
    uint32_t         crc;
    uint64_t         size, left;
    const char      *fault;
    async_checker_t  ck;

    b->at = 0;
    crc = 0;

    fault = async_backup_next(b, "db/", &size);

    if (fault == NULL) {
        fault = async_backup_next(b, ASYNC_BACKUP_DATA, &size);
    }

    for (left = fault == NULL ? size : 0; left > 0; left -= (size_t) n) {

        part = left < ASYNC_BACKUP_BUFFER ? (size_t) left
                                          : ASYNC_BACKUP_BUFFER;
        n = read(b->options->fd, b->buf, part);

        if (n <= 0) {
            break;
        }

        crc = async_crc32c(crc, b->buf, (size_t) n);
        async_backup_pace(b, (uint64_t) n);
    }

    if (fault != NULL || size != b->size || crc != b->crc
        || async_backup_next(b, "spool/", &size) != NULL)
    {
        async_error_set(b->err, "what was written to the backup is not what "
                        "is read from it");
        return ASYNC_UNAVAILABLE;
    }

    memset(&ck, 0, sizeof(async_checker_t));

    ck.store = &b->copy;
    ck.figures = &b->figures->check;
    ck.report = b->report;
    ck.data = b->data;
    ck.file = async_backup_file;
    ck.file_data = b;

    return async_check_run(&ck, b->err);
}


/* the archive's next file: NULL if it has that name, and is then the next to
   be read */

static const char *
async_backup_next(async_backup_t *b, const char *name, uint64_t *size)
{
    uint8_t      block[ASYNC_TAR_BLOCK];
    async_tar_t  tar;

    if (pread(b->options->fd, block, sizeof(block), (off_t) b->at)
        != (ssize_t) sizeof(block))
    {
        return "cannot be read from the backup";
    }

    if (!async_tar_decode(&tar, block) || strcmp(tar.name, name) != 0) {
        return "is missing";
    }

    if (lseek(b->options->fd, (off_t) (b->at + ASYNC_TAR_BLOCK), SEEK_SET)
        == -1)
    {
        return "cannot be read from the backup";
    }

    *size = tar.size;
    b->at += ASYNC_TAR_BLOCK + tar.size + async_tar_fill(tar.size);

    return NULL;
}


static const char *
async_backup_file(void *data, const async_id_t *id,
    async_payload_kind_t kind, int *fd, uint64_t *len)
{
    char             name[64];
    const char      *fault;
    async_backup_t  *b = data;

    async_backup_name(name, id, kind);

    fault = async_backup_next(b, name, len);

    if (fault == NULL) {
        *fd = b->options->fd;
        async_backup_pace(b, *len);
    }

    return fault;
}
