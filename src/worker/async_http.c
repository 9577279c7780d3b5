/*
 * A request over a connection of its own, head and body in one piece if they
 * are small.  A peer that accepts and closes (nginx out of connections, a
 * listener that goes away with its backlog) is told from one that broke in
 * the middle of the work: see async_http_closed().
 */

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "async_frame.h"
#include "async_http.h"


#define ASYNC_HTTP_EVENTS  128
#define ASYNC_HTTP_FDS     8
#define ASYNC_HTTP_IN      (64 * 1024)
#define ASYNC_HTTP_OUT     (16 * 1024)
#define ASYNC_HTTP_OWN     64          /* Content-Length, and line ends */
#define ASYNC_HTTP_PIECES  16          /* of one transfer, then others move */


typedef enum {
    ASYNC_HTTP_SENDS,       /* the request is being written */
    ASYNC_HTTP_ANSWER,      /* nothing is to be written any more */
    ASYNC_HTTP_OVER         /* it is known how it ended */
} async_http_phase_t;

struct async_transfer_s {
    async_http_t                    *http;
    const async_http_handler_t      *handler;
    void                            *data;
    int                              fd;
    uint32_t                         watched;   /* events, 0 = not yet */
    async_http_phase_t               phase;

    char                            *out;       /* head, pieces of body */
    size_t                           out_cap;
    size_t                           out_len;
    size_t                           out_sent;
    uint64_t                         body_left; /* not yet in out */

    bool                             has_body;  /* with a byte in it */
    bool                             written;   /* a byte of the request */
    bool                             answered;  /* the peer wrote a byte */
    async_frame_t                    frame;

    async_http_end_t                 end;
    const char                      *why;
    bool                             listed;    /* in http->over */
    TAILQ_ENTRY(async_transfer_s)    link;
};

struct async_http_s {
    int                              epoll;
    TAILQ_HEAD(, async_transfer_s)   over;
    char                             in[ASYNC_HTTP_IN];
};


static bool async_http_head(async_transfer_t *t,
    const async_http_request_t *request);
static size_t async_http_head_size(const async_http_request_t *request);
static char *async_http_line(char *p, const async_http_header_t *header);
static bool async_http_connect(async_transfer_t *t, const char *path);
static bool async_http_watch(async_transfer_t *t, uint32_t events);
static void async_http_receive(async_transfer_t *t);
static void async_http_read(async_transfer_t *t, size_t len);
static void async_http_closed(async_transfer_t *t, int error);
static void async_http_send(async_transfer_t *t);
static bool async_http_flush(async_transfer_t *t);
static void async_http_await(async_transfer_t *t);
static void async_http_failed(async_transfer_t *t, int error);
static bool async_http_fill(async_transfer_t *t);
static void async_http_sent(async_transfer_t *t);
static void async_http_over(async_transfer_t *t, async_http_end_t end,
    const char *why);
static void async_http_hang_up(async_transfer_t *t);
static bool async_http_taken(const async_transfer_t *t);


async_http_t *
async_http_create(void)
{
    async_http_t  *http;

    http = malloc(sizeof(async_http_t));
    if (http == NULL) {
        return NULL;
    }

    http->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (http->epoll == -1) {
        free(http);
        return NULL;
    }

    TAILQ_INIT(&http->over);

    return http;
}


void
async_http_destroy(async_http_t *http)
{
    (void) close(http->epoll);
    free(http);
}


async_transfer_t *
async_http_start(async_http_t *http, const async_http_request_t *request)
{
    uint64_t           max;
    async_transfer_t  *t;

    t = calloc(1, sizeof(async_transfer_t));
    if (t == NULL) {
        return NULL;
    }

    max = request->response_max;

    t->http = http;
    t->handler = request->handler;
    t->data = request->data;
    t->fd = -1;
    t->has_body = request->has_body && request->body_len > 0
                  && strcmp(request->method, "HEAD") != 0;
    t->body_left = t->has_body ? request->body_len : 0;

    /* 0 is for the handler, which knows whose body it is */

    async_frame_init(&t->frame, strcmp(request->method, "HEAD") == 0,
                     max ? max : UINT64_MAX);

    if (!async_http_head(t, request)) {
        async_http_stop(http, t);
        return NULL;
    }

    if (t->has_body && !async_http_fill(t)) {
        return t;
    }

    if (async_http_connect(t, request->socket)) {
        async_http_send(t);

    } else {
        async_http_over(t, ASYNC_HTTP_UNREACHED, strerror(errno));
    }

    return t;
}


