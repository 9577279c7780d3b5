#include <string.h>

#include "async_cron.h"
#include "async_date.h"


#define ASYNC_CRON_FIELDS  5
#define ASYNC_CRON_YEARS   60       /* 29 February on a given weekday: 40 */
#define ASYNC_CRON_SHOWN   40       /* bytes of what is wrong */


typedef enum {
    ASYNC_CRON_MINUTE,
    ASYNC_CRON_HOUR,
    ASYNC_CRON_DAY,
    ASYNC_CRON_MONTH,
    ASYNC_CRON_WEEKDAY
} async_cron_field_t;

typedef struct {
    const char  *name;
    unsigned     min;
    unsigned     max;
    const char  *words;             /* three letters each, from min on */
    const char  *range;
} async_cron_unit_t;

typedef struct {
    const async_cron_unit_t  *unit;
    async_str_t               text; /* the whole field */
    const char               *pos;
    const char               *end;
} async_cron_text_t;


static int async_cron_shown(async_str_t text);
static async_str_t async_cron_word(async_str_t text);
static bool async_cron_blank(char c);
static bool async_cron_fields(async_str_t text, async_str_t *fields,
    async_error_t *err);
static bool async_cron_field(async_cron_field_t field, async_str_t text,
    uint64_t *bits, async_error_t *err);
static const char *async_cron_item(async_cron_text_t *text, uint64_t *bits);
static bool async_cron_value(async_cron_text_t *text, unsigned *value,
    bool *word);
static bool async_cron_number(async_cron_text_t *text, unsigned *value);
static bool async_cron_take(async_cron_text_t *text, char c);
static int64_t async_cron_local(const async_cron_t *cron, int64_t from);
static int64_t async_cron_minute(const async_cron_t *cron, int64_t from);
static bool async_cron_day(const async_cron_t *cron, const async_date_t *date,
    int64_t days);


static const async_cron_unit_t  async_cron_units[ASYNC_CRON_FIELDS] = {
    { "minute", 0, 59, "", "0 to 59" },
    { "hour", 0, 23, "", "0 to 23" },
    { "day of the month", 1, 31, "", "1 to 31" },
    { "month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec",
      "1 to 12, or jan to dec" },
    { "day of the week", 0, 7, "sunmontuewedthufrisat",
      "0 to 7, both Sunday, or sun to sat" }
};

static const struct {
    const char  *word;
    const char  *text;
} async_cron_words[] = {
    { "@yearly", "0 0 1 1 *" },
    { "@annually", "0 0 1 1 *" },
    { "@monthly", "0 0 1 * *" },
    { "@weekly", "0 0 * * 0" },
    { "@daily", "0 0 * * *" },
    { "@midnight", "0 0 * * *" },
    { "@hourly", "0 * * * *" }
};


async_rc_t
async_cron_parse(async_cron_t *cron, async_str_t text, async_error_t *err)
{
    unsigned     i;
    uint64_t     bits[ASYNC_CRON_FIELDS];
    async_str_t  fields[ASYNC_CRON_FIELDS];

    memset(cron, 0, sizeof(async_cron_t));

    if (text.len > ASYNC_CRON_TEXT) {
        async_error_set(err, "it is longer than %d bytes", ASYNC_CRON_TEXT);
        return ASYNC_INVALID;
    }

    if (!async_cron_fields(async_cron_word(text), fields, err)) {
        return ASYNC_INVALID;
    }

    for (i = 0; i < ASYNC_CRON_FIELDS; i++) {
        if (!async_cron_field((async_cron_field_t) i, fields[i], &bits[i],
                              err))
        {
            return ASYNC_INVALID;
        }
    }

    cron->minutes = bits[ASYNC_CRON_MINUTE];
    cron->hours = (uint32_t) bits[ASYNC_CRON_HOUR];
    cron->days = (uint32_t) bits[ASYNC_CRON_DAY];
    cron->months = (uint16_t) bits[ASYNC_CRON_MONTH];
    cron->weekdays = (uint8_t) ((bits[ASYNC_CRON_WEEKDAY] & 0x7f)
                                | bits[ASYNC_CRON_WEEKDAY] >> 7);

    cron->both = fields[ASYNC_CRON_DAY].data[0] == '*'
                 || fields[ASYNC_CRON_WEEKDAY].data[0] == '*';
    cron->elapsed = fields[ASYNC_CRON_HOUR].data[0] == '*';

    if (async_cron_local(cron, 0) == -1) {
        async_error_set(err, "the day of the month \"%.*s\" never comes in "
                        "the month \"%.*s\"",
                        async_cron_shown(fields[ASYNC_CRON_DAY]),
                        fields[ASYNC_CRON_DAY].data,
                        async_cron_shown(fields[ASYNC_CRON_MONTH]),
                        fields[ASYNC_CRON_MONTH].data);
        return ASYNC_INVALID;
    }

    return ASYNC_OK;
}


