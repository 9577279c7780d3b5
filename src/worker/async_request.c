#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "async_message.h"
#include "async_record.h"
#include "async_request.h"


/* token, id, attempt, two spaces, NUL; and "Host", "localhost", names */
#define ASYNC_REQUEST_OWN  256

static const char  async_request_replay[] = "Async-Replay";


static async_rc_t async_request_count(const void *record, size_t len,
    size_t *bytes, unsigned *lines);
static async_rc_t async_request_fill(async_request_t *r, const void *record,
    size_t len, char **pos);
static char *async_request_copy(char **pos, async_str_t s);
static void async_request_add(async_request_t *r, char **pos,
    async_str_t name, async_str_t value);
static void async_request_own(async_request_t *r, char **pos,
    const char *token, const async_id_t *id, uint32_t attempt);
static bool async_request_token(async_str_t s);
static bool async_request_target(async_str_t s);
static bool async_request_line(async_str_t name, async_str_t value);
static bool async_request_ours(async_str_t name);
static bool async_request_has(const async_request_t *r, const char *name);


async_rc_t
async_request_parse(async_request_t *request, const void *record, size_t len,
    const char *token, const async_id_t *id, uint32_t attempt)
{
    char        *pos;
    size_t       bytes;
    unsigned     lines;
    async_rc_t   rc;

    memset(request, 0, sizeof(async_request_t));

    rc = async_request_count(record, len, &bytes, &lines);
    if (rc != ASYNC_OK) {
        return rc;
    }

    request->headers = calloc(lines + 2, sizeof(async_http_header_t));
    request->text = malloc(bytes + ASYNC_REQUEST_OWN);

    if (request->headers == NULL || request->text == NULL) {
        async_request_clean(request);
        return ASYNC_NO_SPACE;
    }

    pos = request->text;

    rc = async_request_fill(request, record, len, &pos);
    if (rc != ASYNC_OK) {
        async_request_clean(request);
        return rc;
    }

    async_request_own(request, &pos, token, id, attempt);

    return ASYNC_OK;
}


void
async_request_clean(async_request_t *request)
{
    free(request->headers);
    free(request->text);

    request->headers = NULL;
    request->text = NULL;
}


/* how much room all strings want, each with a NUL */

static async_rc_t
async_request_count(const void *record, size_t len, size_t *bytes,
    unsigned *lines)
{
    uint16_t        tag;
    async_rc_t      rc;
    async_str_t     value;
    async_reader_t  rd;

    rc = async_reader_init(&rd, record, len, ASYNC_RECORD_REQUEST);
    if (rc != ASYNC_OK) {
        return rc;
    }

    *bytes = 0;
    *lines = 0;

    while (async_read_tag(&rd, &tag, &value)) {

        /* a pair's two length bytes make room for its two NULs */

        *bytes += value.len + 1;
        *lines += tag == ASYNC_REQUEST_HEADER;
    }

    return rd.broken ? ASYNC_CORRUPT : ASYNC_OK;
}


static async_rc_t
async_request_fill(async_request_t *r, const void *record, size_t len,
    char **pos)
{
    uint16_t        tag;
    async_str_t     name, value;
    async_reader_t  rd;

    async_reader_init(&rd, record, len, ASYNC_RECORD_REQUEST);

    while (async_read_tag(&rd, &tag, &value)) {

        switch (tag) {

        case ASYNC_REQUEST_METHOD:
            if (r->method || !async_request_token(value)) {
                return ASYNC_CORRUPT;
            }

            r->method = async_request_copy(pos, value);
            break;

        case ASYNC_REQUEST_TARGET:
            if (r->target || !async_request_target(value)) {
                return ASYNC_CORRUPT;
            }

            r->target = async_request_copy(pos, value);
            break;

        case ASYNC_REQUEST_HEADER:
            if (!async_tag_pair(value, &name, &value)) {
                return ASYNC_CORRUPT;
            }

            async_request_add(r, pos, name, value);
            break;
        }
    }

    return r->method && r->target ? ASYNC_OK : ASYNC_CORRUPT;
}


static char *
async_request_copy(char **pos, async_str_t s)
{
    char  *copy;

    copy = *pos;

    if (s.len) {
        memcpy(copy, s.data, s.len);
    }

    copy[s.len] = '\0';
    *pos += s.len + 1;

    return copy;
}


static void
async_request_add(async_request_t *r, char **pos, async_str_t name,
    async_str_t value)
{
    async_http_header_t  *header;

    if (!async_request_line(name, value) || async_request_ours(name)) {
        r->skipped++;
        return;
    }

    header = &r->headers[r->nheaders++];
    header->name = async_request_copy(pos, name);
    header->value = async_request_copy(pos, value);
}


static void
async_request_own(async_request_t *r, char **pos, const char *token,
    const async_id_t *id, uint32_t attempt)
{
    char                  text[ASYNC_ID_TEXT];
    async_http_header_t  *header;

    if (!async_request_has(r, "Host")) {
        r->headers[r->nheaders++] = (async_http_header_t) { "Host",
                                                            "localhost" };
    }

    async_id_format(text, id);

    header = &r->headers[r->nheaders++];
    header->name = async_request_replay;
    header->value = *pos;

    *pos += snprintf(*pos, ASYNC_REQUEST_OWN, "%s %.*s %u", token,
                     ASYNC_ID_TEXT, text, (unsigned) attempt) + 1;
}


/* RFC 9110, section 5.6.2, as wide as a request line can be */

static bool
async_request_token(async_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] <= ' ' || s.data[i] >= 0x7f) {
            return false;
        }
    }

    return s.len > 0;
}


static bool
async_request_target(async_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        if ((unsigned char) s.data[i] <= ' ' || s.data[i] == 0x7f) {
            return false;
        }
    }

    return s.len > 0;
}


/*
 * No byte may end the name for whoever reads the line, and none the line;
 * whatever else the client sent is the backend's to judge.
 */

static bool
async_request_line(async_str_t name, async_str_t value)
{
    size_t  i;

    for (i = 0; i < name.len; i++) {
        if (memchr("\r\n:;", name.data[i], 5)) {
            return false;
        }
    }

    for (i = 0; i < value.len; i++) {
        if (memchr("\r\n", value.data[i], 3)) {
            return false;
        }
    }

    return name.len > 0;
}


/* nginx must not meet a second one, wherever it came from */

static bool
async_request_ours(async_str_t name)
{
    return name.len == sizeof(async_request_replay) - 1
           && strncasecmp(name.data, async_request_replay, name.len) == 0;
}


static bool
async_request_has(const async_request_t *r, const char *name)
{
    unsigned  i;

    for (i = 0; i < r->nheaders; i++) {
        if (strcasecmp(r->headers[i].name, name) == 0) {
            return true;
        }
    }

    return false;
}
