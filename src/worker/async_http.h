/*
 * The client of replays: one request, one connection of its own to a unix
 * socket, one response.  The request is the lines it was given, and nothing
 * is ever sent twice.
 *
 * Its peer is nginx, so that it does with little of HTTP; libcurl, which does
 * webhooks, took more than half of what the worker needs for a job.
 */

#ifndef ASYNC_HTTP_H
#define ASYNC_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


struct pollfd;

typedef struct async_http_s      async_http_t;
typedef struct async_transfer_s  async_transfer_t;

typedef struct {
    const char  *name;
    const char  *value;
} async_http_header_t;

/*
 * Called from async_http_perform(), read also from async_http_start(), with
 * data.  read fills buf with at most len bytes of the request body and returns
 * their number, or -1 to abort; it is asked for exactly body_len bytes in all.
 * line and body take the response, see async_response.h, and abort with false.
 */
typedef struct {
    long   (*read)(void *data, char *buf, size_t len);
    bool   (*line)(void *data, const char *line, size_t len);
    bool   (*body)(void *data, const char *buf, size_t len);
} async_http_handler_t;

typedef struct {
    const char                  *socket;
    const char                  *method;
    const char                  *target;
    const async_http_header_t   *headers;
    unsigned                     nheaders;
    bool                         has_body;
    uint64_t                     body_len;     /* 0 sends Content-Length: 0 */
    uint64_t                     response_max; /* bytes of body */
    const async_http_handler_t  *handler;
    void                        *data;
} async_http_request_t;

typedef enum {
    ASYNC_HTTP_COMPLETE,
    ASYNC_HTTP_UNREACHED,   /* nginx never began with it */
    ASYNC_HTTP_BROKEN,
    ASYNC_HTTP_TOO_LARGE,   /* it, a line, or what is announced */
    ASYNC_HTTP_ABORTED      /* a callback asked for it */
} async_http_end_t;


async_http_t *async_http_create(void);     /* NULL: no memory */
void async_http_destroy(async_http_t *http);

/* NULL: no memory; the request's strings are copied */
async_transfer_t *async_http_start(async_http_t *http,
    const async_http_request_t *request);
/* closes the connection and forgets the transfer */
void async_http_stop(async_http_t *http, async_transfer_t *transfer);
/* whether a byte of the request was written: it may yet be read */
bool async_http_written(const async_transfer_t *transfer);
/* whether the peer has read the head, or done anything that says so */
bool async_http_reached(const async_transfer_t *transfer);

/* moves every transfer on, never waits; false: the kernel does not let us */
bool async_http_perform(async_http_t *http);
/*
 * The next transfer that ended, its data, how, and a word about it (until
 * the next call).  The caller stops it.  NULL: no more.
 */
async_transfer_t *async_http_ended(async_http_t *http, void **data,
    async_http_end_t *end, const char **why);
/* sleeps until a transfer can move, one of fds is ready, or ms are over */
bool async_http_wait(async_http_t *http, struct pollfd *fds, unsigned nfds,
    int ms);


#endif /* ASYNC_HTTP_H */
