/*
 * A server that stands for nginx and its backend on a unix socket, in
 * threads of the test, with a fixed behaviour for each target.
 */

#ifndef ASYNC_FAKE_SERVER_H
#define ASYNC_FAKE_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>


/* a test need not use all of what is here */
#pragma GCC diagnostic ignored "-Wunused-function"

#define FAKE_TARGETS  64
#define FAKE_KEEP     65536     /* bytes of a request that are kept */
#define FAKE_LARGEST  (2 * 1024 * 1024)

typedef struct {
    char             target[64];
    unsigned         count;         /* whole requests */
    size_t           len;           /* of the last one */
    size_t           kept;
    char             text[FAKE_KEEP];
} fake_seen_t;

typedef struct {
    char             target[64];
    char             method[16];
    char            *text;          /* head and body */
    size_t           head;
    size_t           len;
    unsigned         nth;           /* of this target, 1 = first */
} fake_request_t;

typedef struct {
    int              fd;
    pthread_t        thread;
    char             path[108];
    _Atomic unsigned deaf;          /* connections to close unread */
} fake_server_t;

static struct {
    pthread_mutex_t  lock;
    unsigned         nseen;
    fake_seen_t      seen[FAKE_TARGETS];
    unsigned         open;          /* requests at work now */
    unsigned         open_max;
} fake_log = { .lock = PTHREAD_MUTEX_INITIALIZER };


static int64_t
fake_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


static void
fake_sleep(int ms)
{
    struct timespec  ts = { ms / 1000, (ms % 1000) * 1000000L };

    nanosleep(&ts, NULL);
}


static void
fake_send(int fd, const void *data, size_t len)
{
    ssize_t      n;
    const char  *p = data;

    while (len > 0) {
        n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return;
        }

        p += n;
        len -= (size_t) n;
    }
}


static void
fake_say(int fd, const char *text)
{
    fake_send(fd, text, strlen(text));
}


#define FAKE_OK    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
#define FAKE_END   "Async-Replay-End: 200,1,99,0\r\n"
#define FAKE_DONE  FAKE_OK FAKE_END "Content-Length: 2\r\n\r\nok"

static const struct {
    const char  *target;
    const char  *text;
} fake_texts[] = {
    { "/ok", FAKE_DONE },
    { "/again", FAKE_DONE },
    { "/created", "HTTP/1.1 201 Created\r\nLocation: http://h/r/1\r\n"
      "X-A: 1\r\nX-A: 2\r\n" FAKE_END "X-Added: 1\r\n"
      "Content-Length: 0\r\n\r\n" },
    { "/empty", "HTTP/1.1 204 No Content\r\n" FAKE_END "\r\n" },
    { "/interim", "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n"
      "HTTP/1.1 100 Continue\r\n\r\n" FAKE_DONE },
    { "/chunked", FAKE_OK FAKE_END "Transfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Trailer: 1\r\n\r\n" },
    { "/encoded", FAKE_OK "Content-Encoding: gzip\r\n" FAKE_END
      "Content-Length: 4\r\n\r\n\x1f\x8bxx" },
    { "/redirect", "HTTP/1.1 302 Found\r\nLocation: http://h/ok\r\n" FAKE_END
      "Content-Length: 0\r\n\r\n" },
    { "/missing", "HTTP/1.1 404 Not Found\r\n"
      "Async-Replay-End: 404,1,9,0\r\nContent-Length: 2\r\n\r\nno" },
    { "/refused", "HTTP/1.1 502 Bad Gateway\r\n"
      "Async-Replay-End: 502,0,0,-\r\nContent-Length: 3\r\n\r\nbad" },
    { "/lost", "HTTP/1.1 502 Bad Gateway\r\n"
      "Async-Replay-End: 502,0,99,0\r\nContent-Length: 3\r\n\r\nbad" },
    { "/unmarked", "HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nbad" },
    { "/crashed", "HTTP/1.1 500 Internal Server Error\r\n"
      "Content-Length: 3\r\n\r\nbad" },
    { "/short", FAKE_OK FAKE_END "Content-Length: 100\r\n\r\nonly this" },
    { "/torn", FAKE_OK FAKE_END "Transfer-Encoding: chunked\r\n\r\n"
      "ff\r\nonly this" },
    { "/half", "HTTP/1.1 200 OK\r\nContent-Ty" },
    { "/rubbish", "what is this?\r\n\r\n" },
    { "/nothing", "" },
    { "/announced", FAKE_OK FAKE_END "Content-Length: 99999999999\r\n\r\nx" }
};


