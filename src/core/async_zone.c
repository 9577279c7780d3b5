/*
 * TZif: a header and a block with times of 32 bits, then, from version 2 on,
 * the same with 64 bits, and a line with what holds after the last of them:
 *
 *   offset size                          offset size
 *        0    4  "TZif"                      20  4 * 6  isut, isstd, leap,
 *        4    1  version, 0 or '2'...                   times, types, chars
 *        5   15  nothing
 *
 *   times * width, times * 1 (which type), types * 6 (i32 offset, daylight,
 *   name), chars, leap * (width + 4), isstd, isut
 */

#include <string.h>

#include "async_date.h"
#include "async_zone.h"


#define ASYNC_ZONE_HEADER  44
#define ASYNC_ZONE_TYPE    6
#define ASYNC_ZONE_TYPES   256      /* at most, one byte says which */
#define ASYNC_ZONE_TIMES   65536    /* at most that we believe in */
#define ASYNC_ZONE_OFFSET  93600    /* RFC 8536: below 26 hours */
#define ASYNC_ZONE_CHANGES 6        /* of three years */
#define ASYNC_ZONE_HOURS   167      /* of a time in a rule, RFC 8536 */


typedef struct {
    uint32_t  isut;
    uint32_t  isstd;
    uint32_t  leap;
    uint32_t  times;
    uint32_t  types;
    uint32_t  chars;
} async_zone_counts_t;

typedef struct {
    const char  *pos;
    const char  *end;
} async_zone_text_t;

typedef struct {
    int64_t  at;
    int32_t  offset;                /* from then on */
} async_zone_change_t;


static bool async_zone_header(const uint8_t *data, size_t len,
    async_zone_counts_t *counts);
static size_t async_zone_size(const async_zone_counts_t *counts,
    unsigned width);
static bool async_zone_block(async_zone_t *zone, const uint8_t *data,
    const async_zone_counts_t *counts, unsigned width);
static int64_t async_zone_time(const async_zone_t *zone, unsigned i);
static int32_t async_zone_offset(const async_zone_t *zone, unsigned type);
static bool async_zone_rule(async_zone_t *zone, const char *data,
    size_t len);
static bool async_zone_rule_name(async_zone_text_t *text);
static bool async_zone_rule_time(async_zone_text_t *text, int32_t *seconds);
static bool async_zone_rule_day(async_zone_text_t *text,
    async_zone_day_t *day);
static bool async_zone_next(async_zone_text_t *text, char c);
static bool async_zone_number(async_zone_text_t *text, unsigned min,
    unsigned max, unsigned *number);
static void async_zone_ruled(const async_zone_t *zone, int64_t t,
    async_zone_span_t *span);
static void async_zone_sort(async_zone_change_t *list, int32_t winter);
static int64_t async_zone_change(const async_zone_day_t *day, unsigned year,
    int32_t offset);


async_rc_t
async_zone_decode(async_zone_t *zone, const void *data, size_t len)
{
    size_t                size;
    const uint8_t        *p;
    async_zone_counts_t   counts;

    async_zone_utc(zone);

    p = data;

    if (!async_zone_header(p, len, &counts)) {
        return ASYNC_CORRUPT;
    }

    size = async_zone_size(&counts, 4);

    if (size > len) {
        return ASYNC_CORRUPT;
    }

    if (p[4] == 0) {
        return async_zone_block(zone, p, &counts, 4) ? ASYNC_OK
                                                     : ASYNC_CORRUPT;
    }

    p += size;
    len -= size;

    if (!async_zone_header(p, len, &counts)) {
        return ASYNC_CORRUPT;
    }

    size = async_zone_size(&counts, 8);

    if (size > len || !async_zone_block(zone, p, &counts, 8)
        || !async_zone_rule(zone, (const char *) p + size, len - size))
    {
        return ASYNC_CORRUPT;
    }

    return ASYNC_OK;
}


