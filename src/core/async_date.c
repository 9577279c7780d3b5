#include "async_date.h"


/* from 0000-03-01 to 1970-01-01 */
#define ASYNC_DATE_EPOCH  719468


/*
 * Days since 1970-01-01 to a date of the Gregorian calendar.  Counted from
 * 0000-03-01 in eras of 400 years, so that the leap day is the last of its
 * year and a month's length follows from arithmetic alone (H. Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms", civil_from_days).
 */

async_date_t
async_date(int64_t days)
{
    uint32_t      era, doe, yoe, doy, mp;
    async_date_t  date;

    days += ASYNC_DATE_EPOCH;
    era = (uint32_t) (days / 146097);
    doe = (uint32_t) (days % 146097);       /* day of the era */
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;               /* 0 = March */

    date.day = doy - (153 * mp + 2) / 5 + 1;
    date.month = (mp < 10) ? mp + 3 : mp - 9;
    date.year = yoe + era * 400 + (date.month <= 2);

    return date;
}


/* for all years (days_from_civil) */

int64_t
async_date_days(const async_date_t *date)
{
    unsigned  year, era, yoe, doy, doe;

    /* one era more, so that March of the year -1 is no exception */

    year = date->year + 400 - (date->month <= 2);
    era = year / 400;
    yoe = year % 400;
    doy = (153 * (date->month > 2 ? date->month - 3 : date->month + 9) + 2) / 5
          + date->day - 1;
    doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

    return ((int64_t) era - 1) * 146097 + doe - ASYNC_DATE_EPOCH;
}


unsigned
async_date_month(const async_date_t *date)
{
    switch (date->month) {

    case 2:
        return (date->year % 4 == 0
                && (date->year % 100 != 0 || date->year % 400 == 0))
               ? 29 : 28;

    case 4:
    case 6:
    case 9:
    case 11:
        return 30;

    default:
        return 31;
    }
}


/* 1970-01-01 was a Thursday */

unsigned
async_date_weekday(int64_t days)
{
    return (unsigned) ((days % 7 + 7 + 4) % 7);
}
