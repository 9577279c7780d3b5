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
#include "async_main.h"
#include "async_notify.h"
#include "async_print.h"
#include "async_worker.h"


#define ASYNC_VERSION  "0.1.0"

#define async_option_bit(option)  (1u << ASYNC_OPTION_##option)
#define ASYNC_OPTIONS_GLOBAL                                                 \
    (async_option_bit(STORE) | async_option_bit(HELP)                        \
     | async_option_bit(VERSION))


typedef struct {
    const char  *name;
    unsigned     options;             /* besides the global ones */
    const char  *arg;                 /* what it wants one of, NULL = none */
    int        (*run)(const async_options_t *options);
    const char  *help;
} async_command_t;


static const async_command_t *async_main_command(const char *name);
static bool async_main_allowed(const async_options_t *options,
    const async_command_t *command, async_error_t *err);
static int async_main_usage(const async_error_t *err);
static int async_main_flush(int status);

static int async_main_worker(const async_options_t *options);
static async_rc_t async_main_drop(const async_options_t *options,
    async_error_t *err);
static int async_main_check(const async_options_t *options);


static const char  async_main_help[] =
    "Usage: nginx-async [--store DIR] COMMAND [OPTION...]\n"
    "\n"
    "Works on the store that async_store names in nginx.conf.\n"
    "\n"
    "Commands:\n"
    "  worker         execute jobs until TERM\n"
    "  pause QUEUE    start no more jobs of this queue\n"
    "  resume QUEUE   start them again\n"
    "  check          verify everything in the store\n"
    "  backup FILE    a consistent copy of the store\n"
    "  salvage DIR    a new store of what a damaged one still holds\n"
    "\n"
    "Options:\n"
    "  --store DIR    the store; or NGINX_ASYNC_STORE in the environment;\n"
    "                 or /var/lib/nginx-async\n"
    "  --help         this text; with a command, what that command does\n"
    "  --version      the version\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 usage, 3 no such queue.\n";

static const async_command_t  async_commands[] = {

    { "worker",
      async_option_bit(CONCURRENCY) | async_option_bit(USER)
      | async_option_bit(GRACE) | async_option_bit(LOG_LEVEL),
      NULL, async_main_worker,
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

    { "pause",
      0, "the name of a QUEUE", async_main_pause,
      "Usage: nginx-async [--store DIR] pause QUEUE\n"
      "\n"
      "No more jobs of the queue are started, until it is resumed; it takes\n"
      "new ones, and what runs goes on.  This holds across restarts, what-\n"
      "ever nginx.conf says.  Exit status 3 if there is no such queue.\n"
      "\n"
      "Options:\n"
      "  --store DIR        the store\n" },

    { "resume",
      0, "the name of a QUEUE", async_main_resume,
      "Usage: nginx-async [--store DIR] resume QUEUE\n"
      "\n"
      "Jobs of a queue that was paused, by pause or by nginx.conf, are\n"
      "started again.  Exit status 3 if there is no such queue.\n"
      "\n"
      "Options:\n"
      "  --store DIR        the store\n" },

    { "check",
      async_option_bit(JSON), NULL, async_main_check,
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
      "the FILE to write", async_main_backup,
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
      "the DIR of the new store", async_main_salvage,
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
      "  --store DIR        the damaged store\n" }
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

    if (command->arg != NULL && options->nargs == 0) {
        async_error_set(err, "\"%s\" wants %s", command->name, command->arg);
        return false;
    }

    i = command->arg != NULL;

    if (options->nargs > (unsigned) i) {
        async_error_set(err, "nothing was expected after \"%s\", but there "
                        "is \"%s\"", i > 0 ? options->args[i - 1]
                                           : command->name,
                        options->args[i]);
        return false;
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


int
async_main_failed(const async_error_t *err)
{
    (void) fprintf(stderr, "nginx-async: %s\n", err->text);

    return ASYNC_EXIT_FAILED;
}


int
async_main_unopened(async_rc_t rc, const async_error_t *err)
{
    (void) async_main_failed(err);

    if (rc != ASYNC_NOT_FOUND && rc != ASYNC_BUSY) {
        (void) fprintf(stderr, "nginx-async: if its file is damaged, "
                       "nginx-async salvage makes a new store of what is "
                       "left in it\n");
    }

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
    open.inspect = true;

    rc = async_store_open(&store, &open, &err);

    if (rc != ASYNC_OK) {
        return async_main_unopened(rc, &err);
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


void
async_main_fault(void *data, const char *fault)
{
    async_bar_clear(data);

    (void) fprintf(stderr, "nginx-async: %s\n", fault);
}


void
async_main_progress(void *data, uint64_t done, uint64_t total)
{
    async_bar_draw(data, done, total);
}