void
async_http_stop(async_http_t *http, async_transfer_t *t)
{
    if (t->listed) {
        TAILQ_REMOVE(&http->over, t, link);
    }

    async_http_hang_up(t);
    async_frame_clean(&t->frame);
    free(t->out);
    free(t);
}


bool
async_http_written(const async_transfer_t *t)
{
    return t->written;
}


bool
async_http_reached(const async_transfer_t *t)
{
    return t->answered
           || (!t->has_body && t->out_sent == t->out_len
               && t->phase != ASYNC_HTTP_OVER && async_http_taken(t));
}


/* Host first, as RFC 9110 (section 7.2) would have it, and the length last */

static bool
async_http_head(async_transfer_t *t, const async_http_request_t *request)
{
    char      *p;
    unsigned   i, host;

    t->out_cap = async_http_head_size(request)
                 + (t->body_left < ASYNC_HTTP_OUT ? (size_t) t->body_left
                                                  : ASYNC_HTTP_OUT);

    t->out = malloc(t->out_cap);
    if (t->out == NULL) {
        return false;
    }

    p = stpcpy(t->out, request->method);
    *p++ = ' ';
    p = stpcpy(p, request->target);
    p = stpcpy(p, " HTTP/1.1\r\n");

    for (host = 0; host < request->nheaders; host++) {
        if (strcasecmp(request->headers[host].name, "Host") == 0) {
            p = async_http_line(p, &request->headers[host]);
            break;
        }
    }

    for (i = 0; i < request->nheaders; i++) {
        if (i != host) {
            p = async_http_line(p, &request->headers[i]);
        }
    }

    if (request->has_body && strcmp(request->method, "HEAD") != 0) {
        p += sprintf(p, "Content-Length: %llu\r\n",
                     (unsigned long long) request->body_len);
    }

    p = stpcpy(p, "\r\n");

    t->out_len = (size_t) (p - t->out);

    return true;
}


static size_t
async_http_head_size(const async_http_request_t *request)
{
    size_t    size;
    unsigned  i;

    size = strlen(request->method) + strlen(request->target)
           + sizeof("  HTTP/1.1\r\n") + ASYNC_HTTP_OWN;

    for (i = 0; i < request->nheaders; i++) {
        size += strlen(request->headers[i].name)
                + strlen(request->headers[i].value) + sizeof(": \r\n");
    }

    return size;
}


static char *
async_http_line(char *p, const async_http_header_t *header)
{
    const char  *value;

    value = header->value + strspn(header->value, " \t");

    p = stpcpy(p, header->name);
    p = stpcpy(p, value[0] ? ": " : ":");
    p = stpcpy(p, value);

    return stpcpy(p, "\r\n");
}


/* watched before a byte is written: what cannot be watched has sent nothing */

static bool
async_http_connect(async_transfer_t *t, const char *path)
{
    struct sockaddr_un  addr;

    memset(&addr, 0, sizeof(addr));
    addr.sun_family = AF_UNIX;

    if (strlen(path) >= sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        return false;
    }

    strcpy(addr.sun_path, path);

    t->fd = socket(AF_UNIX, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);

    if (t->fd == -1
        || connect(t->fd, (struct sockaddr *) &addr, sizeof(addr)) == -1)
    {
        return false;
    }

    return async_http_watch(t, EPOLLIN);
}


static bool
async_http_watch(async_transfer_t *t, uint32_t events)
{
    int                 op;
    struct epoll_event  ee;

    if (t->watched == events) {
        return true;
    }

    op = t->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    t->watched = events;

    ee.events = events;
    ee.data.ptr = t;

    return epoll_ctl(t->http->epoll, op, t->fd, &ee) == 0;
}


