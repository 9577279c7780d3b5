#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async_db.h"
#include "async_orphan.h"


struct async_orphans_s {
    async_store_t  *store;
    DIR            *dir;
};


static bool async_orphans_remove(async_orphans_t *scan, async_view_t *view,
    const char *name, int64_t now);
static bool async_orphans_wanted(async_view_t *view,
    const async_spool_name_t *file);


async_orphans_t *
async_orphans_begin(async_store_t *store)
{
    char              path[4096];
    async_orphans_t  *scan;

    scan = calloc(1, sizeof(async_orphans_t));

    if (scan == NULL) {
        return NULL;
    }

    (void) snprintf(path, sizeof(path), "%s/spool", store->path);

    scan->store = store;
    scan->dir = opendir(path);

    if (scan->dir == NULL) {
        free(scan);
        return NULL;
    }

    return scan;
}


bool
async_orphans_some(async_orphans_t *scan, async_view_t *view, int64_t now,
    unsigned max, unsigned *removed)
{
    struct dirent  *entry;

    for (*removed = 0; max > 0; max--) {
        entry = readdir(scan->dir);

        if (entry == NULL) {
            return true;
        }

        *removed += async_orphans_remove(scan, view, entry->d_name, now)
                    ? 1 : 0;
    }

    return false;
}


void
async_orphans_end(async_orphans_t *scan)
{
    if (scan != NULL) {
        closedir(scan->dir);
        free(scan);
    }
}


static bool
async_orphans_remove(async_orphans_t *scan, async_view_t *view,
    const char *name, int64_t now)
{
    int                 fd;
    struct stat         st;
    async_spool_name_t  file;

    fd = dirfd(scan->dir);

    if (!async_spool_name(name, &file)
        || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == -1
        || (int64_t) st.st_mtim.tv_sec * 1000 > now - ASYNC_ORPHAN_AGE
        || async_orphans_wanted(view, &file))
    {
        return false;
    }

    if (!file.tmp) {
        async_spool_remove(scan->store, &file.id, file.kind);

    } else if (unlinkat(fd, name, 0) == -1) {
        return false;
    }

    return true;
}


/* in doubt it is: a record that cannot be read may name it */

static bool
async_orphans_wanted(async_view_t *view, const async_spool_name_t *file)
{
    uint8_t              buf[ASYNC_JOB_MAX];
    async_rc_t           rc;
    async_job_t          job;
    const async_body_t  *body;

    rc = async_view_job(view, &file->id, &job, buf);

    if (rc != ASYNC_OK) {
        return rc != ASYNC_NOT_FOUND;
    }

    /* an attempt writes for as long as it runs */

    if (file->tmp) {
        return job.state == ASYNC_STATE_PROCESSING;
    }

    body = file->kind == ASYNC_PAYLOAD_REQUEST_BODY ? &job.request
                                                    : &job.response;

    return body->where == ASYNC_BODY_SPOOL
           || job.state == ASYNC_STATE_PROCESSING;
}
