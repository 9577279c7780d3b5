/*
 * What the headers of a signed message say.
 */

#include <string.h>

#include "async_base64.h"
#include "async_signature.h"


#define ASYNC_SIGNATURE_DIGITS  12      /* of a timestamp: to the year 33658 */
#define ASYNC_SIGNING_KEY_LEAST 16      /* bytes of what is base64 */
#define ASYNC_SIGNING_KEY_MOST  64


static const char *async_signature_standard(async_signature_t *s,
    const async_str_t *headers);
static const char *async_signature_github(async_signature_t *s,
    const async_str_t *headers);
static const char *async_signature_stripe(async_signature_t *s,
    const async_str_t *headers);
static void async_signature_front(async_signature_t *s, async_str_t text);
static const char *async_signature_time(const async_signature_t *s,
    int64_t now, int64_t tolerance);
static bool async_signature_hex(uint8_t *mac, async_str_t text);
static int async_signature_digit(char c);
static async_str_t async_signature_cut(async_str_t *rest, char c);
static bool async_signature_begins(async_str_t *text, const char *with);


static const char  *async_scheme_names[ASYNC_SCHEME_MAX] = {
#define X(symbol, name)  [ASYNC_SCHEME_##symbol] = name,
    ASYNC_SCHEMES(X)
#undef X
};


static const struct {
    const char    *headers[ASYNC_SIGNED_HEADERS];
    const char  *(*take)(async_signature_t *s, const async_str_t *headers);
} async_schemes[ASYNC_SCHEME_MAX] = {

    [ASYNC_SCHEME_STANDARD] = {
        { "webhook-id", "webhook-timestamp", "webhook-signature" },
        async_signature_standard
    },

    [ASYNC_SCHEME_GITHUB] = {
        { "X-GitHub-Delivery", NULL, "X-Hub-Signature-256" },
        async_signature_github
    },

    [ASYNC_SCHEME_STRIPE] = {
        { NULL, NULL, "Stripe-Signature" },
        async_signature_stripe
    }
};


async_scheme_t
async_scheme(async_str_t name)
{
    int  scheme;

    for (scheme = 0; scheme < ASYNC_SCHEME_MAX; scheme++) {

        if (strlen(async_scheme_names[scheme]) == name.len
            && memcmp(async_scheme_names[scheme], name.data, name.len) == 0)
        {
            break;
        }
    }

    return (async_scheme_t) scheme;
}


const char *
async_scheme_name(async_scheme_t scheme)
{
    return async_scheme_names[scheme];
}


const char *
async_scheme_header(async_scheme_t scheme, async_signed_header_t header)
{
    return async_schemes[scheme].headers[header];
}


const char *
async_signature_read(async_signature_t *s, async_scheme_t scheme,
    const async_str_t headers[ASYNC_SIGNED_HEADERS], int64_t now,
    int64_t tolerance)
{
    const char  *wrong;

    s->n = 0;
    s->nfront = 0;

    if (headers[ASYNC_SIGNED_SIGNATURE].len == 0) {
        return "The message is not signed.";
    }

    wrong = async_schemes[scheme].take(s, headers);

    if (wrong == NULL && s->n == 0) {
        wrong = "The message has no signature of a known kind.";
    }

    if (wrong == NULL && scheme != ASYNC_SCHEME_GITHUB) {
        wrong = async_signature_time(s, now, tolerance);
    }

    return wrong;
}


static const char *
async_signature_standard(async_signature_t *s, const async_str_t *headers)
{
    size_t             len;
    async_str_t        rest, item;
    const async_str_t  dot = async_str(".");

    if (headers[ASYNC_SIGNED_ID].len == 0) {
        return "The message has no webhook-id.";
    }

    async_signature_front(s, headers[ASYNC_SIGNED_ID]);
    async_signature_front(s, dot);
    async_signature_front(s, headers[ASYNC_SIGNED_TIMESTAMP]);
    async_signature_front(s, dot);

    rest = headers[ASYNC_SIGNED_SIGNATURE];

    while (rest.len != 0 && s->n < ASYNC_SIGNATURES) {
        item = async_signature_cut(&rest, ' ');

        if (async_signature_begins(&item, "v1,")
            && async_base64_decode(s->macs[s->n], ASYNC_MAC, &len, item)
            && len == ASYNC_MAC)
        {
            s->n++;
        }
    }

    return NULL;
}


