/*
 * The worker and the store: what came of attempts goes in, claims come out,
 * in one transaction.
 */

#include <string.h>
#include <sys/random.h>

#include "async_log.h"
#include "async_loop.h"


#define ASYNC_SETTLE_PACE   2       /* ms after a commit of more than a few: */
#define ASYNC_SETTLE_FEW    4       /* more come together, and nginx writes,
                                       too */
#define ASYNC_SETTLE_RETRY  100     /* ms after a store that was not ready */
#define ASYNC_SETTLE_DOOR   500     /* ms to wait for the store's door */
#define ASYNC_SETTLE_PAUSE  250     /* ms before a job that nginx gave back */
#define ASYNC_SETTLE_AGAIN  10      /* ms before what a look left undone */


static void async_settle_nginx(async_loop_t *w, async_replay_t *r,
    int64_t now);
static int64_t async_settle_backoff(const async_replay_t *r, int64_t wall);
static int64_t async_settle_away(async_loop_t *w, const async_replay_t *r,
    int64_t now);
static async_rc_t async_settle_apply(async_loop_t *w,
    async_claim_request_t *claim, async_sweep_t *sweep, int64_t now);
static void async_settle_late(const async_overdue_t *late, int64_t wall);
static void async_settle_claimed(async_loop_t *w,
    const async_claim_request_t *claim);
static void async_settle_refused(async_loop_t *w, async_rc_t rc,
    const char *why);
static void async_settle_events(async_loop_t *w);
static bool async_settle_event(async_loop_t *w, async_replay_t *r,
    async_rc_t rc);
static bool async_settle_shorten(async_event_t *event);
static void async_settle_drop(const async_replay_t *r, async_rc_t rc);
static void async_settle_report(const async_replay_t *r);
static void async_settle_start(async_loop_t *w,
    const async_claim_request_t *claim);


void
async_settle_add(async_loop_t *w, async_replay_t *r, int64_t now)
{
    async_settle_nginx(w, r, now);

    if (!async_hold_add(w, r, now)) {
        w->ended[w->nended++] = r;
    }
}


/* what the attempt says of its nginx, and when a job given back may run */

static void
async_settle_nginx(async_loop_t *w, async_replay_t *r, int64_t now)
{
    int64_t  until, wall;

    until = now + ASYNC_SETTLE_PAUSE;
    wall = async_chores_wall(&w->chores, now);

    switch (r->verdict.nginx) {

    case ASYNC_NGINX_HERE:
        if (async_away_clear(&w->away, r->server)) {
            async_log(ASYNC_LOG_INFO, "msg=\"nginx is back\" server=%016llx",
                      (unsigned long long) r->server);
            w->look = true;
        }

        break;

    case ASYNC_NGINX_SILENT:
    case ASYNC_NGINX_REFUSED:
        until = async_settle_away(w, r, now);
        break;

    case ASYNC_NGINX_UNKNOWN:
        break;
    }

    /* what we give back because we stop is for the next worker, at once */

    if (r->event.type == ASYNC_EVENT_RELEASED && w->phase != ASYNC_LOOP_STOPS)
    {
        r->event.due = wall + until - now;
    }

    if (r->event.type == ASYNC_EVENT_ATTEMPT_FAILED) {
        r->event.due = wall + async_settle_backoff(r, wall);
    }
}


static int64_t
async_settle_backoff(const async_replay_t *r, int64_t wall)
{
    uint64_t  random;

    if (getrandom(&random, sizeof(random), GRND_NONBLOCK)
        != (ssize_t) sizeof(random))
    {
        random = (uint64_t) wall * 0x9e3779b97f4a7c15ull;
    }

    return async_policy_wait(&r->policy, r->attempt,
                             async_response_retry_after(&r->response, wall),
                             random);
}