static void
fake_repeat(int fd, char c, size_t len, int pause)
{
    char    buf[8192];
    size_t  n;

    memset(buf, c, sizeof(buf));

    while (len > 0) {
        n = len < sizeof(buf) ? len : sizeof(buf);
        n = pause ? 1 : n;

        if (send(fd, buf, n, MSG_NOSIGNAL) <= 0) {
            return;
        }

        len -= n;

        if (pause) {
            fake_sleep(pause);
        }
    }
}


/* answers that are more than a text; false: there is none of that name */

static bool
fake_special(int fd, const fake_request_t *r)
{
    char  text[256];

    if (strcmp(r->target, "/echo") == 0) {
        snprintf(text, sizeof(text), FAKE_OK FAKE_END
                 "Content-Length: %zu\r\n\r\n", r->len - r->head);
        fake_say(fd, text);
        fake_send(fd, r->text + r->head, r->len - r->head);

    } else if (strcmp(r->target, "/large") == 0) {
        fake_say(fd, FAKE_OK FAKE_END "Content-Length: 900000\r\n\r\n");
        fake_repeat(fd, 'L', 900000, 0);

    } else if (strcmp(r->target, "/endless") == 0) {
        fake_say(fd, FAKE_OK FAKE_END "Connection: close\r\n\r\n");
        fake_repeat(fd, 'E', (size_t) 1 << 40, 0);

    } else if (strcmp(r->target, "/wordy") == 0) {
        fake_say(fd, FAKE_OK "X-Long: ");
        fake_repeat(fd, 'h', 70000, 0);
        fake_say(fd, "\r\n" FAKE_END "Content-Length: 0\r\n\r\n");

    } else if (strcmp(r->target, "/drip") == 0) {
        fake_say(fd, FAKE_OK FAKE_END "Content-Length: 1000000\r\n\r\n");
        fake_repeat(fd, 'd', 1000000, 20);

    } else if (strncmp(r->target, "/never", 6) == 0) {
        (void) recv(fd, text, 1, 0);        /* until the worker hangs up */

    } else if (strncmp(r->target, "/slow", 5) == 0) {
        fake_sleep(700);
        fake_say(fd, FAKE_DONE);

    } else if (strcmp(r->target, "/forbidden") == 0) {
        fake_say(fd, r->nth > 2 ? FAKE_DONE : "HTTP/1.1 403 Forbidden\r\n"
                 "Content-Length: 2\r\n\r\nno");

    } else if (strcmp(r->target, "/shutdown") == 0) {
        fake_say(fd, r->nth > 1 ? FAKE_DONE : "HTTP/1.1 503 Unavailable\r\n"
                 "Async-Replay-End: 0,0,99,0 shutdown\r\n"
                 "Content-Length: 0\r\n\r\n");

    } else if (strncmp(r->target, "/once", 5) == 0) {
        if (r->nth > 1) {
            fake_say(fd, FAKE_DONE);
        }

    } else if (strncmp(r->target, "/many", 5) == 0) {
        fake_sleep(5);
        fake_say(fd, FAKE_DONE);

    } else {
        return false;
    }

    return true;
}


static void
fake_answer(int fd, const fake_request_t *r)
{
    size_t  i;

    for (i = 0; i < sizeof(fake_texts) / sizeof(fake_texts[0]); i++) {
        if (strcmp(fake_texts[i].target, r->target) == 0) {
            fake_say(fd, strcmp(r->method, "HEAD") == 0
                         ? FAKE_OK FAKE_END "Content-Length: 2\r\n\r\n"
                         : fake_texts[i].text);
            return;
        }
    }

    if (!fake_special(fd, r)) {
        fake_say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    }
}


/* a whole request; false if the peer went before its end */

static bool
fake_read(int fd, fake_request_t *r)
{
    char     *end, *p;
    size_t    cap, want;
    ssize_t   n;

    cap = FAKE_LARGEST;
    r->text = malloc(cap + 1);
    r->len = 0;
    want = 0;

    for ( ;; ) {
        n = recv(fd, r->text + r->len, cap - r->len, 0);
        if (n <= 0) {
            return false;
        }

        r->len += (size_t) n;
        r->text[r->len] = '\0';

        if (want == 0 && (end = strstr(r->text, "\r\n\r\n")) != NULL) {
            r->head = (size_t) (end - r->text) + 4;
            want = r->head;
            p = strcasestr(r->text, "\r\nContent-Length: ");

            if (p && p < end) {
                want += strtoull(p + 18, NULL, 10);
            }

            /* as nginx does before anything else */

            if (want > r->head) {
                fake_say(fd, "HTTP/1.1 100 Continue\r\n\r\n");
            }
        }

        if (want && r->len >= want) {
            return sscanf(r->text, "%15s %63s", r->method, r->target) == 2;
        }
    }
}


