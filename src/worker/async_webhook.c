#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "async_allow.h"
#include "async_hosts.h"
#include "async_letter.h"
#include "async_log.h"
#include "async_post.h"
#include "async_webhook.h"


#define ASYNC_WEBHOOK_SLOTS  (ASYNC_HOSTS_ANSWER + ASYNC_HOSTS_DOUBT)
#define ASYNC_WEBHOOK_OFF    (ASYNC_WEBHOOK_EVENTS - ASYNC_WEBHOOK_SLOTS)
#define ASYNC_WEBHOOK_LOOK   64             /* rows in one look */
#define ASYNC_WEBHOOK_AGAIN  250            /* ms, while all hosts are busy */
#define ASYNC_WEBHOOK_LATER  (3600 * 1000)  /* ms, without a job to tell of */


/* free, under way (it has a post), or ended (it has an event) */
typedef struct {
    async_id_t       id;
    uint32_t         attempt;
    uint32_t         tries;
    async_letter_t   letter;
    uint64_t         host;
    bool             doubt;
    bool             used;
    int64_t          started;
    async_post_t    *post;
    async_event_t    event;
} async_webhook_t;

struct async_webhooks_s {
    uint64_t           epoch;
    async_posts_t     *posts;
    async_hosts_t      hosts;
    async_webhook_t    slots[ASYNC_WEBHOOK_SLOTS];
    unsigned           running;
    unsigned           ended;

    async_event_t      off[ASYNC_WEBHOOK_OFF];      /* put off */
    unsigned           noff;

    /* what is looked at */
    async_due_hook_t   due[ASYNC_WEBHOOK_LOOK];
    async_due_place_t  place;
    bool               stirred;     /* from the beginning, at once */
    bool               busy;        /* one of this round had to wait */
    int64_t            next_look;   /* 0: not before it is stirred */
};


static void async_webhooks_collect(async_webhooks_t *w, int64_t now,
    int64_t wall);
static void async_webhooks_look(async_webhooks_t *w, async_view_t *view,
    int64_t now, int64_t wall);
static unsigned async_webhooks_taken(const async_webhooks_t *w,
    async_id_t *ids);
static bool async_webhooks_start(async_webhooks_t *w, async_view_t *view,
    const async_due_hook_t *due, int64_t now, int64_t wall);
static async_webhook_t *async_webhooks_slot(async_webhooks_t *w);
static void async_webhooks_put_off(async_webhooks_t *w, const async_id_t *id,
    int64_t until);
static void async_webhook_end(async_webhooks_t *w, async_webhook_t *h,
    const async_post_end_t *end, int64_t now, int64_t wall);
static async_hosts_end_t async_webhook_host(const async_post_end_t *end);
static bool async_webhook_allows(void *data, const async_address_t *peer);
static bool async_webhook_again(const async_event_t *event);
static void async_webhook_clean(async_webhooks_t *w, async_webhook_t *h);
static uint64_t async_webhook_random(int64_t wall);
static void async_webhook_report(const async_webhook_t *h,
    const async_post_end_t *end);


async_webhooks_t *
async_webhooks_create(uint64_t epoch)
{
    async_webhooks_t  *w;

    w = calloc(1, sizeof(async_webhooks_t));

    if (w == NULL) {
        return NULL;
    }

    w->epoch = epoch;
    w->posts = async_posts_create();
    w->stirred = true;

    if (w->posts == NULL) {
        free(w);
        return NULL;
    }

    return w;
}


void
async_webhooks_destroy(async_webhooks_t *w)
{
    unsigned  i;

    for (i = 0; i < ASYNC_WEBHOOK_SLOTS; i++) {
        async_webhook_clean(w, &w->slots[i]);
    }

    async_hosts_clean(&w->hosts);
    async_posts_destroy(w->posts);
    free(w);
}


static void
async_webhook_clean(async_webhooks_t *w, async_webhook_t *h)
{
    if (h->post != NULL) {
        async_posts_stop(w->posts, h->post);
    }

    async_letter_clean(&h->letter);
    memset(h, 0, sizeof(async_webhook_t));
}