static int64_t
async_settle_away(async_loop_t *w, const async_replay_t *r, int64_t now)
{
    bool               news, refused;
    int64_t            until;
    async_log_quote_t  why;

    refused = r->verdict.nginx == ASYNC_NGINX_REFUSED;
    until = async_away_add(&w->away, r->server, refused, now, &news);

    if (!news) {
        return until;
    }

    if (refused) {
        async_log(ASYNC_LOG_ERROR, "msg=\"nginx refuses the worker: does it "
                  "use another store, or another user?\" server=%016llx",
                  (unsigned long long) r->server);

    } else {
        async_log(ASYNC_LOG_WARN, "msg=\"nginx does not answer, its jobs "
                  "wait\" server=%016llx reason=%s",
                  (unsigned long long) r->server,
                  async_log_quote(&why, r->why));
    }

    return until;
}


void
async_settle_commit(async_loop_t *w, int64_t now)
{
    bool                    claims;
    unsigned                n;
    async_rc_t              rc;
    async_sweep_t          *sweep;
    async_claim_request_t   claim;

    claims = w->phase == ASYNC_LOOP_RUNS;
    sweep = claims ? async_chores_sweep(&w->chores, now) : NULL;

    if (claims && w->look && now >= w->next_commit) {
        async_keyring_look(&w->keyring, w->store);
    }

    memset(&claim, 0, sizeof(async_claim_request_t));
    claim.max = async_settle_room(w);

    if (claims && now >= w->next_commit) {
        async_firing_collect(&w->firings, w->store, w->env.view,
                             &w->chores.clock,
                             async_chores_wall(&w->chores, now), now);
    }

    if (now < w->next_commit
        || (w->nended == 0 && w->firings.n == 0 && sweep == NULL
            && !async_webhooks_waits(w->webhooks)
            && !(claims && w->look && claim.max > 0)))
    {
        return;
    }

    /* armed before we look: what comes after our look rings */

    if (claims && w->bell) {
        async_bell_arm(w->bell);
    }

    n = w->nended;
    rc = async_settle_apply(w, claims ? &claim : NULL, sweep, now);

    if (rc == ASYNC_OK) {
        async_settle_events(w);

        /* what ended may owe one */

        async_webhooks_stir(w->webhooks);

        if (claims) {
            async_settle_claimed(w, &claim);
        }
    }

    if (sweep != NULL) {
        async_chores_swept(&w->chores, now);
    }

    w->next_commit = async_clock_ms(CLOCK_BOOTTIME);

    if (w->stuck) {
        w->next_commit += ASYNC_SETTLE_RETRY;

    } else if (n + claim.n > ASYNC_SETTLE_FEW) {
        w->next_commit += ASYNC_SETTLE_PACE;
    }
}


unsigned
async_settle_room(const async_loop_t *w)
{
    unsigned  room;

    if (!w->keyring.ready) {
        return 0;
    }

    room = w->concurrency - w->running;
    room = room < w->nfree ? room : w->nfree;

    return room < ASYNC_LOOP_CLAIMS ? room : ASYNC_LOOP_CLAIMS;
}


static async_rc_t
async_settle_apply(async_loop_t *w, async_claim_request_t *claim,
    async_sweep_t *sweep, int64_t now)
{
    unsigned       i, n, fired, hooked;
    async_rc_t     rc;
    async_batch_t  batch;
    async_error_t  err;

    memset(&batch, 0, sizeof(async_batch_t));
    err.text[0] = '\0';

    for (i = 0; i < w->nended; i++) {
        w->events[i] = w->ended[i]->event;
    }

    batch.now = async_chores_wall(&w->chores, now);

    /* after a look at the clock, which withdraws them if it jumped */

    for (n = 0; claim && n < w->chores.nlate; n++, i++) {
        async_event_late(&w->events[i], &w->chores.late[n].id,
                         w->epoch);
    }

    w->chores.nlate = 0;

    async_firing_events(&w->firings, &w->events[i]);
    fired = i;
    hooked = fired + w->firings.n;
    w->nhooks = async_webhooks_events(w->webhooks, &w->events[hooked]);

    batch.events = w->events;
    batch.n = hooked + w->nhooks;
    batch.claim = claim;
    batch.sweep = sweep;
    batch.wait_ms = ASYNC_SETTLE_DOOR;

    if (claim) {
        claim->epoch = w->epoch;
        claim->skip = w->away.keys;
        claim->nskip = w->away.nkeys;
        claim->claims = w->claims;
        claim->late = w->late;
        claim->max_late = ASYNC_CHORES_LATE;
        claim->doubt = !async_clock_sure(&w->chores.clock, now);
    }

    rc = async_store_apply(w->store, &batch, &err);

    async_firing_done(&w->firings, rc, &w->events[fired], now);

    if (rc != ASYNC_OK) {
        async_settle_refused(w, rc, err.text);
        return rc;
    }

    for (n = 0, i = w->nended; i < fired; n++, i++) {

        /* one that was claimed meanwhile is none */

        if (w->events[i].rc == ASYNC_OK) {
            async_settle_late(&w->chores.late[n], batch.now);
        }
    }

    for (n = 0; claim && n < claim->nlate; n++) {
        async_settle_late(&claim->late[n], batch.now);
    }

    if (w->nhooks > 0
        && !async_webhooks_settled(w->webhooks, &w->events[hooked], w->nhooks))
    {
        async_settle_refused(w, ASYNC_BUSY, "what came of a webhook");
    }

    return ASYNC_OK;
}