void
async_zone_utc(async_zone_t *zone)
{
    memset(zone, 0, sizeof(async_zone_t));
}


static bool
async_zone_header(const uint8_t *data, size_t len,
    async_zone_counts_t *counts)
{
    if (len < ASYNC_ZONE_HEADER || memcmp(data, "TZif", 4) != 0
        || (data[4] != 0 && data[4] < '2'))
    {
        return false;
    }

    counts->isut = async_get_be32(data + 20);
    counts->isstd = async_get_be32(data + 24);
    counts->leap = async_get_be32(data + 28);
    counts->times = async_get_be32(data + 32);
    counts->types = async_get_be32(data + 36);
    counts->chars = async_get_be32(data + 40);

    return counts->isut <= ASYNC_ZONE_TYPES
           && counts->isstd <= ASYNC_ZONE_TYPES
           && counts->leap <= ASYNC_ZONE_TIMES
           && counts->times <= ASYNC_ZONE_TIMES
           && counts->types <= ASYNC_ZONE_TYPES
           && counts->chars <= ASYNC_ZONE_TIMES;
}


static size_t
async_zone_size(const async_zone_counts_t *counts, unsigned width)
{
    return ASYNC_ZONE_HEADER + (size_t) counts->times * (width + 1)
           + (size_t) counts->types * ASYNC_ZONE_TYPE + counts->chars
           + (size_t) counts->leap * (width + 4) + counts->isstd
           + counts->isut;
}


/* all of it is looked at here: what reads it later need not */

static bool
async_zone_block(async_zone_t *zone, const uint8_t *data,
    const async_zone_counts_t *counts, unsigned width)
{
    unsigned  i;

    if (counts->types == 0) {
        return false;
    }

    zone->ntimes = counts->times;
    zone->width = width;
    zone->times = data + ASYNC_ZONE_HEADER;
    zone->which = zone->times + (size_t) counts->times * width;
    zone->types = zone->which + counts->times;

    for (i = 0; i < counts->times; i++) {

        if (zone->which[i] >= counts->types
            || (i > 0
                && async_zone_time(zone, i) <= async_zone_time(zone, i - 1)))
        {
            return false;
        }
    }

    for (i = 0; i < counts->types; i++) {

        if (async_zone_offset(zone, i) <= -ASYNC_ZONE_OFFSET
            || async_zone_offset(zone, i) >= ASYNC_ZONE_OFFSET)
        {
            return false;
        }
    }

    return true;
}


static int64_t
async_zone_time(const async_zone_t *zone, unsigned i)
{
    return zone->width == 8
           ? (int64_t) async_get_be64(zone->times + (size_t) i * 8)
           : (int32_t) async_get_be32(zone->times + (size_t) i * 4);
}


static int32_t
async_zone_offset(const async_zone_t *zone, unsigned type)
{
    return (int32_t) async_get_be32(zone->types
                                    + (size_t) type * ASYNC_ZONE_TYPE);
}


/* --- the last line: "CET-1CEST,M3.5.0,M10.5.0/3", or nothing --- */

static bool
async_zone_rule(async_zone_t *zone, const char *data, size_t len)
{
    int32_t            west;
    const char        *end;
    async_zone_text_t  text;

    if (len < 2 || data[0] != '\n') {
        return false;
    }

    end = memchr(data + 1, '\n', len - 1);

    if (end == NULL) {
        return false;
    }

    text.pos = data + 1;
    text.end = end;

    if (text.pos == text.end) {
        return true;
    }

    if (!async_zone_rule_name(&text) || !async_zone_rule_time(&text, &west)) {
        return false;
    }

    zone->rule = true;
    zone->offset = -west;

    if (text.pos == text.end) {
        return true;
    }

    zone->daylight = true;
    zone->summer = zone->offset + 3600;

    if (!async_zone_rule_name(&text)) {
        return false;
    }

    if (text.pos < text.end && *text.pos != ',') {

        if (!async_zone_rule_time(&text, &west)) {
            return false;
        }

        zone->summer = -west;
    }

    return async_zone_next(&text, ',')
           && async_zone_rule_day(&text, &zone->start)
           && async_zone_next(&text, ',')
           && async_zone_rule_day(&text, &zone->end)
           && text.pos == text.end;
}


