/*
 * Delays: units of time as in nginx.conf, numbers, points of time.
 */

#include <stdbool.h>
#include <string.h>

#include "async_delay.h"
#include "async_time.h"


#define ASYNC_DELAY_UNIX_TIME  1000000000ll

/* where numbers stop to grow: far above what any unit or time allows */
#define ASYNC_DELAY_DIGITS     100000000000ll


/* in falling order: a text may go through them once */
typedef struct {
    const char  *name;
    int64_t      ms;
} async_delay_unit_t;

static const async_delay_unit_t  async_delay_units[] = {
    { "y",  365 * 86400000ll },
    { "M",  30 * 86400000ll },
    { "w",  7 * 86400000ll },
    { "d",  86400000ll },
    { "h",  3600000ll },
    { "m",  60000ll },
    { "s",  1000ll },
    { "ms", 1ll },
    { NULL, 0 }
};


static void async_delay_trim(async_str_t *text);
static const char *async_delay_number(const char *p, const char *end,
    int64_t *number);
static bool async_delay_span(const char *p, const char *end, int64_t *ms);
static const async_delay_unit_t *async_delay_unit(
    const async_delay_unit_t *unit, const char *name, size_t len);


async_rc_t
async_delay_parse(async_str_t text, int64_t now_ms, int64_t *due_ms)
{
    int64_t      number, due;
    const char  *end;

    *due_ms = 0;

    async_delay_trim(&text);

    if (text.len == 0) {
        return ASYNC_OK;
    }

    end = text.data + text.len;

    if (async_delay_number(text.data, end, &number) == end
        && number >= ASYNC_DELAY_UNIX_TIME)
    {
        due = number * 1000;

    } else if (async_delay_span(text.data, end, &due)) {
        due += now_ms;

    } else if (!async_time_parse(&due, text.data, text.len)) {
        return ASYNC_INVALID;
    }

    if (due > now_ms + ASYNC_DELAY_MAX) {
        return ASYNC_INVALID;
    }

    if (due > now_ms) {
        *due_ms = due;
    }

    return ASYNC_OK;
}


static void
async_delay_trim(async_str_t *text)
{
    while (text->len != 0 && (*text->data == ' ' || *text->data == '\t')) {
        text->data++;
        text->len--;
    }

    while (text->len != 0
           && (text->data[text->len - 1] == ' '
               || text->data[text->len - 1] == '\t'))
    {
        text->len--;
    }
}


/* behind the digits at p; NULL if there are none */

static const char *
async_delay_number(const char *p, const char *end, int64_t *number)
{
    const char  *start;

    start = p;
    *number = 0;

    while (p < end && *p >= '0' && *p <= '9') {

        if (*number < ASYNC_DELAY_DIGITS) {
            *number = *number * 10 + (*p - '0');
        }

        p++;
    }

    return (p != start) ? p : NULL;
}


/*
 * Numbers with units, as ngx_parse_time() reads them: each unit once, spaces
 * between them, and a last number without one counts seconds.
 */

static bool
async_delay_span(const char *p, const char *end, int64_t *ms)
{
    int64_t                    number;
    const char                *name;
    const async_delay_unit_t  *unit;

    *ms = 0;
    unit = async_delay_units;

    while (p < end) {
        p = async_delay_number(p, end, &number);
        if (p == NULL) {
            return false;
        }

        name = p;

        while (p < end && ((*p >= 'a' && *p <= 'z') || *p == 'M')) {
            p++;
        }

        unit = (p == name && p == end)
                   ? async_delay_unit(unit, "s", 1)
                   : async_delay_unit(unit, name, (size_t) (p - name));

        if (unit == NULL || number > ASYNC_DELAY_MAX / unit->ms) {
            return false;
        }

        *ms += number * unit->ms;
        unit++;

        while (p < end && *p == ' ') {
            p++;
        }
    }

    return true;
}


/* from unit on, the one of that name */

static const async_delay_unit_t *
async_delay_unit(const async_delay_unit_t *unit, const char *name, size_t len)
{
    for ( /* void */ ; unit->name != NULL; unit++) {

        if (strlen(unit->name) == len && memcmp(unit->name, name, len) == 0) {
            return unit;
        }
    }

    return NULL;
}
