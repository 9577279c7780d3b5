/*
 * A time zone: when its clocks go by which offset from UTC.  The bytes are
 * those of a file of the system's time zone data (TZif, RFC 8536); who reads
 * it is no matter here.  The C library's own ways to it all go by the
 * environment of the process, which is nginx's and not ours to change.
 *
 * All times here are seconds since 1970 in UTC, offsets seconds to the east.
 */

#ifndef ASYNC_ZONE_H
#define ASYNC_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "async_rc.h"
#include "async_record.h"


#define ASYNC_ZONE_NAME  64         /* bytes of a name */


/* a day in each year, as in the environment variable TZ of POSIX */
typedef struct {
    char      kind;                 /* 'M', 'J', or '0': days from 0 on */
    uint16_t  day;                  /* of 'M': of the week, 0 = Sunday */
    uint8_t   month;                /* of 'M', as the next */
    uint8_t   week;                 /* 5 = the last */
    int32_t   time;                 /* seconds of that day, local */
} async_zone_day_t;

/* borrows the bytes that it was decoded from */
typedef struct {
    const uint8_t     *times;       /* changes, big-endian, rising */
    const uint8_t     *which;       /* type after each */
    const uint8_t     *types;       /* NULL: UTC */
    unsigned           ntimes;
    unsigned           width;       /* bytes of a time */

    bool               rule;        /* what holds after the last change */
    bool               daylight;
    int32_t            offset;
    int32_t            summer;      /* with daylight, as the next two */
    async_zone_day_t   start;
    async_zone_day_t   end;
} async_zone_t;

/* a time in which nothing changes: from <= t < to */
typedef struct {
    int64_t  from;                  /* INT64_MIN: ever since */
    int64_t  to;                    /* INT64_MAX: for good */
    int32_t  offset;
    int32_t  before;                /* the offset until from */
} async_zone_span_t;


/* ASYNC_CORRUPT: these are not the bytes of a time zone */
async_rc_t async_zone_decode(async_zone_t *zone, const void *data,
    size_t len);
void async_zone_utc(async_zone_t *zone);
void async_zone_span(const async_zone_t *zone, int64_t t,
    async_zone_span_t *span);
/* "Area/City": letters, digits, "_", "+", "-", and no way out of a folder */
bool async_zone_name(async_str_t name);


#endif /* ASYNC_ZONE_H */
