/*
 * The Gregorian calendar, without the C library's: that reads the environment
 * for a time zone, and this is pure arithmetic.  Years 0000..9999.
 */

#ifndef ASYNC_DATE_H
#define ASYNC_DATE_H

#include <stdint.h>


#define ASYNC_DAY  86400            /* seconds */


typedef struct {
    unsigned  year;
    unsigned  month;                /* 1..12 */
    unsigned  day;                  /* 1..31 */
} async_date_t;


/* days since 1970-01-01, and the other way round */
async_date_t async_date(int64_t days);
int64_t async_date_days(const async_date_t *date);
/* days of the date's month */
unsigned async_date_month(const async_date_t *date);
/* 0 = Sunday */
unsigned async_date_weekday(int64_t days);


#endif /* ASYNC_DATE_H */