bool
async_http_perform(async_http_t *http)
{
    int                 i, n;
    async_transfer_t   *t;
    struct epoll_event  events[ASYNC_HTTP_EVENTS];

    n = epoll_wait(http->epoll, events, ASYNC_HTTP_EVENTS, 0);

    for (i = 0; i < n; i++) {
        t = events[i].data.ptr;

        if (events[i].events & ~(uint32_t) EPOLLOUT) {
            async_http_receive(t);
        }

        if (t->phase == ASYNC_HTTP_SENDS) {
            async_http_send(t);
        }
    }

    return n >= 0 || errno == EINTR;
}


static void
async_http_receive(async_transfer_t *t)
{
    ssize_t  n;

    n = recv(t->fd, t->http->in, ASYNC_HTTP_IN, 0);

    if (n > 0) {
        t->answered = true;
        async_http_read(t, (size_t) n);

    } else if (n == 0) {
        async_http_closed(t, 0);

    } else if (errno != EAGAIN) {
        async_http_closed(t, errno);
    }
}


static void
async_http_read(async_transfer_t *t, size_t len)
{
    const async_frame_taker_t  taker = {
        .line = t->handler->line,
        .body = t->handler->body,
        .data = t->data
    };

    switch (async_frame_read(&t->frame, t->http->in, len, &taker)) {

    case ASYNC_FRAME_FINE:
        if (t->frame.phase == ASYNC_FRAME_WHOLE) {
            async_http_over(t, ASYNC_HTTP_COMPLETE, "");
        }

        return;

    case ASYNC_FRAME_RUBBISH:
        async_http_over(t, ASYNC_HTTP_BROKEN, "the answer is no HTTP");
        return;

    case ASYNC_FRAME_TOO_LARGE:
        async_http_over(t, ASYNC_HTTP_TOO_LARGE, "the answer is too large");
        return;

    case ASYNC_FRAME_REFUSED:
        async_http_over(t, ASYNC_HTTP_ABORTED, "the answer was not taken");
        return;

    case ASYNC_FRAME_NO_MEMORY:
        async_http_over(t, ASYNC_HTTP_BROKEN, "no memory for the answer");
        return;
    }
}


/*
 * Before nginx does anything for a request with a body, it says so by an
 * interim response, without which it will do nothing: no byte from it, and
 * nothing has run.
 *
 * One without a body has only its head to be read.  A unix socket that is
 * closed with bytes unread resets its peer, one whose bytes were all read ends
 * in good order: so a reset says that the head was never read to its end.  Nor
 * was one that was not written to its end.
 */

static void
async_http_closed(async_transfer_t *t, int error)
{
    bool  unread;

    if (async_frame_close(&t->frame) && error == 0) {
        async_http_over(t, ASYNC_HTTP_COMPLETE, "");
        return;
    }

    unread = !t->answered
             && (t->has_body || t->out_sent < t->out_len
                 || error == ECONNRESET);

    async_http_over(t, unread ? ASYNC_HTTP_UNREACHED : ASYNC_HTTP_BROKEN,
                    error ? strerror(error)
                    : t->frame.status ? "the answer ended early"
                                  : "the connection ended without an answer");
}


static void
async_http_send(async_transfer_t *t)
{
    unsigned  pieces;

    for (pieces = 0; async_http_flush(t); pieces++) {

        if (t->body_left == 0) {
            async_http_sent(t);
            return;
        }

        if (pieces == ASYNC_HTTP_PIECES) {
            async_http_await(t);
            return;
        }

        if (!async_http_fill(t)) {
            return;
        }
    }
}


/*
 * True when all of out is written.  Who hung up may have answered before, and
 * what the kernel has no memory for is not waited for.
 */