static const char *
async_signature_github(async_signature_t *s, const async_str_t *headers)
{
    async_str_t  text;

    text = headers[ASYNC_SIGNED_SIGNATURE];

    if (async_signature_begins(&text, "sha256=")
        && async_signature_hex(s->macs[0], text))
    {
        s->n = 1;
    }

    return NULL;
}


static const char *
async_signature_stripe(async_signature_t *s, const async_str_t *headers)
{
    async_str_t        rest, item;
    const async_str_t  dot = async_str(".");

    rest = headers[ASYNC_SIGNED_SIGNATURE];

    while (rest.len != 0) {
        item = async_signature_cut(&rest, ',');

        if (async_signature_begins(&item, "t=")) {

            if (s->nfront != 0) {
                return "The message has more than one timestamp.";
            }

            async_signature_front(s, item);
            async_signature_front(s, dot);

        } else if (async_signature_begins(&item, "v1=")
                   && s->n < ASYNC_SIGNATURES
                   && async_signature_hex(s->macs[s->n], item))
        {
            s->n++;
        }
    }

    return NULL;
}


static void
async_signature_front(async_signature_t *s, async_str_t text)
{
    s->front[s->nfront++] = text;
}


/* it is what stands before the last dot */

static const char *
async_signature_time(const async_signature_t *s, int64_t now,
    int64_t tolerance)
{
    size_t       i;
    int64_t      then;
    async_str_t  text;

    if (s->nfront == 0) {
        return "The message has no timestamp.";
    }

    text = s->front[s->nfront - 2];

    if (text.len == 0) {
        return "The message has no timestamp.";
    }

    if (text.len > ASYNC_SIGNATURE_DIGITS) {
        return "The timestamp of the message is no time.";
    }

    then = 0;

    for (i = 0; i < text.len; i++) {

        if (text.data[i] < '0' || text.data[i] > '9') {
            return "The timestamp of the message is no time.";
        }

        then = then * 10 + (text.data[i] - '0');
    }

    if (then < now - tolerance) {
        return "The message is too old.";
    }

    return then > now + tolerance ? "The message is of a time to come." : NULL;
}


static bool
async_signature_hex(uint8_t *mac, async_str_t text)
{
    int     high, low;
    size_t  i;

    if (text.len != 2 * ASYNC_MAC) {
        return false;
    }

    for (i = 0; i < ASYNC_MAC; i++) {
        high = async_signature_digit(text.data[2 * i]);
        low = async_signature_digit(text.data[2 * i + 1]);

        if (high < 0 || low < 0) {
            return false;
        }

        mac[i] = (uint8_t) (high << 4 | low);
    }

    return true;
}


static int
async_signature_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return (c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
}


/* what is before c, or all; rest goes on behind it */

static async_str_t
async_signature_cut(async_str_t *rest, char c)
{
    const char   *end;
    async_str_t   head;

    head = *rest;
    end = memchr(head.data, c, head.len);

    if (end == NULL) {
        rest->len = 0;
        return head;
    }

    head.len = (size_t) (end - head.data);
    rest->data = end + 1;
    rest->len -= head.len + 1;

    return head;
}


/* and then without it */

static bool
async_signature_begins(async_str_t *text, const char *with)
{
    size_t  len;

    len = strlen(with);

    if (text->len < len || memcmp(text->data, with, len) != 0) {
        return false;
    }

    text->data += len;
    text->len -= len;

    return true;
}


bool
async_signing_key(uint8_t key[ASYNC_SIGNING_KEY], size_t *len,
    async_scheme_t scheme, async_str_t text)
{
    size_t  i;

    if (scheme == ASYNC_SCHEME_STANDARD) {
        (void) async_signature_begins(&text, "whsec_");

        return async_base64_decode(key, ASYNC_SIGNING_KEY_MOST, len, text)
               && *len >= ASYNC_SIGNING_KEY_LEAST;
    }

    *len = text.len;

    if (text.len == 0 || text.len > ASYNC_SIGNING_KEY) {
        return false;
    }

    /* a second line, or what was never text: somebody meant another file */

    for (i = 0; i < text.len; i++) {

        if ((unsigned char) text.data[i] < ' ' || text.data[i] == 0x7f) {
            return false;
        }
    }

    memcpy(key, text.data, text.len);

    return true;
}
