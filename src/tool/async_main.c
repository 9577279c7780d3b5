/*
 * nginx-async: what all commands have in common.
 */

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "async_command.h"
#include "async_drop.h"
#include "async_main.h"
#include "async_print.h"


#define ASYNC_VERSION  "0.1.0"

#define ASYNC_OPTIONS_GLOBAL                                                 \
    (async_option_bit(STORE) | async_option_bit(HELP)                        \
     | async_option_bit(VERSION))


static const async_command_t *async_main_command(const char *name);
static bool async_main_allowed(const async_options_t *options,
    const async_command_t *command, async_error_t *err);
static int async_main_usage(const async_error_t *err);
static void async_main_help(void);
static int async_main_flush(int status);


/* in the order in which they are told of */

static const async_command_t *const  async_families[] = {
    async_commands_worker,
    async_commands_jobs,
    async_commands_act,
    async_commands_queue,
    async_commands_schedule,
    async_commands_hooks,
    async_commands_store
};

#define ASYNC_FAMILIES  (sizeof(async_families) / sizeof(async_families[0]))


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
        async_main_help();
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
    size_t                  i;
    const async_command_t  *command;

    for (i = 0; i < ASYNC_FAMILIES; i++) {
        for (command = async_families[i]; command->name != NULL; command++) {

            if (strcmp(command->name, name) == 0) {
                return command;
            }
        }
    }

    return NULL;
}


static void
async_main_help(void)
{
    size_t                  i;
    const async_command_t  *command;

    (void) fputs(
        "Usage: nginx-async [--store DIR] COMMAND [OPTION...]\n"
        "\n"
        "Works on the store that async_store names in nginx.conf.\n"
        "\n"
        "Commands:\n", stdout);

    for (i = 0; i < ASYNC_FAMILIES; i++) {
        for (command = async_families[i]; command->name != NULL; command++) {
            (void) printf("  %s\n", command->line);
        }
    }

    (void) fputs(
        "\n"
        "Options:\n"
        "  --store DIR    the store; or NGINX_ASYNC_STORE in the\n"
        "                 environment; or /var/lib/nginx-async\n"
        "  --json         where a table is printed, JSON\n"
        "  --help         this text; with a command, what that command does\n"
        "  --version      the version\n"
        "\n"
        "Exit status: 0 done, 1 failed, 2 usage, 3 no such job, queue or\n"
        "schedule.\n",
        stdout);
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

    if (options->nargs > (unsigned) i && !command->many) {
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


async_store_t *
async_main_open(const async_options_t *options, bool inspect, int *status)
{
    async_rc_t              rc;
    async_error_t           err;
    async_store_t          *store;
    async_store_options_t   open;

    rc = async_drop(options->store, NULL, &err);

    if (rc != ASYNC_OK) {
        *status = async_main_failed(&err);
        return NULL;
    }

    memset(&open, 0, sizeof(async_store_options_t));
    open.path = options->store;
    open.inspect = inspect;

    rc = async_store_open(&store, &open, &err);

    if (rc != ASYNC_OK) {
        *status = async_main_unopened(rc, &err);
        return NULL;
    }

    return store;
}


async_view_t *
async_main_look(const async_options_t *options, async_store_t **store,
    int *status)
{
    async_rc_t     rc;
    async_view_t  *view;
    async_error_t  err;

    *store = async_main_open(options, false, status);

    if (*store == NULL) {
        return NULL;
    }

    rc = async_view_open(&view, *store);

    if (rc != ASYNC_OK) {
        async_store_close(*store);
        *status = async_main_unread(rc, &err);
        return NULL;
    }

    return view;
}


int
async_main_unread(async_rc_t rc, async_error_t *err)
{
    async_error_set(err, "the store cannot be read (%s); see nginx-async "
                    "check", async_rc_name(rc));

    return async_main_failed(err);
}


/* who became root by sudo is told by his own name */

async_str_t
async_main_who(char buf[ASYNC_WHO])
{
    int             n;
    const char     *name;
    async_str_t     who;
    struct passwd  *pw;

    name = getuid() == 0 ? getenv("SUDO_USER") : NULL;

    if (name == NULL || *name == '\0') {
        pw = getpwuid(getuid());
        name = pw != NULL ? pw->pw_name : NULL;
    }

    n = name != NULL
        ? snprintf(buf, ASYNC_WHO, "cli:%s", name)
        : snprintf(buf, ASYNC_WHO, "cli:%lu", (unsigned long) getuid());

    who.data = buf;
    who.len = n < ASYNC_WHO ? (size_t) n : ASYNC_WHO - 1;

    return who;
}


int64_t
async_main_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
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
