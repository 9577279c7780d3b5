/*
 * nginx-async cancel, retry, delete, redeliver: what is done to single jobs.
 */

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "async_apply.h"
#include "async_command.h"
#include "async_main.h"
#include "async_main_jobs.h"


typedef struct {
    async_store_t  *store;
    async_view_t   *view;
    async_str_t     by;
} async_act_t;

/* the exit status, after what came of it was told */
typedef int (*async_act_fn)(async_act_t *act, const async_id_t *id,
    const char *text);


static int async_main_cancel(const async_options_t *options);
static int async_main_retry(const async_options_t *options);
static int async_main_delete(const async_options_t *options);
static int async_main_redeliver(const async_options_t *options);
static int async_act_all(const async_options_t *options, async_act_fn fn);
static int async_act_cancel(async_act_t *act, const async_id_t *id,
    const char *text);
static int async_act_retry(async_act_t *act, const async_id_t *id,
    const char *text);
static int async_act_delete(async_act_t *act, const async_id_t *id,
    const char *text);
static int async_act_redeliver(async_act_t *act, const async_id_t *id,
    const char *text);
static async_rc_t async_act_event(async_act_t *act, async_event_type_t type,
    const async_id_t *id, async_error_t *err);
static async_state_t async_act_state(async_act_t *act, const async_id_t *id,
    async_job_t *job);
static int async_act_failed(async_rc_t rc, const char *text,
    const async_error_t *err);
static int async_act_refused(const char *text, const char *why);


const async_command_t  async_commands_act[] = {

    { "cancel",
      0, "the ID of a job", true, async_main_cancel,
      "cancel ID...   stop them",
      "Usage: nginx-async [--store DIR] cancel ID...\n"
      "\n"
      "A job that waits is canceled, and does not run.  One that runs is to\n"
      "be: its worker closes the connection, and it is canceled a moment\n"
      "later.  Exit status 1 if one had completed or failed, 3 if there was\n"
      "no such job; what can be done for the others is.\n"
      "\n"
      "Options:\n"
      "  --store DIR        the store\n" },

    { "retry",
      0, "the ID of a job", true, async_main_retry,
      "retry ID...    run what has failed once more",
      "Usage: nginx-async [--store DIR] retry ID...\n"
      "\n"
      "Makes a new job of the request of each, and prints its id.  For jobs\n"
      "that have failed, as long as their requests are kept, which is as long\n"
      "as their results would be.  A POST is sent once more, too: that it may\n"
      "be is for you to know.  Exit status 1 if one cannot be retried, or was\n"
      "before, 3 if there was no such job; what can be done for the others\n"
      "is.\n"
      "\n"
      "Options:\n"
      "  --store DIR        the store\n" },

    { "delete",
      0, "the ID of a job", true, async_main_delete,
      "delete ID...   remove them with their results and histories",
      "Usage: nginx-async [--store DIR] delete ID...\n"
      "\n"
      "Removes jobs that have ended, as their retention would in the end, and\n"
      "with them the results, the histories, and the idempotency keys.  Exit\n"
      "status 1 if one has not ended, 3 if there was no such job; what can be\n"
      "done for the others is.\n"
      "\n"
      "Options:\n"
      "  --store DIR        the store\n" },

    { "redeliver",
      0, "the ID of a job", true, async_main_redeliver,
      "redeliver ID...  send their webhooks again",
      "Usage: nginx-async [--store DIR] redeliver ID...\n"
      "\n"
      "The webhook of each job is due now, whatever became of it: delivered,\n"
      "given up, or waiting for its next try.  It keeps its webhook-id, by\n"
      "which a receiver knows it.  Exit status 1 if a job has no webhook, or\n"
      "has not ended, 3 if there was no such job; what can be done for the\n"
      "others is.\n"
      "\n"
      "Options:\n"
      "  --store DIR        the store\n" },

    { NULL, 0, NULL, false, NULL, NULL, NULL }
};


static int
async_main_cancel(const async_options_t *options)
{
    return async_act_all(options, async_act_cancel);
}


static int
async_main_retry(const async_options_t *options)
{
    return async_act_all(options, async_act_retry);
}


static int
async_main_delete(const async_options_t *options)
{
    return async_act_all(options, async_act_delete);
}


static int
async_main_redeliver(const async_options_t *options)
{
    return async_act_all(options, async_act_redeliver);
}


/* a failure says more than a job that is not there */

static int
async_act_all(const async_options_t *options, async_act_fn fn)
{
    int          status, one;
    char         who[ASYNC_WHO], text[ASYNC_ID_TEXT + 1];
    unsigned     i;
    async_id_t   id;
    async_act_t  act;

    act.by = async_main_who(who);
    act.view = async_main_look(options, &act.store, &status);

    if (act.view == NULL) {
        return status;
    }

    status = ASYNC_EXIT_DONE;

    for (i = 0; i < options->nargs; i++) {
        one = ASYNC_EXIT_NO_SUCH;

        if (async_job_id(options->args[i], &id)) {
            *async_id_format(text, &id) = '\0';
            one = fn(&act, &id, text);
        }

        if (status == ASYNC_EXIT_DONE || one == ASYNC_EXIT_FAILED) {
            status = one;
        }
    }

    async_view_close(act.view);
    async_store_close(act.store);

    return status;
}


