#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "async_message.h"
#include "async_response.h"


/* the first size of a buffer that grows by doubling */
#define ASYNC_RESPONSE_LINES  1024
#define ASYNC_RESPONSE_BODY   4096

static const char  async_response_end[] = "Async-Replay-End";

/* hop-by-hop (RFC 9110, section 7.6.1), and what nginx adds when it serves */

static const char *const  async_response_dropped[] = {
    "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding",
    "Trailer", "TE", "Upgrade", "Date", "Server", "Content-Length",
    "Accept-Ranges", NULL
};


static bool async_response_status(async_response_t *r, const char *line,
    size_t len);
static bool async_response_header(async_response_t *r, const char *line,
    size_t len);
static bool async_response_split(const char *line, size_t len,
    async_str_t *name, async_str_t *value);
static bool async_response_is(async_str_t name, const char *known);
static bool async_response_drops(async_str_t name);
static bool async_response_keep(async_response_t *r, async_str_t name,
    async_str_t value);
static bool async_response_grow(async_response_t *r, size_t len);
static time_t async_response_date(const char *text);
static bool async_response_spill(async_response_t *r);
static bool async_response_fail(async_response_t *r,
    async_response_fault_t fault);
static bool async_response_head(async_response_t *r, async_str_t *head,
    async_str_t *resource);
static size_t async_response_encode(const async_response_t *r, uint8_t *buf,
    size_t cap, async_str_t *resource, size_t *need);
static bool async_response_points(unsigned status);
static bool async_response_has_body(const async_response_t *r);


void
async_response_init(async_response_t *r, async_store_t *store,
    const async_id_t *id, uint64_t limit, bool bodiless)
{
    memset(r, 0, sizeof(async_response_t));

    r->store = store;
    r->id = *id;
    r->limit = limit;
    r->bodiless = bodiless;
    r->spool.fd = -1;
}


bool
async_response_line(async_response_t *r, const char *line, size_t len)
{
    /* the trailers of a chunked body come like header lines */

    if (r->ended) {
        return true;
    }

    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) {
        len--;
    }

    r->seen += len;

    if (r->seen > ASYNC_RESPONSE_HEAD_MAX) {
        return async_response_fail(r, ASYNC_RESPONSE_TOO_LARGE);
    }

    if (len == 0) {
        r->ended = r->status >= 200;

        /* an interim one is none */

        if (!r->ended) {
            r->status = 0;
        }

        return true;
    }

    if (r->status < 200 && len > 5 && memcmp(line, "HTTP/", 5) == 0) {
        return async_response_status(r, line, len);
    }

    return async_response_header(r, line, len);
}


/* HTTP/1.1 200 OK: what came before it was an interim response */

static bool
async_response_status(async_response_t *r, const char *line, size_t len)
{
    unsigned     n;
    const char  *p, *end;

    end = line + len;
    p = memchr(line, ' ', len);

    r->status = 0;
    r->lines_len = 0;
    r->kept = 0;
    r->end_line = false;
    r->again[0] = '\0';

    for (n = 0; p && n < 3 && ++p < end && *p >= '0' && *p <= '9'; n++) {
        r->status = r->status * 10 + (unsigned) (*p - '0');
    }

    return true;
}


static bool
async_response_header(async_response_t *r, const char *line, size_t len)
{
    async_str_t  name, value;

    if (!async_response_split(line, len, &name, &value)) {
        return true;
    }

    /*
     * The last one counts: nginx adds its own after the backend's lines, so
     * that a backend cannot forge it.
     */

    if (async_response_is(name, async_response_end)) {
        r->end_line = true;
        r->kept = r->lines_len;
        async_facts_parse(&r->facts, value.data, value.len);
        return true;
    }

    if (async_response_is(name, "Retry-After") && !r->end_line
        && value.len < sizeof(r->again))
    {
        memcpy(r->again, value.data, value.len);
        r->again[value.len] = '\0';
    }

    if (async_response_drops(name)) {
        return true;
    }

    return async_response_keep(r, name, value);
}


/* false for what is no header line (a folded one, for example) */