static bool
async_zone_rule_name(async_zone_text_t *text)
{
    const char  *start;

    start = text->pos;

    if (async_zone_next(text, '<')) {

        while (text->pos < text->end && *text->pos != '>') {
            text->pos++;
        }

        return async_zone_next(text, '>');
    }

    while (text->pos < text->end
           && ((*text->pos >= 'a' && *text->pos <= 'z')
               || (*text->pos >= 'A' && *text->pos <= 'Z')))
    {
        text->pos++;
    }

    return text->pos - start >= 3;
}


/* hours, minutes and seconds, with a sign or without */

static bool
async_zone_rule_time(async_zone_text_t *text, int32_t *seconds)
{
    bool      minus;
    unsigned  hours, minutes, rest;

    minutes = 0;
    rest = 0;

    minus = async_zone_next(text, '-');

    if (!minus) {
        (void) async_zone_next(text, '+');
    }

    if (!async_zone_number(text, 0, ASYNC_ZONE_HOURS, &hours)
        || (async_zone_next(text, ':')
            && (!async_zone_number(text, 0, 59, &minutes)
                || (async_zone_next(text, ':')
                    && !async_zone_number(text, 0, 59, &rest)))))
    {
        return false;
    }

    *seconds = (int32_t) (hours * 3600 + minutes * 60 + rest);

    if (minus) {
        *seconds = -*seconds;
    }

    return true;
}


static bool
async_zone_rule_day(async_zone_text_t *text, async_zone_day_t *day)
{
    unsigned  month, week, number;

    day->time = 2 * 3600;

    if (async_zone_next(text, 'M')) {
        day->kind = 'M';

        if (!async_zone_number(text, 1, 12, &month)
            || !async_zone_next(text, '.')
            || !async_zone_number(text, 1, 5, &week)
            || !async_zone_next(text, '.')
            || !async_zone_number(text, 0, 6, &number))
        {
            return false;
        }

        day->month = (uint8_t) month;
        day->week = (uint8_t) week;

    } else if (async_zone_next(text, 'J')) {
        day->kind = 'J';

        if (!async_zone_number(text, 1, 365, &number)) {
            return false;
        }

    } else {
        day->kind = '0';

        if (!async_zone_number(text, 0, 365, &number)) {
            return false;
        }
    }

    day->day = (uint16_t) number;

    return !async_zone_next(text, '/')
           || async_zone_rule_time(text, &day->time);
}


static bool
async_zone_next(async_zone_text_t *text, char c)
{
    if (text->pos < text->end && *text->pos == c) {
        text->pos++;
        return true;
    }

    return false;
}


static bool
async_zone_number(async_zone_text_t *text, unsigned min, unsigned max,
    unsigned *number)
{
    const char  *start;

    start = text->pos;
    *number = 0;

    while (text->pos < text->end && text->pos - start < 3
           && *text->pos >= '0' && *text->pos <= '9')
    {
        *number = *number * 10 + (unsigned) (*text->pos - '0');
        text->pos++;
    }

    return text->pos > start && *number >= min && *number <= max;
}


/* --- looking up --- */

