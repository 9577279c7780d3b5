/*
 * A response on its way into the store: which lines stay, and where the body
 * goes.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "async_message.h"
#include "async_response.h"


#define LIMIT  (1024 * 1024)

typedef struct {
    char            path[64];
    async_store_t  *store;
    async_id_t      id;
} folder_t;


static folder_t  folder;


static int
open_store(void **state)
{
    uint8_t                random[ASYNC_ID_RANDOM] = { 1 };
    async_error_t          err;
    async_store_options_t  options = { .size = 64 << 20, .create = true };

    strcpy(folder.path, "/tmp/async-response-XXXXXX");
    assert_non_null(mkdtemp(folder.path));

    assert_int_equal(async_store_prepare(folder.path, geteuid(), getegid(),
                                         &err),
                     ASYNC_OK);

    options.path = folder.path;
    assert_int_equal(async_store_open(&folder.store, &options, &err),
                     ASYNC_OK);

    async_id_make(&folder.id, 1700000000000, random);
    *state = &folder;

    return 0;
}


static int
remove_store(void **state)
{
    char  command[128];

    (void) state;

    async_store_close(folder.store);
    snprintf(command, sizeof(command), "rm -rf %s", folder.path);

    return system(command);
}


static void
begin(async_response_t *r)
{
    async_response_init(r, folder.store, &folder.id, LIMIT, false);
}


/* "\n" between lines, which arrive with CRLF as from nginx */

static bool
feed(async_response_t *r, const char *text)
{
    char         line[70000];
    size_t       len;
    const char  *end;

    for (; *text; text = *end ? end + 1 : end) {
        end = strchr(text, '\n');
        end = end ? end : text + strlen(text);
        len = (size_t) (end - text);

        memcpy(line, text, len);
        memcpy(line + len, "\r\n", 2);

        if (!async_response_line(r, line, len + 2)) {
            return false;
        }
    }

    return true;
}


/* the stored head as text: "200|Name=value|Name=value" */

static const char *
head_of(async_payload_t *payload)
{
    static char     text[4096];

    size_t          len;
    uint16_t        tag;
    uint64_t        status;
    async_str_t     name, value;
    async_reader_t  rd;

    assert_int_equal(async_reader_init(&rd, payload->head.data,
                                       payload->head.len,
                                       ASYNC_RECORD_RESPONSE),
                     ASYNC_OK);

    text[0] = '\0';

    while (async_read_tag(&rd, &tag, &value)) {
        len = strlen(text);

        if (tag == ASYNC_RESPONSE_STATUS) {
            assert_true(async_tag_u64(value, &status));
            snprintf(text + len, sizeof(text) - len, "%llu",
                     (unsigned long long) status);
            continue;
        }

        assert_int_equal(tag, ASYNC_RESPONSE_HEADER);
        assert_true(async_tag_pair(value, &name, &value));
        snprintf(text + len, sizeof(text) - len, "|%.*s=%.*s",
                 (int) name.len, name.data, (int) value.len, value.data);
    }

    assert_false(rd.broken);

    return text;
}


/* what would be stored of a head, and the resource it names */

static void
stored(const char *lines, const char *head, const char *resource)
{
    char              named[1200];
    async_str_t       at;
    async_body_t      body;
    async_payload_t   payload;
    async_response_t  r;

    begin(&r);
    assert_true(feed(&r, lines));
    assert_true(feed(&r, "\n"));
    assert_true(r.ended);
    assert_true(async_response_finish(&r, &payload, &body, &at));

    assert_string_equal(head_of(&payload), head);

    snprintf(named, sizeof(named), "%.*s", (int) at.len,
             at.len ? at.data : "");
    assert_string_equal(named, resource);

    async_response_clean(&r);
}


static void
the_backends_lines_stay_in_order(void **state)
{
    (void) state;

    stored("HTTP/1.1 200 OK\n"
           "Content-Type: text/plain\n"
           "X-B: 2\n"
           "X-A: 1\n"
           "Set-Cookie: a=1\n"
           "Set-Cookie: b=2\n"
           "X-Empty:\n"
           "X-Blank:   \t\n"
           "X-Colons: a:b::c\n"
           "X-Bytes: \x80\xff\x01\n"
           "Async-Replay-End: 200,1,9,0",
           "200|Content-Type=text/plain|X-B=2|X-A=1|Set-Cookie=a=1"
           "|Set-Cookie=b=2|X-Empty=|X-Blank=|X-Colons=a:b::c"
           "|X-Bytes=\x80\xff\x01", "");
}


