/*
 * nginx-async schedules, schedules run, pause, resume.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "async_command.h"
#include "async_main.h"
#include "async_main_jobs.h"
#include "async_schedules.h"
#include "async_seen.h"
#include "async_table.h"
#include "async_time.h"


#define ASYNC_SCHEDULE_TIME  (sizeof("2026-11-22T10:00:00Z"))


#define ASYNC_SCHEDULE_REST  1024    /* bytes of its other strings */

typedef struct {
    bool                    known;   /* what nginx.conf says of it is */
    async_schedule_t        said;    /* without payload */
    async_schedule_state_t  state;
    uint8_t                 last;    /* async_state_t */
    async_job_t             job;     /* method, uri and queue of it */
    size_t                  len;
    char                    strings[ASYNC_SCHEDULE_REST];
} async_schedule_seen_t;


static int async_main_schedules(const async_options_t *options);
static int async_schedules_list(const async_options_t *options);
static bool async_schedules_each(void *data, const async_schedule_row_t *row);
static void async_schedules_keep(async_schedule_seen_t *seen,
    async_str_t *to, async_str_t from);
static bool async_schedules_print(const async_seen_t *all, bool json);
static void async_schedules_row(async_table_t *table,
    const async_schedule_seen_t *seen);
static void async_schedules_json(const async_schedule_seen_t *seen);
static void async_schedules_time(const char *name, int64_t ms);
static bool async_schedules_next(const async_schedule_state_t *state);
static const char *async_schedules_cell(char *text, int64_t ms);
static int async_schedules_act(const async_options_t *options,
    const char *verb, const char *name);
static async_rc_t async_schedules_run(async_store_t *store, async_str_t name,
    bool json, async_error_t *err);


const async_command_t  async_commands_schedule[] = {

    { "schedules",
      async_option_bit(JSON), NULL, true, async_main_schedules,
      "schedules      recurring jobs; run, pause or resume one",
      "Usage: nginx-async [--store DIR] schedules [--json]\n"
      "       nginx-async [--store DIR] schedules run [--json] NAME\n"
      "       nginx-async [--store DIR] schedules pause|resume NAME\n"
      "\n"
      "Each schedule of nginx.conf: its times, when it was last run and what\n"
      "came of that, and when it is next, in UTC.  One that has left\n"
      "nginx.conf is removed, and is listed for what it has done.\n"
      "\n"
      "run makes a job of it now, whatever runs, and leaves the next time as\n"
      "it is; it prints the id of that job, which is there as soon as a\n"
      "worker has seen it.  A schedule that is paused does not fire until it\n"
      "is resumed, across reloads and restarts; times that pass meanwhile\n"
      "are not missed.  Exit status 3 if there is no such schedule.\n"
      "\n"
      "Options:\n"
      "  --json             a JSON object\n"
      "  --store DIR        the store\n" },

    { NULL, 0, NULL, false, NULL, NULL, NULL }
};


static int
async_main_schedules(const async_options_t *options)
{
    const char  *verb;

    if (options->nargs == 0) {
        return async_schedules_list(options);
    }

    verb = options->args[0];

    if (options->nargs == 2
        && (strcmp(verb, "run") == 0 || strcmp(verb, "pause") == 0
            || strcmp(verb, "resume") == 0))
    {
        return async_schedules_act(options, verb, options->args[1]);
    }

    (void) fprintf(stderr, "nginx-async: \"schedules\" wants nothing, or "
                   "\"run\", \"pause\" or \"resume\" and the NAME of one; see "
                   "nginx-async --help\n");

    return ASYNC_EXIT_USAGE;
}


/* --- the list --- */

static int
async_schedules_list(const async_options_t *options)
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

    rc = async_view_schedules(view, async_schedules_each, &all);

    async_view_close(view);
    async_store_close(store);

    if (rc == ASYNC_OK
        && (all.failed
            || !async_schedules_print(&all, options->given[ASYNC_OPTION_JSON])))
    {
        rc = ASYNC_NO_SPACE;
    }

    free(all.rows);

    return rc == ASYNC_OK ? ASYNC_EXIT_DONE : async_main_unread(rc, &err);
}


