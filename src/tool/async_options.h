/*
 * The command line, read: options may stand before or after the command and
 * its arguments, as "--name value" or "--name=value"; the last of several
 * counts.  What follows "--" is no option.
 */

#ifndef ASYNC_OPTIONS_H
#define ASYNC_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "async_rc.h"


#define ASYNC_OPTIONS(X)                                                     \
    X(STORE,       "store",       "a folder")                                \
    X(CONCURRENCY, "concurrency", "a number from 1 to 10000")                \
    X(USER,        "user",        "the name of a user")                      \
    X(GRACE,       "grace",       "a time like 30s, 2m or 1m30s")            \
    X(LOG_LEVEL,   "log-level",   "error, warn, notice, info or debug")      \
    X(STATUS,      "status",      "queued, scheduled, processing, retrying, "\
                                  "completed, failed or canceled")           \
    X(QUEUE,       "queue",       "the name of a queue")                     \
    X(SINCE,       "since",       "a time ago like 10m or 2d, or a date "    \
                                  "like 2026-11-22T10:00:00Z")               \
    X(LIMIT,       "limit",       "a number from 1 to 1000000")              \
    X(DEAD,        "dead",        NULL)                                      \
    X(FOR,         "for",         "an owner or a host")                      \
    X(SECRET,      "secret",      "a file")                                  \
    X(JSON,        "json",        NULL)                                      \
    X(RATE,        "rate",        "bytes a second, like 50m, or 0")          \
    X(FORCE,       "force",       NULL)                                      \
    X(HELP,        "help",        NULL)                                      \
    X(VERSION,     "version",     NULL)

typedef enum {
#define X(symbol, name, wants)  ASYNC_OPTION_##symbol,
    ASYNC_OPTIONS(X)
#undef X
    ASYNC_OPTION_MAX
} async_option_t;


/* strings are argv's and the environment's */
typedef struct {
    const char  *command;             /* NULL = none was given */
    char       **args;                /* after it, options taken out */
    unsigned     nargs;
    bool         given[ASYNC_OPTION_MAX];

    const char  *store;
    const char  *user;
    unsigned     concurrency;
    uint64_t     grace_ms;
    int          log_level;           /* async_log_level_t */
    uint64_t     rate;                /* bytes a second, 0 = no bound */
    uint8_t      status;              /* async_state_t, NONE = any */
    const char  *queue;               /* NULL = any */
    int64_t      since;               /* unix ms, 0 = any time */
    unsigned     limit;
    const char  *whom;                /* of keygen */
    const char  *secret;
} async_options_t;


/*
 * ASYNC_OK, or ASYNC_INVALID and what is wrong; what was not given has its
 * default.  Arguments are moved together in argv itself.
 */
async_rc_t async_options_parse(async_options_t *options, char **argv,
    async_error_t *err);
const char *async_option_name(async_option_t option);


#endif /* ASYNC_OPTIONS_H */
