/*
 * nginx-async watch.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "async_main.h"
#include "async_main_jobs.h"
#include "async_table.h"


#define ASYNC_WATCH_LOOK    200000000         /* ns, a page of the store */
#define ASYNC_WATCH_BAR     30
#define ASYNC_EXIT_CANCELED 4


typedef struct {
    unsigned    width;               /* of the terminal, 0 = it is none */
    uint64_t    seq;                 /* of the last that was told */
    uint8_t     percent;
    bool        shown;
} async_sight_t;


static async_rc_t async_watch_until(async_view_t *view, const async_id_t *id,
    async_job_t *job);
static void async_watch_tell(async_sight_t *sight, const async_job_t *job,
    const async_estimate_t *estimate);
static void async_watch_bar(const async_sight_t *sight,
    const async_job_t *job, uint8_t percent, bool estimated);
static void async_watch_words(char *out, size_t size,
    const async_job_t *job);


int
async_main_watch(const async_options_t *options)
{
    int             status;
    async_id_t      id;
    async_rc_t      rc;
    async_job_t     job;
    async_view_t   *view;
    async_store_t  *store;

    view = async_main_look(options, &store, &status);

    if (view == NULL) {
        return status;
    }

    rc = async_job_id(options->args[0], &id)
         ? async_watch_until(view, &id, &job) : ASYNC_LATE;

    async_view_close(view);
    async_store_close(store);

    if (rc != ASYNC_OK) {
        return async_job_unseen(rc, options->args[0]);
    }

    return job.state == ASYNC_STATE_COMPLETED ? ASYNC_EXIT_DONE
           : job.state == ASYNC_STATE_FAILED ? ASYNC_EXIT_FAILED
                                             : ASYNC_EXIT_CANCELED;
}


/* a look is a page of the map: no doorbell is worth its slot */

static async_rc_t
async_watch_until(async_view_t *view, const async_id_t *id, async_job_t *job)
{
    async_rc_t        rc;
    async_sight_t     sight;
    async_estimate_t  estimate;
    struct timespec   pause = { 0, ASYNC_WATCH_LOOK };
    static uint8_t    buf[ASYNC_JOB_MAX];

    memset(&sight, 0, sizeof(async_sight_t));
    sight.width = async_terminal_width();

    for ( ;; ) {
        rc = async_view_job(view, id, job, buf);

        if (rc == ASYNC_OK) {
            rc = async_job_estimate(view, job, &estimate);
        }

        if (rc != ASYNC_OK) {
            break;
        }

        async_watch_tell(&sight, job, &estimate);

        if (async_state_final((async_state_t) job->state)) {
            break;
        }

        (void) nanosleep(&pause, NULL);
    }

    if (sight.shown && sight.width != 0) {
        (void) putchar('\n');
    }

    return rc;
}


/* off a terminal estimates are no news */

static void
async_watch_tell(async_sight_t *sight, const async_job_t *job,
    const async_estimate_t *estimate)
{
    bool         estimated;
    char         words[ASYNC_ERROR_TEXT];
    uint8_t      percent;
    async_str_t  text;

    estimated = job->percent == ASYNC_NO_PERCENT;
    percent = estimated ? estimate->percent : job->percent;

    if (job->state == ASYNC_STATE_COMPLETED) {
        percent = 100;
        estimated = false;
    }

    if (sight->shown && sight->seq == job->seq
        && (sight->width == 0 || sight->percent == percent))
    {
        return;
    }

    sight->shown = true;
    sight->seq = job->seq;
    sight->percent = percent;

    if (sight->width != 0) {
        async_watch_bar(sight, job, percent, estimated);
        (void) fflush(stdout);
        return;
    }

    if (percent != ASYNC_NO_PERCENT && !estimated) {
        (void) printf("%3u %% ", (unsigned) percent);
    }

    async_watch_words(words, sizeof(words), job);

    text.data = words;
    text.len = strlen(words);

    (void) async_print_safe(stdout, text, UINT32_MAX);
    (void) putchar('\n');
    (void) fflush(stdout);
}


static void
async_watch_bar(const async_sight_t *sight, const async_job_t *job,
    uint8_t percent, bool estimated)
{
    int          filled;
    char         words[ASYNC_ERROR_TEXT];
    unsigned     left;
    async_str_t  text;

    static const char  full[] = "##############################";

    filled = percent != ASYNC_NO_PERCENT ? percent * ASYNC_WATCH_BAR / 100
                                         : 0;

    (void) printf("\r[%.*s%*s] ", filled, full, ASYNC_WATCH_BAR - filled, "");

    if (percent != ASYNC_NO_PERCENT) {
        (void) printf("%s%3u %% ", estimated ? "~" : " ", (unsigned) percent);

    } else {
        (void) printf("       ");
    }

    async_watch_words(words, sizeof(words), job);

    text.data = words;
    text.len = strlen(words);

    /* the line is cut, not wrapped, and what stood behind it goes */

    left = sight->width > ASYNC_WATCH_BAR + 12
           ? sight->width - ASYNC_WATCH_BAR - 12 : 8;

    (void) async_print_safe(stdout, text, left);
    (void) printf("\033[K");
}


static void
async_watch_words(char *out, size_t size, const async_job_t *job)
{
    int          n;
    const char  *state, *error;

    state = async_state_name((async_state_t) job->state);

    if (job->state == ASYNC_STATE_PROCESSING
        && (job->flags & ASYNC_JOB_CANCEL_WANTED))
    {
        state = "to be canceled";
    }

    n = snprintf(out, size, "%s", state);

    if (job->attempt > 1 && n > 0 && (size_t) n < size) {
        n += snprintf(out + n, size - (size_t) n, ", attempt %u of %u",
                      (unsigned) job->attempt, (unsigned) job->attempts_max);
    }

    error = async_job_error_name((async_job_error_t) job->error);

    if (*error != '\0' && n > 0 && (size_t) n < size) {
        n += snprintf(out + n, size - (size_t) n, " (%s)", error);
    }

    if (job->message.len != 0
        && !async_state_final((async_state_t) job->state)
        && n > 0 && (size_t) n < size)
    {
        (void) snprintf(out + n, size - (size_t) n, ": %.*s",
                        (int) job->message.len, job->message.data);
    }
}