/* how much of it goes into a sentence */

static int
async_cron_shown(async_str_t text)
{
    return text.len < ASYNC_CRON_SHOWN ? (int) text.len : ASYNC_CRON_SHOWN;
}


/* five fields in place of one word, if it is one that we know */

static async_str_t
async_cron_word(async_str_t text)
{
    size_t       i;
    async_str_t  fields;

    while (text.len > 0 && async_cron_blank(text.data[0])) {
        text.data++;
        text.len--;
    }

    while (text.len > 0 && async_cron_blank(text.data[text.len - 1])) {
        text.len--;
    }

    for (i = 0; i < sizeof(async_cron_words) / sizeof(async_cron_words[0]);
         i++)
    {
        if (text.len == strlen(async_cron_words[i].word)
            && strncasecmp(text.data, async_cron_words[i].word, text.len)
               == 0)
        {
            fields.data = async_cron_words[i].text;
            fields.len = strlen(fields.data);
            return fields;
        }
    }

    return text;
}


static bool
async_cron_blank(char c)
{
    return c == ' ' || c == '\t';
}


static bool
async_cron_fields(async_str_t text, async_str_t *fields, async_error_t *err)
{
    unsigned     n;
    const char  *p, *end, *start;

    p = text.data;
    end = p + text.len;

    for (n = 0; p < end; n++) {
        start = p;

        while (p < end && !async_cron_blank(*p)) {
            p++;
        }

        if (n < ASYNC_CRON_FIELDS) {
            fields[n].data = start;
            fields[n].len = (size_t) (p - start);
        }

        while (p < end && async_cron_blank(*p)) {
            p++;
        }
    }

    if (n == ASYNC_CRON_FIELDS) {
        return true;
    }

    if (text.len > 0 && text.data[0] == '@') {
        async_error_set(err, "\"%.*s\" is none of @hourly, @daily, @midnight, "
                        "@weekly, @monthly, @yearly and @annually",
                        async_cron_shown(text), text.data);

    } else {
        async_error_set(err, "it has %u fields and not five: minute, hour, "
                        "day of the month, month, day of the week", n);
    }

    return false;
}


static bool
async_cron_field(async_cron_field_t field, async_str_t text, uint64_t *bits,
    async_error_t *err)
{
    const char         *wrong;
    async_cron_text_t   rest;

    rest.unit = &async_cron_units[field];
    rest.text = text;
    rest.pos = text.data;
    rest.end = text.data + text.len;

    *bits = 0;

    do {
        wrong = async_cron_item(&rest, bits);
    } while (wrong == NULL && async_cron_take(&rest, ','));

    if (wrong == NULL && rest.pos != rest.end) {
        wrong = "takes numbers, ranges and steps, such as 1,10-20,*/5";
    }

    if (wrong != NULL) {
        async_error_set(err, "the %s \"%.*s\" %s%s", rest.unit->name,
                        async_cron_shown(text), text.data,
                        *wrong == '\0' ? "takes " : wrong,
                        *wrong == '\0' ? rest.unit->range : "");
        return false;
    }

    return true;
}


/* NULL, or what is wrong; empty: the value, and the unit says what it takes */

static const char *
async_cron_item(async_cron_text_t *text, uint64_t *bits)
{
    bool      word, any, range;
    unsigned  from, to, step;

    any = async_cron_take(text, '*');
    range = any;
    from = text->unit->min;
    to = text->unit->max;
    step = 1;

    /* Sunday would be there twice, and a step from the second differ */

    if (any && to == 7) {
        to = 6;
    }

    if (!any) {

        if (!async_cron_value(text, &from, &word)) {
            return "";
        }

        range = async_cron_take(text, '-');

        if (range) {

            if (!async_cron_value(text, &to, &word)) {
                return "";
            }

            if (word && from > 0 && to == 0) {
                to = 7;                                 /* fri-sun */
            }

            if (to < from) {
                return "has a range that ends before it begins";
            }
        }
    }

    if (async_cron_take(text, '/')) {

        if (!async_cron_number(text, &step) || step == 0
            || step > text->unit->max)
        {
            return "has a step that is no number above 0 within its range";
        }

        /* "5/10" is from 5 on, as most read it */

        if (!range && text->unit->max == 7 && from < 7) {
            to = 6;
        }

    } else if (!range) {
        to = from;
    }

    for (/* void */; from <= to; from += step) {
        *bits |= UINT64_C(1) << from;
    }

    return NULL;
}