static void
async_settle_late(const async_overdue_t *late, int64_t wall)
{
    char               id[ASYNC_ID_TEXT];
    async_log_quote_t  queue;

    async_id_format(id, &late->id);
    async_log(ASYNC_LOG_INFO, "msg=\"job ended\" id=%.*s queue=%s "
              "status=failed error=start-timeout attempt=%u http=0 "
              "wait_ms=%lld run_ms=0 reason=\"it was not started in time\"",
              ASYNC_ID_TEXT, id, async_log_quote(&queue, late->queue),
              (unsigned) late->attempt,
              (long long) (wall > late->queued ? wall - late->queued : 0));
}


static void
async_settle_claimed(async_loop_t *w, const async_claim_request_t *claim)
{
    int64_t  now, left;

    w->look = claim->more;
    w->next_due = 0;

    async_keyring_locked(&w->keyring, claim->locked, claim->locked_key,
                         async_clock_ms(CLOCK_BOOTTIME));

    /* from the wall clock to ours */

    if (claim->next_due) {
        now = async_clock_ms(CLOCK_BOOTTIME);
        left = claim->next_due - async_clock_ms(CLOCK_REALTIME);
        w->next_due = now + (left > ASYNC_SETTLE_AGAIN ? left
                                                       : ASYNC_SETTLE_AGAIN);
    }

    async_settle_start(w, claim);
}


/* a batch or an event that came to nothing: once more, or the end */

static void
async_settle_refused(async_loop_t *w, async_rc_t rc, const char *why)
{
    async_log_quote_t  quote;

    if (rc == ASYNC_STALE) {
        async_log(ASYNC_LOG_ERROR, "msg=\"another worker took over this "
                  "store: stopping\"");
        w->phase = ASYNC_LOOP_BROKE;
        return;
    }

    if (rc == ASYNC_UNKNOWN) {
        async_log(ASYNC_LOG_ERROR, "msg=\"a commit failed and nobody knows "
                  "what was written: opening the store anew finds out\" "
                  "error=%s", async_log_quote(&quote, why));
        w->phase = w->phase == ASYNC_LOOP_RUNS ? ASYNC_LOOP_REOPENS
                                               : ASYNC_LOOP_BROKE;
        return;
    }

    if (!w->stuck) {
        w->stuck = true;
        async_log(ASYNC_LOG_WARN, "msg=\"the store cannot be written, trying "
                  "again\" result=%s error=%s", async_rc_name(rc),
                  async_log_quote(&quote, why));
    }
}


/* takes from the ended what was stored, and what never can be */

