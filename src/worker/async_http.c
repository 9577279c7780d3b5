/*
 * The rule that makes a replay safe: libcurl must never send a request twice
 * nor add anything to it, and we must know whether the peer can have read
 * it.  For the second, a request with a body waits after its head until the
 * kernel says that the peer has taken it: so a peer that accepts and closes
 * (nginx out of connections, a listener that goes away with its backlog) is
 * told from one that broke in the middle of the work.
 */

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>

#include "async_easy.h"
#include "async_http.h"


/* ms between looks at whether a request head was taken, while it is not */
#define ASYNC_HTTP_LOOK_MIN  1
#define ASYNC_HTTP_LOOK_MAX  64

#define ASYNC_HTTP_FDS       8
#define ASYNC_HTTP_BUFFER    (16 * 1024)


struct async_transfer_s {
    CURL                        *easy;
    async_http_t                *http;
    struct curl_slist           *headers;
    const async_http_handler_t  *handler;
    void                        *data;
    int                          fd;
    bool                         has_body;  /* with a byte in it */
    bool                         taken;     /* the peer read the head */
    bool                         held;      /* waits for that */
    LIST_ENTRY(async_transfer_s)  link;     /* in http->held */
    char                         why[CURL_ERROR_SIZE];
};

struct async_http_s {
    CURLM                               *multi;
    LIST_HEAD(, async_transfer_s)        held;
    int                                  look;
};


static bool async_http_headers(async_transfer_t *t,
    const async_http_request_t *request);
static CURLcode async_http_setup(async_transfer_t *t,
    const async_http_request_t *request);
static CURLcode async_http_method(CURL *easy,
    const async_http_request_t *request);
static CURLcode async_http_plain(CURL *easy);
static int async_http_on_socket(void *data, curl_socket_t fd,
    curlsocktype purpose);
static size_t async_http_on_read(char *buf, size_t size, size_t n,
    void *data);
static size_t async_http_on_line(char *buf, size_t size, size_t n,
    void *data);
static size_t async_http_on_body(char *buf, size_t size, size_t n,
    void *data);
static void async_http_release_held(async_http_t *http);
static bool async_http_taken(const async_transfer_t *t, bool *moved);
static async_http_end_t async_http_end(const async_transfer_t *t,
    CURLcode code);
static bool async_http_unread(const async_transfer_t *t, CURLcode code);


async_http_t *
async_http_create(void)
{
    async_http_t  *http;

    http = calloc(1, sizeof(async_http_t));
    if (http == NULL) {
        return NULL;
    }

    if (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK) {
        free(http);
        return NULL;
    }

    http->multi = curl_multi_init();
    if (http->multi == NULL) {
        curl_global_cleanup();
        free(http);
        return NULL;
    }

    LIST_INIT(&http->held);
    http->look = ASYNC_HTTP_LOOK_MIN;

    return http;
}


void
async_http_destroy(async_http_t *http)
{
    curl_multi_cleanup(http->multi);
    curl_global_cleanup();
    free(http);
}


async_transfer_t *
async_http_start(async_http_t *http, const async_http_request_t *request)
{
    async_transfer_t  *t;

    t = calloc(1, sizeof(async_transfer_t));
    if (t == NULL) {
        return NULL;
    }

    t->http = http;
    t->handler = request->handler;
    t->data = request->data;
    t->has_body = request->has_body && request->body_len > 0
                  && strcmp(request->method, "HEAD") != 0;
    t->fd = -1;

    t->easy = curl_easy_init();

    if (t->easy == NULL
        || !async_http_headers(t, request)
        || async_http_setup(t, request) != CURLE_OK
        || curl_multi_add_handle(http->multi, t->easy) != CURLM_OK)
    {
        async_http_stop(http, t);
        return NULL;
    }

    return t;
}


void
async_http_stop(async_http_t *http, async_transfer_t *t)
{
    if (t->held) {
        LIST_REMOVE(t, link);
    }

    if (t->easy) {
        curl_multi_remove_handle(http->multi, t->easy);
        curl_easy_cleanup(t->easy);
    }

    curl_slist_free_all(t->headers);
    free(t);
}


bool
async_http_written(const async_transfer_t *t)
{
    long  bytes;

    bytes = 0;
    curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &bytes);

    return bytes > 0;
}


bool
async_http_reached(const async_transfer_t *t)
{
    bool  moved;
    long  status;

    status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);

    if (status != 0 || t->taken) {
        return true;
    }

    /* what holds a body back looks for itself */

    return !t->has_body && async_http_written(t)
           && async_http_taken(t, &moved);
}


