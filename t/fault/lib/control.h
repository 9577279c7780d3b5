/*
 * The file by which a test tells the preloaded libraries what to do, mapped
 * by all processes that have them: FAULT_CONTROL names it (AsyncPreload.pm
 * writes it, field by field in this order).
 */

#ifndef CONTROL_H
#define CONTROL_H

#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>


typedef struct {
    _Atomic int64_t  every;        /* that many-th call fails; 0: none */
    _Atomic int64_t  calls;        /* that could have failed */
    _Atomic int64_t  failed;
    _Atomic int64_t  offset;       /* of the clock, ms */
    _Atomic int64_t  room;         /* bytes that the disk has left, and 1 */
    _Atomic int64_t  part;         /* a write that fails does so halfway */
    _Atomic int64_t  held;         /* whose loop stands, a pid */
} control_t;


#define REAL(name)  ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))


static control_t   control_none;
static control_t  *control = &control_none;


__attribute__((constructor))
static void
control_begin(void)
{
    int          fd;
    void        *map;
    const char  *path;

    path = getenv("FAULT_CONTROL");
    fd = path != NULL ? open(path, O_RDWR|O_CLOEXEC) : -1;

    if (fd != -1) {
        map = mmap(NULL, sizeof(control_t), PROT_READ|PROT_WRITE, MAP_SHARED,
                   fd, 0);
        control = map != MAP_FAILED ? map : &control_none;
        close(fd);
    }
}


/* it is this call's turn to fail */

__attribute__((unused))
static bool
control_fails(void)
{
    int64_t  every;

    every = atomic_load(&control->every);

    if (every == 0
        || (atomic_fetch_add(&control->calls, 1) + 1) % every != 0)
    {
        return false;
    }

    atomic_fetch_add(&control->failed, 1);

    return true;
}


#endif /* CONTROL_H */