static void
what_belongs_to_the_connection_goes(void **state)
{
    (void) state;

    stored("HTTP/1.1 200 OK\n"
           "server: nginx\n"
           "DATE: now\n"
           "Content-Type: a/b\n"
           "Content-Length: 5\n"
           "Transfer-Encoding: chunked\n"
           "Connection: keep-alive\n"
           "Keep-Alive: timeout=5\n"
           "Proxy-Connection: close\n"
           "Trailer: X\n"
           "TE: trailers\n"
           "Upgrade: h2c\n"
           "Accept-Ranges: bytes\n"
           "Content-Encoding: br\n"
           "Dates: stays\n"
           "Async-Replay-End: 200,1,9,0",
           "200|Content-Type=a/b|Content-Encoding=br|Dates=stays", "");
}


static void
lines_after_the_end_are_not_the_backends(void **state)
{
    (void) state;

    stored("HTTP/1.1 200 OK\n"
           "X-Backend: 1\n"
           "Async-Replay-End: -\n"
           "X-Added: by the submit location",
           "200|X-Backend=1", "");
}


/* nginx adds its line last, so that a forged one changes nothing */

static void
the_last_end_line_counts(void **state)
{
    async_response_t  r;

    (void) state;

    begin(&r);

    assert_true(feed(&r, "HTTP/1.1 200 OK\n"
                         "async-replay-end: 200,0,0,-\n"
                         "X-Backend: 1\n"
                         "Async-Replay-End: 200,1,9,0\n\n"));

    assert_true(r.end_line);
    assert_true(r.facts.answered);
    assert_true(r.facts.sent);

    async_response_clean(&r);

    stored("HTTP/1.1 200 OK\n"
           "async-replay-end: 200,0,0,-\n"
           "X-Backend: 1\n"
           "Async-Replay-End: 200,1,9,0",
           "200|X-Backend=1", "");
}


static void
interim_responses_are_forgotten(void **state)
{
    async_response_t  r;

    (void) state;

    stored("HTTP/1.1 103 Early Hints\n"
           "Link: </style.css>\n"
           "Async-Replay-End: -\n"
           "\n"
           "HTTP/1.1 200 OK\n"
           "X-Final: 1\n"
           "Async-Replay-End: 200,1,9,0",
           "200|X-Final=1", "");

    begin(&r);
    assert_true(feed(&r, "HTTP/1.1 100 Continue\n"
                         "Async-Replay-End: -\n\n"));
    assert_false(r.ended);
    assert_true(feed(&r, "HTTP/1.1 502 Bad Gateway\n\n"));
    assert_true(r.ended);
    assert_false(r.end_line);
    assert_int_equal(r.status, 502);
    async_response_clean(&r);
}


/* where it stands after a status line, it is a line like others */

static void
a_head_has_one_status_line(void **state)
{
    (void) state;

    stored("HTTP/1.1 201 Created\n"
           "X-A: 1\n"
           "HTTP/1.1 404: x\n"
           "HTTP/2: y\n"
           "Async-Replay-End: 201,1,9,0",
           "201|X-A=1|HTTP/1.1 404=x|HTTP/2=y", "");
}


static void
trailers_are_not_headers(void **state)
{
    async_str_t       at;
    async_body_t      body;
    async_payload_t   payload;
    async_response_t  r;

    (void) state;

    begin(&r);
    assert_true(feed(&r, "HTTP/1.1 200 OK\nAsync-Replay-End: 200,1,9,0\n\n"));
    assert_true(async_response_body(&r, "x", 1));
    assert_true(feed(&r, "X-Trailer: 1\nAsync-Replay-End: 200,0,0,-\n\n"));
    assert_true(async_response_finish(&r, &payload, &body, &at));

    assert_string_equal(head_of(&payload), "200");
    assert_true(r.facts.answered);

    async_response_clean(&r);
}


static void
what_is_no_header_line_is_left_out(void **state)
{
    (void) state;

    stored("HTTP/1.1 200 OK\n"
           "no colon\n"
           ": no name\n"
           " folded: 1\n"
           "\tfolded: 2\n"
           "X: 1\n"
           "Async-Replay-End: 200,1,9,0",
           "200|X=1", "");
}


