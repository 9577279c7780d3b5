/*
 * What others say of jobs that run here: that they are to be canceled.  It
 * stands in their records, and the feed tells which of them changed.
 */

#include <stdlib.h>
#include <string.h>

#include "async_feed.h"
#include "async_loop.h"


#define ASYNC_WATCH_PACE   20       /* ms between looks: a busy nginx would
                                       ring with each of its commits */
#define ASYNC_WATCH_SLICE  20000    /* entries in a look */


/* a job that runs, for the time of a look */
struct async_watched_s {
    async_replay_t  *replay;
    bool             told;          /* the feed has it */
};

typedef struct {
    async_watched_t  *jobs;         /* by id */
    unsigned          n;
    unsigned          entries;
} async_watch_t;


static void async_watch_list(async_loop_t *w, async_watch_t *watch);
static int async_watch_order(const void *a, const void *b);
static bool async_watch_entry(void *data, const async_id_t *id,
    uint64_t job_seq);
static int async_watch_compare(const void *key, const void *member);
static bool async_watch_wanted(async_loop_t *w, const async_replay_t *r);


bool
async_watch_init(async_loop_t *w)
{
    w->watched = calloc(w->nslots, sizeof(async_watched_t));

    return w->watched != NULL
           && async_view_feed_last(w->env.view, &w->feed) == ASYNC_OK;
}


/*
 * No job that is marked is claimed, and what marks it afterwards comes after
 * the claim in the feed: none is missed.
 */

void
async_watch_feed(async_loop_t *w, int64_t now)
{
    bool             lost;
    unsigned         i;
    async_rc_t       rc;
    async_watch_t    watch;
    async_replay_t  *r;

    if (!w->rung || w->running == 0 || now < w->next_watch) {
        return;
    }

    w->next_watch = now + ASYNC_WATCH_PACE;

    /* armed before we look, also while there is no room for a claim */

    if (w->bell) {
        async_bell_arm(w->bell);
    }

    async_watch_list(w, &watch);

    rc = async_view_feed(w->env.view, &w->feed, ASYNC_WATCH_SLICE, &lost,
                         async_watch_entry, &watch);

    /* what cannot be read now is read with the next chores */

    w->rung = rc == ASYNC_OK && watch.entries == ASYNC_WATCH_SLICE;

    for (i = 0; i < watch.n; i++) {
        r = watch.jobs[i].replay;

        if ((watch.jobs[i].told || lost) && async_watch_wanted(w, r)) {
            async_replay_cut(r, ASYNC_END_CANCELED, now);
            w->running--;
            async_settle_add(w, r, now);
        }
    }
}


static void
async_watch_list(async_loop_t *w, async_watch_t *watch)
{
    unsigned  i;

    watch->jobs = w->watched;
    watch->n = 0;
    watch->entries = 0;

    for (i = 0; i < w->nslots; i++) {
        if (w->slots[i].transfer) {
            watch->jobs[watch->n].replay = &w->slots[i];
            watch->jobs[watch->n++].told = false;
        }
    }

    qsort(watch->jobs, watch->n, sizeof(async_watched_t), async_watch_order);
}


static int
async_watch_order(const void *a, const void *b)
{
    const async_watched_t  *x = a, *y = b;

    return memcmp(&x->replay->id, &y->replay->id, sizeof(async_id_t));
}


/* in the view's transaction: records are read after it */

static bool
async_watch_entry(void *data, const async_id_t *id, uint64_t job_seq)
{
    async_watch_t    *watch = data;
    async_watched_t  *job;

    (void) job_seq;

    watch->entries++;

    job = bsearch(id, watch->jobs, watch->n, sizeof(async_watched_t),
                  async_watch_compare);

    if (job != NULL) {
        job->told = true;
    }

    return true;
}


static int
async_watch_compare(const void *key, const void *member)
{
    const async_watched_t  *job = member;

    return memcmp(key, &job->replay->id, sizeof(async_id_t));
}


static bool
async_watch_wanted(async_loop_t *w, const async_replay_t *r)
{
    uint8_t      buf[ASYNC_JOB_MAX];
    async_job_t  job;

    return async_view_job(w->env.view, &r->id, &job, buf) == ASYNC_OK
           && job.state == ASYNC_STATE_PROCESSING
           && job.epoch == r->epoch && job.attempt == r->attempt
           && (job.flags & ASYNC_JOB_CANCEL_WANTED);
}
