/*
 * nginx-async jobs, and the words for a job that other commands use.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async_command.h"
#include "async_main.h"
#include "async_main_jobs.h"
#include "async_table.h"
#include "async_time.h"


#define ASYNC_JOBS_PAGE  200         /* at one point in time */


typedef struct {
    bool           json;
    int64_t        now;
    unsigned       n;
    async_table_t  table;
} async_jobs_t;


static int async_main_jobs(const async_options_t *options);
static async_rc_t async_jobs_pages(async_view_t *view,
    const async_options_t *options, async_jobs_t *jobs, bool *more);
static bool async_jobs_each(void *data, const async_job_t *job);


const async_command_t  async_commands_jobs[] = {

    { "jobs",
      async_option_bit(STATUS) | async_option_bit(QUEUE)
      | async_option_bit(SINCE) | async_option_bit(LIMIT)
      | async_option_bit(JSON),
      NULL, false, async_main_jobs,
      "jobs           list them, the newest first",
      "Usage: nginx-async [--store DIR] jobs [OPTION...]\n"
      "\n"
      "Lists jobs, the newest first.  AGE is the time since a job was\n"
      "submitted.  Exit status 3 if there is no such queue.\n"
      "\n"
      "Options:\n"
      "  --status STATUS    only those that are queued, scheduled,\n"
      "                     processing, retrying, completed, failed or\n"
      "                     canceled\n"
      "  --queue QUEUE      only those of this queue\n"
      "  --since TIME       only those submitted since then: a time ago,\n"
      "                     like 10m or 2d, or 2026-11-22T10:00:00Z\n"
      "  --limit N          at most so many (default 50)\n"
      "  --json             a JSON object: jobs, as clients see them, and\n"
      "                     more, whether there are any\n"
      "  --store DIR        the store\n" },

    { "show",
      async_option_bit(JSON),
      "the ID of a job", false, async_main_show,
      "show ID        everything about one",
      "Usage: nginx-async [--store DIR] show [--json] ID\n"
      "\n"
      "Everything about a job: how it stands, the heads of its request and\n"
      "of its response, its history.  Values of headers that are there to\n"
      "keep others out, as Authorization, Cookie and API keys, are left out.\n"
      "If they are encrypted, the key files that nginx.conf names are read\n"
      "as the owner of the store.  Exit status 3 if there is no such job.\n"
      "\n"
      "Options:\n"
      "  --json             a JSON object\n"
      "  --store DIR        the store\n" },

    { "watch",
      0, "the ID of a job", false, async_main_watch,
      "watch ID       its progress, until it ends",
      "Usage: nginx-async [--store DIR] watch ID\n"
      "\n"
      "Shows the progress of a job until it ends: a bar where stdout is a\n"
      "terminal, else a line for each change.\n"
      "\n"
      "Exit status 0 if it completed, 1 if it failed, 4 if it was canceled,\n"
      "3 if there is no such job.\n"
      "\n"
      "Options:\n"
      "  --store DIR        the store\n" },

    { NULL, 0, NULL, false, NULL, NULL, NULL }
};


static int
async_main_jobs(const async_options_t *options)
{
    int             status;
    bool            more;
    async_rc_t      rc;
    async_jobs_t    jobs;
    async_view_t   *view;
    async_error_t   err;
    async_store_t  *store;

    static const char *const  heads[] = {
        "ID", "STATUS", "QUEUE", "AGE", "REQUEST", NULL
    };

    view = async_main_look(options, &store, &status);

    if (view == NULL) {
        return status;
    }

    if (options->queue != NULL
        && !async_queue_known(view, options->queue, &status))
    {
        async_view_close(view);
        async_store_close(store);
        return status;
    }

    jobs.json = options->given[ASYNC_OPTION_JSON];
    jobs.now = async_main_now();
    jobs.n = 0;

    async_table_begin(&jobs.table, heads, 4, 1u << 3);

    if (jobs.json) {
        (void) fputs("{\"jobs\":[", stdout);
    }

    rc = async_jobs_pages(view, options, &jobs, &more);

    async_view_close(view);
    async_store_close(store);

    if (jobs.json) {
        (void) printf("],\"more\":%s}\n", more ? "true" : "false");

    } else if (!async_table_end(&jobs.table)) {
        async_error_set(&err, "no memory for so many jobs");
        return async_main_failed(&err);
    }

    return rc == ASYNC_OK ? ASYNC_EXIT_DONE : async_main_unread(rc, &err);
}


/* each page is a read transaction of its own: none of them is long */

static async_rc_t
async_jobs_pages(async_view_t *view, const async_options_t *options,
    async_jobs_t *jobs, bool *more)
{
    async_rc_t          rc;
    async_list_page_t   page;
    async_list_query_t  query;

    memset(&query, 0, sizeof(async_list_query_t));

    query.state = options->status;
    query.since = options->since;

    if (options->queue != NULL) {
        query.queue.data = options->queue;
        query.queue.len = strlen(options->queue);
    }

    do {
        query.limit = options->limit - jobs->n < ASYNC_JOBS_PAGE
                      ? options->limit - jobs->n : ASYNC_JOBS_PAGE;

        rc = async_view_list(view, &query, &page, async_jobs_each, jobs);

        query.before = page.last;
        *more = page.more;

    } while (rc == ASYNC_OK && page.more && jobs->n < options->limit);

    return rc;
}