void
async_zone_span(const async_zone_t *zone, int64_t t, async_zone_span_t *span)
{
    int32_t   before;
    int64_t   last;
    unsigned  from, to, mid;

    span->from = INT64_MIN;
    span->to = INT64_MAX;
    span->offset = zone->types == NULL ? 0 : async_zone_offset(zone, 0);
    span->before = span->offset;

    /* the number of changes up to t */

    for (from = 0, to = zone->ntimes; from < to; /* void */) {
        mid = from + (to - from) / 2;

        if (async_zone_time(zone, mid) <= t) {
            from = mid + 1;

        } else {
            to = mid;
        }
    }

    if (from > 0) {
        span->from = async_zone_time(zone, from - 1);
        span->offset = async_zone_offset(zone, zone->which[from - 1]);
    }

    if (from > 1) {
        span->before = async_zone_offset(zone, zone->which[from - 2]);
    }

    if (from < zone->ntimes) {
        span->to = async_zone_time(zone, from);
        return;
    }

    if (zone->rule) {
        last = span->from;
        before = span->before;

        async_zone_ruled(zone, t, span);

        if (zone->ntimes > 0 && span->from <= last) {
            span->from = last;
            span->before = before;
        }
    }
}


/* three years have the change before t, and the one after it */

static void
async_zone_ruled(const async_zone_t *zone, int64_t t, async_zone_span_t *span)
{
    unsigned             i, year;
    async_date_t         date;
    async_zone_change_t  list[ASYNC_ZONE_CHANGES];

    span->from = INT64_MIN;
    span->to = INT64_MAX;
    span->offset = zone->offset;
    span->before = zone->offset;

    if (!zone->daylight) {
        return;
    }

    date = async_date(t > 0 ? (t + zone->offset) / ASYNC_DAY : 0);

    for (i = 0; i < ASYNC_ZONE_CHANGES; i++) {
        year = date.year - 1 + i / 2;

        if (i % 2 == 0) {
            list[i].at = async_zone_change(&zone->start, year, zone->offset);
            list[i].offset = zone->summer;

        } else {
            list[i].at = async_zone_change(&zone->end, year, zone->summer);
            list[i].offset = zone->offset;
        }
    }

    async_zone_sort(list, zone->offset);

    for (i = 0; i < ASYNC_ZONE_CHANGES && list[i].at <= t; i++) {
        span->before = span->offset;
        span->from = list[i].at;
        span->offset = list[i].offset;
    }

    if (i < ASYNC_ZONE_CHANGES) {
        span->to = list[i].at;
    }
}


/* of two at once, the start of the next summer is the last */

static void
async_zone_sort(async_zone_change_t *list, int32_t winter)
{
    unsigned             i, k;
    async_zone_change_t  change;

    for (i = 1; i < ASYNC_ZONE_CHANGES; i++) {
        change = list[i];

        for (k = i;
             k > 0 && (list[k - 1].at > change.at
                       || (list[k - 1].at == change.at
                           && change.offset == winter));
             k--)
        {
            list[k] = list[k - 1];
        }

        list[k] = change;
    }
}


static int64_t
async_zone_change(const async_zone_day_t *day, unsigned year, int32_t offset)
{
    bool          leap;
    int64_t       days;
    unsigned      first;
    async_date_t  date;

    date.year = year;
    date.month = day->kind == 'M' ? day->month : 1;
    date.day = 1;

    days = async_date_days(&date);

    switch (day->kind) {

    case 'M':
        first = (day->day + 7 - async_date_weekday(days)) % 7;
        first += (day->week - 1) * 7;

        if (first >= async_date_month(&date)) {
            first -= 7;
        }

        days += first;
        break;

    case 'J':

        /* as if no year had a February 29 */

        date.month = 2;
        leap = async_date_month(&date) == 29;
        days += day->day - 1 + (leap && day->day >= 60);
        break;

    default:
        days += day->day;
        break;
    }

    return days * ASYNC_DAY + day->time - offset;
}


bool
async_zone_name(async_str_t name)
{
    char    c;
    size_t  i;

    if (name.len == 0 || name.len > ASYNC_ZONE_NAME || name.data[0] == '/'
        || name.data[name.len - 1] == '/')
    {
        return false;
    }

    for (i = 0; i < name.len; i++) {
        c = name.data[i];

        if (c == '/' ? name.data[i - 1] == '/'
                     : !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
                         || (c >= '0' && c <= '9') || c == '_' || c == '+'
                         || c == '-'))
        {
            return false;
        }
    }

    return true;
}
