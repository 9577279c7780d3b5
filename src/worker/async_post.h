/*
 * A POST to a stranger, over libcurl: verified TLS, HTTP/2 where the other
 * side offers it, a connection of its own, no redirect, no proxy, and of the
 * answer not more than its status.  Every address that a socket is about to
 * connect to is asked about first, whatever a resolver said before.
 *
 * These transfers have a multi handle of their own, driven by its sockets: who
 * hangs here is no matter to the replays.
 */

#ifndef ASYNC_POST_H
#define ASYNC_POST_H

#include "async_address.h"
#include "async_hook.h"
#include "async_http.h"


#define ASYNC_POST_TIMEOUT  15000   /* ms, all of it */
#define ASYNC_POST_ANSWER   16384   /* bytes of an answer that are read */

typedef struct async_posts_s  async_posts_t;
typedef struct async_post_s   async_post_t;

typedef struct {
    const char                 *url;
    const async_http_header_t  *headers;
    unsigned                    nheaders;
    async_str_t                 body;       /* borrowed until the stop */
    bool                      (*allows)(void *data,
                                        const async_address_t *peer);
    void                       *data;
} async_post_request_t;

typedef struct {
    async_hook_error_t  error;
    uint16_t            status;             /* 0: none came */
    int64_t             retry_after;        /* ms; -1: nothing was asked */
    const char         *why;                /* a word about it, static, which
                                               names no host */
} async_post_end_t;


async_posts_t *async_posts_create(void);    /* NULL: no memory, no descriptor */
void async_posts_destroy(async_posts_t *posts);
/* readable when async_posts_perform() has something to do */
int async_posts_fd(const async_posts_t *posts);
/* ms until it has, whatever the descriptor says; -1: no such time */
int async_posts_timeout(const async_posts_t *posts, int64_t now);

/* NULL: no memory, or no libcurl.  All but the body is copied */
async_post_t *async_posts_start(async_posts_t *posts,
    const async_post_request_t *request);
void async_posts_stop(async_posts_t *posts, async_post_t *post);
/* moves every transfer on, never waits; now: CLOCK_BOOTTIME ms */
void async_posts_perform(async_posts_t *posts, int64_t now);
/* the next that ended, and its data; the caller stops it.  NULL: no more */
async_post_t *async_posts_ended(async_posts_t *posts, void **data,
    async_post_end_t *end);


#endif /* ASYNC_POST_H */
