/*
 * The run loop.  One thread: transfers move, those that ended are settled
 * and new ones claimed in one commit, then everyone sleeps on the transfers'
 * sockets, the doorbell and the signals.
 */

#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "async_log.h"
#include "async_loop.h"
#include "async_notify.h"


#define ASYNC_LOOP_SLEEP  1000      /* ms at most, also if no bell rings */
#define ASYNC_LOOP_NAP    10        /* ms, where no descriptor can be waited
                                       for */


static void async_loop_collect(async_loop_t *w);
static void async_loop_cut(async_loop_t *w, int64_t now);
static void async_loop_cut_all(async_loop_t *w, int64_t now);
static void async_loop_phase(async_loop_t *w, int64_t now);
static void async_loop_stop(async_loop_t *w, int64_t now);
static void async_loop_chores(async_loop_t *w, int64_t now);
static void async_loop_health(async_loop_t *w);
static void async_loop_sleep(async_loop_t *w);
static void async_loop_nap(async_loop_t *w);
static int async_loop_timeout(const async_loop_t *w);
static void async_loop_signaled(async_loop_t *w);


void
async_loop_run(async_loop_t *w)
{
    int64_t  now;

    w->look = true;

    while (w->phase < ASYNC_LOOP_DONE) {

        if (!async_http_perform(w->env.http)) {
            async_log(ASYNC_LOG_ERROR, "msg=\"connections to nginx cannot "
                      "be watched: the worker has to be started again\"");
            w->phase = ASYNC_LOOP_BROKE;
            return;
        }

        /* before the sleep: what is found after it waits for a turn */

        async_loop_collect(w);

        now = async_clock_ms(CLOCK_BOOTTIME);

        async_loop_cut(w, now);
        async_watch_feed(w, now);
        async_loop_chores(w, now);
        async_hold_release(w, now, false);
        async_webhooks_run(w->webhooks, w->env.view,
                           w->phase != ASYNC_LOOP_RUNS, now,
                           async_chores_wall(&w->chores, now));
        async_settle_commit(w, now);
        async_loop_phase(w, now);

        if (w->phase < ASYNC_LOOP_DONE) {
            async_loop_sleep(w);
        }
    }
}


static void
async_loop_collect(async_loop_t *w)
{
    void              *data;
    int64_t            now;
    const char        *why;
    async_replay_t    *r;
    async_http_end_t   end;

    now = async_clock_ms(CLOCK_BOOTTIME);

    while (async_http_ended(w->env.http, &data, &end, &why)) {
        r = data;

        async_replay_ended(r, end, why, now);
        w->running--;
        async_settle_add(w, r, now);
    }
}


/* those whose time is up */

static void
async_loop_cut(async_loop_t *w, int64_t now)
{
    int64_t          deadline;
    unsigned         i;
    async_replay_t  *r;

    if (w->running == 0 || now < w->next_cut) {
        return;
    }

    w->next_cut = INT64_MAX;

    for (i = 0; i < w->nslots; i++) {
        r = &w->slots[i];

        if (r->transfer == NULL) {
            continue;
        }

        if (async_replay_overdue(r, now)) {
            async_replay_cut(r, ASYNC_END_TIMEOUT, now);
            w->running--;
            async_settle_add(w, r, now);
            continue;
        }

        deadline = async_replay_deadline(r);

        if (deadline < w->next_cut) {
            w->next_cut = deadline;
        }
    }
}


static void
async_loop_cut_all(async_loop_t *w, int64_t now)
{
    unsigned         i;
    async_replay_t  *r;

    for (i = 0; i < w->nslots; i++) {
        r = &w->slots[i];

        if (r->transfer) {
            async_replay_cut(r, ASYNC_END_STOPPED, now);
            w->running--;
            async_settle_add(w, r, now);
        }
    }
}


static void
async_loop_phase(async_loop_t *w, int64_t now)
{
    switch (w->phase) {

    case ASYNC_LOOP_DRAINS:
        if ((w->running == 0 && async_webhooks_running(w->webhooks) == 0)
            || now >= w->patience)
        {
            async_loop_stop(w, now);
        }

        break;

    case ASYNC_LOOP_STOPS:
        if (w->nended == 0 && !async_webhooks_waits(w->webhooks)) {
            w->phase = ASYNC_LOOP_DONE;

        } else if (now >= w->patience) {
            async_log(ASYNC_LOG_ERROR, "msg=\"the store did not take the "
                      "last events: the worker that is started next judges "
                      "these jobs\" "
                      "jobs=%u", w->nended);
            w->phase = ASYNC_LOOP_BROKE;
        }

        break;

    default:
        break;
    }
}


static void
async_loop_stop(async_loop_t *w, int64_t now)
{
    w->phase = ASYNC_LOOP_STOPS;
    w->patience = now + ASYNC_LOOP_LAST;

    async_loop_cut_all(w, now);
    async_hold_release(w, now, true);

    /* with nothing to settle there is no turn to wait for */

    if (w->nended == 0 && !async_webhooks_waits(w->webhooks)) {
        w->phase = ASYNC_LOOP_DONE;
    }
}