static bool
async_schedules_each(void *data, const async_schedule_row_t *row)
{
    async_id_t              id;
    async_job_t             job;
    async_schedule_seen_t  *seen;

    seen = async_seen_add(data, sizeof(async_schedule_seen_t));

    if (seen == NULL) {
        return false;
    }

    memset(&id, 0, sizeof(async_id_t));

    seen->state = *row->state;
    seen->last = row->last;
    async_schedules_keep(seen, &seen->state.name, row->state->name);

    if (row->said != NULL) {
        seen->known = true;
        seen->said.misfire = row->said->misfire;
        seen->said.overlap = row->said->overlap;
        seen->said.gone = row->said->gone;
        async_schedules_keep(seen, &seen->said.cron, row->said->cron);
        async_schedules_keep(seen, &seen->said.zone, row->said->zone);
    }

    if (row->said != NULL
        && async_job_decode(&job, &id, row->said->job.data,
                            row->said->job.len) == ASYNC_OK)
    {
        async_schedules_keep(seen, &seen->job.method, job.method);
        async_schedules_keep(seen, &seen->job.uri, job.uri);
        async_schedules_keep(seen, &seen->job.queue, job.queue);
    }

    return true;
}


/* where it lies in strings; data is set when the rows have come to rest */

static void
async_schedules_keep(async_schedule_seen_t *seen, async_str_t *to,
    async_str_t from)
{
    to->len = from.len < sizeof(seen->strings) - seen->len
              ? from.len : sizeof(seen->strings) - seen->len;

    if (to->len != 0) {
        memcpy(seen->strings + seen->len, from.data, to->len);
        seen->len += to->len;
    }
}


static bool
async_schedules_print(const async_seen_t *all, bool json)
{
    size_t                  i, k;
    char                   *p;
    async_table_t           table;
    async_schedule_seen_t  *seen;

    static const char *const  heads[] = {
        "NAME", "TIMES", "ZONE", "STATE", "LAST", "RESULT", "NEXT", NULL
    };

    async_table_begin(&table, heads, 0, 0);
    (void) fputs(json ? "{\"schedules\":[" : "", stdout);

    for (i = 0; i < all->n; i++) {
        seen = (async_schedule_seen_t *) all->rows + i;

        async_str_t *const  strings[] = {
            &seen->state.name, &seen->said.cron, &seen->said.zone,
            &seen->job.method, &seen->job.uri, &seen->job.queue
        };

        for (k = 0, p = seen->strings; k < 6; k++) {
            strings[k]->data = p;
            p += strings[k]->len;
        }

        if (json) {
            (void) fputs(i > 0 ? "," : "", stdout);
            async_schedules_json(seen);

        } else {
            async_schedules_row(&table, seen);
        }
    }

    if (json) {
        (void) puts("]}");
    }

    return json || async_table_end(&table);
}


static void
async_schedules_row(async_table_t *table, const async_schedule_seen_t *seen)
{
    char         text[ASYNC_TIME_TEXT + 1];
    async_str_t  dash = async_str("-");

    async_table_add(table, seen->state.name);
    async_table_add(table, seen->known ? seen->said.cron : dash);
    async_table_add(table, seen->said.zone.len != 0 ? seen->said.zone : dash);
    async_table_addf(table, "%s", !seen->known || seen->said.gone ? "removed"
                     : seen->state.paused ? "paused" : "active");
    async_table_addf(table, "%s", async_schedules_cell(text,
                                                       seen->state.fired));
    async_table_addf(table, "%s", seen->last != ASYNC_STATE_NONE
                     ? async_state_name((async_state_t) seen->last) : "-");
    async_table_addf(table, "%s",
                     async_schedules_cell(text,
                                          async_schedules_next(&seen->state)
                                          ? seen->state.next : 0));
}


/* to the second, which is all that there is to a minute */

static const char *
async_schedules_cell(char *text, int64_t ms)
{
    if (ms == 0) {
        return "-";
    }

    (void) async_time_format(text, ms);
    memcpy(text + ASYNC_SCHEDULE_TIME - 2, "Z", 2);

    return text;
}