static bool
async_jobs_each(void *data, const async_job_t *job)
{
    char           text[ASYNC_ID_TEXT + 1];
    async_jobs_t  *jobs = data;

    if (jobs->json) {
        (void) fputs(jobs->n > 0 ? "," : "", stdout);
        async_job_print_json(job, NULL);

    } else {
        *async_id_format(text, &job->id) = '\0';

        async_table_addf(&jobs->table, "%s", text);
        async_table_addf(&jobs->table, "%s",
                         async_state_name((async_state_t) job->state));
        async_table_add(&jobs->table, job->queue);

        async_ago_format(text, jobs->now - job->created);
        async_table_addf(&jobs->table, "%s", text);
        async_table_addf(&jobs->table, "%.*s %.*s", (int) job->method.len,
                         job->method.data, (int) job->uri.len,
                         job->uri.data);
    }

    jobs->n++;

    return true;
}


/* --- for other commands --- */

/* the native document, and what only those see who run the gateway */

void
async_job_print_json(const async_job_t *job, const async_estimate_t *estimate)
{
    char         *p;
    size_t        len;
    const char   *limit;
    static char   buf[ASYNC_JSON_JOB_MAX];

    len = async_json_job(buf, sizeof(buf), job, estimate);

    /* without its last brace */

    (void) fwrite(buf, 1, len > 0 ? len - 1 : 0, stdout);

    limit = buf + sizeof(buf);

    (void) fputs(len > 0 ? ",\"method\":" : "{\"method\":", stdout);
    p = async_json_string(buf, limit, job->method);
    (void) fwrite(buf, 1, p != NULL ? (size_t) (p - buf) : 0, stdout);

    (void) fputs(",\"uri\":", stdout);
    p = async_json_string(buf, limit, job->uri);
    (void) fwrite(buf, 1, p != NULL ? (size_t) (p - buf) : 0, stdout);

    (void) printf(",\"priority\":%u}", (unsigned) job->priority);
}


void
async_json_print(const char *name, async_str_t s)
{
    char  *buf, *p;

    buf = calloc(6, s.len + 1);

    if (buf != NULL) {
        p = async_json_string(buf, buf + 6 * s.len + 6, s);

        (void) fputs(name, stdout);
        (void) fwrite(buf, 1, p != NULL ? (size_t) (p - buf) : 0, stdout);
    }

    free(buf);
}


void
async_ago_format(char *out, int64_t ms)
{
    int64_t  s;

    s = ms > 0 ? ms / 1000 : 0;

    if (s < 60) {
        (void) sprintf(out, "%" PRId64 "s", s);

    } else if (s < 3600) {
        (void) sprintf(out, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);

    } else if (s < 86400) {
        (void) sprintf(out, "%" PRId64 "h%02" PRId64 "m", s / 3600,
                       s / 60 % 60);

    } else {
        (void) sprintf(out, "%" PRId64 "d%02" PRId64 "h", s / 86400,
                       s / 3600 % 24);
    }
}


bool
async_job_id(const char *arg, async_id_t *id)
{
    if (async_id_parse(id, arg, strlen(arg))) {
        return true;
    }

    return async_job_none(arg);
}


bool
async_job_none(const char *arg)
{
    async_str_t  text;

    text.data = arg;
    text.len = strlen(arg);

    (void) fputs("nginx-async: there is no job ", stderr);
    (void) async_print_safe(stderr, text, 64);
    (void) fputc('\n', stderr);

    return false;
}


int
async_job_unseen(async_rc_t rc, const char *arg)
{
    async_error_t  err;

    switch (rc) {

    case ASYNC_NOT_FOUND:
        (void) async_job_none(arg);
        return ASYNC_EXIT_NO_SUCH;

    case ASYNC_LATE:
        return ASYNC_EXIT_NO_SUCH;

    default:
        return async_main_unread(rc, &err);
    }
}


async_rc_t
async_job_estimate(async_view_t *view, const async_job_t *job,
    async_estimate_t *estimate)
{
    async_rc_t           rc;
    async_runs_t         runs;
    async_known_t        known;
    async_policy_t       policy;
    static async_line_t  line;

    memset(&known, 0, sizeof(async_known_t));
    memset(&runs, 0, sizeof(async_runs_t));

    rc = async_view_policy(view, job->policy, &policy);

    if (rc == ASYNC_NOT_FOUND || rc == ASYNC_CORRUPT) {
        async_policy_defaults(&policy);
        rc = ASYNC_OK;
    }

    if (rc == ASYNC_OK && policy.location != 0) {
        rc = async_view_runs(view, job->server, policy.location, &runs);
    }

    known.retry_after = policy.retry_after;
    known.shown = policy.estimate;
    known.run = async_runs_median(&runs);

    if (rc == ASYNC_OK && known.run != 0
        && job->state != ASYNC_STATE_PROCESSING)
    {
        rc = async_view_line(view, job->queue, &line);

        known.stands = line.paused;
        known.wait = async_estimate_wait(async_line_ahead(&line, job),
                                         line.running, line.concurrency,
                                         line.each != 0 ? line.each
                                                        : known.run,
                                         line.interval);
    }

    async_estimate_job(estimate, job, &known, async_main_now());

    return rc;
}
