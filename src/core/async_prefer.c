/*
 * The Prefer header, by the grammar of RFC 7240, section 2:
 *
 *   Prefer     = 1#preference
 *   preference = token [ BWS "=" BWS word ]
 *                *( OWS ";" [ OWS parameter ] )
 *   parameter  = token [ BWS "=" BWS word ]
 *   word       = token / quoted-string
 */

#include <string.h>
#include <strings.h>

#include "async_prefer.h"


typedef struct {
    const char  *pos;
    const char  *end;
} async_prefer_text_t;

/* a name and its value: between the quotes of a quoted string, not unescaped */
typedef struct {
    async_str_t  name;
    async_str_t  value;
} async_preference_t;


static bool async_prefer_element(async_prefer_text_t *text,
    async_preference_t *preference);
static bool async_prefer_pair(async_prefer_text_t *text,
    async_preference_t *pair);
static bool async_prefer_token(async_prefer_text_t *text, async_str_t *token);
static bool async_prefer_quoted(async_prefer_text_t *text,
    async_str_t *string);
static bool async_prefer_next(async_prefer_text_t *text, char c);
static void async_prefer_spaces(async_prefer_text_t *text);
static void async_prefer_skip(async_prefer_text_t *text);
static bool async_prefer_token_char(char c);
static bool async_prefer_string_char(char c);
static void async_prefer_take(async_prefer_t *p,
    const async_preference_t *preference);
static bool async_prefer_is(async_str_t name, const char *known);
static bool async_prefer_seconds(async_str_t value, uint32_t *seconds);


void
async_prefer_init(async_prefer_t *p)
{
    memset(p, 0, sizeof(async_prefer_t));
}


void
async_prefer_add(async_prefer_t *p, async_str_t value)
{
    const char          *start;
    async_preference_t   preference;
    async_prefer_text_t  text;

    if (value.len == 0) {
        return;
    }

    text.pos = value.data;
    text.end = value.data + value.len;

    while (text.pos < text.end) {
        start = text.pos;

        if (async_prefer_element(&text, &preference)) {
            async_prefer_take(p, &preference);

        } else {
            text.pos = start;
        }

        async_prefer_skip(&text);
    }
}


/* an element up to its comma; false if it is empty, or not of the grammar */

static bool
async_prefer_element(async_prefer_text_t *text, async_preference_t *preference)
{
    async_preference_t  parameter;

    async_prefer_spaces(text);

    if (!async_prefer_pair(text, preference)) {
        return false;
    }

    async_prefer_spaces(text);

    while (async_prefer_next(text, ';')) {
        async_prefer_spaces(text);

        if (text->pos == text->end || *text->pos == ';' || *text->pos == ',') {
            continue;
        }

        if (!async_prefer_pair(text, &parameter)) {
            return false;
        }

        async_prefer_spaces(text);
    }

    return text->pos == text->end || *text->pos == ',';
}


static bool
async_prefer_pair(async_prefer_text_t *text, async_preference_t *pair)
{
    pair->value.data = "";
    pair->value.len = 0;

    if (!async_prefer_token(text, &pair->name)) {
        return false;
    }

    async_prefer_spaces(text);

    if (!async_prefer_next(text, '=')) {
        return true;
    }

    async_prefer_spaces(text);

    if (async_prefer_next(text, '"')) {
        return async_prefer_quoted(text, &pair->value);
    }

    return async_prefer_token(text, &pair->value);
}


static bool
async_prefer_token(async_prefer_text_t *text, async_str_t *token)
{
    token->data = text->pos;

    while (text->pos < text->end && async_prefer_token_char(*text->pos)) {
        text->pos++;
    }

    token->len = (size_t) (text->pos - token->data);

    return token->len != 0;
}


/* what follows an opening quote, and the closing one */

static bool
async_prefer_quoted(async_prefer_text_t *text, async_str_t *string)
{
    string->data = text->pos;

    while (text->pos < text->end && *text->pos != '"') {

        if (*text->pos == '\\') {
            text->pos++;
        }

        if (text->pos == text->end || !async_prefer_string_char(*text->pos)) {
            return false;
        }

        text->pos++;
    }

    string->len = (size_t) (text->pos - string->data);

    return async_prefer_next(text, '"');
}


static bool
async_prefer_next(async_prefer_text_t *text, char c)
{
    if (text->pos < text->end && *text->pos == c) {
        text->pos++;
        return true;
    }

    return false;
}


static void
async_prefer_spaces(async_prefer_text_t *text)
{
    while (text->pos < text->end && (*text->pos == ' ' || *text->pos == '\t')) {
        text->pos++;
    }
}


/*
 * Past the comma that ends this element.  One within quotes does not, in an
 * element that is not understood either.
 */

static void
async_prefer_skip(async_prefer_text_t *text)
{
    bool  quoted;

    quoted = false;

    while (text->pos < text->end) {

        if (!quoted && async_prefer_next(text, ',')) {
            return;
        }

        if (*text->pos == '"') {
            quoted = !quoted;

        } else if (quoted && *text->pos == '\\'
                   && text->pos + 1 < text->end)
        {
            text->pos++;
        }

        text->pos++;
    }
}


/* tchar of RFC 9110, section 5.6.2 */

static bool
async_prefer_token_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
           || (c >= 'A' && c <= 'Z')
           || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}


/* what may stand in a quoted string, section 5.6.4 */

static bool
async_prefer_string_char(char c)
{
    return ((unsigned char) c >= 0x20 && c != 0x7f) || c == '\t';
}


static void
async_prefer_take(async_prefer_t *p, const async_preference_t *preference)
{
    if (async_prefer_is(preference->name, "respond-async")) {

        if (!p->seen_respond_async) {
            p->seen_respond_async = true;
            p->respond_async = (preference->value.len == 0);
        }

        return;
    }

    if (async_prefer_is(preference->name, "wait") && !p->seen_wait) {
        p->seen_wait = true;
        p->has_wait = async_prefer_seconds(preference->value, &p->wait);
    }
}


static bool
async_prefer_is(async_str_t name, const char *known)
{
    return name.len == strlen(known)
           && strncasecmp(name.data, known, name.len) == 0;
}


static bool
async_prefer_seconds(async_str_t value, uint32_t *seconds)
{
    bool      any;
    size_t    i;
    uint64_t  n;

    n = 0;
    any = false;

    for (i = 0; i < value.len; i++) {

        /* an escaped digit is that digit */

        if (value.data[i] == '\\') {
            i++;
        }

        if (value.data[i] < '0' || value.data[i] > '9') {
            return false;
        }

        n = n * 10 + (uint64_t) (value.data[i] - '0');
        n = (n < UINT32_MAX) ? n : UINT32_MAX;
        any = true;
    }

    if (any) {
        *seconds = (uint32_t) n;
    }

    return any;
}