static bool
async_http_headers(async_transfer_t *t, const async_http_request_t *request)
{
    unsigned     i;
    const char  *own;

    static const char *const  off[] = {
        "Accept", "Content-Type", "Expect", "Transfer-Encoding",
        "User-Agent", NULL
    };

    for (i = 0; (own = off[i]) != NULL; i++) {
        unsigned  n;

        for (n = 0; n < request->nheaders; n++) {
            if (strcasecmp(request->headers[n].name, own) == 0) {
                break;
            }
        }

        if (n == request->nheaders
            && !async_easy_header(&t->headers, own, NULL))
        {
            return false;
        }
    }

    for (i = 0; i < request->nheaders; i++) {
        if (!async_easy_header(&t->headers, request->headers[i].name,
                               request->headers[i].value))
        {
            return false;
        }
    }

    return true;
}


static CURLcode
async_http_setup(async_transfer_t *t, const async_http_request_t *request)
{
    CURL      *easy;
    CURLcode   code;

    easy = t->easy;

    code = async_http_plain(easy);
    if (code != CURLE_OK) {
        return code;
    }

    code = async_http_method(easy, request);
    if (code != CURLE_OK) {
        return code;
    }

    async_easy_set(easy, CURLOPT_PRIVATE, t);
    async_easy_set(easy, CURLOPT_ERRORBUFFER, t->why);
    async_easy_set(easy, CURLOPT_UNIX_SOCKET_PATH, request->socket);
    async_easy_set(easy, CURLOPT_REQUEST_TARGET, request->target);
    async_easy_set(easy, CURLOPT_HTTPHEADER, t->headers);

    async_easy_set(easy, CURLOPT_SOCKOPTFUNCTION, async_http_on_socket);
    async_easy_set(easy, CURLOPT_SOCKOPTDATA, t);
    async_easy_set(easy, CURLOPT_READFUNCTION, async_http_on_read);
    async_easy_set(easy, CURLOPT_READDATA, t);
    async_easy_set(easy, CURLOPT_HEADERFUNCTION, async_http_on_line);
    async_easy_set(easy, CURLOPT_HEADERDATA, t);
    async_easy_set(easy, CURLOPT_WRITEFUNCTION, async_http_on_body);
    async_easy_set(easy, CURLOPT_WRITEDATA, t);

    return CURLE_OK;
}


static CURLcode
async_http_method(CURL *easy, const async_http_request_t *request)
{
    /* the answer to HEAD announces a length that does not come */

    if (strcmp(request->method, "HEAD") == 0) {
        async_easy_set(easy, CURLOPT_NOBODY, 1L);
        return CURLE_OK;
    }

    if (request->has_body) {
        async_easy_set(easy, CURLOPT_UPLOAD, 1L);
        async_easy_set(easy, CURLOPT_INFILESIZE_LARGE,
                       (curl_off_t) request->body_len);
    } else {
        async_easy_set(easy, CURLOPT_HTTPGET, 1L);
    }

    async_easy_set(easy, CURLOPT_CUSTOMREQUEST, request->method);

    /* 0 would mean no limit to libcurl; the handler counts as well */

    if (request->response_max > 0 && request->response_max < INT64_MAX) {
        async_easy_set(easy, CURLOPT_MAXFILESIZE_LARGE,
                       (curl_off_t) request->response_max);
    }

    return CURLE_OK;
}


/* HTTP/1.1 over a unix socket, and nothing decoded */

