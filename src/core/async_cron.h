/*
 * Times that come again, in the words of crontab(5): minute, hour, day of the
 * month, month, day of the week, or one word such as @daily.  If both days are
 * given, either will do; if one of them begins with "*", both must fit.
 *
 * Where clocks are changed:
 *
 *   a time that does not exist is made up for once, right after the gap
 *   a time that there is twice counts the first time only
 *   with an hour that begins with "*" the clock is taken as it goes: nothing
 *   is made up for, and what there is twice counts twice
 */

#ifndef ASYNC_CRON_H
#define ASYNC_CRON_H

#include "async_zone.h"


#define ASYNC_CRON_TEXT  256        /* bytes of an expression */


typedef struct {
    uint64_t  minutes;              /* a bit each, from 0 on */
    uint32_t  hours;
    uint32_t  days;                 /* bit 1 is the first */
    uint16_t  months;               /* the same */
    uint8_t   weekdays;             /* bit 0 is Sunday */
    bool      both;                 /* days, weekdays: both must fit */
    bool      elapsed;              /* the hour begins with "*" */
} async_cron_t;


/* ASYNC_INVALID, and which field is wrong in what */
async_rc_t async_cron_parse(async_cron_t *cron, async_str_t text,
    async_error_t *err);
/* the first time after this one; unix ms, both; 0: none for decades */
int64_t async_cron_next(const async_cron_t *cron, const async_zone_t *zone,
    int64_t after);


#endif /* ASYNC_CRON_H */
