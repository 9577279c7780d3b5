/*
 * One member of a JSON object, from bytes that come in pieces.
 */

#include <string.h>

#include "async_member.h"


static bool async_member_done(const async_member_t *m);
static void async_member_char(async_member_t *m, char c);
static void async_member_string(async_member_t *m, char c);
static void async_member_string_end(async_member_t *m);
static void async_member_escape(async_member_t *m, char c);
static void async_member_hex(async_member_t *m, char c);
static void async_member_add(async_member_t *m, unsigned c);


void
async_member_init(async_member_t *m, const char *name)
{
    memset(m, 0, sizeof(async_member_t));

    m->name = name;
}


void
async_member_feed(async_member_t *m, const void *data, size_t len)
{
    size_t       i;
    const char  *p;

    p = data;

    for (i = 0; i < len && !async_member_done(m); i++) {

        if (m->string) {
            async_member_string(m, p[i]);

        } else {
            async_member_char(m, p[i]);
        }
    }
}


static bool
async_member_done(const async_member_t *m)
{
    return m->phase == ASYNC_MEMBER_FOUND || m->phase == ASYNC_MEMBER_ABSENT;
}


/* outside of strings */

static void
async_member_char(async_member_t *m, char c)
{
    switch (c) {

    case ' ':
    case '\t':
    case '\r':
    case '\n':
        return;

    case '"':
        m->string = true;
        m->len = 0;

        if (m->phase != ASYNC_MEMBER_BEGIN) {
            return;
        }

        break;

    case '{':
    case '[':
        if (m->phase == ASYNC_MEMBER_BEGIN && c == '{') {
            m->phase = ASYNC_MEMBER_NAME;
            return;
        }

        if (m->phase == ASYNC_MEMBER_VALUE || m->phase == ASYNC_MEMBER_REST) {
            m->phase = ASYNC_MEMBER_REST;
            m->depth++;
            return;
        }

        break;

    case '}':
    case ']':
        if (m->phase == ASYNC_MEMBER_REST && m->depth != 0) {
            m->depth--;
            return;
        }

        break;

    case ':':
        if (m->phase == ASYNC_MEMBER_COLON) {
            m->phase = ASYNC_MEMBER_VALUE;
            return;
        }

        if (m->depth != 0) {
            return;
        }

        break;

    case ',':
        if (m->depth != 0) {
            return;
        }

        if (m->phase == ASYNC_MEMBER_REST) {
            m->phase = ASYNC_MEMBER_NAME;
            return;
        }

        break;

    default:
        if (m->phase == ASYNC_MEMBER_VALUE || m->phase == ASYNC_MEMBER_REST) {
            m->phase = ASYNC_MEMBER_REST;
            return;
        }
    }

    /* the end of the object, or what has no place here */

    m->phase = ASYNC_MEMBER_ABSENT;
}


static void
async_member_string(async_member_t *m, char c)
{
    if (m->digits != 0) {
        async_member_hex(m, c);

    } else if (m->escape) {
        m->escape = false;
        async_member_escape(m, c);

    } else if (c == '\\') {
        m->escape = true;

    } else if (c == '"') {
        m->string = false;
        async_member_string_end(m);

    } else {
        async_member_add(m, (unsigned char) c);
    }
}


static void
async_member_string_end(async_member_t *m)
{
    switch (m->phase) {

    case ASYNC_MEMBER_NAME:
        m->wanted = m->len == strlen(m->name)
                    && memcmp(m->text, m->name, m->len) == 0;
        m->phase = ASYNC_MEMBER_COLON;
        return;

    case ASYNC_MEMBER_VALUE:
        m->phase = m->wanted ? ASYNC_MEMBER_FOUND : ASYNC_MEMBER_REST;
        return;

    case ASYNC_MEMBER_REST:
        return;

    default:
        m->phase = ASYNC_MEMBER_ABSENT;
    }
}


static void
async_member_escape(async_member_t *m, char c)
{
    static const char  from[] = "\"\\/bfnrt";
    static const char  to[] = "\"\\/\b\f\n\r\t";
    const char        *p;

    if (c == 'u') {
        m->digits = 4;
        m->code = 0;
        return;
    }

    p = (c != '\0') ? strchr(from, c) : NULL;

    if (p == NULL) {
        m->phase = ASYNC_MEMBER_ABSENT;
        return;
    }

    async_member_add(m, (unsigned char) to[p - from]);
}


static void
async_member_hex(async_member_t *m, char c)
{
    unsigned  digit;

    if (c >= '0' && c <= '9') {
        digit = (unsigned) (c - '0');

    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
        digit = (unsigned) ((c | 0x20) - 'a' + 10);

    } else {
        m->phase = ASYNC_MEMBER_ABSENT;
        return;
    }

    m->code = m->code << 4 | digit;
    m->digits--;

    if (m->digits == 0) {
        async_member_add(m, m->code);
    }
}


/* what cannot be kept makes the text longer than any that is wanted */

static void
async_member_add(async_member_t *m, unsigned c)
{
    if (c >= 0x80 || m->len >= ASYNC_MEMBER_MAX) {
        m->len = ASYNC_MEMBER_MAX + 1;
        return;
    }

    m->text[m->len++] = (char) c;
}


bool
async_member_text(const async_member_t *m, async_str_t *text)
{
    text->data = m->text;
    text->len = m->len;

    return m->phase == ASYNC_MEMBER_FOUND && m->len != 0
           && m->len <= ASYNC_MEMBER_MAX;
}
