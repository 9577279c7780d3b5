/*
 * nginx-async worker.
 */

#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "async_command.h"
#include "async_drop.h"
#include "async_main.h"
#include "async_notify.h"
#include "async_worker.h"


static int async_main_worker(const async_options_t *options);
static async_rc_t async_main_drop(const async_options_t *options,
    async_error_t *err);


const async_command_t  async_commands_worker[] = {

    { "worker",
      async_option_bit(CONCURRENCY) | async_option_bit(USER)
      | async_option_bit(GRACE) | async_option_bit(LOG_LEVEL),
      NULL, false, async_main_worker,
      "worker         execute jobs until TERM",
      "Usage: nginx-async [--store DIR] worker [OPTION...]\n"
      "\n"
      "Executes jobs: replays each through the nginx that accepted it and\n"
      "stores the response.  Stays in the foreground and logs to stderr.\n"
      "On TERM it takes no new job and lets running ones finish.  A second\n"
      "worker on the same store waits and takes over.  Started as root, it\n"
      "becomes the owner of the store.\n"
      "\n"
      "Options:\n"
      "  --concurrency N    jobs at once over all queues (default 256)\n"
      "  --user U           become this user; must be the owner of the store\n"
      "  --grace TIME       for running jobs after TERM (default 30s)\n"
      "  --log-level LEVEL  error, warn, notice, info (default) or debug\n"
      "  --store DIR        the store\n" },

    { NULL, 0, NULL, false, NULL, NULL, NULL }
};


static int
async_main_worker(const async_options_t *options)
{
    async_rc_t              rc;
    async_error_t           err;
    async_worker_options_t  worker;

    rc = async_main_drop(options, &err);

    if (rc == ASYNC_LATE) {
        return ASYNC_EXIT_DONE;
    }

    if (rc != ASYNC_OK) {
        return async_main_failed(&err);
    }

    worker.store = options->store;
    worker.concurrency = options->concurrency;
    worker.user = options->user;
    worker.grace_ms = (unsigned) options->grace_ms;
    worker.log_level = options->log_level;

    return async_worker_run(&worker);
}


/*
 * Root learns whom to become from the owner of db/, which nginx makes when it
 * starts, and a machine may start both at once.  Somebody else has no choice:
 * there the worker itself waits.  ASYNC_LATE: told to stop meanwhile.
 */

static async_rc_t
async_main_drop(const async_options_t *options, async_error_t *err)
{
    bool             told;
    sigset_t         stop;
    async_rc_t       rc;
    struct timespec  second = { 1, 0 };

    /* the worker blocks them too: what comes in between is not lost */

    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);

    for (told = false; /* void */ ; told = true) {
        rc = async_drop(options->store, options->user, err);

        if (rc != ASYNC_NOT_FOUND) {
            return rc;
        }

        if (geteuid() != 0) {
            return ASYNC_OK;
        }

        if (!told) {
            async_notify("READY=1\nSTATUS=waiting for the store");
            (void) fprintf(stderr, "nginx-async: %s, waiting for nginx to "
                           "make it\n", err->text);
        }

        if (sigtimedwait(&stop, NULL, &second) != -1) {
            return ASYNC_LATE;
        }
    }
}