static bool
async_http_flush(async_transfer_t *t)
{
    ssize_t  n;

    while (t->out_sent < t->out_len) {
        n = send(t->fd, t->out + t->out_sent, t->out_len - t->out_sent,
                 MSG_NOSIGNAL);

        if (n >= 0) {
            t->out_sent += (size_t) n;
            t->written |= n > 0;
            continue;
        }

        if (errno == EAGAIN) {
            async_http_await(t);

        } else if (errno == EPIPE || errno == ECONNRESET) {
            async_http_sent(t);

        } else {
            async_http_failed(t, errno);
        }

        return false;
    }

    return true;
}


/* the rest is written when the peer has room, and others have moved */

static void
async_http_await(async_transfer_t *t)
{
    if (!async_http_watch(t, EPOLLIN|EPOLLOUT)) {
        async_http_over(t, ASYNC_HTTP_BROKEN, strerror(errno));
    }
}


/* what the peer said is read first: it may have begun */

static void
async_http_failed(async_transfer_t *t, int error)
{
    async_http_receive(t);

    if (t->phase != ASYNC_HTTP_OVER) {
        async_http_closed(t, error);
    }
}


/* after a head that was not written yet, or from the start */

static bool
async_http_fill(async_transfer_t *t)
{
    long    n;
    size_t  len;

    if (t->out_sent == t->out_len) {
        t->out_sent = 0;
        t->out_len = 0;
    }

    len = t->out_cap - t->out_len;
    len = t->body_left < len ? (size_t) t->body_left : len;

    n = t->handler->read(t->data, t->out + t->out_len, len);

    if (n <= 0) {
        async_http_over(t, ASYNC_HTTP_ABORTED,
                        "the request's body could not be read");
        return false;
    }

    t->out_len += (size_t) n;
    t->body_left -= (uint64_t) n;

    return true;
}


/* the answer alone is waited for */

static void
async_http_sent(async_transfer_t *t)
{
    t->phase = ASYNC_HTTP_ANSWER;

    if (!async_http_watch(t, EPOLLIN)) {
        async_http_over(t, ASYNC_HTTP_BROKEN, strerror(errno));
    }
}


static void
async_http_over(async_transfer_t *t, async_http_end_t end, const char *why)
{
    t->phase = ASYNC_HTTP_OVER;
    t->end = end;
    t->why = why;

    TAILQ_INSERT_TAIL(&t->http->over, t, link);
    t->listed = true;

    async_http_hang_up(t);
}


/* once it is over: a peer that hung up would end every wait until then */

static void
async_http_hang_up(async_transfer_t *t)
{
    if (t->fd != -1) {
        (void) close(t->fd);
        t->fd = -1;
    }
}


/*
 * Linux counts what the peer of a unix socket has not read (unix(7), SIOCOUTQ).
 * The count falls to zero too when the peer hangs up; but before that the
 * kernel notes the reset, so that the order of the two looks decides.
 */

static bool
async_http_taken(const async_transfer_t *t)
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

    (void) poll(&pfd, 1, 0);

    return left == 0 && !(pfd.revents & (POLLERR|POLLNVAL));
}


async_transfer_t *
async_http_ended(async_http_t *http, void **data, async_http_end_t *end,
    const char **why)
{
    async_transfer_t  *t;

    t = TAILQ_FIRST(&http->over);

    if (t == NULL) {
        return NULL;
    }

    TAILQ_REMOVE(&http->over, t, link);
    t->listed = false;

    *data = t->data;
    *end = t->end;
    *why = t->why;

    return t;
}


bool
async_http_wait(async_http_t *http, struct pollfd *fds, unsigned nfds, int ms)
{
    int            n;
    unsigned       i;
    struct pollfd  all[1 + ASYNC_HTTP_FDS];

    all[0].fd = http->epoll;
    all[0].events = POLLIN;

    for (i = 0; i < nfds && i < ASYNC_HTTP_FDS; i++) {
        all[1 + i].fd = fds[i].fd;
        all[1 + i].events = POLLIN;
    }

    n = poll(all, 1 + i, TAILQ_EMPTY(&http->over) ? ms : 0);

    if (n == -1 && errno != EINTR) {
        return false;
    }

    while (i-- > 0) {
        fds[i].revents = n > 0 ? all[1 + i].revents & POLLIN : 0;
    }

    return true;
}