static bool
async_response_split(const char *line, size_t len, async_str_t *name,
    async_str_t *value)
{
    const char  *colon;

    colon = memchr(line, ':', len);

    if (colon == NULL || colon == line || line[0] == ' ' || line[0] == '\t') {
        return false;
    }

    name->data = line;
    name->len = (size_t) (colon - line);

    value->data = colon + 1;
    value->len = len - name->len - 1;

    while (value->len && (*value->data == ' ' || *value->data == '\t')) {
        value->data++;
        value->len--;
    }

    while (value->len && (value->data[value->len - 1] == ' '
                          || value->data[value->len - 1] == '\t'))
    {
        value->len--;
    }

    return true;
}


static bool
async_response_is(async_str_t name, const char *known)
{
    return name.len == strlen(known)
           && strncasecmp(name.data, known, name.len) == 0;
}


static bool
async_response_drops(async_str_t name)
{
    const char *const  *known;

    for (known = async_response_dropped; *known; known++) {
        if (async_response_is(name, *known)) {
            return true;
        }
    }

    return false;
}


static bool
async_response_keep(async_response_t *r, async_str_t name, async_str_t value)
{
    char    *p;
    size_t   cap, len;

    len = name.len + 1 + value.len + 1;

    if (r->lines_len + len > r->lines_cap) {
        cap = r->lines_cap ? r->lines_cap : ASYNC_RESPONSE_LINES;

        while (cap < r->lines_len + len) {
            cap *= 2;
        }

        p = realloc(r->lines, cap);
        if (p == NULL) {
            return async_response_fail(r, ASYNC_RESPONSE_UNSTORED);
        }

        r->lines = p;
        r->lines_cap = cap;
    }

    p = r->lines + r->lines_len;
    r->lines_len += len;

    memcpy(p, name.data, name.len);
    p += name.len;
    *p++ = ':';

    if (value.len) {
        memcpy(p, value.data, value.len);
        p += value.len;
    }

    *p = '\n';

    return true;
}


int64_t
async_response_retry_after(const async_response_t *r, int64_t now)
{
    size_t   digits;
    time_t   date;
    int64_t  wait;

    digits = strspn(r->again, "0123456789");

    if (digits > 0 && r->again[digits] == '\0') {

        /* more is cut by the policy anyway */

        return digits < 10 ? atoll(r->again) * 1000 : INT64_MAX;
    }

    date = async_response_date(r->again);

    if (date == -1) {
        return -1;
    }

    wait = (int64_t) date * 1000 - now;

    return wait > 0 ? wait : 0;
}


/* one of the three forms of RFC 9110, 5.6.7; -1: none */

static time_t
async_response_date(const char *text)
{
    unsigned     i;
    struct tm    tm;
    const char  *end;

    static const char *const  forms[] = {
        "%a, %d %b %Y %H:%M:%S GMT",
        "%A, %d-%b-%y %H:%M:%S GMT",
        "%a %b %d %H:%M:%S %Y"
    };

    for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        memset(&tm, 0, sizeof(tm));
        end = strptime(text, forms[i], &tm);

        if (end != NULL && *end == '\0') {
            return timegm(&tm);
        }
    }

    return -1;
}


bool
async_response_body(async_response_t *r, const void *data, size_t len)
{
    if (len > r->limit || r->body_len > r->limit - len) {
        return async_response_fail(r, ASYNC_RESPONSE_TOO_LARGE);
    }

    if (r->spool.fd == -1 && r->body_len + len > ASYNC_CHUNKED_MAX
        && !async_response_spill(r))
    {
        return async_response_fail(r, ASYNC_RESPONSE_UNSTORED);
    }

    if (r->spool.fd != -1) {
        r->body_len += len;

        if (async_spool_write(&r->spool, data, len, &r->error) != ASYNC_OK) {
            return async_response_fail(r, ASYNC_RESPONSE_UNSTORED);
        }

        return true;
    }

    if (len == 0) {
        return true;
    }

    if (!async_response_grow(r, len)) {
        return async_response_fail(r, ASYNC_RESPONSE_UNSTORED);
    }

    memcpy(r->body + r->body_len, data, len);
    r->body_len += len;
    r->body_crc = async_crc32c(r->body_crc, data, len);

    return true;
}


