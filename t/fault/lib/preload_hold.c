/*
 * A program whose thread that writes has told it of a commit, and which gets
 * no time to see to it: with every set, such a word (an eventfd's) sets held
 * to the process, and its loop stands until the test clears it.
 */

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "control.h"


int
eventfd_write(int fd, eventfd_t value)
{
    if (atomic_load(&control->every) != 0) {
        atomic_store(&control->held, getpid());
    }

    return REAL(eventfd_write)(fd, value);
}


int
epoll_wait(int fd, struct epoll_event *events, int n, int timeout)
{
    int  rc;

    rc = REAL(epoll_wait)(fd, events, n, timeout);

    while (atomic_load(&control->held) == getpid()) {
        (void) usleep(1000);
    }

    return rc;
}
