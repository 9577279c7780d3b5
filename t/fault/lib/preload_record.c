/*
 * Writes down what a process does to the files below RECORD_ROOT: creations,
 * writes, sizes, syncs, renames, removals, into RECORD_LOG.  What is written
 * through a map is not seen: the store's maps are its locks, which a power
 * cut leaves as it likes.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "record_log.h"


#define REAL(name)  ((__typeof__(&name)) record_real(#name))


static int              record_fd = -1;
static char             record_root[PATH_MAX];
static pthread_mutex_t  record_mutex = PTHREAD_MUTEX_INITIALIZER;


static void *
record_real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}


/* --- entries --- */

static void
record_entry(record_entry_t *entry, const struct iovec *data, int n)
{
    int                i;
    ssize_t            len;
    struct iovec       iov[4];
    static const char  zeros[8];

    iov[0].iov_base = entry;
    iov[0].iov_len = sizeof(record_entry_t);
    len = sizeof(record_entry_t);

    for (i = 0; i < n; i++) {
        iov[i + 1] = data[i];
        entry->len += data[i].iov_len;
        len += (ssize_t) data[i].iov_len;
    }

    iov[n + 1].iov_base = (void *) zeros;
    iov[n + 1].iov_len = (size_t) (-len & 7);
    len += -len & 7;

    if (REAL(writev)(record_fd, iov, n + 2) != len) {
        abort();
    }
}


/* the path below the root, or NULL */

static const char *
record_below(int dir_fd, const char *name, char *buf)
{
    int      n;
    char     link[64];
    size_t   len;
    ssize_t  got;

    if (record_fd == -1) {
        return NULL;
    }

    len = 0;

    if (name == NULL || name[0] != '/') {

        if (dir_fd == AT_FDCWD) {
            return NULL;
        }

        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", dir_fd);
        got = readlink(link, buf, PATH_MAX - 1);

        if (got <= 0) {
            return NULL;
        }

        len = (size_t) got;
        buf[len] = '\0';
    }

    if (name != NULL) {
        n = snprintf(buf + len, PATH_MAX - len, "%s%s", len ? "/" : "", name);

        if (n < 0 || (size_t) n >= PATH_MAX - len) {
            return NULL;
        }
    }

    /* the root itself is known by the empty path */

    len = strlen(record_root);

    if (strncmp(buf, record_root, len - 1) != 0) {
        return NULL;
    }

    return buf[len - 1] == '\0' ? buf + len - 1
           : buf[len - 1] == '/' ? buf + len : NULL;
}


static void
record_path(record_type_t type, uint64_t ino, const char *path)
{
    record_entry_t  entry = { .type = type, .ino = ino };
    struct iovec    data = { (void *) path, strlen(path) + 1 };

    record_entry(&entry, &data, 1);
}


/* the first entry names the folder that is watched */

__attribute__((constructor))
static void
record_begin(void)
{
    const char   *root, *log;
    struct stat   st;

    root = getenv("RECORD_ROOT");
    log = getenv("RECORD_LOG");

    if (root != NULL && log != NULL && stat(root, &st) == 0) {
        (void) snprintf(record_root, sizeof(record_root), "%s/", root);
        record_fd = REAL(open)(log, O_WRONLY|O_CREAT|O_APPEND|O_CLOEXEC,
                               0600);
        record_path(RECORD_MKDIR, st.st_ino, "");
    }
}


static uint64_t
record_ino(int fd)
{
    struct stat  st;

    return fstat(fd, &st) == 0 ? st.st_ino : 0;
}


static void
record_write(int fd, const struct iovec *iov, int n, ssize_t written,
    off_t at)
{
    int             i;
    char            buf[PATH_MAX];
    struct iovec    part;
    record_entry_t  entry = { .type = RECORD_WRITE };

    if (written <= 0 || record_below(fd, NULL, buf) == NULL) {
        return;
    }

    entry.ino = record_ino(fd);
    entry.dsync = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;

    for (i = 0; i < n && written > 0; i++) {
        part = iov[i];

        if (part.iov_len > (size_t) written) {
            part.iov_len = (size_t) written;
        }

        entry.at = (uint64_t) at;
        entry.len = 0;
        record_entry(&entry, &part, 1);

        at += (off_t) part.iov_len;
        written -= (ssize_t) part.iov_len;
    }
}


/* --- files --- */

/* dir_fd is where a relative path begins; made tells a new file */

static int
record_open(int dir_fd, const char *path, int flags, mode_t mode)
{
    int          fd;
    char         buf[PATH_MAX];
    const char  *below;

    pthread_mutex_lock(&record_mutex);

    fd = -1;

    if (flags & O_CREAT) {
        fd = REAL(openat)(dir_fd, path, flags|O_EXCL, mode);

        if (fd != -1) {
            below = record_below(fd, NULL, buf);

            if (below != NULL) {
                record_path(RECORD_CREATE, record_ino(fd), below);
            }

        } else if (errno != EEXIST || (flags & O_EXCL)) {
            pthread_mutex_unlock(&record_mutex);
            return -1;
        }
    }

    if (fd == -1) {
        fd = REAL(openat)(dir_fd, path, flags & ~O_CREAT, mode);
    }

    pthread_mutex_unlock(&record_mutex);

    return fd;
}