static CURLcode
async_http_plain(CURL *easy)
{
    CURLcode  code;

    code = async_easy_plain(easy);
    if (code != CURLE_OK) {
        return code;
    }

    async_easy_set(easy, CURLOPT_URL, "http://localhost/");
    async_easy_set(easy, CURLOPT_PROTOCOLS_STR, "http");
    async_easy_set(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
    async_easy_set(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    async_easy_set(easy, CURLOPT_BUFFERSIZE, (long) ASYNC_HTTP_BUFFER);
    async_easy_set(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long) ASYNC_HTTP_BUFFER);

    return CURLE_OK;
}


static int
async_http_on_socket(void *data, curl_socket_t fd, curlsocktype purpose)
{
    async_transfer_t  *t = data;

    (void) purpose;

    t->fd = fd;

    return CURL_SOCKOPT_OK;
}


static size_t
async_http_on_read(char *buf, size_t size, size_t n, void *data)
{
    bool               moved;
    long               len;
    async_transfer_t  *t = data;

    if (!t->taken) {
        t->taken = async_http_taken(t, &moved);

        if (!t->taken) {

            /* it has hung up with our head unread: libcurl would go on */

            if (moved) {
                return CURL_READFUNC_ABORT;
            }

            t->held = true;
            t->http->look = ASYNC_HTTP_LOOK_MIN;
            LIST_INSERT_HEAD(&t->http->held, t, link);

            return CURL_READFUNC_PAUSE;
        }
    }

    len = t->handler->read(t->data, buf, size * n);

    return len < 0 ? CURL_READFUNC_ABORT : (size_t) len;
}


static size_t
async_http_on_line(char *buf, size_t size, size_t n, void *data)
{
    async_transfer_t  *t = data;

    return t->handler->line(t->data, buf, size * n) ? size * n : 0;
}


static size_t
async_http_on_body(char *buf, size_t size, size_t n, void *data)
{
    async_transfer_t  *t = data;

    return t->handler->body(t->data, buf, size * n) ? size * n : 0;
}


bool
async_http_perform(async_http_t *http)
{
    int  running;

    async_http_release_held(http);

    return curl_multi_perform(http->multi, &running) == CURLM_OK;
}


static void
async_http_release_held(async_http_t *http)
{
    bool               moved;
    async_transfer_t  *t, *next;

    for (t = LIST_FIRST(&http->held); t; t = next) {
        next = LIST_NEXT(t, link);

        if (!async_http_taken(t, &moved) && !moved) {
            continue;
        }

        LIST_REMOVE(t, link);
        t->held = false;
        curl_easy_pause(t->easy, CURLPAUSE_CONT);
    }
}


/*
 * Linux counts what the peer of a unix socket has not read (unix(7), SIOCOUTQ).
 * The count falls to zero too when the peer hangs up; but before that the
 * kernel notes the reset, so that the order of the two looks decides.
 * moved: there is something to read, or the connection is gone.
 */

static bool
async_http_taken(const async_transfer_t *t, bool *moved)
{
    int            left;
    struct pollfd  pfd;

    left = 0;

    if (ioctl(t->fd, SIOCOUTQ, &left) != 0) {
        left = 0;
    }

    pfd.fd = t->fd;
    pfd.events = POLLIN;
    pfd.revents = 0;

    *moved = poll(&pfd, 1, 0) > 0;

    return left == 0 && !(pfd.revents & (POLLERR|POLLNVAL));
}


async_transfer_t *
async_http_ended(async_http_t *http, void **data, async_http_end_t *end,
    const char **why)
{
    CURLMsg           *msg;
    CURLcode           code;
    async_transfer_t  *t;

    msg = async_easy_ended(http->multi);
    if (msg == NULL) {
        return NULL;
    }

    code = msg->data.result;
    curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **) &t);

    *data = t->data;
    *end = async_http_end(t, code);
    *why = t->why[0] ? t->why
           : code != CURLE_OK ? curl_easy_strerror(code) : "";

    return t;
}


static async_http_end_t
async_http_end(const async_transfer_t *t, CURLcode code)
{
    switch (code) {

    case CURLE_OK:
        return ASYNC_HTTP_COMPLETE;

    case CURLE_COULDNT_CONNECT:
        return ASYNC_HTTP_UNREACHED;

    case CURLE_FILESIZE_EXCEEDED:
        return ASYNC_HTTP_TOO_LARGE;

    case CURLE_WRITE_ERROR:
        return ASYNC_HTTP_ABORTED;

    case CURLE_ABORTED_BY_CALLBACK:
        return t->taken ? ASYNC_HTTP_ABORTED : ASYNC_HTTP_UNREACHED;

    default:
        return async_http_unread(t, code) ? ASYNC_HTTP_UNREACHED
                                          : ASYNC_HTTP_BROKEN;
    }
}


/*
 * A unix socket that is closed with bytes unread resets its peer; one whose
 * bytes were all read ends in good order.  So a reset of a request without a
 * body says that its head was never read to the end.
 */

static bool
async_http_unread(const async_transfer_t *t, CURLcode code)
{
    long  status, error;

    status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);

    if (status != 0 || t->taken) {
        return false;
    }

    if (t->has_body || !async_http_written(t)) {
        return true;
    }

    error = 0;
    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &error);

    return code == CURLE_SEND_ERROR
           || (code == CURLE_RECV_ERROR && error == ECONNRESET);
}


bool
async_http_wait(async_http_t *http, struct pollfd *fds, unsigned nfds, int ms)
{
    int                 ready;
    unsigned            i;
    struct curl_waitfd  waits[ASYNC_HTTP_FDS];

    if (!LIST_EMPTY(&http->held) && ms > http->look) {
        ms = http->look;
    }

    for (i = 0; i < nfds && i < ASYNC_HTTP_FDS; i++) {
        waits[i].fd = fds[i].fd;
        waits[i].events = CURL_WAIT_POLLIN;
        waits[i].revents = 0;
    }

    if (curl_multi_poll(http->multi, waits, i, ms, &ready) != CURLM_OK) {
        return false;
    }

    if (ready == 0 && ms == http->look && ms < ASYNC_HTTP_LOOK_MAX) {
        http->look *= 2;
    }

    while (i-- > 0) {
        fds[i].revents = waits[i].revents & CURL_WAIT_POLLIN ? POLLIN : 0;
    }

    return true;
}
