/*
 * Times for people and programs, without the C library's calendar: gmtime()
 * reads the environment and printf() the locale, and this is the hot path.
 */

#include "async_time.h"


#define ASYNC_MS_PER_DAY  86400000ll
#define ASYNC_TIME_LAST   253402300799999ll     /* 9999-12-31T23:59:59.999Z */


typedef struct {
    unsigned  year;
    unsigned  month;        /* 1..12 */
    unsigned  day;          /* 1..31 */
} async_date_t;


static async_date_t async_date(uint32_t days);
static char *async_time_digits(char *out, uint32_t v, int width);


char *
async_time_format(char *out, int64_t ms)
{
    uint32_t      rest;
    async_date_t  date;

    if (ms < 0) {
        ms = 0;
    }

    if (ms > ASYNC_TIME_LAST) {
        ms = ASYNC_TIME_LAST;
    }

    date = async_date((uint32_t) (ms / ASYNC_MS_PER_DAY));
    rest = (uint32_t) (ms % ASYNC_MS_PER_DAY);

    out = async_time_digits(out, date.year, 4);
    *out++ = '-';
    out = async_time_digits(out, date.month, 2);
    *out++ = '-';
    out = async_time_digits(out, date.day, 2);
    *out++ = 'T';
    out = async_time_digits(out, rest / 3600000, 2);
    *out++ = ':';
    out = async_time_digits(out, rest / 60000 % 60, 2);
    *out++ = ':';
    out = async_time_digits(out, rest / 1000 % 60, 2);
    *out++ = '.';
    out = async_time_digits(out, rest % 1000, 3);
    *out++ = 'Z';

    return out;
}


/*
 * Days since 1970-01-01 to a date of the Gregorian calendar.  Counted from
 * 0000-03-01 in eras of 400 years, so that the leap day is the last of its
 * year and a month's length follows from arithmetic alone (H. Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms", civil_from_days).
 */

static async_date_t
async_date(uint32_t days)
{
    uint32_t      era, doe, yoe, doy, mp;
    async_date_t  date;

    days += 719468;                 /* from 0000-03-01 to 1970-01-01 */
    era = days / 146097;
    doe = days % 146097;            /* day of the era */
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;       /* 0 = March */

    date.day = doy - (153 * mp + 2) / 5 + 1;
    date.month = (mp < 10) ? mp + 3 : mp - 9;
    date.year = yoe + era * 400 + (date.month <= 2);

    return date;
}


static char *
async_time_digits(char *out, uint32_t v, int width)
{
    int  i;

    for (i = width - 1; i >= 0; i--) {
        out[i] = (char) ('0' + v % 10);
        v /= 10;
    }

    return out + width;
}
