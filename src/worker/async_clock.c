#include "async_clock.h"


int64_t
async_clock_ms(clockid_t clock)
{
    struct timespec  ts;

    clock_gettime(clock, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


int64_t
async_clock_look(async_clock_t *clock, int64_t wall, int64_t boot)
{
    int64_t  jump;

    jump = clock->known ? wall - boot - clock->offset : 0;

    clock->offset = wall - boot;
    clock->known = true;

    if (jump > -ASYNC_CLOCK_JUMP && jump < ASYNC_CLOCK_JUMP) {
        return 0;
    }

    clock->sure = boot + ASYNC_CLOCK_DOUBT;

    return jump;
}


bool
async_clock_sure(const async_clock_t *clock, int64_t boot)
{
    return boot >= clock->sure;
}
