/*
 * The parts that documents are made of.
 */

#include <string.h>

#include "async_json.h"
#include "async_json_out.h"
#include "async_time.h"
#include "async_utf8.h"


static size_t async_json_plain(const uint8_t *c, const uint8_t *end);
static char *async_json_ascii(char *p, const char *limit, uint8_t c);


char *
async_json_digits(char *p, const char *limit, uint64_t v)
{
    char  digits[20], *d;

    d = digits + sizeof(digits);

    do {
        *--d = (char) ('0' + v % 10);
        v /= 10;
    } while (v != 0);

    return async_json_raw(p, limit, d, (size_t) (digits + sizeof(digits) - d));
}


char *
async_json_moment(char *p, const char *limit, int64_t ms)
{
    char  text[ASYNC_TIME_TEXT + 1];

    *async_time_format(text, ms) = '"';

    return async_json_raw(p, limit, text, sizeof(text));
}


char *
async_json_url(char *p, const char *limit, const async_job_t *job,
    const char id[ASYNC_ID_TEXT], const char *suffix)
{
    p = async_json_escape(p, limit, job->status_prefix);
    p = async_json_raw(p, limit, id, ASYNC_ID_TEXT);
    p = async_json_raw(p, limit, suffix, strlen(suffix));

    return async_json_literal(p, limit, "\"");
}


char *
async_json_string(char *out, const char *limit, async_str_t s)
{
    out = async_json_literal(out, limit, "\"");
    out = async_json_escape(out, limit, s);

    return async_json_literal(out, limit, "\"");
}


char *
async_json_escape(char *p, const char *limit, async_str_t s)
{
    bool            valid;
    size_t          n;
    const uint8_t  *c, *end;

    if (s.len == 0) {
        return p;
    }

    c = (const uint8_t *) s.data;
    end = c + s.len;

    for ( /* void */ ; c < end && p != NULL; c += n) {

        n = async_json_plain(c, end);

        if (n != 0) {
            p = async_json_raw(p, limit, (const char *) c, n);
            continue;
        }

        if (*c < 0x80) {
            p = async_json_ascii(p, limit, *c);
            n = 1;
            continue;
        }

        n = async_utf8(c, end, &valid);

        p = valid ? async_json_raw(p, limit, (const char *) c, n)
                  : async_json_literal(p, limit, "\xef\xbf\xbd");
    }

    return p;
}


/* how many are written as they are */

static size_t
async_json_plain(const uint8_t *c, const uint8_t *end)
{
    const uint8_t  *start;

    start = c;

    while (c < end && *c >= 0x20 && *c < 0x7f && *c != '"' && *c != '\\') {
        c++;
    }

    return (size_t) (c - start);
}


static char *
async_json_ascii(char *p, const char *limit, uint8_t c)
{
    char               escaped[6] = "\\u00";
    static const char  hex[] = "0123456789abcdef";

    switch (c) {

    case '"':
        return async_json_literal(p, limit, "\\\"");

    case '\\':
        return async_json_literal(p, limit, "\\\\");

    case '\n':
        return async_json_literal(p, limit, "\\n");

    case '\r':
        return async_json_literal(p, limit, "\\r");

    case '\t':
        return async_json_literal(p, limit, "\\t");

    default:
        escaped[4] = hex[c >> 4];
        escaped[5] = hex[c & 0x0f];

        return async_json_raw(p, limit, escaped, sizeof(escaped));
    }
}