static bool
async_response_grow(async_response_t *r, size_t len)
{
    size_t    cap;
    uint8_t  *p;

    if (r->body_len + len <= r->body_cap) {
        return true;
    }

    cap = r->body_cap ? r->body_cap : ASYNC_RESPONSE_BODY;

    while (cap < r->body_len + len) {
        cap *= 2;
    }

    p = realloc(r->body, cap);
    if (p == NULL) {
        async_error_set(&r->error, "no memory for a response");
        return false;
    }

    r->body = p;
    r->body_cap = cap;

    return true;
}


/* from memory into a spool file, once and for all */

static bool
async_response_spill(async_response_t *r)
{
    if (async_spool_create(&r->spool, r->store, &r->id,
                           ASYNC_PAYLOAD_RESPONSE_BODY, &r->error)
        != ASYNC_OK)
    {
        r->spool.fd = -1;
        return false;
    }

    if (r->body_len
        && async_spool_write(&r->spool, r->body, (size_t) r->body_len,
                             &r->error)
           != ASYNC_OK)
    {
        return false;
    }

    free(r->body);
    r->body = NULL;
    r->body_cap = 0;

    return true;
}


static bool
async_response_fail(async_response_t *r, async_response_fault_t fault)
{
    r->fault = fault;
    return false;
}


bool
async_response_finish(async_response_t *r, async_payload_t *payload,
    async_body_t *body, async_str_t *resource)
{
    *payload = (async_payload_t) { .head = { NULL, 0 } };
    *body = (async_body_t) { .where = ASYNC_BODY_NONE };

    if (!async_response_head(r, &payload->head, resource)) {
        async_error_set(&r->error, "no memory for a response");
        return async_response_fail(r, ASYNC_RESPONSE_UNSTORED);
    }

    if (r->spool.fd != -1) {
        if (async_spool_finish(&r->spool, body, &r->error) != ASYNC_OK) {
            return async_response_fail(r, ASYNC_RESPONSE_UNSTORED);
        }

        return true;
    }

    if (!async_response_has_body(r)) {
        return true;
    }

    body->where = ASYNC_BODY_CHUNKS;
    body->len = r->body_len;
    body->crc = r->body_crc;

    payload->body.data = (const char *) r->body;
    payload->body.len = (size_t) r->body_len;

    return true;
}


static bool
async_response_head(async_response_t *r, async_str_t *head,
    async_str_t *resource)
{
    size_t  need;

    async_response_encode(r, NULL, 0, resource, &need);

    r->head = malloc(need);
    if (r->head == NULL) {
        return false;
    }

    head->data = (const char *) r->head;
    head->len = async_response_encode(r, r->head, need, resource, &need);

    return head->len > 0;
}


static size_t
async_response_encode(const async_response_t *r, uint8_t *buf, size_t cap,
    async_str_t *resource, size_t *need)
{
    size_t           pos, len;
    const char      *line;
    async_str_t      name, value;
    async_writer_t   w;

    *resource = (async_str_t) { NULL, 0 };

    async_writer_init(&w, buf, cap, ASYNC_RECORD_RESPONSE);
    async_write_tag_u64(&w, ASYNC_RESPONSE_STATUS, r->status);

    for (pos = 0; pos < r->kept; pos += len + 1) {
        line = r->lines + pos;
        len = (size_t) ((char *) memchr(line, '\n', r->kept - pos) - line);

        async_response_split(line, len, &name, &value);
        async_write_tag_pair(&w, ASYNC_RESPONSE_HEADER, name, value);

        if (async_response_is(name, "Location")
            && async_response_points(r->status)
            && value.len <= ASYNC_RESPONSE_RESOURCE_MAX)
        {
            *resource = value;
        }
    }

    *need = w.need;

    return async_writer_end(&w);
}


/* statuses whose Location names what came of the request */

static bool
async_response_points(unsigned status)
{
    return status == 201 || status == 202 || (status >= 300 && status < 400);
}


static bool
async_response_has_body(const async_response_t *r)
{
    return !r->bodiless && r->status != 204 && r->status != 304;
}


void
async_response_clean(async_response_t *r)
{
    if (r->spool.fd != -1) {
        async_spool_abandon(&r->spool);
        r->spool.fd = -1;
    }

    free(r->lines);
    free(r->body);
    free(r->head);

    r->lines = NULL;
    r->body = NULL;
    r->head = NULL;
}
