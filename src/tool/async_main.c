/*
 * nginx-async: the commands.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "async_check.h"
#include "async_drop.h"
#include "async_notify.h"
#include "async_options.h"
#include "async_print.h"
#include "async_worker.h"


#define ASYNC_VERSION  "0.1.0"

#define ASYNC_EXIT_DONE    0
#define ASYNC_EXIT_FAILED  1
#define ASYNC_EXIT_USAGE   2

#define async_option_bit(option)  (1u << ASYNC_OPTION_##option)
#define ASYNC_OPTIONS_GLOBAL                                                 \
    (async_option_bit(STORE) | async_option_bit(HELP)                        \
     | async_option_bit(VERSION))


typedef struct {
    const char  *name;
    unsigned     options;             /* besides the global ones */
    int        (*run)(const async_options_t *options);
    const char  *help;
} async_command_t;


static const async_command_t *async_main_command(const char *name);
static bool async_main_allowed(const async_options_t *options,
    const async_command_t *command, async_error_t *err);
static int async_main_usage(const async_error_t *err);
static int async_main_failed(const async_error_t *err);
static int async_main_flush(int status);

static int async_main_worker(const async_options_t *options);
static async_rc_t async_main_drop(const async_options_t *options,
    async_error_t *err);
static int async_main_check(const async_options_t *options);
static void async_main_fault(void *data, const char *fault);
static void async_main_progress(void *data, uint64_t done, uint64_t total);


static const char  async_main_help[] =
    "Usage: nginx-async [--store DIR] COMMAND [OPTION...]\n"
    "\n"
    "Works on the store that async_store names in nginx.conf.\n"
    "\n"
    "Commands:\n"
    "  worker         execute jobs until TERM\n"
    "  check          verify everything in the store\n"
    "\n"
    "Options:\n"
    "  --store DIR    the store; or NGINX_ASYNC_STORE in the environment;\n"
    "                 or /var/lib/nginx-async\n"
    "  --help         this text; with a command, what that command does\n"
    "  --version      the version\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 usage.\n";

static const async_command_t  async_commands[] = {

    { "worker",
      async_option_bit(CONCURRENCY) | async_option_bit(USER)
      | async_option_bit(GRACE) | async_option_bit(LOG_LEVEL),
      async_main_worker,
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

    { "check",
      async_option_bit(JSON),
      async_main_check,
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
      "  --store DIR        the store\n" }
};


int
main(int argc, char **argv)
{
    async_rc_t              rc;
    async_error_t           err;
    async_options_t         options;
    const async_command_t  *command;

    if (argc == 0) {
        return ASYNC_EXIT_USAGE;
    }

    rc = async_options_parse(&options, argv, &err);

    if (rc != ASYNC_OK) {
        return async_main_usage(&err);
    }

    if (options.given[ASYNC_OPTION_VERSION]) {
        (void) puts("nginx-async " ASYNC_VERSION);
        return async_main_flush(ASYNC_EXIT_DONE);
    }

    if (options.command == NULL && options.given[ASYNC_OPTION_HELP]) {
        (void) fputs(async_main_help, stdout);
        return async_main_flush(ASYNC_EXIT_DONE);
    }

    if (options.command == NULL) {
        async_error_set(&err, "no command was given");
        return async_main_usage(&err);
    }

    command = async_main_command(options.command);

    if (command == NULL) {
        async_error_set(&err, "there is no command \"%s\"", options.command);
        return async_main_usage(&err);
    }

    if (options.given[ASYNC_OPTION_HELP]) {
        (void) fputs(command->help, stdout);
        return async_main_flush(ASYNC_EXIT_DONE);
    }

    if (!async_main_allowed(&options, command, &err)) {
        return async_main_usage(&err);
    }

    return async_main_flush(command->run(&options));
}


static const async_command_t *
async_main_command(const char *name)
{
    size_t  i;

    for (i = 0; i < sizeof(async_commands) / sizeof(async_commands[0]); i++) {

        if (strcmp(async_commands[i].name, name) == 0) {
            return &async_commands[i];
        }
    }

    return NULL;
}


static bool
async_main_allowed(const async_options_t *options,
    const async_command_t *command, async_error_t *err)
{
    int  i;

    for (i = 0; i < ASYNC_OPTION_MAX; i++) {

        if (options->given[i]
            && !((ASYNC_OPTIONS_GLOBAL | command->options) & (1u << i)))
        {
            async_error_set(err, "\"%s\" has no option --%s", command->name,
                            async_option_name((async_option_t) i));
            return false;
        }
    }

    return true;
}


static int
async_main_usage(const async_error_t *err)
{
    (void) fprintf(stderr, "nginx-async: %s; see nginx-async --help\n",
                   err->text);

    return ASYNC_EXIT_USAGE;
}


static int
async_main_failed(const async_error_t *err)
{
    (void) fprintf(stderr, "nginx-async: %s\n", err->text);

    return ASYNC_EXIT_FAILED;
}


/* what was printed must have arrived: a full disk is a failure */

static int
async_main_flush(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return status;
    }

    (void) fprintf(stderr, "nginx-async: cannot write to stdout: %s\n",
                   strerror(errno));

    return (status == ASYNC_EXIT_DONE) ? ASYNC_EXIT_FAILED : status;
}


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
    worker.grace_ms = options->grace_ms;
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


static int
async_main_check(const async_options_t *options)
{
    async_rc_t              rc;
    async_bar_t             bar;
    async_error_t           err;
    async_store_t          *store;
    async_check_figures_t   figures;
    async_store_options_t   open;

    rc = async_drop(options->store, NULL, &err);

    if (rc != ASYNC_OK) {
        return async_main_failed(&err);
    }

    memset(&open, 0, sizeof(async_store_options_t));
    open.path = options->store;

    rc = async_store_open(&store, &open, &err);

    if (rc != ASYNC_OK) {
        return async_main_failed(&err);
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


static void
async_main_fault(void *data, const char *fault)
{
    async_bar_clear(data);

    (void) fprintf(stderr, "nginx-async: %s\n", fault);
}


static void
async_main_progress(void *data, uint64_t done, uint64_t total)
{
    async_bar_draw(data, done, total);
}
