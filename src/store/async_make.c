/*
 * How a store comes to be on the disk, so that a power cut at any point
 * leaves none or a whole one.  LMDB makes its file in place and fsyncs the
 * bytes of it; a file half made is refused for ever after, and a name that
 * was not fsynced by its folder may be gone with all that is in the file.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async_db.h"


#define ASYNC_MAKE_FOLDER  "new"


static int async_make_file(int fd);
static async_rc_t async_make_error(const char *what, int error,
    async_error_t *err);


async_rc_t
async_make_durable(int fd, async_error_t *err)
{
    return fsync(fd) == 0 ? ASYNC_OK
                          : async_make_error("sync", errno, err);
}


/* the parent may be one that we cannot read; then it is not ours to sync */

async_rc_t
async_make_root_durable(int fd, async_error_t *err)
{
    int         parent;
    async_rc_t  rc;

    rc = async_make_durable(fd, err);

    parent = openat(fd, "..", O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (parent != -1) {
        if (rc == ASYNC_OK) {
            rc = async_make_durable(parent, err);
        }

        close(parent);
    }

    return rc;
}


async_rc_t
async_make_data(async_store_t *store, async_error_t *err)
{
    int   rc, fd;

    if (faccessat(store->dir_fd, "data.mdb", F_OK, 0) == 0) {
        return async_make_durable(store->dir_fd, err);
    }

    if (errno != ENOENT) {
        return async_make_error("look for", errno, err);
    }

    if (mkdirat(store->dir_fd, ASYNC_MAKE_FOLDER, 0700) == -1
        && errno != EEXIST)
    {
        return async_make_error("make", errno, err);
    }

    fd = openat(store->dir_fd, ASYNC_MAKE_FOLDER,
                O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);

    if (fd == -1) {
        return async_make_error("make", errno, err);
    }

    rc = async_make_file(fd);

    if (rc == 0 && renameat(fd, "data.mdb", store->dir_fd, "data.mdb") == -1)
    {
        rc = errno;
    }

    (void) unlinkat(fd, "lock.mdb", 0);
    close(fd);

    if (rc != 0) {
        return async_make_error("make", rc, err);
    }

    (void) unlinkat(store->dir_fd, ASYNC_MAKE_FOLDER, AT_REMOVEDIR);

    return async_make_durable(store->dir_fd, err);
}


/* one of an earlier try may be half made */

static int
async_make_file(int fd)
{
    int       rc;
    char      path[64];
    MDB_env  *env;

    (void) unlinkat(fd, "data.mdb", 0);
    (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

    rc = mdb_env_create(&env);

    if (rc != MDB_SUCCESS) {
        return rc;
    }

    rc = mdb_env_open(env, path, 0, 0600);

    if (rc == MDB_SUCCESS) {
        rc = mdb_env_sync(env, 1);
    }

    mdb_env_close(env);

    return rc;
}


static async_rc_t
async_make_error(const char *what, int error, async_error_t *err)
{
    async_error_set(err, "cannot %s the files of the store: %s", what,
                    mdb_strerror(error));

    return error == ENOSPC || error == EDQUOT ? ASYNC_STORE_FULL
                                              : ASYNC_UNAVAILABLE;
}
