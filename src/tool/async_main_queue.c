/*
 * nginx-async queues, pause, resume, purge.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async_apply.h"
#include "async_command.h"
#include "async_main.h"
#include "async_main_jobs.h"
#include "async_seen.h"
#include "async_table.h"


#define ASYNC_RATE_MINUTES  5        /* that the rate is taken from */


typedef struct {
    async_queue_t          queue;
    async_queue_figures_t  figures;
    char                   name[ASYNC_QUEUE_MAX];
} async_queue_seen_t;


static int async_main_queues(const async_options_t *options);
static int async_main_pause(const async_options_t *options);
static int async_main_resume(const async_options_t *options);
static int async_main_purge(const async_options_t *options);
static bool async_queues_each(void *data, const async_queue_t *q,
    const async_queue_figures_t *figures);
static async_rc_t async_queues_print(async_view_t *view,
    const async_seen_t *all, bool json);
static void async_queue_row(async_table_t *table,
    const async_queue_seen_t *seen, async_queue_meter_t *meter, int64_t now);
static void async_queue_json(const async_queue_seen_t *seen,
    async_queue_meter_t *meter, int64_t now);
static double async_queue_rate(async_queue_meter_t *meter, int64_t now);
static void async_seconds_format(char *out, uint32_t ms);
static int async_queue_pause(const async_options_t *options, bool paused);


const async_command_t  async_commands_queue[] = {

    { "queues",
      async_option_bit(JSON), NULL, false, async_main_queues,
      "queues         how many wait and run in each, and for how long",
      "Usage: nginx-async [--store DIR] queues [--json]\n"
      "\n"
      "Each queue: whether it starts jobs; how many wait, of how many that\n"
      "may, and run, of how many at once; how long the oldest waits whose\n"
      "turn it may be; how many ended in a minute, on average of the last\n"
      "five; and how long the last 31 that were completed ran, half of them\n"
      "at most, and 95 in a hundred.\n"
      "\n"
      "Options:\n"
      "  --json             a JSON object\n"
      "  --store DIR        the store\n" },

    { "pause",
      0, "the name of a QUEUE", false, async_main_pause,
      "pause QUEUE    start no more jobs of this queue",
      "Usage: nginx-async [--store DIR] pause QUEUE\n"
      "\n"
      "No more jobs of the queue are started, until it is resumed; it takes\n"
      "new ones, and what runs goes on.  This holds across restarts, what-\n"
      "ever nginx.conf says.  Exit status 3 if there is no such queue.\n"
      "\n"
      "Options:\n"
      "  --store DIR        the store\n" },

    { "resume",
      0, "the name of a QUEUE", false, async_main_resume,
      "resume QUEUE   start them again",
      "Usage: nginx-async [--store DIR] resume QUEUE\n"
      "\n"
      "Jobs of a queue that was paused, by pause or by nginx.conf, are\n"
      "started again.  Exit status 3 if there is no such queue.\n"
      "\n"
      "Options:\n"
      "  --store DIR        the store\n" },

    { "purge",
      0, "the name of a QUEUE", false, async_main_purge,
      "purge QUEUE    cancel all that waits in it",
      "Usage: nginx-async [--store DIR] purge QUEUE\n"
      "\n"
      "Cancels every job that waits in the queue: for its turn, for its time\n"
      "or for another attempt.  What runs goes on, and what comes meanwhile\n"
      "stays; pause the queue first if nothing is to be started.  Exit\n"
      "status 3 if there is no such queue.\n"
      "\n"
      "Options:\n"
      "  --store DIR        the store\n" },

    { NULL, 0, NULL, false, NULL, NULL, NULL }
};


static int
async_main_queues(const async_options_t *options)
{
    int             status;
    async_rc_t      rc;
    async_seen_t    all;
    async_view_t   *view;
    async_error_t   err;
    async_store_t  *store;

    view = async_main_look(options, &store, &status);

    if (view == NULL) {
        return status;
    }

    memset(&all, 0, sizeof(async_seen_t));

    rc = async_view_queues(view, async_queues_each, &all);
    rc = rc == ASYNC_OK && all.failed ? ASYNC_NO_SPACE : rc;

    if (rc == ASYNC_OK) {
        rc = async_queues_print(view, &all, options->given[ASYNC_OPTION_JSON]);
    }

    free(all.rows);
    async_view_close(view);
    async_store_close(store);

    return rc == ASYNC_OK ? ASYNC_EXIT_DONE : async_main_unread(rc, &err);
}


