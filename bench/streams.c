/*
 * bench-streams PORT COUNT EVENTS RATE store DIR | post
 *
 * Opens COUNT event streams at 127.0.0.1:PORT, each on something of its own,
 * and makes EVENTS events, RATE a second, each on one of them in turn:
 *
 *   store DIR  on jobs, which are made and claimed in the store: an event is a
 *              report of progress that this process commits
 *   post       on /sub/N, by a POST to /pub/N
 *
 * Each event has a number in it.  What is measured is the time from when the
 * commit, or the write of the POST, has returned until the stream has brought
 * that number (the doorbell rings within the commit, some 20 us before).
 * Prints "ready" and "open", waits for a line on stdin after each, and prints
 * "p50 MS", "p99 MS", "max MS" and "lost N".
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "async_drop.h"
#include "async_payload.h"


#define STREAMS_BATCH  64
#define STREAMS_LINE   128
#define STREAMS_QUEUE  "running"
#define STREAMS_MARK   "event-number-"
#define STREAMS_LAST   2000             /* ms to wait for the last */


typedef struct {
    int         fd;
    async_id_t  id;
    char        path[STREAMS_LINE];
} stream_t;

typedef struct {
    stream_t       *streams;
    unsigned        count;
    unsigned        events;
    int             epoll;
    int             post;               /* -1: a store */
    unsigned        port;
    async_store_t  *store;
    uint64_t        epoch;
    int64_t        *sent;               /* us, 0 = not yet */
    int64_t        *took;               /* us, 0 = not yet */
    atomic_uint     seen;
    atomic_bool     done;
} bench_t;


static int64_t
now_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


static int64_t
wall_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


static int
dial(unsigned port)
{
    int                 fd, one = 1;
    struct sockaddr_in  sin = { .sin_family = AF_INET };

    sin.sin_port = htons((uint16_t) port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    fd = socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0);

    if (fd == -1 || connect(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1)
    {
        perror("connect");
        exit(1);
    }

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    return fd;
}


static void
say(int fd, const char *text, size_t len)
{
    if (write(fd, text, len) != (ssize_t) len) {
        perror("write");
        exit(1);
    }
}


/* what a stream brings: the numbers in it */

static void
hear(bench_t *b, stream_t *s)
{
    char      buf[65536], *p;
    ssize_t   n;
    unsigned  number;
    int64_t   now;

    /* NULL: the answer to a POST */

    if (s == NULL) {
        (void) recv(b->post, buf, sizeof(buf), MSG_DONTWAIT);
        return;
    }

    n = recv(s->fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);

    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) {
            fprintf(stderr, "a stream has ended\n");
            exit(1);
        }

        return;
    }

    now = now_us();
    buf[n] = '\0';

    for (p = buf; (p = strstr(p, STREAMS_MARK)) != NULL; p++) {
        number = (unsigned) strtoul(p + sizeof(STREAMS_MARK) - 1, NULL, 10);

        if (number < b->events && b->took[number] == 0) {
            b->took[number] = now;
            b->seen++;
        }
    }
}


/* a thread of its own: a commit waits for the disk */

static void *
hear_all(void *data)
{
    int                  i, n;
    bench_t             *b = data;
    struct epoll_event   events[256];

    while (!atomic_load(&b->done)) {
        n = epoll_wait(b->epoll, events, 256, 100);

        for (i = 0; i < n; i++) {
            hear(b, events[i].data.ptr);
        }
    }

    return NULL;
}


/* all at once would be refused by the listener: 64 at a time */

static void
open_all(bench_t *b)
{
    int                 len;
    char                text[STREAMS_LINE + 128], buf[4096];
    unsigned            i, j;
    struct epoll_event  ev = { .events = EPOLLIN };

    for (i = 0; i < b->count; i++) {
        b->streams[i].fd = dial(b->port);
        len = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n"
                       "Accept: text/event-stream\r\n\r\n",
                       b->streams[i].path);
        say(b->streams[i].fd, text, (size_t) len);

        if (i % 64 == 63 || i == b->count - 1) {
            for (j = i - i % 64; j <= i; j++) {
                if (recv(b->streams[j].fd, buf, 12, MSG_PEEK|MSG_WAITALL) < 12
                    || memcmp(buf, "HTTP/1.1 200", 12) != 0)
                {
                    fprintf(stderr, "no stream: %.12s\n", buf);
                    exit(1);
                }
            }
        }
    }

    for (i = 0; i < b->count; i++) {
        ev.data.ptr = &b->streams[i];
        (void) epoll_ctl(b->epoll, EPOLL_CTL_ADD, b->streams[i].fd, &ev);
    }
}


