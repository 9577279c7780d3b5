#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "async_options.h"
#include "async_state.h"
#include "async_time.h"
#include "async_worker.h"


#define ASYNC_STORE_DEFAULT    "/var/lib/nginx-async"
#define ASYNC_GRACE_DEFAULT    30000
#define ASYNC_CONCURRENCY_MAX  10000
#define ASYNC_RATE_DEFAULT     (100ull << 20)
#define ASYNC_RATE_MAX         (1ull << 50)
#define ASYNC_LIMIT_DEFAULT    50
#define ASYNC_LIMIT_MAX        1000000
#define ASYNC_AGO_MAX          (3650ull * 86400 * 1000)


typedef struct {
    const char  *name;
    const char  *wants;               /* NULL = takes no value */
} async_option_spec_t;


static async_rc_t async_options_one(async_options_t *options, char ***argv,
    async_error_t *err);
static async_option_t async_options_find(const char *name, size_t len);
static bool async_options_set(async_options_t *options, async_option_t option,
    const char *value);
static bool async_options_number(const char *text, unsigned max,
    unsigned *number);
static bool async_options_time(const char *text, uint64_t most, uint64_t *ms);
static bool async_options_size(const char *text, uint64_t *bytes);
static bool async_options_status(const char *text, uint8_t *status);
static bool async_options_since(const char *text, int64_t *since);
static bool async_options_level(const char *text, int *level);


static const async_option_spec_t  async_options[ASYNC_OPTION_MAX] = {
#define X(symbol, name, wants)  [ASYNC_OPTION_##symbol] = { name, wants },
    ASYNC_OPTIONS(X)
#undef X
};


async_rc_t
async_options_parse(async_options_t *options, char **argv,
    async_error_t *err)
{
    bool          only_args;
    char        **args;
    const char   *env;
    async_rc_t    rc;

    memset(options, 0, sizeof(async_options_t));

    env = getenv("NGINX_ASYNC_STORE");

    options->store = (env != NULL && *env != '\0') ? env
                                                   : ASYNC_STORE_DEFAULT;
    options->grace_ms = ASYNC_GRACE_DEFAULT;
    options->log_level = ASYNC_LOG_INFO;
    options->rate = ASYNC_RATE_DEFAULT;
    options->limit = ASYNC_LIMIT_DEFAULT;

    only_args = false;
    args = argv;
    options->args = argv;

    for (argv++; *argv != NULL; argv++) {

        if (!only_args && strcmp(*argv, "--") == 0) {
            only_args = true;

        } else if (!only_args && (*argv)[0] == '-') {
            rc = async_options_one(options, &argv, err);

            if (rc != ASYNC_OK) {
                return rc;
            }

        } else if (options->command == NULL) {
            options->command = *argv;

        } else {
            *args++ = *argv;
            options->nargs++;
        }
    }

    return ASYNC_OK;
}


/* argv moves on to the value where that is an argument of its own */

static async_rc_t
async_options_one(async_options_t *options, char ***argv, async_error_t *err)
{
    size_t                      len;
    const char                 *arg, *value;
    async_option_t              option;
    const async_option_spec_t  *spec;

    arg = **argv;
    len = strcspn(arg, "=");
    value = (arg[len] == '=') ? arg + len + 1 : NULL;

    option = async_options_find(arg, len);

    if (option == ASYNC_OPTION_MAX) {
        async_error_set(err, "there is no option \"%.*s\"", (int) len, arg);
        return ASYNC_INVALID;
    }

    spec = &async_options[option];

    if (spec->wants == NULL && value != NULL) {
        async_error_set(err, "--%s takes no value", spec->name);
        return ASYNC_INVALID;
    }

    if (spec->wants != NULL && value == NULL) {
        value = (*argv)[1];

        if (value == NULL) {
            async_error_set(err, "--%s wants %s", spec->name, spec->wants);
            return ASYNC_INVALID;
        }

        (*argv)++;
    }

    if (!async_options_set(options, option, value)) {
        async_error_set(err, "--%s wants %s, not \"%s\"", spec->name,
                        spec->wants, value);
        return ASYNC_INVALID;
    }

    options->given[option] = true;

    return ASYNC_OK;
}


static async_option_t
async_options_find(const char *name, size_t len)
{
    int  i;

    if (len < 3 || name[0] != '-' || name[1] != '-') {
        return ASYNC_OPTION_MAX;
    }

    for (i = 0; i < ASYNC_OPTION_MAX; i++) {

        if (strlen(async_options[i].name) == len - 2
            && memcmp(async_options[i].name, name + 2, len - 2) == 0)
        {
            break;
        }
    }

    return (async_option_t) i;
}


