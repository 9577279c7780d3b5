/*
 * Addresses, networks, the URL of a callback and the list of who may be
 * called.  A line of its own for the list, if there is a line feed.
 */

#include "async_allow.h"
#include "fuzz.h"


static void
assert_address(async_str_t text)
{
    async_cidr_t     cidr;
    async_address_t  a, again;

    if (!async_address_parse(&a, text)) {
        return;
    }

    fuzz_assert(a.len == ASYNC_ADDRESS_V4 || a.len == ASYNC_ADDRESS_V6);

    async_address_set(&again, a.bytes, a.len);
    fuzz_assert(async_address_equal(&a, &again));

    fuzz_assert(async_cidr_parse(&cidr, text));
    fuzz_assert(cidr.bits == a.len * 8);
    fuzz_assert(async_cidr_has(&cidr, &a));
}


static void
assert_cidr(async_str_t text)
{
    async_cidr_t  cidr;

    if (async_cidr_parse(&cidr, text)) {
        fuzz_assert(cidr.bits <= cidr.address.len * 8);
        fuzz_assert(async_cidr_has(&cidr, &cidr.address));
        fuzz_assert(async_allow_entry(text) == NULL);
    }
}


/* what is taken has nothing in it that could end a line or a host */

static void
assert_url(async_str_t text, const async_url_t *url)
{
    size_t  i;

    fuzz_assert(text.len <= ASYNC_URL_MAX);
    fuzz_assert(url->port != 0);
    fuzz_assert(url->host.len >= 1 && url->host.len <= ASYNC_URL_HOST_MAX);
    fuzz_assert(url->is_address != async_url_name(url->host));

    fuzz_assert(url->host.data > text.data);
    fuzz_assert(url->target.data + url->target.len == text.data + text.len);
    fuzz_assert(url->target.len == 0 || url->target.data[0] == '/'
                || url->target.data[0] == '?');

    for (i = 0; i < text.len; i++) {
        fuzz_assert(text.data[i] > 0x20 && text.data[i] < 0x7f);
        fuzz_assert(strchr("#\\\"<>^`{|}", text.data[i]) == NULL);
    }
}


static void
assert_allow(async_str_t list, const async_url_t *url)
{
    const char       *why;
    async_allow_t     allow;
    async_address_t   local;

    async_address_set(&local, "\x7f\0\0\1", ASYNC_ADDRESS_V4);

    allow = async_allow_url(fuzz_str("public", 6), url, &why);
    fuzz_assert(allow != ASYNC_ALLOW_LISTED);
    fuzz_assert(!async_allow_connect(fuzz_str("public", 6), url, &local));

    if (allow == ASYNC_ALLOW_PUBLIC) {
        fuzz_assert(url->https);
        fuzz_assert(!url->is_address || async_address_global(&url->address));
    }

    allow = async_allow_url(list, url, &why);
    fuzz_assert((allow == ASYNC_ALLOW_REFUSED) == (why != NULL));

    if (async_allow_connect(list, url, &local)) {
        fuzz_assert(allow == ASYNC_ALLOW_LISTED);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char     *why;
    const uint8_t  *end;
    async_rc_t      rc;
    async_str_t     list, text;
    async_url_t     url;

    end = (size != 0) ? memchr(data, '\n', size) : NULL;
    list = fuzz_str(data, (end != NULL) ? (size_t) (end - data) : 0);
    text = (end != NULL) ? fuzz_str(end + 1, size - list.len - 1)
                         : fuzz_str(data, size);

    assert_address(text);
    assert_cidr(text);
    (void) async_allow_entry(list);

    rc = async_url_parse(&url, text, &why);

    if (rc == ASYNC_OK) {
        fuzz_assert(why == NULL);
        assert_url(text, &url);
        assert_allow(list, &url);
        return 0;
    }

    fuzz_assert(rc == ASYNC_INVALID);
    fuzz_assert(why != NULL);

    return 0;
}