int
async_webhooks_fd(const async_webhooks_t *w)
{
    return async_posts_fd(w->posts);
}


int64_t
async_webhooks_next(const async_webhooks_t *w, int64_t now)
{
    int      ms;
    int64_t  next;

    next = w->stirred ? now : w->next_look;
    ms = async_posts_timeout(w->posts, now);

    if (ms >= 0 && (next == 0 || now + ms < next)) {
        next = now + ms;
    }

    return next;
}


void
async_webhooks_stir(async_webhooks_t *w)
{
    w->stirred = true;
}


unsigned
async_webhooks_running(const async_webhooks_t *w)
{
    return w->running;
}


void
async_webhooks_run(async_webhooks_t *w, async_view_t *view, bool drains,
    int64_t now, int64_t wall)
{
    async_posts_perform(w->posts, now);
    async_webhooks_collect(w, now, wall);

    if (drains) {
        w->stirred = false;
        w->next_look = 0;
        return;
    }

    if (w->stirred) {
        memset(&w->place, 0, sizeof(async_due_place_t));
        w->stirred = false;
        w->next_look = now;
    }

    if (w->next_look != 0 && now >= w->next_look) {
        async_webhooks_look(w, view, now, wall);
        async_posts_perform(w->posts, now);
    }
}


/* --- what ended --- */

static void
async_webhooks_collect(async_webhooks_t *w, int64_t now, int64_t wall)
{
    void              *data;
    async_post_end_t   end;

    while (async_posts_ended(w->posts, &data, &end) != NULL) {
        w->running--;
        async_webhook_end(w, data, &end, now, wall);

        /* what waited for it may go */

        if (w->next_look == 0 || w->next_look > now) {
            w->stirred = true;
        }
    }
}


static void
async_webhook_end(async_webhooks_t *w, async_webhook_t *h,
    const async_post_end_t *end, int64_t now, int64_t wall)
{
    int64_t         wait;
    async_event_t  *event;

    async_hosts_ended(&w->hosts, h->host, h->doubt, async_webhook_host(end),
                      wall);

    if (h->post != NULL) {
        async_posts_stop(w->posts, h->post);
        h->post = NULL;
    }

    event = &h->event;
    memset(event, 0, sizeof(async_event_t));

    event->id = h->id;
    event->epoch = w->epoch;
    event->attempt = h->attempt;
    event->status = end->status;
    event->error = (uint8_t) end->error;
    event->duration = (uint64_t) (now - h->started);
    event->by = (async_str_t) async_str("worker");

    wait = end->status == 410 ? -1
           : async_hook_wait(h->tries, end->retry_after,
                             async_webhook_random(wall));

    if (end->error == ASYNC_HOOK_ERROR_NONE) {
        event->type = ASYNC_EVENT_WEBHOOK_DELIVERED;

    } else if (wait < 0) {
        event->type = ASYNC_EVENT_WEBHOOK_DEAD;

    } else {
        event->type = ASYNC_EVENT_WEBHOOK_FAILED;
        event->due = wall + wait;
    }

    async_webhook_report(h, end);
    async_letter_clean(&h->letter);
    w->ended++;
}


/* who answers is there, even if he does not like what he gets */

static async_hosts_end_t
async_webhook_host(const async_post_end_t *end)
{
    switch (end->error) {

    case ASYNC_HOOK_ERROR_NONE:
        return ASYNC_HOSTS_ANSWERED;

    case ASYNC_HOOK_ERROR_STATUS:
        return end->status >= 500 || end->status == 429
               ? ASYNC_HOSTS_FAILED : ASYNC_HOSTS_ANSWERED;

    case ASYNC_HOOK_ERROR_SECRET:
    case ASYNC_HOOK_ERROR_LOST:
        return ASYNC_HOSTS_UNTRIED;

    default:
        return ASYNC_HOSTS_FAILED;
    }
}


static uint64_t
async_webhook_random(int64_t wall)
{
    uint64_t  random;

    if (getrandom(&random, sizeof(random), GRND_NONBLOCK)
        != (ssize_t) sizeof(random))
    {
        random = (uint64_t) wall * 0x9e3779b97f4a7c15ull;
    }

    return random;
}