static bool
async_queues_each(void *data, const async_queue_t *q,
    const async_queue_figures_t *figures)
{
    async_queue_seen_t  *seen;

    seen = async_seen_add(data, sizeof(async_queue_seen_t));

    if (seen == NULL) {
        return false;
    }

    seen->queue = *q;
    seen->queue.name.len = q->name.len < ASYNC_QUEUE_MAX ? q->name.len
                                                         : ASYNC_QUEUE_MAX;
    seen->figures = *figures;
    memcpy(seen->name, q->name.data, seen->queue.name.len);

    return true;
}


static async_rc_t
async_queues_print(async_view_t *view, const async_seen_t *all, bool json)
{
    size_t                     i;
    int64_t                    now;
    async_rc_t                 rc;
    async_str_t                name;
    async_table_t              table;
    async_queue_meter_t        meter;
    const async_queue_seen_t  *seen = all->rows;

    static const char *const  heads[] = {
        "QUEUE", "STATE", "WAITING", "RUNNING", "OLDEST", "PER MIN", "P50",
        "P95", NULL
    };

    now = async_main_now();
    rc = ASYNC_OK;

    async_table_begin(&table, heads, 0, 0xfc);

    (void) fputs(json ? "{\"queues\":[" : "", stdout);

    for (i = 0; i < all->n && rc == ASYNC_OK; i++) {
        name.data = seen[i].name;
        name.len = seen[i].queue.name.len;

        rc = async_view_meter(view, name, &meter);

        if (rc == ASYNC_OK && json) {
            (void) fputs(i > 0 ? "," : "", stdout);
            async_queue_json(&seen[i], &meter, now);

        } else if (rc == ASYNC_OK) {
            async_queue_row(&table, &seen[i], &meter, now);
        }
    }

    if (json) {
        (void) puts("]}");
        return rc;
    }

    return async_table_end(&table) ? rc : ASYNC_NO_SPACE;
}


static void
async_queue_row(async_table_t *table, const async_queue_seen_t *seen,
    async_queue_meter_t *meter, int64_t now)
{
    char         text[ASYNC_AGO];
    async_str_t  name;

    name.data = seen->name;
    name.len = seen->queue.name.len;

    async_table_add(table, name);
    async_table_addf(table, "%s", seen->figures.paused ? "paused" : "active");
    async_table_addf(table, "%" PRIu64 "/%u", seen->figures.queued,
                     (unsigned) seen->queue.max_queued);
    async_table_addf(table, "%" PRIu64 "/%u", seen->figures.running,
                     (unsigned) seen->queue.concurrency);

    async_ago_format(text, now - meter->oldest);
    async_table_addf(table, "%s", meter->oldest != 0 ? text : "-");
    async_table_addf(table, "%.1f", async_queue_rate(meter, now));

    async_seconds_format(text, async_runs_percentile(&meter->runs, 50));
    async_table_addf(table, "%s", meter->runs.n != 0 ? text : "-");
    async_seconds_format(text, async_runs_percentile(&meter->runs, 95));
    async_table_addf(table, "%s", meter->runs.n != 0 ? text : "-");
}


static void
async_queue_json(const async_queue_seen_t *seen, async_queue_meter_t *meter,
    int64_t now)
{
    int          state;
    async_str_t  name;

    name.data = seen->name;
    name.len = seen->queue.name.len;

    async_json_print("{\"name\":", name);

    (void) printf(",\"paused\":%s,\"waiting\":%" PRIu64 ",\"jobs\":{",
                  seen->figures.paused ? "true" : "false",
                  seen->figures.queued);

    for (state = 1; state < ASYNC_STATE_MAX; state++) {
        (void) printf("%s\"%s\":%" PRIu64, state > 1 ? "," : "",
                      async_state_name((async_state_t) state),
                      seen->figures.states[state]);
    }

    (void) printf("},\"concurrency\":%u,\"maxQueued\":%u",
                  (unsigned) seen->queue.concurrency,
                  (unsigned) seen->queue.max_queued);

    if (seen->queue.interval != 0) {
        (void) printf(",\"startsPerSecond\":%.3f",
                      1000000.0 / (double) seen->queue.interval);
    }

    if (seen->queue.per_owner != 0) {
        (void) printf(",\"perOwner\":%u", (unsigned) seen->queue.per_owner);
    }

    if (meter->oldest != 0) {
        (void) printf(",\"oldestSeconds\":%.3f",
                      now > meter->oldest
                      ? (double) (now - meter->oldest) / 1000 : 0.0);
    }

    (void) printf(",\"finishedPerMinute\":%.1f",
                  async_queue_rate(meter, now));

    if (meter->runs.n != 0) {
        (void) printf(",\"p50Seconds\":%.3f,\"p95Seconds\":%.3f",
                      async_runs_percentile(&meter->runs, 50) / 1000.0,
                      async_runs_percentile(&meter->runs, 95) / 1000.0);
    }

    (void) putchar('}');
}


