
/*
 * Preloaded into nginx, to count what it makes the disk do: the file that
 * BENCH_SYNCS names holds a number of 8 bytes, of fdatasync() and fsync()
 * calls that succeeded.
 */

#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>


typedef int (*sync_pt)(int fd);


static void sync_count(void);


static _Atomic uint64_t  *sync_counter;


__attribute__((constructor))
static void
sync_init(void)
{
    int          fd;
    void        *map;
    const char  *path = getenv("BENCH_SYNCS");

    fd = path ? open(path, O_RDWR|O_CLOEXEC) : -1;

    if (fd == -1) {
        return;
    }

    map = mmap(NULL, sizeof(uint64_t), PROT_READ|PROT_WRITE, MAP_SHARED, fd,
               0);

    if (map != MAP_FAILED) {
        sync_counter = map;
    }

    close(fd);
}


int
fdatasync(int fd)
{
    int             rc;
    static sync_pt  real;

    if (real == NULL) {
        real = (sync_pt) dlsym(RTLD_NEXT, "fdatasync");
    }

    rc = real(fd);

    if (rc == 0) {
        sync_count();
    }

    return rc;
}


int
fsync(int fd)
{
    int             rc;
    static sync_pt  real;

    if (real == NULL) {
        real = (sync_pt) dlsym(RTLD_NEXT, "fsync");
    }

    rc = real(fd);

    if (rc == 0) {
        sync_count();
    }

    return rc;
}


static void
sync_count(void)
{
    if (sync_counter) {
        (*sync_counter)++;
    }
}
