/*
 * The Accept header.
 */

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "async_accept.h"


static size_t async_accept_find(async_str_t text, char c);
static void async_accept_range(async_accept_t *accept, async_str_t range);
static async_accept_match_t async_accept_matches(async_str_t type,
    async_str_t name);
static unsigned async_accept_weight(async_str_t range);
static unsigned async_accept_number(async_str_t text);
static void async_accept_skip(async_str_t *text, size_t len);
static void async_accept_trim(async_str_t *text);


void
async_accept_init(async_accept_t *accept, const char *type)
{
    memset(accept, 0, sizeof(async_accept_t));

    accept->type.data = type;
    accept->type.len = strlen(type);
}


void
async_accept_add(async_accept_t *accept, async_str_t value)
{
    async_str_t  range;

    while (value.len != 0) {
        range = value;
        range.len = async_accept_find(value, ',');

        async_accept_range(accept, range);

        async_accept_skip(&value, range.len + 1);
    }
}


/* a parameter may be quoted, and hold anything; the length without one */

static size_t
async_accept_find(async_str_t text, char c)
{
    bool    quoted;
    size_t  i;

    quoted = false;

    for (i = 0; i < text.len && (quoted || text.data[i] != c); i++) {

        if (text.data[i] == '"') {
            quoted = !quoted;

        } else if (text.data[i] == '\\' && quoted && i + 1 < text.len) {
            i++;
        }
    }

    return i;
}


static void
async_accept_range(async_accept_t *accept, async_str_t range)
{
    unsigned              weight;
    async_str_t           name;
    async_accept_match_t  match;

    name = range;
    name.len = async_accept_find(range, ';');

    async_accept_skip(&range, name.len);
    async_accept_trim(&name);

    match = async_accept_matches(accept->type, name);

    if (match == ASYNC_ACCEPT_NONE || match < accept->match) {
        return;
    }

    weight = async_accept_weight(range);

    if (match > accept->match || weight > accept->weight) {
        accept->match = match;
        accept->weight = weight;
    }
}


static async_accept_match_t
async_accept_matches(async_str_t type, async_str_t name)
{
    size_t  group;

    if (name.len == type.len
        && strncasecmp(name.data, type.data, type.len) == 0)
    {
        return ASYNC_ACCEPT_NAMED;
    }

    if (name.len == 3 && memcmp(name.data, "*/*", 3) == 0) {
        return ASYNC_ACCEPT_ALL;
    }

    group = async_accept_find(type, '/') + 1;

    return name.len == group + 1 && name.data[group] == '*'
           && strncasecmp(name.data, type.data, group) == 0
               ? ASYNC_ACCEPT_GROUP : ASYNC_ACCEPT_NONE;
}


/* range: behind its name; without a weight it has all */

static unsigned
async_accept_weight(async_str_t range)
{
    async_str_t  parameter;

    while (range.len != 0) {
        async_accept_skip(&range, 1);

        parameter = range;
        parameter.len = async_accept_find(range, ';');

        async_accept_skip(&range, parameter.len);
        async_accept_trim(&parameter);

        if (parameter.len >= 2
            && strncasecmp(parameter.data, "q=", 2) == 0)
        {
            async_accept_skip(&parameter, 2);
            return async_accept_number(parameter);
        }
    }

    return 1000;
}


/* "0.25" in thousandths; what is none is 0 */

static unsigned
async_accept_number(async_str_t text)
{
    size_t    i;
    unsigned  n, digit;

    if (text.len == 0 || text.data[0] != '0') {
        return text.len != 0 && text.data[0] == '1' ? 1000 : 0;
    }

    n = 0;
    digit = 100;

    for (i = 2; i < text.len && text.data[1] == '.' && digit != 0; i++) {

        if (text.data[i] < '0' || text.data[i] > '9') {
            break;
        }

        n += digit * (unsigned) (text.data[i] - '0');
        digit /= 10;
    }

    return n;
}


static void
async_accept_skip(async_str_t *text, size_t len)
{
    len = len < text->len ? len : text->len;

    text->data += len;
    text->len -= len;
}


static void
async_accept_trim(async_str_t *text)
{
    while (text->len != 0 && (*text->data == ' ' || *text->data == '\t')) {
        async_accept_skip(text, 1);
    }

    while (text->len != 0
           && (text->data[text->len - 1] == ' '
               || text->data[text->len - 1] == '\t'))
    {
        text->len--;
    }
}