static bool
async_options_set(async_options_t *options, async_option_t option,
    const char *value)
{
    switch (option) {

    case ASYNC_OPTION_STORE:
        options->store = value;
        return *value != '\0';

    case ASYNC_OPTION_USER:
        options->user = value;
        return *value != '\0';

    case ASYNC_OPTION_CONCURRENCY:
        return async_options_number(value, ASYNC_CONCURRENCY_MAX,
                                    &options->concurrency)
               && options->concurrency != 0;

    case ASYNC_OPTION_GRACE:
        return async_options_time(value, INT_MAX, &options->grace_ms);

    case ASYNC_OPTION_RATE:
        return async_options_size(value, &options->rate);

    case ASYNC_OPTION_STATUS:
        return async_options_status(value, &options->status);

    case ASYNC_OPTION_FOR:
        options->whom = value;
        return *value != '\0';

    case ASYNC_OPTION_SECRET:
        options->secret = value;
        return *value != '\0';

    case ASYNC_OPTION_QUEUE:
        options->queue = value;
        return *value != '\0';

    case ASYNC_OPTION_SINCE:
        return async_options_since(value, &options->since);

    case ASYNC_OPTION_LIMIT:
        return async_options_number(value, ASYNC_LIMIT_MAX, &options->limit)
               && options->limit != 0;

    case ASYNC_OPTION_LOG_LEVEL:
        return async_options_level(value, &options->log_level);

    default:
        return true;
    }
}


static bool
async_options_number(const char *text, unsigned max, unsigned *number)
{
    unsigned long  n;

    n = 0;

    if (*text == '\0') {
        return false;
    }

    for ( /* void */ ; *text != '\0'; text++) {

        if (*text < '0' || *text > '9') {
            return false;
        }

        n = n * 10 + (unsigned) (*text - '0');

        if (n > max) {
            return false;
        }
    }

    *number = (unsigned) n;

    return true;
}


/* as in nginx.conf: 500ms, 30s, 2m, 1h, 1m30s; a bare number is seconds */

static bool
async_options_time(const char *text, uint64_t most, uint64_t *ms)
{
    size_t              i, len, last, digits;
    unsigned long long  n, sum;

    static const struct {
        const char          *name;
        unsigned long long   ms;
    } units[] = {
        { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 },
        { "ms", 1 }
    };

    sum = 0;
    last = 0;

    do {
        digits = strspn(text, "0123456789");

        if (digits == 0 || digits > 10) {
            return false;
        }

        n = strtoull(text, NULL, 10);
        text += digits;
        len = strcspn(text, "0123456789");

        /* larger units first, none twice */

        for (i = last; i < sizeof(units) / sizeof(units[0]); i++) {

            if (strlen(units[i].name) == len
                && memcmp(units[i].name, text, len) == 0)
            {
                break;
            }
        }

        if (len == 0 && last <= 3) {
            i = 3;
        }

        if (i == sizeof(units) / sizeof(units[0])) {
            return false;
        }

        sum += n * units[i].ms;
        text += len;
        last = i + 1;

    } while (*text != '\0');

    *ms = sum;

    return sum <= most;
}


/* as in nginx.conf: 512k, 50m, 1g; a bare number is bytes */

static bool
async_options_size(const char *text, uint64_t *bytes)
{
    size_t    i, digits;
    uint64_t  n;

    static const struct {
        const char  *unit;
        unsigned     shift;
    } units[] = { { "", 0 }, { "k", 10 }, { "m", 20 }, { "g", 30 } };

    digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 15) {
        return false;
    }

    n = strtoull(text, NULL, 10);

    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {

        if (strcasecmp(units[i].unit, text + digits) == 0
            && n <= ASYNC_RATE_MAX >> units[i].shift)
        {
            *bytes = n << units[i].shift;
            return true;
        }
    }

    return false;
}


static bool
async_options_status(const char *text, uint8_t *status)
{
    int  state;

    for (state = ASYNC_STATE_NONE + 1; state < ASYNC_STATE_MAX; state++) {

        if (strcmp(async_state_name((async_state_t) state), text) == 0) {
            *status = (uint8_t) state;
            return true;
        }
    }

    return false;
}


static bool
async_options_since(const char *text, int64_t *since)
{
    uint64_t         ago;
    struct timespec  ts;

    if (async_time_parse(since, text, strlen(text))) {
        return *since > 0;
    }

    if (!async_options_time(text, ASYNC_AGO_MAX, &ago)) {
        return false;
    }

    clock_gettime(CLOCK_REALTIME, &ts);
    *since = (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000
             - (int64_t) ago;

    return true;
}


static bool
async_options_level(const char *text, int *level)
{
    int                       i;
    static const char *const  names[] = {
        [ASYNC_LOG_ERROR] = "error",
        [ASYNC_LOG_WARN] = "warn",
        [ASYNC_LOG_NOTICE] = "notice",
        [ASYNC_LOG_INFO] = "info",
        [ASYNC_LOG_DEBUG] = "debug"
    };

    for (i = ASYNC_LOG_ERROR; i <= ASYNC_LOG_DEBUG; i++) {

        if (strcmp(names[i], text) == 0) {
            *level = i;
            return true;
        }
    }

    return false;
}


const char *
async_option_name(async_option_t option)
{
    return async_options[option].name;
}