static void
a_location_names_the_resource(void **state)
{
    char  lines[2048], head[2048], url[1100];

    (void) state;

    stored("HTTP/1.1 201 Created\nlocation: http://h/r/1\n"
           "Async-Replay-End: 201,1,9,0",
           "201|location=http://h/r/1", "http://h/r/1");
    stored("HTTP/1.1 202 Accepted\nLocation: http://h/r/2\n"
           "Async-Replay-End: 202,1,9,0",
           "202|Location=http://h/r/2", "http://h/r/2");
    stored("HTTP/1.1 303 See Other\nLocation: http://h/r/3\n"
           "Async-Replay-End: 303,1,9,0",
           "303|Location=http://h/r/3", "http://h/r/3");
    stored("HTTP/1.1 200 OK\nLocation: http://h/r/4\n"
           "Async-Replay-End: 200,1,9,0",
           "200|Location=http://h/r/4", "");
    stored("HTTP/1.1 201 Created\nAsync-Replay-End: 201,1,9,0\n"
           "Location: http://h/added", "201", "");

    /* too long for a job's record: it stays in the response */

    memset(url, 'u', sizeof(url) - 1);
    url[sizeof(url) - 1] = '\0';
    snprintf(lines, sizeof(lines), "HTTP/1.1 201 Created\nLocation: %s\n"
             "Async-Replay-End: 201,1,9,0", url);
    snprintf(head, sizeof(head), "201|Location=%s", url);
    stored(lines, head, "");
}


static void
a_head_has_its_limit(void **state)
{
    int               i;
    char              line[4096];
    async_response_t  r;

    (void) state;

    memset(line, 'x', sizeof(line));
    memcpy(line, "X-Long: ", 8);

    begin(&r);
    assert_true(feed(&r, "HTTP/1.1 200 OK"));

    for (i = 0; i < 15; i++) {
        assert_true(async_response_line(&r, line, sizeof(line)));
    }

    assert_false(async_response_line(&r, line, sizeof(line)));
    assert_int_equal(r.fault, ASYNC_RESPONSE_TOO_LARGE);

    async_response_clean(&r);
}


static void
a_small_body_stays_in_memory(void **state)
{
    async_str_t       at;
    async_body_t      body;
    async_payload_t   payload;
    async_response_t  r;

    (void) state;

    begin(&r);
    assert_true(feed(&r, "HTTP/1.1 200 OK\nAsync-Replay-End: 200,1,9,0\n\n"));
    assert_true(async_response_body(&r, "hello ", 6));
    assert_true(async_response_body(&r, "", 0));
    assert_true(async_response_body(&r, "world", 5));
    assert_true(async_response_finish(&r, &payload, &body, &at));

    assert_int_equal(body.where, ASYNC_BODY_CHUNKS);
    assert_int_equal(body.len, 11);
    assert_int_equal(body.crc, async_crc32c(0, "hello world", 11));
    assert_int_equal(payload.body.len, 11);
    assert_memory_equal(payload.body.data, "hello world", 11);

    async_response_clean(&r);
}


static void
a_large_body_goes_to_the_spool(void **state)
{
    int               i;
    char              piece[10000], path[512];
    uint32_t          crc;
    async_str_t       at;
    async_body_t      body;
    async_payload_t   payload;
    async_response_t  r;

    (void) state;

    begin(&r);
    assert_true(feed(&r, "HTTP/1.1 200 OK\nAsync-Replay-End: 200,1,9,0\n\n"));

    for (i = 0, crc = 0; i < 50; i++) {
        memset(piece, i, sizeof(piece));
        crc = async_crc32c(crc, piece, sizeof(piece));
        assert_true(async_response_body(&r, piece, sizeof(piece)));
        assert_true(r.body_cap <= ASYNC_CHUNKED_MAX);
    }

    assert_null(r.body);
    assert_true(async_response_finish(&r, &payload, &body, &at));

    assert_int_equal(body.where, ASYNC_BODY_SPOOL);
    assert_int_equal(body.len, 500000);
    assert_int_equal(body.crc, crc);
    assert_int_equal(payload.body.len, 0);

    assert_true(async_spool_path(folder.store, &folder.id,
                                 ASYNC_PAYLOAD_RESPONSE_BODY, path,
                                 sizeof(path)));
    assert_int_equal(access(path, R_OK), 0);

    /* once finished it is the store's: cleaning leaves it */

    async_response_clean(&r);
    assert_int_equal(access(path, R_OK), 0);
}


static void
a_body_has_its_limit(void **state)
{
    char              piece[4096];
    uint64_t          sent;
    async_response_t  r;

    (void) state;

    memset(piece, 'x', sizeof(piece));

    begin(&r);
    assert_true(feed(&r, "HTTP/1.1 200 OK\nAsync-Replay-End: 200,1,9,0\n\n"));

    for (sent = 0; sent < LIMIT; sent += sizeof(piece)) {
        assert_true(async_response_body(&r, piece, sizeof(piece)));
    }

    assert_false(async_response_body(&r, piece, 1));
    assert_int_equal(r.fault, ASYNC_RESPONSE_TOO_LARGE);

    async_response_clean(&r);
}