static unsigned
fake_record(const fake_request_t *r)
{
    unsigned      i, nth;
    fake_seen_t  *seen;

    pthread_mutex_lock(&fake_log.lock);

    for (i = 0; i < fake_log.nseen; i++) {
        if (strcmp(fake_log.seen[i].target, r->target) == 0) {
            break;
        }
    }

    seen = &fake_log.seen[i < FAKE_TARGETS ? i : FAKE_TARGETS - 1];

    if (i == fake_log.nseen && i < FAKE_TARGETS) {
        fake_log.nseen++;
        memcpy(seen->target, r->target, sizeof(seen->target));
        seen->count = 0;
    }

    seen->len = r->len;
    seen->kept = r->len < FAKE_KEEP ? r->len : FAKE_KEEP - 1;
    memcpy(seen->text, r->text, seen->kept);
    seen->text[seen->kept] = '\0';
    nth = ++seen->count;

    pthread_mutex_unlock(&fake_log.lock);

    return nth;
}


static void
fake_count(int by)
{
    pthread_mutex_lock(&fake_log.lock);

    fake_log.open += (unsigned) by;

    if (fake_log.open > fake_log.open_max) {
        fake_log.open_max = fake_log.open;
    }

    pthread_mutex_unlock(&fake_log.lock);
}


static void *
fake_connection(void *data)
{
    int             fd;
    fake_request_t  r;

    fd = (int) (intptr_t) data;
    memset(&r, 0, sizeof(fake_request_t));

    if (fake_read(fd, &r)) {
        fake_count(1);
        r.nth = fake_record(&r);
        fake_answer(fd, &r);
        fake_count(-1);
    }

    free(r.text);
    close(fd);

    return NULL;
}


static void *
fake_accept(void *data)
{
    int             fd;
    pthread_t       thread;
    fake_server_t  *server = data;

    for ( ;; ) {
        fd = accept(server->fd, NULL, NULL);
        if (fd == -1) {
            return NULL;
        }

        if (server->deaf) {
            server->deaf--;
            close(fd);
            continue;
        }

        if (pthread_create(&thread, NULL, fake_connection,
                           (void *) (intptr_t) fd)
            == 0)
        {
            pthread_detach(thread);
        }
    }
}


/* connections are made, and wait until somebody accepts them */

static void
fake_bind(fake_server_t *server, const char *store, uint64_t key)
{
    struct sockaddr_un  sun;

    snprintf(server->path, sizeof(server->path), "%s/run/%016" PRIx64
             ".sock", store, key);
    server->deaf = 0;

    memset(&sun, 0, sizeof(struct sockaddr_un));
    sun.sun_family = AF_UNIX;
    memcpy(sun.sun_path, server->path, sizeof(sun.sun_path));

    server->fd = socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *) &sun, sizeof(sun)),
                     0);
    assert_int_equal(listen(server->fd, 511), 0);
}


static void
fake_serve(fake_server_t *server)
{
    assert_int_equal(pthread_create(&server->thread, NULL, fake_accept,
                                    server),
                     0);
}


static void
fake_listen(fake_server_t *server, const char *store, uint64_t key,
    unsigned deaf)
{
    fake_bind(server, store, key);
    server->deaf = deaf;
    fake_serve(server);
}


static void
fake_unlisten(fake_server_t *server)
{
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
    unlink(server->path);
}


static unsigned
fake_executions(const char *target)
{
    unsigned  i, count;

    count = 0;
    pthread_mutex_lock(&fake_log.lock);

    for (i = 0; i < fake_log.nseen; i++) {
        if (strcmp(fake_log.seen[i].target, target) == 0) {
            count = fake_log.seen[i].count;
        }
    }

    pthread_mutex_unlock(&fake_log.lock);

    return count;
}


/* requests that are being answered */

static unsigned
fake_working(void)
{
    unsigned  n;

    pthread_mutex_lock(&fake_log.lock);
    n = fake_log.open;
    pthread_mutex_unlock(&fake_log.lock);

    return n;
}


/* the last request for target as it came; it stays until the next */

static const fake_seen_t *
fake_request(const char *target)
{
    unsigned  i;

    for (i = 0; i < fake_log.nseen; i++) {
        if (strcmp(fake_log.seen[i].target, target) == 0) {
            return &fake_log.seen[i];
        }
    }

    fail_msg("no request for %s", target);

    return NULL;
}


#endif /* ASYNC_FAKE_SERVER_H */
