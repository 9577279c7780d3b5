/*
 * The list of async_callback_allow.
 */

#include <string.h>
#include <strings.h>

#include "async_allow.h"


static bool async_allow_next(async_str_t *list, async_str_t *entry);
static bool async_allow_same(async_str_t one, async_str_t two);
static bool async_allow_lists(async_str_t entry, const async_url_t *url);
static bool async_allow_below(async_str_t entry, async_str_t host);
static bool async_allow_is(async_str_t text, const char *word);
static const char *async_allow_public(const async_url_t *url);
static bool async_allow_local(async_str_t host);
static bool async_allow_port(uint16_t port);


/*
 * Names that by their definition mean something else on each machine or
 * network: RFC 6761, RFC 6762, RFC 8375, RFC 7686, and ".internal", reserved
 * by ICANN.  The rest of them is known by its addresses.
 */

static const char  *async_allow_locals[] = {
    ".localhost", ".local", ".internal", ".home.arpa", ".onion", NULL
};


/*
 * The ports that the Fetch Standard (section 2.9) keeps browsers from, since
 * what listens there may take a request for one of its own.  In rising order.
 */

static const uint16_t  async_allow_bad_ports[] = {
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77,
    79, 87, 95, 101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123,
    135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530,
    531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995,
    1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665,
    6666, 6667, 6668, 6669, 6679, 6697, 10080
};


const char *
async_allow_entry(async_str_t entry)
{
    async_cidr_t  cidr;

    if (async_allow_is(entry, "public") || async_cidr_parse(&cidr, entry)) {
        return NULL;
    }

    if (entry.len != 0 && entry.data[0] == '.') {
        entry.data++;
        entry.len--;
    }

    if (async_url_name(entry)) {
        return NULL;
    }

    if (entry.len != 0 && memchr(entry.data, '/', entry.len) != NULL) {
        return "is no network, and a host has no scheme and no path";
    }

    if (entry.len != 0 && memchr(entry.data, '*', entry.len) != NULL) {
        return "is no host, and \"*\" is in none";
    }

    return "is no host, without port and trailing dot, no \".suffix\", no"
           " address or network, and not \"public\"";
}


bool
async_allow_one(async_str_t list)
{
    async_str_t  first, entry;

    if (!async_allow_next(&list, &first)) {
        return true;
    }

    /* a suffix or a network is not one host, though it is like itself */

    if (!async_allow_same(first, first)) {
        return false;
    }

    while (async_allow_next(&list, &entry)) {
        if (!async_allow_same(first, entry)) {
            return false;
        }
    }

    return true;
}


/* whether both let in the same host, and each of them no other */

static bool
async_allow_same(async_str_t one, async_str_t two)
{
    async_cidr_t  first, second;

    if (async_cidr_parse(&first, one) && async_cidr_parse(&second, two)) {
        return first.bits == first.address.len * 8
               && second.bits == second.address.len * 8
               && async_address_equal(&first.address, &second.address);
    }

    return one.data[0] != '.' && !async_allow_is(one, "public")
           && one.len == two.len
           && strncasecmp(one.data, two.data, one.len) == 0;
}


async_allow_t
async_allow_url(async_str_t list, const async_url_t *url, const char **why)
{
    bool         public;
    async_str_t  entry;

    *why = NULL;
    public = false;

    while (async_allow_next(&list, &entry)) {

        if (async_allow_is(entry, "public")
            || (entry.data[0] == '.' && !url->is_address
                && async_allow_below(entry, url->host)))
        {
            public = true;

        } else if (async_allow_lists(entry, url)) {
            return ASYNC_ALLOW_LISTED;
        }
    }

    *why = public ? async_allow_public(url)
                  : "has a host that may not be called from here";

    return (*why == NULL) ? ASYNC_ALLOW_PUBLIC : ASYNC_ALLOW_REFUSED;
}


bool
async_allow_connect(async_str_t list, const async_url_t *url,
    const async_address_t *peer)
{
    const char     *why;
    async_allow_t   allow;

    allow = async_allow_url(list, url, &why);

    if (allow == ASYNC_ALLOW_REFUSED
        || (url->is_address && !async_address_equal(&url->address, peer)))
    {
        return false;
    }

    return allow == ASYNC_ALLOW_LISTED || async_address_global(peer);
}


static bool
async_allow_next(async_str_t *list, async_str_t *entry)
{
    while (list->len != 0 && *list->data == ' ') {
        list->data++;
        list->len--;
    }

    *entry = *list;
    entry->len = 0;

    while (list->len != 0 && *list->data != ' ') {
        list->data++;
        list->len--;
        entry->len++;
    }

    return entry->len != 0;
}


/* as a host, or as an address */

static bool
async_allow_lists(async_str_t entry, const async_url_t *url)
{
    async_cidr_t  cidr;

    if (url->is_address) {
        return async_cidr_parse(&cidr, entry)
               && async_cidr_has(&cidr, &url->address);
    }

    return entry.len == url->host.len
           && strncasecmp(entry.data, url->host.data, entry.len) == 0;
}


/* as in nginx's server_name: ".example.com" is also example.com itself */

static bool
async_allow_below(async_str_t entry, async_str_t host)
{
    if (host.len + 1 == entry.len) {
        entry.data++;
        entry.len--;
    }

    return host.len >= entry.len
           && strncasecmp(host.data + host.len - entry.len, entry.data,
                          entry.len) == 0;
}


static bool
async_allow_is(async_str_t text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}


/* NULL: it may be called as far as can be told without its address */

static const char *
async_allow_public(const async_url_t *url)
{
    if (!url->https) {
        return "is not https";
    }

    if (!async_allow_port(url->port)) {
        return "has a port that is for something else than https";
    }

    if (url->is_address) {
        return async_address_global(&url->address)
                   ? NULL : "has an address that is not public";
    }

    return async_allow_local(url->host) ? "has a host that is not public"
                                        : NULL;
}


/* a name without a dot is completed by what the machine's resolver adds */

static bool
async_allow_local(async_str_t host)
{
    size_t       i;
    async_str_t  suffix;

    if (memchr(host.data, '.', host.len) == NULL) {
        return true;
    }

    for (i = 0; async_allow_locals[i] != NULL; i++) {
        suffix.data = async_allow_locals[i];
        suffix.len = strlen(suffix.data);

        if (async_allow_below(suffix, host)) {
            return true;
        }
    }

    return false;
}


static bool
async_allow_port(uint16_t port)
{
    size_t  i;

    for (i = 0;
         i < sizeof(async_allow_bad_ports) / sizeof(async_allow_bad_ports[0]);
         i++)
    {
        if (async_allow_bad_ports[i] == port) {
            return false;
        }
    }

    return true;
}
