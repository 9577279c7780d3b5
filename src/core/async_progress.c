/*
 * Reports of progress.  cJSON builds the tree, and is given only what has been
 * looked at before: it lets through control characters, numbers such as "01"
 * and bytes that are not UTF-8, ends a string at an escaped NUL, and nests
 * deeper than anybody means to.
 */

#include <string.h>
#include <cjson/cJSON.h>

#include "async_progress.h"
#include "async_utf8.h"


#define ASYNC_PROGRESS_DEPTH  16


static bool async_progress_text(const char *p, const char *end);
static const char *async_progress_string(const char *p, const char *end);
static const char *async_progress_number(const char *p, const char *end);
static const char *async_progress_digits(const char *p, const char *end);
static bool async_progress_other(char c);
static bool async_progress_fields(async_progress_t *progress,
    const cJSON *report);
static bool async_progress_field(const cJSON *report, const char *name,
    const cJSON **field);
static bool async_progress_percent(async_progress_t *progress,
    const cJSON *field);
static bool async_progress_message(async_progress_t *progress,
    const cJSON *field);


async_rc_t
async_progress_parse(async_progress_t *progress, async_str_t body)
{
    bool    valid;
    char    text[ASYNC_PROGRESS_BODY + 1];
    cJSON  *report;

    memset(progress, 0, sizeof(async_progress_t));
    progress->percent = ASYNC_NO_PERCENT;

    if (body.len == 0 || body.len > ASYNC_PROGRESS_BODY
        || !async_progress_text(body.data, body.data + body.len))
    {
        return ASYNC_INVALID;
    }

    /* cJSON 1.7.15 may look one byte behind the end (CVE-2023-53154) */

    memcpy(text, body.data, body.len);
    text[body.len] = '\0';

    report = cJSON_ParseWithLengthOpts(text, body.len + 1, NULL, 1);
    if (report == NULL) {
        return ASYNC_INVALID;
    }

    valid = async_progress_fields(progress, report);
    cJSON_Delete(report);

    return valid ? ASYNC_OK : ASYNC_INVALID;
}


/* whether its words are those of JSON; how they stand, cJSON finds out */

static bool
async_progress_text(const char *p, const char *end)
{
    unsigned  depth;

    depth = 0;

    while (p != NULL && p < end) {

        if (*p == '"') {
            p = async_progress_string(p + 1, end);

        } else if (*p == '-' || (*p >= '0' && *p <= '9')) {
            p = async_progress_number(p, end);

        } else if (*p == '{' || *p == '[') {

            if (++depth > ASYNC_PROGRESS_DEPTH) {
                return false;
            }

            p++;

        } else if (*p == '}' || *p == ']') {

            if (depth-- == 0) {
                return false;
            }

            p++;

        } else if (async_progress_other(*p)) {
            p++;

        } else {
            return false;
        }
    }

    return p != NULL;
}


/* behind the closing quote, or NULL */

static const char *
async_progress_string(const char *p, const char *end)
{
    bool    valid;
    size_t  n;

    for ( /* void */ ; p < end; p += n) {

        if (*p == '"') {
            return p + 1;
        }

        if (*p == '\\') {

            if (end - p < 2
                || (end - p >= 6 && memcmp(p + 1, "u0000", 5) == 0))
            {
                return NULL;
            }

            n = 2;
            continue;
        }

        n = async_utf8((const uint8_t *) p, (const uint8_t *) end, &valid);

        if (!valid || (uint8_t) *p < 0x20) {
            return NULL;
        }
    }

    return NULL;
}


/* behind a number as RFC 8259, section 6, has it, or NULL */

static const char *
async_progress_number(const char *p, const char *end)
{
    if (*p == '-') {
        p++;
    }

    if (p < end && *p == '0') {
        p++;

    } else {
        p = async_progress_digits(p, end);
    }

    if (p != NULL && p < end && *p == '.') {
        p = async_progress_digits(p + 1, end);
    }

    if (p != NULL && p < end && (*p == 'e' || *p == 'E')) {
        p++;

        if (p < end && (*p == '+' || *p == '-')) {
            p++;
        }

        p = async_progress_digits(p, end);
    }

    /* what goes on is no number, and would be one to strtod() */

    if (p != NULL && p < end && *p >= '0' && *p <= '9') {
        return NULL;
    }

    return p;
}


static const char *
async_progress_digits(const char *p, const char *end)
{
    const char  *start;

    start = p;

    while (p < end && *p >= '0' && *p <= '9') {
        p++;
    }

    return (p != start) ? p : NULL;
}


/* white space, separators, and the letters of true, false and null */

static bool
async_progress_other(char c)
{
    return c != '\0' && strchr(" \t\r\n:,truefalsn", c) != NULL;
}


static bool
async_progress_fields(async_progress_t *progress, const cJSON *report)
{
    const cJSON  *percent, *message;

    if (!cJSON_IsObject(report)
        || !async_progress_field(report, "percentComplete", &percent)
        || !async_progress_field(report, "message", &message))
    {
        return false;
    }

    return (percent != NULL || message != NULL)
           && async_progress_percent(progress, percent)
           && async_progress_message(progress, message);
}


/* false if it is there twice; NULL if it is not, or null */

static bool
async_progress_field(const cJSON *report, const char *name,
    const cJSON **field)
{
    const cJSON  *item;

    *field = NULL;

    cJSON_ArrayForEach(item, report) {

        if (strcmp(item->string, name) != 0) {
            continue;
        }

        if (*field != NULL) {
            return false;
        }

        *field = item;
    }

    if (*field != NULL && cJSON_IsNull(*field)) {
        *field = NULL;
    }

    return true;
}


static bool
async_progress_percent(async_progress_t *progress, const cJSON *field)
{
    if (field == NULL) {
        return true;
    }

    if (!cJSON_IsNumber(field)
        || !(field->valuedouble >= 0 && field->valuedouble <= 100))
    {
        return false;
    }

    progress->percent = (uint8_t) field->valuedouble;

    return true;
}


static bool
async_progress_message(async_progress_t *progress, const cJSON *field)
{
    size_t  len;

    if (field == NULL) {
        return true;
    }

    if (!cJSON_IsString(field)) {
        return false;
    }

    len = strlen(field->valuestring);

    if (len > ASYNC_PROGRESS_MESSAGE) {
        return false;
    }

    memcpy(progress->message, field->valuestring, len);
    progress->message_len = len;
    progress->has_message = true;

    return true;
}