/* of the last whole minutes */

static double
async_queue_rate(async_queue_meter_t *meter, int64_t now)
{
    unsigned  i, n;

    (void) async_recent_at(&meter->recent, now);

    for (i = 1, n = 0; i <= ASYNC_RATE_MINUTES; i++) {
        n += meter->recent.minutes[i].completed
             + meter->recent.minutes[i].failed;
    }

    return (double) n / ASYNC_RATE_MINUTES;
}


static void
async_seconds_format(char *out, uint32_t ms)
{
    if (ms < 60000) {
        (void) sprintf(out, "%.2fs", ms / 1000.0);

    } else {
        async_ago_format(out, ms);
    }
}


/* --- acting on one --- */

static int
async_main_pause(const async_options_t *options)
{
    return async_queue_pause(options, true);
}


static int
async_main_resume(const async_options_t *options)
{
    return async_queue_pause(options, false);
}


static int
async_queue_pause(const async_options_t *options, bool paused)
{
    int             status;
    async_rc_t      rc;
    async_str_t     queue;
    async_error_t   err;
    async_store_t  *store;

    store = async_main_open(options, false, &status);

    if (store == NULL) {
        return status;
    }

    queue.data = options->args[0];
    queue.len = strlen(queue.data);

    rc = async_store_pause(store, queue, paused, &err);

    async_store_close(store);

    if (rc != ASYNC_OK) {
        (void) async_main_failed(&err);
        return rc == ASYNC_NOT_FOUND ? ASYNC_EXIT_NO_SUCH : ASYNC_EXIT_FAILED;
    }

    return ASYNC_EXIT_DONE;
}


static int
async_main_purge(const async_options_t *options)
{
    int             status;
    bool            known;
    char            who[ASYNC_WHO];
    async_rc_t      rc;
    async_view_t   *view;
    async_error_t   err;
    async_purge_t   purge;
    async_store_t  *store;

    memset(&purge, 0, sizeof(async_purge_t));

    purge.by = async_main_who(who);
    purge.queue.data = options->args[0];
    purge.queue.len = strlen(purge.queue.data);

    view = async_main_look(options, &store, &status);

    if (view == NULL) {
        return status;
    }

    known = async_queue_known(view, options->args[0], &status);
    async_view_close(view);

    if (!known) {
        async_store_close(store);
        return status;
    }

    do {
        purge.now = async_main_now();
        rc = async_store_purge(store, &purge, &err);
    } while (rc == ASYNC_OK && !purge.done);

    async_store_close(store);

    (void) printf("%u job%s canceled\n", purge.canceled,
                  purge.canceled == 1 ? "" : "s");

    return rc == ASYNC_OK ? ASYNC_EXIT_DONE : async_main_failed(&err);
}


static bool
async_queue_is(void *data, const async_queue_t *q,
    const async_queue_figures_t *figures)
{
    async_str_t  *name = data;

    (void) figures;

    if (q->name.len == name->len
        && memcmp(q->name.data, name->data, name->len) == 0)
    {
        name->data = NULL;
        return false;
    }

    return true;
}


bool
async_queue_known(async_view_t *view, const char *name, int *status)
{
    async_rc_t     rc;
    async_str_t    wanted;
    async_error_t  err;

    wanted.data = name;
    wanted.len = strlen(name);

    rc = async_view_queues(view, async_queue_is, &wanted);

    if (rc != ASYNC_OK) {
        *status = async_main_unread(rc, &err);
        return false;
    }

    if (wanted.data != NULL) {
        async_error_set(&err, "there is no queue \"%.80s\"", name);
        (void) async_main_failed(&err);
        *status = ASYNC_EXIT_NO_SUCH;
        return false;
    }

    return true;
}
