/*
 * The wall clock, watched.  What is due is stored as wall time, and an
 * administrator, NTP or a bad battery may set that clock: a jump is told, and
 * for a while nothing is thrown away by it.  Times in ms.
 */

#ifndef ASYNC_CLOCK_H
#define ASYNC_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>


#define ASYNC_CLOCK_JUMP   60000   /* less is a correction, no jump */
#define ASYNC_CLOCK_DOUBT  10000   /* how long it must hold after one */

typedef struct {
    int64_t  offset;               /* of wall to boot, as last seen */
    int64_t  sure;                 /* boot: not trusted before */
    bool     known;
} async_clock_t;


int64_t async_clock_ms(clockid_t clock);

/*
 * Tells the clock's state as it is now: wall is CLOCK_REALTIME, boot
 * CLOCK_BOOTTIME.  Returns by how much it jumped since the last call, 0 if it
 * did not.
 */
int64_t async_clock_look(async_clock_t *clock, int64_t wall, int64_t boot);
/* whether what has expired by it has */
bool async_clock_sure(const async_clock_t *clock, int64_t boot);


#endif /* ASYNC_CLOCK_H */