/* --- jobs --- */

static void
apply(bench_t *b, async_batch_t *batch)
{
    unsigned       i;
    async_error_t  err;

    batch->now = wall_us() / 1000;

    if (async_store_apply(b->store, batch, &err) != ASYNC_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }

    for (i = 0; i < batch->n; i++) {
        if (batch->events[i].rc != ASYNC_OK) {
            fprintf(stderr, "an event is %s\n",
                    async_rc_name(batch->events[i].rc));
            exit(1);
        }
    }
}


static void
submit_jobs(bench_t *b, unsigned n)
{
    uint8_t         random[ASYNC_ID_RANDOM], buf[64];
    unsigned        i;
    async_str_t     head;
    async_job_t     jobs[STREAMS_BATCH];
    async_batch_t   batch = { .n = n };
    async_event_t   events[STREAMS_BATCH];
    async_writer_t  w;

    async_writer_init(&w, buf, sizeof(buf), ASYNC_RECORD_REQUEST);
    head.data = (char *) buf;
    head.len = async_writer_end(&w);

    memset(jobs, 0, sizeof(jobs));
    memset(events, 0, sizeof(events));

    for (i = 0; i < n; i++) {
        (void) getrandom(random, sizeof(random), 0);
        async_id_make(&jobs[i].id, wall_us() / 1000, random);

        jobs[i].priority = ASYNC_PRIORITY;
        jobs[i].percent = ASYNC_NO_PERCENT;
        jobs[i].attempts_max = 1;
        jobs[i].created = wall_us() / 1000;
        jobs[i].queue = (async_str_t) async_str(STREAMS_QUEUE);
        jobs[i].status_prefix = (async_str_t) async_str("/jobs/");

        events[i].type = ASYNC_EVENT_SUBMITTED;
        events[i].id = jobs[i].id;
        events[i].job = &jobs[i];
        events[i].payload.head = head;
        events[i].by = (async_str_t) async_str("client");
    }

    batch.events = events;
    apply(b, &batch);
}


/* nginx says a moment after its start how many may run: how many do */

static unsigned
claim_jobs(bench_t *b, unsigned from, unsigned n)
{
    char                    text[ASYNC_ID_TEXT];
    unsigned                i;
    static async_claim_t    claims[STREAMS_BATCH];
    async_claim_request_t   claim = { .epoch = b->epoch, .claims = claims,
                                      .max = n };
    async_batch_t           batch = { .claim = &claim };

    apply(b, &batch);

    for (i = 0; i < claim.n; i++) {
        b->streams[from + i].id = claims[i].job.id;
        (void) async_id_format(text, &claims[i].job.id);
        (void) snprintf(b->streams[from + i].path, STREAMS_LINE,
                        "/jobs/%.*s/events", ASYNC_ID_TEXT, text);
    }

    if (claim.n < n) {
        usleep(10000);
    }

    return claim.n;
}


static void
make_jobs(bench_t *b, const char *dir)
{
    unsigned               i, n, claimed;
    async_error_t          err = { .text = "no memory" };
    async_store_options_t  options = { .path = dir };

    if (async_drop(dir, NULL, &err) != ASYNC_OK
        || async_store_open(&b->store, &options, &err) != ASYNC_OK
        || !async_store_lock_worker(b->store, &err)
        || async_store_take_over(b->store, &b->epoch, &err) != ASYNC_OK)
    {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }

    for (i = 0; i < b->count; i += n) {
        n = b->count - i < STREAMS_BATCH ? b->count - i : STREAMS_BATCH;
        submit_jobs(b, n);

        for (claimed = 0; claimed < n; /* void */) {
            claimed += claim_jobs(b, i + claimed, n - claimed);
        }
    }
}


/* --- events --- */

