/*
 * Start and end of the worker process.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "async_log.h"
#include "async_loop.h"
#include "async_notify.h"
#include "async_takeover.h"


#define ASYNC_WORKER_JOBS   256     /* at once, unless asked otherwise */
#define ASYNC_WORKER_AGAIN  -1


static int async_worker_once(const async_worker_options_t *options,
    bool again);
static bool async_worker_init(async_loop_t *w,
    const async_worker_options_t *options);
static bool async_worker_signals(async_loop_t *w);
static void async_worker_limits(void);
static bool async_worker_open(async_loop_t *w,
    const async_worker_options_t *options);
static bool async_worker_sockets(async_loop_t *w, const char *store);
static void async_worker_clean(async_loop_t *w);


int
async_worker_run(const async_worker_options_t *options)
{
    int   rc;
    bool  again;

    async_log_init(options->log_level);

    again = false;

    do {
        rc = async_worker_once(options, again);
        again = true;
    } while (rc == ASYNC_WORKER_AGAIN);

    async_notify("STOPPING=1");
    async_log(ASYNC_LOG_NOTICE, "msg=\"worker exits\" code=%d", rc);

    return rc;
}


/* from opening the store to closing it; an exit code, or once more */

static int
async_worker_once(const async_worker_options_t *options, bool again)
{
    int           rc;
    async_loop_t  w;

    rc = 1;

    if (async_worker_init(&w, options)) {

        switch (async_takeover(options, w.signals, again, &w.store,
                               &w.epoch))
        {

        case ASYNC_TAKEOVER_DONE:
            if (async_worker_open(&w, options)) {
                async_loop_run(&w);

                rc = w.phase == ASYNC_LOOP_DONE ? 0
                     : w.phase == ASYNC_LOOP_REOPENS ? ASYNC_WORKER_AGAIN : 1;
            }

            break;

        case ASYNC_TAKEOVER_STOPPED:
            rc = 0;
            break;

        case ASYNC_TAKEOVER_FAILED:
            break;
        }
    }

    async_worker_clean(&w);

    return rc;
}


static bool
async_worker_init(async_loop_t *w, const async_worker_options_t *options)
{
    memset(w, 0, sizeof(async_loop_t));

    w->concurrency = options->concurrency ? options->concurrency
                                          : ASYNC_WORKER_JOBS;
    w->grace = options->grace_ms;
    w->bell_fd = -1;
    w->run_fd = -1;
    w->signals = -1;

    async_worker_limits();

    return async_worker_signals(w);
}


static bool
async_worker_signals(async_loop_t *w)
{
    sigset_t  set;

    signal(SIGPIPE, SIG_IGN);

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);

    w->signals = signalfd(-1, &set, SFD_NONBLOCK|SFD_CLOEXEC);

    if (w->signals == -1) {
        async_log(ASYNC_LOG_ERROR, "msg=\"cannot wait for signals\" "
                  "error=\"%s\"", strerror(errno));
        return false;
    }

    return true;
}


/* a job takes a socket and up to two spool files */

static void
async_worker_limits(void)
{
    struct rlimit  limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
    }
}