/* the host, which the operator allowed, and nothing else of the URL */

static void
async_webhook_report(const async_webhook_t *h, const async_post_end_t *end)
{
    char                id[ASYNC_ID_TEXT];
    const char         *error;
    async_log_quote_t   why, host;
    async_log_level_t   level;

    error = async_hook_error_name(end->error);
    level = end->error == ASYNC_HOOK_ERROR_SECRET ? ASYNC_LOG_ERROR
                                                  : ASYNC_LOG_INFO;

    async_id_format(id, &h->id);
    async_log(level, "msg=\"webhook attempt ended\" id=%.*s host=%s result=%s"
              "%s%s attempt=%u status=%u ms=%llu%s%s", ASYNC_ID_TEXT, id,
              async_log_quote(&host, h->letter.host),
              async_event_name(h->event.type), error[0] ? " error=" : "",
              error, (unsigned) h->attempt, (unsigned) end->status,
              (unsigned long long) h->event.duration,
              end->why[0] ? " reason=" : "",
              end->why[0] ? async_log_quote(&why, end->why) : "");
}


/* --- what is due --- */

static void
async_webhooks_look(async_webhooks_t *w, async_view_t *view, int64_t now,
    int64_t wall)
{
    bool         busy;
    int64_t      next;
    unsigned     i, n, ntaken;
    async_id_t   taken[ASYNC_WEBHOOK_EVENTS];

    ntaken = async_webhooks_taken(w, taken);

    if (async_view_due_hooks(view, wall, &w->place, taken, ntaken, w->due,
                             ASYNC_WEBHOOK_LOOK, &n, &next) != ASYNC_OK)
    {
        w->next_look = now + ASYNC_WEBHOOK_AGAIN;
        return;
    }

    busy = false;

    for (i = 0; i < n; i++) {
        if (!async_webhooks_start(w, view, &w->due[i], now, wall)) {
            busy = true;
        }
    }

    w->busy = w->busy || busy;

    if (w->place.set) {
        w->next_look = now;
        return;
    }

    /* all were seen; those that could not go do not wait for an end only */

    w->next_look = next != 0 ? now + next - wall : 0;

    if (w->busy
        && (w->next_look == 0 || w->next_look > now + ASYNC_WEBHOOK_AGAIN))
    {
        w->next_look = now + ASYNC_WEBHOOK_AGAIN;
    }

    w->busy = false;
}


/* their jobs: what is due on the disk, and is ours already */

static unsigned
async_webhooks_taken(const async_webhooks_t *w, async_id_t *ids)
{
    unsigned  i, n;

    for (i = 0, n = 0; i < ASYNC_WEBHOOK_SLOTS; i++) {
        if (w->slots[i].used) {
            ids[n++] = w->slots[i].id;
        }
    }

    for (i = 0; i < w->noff; i++) {
        ids[n++] = w->off[i].id;
    }

    return n;
}


/* false: it has to wait for its turn */