static void
report(bench_t *b, unsigned n)
{
    char           text[64];
    async_batch_t  batch = { .n = 1 };
    async_event_t  event;

    memset(&event, 0, sizeof(event));

    event.type = ASYNC_EVENT_PROGRESSED;
    event.id = b->streams[n % b->count].id;
    event.attempt = 1;
    event.percent = ASYNC_NO_PERCENT;
    event.has_message = true;
    event.message.data = text;
    event.message.len = (size_t) snprintf(text, sizeof(text), "%s%u",
                                          STREAMS_MARK, n);
    event.received = wall_us();
    event.by = (async_str_t) async_str("backend");

    batch.events = &event;
    apply(b, &batch);
    b->sent[n] = now_us();
}


/* as long as an event of ours */

static void
post(bench_t *b, unsigned n)
{
    int   len;
    char  text[1024], body[512];

    len = snprintf(body, sizeof(body), "%s%u %0400d", STREAMS_MARK, n, 0);
    len = snprintf(text, sizeof(text), "POST /pub/%u HTTP/1.1\r\nHost: a\r\n"
                   "Content-Length: %d\r\n\r\n%s", n % b->count, len, body);
    say(b->post, text, (size_t) len);
    b->sent[n] = now_us();
}


static int
order(const void *a, const void *b)
{
    int64_t  x = *(const int64_t *) a, y = *(const int64_t *) b;

    return x < y ? -1 : x > y;
}


static void
run(bench_t *b, unsigned rate)
{
    unsigned         n, lost;
    int64_t          start, left;
    pthread_t        ear;

    if (pthread_create(&ear, NULL, hear_all, b) != 0) {
        exit(1);
    }

    start = now_us();

    for (n = 0; n < b->events; n++) {
        left = start + (int64_t) n * 1000000 / rate - now_us();

        if (left > 0) {
            usleep((useconds_t) left);
        }

        if (b->store != NULL) {
            report(b, n);

        } else {
            post(b, n);
        }
    }

    for (n = 0; n < STREAMS_LAST && atomic_load(&b->seen) < b->events; n++) {
        usleep(1000);
    }

    atomic_store(&b->done, true);
    pthread_join(ear, NULL);

    /* what is there before the commit has returned took no time */

    for (n = 0, lost = 0; n < b->events; n++) {
        lost += b->took[n] == 0;
        b->took[n] = b->took[n] == 0 ? STREAMS_LAST * 1000
                                     : b->took[n] - b->sent[n];
        b->took[n] = b->took[n] > 0 ? b->took[n] : 0;
    }

    qsort(b->took, b->events, sizeof(int64_t), order);

    printf("p50 %.3f\np99 %.3f\nmax %.3f\nlost %u\n",
           (double) b->took[b->events / 2] / 1000,
           (double) b->took[b->events * 99 / 100] / 1000,
           (double) b->took[b->events - 1] / 1000, lost);
}


int
main(int argc, char **argv)
{
    char                 line[8];
    bench_t              b;
    unsigned             i;
    struct epoll_event   ev = { .events = EPOLLIN };

    if (argc < 6 || (strcmp(argv[5], "post") != 0 && argc != 7)) {
        fprintf(stderr, "bench-streams PORT COUNT EVENTS RATE store DIR | "
                "post\n");
        return 2;
    }

    memset(&b, 0, sizeof(bench_t));

    b.port = (unsigned) atoi(argv[1]);
    b.count = (unsigned) atoi(argv[2]);
    b.events = (unsigned) atoi(argv[3]);
    b.epoll = epoll_create1(EPOLL_CLOEXEC);
    b.streams = calloc(b.count, sizeof(stream_t));
    b.sent = calloc(b.events, sizeof(int64_t));
    b.took = calloc(b.events, sizeof(int64_t));

    if (b.streams == NULL || b.sent == NULL || b.took == NULL) {
        return 1;
    }

    if (argc == 7) {
        make_jobs(&b, argv[6]);

    } else {
        for (i = 0; i < b.count; i++) {
            (void) snprintf(b.streams[i].path, STREAMS_LINE, "/sub/%u", i);
        }

        b.post = dial(b.port);
        ev.data.ptr = NULL;
        (void) epoll_ctl(b.epoll, EPOLL_CTL_ADD, b.post, &ev);
    }

    puts("ready");
    fflush(stdout);

    if (fgets(line, sizeof(line), stdin) == NULL) {
        return 1;
    }

    open_all(&b);

    puts("open");
    fflush(stdout);

    if (fgets(line, sizeof(line), stdin) == NULL) {
        return 1;
    }

    run(&b, (unsigned) atoi(argv[4]));

    return 0;
}