#define record_mode(mode, flags)                                             \
    if ((flags) & (O_CREAT|__O_TMPFILE)) {                                   \
        va_list  ap;                                                         \
        va_start(ap, flags);                                                 \
        mode = va_arg(ap, mode_t);                                           \
        va_end(ap);                                                          \
    }


int
open(const char *path, int flags, ...)
{
    mode_t  mode = 0;

    record_mode(mode, flags);

    return record_open(AT_FDCWD, path, flags, mode);
}


int
openat(int dir_fd, const char *path, int flags, ...)
{
    mode_t  mode = 0;

    record_mode(mode, flags);

    return record_open(dir_fd, path, flags, mode);
}


int
mkdirat(int dir_fd, const char *path, mode_t mode)
{
    int          rc;
    char         buf[PATH_MAX];
    const char  *below;
    struct stat  st;

    rc = REAL(mkdirat)(dir_fd, path, mode);

    if (rc == 0) {
        below = record_below(dir_fd, path, buf);

        if (below != NULL && fstatat(dir_fd, path, &st, 0) == 0) {
            record_path(RECORD_MKDIR, st.st_ino, below);
        }
    }

    return rc;
}


int
mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}


int
renameat(int old_fd, const char *old_path, int new_fd, const char *new_path)
{
    int             rc;
    char            buf[2][PATH_MAX];
    const char     *old, *new;
    struct iovec    data[2];
    record_entry_t  entry = { .type = RECORD_RENAME };

    pthread_mutex_lock(&record_mutex);

    rc = REAL(renameat)(old_fd, old_path, new_fd, new_path);

    old = record_below(old_fd, old_path, buf[0]);
    new = record_below(new_fd, new_path, buf[1]);

    if (rc == 0 && old != NULL && new != NULL) {
        data[0] = (struct iovec) { (void *) old, strlen(old) + 1 };
        data[1] = (struct iovec) { (void *) new, strlen(new) + 1 };
        record_entry(&entry, data, 2);
    }

    pthread_mutex_unlock(&record_mutex);

    return rc;
}


int
rename(const char *old_path, const char *new_path)
{
    return renameat(AT_FDCWD, old_path, AT_FDCWD, new_path);
}


int
unlinkat(int dir_fd, const char *path, int flags)
{
    int          rc;
    char         buf[PATH_MAX];
    const char  *below;

    pthread_mutex_lock(&record_mutex);

    rc = REAL(unlinkat)(dir_fd, path, flags);
    below = record_below(dir_fd, path, buf);

    if (rc == 0 && below != NULL) {
        record_path(RECORD_UNLINK, 0, below);
    }

    pthread_mutex_unlock(&record_mutex);

    return rc;
}


int
unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}


int
rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}


/* --- bytes --- */

ssize_t
pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    ssize_t  written;

    pthread_mutex_lock(&record_mutex);

    written = REAL(pwritev)(fd, iov, n, at);
    record_write(fd, iov, n, written, at);

    pthread_mutex_unlock(&record_mutex);

    return written;
}


ssize_t
pwrite(int fd, const void *data, size_t len, off_t at)
{
    struct iovec  iov = { (void *) data, len };

    return pwritev(fd, &iov, 1, at);
}


ssize_t
writev(int fd, const struct iovec *iov, int n)
{
    off_t    at;
    ssize_t  written;

    pthread_mutex_lock(&record_mutex);

    written = REAL(writev)(fd, iov, n);

    /* where it ended is where it is now: right for O_APPEND too */

    at = lseek(fd, 0, SEEK_CUR);

    if (written > 0 && at >= written) {
        record_write(fd, iov, n, written, at - written);
    }

    pthread_mutex_unlock(&record_mutex);

    return written;
}


ssize_t
write(int fd, const void *data, size_t len)
{
    struct iovec  iov = { (void *) data, len };

    return writev(fd, &iov, 1);
}


int
ftruncate(int fd, off_t size)
{
    int             rc;
    char            buf[PATH_MAX];
    record_entry_t  entry = { .type = RECORD_SIZE, .at = (uint64_t) size };

    pthread_mutex_lock(&record_mutex);

    rc = REAL(ftruncate)(fd, size);

    if (rc == 0 && record_below(fd, NULL, buf) != NULL) {
        entry.ino = record_ino(fd);
        record_entry(&entry, NULL, 0);
    }

    pthread_mutex_unlock(&record_mutex);

    return rc;
}


static int
record_sync(int fd, int (*sync)(int fd))
{
    int             rc;
    char            buf[PATH_MAX];
    record_entry_t  entry = { .type = RECORD_SYNC };

    pthread_mutex_lock(&record_mutex);

    rc = sync(fd);

    if (rc == 0 && record_below(fd, NULL, buf) != NULL) {
        entry.ino = record_ino(fd);
        record_entry(&entry, NULL, 0);
    }

    pthread_mutex_unlock(&record_mutex);

    return rc;
}


int
fsync(int fd)
{
    return record_sync(fd, REAL(fsync));
}


int
fdatasync(int fd)
{
    return record_sync(fd, REAL(fdatasync));
}
