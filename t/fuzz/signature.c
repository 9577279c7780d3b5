/*
 * Headers of signed messages, secrets, and the id in a body.  The first byte
 * says which scheme; then three headers, a line each, and the body.
 */

#include "async_base64.h"
#include "async_member.h"
#include "async_signature.h"
#include "fuzz.h"


static async_str_t
line(async_str_t *rest)
{
    const char   *end;
    async_str_t   text;

    text = *rest;
    end = (text.len != 0) ? memchr(text.data, '\n', text.len) : NULL;

    if (end == NULL) {
        rest->len = 0;
        return text;
    }

    text.len = (size_t) (end - text.data);
    rest->data = end + 1;
    rest->len -= text.len + 1;

    return text;
}


static void
assert_signature(async_scheme_t scheme, const async_str_t *headers)
{
    const char         *wrong;
    async_signature_t   s;

    wrong = async_signature_read(&s, scheme, headers, 1614265330, 300);

    fuzz_assert(s.n <= ASYNC_SIGNATURES && s.nfront <= ASYNC_SIGNED_FRONT);

    if (wrong == NULL) {
        fuzz_assert(s.n != 0);
        fuzz_assert(s.nfront == (scheme == ASYNC_SCHEME_STANDARD ? 4
                                 : scheme == ASYNC_SCHEME_STRIPE ? 2 : 0));
    }
}


static void
assert_secret(async_scheme_t scheme, async_str_t text)
{
    size_t   len;
    uint8_t  key[ASYNC_SIGNING_KEY];

    if (async_signing_key(key, &len, scheme, text)) {
        fuzz_assert(len >= 1 && len <= sizeof(key));
    }
}


/* whatever the pieces are */

static void
assert_member(async_str_t body)
{
    bool            found;
    size_t          i;
    async_str_t     whole, text;
    async_member_t  m, n;

    async_member_init(&m, "id");
    async_member_feed(&m, body.data, body.len);
    found = async_member_text(&m, &whole);

    async_member_init(&n, "id");

    for (i = 0; i < body.len; i++) {
        async_member_feed(&n, body.data + i, 1);
    }

    fuzz_assert(async_member_text(&n, &text) == found);

    if (!found) {
        return;
    }

    fuzz_assert_same(text.data, text.len, whole.data, whole.len);
    fuzz_assert(text.len >= 1 && text.len <= ASYNC_MEMBER_MAX);

    for (i = 0; i < text.len; i++) {
        fuzz_assert((unsigned char) text.data[i] < 0x80);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int             i;
    async_str_t     rest, headers[ASYNC_SIGNED_HEADERS];
    async_scheme_t  scheme;

    if (size == 0) {
        return 0;
    }

    scheme = (async_scheme_t) (data[0] % ASYNC_SCHEME_MAX);
    rest = fuzz_str(data + 1, size - 1);

    for (i = 0; i < ASYNC_SIGNED_HEADERS; i++) {
        headers[i] = line(&rest);
        assert_secret(scheme, headers[i]);
    }

    assert_signature(scheme, headers);
    assert_member(rest);

    return 0;
}
