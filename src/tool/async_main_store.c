/*
 * nginx-async stat, check, and the other commands for the store as a whole.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "async_check.h"
#include "async_command.h"
#include "async_hooks.h"
#include "async_main.h"
#include "async_main_jobs.h"
#include "async_print.h"
#include "async_slate.h"


typedef struct {
    uint64_t               states[ASYNC_STATE_MAX];
    uint64_t               queues;
    uint64_t               paused;
    uint64_t               epoch;
    uint64_t               lag;
    async_store_figures_t  store;
    async_hook_figures_t   hooks;
    async_slate_figures_t  slate;
} async_stat_t;


static int async_main_stat(const async_options_t *options);
static async_rc_t async_stat_read(async_store_t *store, async_view_t *view,
    async_stat_t *stat);
static bool async_stat_queue(void *data, const async_queue_t *q,
    const async_queue_figures_t *figures);
static void async_stat_print(const char *path, const async_stat_t *stat);
static void async_stat_json(const char *path, const async_stat_t *stat);
static double async_stat_commit(const async_stat_t *stat, uint64_t *commits);
static void async_stat_bytes(char *out, uint64_t bytes);
static int async_main_check(const async_options_t *options);


const async_command_t  async_commands_store[] = {

    { "stat",
      async_option_bit(JSON), NULL, false, async_main_stat,
      "stat           how full it is, what is in it, and who uses it",
      "Usage: nginx-async [--store DIR] stat [--json]\n"
      "\n"
      "Figures of the store: what database and spool hold and may hold; jobs\n"
      "by status; webhooks that are due, and that were given up; who uses it,\n"
      "and how far the oldest reader is behind; how long the disk takes for a\n"
      "commit, on average since the store was made.\n"
      "\n"
      "Options:\n"
      "  --json             a JSON object\n"
      "  --store DIR        the store\n" },

    { "check",
      async_option_bit(JSON), NULL, false, async_main_check,
      "check          verify everything in the store",
      "Usage: nginx-async [--store DIR] check [--json]\n"
      "\n"
      "Reads the whole store at one point in time, while it is in use: every\n"
      "record decodes, every index, history and count agrees with the jobs,\n"
      "every body is there with its length and checksum.  Faults are printed\n"
      "on stderr, figures on stdout.  Changes nothing.  Exit status 1 if\n"
      "there was a fault.\n"
      "\n"
      "Options:\n"
      "  --json             the figures as a JSON object\n"
      "  --store DIR        the store\n" },

    { "backup",
      async_option_bit(JSON) | async_option_bit(RATE)
      | async_option_bit(FORCE),
      "the FILE to write", false, async_main_backup,
      "backup FILE    a consistent copy of the store",
      "Usage: nginx-async [--store DIR] backup [OPTION...] FILE\n"
      "\n"
      "Writes a copy of the store at one point in time, while it is in use:\n"
      "a tar archive, of which a store is made by\n"
      "\n"
      "    mkdir DIR && tar -xf FILE -C DIR\n"
      "\n"
      "as root, so that the files get their owner back.  The archive is read\n"
      "again and checked before it takes its name; a FILE that is there is\n"
      "replaced then and not earlier.  Room is needed for the archive and\n"
      "for the database once more.  While the database is copied, pages that\n"
      "become free are not used again: the store's file may grow by what is\n"
      "written in that time.  Figures are printed on stdout.  Exit status 1,\n"
      "and no FILE, if it failed or a fault was found.\n"
      "\n"
      "Options:\n"
      "  --rate SIZE        bytes a second to copy and to check (default\n"
      "                     100m); 0: as fast as it goes\n"
      "  --force            keep the archive although it has faults\n"
      "  --json             the figures as a JSON object\n"
      "  --store DIR        the store\n" },

    { "salvage",
      async_option_bit(JSON),
      "the DIR of the new store", false, async_main_salvage,
      "salvage DIR    a new store of what a damaged one still holds",
      "Usage: nginx-async --store DAMAGED salvage [--json] DIR\n"
      "\n"
      "Makes a new store in DIR, which must be empty or not be there, of all\n"
      "that a damaged one still holds.  Stop nginx and the worker before; the\n"
      "damaged store is only read.  Spooled files become links where that is\n"
      "possible.  Jobs that were unfinished and are not known for certain to\n"
      "be as they were found, or that lost a part of their request, become\n"
      "failed with outcome-unknown; a job whose result is damaged stays\n"
      "without it.  Each job that lost something is named on stderr, figures\n"
      "are printed on stdout.  DIR needs room for the database twice.\n"
      "\n"
      "Exit status 0: all that the damaged store counted was rescued.  1:\n"
      "something is lost, or there was nothing.\n"
      "\n"
      "Options:\n"
      "  --json             the figures as a JSON object\n"
      "  --store DIR        the damaged store\n" },

    { NULL, 0, NULL, false, NULL, NULL, NULL }
};


static int
async_main_stat(const async_options_t *options)
{
    int             status;
    async_rc_t      rc;
    async_view_t   *view;
    async_error_t   err;
    async_store_t  *store;

    static async_stat_t  stat;

    view = async_main_look(options, &store, &status);

    if (view == NULL) {
        return status;
    }

    rc = async_stat_read(store, view, &stat);

    async_view_close(view);

    if (rc == ASYNC_OK && options->given[ASYNC_OPTION_JSON]) {
        async_stat_json(async_store_path(store), &stat);

    } else if (rc == ASYNC_OK) {
        async_stat_print(async_store_path(store), &stat);
    }

    async_store_close(store);

    return rc == ASYNC_OK ? ASYNC_EXIT_DONE : async_main_unread(rc, &err);
}


static async_rc_t
async_stat_read(async_store_t *store, async_view_t *view, async_stat_t *stat)
{
    async_rc_t  rc;

    rc = async_view_queues(view, async_stat_queue, stat);

    if (rc == ASYNC_OK) {
        rc = async_view_hook_figures(view, &stat->hooks);
    }

    if (rc == ASYNC_OK) {
        rc = async_store_figures(store, &stat->store);
    }

    if (rc == ASYNC_OK) {
        rc = async_store_lag(store, &stat->lag);
    }

    stat->epoch = async_store_epoch(store);
    async_slate_read(store, &stat->slate);

    return rc;
}


static bool
async_stat_queue(void *data, const async_queue_t *q,
    const async_queue_figures_t *figures)
{
    int            state;
    async_stat_t  *stat = data;

    (void) q;

    stat->queues++;
    stat->paused += figures->paused ? 1 : 0;

    for (state = 1; state < ASYNC_STATE_MAX; state++) {
        stat->states[state] += figures->states[state];
    }

    return true;
}


static void
async_stat_print(const char *path, const async_stat_t *stat)
{
    int       state;
    char      used[32], size[32], spooled[32];
    double    ms;
    uint64_t  commits;

    async_stat_bytes(used, stat->store.used);
    async_stat_bytes(spooled, stat->store.spooled);
    async_stat_bytes(size, stat->store.size);
    ms = async_stat_commit(stat, &commits);

    (void) printf("store         %s\n"
                  "size          %s database + %s spool of %s (%.1f %%)\n"
                  "jobs          %" PRIu64 "\n",
                  path, used, spooled, size,
                  100.0 * (double) (stat->store.used + stat->store.spooled)
                  / (double) stat->store.size, stat->store.jobs);

    for (state = 1; state < ASYNC_STATE_MAX; state++) {
        if (stat->states[state] != 0) {
            (void) printf("  %-12s%" PRIu64 "\n",
                          async_state_name((async_state_t) state),
                          stat->states[state]);
        }
    }

    (void) printf("queues        %" PRIu64 ", %" PRIu64 " paused\n"
                  "webhooks      %" PRIu64 " due, %" PRIu64 " given up\n"
                  "used by       %u nginx workers, %u worker%s, %u standing "
                  "by\n"
                  "commits       %" PRIu64 ", %.2f ms on average\n"
                  "transaction   %" PRIu64 ", the oldest reader is %" PRIu64
                  " behind\n"
                  "epoch         %" PRIu64 "\n",
                  stat->queues, stat->paused, stat->hooks.pending,
                  stat->hooks.dead, stat->slate.seats[ASYNC_SEAT_NGINX],
                  stat->slate.seats[ASYNC_SEAT_WORKER],
                  stat->slate.seats[ASYNC_SEAT_WORKER] == 1 ? "" : "s",
                  stat->slate.seats[ASYNC_SEAT_STANDBY], commits, ms,
                  stat->store.transaction, stat->lag, stat->epoch);
}


static void
async_stat_json(const char *path, const async_stat_t *stat)
{
    int          state;
    double       ms;
    uint64_t     commits;
    async_str_t  text;

    text.data = path;
    text.len = strlen(path);
    ms = async_stat_commit(stat, &commits);

    async_json_print("{\"store\":", text);

    (void) printf(",\"sizeBytes\":%" PRIu64 ",\"usedBytes\":%" PRIu64
                  ",\"spooledBytes\":%" PRIu64 ",\"jobs\":{",
                  stat->store.size, stat->store.used, stat->store.spooled);

    for (state = 1; state < ASYNC_STATE_MAX; state++) {
        (void) printf("%s\"%s\":%" PRIu64, state > 1 ? "," : "",
                      async_state_name((async_state_t) state),
                      stat->states[state]);
    }

    (void) printf("},\"queues\":%" PRIu64 ",\"paused\":%" PRIu64
                  ",\"webhooksDue\":%" PRIu64 ",\"webhooksDead\":%" PRIu64
                  ",\"nginxWorkers\":%u,\"workers\":%u,\"standby\":%u",
                  stat->queues, stat->paused, stat->hooks.pending,
                  stat->hooks.dead, stat->slate.seats[ASYNC_SEAT_NGINX],
                  stat->slate.seats[ASYNC_SEAT_WORKER],
                  stat->slate.seats[ASYNC_SEAT_STANDBY]);

    (void) printf(",\"commits\":%" PRIu64 ",\"commitMs\":%.3f,"
                  "\"transaction\":%" PRIu64 ",\"readerLag\":%" PRIu64
                  ",\"epoch\":%" PRIu64 "}\n",
                  commits, ms, stat->store.transaction, stat->lag,
                  stat->epoch);
}


static double
async_stat_commit(const async_stat_t *stat, uint64_t *commits)
{
    unsigned  i;

    for (i = 0, *commits = 0; i <= ASYNC_COMMIT_BOUNDS; i++) {
        *commits += stat->slate.commits[i];
    }

    return *commits > 0
           ? (double) stat->slate.commit_us / (double) *commits / 1000 : 0;
}


static void
async_stat_bytes(char *out, uint64_t bytes)
{
    unsigned           i;
    double             n;
    static const char  units[] = " KMGT";

    n = (double) bytes;

    for (i = 0; n >= 1024 && i < sizeof(units) - 2; i++) {
        n /= 1024;
    }

    if (i == 0) {
        (void) sprintf(out, "%" PRIu64, bytes);

    } else {
        (void) sprintf(out, "%.1f%c", n, units[i]);
    }
}


static int
async_main_check(const async_options_t *options)
{
    int                     status;
    async_rc_t              rc;
    async_bar_t             bar;
    async_error_t           err;
    async_store_t          *store;
    async_check_figures_t   figures;

    store = async_main_open(options, true, &status);

    if (store == NULL) {
        return status;
    }

    async_bar_init(&bar);

    rc = async_store_check(store, &figures, async_main_fault,
                           async_main_progress, &bar, &err);

    async_bar_clear(&bar);
    async_store_close(store);

    if (rc != ASYNC_OK) {
        return async_main_failed(&err);
    }

    async_print_check(&figures, options->given[ASYNC_OPTION_JSON]);

    return (figures.faults == 0) ? ASYNC_EXIT_DONE : ASYNC_EXIT_FAILED;
}