static void
no_body_and_an_empty_one_differ(void **state)
{
    size_t            i;
    async_str_t       at;
    async_body_t      body;
    async_payload_t   payload;
    async_response_t  r;

    const struct {
        const char          *line;
        bool                 head;
        async_body_where_t   where;
    } cases[] = {
        { "HTTP/1.1 200 OK\n",           false, ASYNC_BODY_CHUNKS },
        { "HTTP/1.1 404 Not Found\n",    false, ASYNC_BODY_CHUNKS },
        { "HTTP/1.1 204 No Content\n",   false, ASYNC_BODY_NONE },
        { "HTTP/1.1 304 Not Modified\n", false, ASYNC_BODY_NONE },
        { "HTTP/1.1 200 OK\n",           true,  ASYNC_BODY_NONE }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        async_response_init(&r, folder.store, &folder.id, LIMIT,
                            cases[i].head);
        assert_true(feed(&r, cases[i].line));
        assert_true(feed(&r, "Async-Replay-End: 200,1,9,0\n\n"));
        assert_true(async_response_finish(&r, &payload, &body, &at));
        assert_int_equal(body.where, cases[i].where);
        assert_int_equal(body.len, 0);
        async_response_clean(&r);
    }
}


/* seconds, or a date in one of the three forms of RFC 9110, 5.6.7 */

static void
retry_after_is_understood_or_is_nothing(void **state)
{
    size_t            i;
    char              head[256];
    folder_t         *f = *state;
    async_response_t  r;
    const int64_t     now = 784111777000ll - 60000;

    static const struct {
        const char  *value;
        int64_t      wait;
    } rows[] = {
        { "120", 120000 }, { "0", 0 }, { "99999999999", INT64_MAX },
        { "Sun, 06 Nov 1994 08:49:37 GMT", 60000 },
        { "Sunday, 06-Nov-94 08:49:37 GMT", 60000 },
        { "Sun Nov  6 08:49:37 1994", 60000 },
        { "Sun, 06 Nov 1994 08:00:00 GMT", 0 },
        { "soon", -1 }, { "-5", -1 }, { "1.5", -1 }, { "", -1 },
        { "12345678901234567890123456789012345678901234567890", -1 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        async_response_init(&r, f->store, &f->id, LIMIT, false);
        snprintf(head, sizeof(head), "HTTP/1.1 503 No\nRetry-After: %s\n"
                 "Async-Replay-End: 503,1,9,0\nRetry-After: 7\n\n",
                 rows[i].value);
        assert_true(feed(&r, head));

        if (async_response_retry_after(&r, now) != rows[i].wait) {
            fail_msg("\"%s\": %lld", rows[i].value, (long long)
                     async_response_retry_after(&r, now));
        }

        async_response_clean(&r);
        assert_int_equal(async_response_retry_after(&r, now), rows[i].wait);
    }

    /* of the last status line */

    async_response_init(&r, f->store, &f->id, LIMIT, false);
    assert_true(feed(&r, "HTTP/1.1 103 Early\nRetry-After: 9\n\n"
                         "HTTP/1.1 503 No\n\n"));
    assert_int_equal(async_response_retry_after(&r, now), -1);
    async_response_clean(&r);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(the_backends_lines_stay_in_order),
        cmocka_unit_test(what_belongs_to_the_connection_goes),
        cmocka_unit_test(lines_after_the_end_are_not_the_backends),
        cmocka_unit_test(the_last_end_line_counts),
        cmocka_unit_test(interim_responses_are_forgotten),
        cmocka_unit_test(a_head_has_one_status_line),
        cmocka_unit_test(trailers_are_not_headers),
        cmocka_unit_test(what_is_no_header_line_is_left_out),
        cmocka_unit_test(a_location_names_the_resource),
        cmocka_unit_test(a_head_has_its_limit),
        cmocka_unit_test(retry_after_is_understood_or_is_nothing),
        cmocka_unit_test(a_small_body_stays_in_memory),
        cmocka_unit_test(a_large_body_goes_to_the_spool),
        cmocka_unit_test(a_body_has_its_limit),
        cmocka_unit_test(no_body_and_an_empty_one_differ)
    };

    return cmocka_run_group_tests(tests, open_store, remove_store);
}
