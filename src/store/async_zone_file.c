#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "async_zone_file.h"


#define ASYNC_ZONE_FOLDER   "/usr/share/zoneinfo"
#define ASYNC_ZONE_MACHINE  "/etc/localtime"
#define ASYNC_ZONE_FILE     65536       /* bytes at most; 4 KB are usual */


static async_rc_t async_zone_read(const char *path, uint8_t *data,
    size_t *len);


async_rc_t
async_zone_load(async_zone_file_t *file, async_str_t name,
    async_error_t *err)
{
    char        path[sizeof(ASYNC_ZONE_FOLDER "/") + ASYNC_ZONE_NAME];
    size_t      len;
    async_rc_t  rc;

    async_zone_utc(&file->zone);
    file->data = NULL;

    if (name.len != 0 && !async_zone_name(name)) {
        async_error_set(err, "\"%.*s\" is no name of a time zone",
                        name.len < 80 ? (int) name.len : 80, name.data);
        return ASYNC_INVALID;
    }

    (void) snprintf(path, sizeof(path), ASYNC_ZONE_FOLDER "/%.*s",
                    (int) name.len, name.data);

    if (name.len == 0) {
        memcpy(path, ASYNC_ZONE_MACHINE, sizeof(ASYNC_ZONE_MACHINE));
    }

    file->data = malloc(ASYNC_ZONE_FILE);

    if (file->data == NULL) {
        async_error_set(err, "no memory for a time zone");
        return ASYNC_NO_SPACE;
    }

    rc = async_zone_read(path, file->data, &len);

    if (rc == ASYNC_NOT_FOUND && name.len == 0) {
        async_zone_free(file);
        return ASYNC_OK;
    }

    if (rc == ASYNC_NOT_FOUND) {
        async_error_set(err, "there is no time zone \"%.*s\" in "
                        ASYNC_ZONE_FOLDER " (package tzdata)",
                        (int) name.len, name.data);

    } else if (rc != ASYNC_OK) {
        async_error_set(err, "cannot read \"%s\": %s", path,
                        strerror(errno));

    } else {
        rc = async_zone_decode(&file->zone, file->data, len);

        if (rc != ASYNC_OK) {
            async_error_set(err, "\"%s\" holds no time zone", path);
        }
    }

    if (rc != ASYNC_OK) {
        async_zone_free(file);
    }

    return rc;
}


void
async_zone_free(async_zone_file_t *file)
{
    free(file->data);
    file->data = NULL;
    async_zone_utc(&file->zone);
}


static async_rc_t
async_zone_read(const char *path, uint8_t *data, size_t *len)
{
    int      fd, error;
    ssize_t  n;

    *len = 0;
    fd = open(path, O_RDONLY|O_CLOEXEC);

    if (fd == -1) {
        return errno == ENOENT || errno == ENOTDIR ? ASYNC_NOT_FOUND
                                                   : ASYNC_UNAVAILABLE;
    }

    do {
        n = read(fd, data + *len, ASYNC_ZONE_FILE - *len);

        if (n > 0) {
            *len += (size_t) n;
        }
    } while (n > 0 || (n == -1 && errno == EINTR));

    error = errno;
    close(fd);
    errno = error;

    /* "Europe" is a folder, and no zone */

    return n == 0 ? ASYNC_OK
           : errno == EISDIR ? ASYNC_NOT_FOUND : ASYNC_UNAVAILABLE;
}