static bool
async_schedules_next(const async_schedule_state_t *state)
{
    return state->next != 0 && state->next != ASYNC_SCHEDULE_NEVER;
}


static void
async_schedules_json(const async_schedule_seen_t *seen)
{
    char                           id[ASYNC_ID_TEXT];
    const async_schedule_state_t  *state;

    state = &seen->state;

    async_json_print("{\"name\":", state->name);

    if (seen->known) {
        async_json_print(",\"cron\":", seen->said.cron);

        if (seen->said.zone.len != 0) {
            async_json_print(",\"timeZone\":", seen->said.zone);
        }

        async_json_print(",\"method\":", seen->job.method);
        async_json_print(",\"uri\":", seen->job.uri);
        async_json_print(",\"queue\":", seen->job.queue);

        (void) printf(",\"misfire\":\"%s\",\"overlap\":\"%s\"",
                      async_misfire_name(seen->said.misfire),
                      seen->said.overlap ? "allow" : "skip");
    }

    (void) printf(",\"removed\":%s,\"paused\":%s",
                  !seen->known || seen->said.gone ? "true" : "false",
                  state->paused ? "true" : "false");

    async_schedules_time("lastRunAt", state->fired);

    if (async_job_has(&state->job)) {
        async_id_format(id, &state->job);
        (void) printf(",\"lastJobId\":\"%.*s\"", ASYNC_ID_TEXT, id);
    }

    if (seen->last != ASYNC_STATE_NONE) {
        (void) printf(",\"lastStatus\":\"%s\"",
                      async_state_name((async_state_t) seen->last));
    }

    if (state->error != ASYNC_JOB_ERROR_NONE) {
        (void) printf(",\"lastError\":\"%s\"",
                      async_job_error_name((async_job_error_t)
                                           state->error));
    }

    async_schedules_time("nextRunAt", async_schedules_next(state)
                                      ? state->next : 0);

    (void) printf(",\"skipped\":%" PRIu64 "}", state->skipped);
}


static void
async_schedules_time(const char *name, int64_t ms)
{
    char  text[ASYNC_TIME_TEXT];

    if (ms != 0) {
        (void) async_time_format(text, ms);
        (void) printf(",\"%s\":\"%.*s\"", name, ASYNC_TIME_TEXT, text);
    }
}


/* --- acting on one --- */

static int
async_schedules_act(const async_options_t *options, const char *verb,
    const char *name)
{
    int             status;
    async_rc_t      rc;
    async_str_t     schedule;
    async_error_t   err;
    async_store_t  *store;

    store = async_main_open(options, false, &status);

    if (store == NULL) {
        return status;
    }

    schedule.data = name;
    schedule.len = strlen(name);

    if (strcmp(verb, "run") == 0) {
        rc = async_schedules_run(store, schedule,
                                 options->given[ASYNC_OPTION_JSON], &err);

    } else {
        rc = async_store_pause_schedule(store, schedule,
                                        strcmp(verb, "pause") == 0, &err);
    }

    async_store_close(store);

    if (rc != ASYNC_OK) {
        (void) async_main_failed(&err);
        return rc == ASYNC_NOT_FOUND ? ASYNC_EXIT_NO_SUCH : ASYNC_EXIT_FAILED;
    }

    return ASYNC_EXIT_DONE;
}


static async_rc_t
async_schedules_run(async_store_t *store, async_str_t name, bool json,
    async_error_t *err)
{
    char        text[ASYNC_ID_TEXT];
    uint8_t     random[ASYNC_ID_RANDOM];
    async_rc_t  rc;
    async_id_t  id;

    if (getrandom(random, sizeof(random), 0) != (ssize_t) sizeof(random)) {
        async_error_set(err, "the kernel gave no random bytes");
        return ASYNC_UNAVAILABLE;
    }

    async_id_make(&id, async_main_now(), random);

    rc = async_store_run_schedule(store, name, &id, err);

    if (rc == ASYNC_OK) {
        async_id_format(text, &id);
        (void) printf(json ? "{\"id\":\"%.*s\"}\n" : "%.*s\n", ASYNC_ID_TEXT,
                      text);
    }

    return rc;
}