static bool
async_cron_value(async_cron_text_t *text, unsigned *value, bool *word)
{
    size_t       i, n;
    const char  *words;

    *word = false;

    if (async_cron_number(text, value)) {
        return *value >= text->unit->min && *value <= text->unit->max;
    }

    words = text->unit->words;
    n = strlen(words) / 3;

    if (text->end - text->pos < 3) {
        return false;
    }

    for (i = 0; i < n; i++) {

        if (strncasecmp(text->pos, words + 3 * i, 3) == 0) {
            text->pos += 3;
            *value = text->unit->min + (unsigned) i;
            *word = true;
            return true;
        }
    }

    return false;
}


/* no number that we want has more than two digits but for zeroes */

static bool
async_cron_number(async_cron_text_t *text, unsigned *value)
{
    const char  *start;

    start = text->pos;
    *value = 0;

    while (text->pos < text->end && *text->pos >= '0' && *text->pos <= '9') {

        if (*value < 1000) {
            *value = *value * 10 + (unsigned) (*text->pos - '0');
        }

        text->pos++;
    }

    return text->pos > start;
}


static bool
async_cron_take(async_cron_text_t *text, char c)
{
    if (text->pos < text->end && *text->pos == c) {
        text->pos++;
        return true;
    }

    return false;
}


/*
 * In each span of one offset the local clock only goes on, and the calendar
 * is searched.  Between two, local times are left out, or come again.
 */

int64_t
async_cron_next(const async_cron_t *cron, const async_zone_t *zone,
    int64_t after)
{
    int64_t            t, from, found;
    async_zone_span_t  span;

    t = after >= 0 ? after / 1000 + 1 : 0;

    async_zone_span(zone, t, &span);

    for ( ;; ) {
        from = t + span.offset;

        /* up to there the clock has been before */

        if (!cron->elapsed && span.before > span.offset
            && from < span.from + span.before)
        {
            from = span.from + span.before;
        }

        found = async_cron_local(cron, from);

        if (found == -1) {
            return 0;
        }

        if (found - span.offset < span.to) {
            return (found - span.offset) * 1000;
        }

        t = span.to;
        async_zone_span(zone, t, &span);

        if (!cron->elapsed && span.before < span.offset
            && found < t + span.offset)
        {
            return t * 1000;
        }
    }
}


/* seconds of a local clock; the first that fits and is not before; -1: none */

static int64_t
async_cron_local(const async_cron_t *cron, int64_t from)
{
    int64_t       days, end, minute;
    async_date_t  date;

    from = from > 0 ? (from + 59) / 60 * 60 : 0;
    days = from / ASYNC_DAY;
    end = days + ASYNC_CRON_YEARS * 366;
    minute = from % ASYNC_DAY / 60;

    while (days < end) {
        date = async_date(days);

        if (!(cron->months & 1u << date.month)) {
            days += async_date_month(&date) - date.day + 1;
            minute = 0;
            continue;
        }

        if (async_cron_day(cron, &date, days)) {
            minute = async_cron_minute(cron, minute);

            if (minute != -1) {
                return days * ASYNC_DAY + minute * 60;
            }
        }

        days++;
        minute = 0;
    }

    return -1;
}


static bool
async_cron_day(const async_cron_t *cron, const async_date_t *date,
    int64_t days)
{
    bool  day, weekday;

    day = cron->days & UINT32_C(1) << date->day;
    weekday = cron->weekdays & 1u << async_date_weekday(days);

    return cron->both ? day && weekday : day || weekday;
}


/* of a day, -1: none */

static int64_t
async_cron_minute(const async_cron_t *cron, int64_t from)
{
    int64_t   hour;
    uint64_t  left;

    for (hour = from / 60; hour < 24; hour++) {

        if (cron->hours & UINT32_C(1) << hour) {
            left = cron->minutes >> (from > hour * 60 ? from % 60 : 0);

            if (left != 0) {
                return hour * 60 + (from > hour * 60 ? from % 60 : 0)
                       + __builtin_ctzll(left);
            }
        }
    }

    return -1;
}
