/*
 * A disk that does not confirm what was written to a file: with every set, who
 * asks for that stands until the test clears it.  calls counts them.  Folders
 * it confirms: nginx's master asks for that when it reloads.
 */

#include <sys/stat.h>

#include "control.h"


static void
sync_stands(int fd)
{
    struct stat  st;

    if (atomic_load(&control->every) == 0 || fstat(fd, &st) == -1
        || !S_ISREG(st.st_mode))
    {
        return;
    }

    (void) atomic_fetch_add(&control->calls, 1);

    while (atomic_load(&control->every) != 0) {
        (void) usleep(1000);
    }
}


int
fdatasync(int fd)
{
    sync_stands(fd);

    return REAL(fdatasync)(fd);
}


int
fsync(int fd)
{
    sync_stands(fd);

    return REAL(fsync)(fd);
}
