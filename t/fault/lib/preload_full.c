/*
 * A disk that is full, now and then: of the calls that want room for files
 * below FAULT_STORE each every-th one fails with ENOSPC, or with part set
 * only those of several pieces, the last of which is not written; and
 * statvfs() tells of the room that the test says.
 *
 * The first two pages of data.mdb have their room once the file is there: no
 * disk that can hold a store fails to write them for want of it.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#include "control.h"


#define FULL_META  8192

static size_t  full_root_len;
static char    full_root[PATH_MAX];


__attribute__((constructor))
static void
full_begin(void)
{
    const char  *root;

    root = getenv("FAULT_STORE");

    if (root != NULL) {
        full_root_len = (size_t) snprintf(full_root, sizeof(full_root),
                                          "%s/", root);
    }
}


static bool
full_fails(int fd, off_t at, int n)
{
    char         link[64], path[PATH_MAX];
    ssize_t      len;
    struct stat  st;

    if (full_root_len == 0 || atomic_load(&control->every) == 0
        || (n < 2 && atomic_load(&control->part)))
    {
        return false;
    }

    (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof(path));

    if (len < (ssize_t) full_root_len
        || memcmp(path, full_root, full_root_len) != 0)
    {
        return false;
    }

    if (at < FULL_META && len > 8 && memcmp(path + len - 8, "data.mdb", 8) == 0
        && fstat(fd, &st) == 0 && st.st_size >= FULL_META)
    {
        return false;
    }

    if (!control_fails()) {
        return false;
    }

    errno = ENOSPC;

    return true;
}


ssize_t
pwrite(int fd, const void *data, size_t len, off_t at)
{
    return full_fails(fd, at, 1) ? -1 : REAL(pwrite)(fd, data, len, at);
}


ssize_t
pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    return full_fails(fd, at, 1) ? -1 : REAL(pwritev)(fd, iov, n, at);
}


ssize_t
write(int fd, const void *data, size_t len)
{
    return full_fails(fd, LONG_MAX, 1) ? -1 : REAL(write)(fd, data, len);
}


ssize_t
writev(int fd, const struct iovec *iov, int n)
{
    if (!full_fails(fd, LONG_MAX, n)) {
        return REAL(writev)(fd, iov, n);
    }

    /* as disks do it: what fits is written */

    return atomic_load(&control->part) ? REAL(writev)(fd, iov, n - 1) : -1;
}


/* the locks of a store are small, sized when it is opened, and have room
   wherever the folder itself had */

int
fallocate(int fd, int mode, off_t at, off_t len)
{
    return full_fails(fd, LONG_MAX, 1)
           ? -1 : REAL(fallocate)(fd, mode, at, len);
}


int
fstatvfs(int fd, struct statvfs *st)
{
    int      rc;
    int64_t  room;

    rc = REAL(fstatvfs)(fd, st);
    room = atomic_load(&control->room);

    if (rc == 0 && room != 0) {
        st->f_bavail = (fsblkcnt_t) ((uint64_t) (room - 1) / st->f_frsize);
    }

    return rc;
}


ssize_t pwrite64(int, const void *, size_t, off_t)
    __attribute__((alias("pwrite")));
ssize_t pwritev64(int, const struct iovec *, int, off_t)
    __attribute__((alias("pwritev")));
int fallocate64(int, int, off_t, off_t) __attribute__((alias("fallocate")));