static void
async_loop_chores(async_loop_t *w, int64_t now)
{
    int      beat;
    int64_t  next;

    next = async_away_next(&w->away);

    if (next && now >= next && async_away_probe(&w->away, w->run, now)) {
        w->look = true;
    }

    if (w->next_due && now >= w->next_due) {
        w->next_due = 0;
        w->look = true;
    }

    if (now < w->next_chore) {
        return;
    }

    beat = async_notify_interval();
    w->next_chore = now + (beat ? beat : ASYNC_LOOP_SLEEP);

    if (beat) {
        async_notify("WATCHDOG=1");
    }

    /* a dead reader keeps old pages alive, and the file grows */

    (void) async_store_reap_readers(w->store);

    async_keyring_check(&w->keyring, w->store);

    if (w->phase == ASYNC_LOOP_RUNS) {
        async_chores_tick(&w->chores, w->store, w->env.view, now);
    }

    async_loop_health(w);

    w->look = true;
    w->rung = true;
    async_webhooks_stir(w->webhooks);
}


/* what runs is cut, and judged by the epoch that follows */

static void
async_loop_health(async_loop_t *w)
{
    async_store_health_t  health;

    health = async_store_health(w->store);

    if (health == ASYNC_STORE_SOUND) {
        return;
    }

    async_log(ASYNC_LOG_ERROR, "msg=\"the store is opened anew, what runs is "
              "judged as after a crash\" reason=\"%s\" running=%u",
              async_store_health_text(health), w->running);

    w->phase = w->phase == ASYNC_LOOP_RUNS ? ASYNC_LOOP_REOPENS
                                           : ASYNC_LOOP_BROKE;
}


static void
async_loop_sleep(async_loop_t *w)
{
    unsigned       n;
    struct pollfd  fds[3];

    memset(fds, 0, sizeof(fds));

    fds[0].fd = w->signals;
    fds[1].fd = async_webhooks_fd(w->webhooks);
    fds[2].fd = w->bell_fd;
    n = w->bell ? 3 : 2;

    if (async_http_wait(w->env.http, fds, n, async_loop_timeout(w))) {
        w->blind = false;

    } else {
        async_loop_nap(w);
        fds[0].revents = POLLIN;
        fds[2].revents = w->bell ? POLLIN : 0;
    }

    if (fds[0].revents) {
        async_loop_signaled(w);
    }

    if (fds[2].revents) {
        async_bell_drain(w->bell);
        async_firing_rung(&w->firings);
        w->look = true;
        w->rung = true;
        async_webhooks_stir(w->webhooks);
    }
}


/*
 * poll() refuses more descriptors than RLIMIT_NOFILE, should that have been
 * lowered below the few that we ask of, and all of them if memory is gone.
 * Jobs are running: rather than leave them we look at everything now and then.
 */

static void
async_loop_nap(async_loop_t *w)
{
    const struct timespec  nap = { 0, ASYNC_LOOP_NAP * 1000000 };

    if (!w->blind) {
        async_log(ASYNC_LOG_ERROR, "msg=\"cannot wait for descriptors: no "
                  "memory, or LimitNOFILE is too low\" running=%u",
                  w->running);
        w->blind = true;
    }

    nanosleep(&nap, NULL);
}


static int
async_loop_timeout(const async_loop_t *w)
{
    bool      room;
    int64_t   now, next, wall, fire;
    unsigned  i;

    now = async_clock_ms(CLOCK_BOOTTIME);
    wall = async_clock_ms(CLOCK_REALTIME);
    fire = async_firing_wake(&w->firings, &w->chores.clock, wall, now);
    fire = fire && fire < w->next_commit ? w->next_commit : fire;
    room = w->phase == ASYNC_LOOP_RUNS && async_settle_room(w) > 0;
    now = async_clock_ms(CLOCK_BOOTTIME);

    /* 0: does not count now */

    const int64_t  times[] = {
        w->nended || async_webhooks_waits(w->webhooks) || (w->look && room)
            ? w->next_commit : 0,
        async_webhooks_next(w->webhooks, now),
        room ? w->next_due : 0,
        w->running ? w->next_cut : 0,
        async_hold_next(w),
        w->running && w->rung ? w->next_watch : 0,
        w->phase != ASYNC_LOOP_RUNS ? w->patience : fire,
        w->chores.sweep.more ? w->chores.next_sweep : 0,
        async_away_next(&w->away)
    };

    next = w->next_chore;

    for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        if (times[i] && times[i] < next) {
            next = times[i];
        }
    }

    return next > now ? (int) (next - now) : 0;
}


/* the first asks us to finish, the second to hurry */

static void
async_loop_signaled(async_loop_t *w)
{
    int64_t                  now;
    struct signalfd_siginfo  info;

    now = async_clock_ms(CLOCK_BOOTTIME);

    while (read(w->signals, &info, sizeof(info)) == sizeof(info)) {

        if (w->phase == ASYNC_LOOP_RUNS) {
            w->phase = ASYNC_LOOP_DRAINS;
            w->patience = now + w->grace;

            async_log(ASYNC_LOG_NOTICE, "msg=\"worker drains\" running=%u "
                      "grace_ms=%u", w->running, w->grace);
            async_notify("STOPPING=1\nSTATUS=draining");

        } else if (w->phase == ASYNC_LOOP_DRAINS) {
            w->patience = now;
        }
    }
}
