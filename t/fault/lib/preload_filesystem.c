/* Every file lies on the filesystem that FAULT_MAGIC names (statfs(2)). */

#include <sys/vfs.h>

#include "control.h"


int
fstatfs(int fd, struct statfs *st)
{
    int          rc;
    const char  *magic;

    rc = REAL(fstatfs)(fd, st);
    magic = getenv("FAULT_MAGIC");

    if (rc == 0 && magic != NULL) {
        st->f_type = (__fsword_t) strtoul(magic, NULL, 16);
    }

    return rc;
}