static void
async_settle_events(async_loop_t *w)
{
    unsigned         i, n;
    async_replay_t  *r;

    for (i = 0, n = 0; i < w->nended; i++) {
        r = w->ended[i];

        if (!async_settle_event(w, r, w->events[i].rc)) {
            w->ended[n++] = r;
            continue;
        }

        async_replay_clean(r);
        w->free[w->nfree++] = r;
    }

    w->nended = n;

    if (w->stuck && n == 0 && !async_webhooks_waits(w->webhooks)) {
        w->stuck = false;
        async_log(ASYNC_LOG_NOTICE, "msg=\"the store can be written again\"");
    }
}


/* false if the event has to be applied once more */

static bool
async_settle_event(async_loop_t *w, async_replay_t *r, async_rc_t rc)
{
    switch (rc) {

    case ASYNC_OK:
        async_settle_report(r);
        return true;

    case ASYNC_BUSY:
    case ASYNC_UNAVAILABLE:
    case ASYNC_STORE_FULL:
    case ASYNC_UNKNOWN:
        async_settle_refused(w, rc, "one job's result");
        return false;

    case ASYNC_INVALID:
        if (async_settle_shorten(&r->event)) {
            return false;
        }

        break;

    default:
        break;
    }

    async_settle_drop(r, rc);

    return true;
}


/* a job's record has its limits, and these are the words that it can spare */

static bool
async_settle_shorten(async_event_t *event)
{
    if (event->resource.len == 0 && event->detail.len == 0) {
        return false;
    }

    event->resource.len = 0;
    event->detail.len = 0;

    return true;
}


static void
async_settle_drop(const async_replay_t *r, async_rc_t rc)
{
    bool  late;
    char  id[ASYNC_ID_TEXT];

    late = rc == ASYNC_STALE || rc == ASYNC_REFUSED || rc == ASYNC_NOT_FOUND;

    async_id_format(id, &r->id);
    async_log(late ? ASYNC_LOG_WARN : ASYNC_LOG_ERROR,
              "msg=\"what came of a job is not stored: %s\" id=%.*s result=%s "
              "event=%s attempt=%u",
              late ? "it was canceled, removed or judged by another worker "
                     "meanwhile"
                   : "see nginx-async check",
              ASYNC_ID_TEXT, id, async_rc_name(rc),
              async_event_name(r->event.type), (unsigned) r->attempt);
}


static void
async_settle_report(const async_replay_t *r)
{
    char                  id[ASYNC_ID_TEXT];
    bool                  told;
    const char           *error;
    async_state_t         state;
    async_log_quote_t     why, queue;
    async_log_level_t     level;
    const async_event_t  *event;

    event = &r->event;
    error = async_job_error_name((async_job_error_t) event->error);
    told = !r->verdict.keep && r->why[0];
    state = async_state_next(ASYNC_STATE_PROCESSING, event->type);

    /* a server that is away gives back many, and was told of once */

    level = event->type == ASYNC_EVENT_RELEASED ? ASYNC_LOG_DEBUG
                                                : ASYNC_LOG_INFO;

    async_id_format(id, &r->id);
    async_log(level, "msg=\"%s ended\" id=%.*s queue=%s status=%s%s%s "
              "attempt=%u http=%u wait_ms=%lld run_ms=%llu%s%s",
              async_state_final(state) ? "job" : "attempt", ASYNC_ID_TEXT, id,
              async_log_quote(&queue, r->queue), async_state_name(state),
              error[0] ? " error=" : "", error, (unsigned) r->attempt,
              r->response.status, (long long) r->waited,
              (unsigned long long) event->duration,
              told ? " reason=" : "",
              told ? async_log_quote(&why, r->why) : "");
}


static void
async_settle_start(async_loop_t *w, const async_claim_request_t *claim)
{
    int64_t          now;
    unsigned         i;
    async_replay_t  *r;

    now = async_clock_ms(CLOCK_BOOTTIME);

    for (i = 0; i < claim->n; i++) {
        r = w->free[--w->nfree];

        if (!async_replay_start(r, &w->env, &claim->claims[i], now)) {
            async_settle_add(w, r, now);
            continue;
        }

        if (w->running == 0 || async_replay_deadline(r) < w->next_cut) {
            w->next_cut = async_replay_deadline(r);
        }

        w->running++;
    }
}
