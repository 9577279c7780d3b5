/*
 * Times for people and programs, without the C library's calendar: gmtime()
 * reads the environment and printf() the locale, and this is the hot path.
 */

#include <string.h>

#include "async_date.h"
#include "async_time.h"


#define ASYNC_MS_PER_DAY  86400000ll
#define ASYNC_TIME_LAST   253402300799999ll     /* 9999-12-31T23:59:59.999Z */


typedef struct {
    const char  *pos;
    const char  *end;
} async_time_text_t;


static inline char *async_time_digits(char *out, uint32_t v);

static bool async_date_parse(async_time_text_t *text, int64_t *days);
static bool async_clock_parse(async_time_text_t *text, int64_t *seconds,
    bool *leap);
static bool async_fraction_parse(async_time_text_t *text, int64_t *ms);
static bool async_offset_parse(async_time_text_t *text, int64_t *seconds);
static bool async_time_number(async_time_text_t *text, int width,
    unsigned min, unsigned max, unsigned *v);
static bool async_time_next(async_time_text_t *text, char c);


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

    date = async_date(ms / ASYNC_MS_PER_DAY);
    rest = (uint32_t) (ms % ASYNC_MS_PER_DAY);

    out = async_time_digits(out, date.year / 100);
    out = async_time_digits(out, date.year % 100);
    *out++ = '-';
    out = async_time_digits(out, date.month);
    *out++ = '-';
    out = async_time_digits(out, date.day);
    *out++ = 'T';
    out = async_time_digits(out, rest / 3600000);
    *out++ = ':';
    out = async_time_digits(out, rest / 60000 % 60);
    *out++ = ':';
    out = async_time_digits(out, rest / 1000 % 60);
    *out++ = '.';
    *out++ = (char) ('0' + rest % 1000 / 100);
    out = async_time_digits(out, rest % 100);
    *out++ = 'Z';

    return out;
}


/* two of them */

static inline char *
async_time_digits(char *out, uint32_t v)
{
    *out++ = (char) ('0' + v / 10);
    *out++ = (char) ('0' + v % 10);

    return out;
}


bool
async_time_parse(int64_t *ms, const char *text, size_t len)
{
    bool               leap;
    int64_t            days, clock, fraction, offset, seconds;
    async_time_text_t  rest;

    if (len == 0) {
        return false;
    }

    rest.pos = text;
    rest.end = text + len;

    if (!async_date_parse(&rest, &days)
        || !(async_time_next(&rest, 'T') || async_time_next(&rest, 't'))
        || !async_clock_parse(&rest, &clock, &leap)
        || !async_fraction_parse(&rest, &fraction)
        || !async_offset_parse(&rest, &offset)
        || rest.pos != rest.end)
    {
        return false;
    }

    seconds = days * 86400 + clock - offset;

    if (leap && seconds % 86400 != 0) {
        return false;
    }

    *ms = seconds * 1000 + fraction;

    return true;
}


static bool
async_date_parse(async_time_text_t *text, int64_t *days)
{
    async_date_t  date;

    memset(&date, 0, sizeof(async_date_t));

    if (!async_time_number(text, 4, 0, 9999, &date.year)
        || !async_time_next(text, '-')
        || !async_time_number(text, 2, 1, 12, &date.month)
        || !async_time_next(text, '-')
        || !async_time_number(text, 2, 1, async_date_month(&date), &date.day))
    {
        return false;
    }

    *days = async_date_days(&date);

    return true;
}


static bool
async_clock_parse(async_time_text_t *text, int64_t *seconds, bool *leap)
{
    unsigned  hour, minute, second;

    if (!async_time_number(text, 2, 0, 23, &hour)
        || !async_time_next(text, ':')
        || !async_time_number(text, 2, 0, 59, &minute)
        || !async_time_next(text, ':')
        || !async_time_number(text, 2, 0, 60, &second))
    {
        return false;
    }

    *leap = (second == 60);
    *seconds = hour * 3600 + minute * 60 + second;

    return true;
}


static bool
async_fraction_parse(async_time_text_t *text, int64_t *ms)
{
    int       scale;
    unsigned  digit;

    *ms = 0;

    if (!async_time_next(text, '.')) {
        return true;
    }

    if (!async_time_number(text, 1, 0, 9, &digit)) {
        return false;
    }

    scale = 100;

    do {
        *ms += digit * scale;
        scale /= 10;
    } while (async_time_number(text, 1, 0, 9, &digit));

    return true;
}


static bool
async_offset_parse(async_time_text_t *text, int64_t *seconds)
{
    bool      west;
    unsigned  hours, minutes;

    *seconds = 0;

    if (async_time_next(text, 'Z') || async_time_next(text, 'z')) {
        return true;
    }

    west = async_time_next(text, '-');

    if (!(west || async_time_next(text, '+'))
        || !async_time_number(text, 2, 0, 23, &hours)
        || !async_time_next(text, ':')
        || !async_time_number(text, 2, 0, 59, &minutes))
    {
        return false;
    }

    *seconds = hours * 3600 + minutes * 60;

    if (west) {
        *seconds = -*seconds;
    }

    return true;
}


/* exactly so many digits; where they are not, nothing is taken */

static bool
async_time_number(async_time_text_t *text, int width, unsigned min,
    unsigned max, unsigned *v)
{
    int       i;
    unsigned  n;

    if (text->end - text->pos < width) {
        return false;
    }

    n = 0;

    for (i = 0; i < width; i++) {

        if (text->pos[i] < '0' || text->pos[i] > '9') {
            return false;
        }

        n = n * 10 + (unsigned) (text->pos[i] - '0');
    }

    if (n < min || n > max) {
        return false;
    }

    text->pos += width;
    *v = n;

    return true;
}


static bool
async_time_next(async_time_text_t *text, char c)
{
    if (text->pos < text->end && *text->pos == c) {
        text->pos++;
        return true;
    }

    return false;
}
