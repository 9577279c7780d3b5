#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "async_notify.h"


void
async_notify(const char *state)
{
    int                  fd;
    size_t               len;
    const char          *path;
    socklen_t            size;
    struct sockaddr_un   sun;

    path = getenv("NOTIFY_SOCKET");
    if (path == NULL || (path[0] != '/' && path[0] != '@')) {
        return;
    }

    len = strlen(path);
    if (len >= sizeof(sun.sun_path)) {
        return;
    }

    memset(&sun, 0, sizeof(struct sockaddr_un));
    sun.sun_family = AF_UNIX;
    memcpy(sun.sun_path, path, len);

    /* '@' stands for the NUL of an abstract address */

    if (path[0] == '@') {
        sun.sun_path[0] = '\0';
    }

    fd = socket(AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0);
    if (fd == -1) {
        return;
    }

    size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + len);

    /* a service manager that does not listen is not our concern */

    (void) sendto(fd, state, strlen(state), MSG_NOSIGNAL,
                  (struct sockaddr *) &sun, size);
    close(fd);
}


int
async_notify_interval(void)
{
    long long    usec;
    const char  *text;

    text = getenv("WATCHDOG_PID");
    if (text && strtoll(text, NULL, 10) != (long long) getpid()) {
        return 0;
    }

    text = getenv("WATCHDOG_USEC");
    if (text == NULL) {
        return 0;
    }

    usec = strtoll(text, NULL, 10);
    if (usec <= 0) {
        return 0;
    }

    /* a sign each second is enough for the longest, 1 ms for the shortest */

    return usec > 2000000 ? 1000 : (int) (usec / 2000) + 1;
}
