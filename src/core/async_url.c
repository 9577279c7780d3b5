/*
 * The URL of a callback.
 */

#include <string.h>
#include <strings.h>

#include "async_url.h"


#define ASYNC_URL_LABEL_MAX  63

#define ASYNC_URL_NO_ADDRESS                                                 \
    "has a host that is no name and not the usual form of an address"


static const char *async_url_scheme(async_url_t *url, async_str_t *rest);
static const char *async_url_authority(async_url_t *url, async_str_t text);
static const char *async_url_set_host(async_url_t *url, async_str_t text);
static const char *async_url_port(async_url_t *url, async_str_t text);
static const char *async_url_target(async_str_t target);
static bool async_url_number(async_str_t label);
static bool async_url_hex(char c);
static bool async_url_alnum(char c);


async_rc_t
async_url_parse(async_url_t *url, async_str_t text, const char **why)
{
    size_t       n;
    async_str_t  rest, authority;

    memset(url, 0, sizeof(async_url_t));
    *why = NULL;

    if (text.len > ASYNC_URL_MAX) {
        *why = "is longer than 2048 bytes";
        return ASYNC_INVALID;
    }

    rest = text;
    *why = async_url_scheme(url, &rest);

    if (*why != NULL) {
        return ASYNC_INVALID;
    }

    /* up to the target, or a fragment, which is refused with that */

    for (n = 0; n < rest.len; n++) {

        if (strchr("/?#", rest.data[n]) != NULL && rest.data[n] != '\0') {
            break;
        }
    }

    authority = rest;
    authority.len = n;

    url->target.data = rest.data + n;
    url->target.len = rest.len - n;

    *why = async_url_authority(url, authority);

    if (*why == NULL) {
        *why = async_url_target(url->target);
    }

    return (*why == NULL) ? ASYNC_OK : ASYNC_INVALID;
}


void
async_url_host(const async_url_t *url, char host[ASYNC_URL_HOST_MAX + 1])
{
    size_t  i;

    for (i = 0; i < url->host.len; i++) {
        host[i] = url->host.data[i];

        if (host[i] >= 'A' && host[i] <= 'Z') {
            host[i] |= 0x20;
        }
    }

    host[i] = '\0';
}


static const char *
async_url_scheme(async_url_t *url, async_str_t *rest)
{
    size_t  n;

    if (rest->len >= 8 && strncasecmp(rest->data, "https://", 8) == 0) {
        url->https = true;
        url->port = 443;
        n = 8;

    } else if (rest->len >= 7 && strncasecmp(rest->data, "http://", 7) == 0) {
        url->port = 80;
        n = 7;

    } else {
        return "does not begin with https:// or http://";
    }

    rest->data += n;
    rest->len -= n;

    return NULL;
}


static const char *
async_url_authority(async_url_t *url, async_str_t text)
{
    bool         brackets;
    const char  *end, *why;
    async_str_t  host, port;

    if (text.len == 0) {
        return "has no host";
    }

    if (memchr(text.data, '@', text.len) != NULL) {
        return "has a user name or a password in it";
    }

    brackets = text.data[0] == '[';
    end = memchr(text.data, brackets ? ']' : ':', text.len);

    if (brackets) {

        if (end == NULL) {
            return ASYNC_URL_NO_ADDRESS;
        }

        end++;
    }

    host = text;
    port = text;

    if (end != NULL) {
        host.len = (size_t) (end - text.data);
    }

    port.data += host.len;
    port.len -= host.len;

    why = async_url_set_host(url, host);

    if (why == NULL && port.len != 0) {
        why = async_url_port(url, port);
    }

    return why;
}


static const char *
async_url_set_host(async_url_t *url, async_str_t text)
{
    url->host = text;

    if (text.len != 0 && text.data[0] == '[') {
        url->host.data++;
        url->host.len -= 2;

        /* in brackets there is a colon, so that it is IPv6 if it is any */

        if (url->host.len == 0
            || memchr(url->host.data, ':', url->host.len) == NULL
            || !async_address_parse(&url->address, url->host))
        {
            return ASYNC_URL_NO_ADDRESS;
        }

        url->is_address = true;
        return NULL;
    }

    /* and here is none */

    if (async_address_parse(&url->address, text)) {
        url->is_address = true;
        return NULL;
    }

    return async_url_name(text) ? NULL : ASYNC_URL_NO_ADDRESS;
}


bool
async_url_name(async_str_t host)
{
    char         c;
    size_t       i;
    async_str_t  label;

    if (host.len == 0 || host.len > ASYNC_URL_HOST_MAX) {
        return false;
    }

    label.data = host.data;
    label.len = 0;

    for (i = 0; i <= host.len; i++) {
        c = (i < host.len) ? host.data[i] : '.';

        if (c != '.') {

            if (!async_url_alnum(c) && c != '-' && c != '_') {
                return false;
            }

            label.len++;
            continue;
        }

        if (label.len == 0 || label.len > ASYNC_URL_LABEL_MAX
            || label.data[0] == '-' || label.data[label.len - 1] == '-')
        {
            return false;
        }

        if (i < host.len) {
            label.data = host.data + i + 1;
            label.len = 0;
        }
    }

    return !async_url_number(label);
}


/* what inet_aton() takes for one, and what some other might: a bare "0x" */

static bool
async_url_number(async_str_t label)
{
    bool    hex;
    size_t  i;

    hex = label.len >= 2 && label.data[0] == '0'
          && (label.data[1] == 'x' || label.data[1] == 'X');

    for (i = hex ? 2 : 0; i < label.len; i++) {

        if (hex ? !async_url_hex(label.data[i])
                : (label.data[i] < '0' || label.data[i] > '9'))
        {
            return false;
        }
    }

    return true;
}


/* text begins with what stands behind the host, a colon if all is well */

static const char *
async_url_port(async_url_t *url, async_str_t text)
{
    size_t    i;
    uint32_t  port;

    if (text.data[0] != ':') {
        return ASYNC_URL_NO_ADDRESS;
    }

    port = 0;

    if (text.len < 2 || text.len > 6 || text.data[1] == '0') {
        return "has a port that is none";
    }

    for (i = 1; i < text.len; i++) {

        if (text.data[i] < '0' || text.data[i] > '9') {
            return "has a port that is none";
        }

        port = port * 10 + (uint32_t) (text.data[i] - '0');
    }

    if (port > UINT16_MAX) {
        return "has a port that is none";
    }

    url->port = (uint16_t) port;

    return NULL;
}


static const char *
async_url_target(async_str_t target)
{
    bool    query;
    char    c;
    size_t  i;

    query = false;

    for (i = 0; i < target.len; i++) {
        c = target.data[i];

        switch (c) {

        case '#':
            return "has a fragment";

        case '%':
            if (target.len - i < 3 || !async_url_hex(target.data[i + 1])
                || !async_url_hex(target.data[i + 2]))
            {
                return "has a \"%\" without two hexadecimal digits";
            }

            break;

        case '?':
            query = true;
            break;

        case '[':
        case ']':
            if (!query) {
                return "has a character that must be percent-encoded";
            }

            break;

        default:
            if (c == '\0'
                || (!async_url_alnum(c)
                    && strchr("-._~!$&'()*+,;=:@/", c) == NULL))
            {
                return "has a character that must be percent-encoded";
            }
        }
    }

    return NULL;
}


static bool
async_url_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')
           || (c >= 'A' && c <= 'F');
}


static bool
async_url_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
           || (c >= 'A' && c <= 'Z');
}