static bool
async_worker_open(async_loop_t *w, const async_worker_options_t *options)
{
    unsigned           i;
    async_error_t      err;
    async_log_quote_t  quote;

    /* those that ended keep their slot until the store has their event */

    w->nslots = w->concurrency + ASYNC_LOOP_CLAIMS;

    w->slots = calloc(w->nslots, sizeof(async_replay_t));
    w->free = calloc(w->nslots, sizeof(async_replay_t *));
    w->ended = calloc(w->nslots, sizeof(async_replay_t *));
    w->held = calloc(w->nslots, sizeof(async_replay_t *));
    w->events = calloc(w->nslots + ASYNC_CHORES_LATE + ASYNC_FIRING_MAX
                       + ASYNC_WEBHOOK_EVENTS,
                       sizeof(async_event_t));
    w->claims = calloc(ASYNC_LOOP_CLAIMS, sizeof(async_claim_t));
    w->env.http = async_http_create();
    w->webhooks = async_webhooks_create(w->epoch);

    if (w->slots == NULL || w->free == NULL || w->ended == NULL
        || w->held == NULL
        || w->events == NULL || w->claims == NULL || w->env.http == NULL
        || w->webhooks == NULL
        || async_view_open(&w->env.view, w->store) != ASYNC_OK
        || !async_watch_init(w))
    {
        async_log(ASYNC_LOG_ERROR, "msg=\"no memory, or too many programs "
                  "have the store open: lower --concurrency\"");
        return false;
    }

    for (i = 0; i < w->nslots; i++) {
        w->free[w->nfree++] = &w->slots[i];
    }

    async_chores_init(&w->chores, w->epoch);
    async_firing_init(&w->firings, w->epoch);

    w->env.store = w->store;
    w->env.run = w->run;

    if (!async_worker_sockets(w, options->store)) {
        return false;
    }

    async_keyring_check(&w->keyring, w->store);

    if (async_bell_open(&w->bell, w->store, &w->bell_fd, &err) != ASYNC_OK) {
        async_log(ASYNC_LOG_WARN, "msg=\"no doorbell: jobs start later than "
                  "they could\" error=%s", async_log_quote(&quote, err.text));
        w->bell = NULL;
        w->bell_fd = -1;

    } else {
        async_bell_mute(w->bell);
    }

    async_log(ASYNC_LOG_NOTICE, "msg=\"worker runs\" store=%s epoch=%llu "
              "concurrency=%u", async_log_quote(&quote, options->store),
              (unsigned long long) w->epoch, w->concurrency);
    async_notify("STATUS=active");

    return true;
}


/* an address has 107 bytes: a long path is shortened through /proc */

static bool
async_worker_sockets(async_loop_t *w, const char *store)
{
    int                n;
    char               probe[sizeof(w->run)];
    async_log_quote_t  quote;

    n = snprintf(w->run, sizeof(w->run), "%s/run", store);

    if (n > 0 && (size_t) n < sizeof(w->run)
        && async_away_socket(probe, sizeof(probe), w->run, 0))
    {
        return true;
    }

    char  path[(size_t) n + 1];

    snprintf(path, sizeof(path), "%s/run", store);
    w->run_fd = open(path, O_PATH|O_DIRECTORY|O_CLOEXEC);

    if (w->run_fd == -1) {
        async_log(ASYNC_LOG_ERROR, "msg=\"cannot open the folder of the "
                  "sockets, which nginx makes when it starts\" path=%s "
                  "error=\"%s\"", async_log_quote(&quote, path),
                  strerror(errno));
        return false;
    }

    snprintf(w->run, sizeof(w->run), "/proc/self/fd/%d", w->run_fd);

    return true;
}


static void
async_worker_clean(async_loop_t *w)
{
    unsigned  i;

    for (i = 0; w->slots && i < w->nslots; i++) {
        if (w->slots[i].transfer) {
            async_http_stop(w->env.http, w->slots[i].transfer);
        }

        if (w->slots[i].env) {
            async_replay_clean(&w->slots[i]);
        }
    }

    if (w->webhooks) {
        async_webhooks_destroy(w->webhooks);
    }

    async_away_clean(&w->away);
    async_chores_clean(&w->chores);
    async_firing_clean(&w->firings);

    if (w->bell) {
        async_bell_close(w->bell);
    }

    if (w->env.view) {
        async_view_close(w->env.view);
    }

    if (w->store) {
        async_store_close(w->store);
    }

    if (w->env.http) {
        async_http_destroy(w->env.http);
    }

    if (w->run_fd != -1) {
        close(w->run_fd);
    }

    if (w->signals != -1) {
        close(w->signals);
    }

    free(w->slots);
    free(w->free);
    free(w->ended);
    free(w->held);
    free(w->events);
    free(w->claims);
    free(w->watched);
}