static bool
async_webhooks_start(async_webhooks_t *w, async_view_t *view,
    const async_due_hook_t *due, int64_t now, int64_t wall)
{
    int64_t               until;
    async_rc_t            rc;
    async_webhook_t      *h;
    async_post_end_t      end;
    async_post_request_t  request;

    h = async_webhooks_slot(w);

    if (h == NULL || w->noff == ASYNC_WEBHOOK_OFF) {
        return false;
    }

    h->host = async_letter_host(&due->hook);

    switch (async_hosts_ask(&w->hosts, h->host, wall, &until, &h->doubt)) {

    case ASYNC_HOSTS_BUSY:
        return false;

    case ASYNC_HOSTS_DOWN:
        if (!async_hook_spent(&due->hook, wall)) {
            until += (int64_t) (async_webhook_random(wall)
                                % (uint64_t) (until - wall + 1));
            async_webhooks_put_off(w, &due->id, until);
            return true;
        }

        /* its time is over: the last try, whoever is there */

        async_hosts_force(&w->hosts, h->host, &h->doubt);
        break;

    case ASYNC_HOSTS_GO:
        break;
    }

    h->used = true;
    h->id = due->id;
    h->attempt = due->hook.attempts + 1;
    h->tries = async_hook_spent(&due->hook, wall) ? ASYNC_HOOK_TRIES
                                                  : due->hook.tries + 1;
    h->started = now;

    memset(&end, 0, sizeof(async_post_end_t));
    end.retry_after = -1;
    end.why = "";

    rc = async_letter_write(&h->letter, view, due, wall / 1000, &end.error);

    if (rc == ASYNC_OK) {
        memset(&request, 0, sizeof(async_post_request_t));
        request.url = h->letter.url;
        request.headers = h->letter.headers;
        request.nheaders = h->letter.nheaders;
        request.body = h->letter.body;
        request.allows = async_webhook_allows;
        request.data = h;

        h->post = async_posts_start(w->posts, &request);

        if (h->post != NULL) {
            w->running++;
            return true;
        }

        end.error = ASYNC_HOOK_ERROR_LOST;

    } else if (rc != ASYNC_INVALID) {

        /* no job to tell of, or not now: no try is lost for it */

        async_hosts_ended(&w->hosts, h->host, h->doubt, ASYNC_HOSTS_UNTRIED,
                          wall);
        async_webhook_clean(w, h);
        async_webhooks_put_off(w, &due->id, wall + ASYNC_WEBHOOK_LATER);
        return true;
    }

    async_webhook_end(w, h, &end, now, wall);

    return true;
}


static async_webhook_t *
async_webhooks_slot(async_webhooks_t *w)
{
    unsigned  i;

    for (i = 0; i < ASYNC_WEBHOOK_SLOTS; i++) {
        if (!w->slots[i].used) {
            return &w->slots[i];
        }
    }

    return NULL;
}


static void
async_webhooks_put_off(async_webhooks_t *w, const async_id_t *id,
    int64_t until)
{
    async_event_t  *event;

    event = &w->off[w->noff++];
    memset(event, 0, sizeof(async_event_t));

    event->type = ASYNC_EVENT_WEBHOOK_FAILED;
    event->id = *id;
    event->epoch = w->epoch;
    event->due = until;
    event->by = (async_str_t) async_str("worker");
}


static bool
async_webhook_allows(void *data, const async_address_t *peer)
{
    async_webhook_t  *h = data;

    return async_letter_allows(&h->letter, peer);
}


/* --- events --- */

bool
async_webhooks_waits(const async_webhooks_t *w)
{
    return w->ended + w->noff > 0;
}


unsigned
async_webhooks_events(async_webhooks_t *w, async_event_t *events)
{
    unsigned  i, n;

    n = 0;

    for (i = 0; i < ASYNC_WEBHOOK_SLOTS && w->ended > 0; i++) {
        if (w->slots[i].used && w->slots[i].post == NULL) {
            events[n++] = w->slots[i].event;
        }
    }

    for (i = 0; i < w->noff; i++) {
        events[n++] = w->off[i];
    }

    return n;
}


bool
async_webhooks_settled(async_webhooks_t *w, const async_event_t *events,
    unsigned n)
{
    bool      done;
    unsigned  i, e, noff;

    done = true;

    for (i = 0, e = 0; i < ASYNC_WEBHOOK_SLOTS && e < n; i++) {

        if (!w->slots[i].used || w->slots[i].post != NULL) {
            continue;
        }

        if (async_webhook_again(&events[e++])) {
            done = false;
            continue;
        }

        async_webhook_clean(w, &w->slots[i]);
        w->ended--;
    }

    for (i = 0, noff = 0; i < w->noff; i++, e++) {
        if (async_webhook_again(&events[e])) {
            w->off[noff++] = w->off[i];
            done = false;
        }
    }

    w->noff = noff;
    w->stirred = true;

    return done;
}


/* what another worker has done meanwhile, or a person, needs no word */

static bool
async_webhook_again(const async_event_t *event)
{
    switch (event->rc) {

    case ASYNC_BUSY:
    case ASYNC_UNAVAILABLE:
    case ASYNC_STORE_FULL:
    case ASYNC_UNKNOWN:
        return true;

    default:
        return false;
    }
}