static int
async_act_cancel(async_act_t *act, const async_id_t *id, const char *text)
{
    async_rc_t     rc;
    async_job_t    job;
    async_error_t  err;

    rc = async_act_event(act, ASYNC_EVENT_CANCEL_REQUESTED, id, &err);

    switch (rc) {

    case ASYNC_OK:
        break;

    case ASYNC_REFUSED:
        return async_act_refused(text, "has ended: there is nothing to "
                                 "cancel");

    default:
        return async_act_failed(rc, text, &err);
    }

    (void) printf("%s %s\n", text,
                  async_act_state(act, id, &job) == ASYNC_STATE_PROCESSING
                  ? "is to be canceled" : "canceled");

    return ASYNC_EXIT_DONE;
}


static int
async_act_retry(async_act_t *act, const async_id_t *id, const char *text)
{
    char           as[ASYNC_ID_TEXT + 1], why[ASYNC_ERROR_TEXT];
    uint8_t        random[ASYNC_ID_RANDOM];
    async_rc_t     rc;
    async_job_t    job;
    async_error_t  err;
    async_retry_t  retry;

    if (getrandom(random, sizeof(random), 0) != (ssize_t) sizeof(random)) {
        async_error_set(&err, "the kernel gave no random bytes");
        return async_main_failed(&err);
    }

    retry.id = *id;
    retry.by = act->by;
    retry.now = async_main_now();
    async_id_make(&retry.as, retry.now, random);

    rc = async_store_retry(act->store, &retry, &err);

    *async_id_format(as, &retry.as) = '\0';

    switch (rc) {

    case ASYNC_OK:
        (void) printf("%s retried as %s\n", text, as);
        return ASYNC_EXIT_DONE;

    case ASYNC_EXISTS:
        (void) snprintf(why, sizeof(why), "was retried before, as %s", as);
        return async_act_refused(text, why);

    case ASYNC_REFUSED:
        return async_act_refused(text,
                   async_act_state(act, id, &job) != ASYNC_STATE_FAILED
                   ? "has not failed"
                   : "has failed too long ago: its request is gone");

    default:
        return async_act_failed(rc, text, &err);
    }
}


static int
async_act_delete(async_act_t *act, const async_id_t *id, const char *text)
{
    async_rc_t     rc;
    async_error_t  err;

    rc = async_act_event(act, ASYNC_EVENT_FORGOTTEN, id, &err);

    switch (rc) {

    case ASYNC_OK:
        (void) printf("%s deleted\n", text);
        return ASYNC_EXIT_DONE;

    case ASYNC_REFUSED:
        return async_act_refused(text, "has not ended: cancel it first");

    default:
        return async_act_failed(rc, text, &err);
    }
}


static int
async_act_redeliver(async_act_t *act, const async_id_t *id, const char *text)
{
    async_rc_t     rc;
    async_job_t    job;
    async_error_t  err;

    rc = async_act_event(act, ASYNC_EVENT_WEBHOOK_REDELIVER, id, &err);

    switch (rc) {

    case ASYNC_OK:
        (void) printf("%s is due again\n", text);
        return ASYNC_EXIT_DONE;

    case ASYNC_REFUSED:
        return async_act_refused(text, "owes no webhook yet");

    case ASYNC_NOT_FOUND:
        if (async_act_state(act, id, &job) != ASYNC_STATE_NONE) {
            return async_act_refused(text, "has no webhook");
        }

        break;

    default:
        break;
    }

    return async_act_failed(rc, text, &err);
}


static async_rc_t
async_act_event(async_act_t *act, async_event_type_t type,
    const async_id_t *id, async_error_t *err)
{
    async_rc_t     rc;
    async_batch_t  batch;
    async_event_t  event;

    memset(&batch, 0, sizeof(async_batch_t));
    memset(&event, 0, sizeof(async_event_t));

    event.type = type;
    event.id = *id;
    event.by = act->by;

    batch.events = &event;
    batch.n = 1;
    batch.now = async_main_now();

    rc = async_store_apply(act->store, &batch, err);

    return rc == ASYNC_OK ? event.rc : rc;
}


static async_state_t
async_act_state(async_act_t *act, const async_id_t *id, async_job_t *job)
{
    static uint8_t  buf[ASYNC_JOB_MAX];

    return async_view_job(act->view, id, job, buf) == ASYNC_OK
           ? (async_state_t) job->state : ASYNC_STATE_NONE;
}


/* events have no sentence of their own */

static int
async_act_failed(async_rc_t rc, const char *text, const async_error_t *err)
{
    switch (rc) {

    case ASYNC_NOT_FOUND:
        (void) async_job_none(text);
        return ASYNC_EXIT_NO_SUCH;

    case ASYNC_CORRUPT:
        return async_act_refused(text, "is damaged; see nginx-async check");

    case ASYNC_QUEUE_FULL:
        return async_act_refused(text, "was not retried: its queue is full");

    case ASYNC_STORE_FULL:
        return async_act_refused(text, "was not changed: the store is full");

    default:
        return async_main_failed(err);
    }
}


static int
async_act_refused(const char *text, const char *why)
{
    (void) fprintf(stderr, "nginx-async: job %s %s\n", text, why);

    return ASYNC_EXIT_FAILED;
}
