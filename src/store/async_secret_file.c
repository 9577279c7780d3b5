/*
 * A file that holds one secret.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async_secret_file.h"


static size_t async_secret_trim(const char *line, size_t len);


async_rc_t
async_secret_file(const char *path, char *line, size_t size, size_t *len,
    bool *exposed, const char *hint, async_error_t *err)
{
    int          fd;
    bool         missing;
    ssize_t      n;
    struct stat  st;

    *len = 0;
    *exposed = false;

    fd = open(path, O_RDONLY|O_NONBLOCK|O_NOCTTY|O_CLOEXEC);

    if (fd == -1) {
        missing = errno == ENOENT && hint != NULL;

        async_error_set(err, "cannot open \"%.120s\": %s%s%s", path,
                        strerror(errno), missing ? "; " : "",
                        missing ? hint : "");
        return ASYNC_UNAVAILABLE;
    }

    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
        async_error_set(err, "\"%.120s\" is no file", path);
        close(fd);
        return ASYNC_UNAVAILABLE;
    }

    *exposed = (st.st_mode & 007) != 0;

    do {
        n = read(fd, line, size);
    } while (n == -1 && errno == EINTR);

    if (n == -1) {
        async_error_set(err, "cannot read \"%.120s\": %s", path,
                        strerror(errno));
        close(fd);
        return ASYNC_UNAVAILABLE;
    }

    close(fd);
    *len = async_secret_trim(line, (size_t) n);

    return ASYNC_OK;
}


/* one line end and no more: what follows it is not what anyone meant */

static size_t
async_secret_trim(const char *line, size_t len)
{
    len -= len > 0 && line[len - 1] == '\n' ? 1 : 0;
    len -= len > 0 && line[len - 1] == '\r' ? 1 : 0;

    return len;
}
