/*
 * The folders of a store, and the filesystem that they lie on.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "async_db.h"


#define ASYNC_FOLDER_TMPFS  0x01021994          /* statfs(2), f_type */
#define ASYNC_FOLDER_RAMFS  0x858458f6

typedef struct {
    unsigned     magic;              /* statfs(2), f_type */
    const char  *name;
} async_filesystem_t;

/* mmap and robust locks over these do not hold what LMDB needs */

static const async_filesystem_t  async_filesystems[] = {
    { 0x00006969, "NFS"  },
    { 0xFF534D42, "CIFS" },
    { 0xFE534D42, "SMB"  },
    { 0x0000517B, "SMB"  },
    { 0x01021997, "9p"   },
    { 0x65735546, "FUSE" }
};


static async_rc_t async_folder_make(int parent, const char *path,
    const char *name, mode_t mode, unsigned uid, unsigned gid,
    async_error_t *err);
static async_rc_t async_folder_root(const char *path, int *fd,
    async_error_t *err);


async_rc_t
async_store_prepare(const char *path, unsigned uid, unsigned gid,
    async_error_t *err)
{
    int         fd;
    async_rc_t  rc;

    rc = async_folder_root(path, &fd, err);

    if (rc != ASYNC_OK) {
        return rc;
    }

    rc = async_folder_make(fd, path, "db", 0700, uid, gid, err);

    if (rc == ASYNC_OK) {
        rc = async_folder_make(fd, path, "spool", 0700, uid, gid, err);
    }

    if (rc == ASYNC_OK) {
        rc = async_folder_make(fd, path, "run", 0755, 0, 0, err);
    }

    if (rc == ASYNC_OK) {
        rc = async_make_root_durable(fd, err);
    }

    close(fd);

    return rc;
}


/*
 * The folder itself: made by us it is root's; one that was there is left as
 * it is, but must not let others swap the names in it, since root goes on to
 * work with them.
 */

static async_rc_t
async_folder_root(const char *path, int *fd, async_error_t *err)
{
    bool         made;
    struct stat  st;

    made = mkdir(path, 0755) == 0;

    if (!made && errno != EEXIST) {
        async_error_set(err, "cannot make the folder \"%s\": %s", path,
                        strerror(errno));
        return ASYNC_UNAVAILABLE;
    }

    *fd = open(path, O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);

    if (*fd == -1) {
        async_error_set(err, "cannot open the folder \"%s\": %s", path,
                        errno == ELOOP || errno == ENOTDIR
                        ? "it is a file or a symbolic link; name the folder "
                          "itself" : strerror(errno));
        return ASYNC_UNAVAILABLE;
    }

    if (made) {
        (void) fchmod(*fd, 0755);               /* whatever the umask is */
    }

    if (fstat(*fd, &st) == 0
        && geteuid() == 0 && (st.st_uid != 0 || (st.st_mode & 022)))
    {
        async_error_set(err, "\"%s\" can be changed by others than root; use "
                        "a folder that only root may write to", path);
        close(*fd);
        return ASYNC_UNAVAILABLE;
    }

    return ASYNC_OK;
}


static async_rc_t
async_folder_make(int parent, const char *path, const char *name,
    mode_t mode, unsigned uid, unsigned gid, async_error_t *err)
{
    int          fd;
    bool         done;
    struct stat  st;

    if (mkdirat(parent, name, 0700) == -1 && errno != EEXIST) {
        async_error_set(err, "cannot make the folder \"%s/%s\": %s", path,
                        name, strerror(errno));
        return ASYNC_UNAVAILABLE;
    }

    fd = openat(parent, name, O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);

    /* only what differs: a caller who may not change it may still use it */

    done = fd != -1
           && fstat(fd, &st) == 0
           && (geteuid() != 0 || (st.st_uid == uid && st.st_gid == gid)
               || fchown(fd, uid, gid) == 0)
           && ((st.st_mode & 07777) == mode || fchmod(fd, mode) == 0);

    if (!done) {
        async_error_set(err, "cannot use the folder \"%s/%s\": %s", path,
                        name, strerror(errno));
    }

    if (fd != -1) {
        close(fd);
    }

    return done ? ASYNC_OK : ASYNC_UNAVAILABLE;
}


bool
async_store_volatile(const char *path)
{
    struct statfs  st;

    return statfs(path, &st) == 0
           && ((unsigned) st.f_type == ASYNC_FOLDER_TMPFS
               || (unsigned) st.f_type == ASYNC_FOLDER_RAMFS);
}


async_rc_t
async_folder_local(int fd, async_error_t *err)
{
    size_t         i;
    struct statfs  st;

    if (fstatfs(fd, &st) == -1) {
        async_error_set(err, "cannot tell the filesystem of the store: %s",
                        strerror(errno));
        return ASYNC_UNAVAILABLE;
    }

    for (i = 0; i < sizeof(async_filesystems) / sizeof(async_filesystems[0]);
         i++)
    {
        if ((unsigned) st.f_type == async_filesystems[i].magic) {
            async_error_set(err, "the store must be on a local disk, not on "
                            "%s", async_filesystems[i].name);
            return ASYNC_UNAVAILABLE;
        }
    }

    return ASYNC_OK;
}
