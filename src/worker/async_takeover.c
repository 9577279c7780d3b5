#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "async_apply.h"
#include "async_log.h"
#include "async_notify.h"
#include "async_slate.h"
#include "async_takeover.h"


#define ASYNC_TAKEOVER_MISSING  1000    /* ms between looks for the store */
#define ASYNC_TAKEOVER_AGAIN    2000    /* before the store is opened anew */
#define ASYNC_TAKEOVER_STANDBY  250     /* and for its lock */
#define ASYNC_TAKEOVER_SLICE    256     /* jobs judged in one commit */
#define ASYNC_TAKEOVER_PAUSE    2       /* ms between those */


static bool async_takeover_user(const char *user);
static async_takeover_t async_takeover_open(const char *path, int signals,
    bool again, async_store_t **store);
static bool async_takeover_owner(const char *path, bool *missing);
static async_takeover_t async_takeover_lock(async_store_t *store,
    int signals);
static async_takeover_t async_takeover_epoch(async_store_t *store,
    int signals, uint64_t *epoch);
static async_takeover_t async_takeover_recover(async_store_t *store,
    int signals, uint64_t epoch);
static bool async_takeover_again(async_rc_t rc, const char *what,
    const async_error_t *err, bool told);
static bool async_takeover_wait(int signals, int ms);


async_takeover_t
async_takeover(const async_worker_options_t *options, int signals,
    bool again, async_store_t **store, uint64_t *epoch)
{
    async_takeover_t  got;

    *store = NULL;

    if (!async_takeover_user(options->user)) {
        return ASYNC_TAKEOVER_FAILED;
    }

    async_notify("READY=1\nSTATUS=waiting for the store");

    if (again && !async_takeover_wait(signals, ASYNC_TAKEOVER_AGAIN)) {
        return ASYNC_TAKEOVER_STOPPED;
    }

    got = async_takeover_open(options->store, signals, again, store);

    if (got == ASYNC_TAKEOVER_DONE) {
        async_slate_sit(*store, ASYNC_SEAT_STANDBY);
        got = async_takeover_lock(*store, signals);
    }

    if (got == ASYNC_TAKEOVER_DONE) {
        async_slate_sit(*store, ASYNC_SEAT_WORKER);
        got = async_takeover_epoch(*store, signals, epoch);
    }

    if (got == ASYNC_TAKEOVER_DONE) {
        got = async_takeover_recover(*store, signals, *epoch);
    }

    return got;
}


static bool
async_takeover_user(const char *user)
{
    struct passwd      *pw;
    async_log_quote_t   quote;

    if (user == NULL) {
        return true;
    }

    pw = getpwnam(user);

    if (pw == NULL) {
        async_log(ASYNC_LOG_ERROR, "msg=\"--user names nobody on this "
                  "machine: it is the user of nginx's workers\" user=%s",
                  async_log_quote(&quote, user));
        return false;
    }

    if (pw->pw_uid == geteuid()) {
        return true;
    }

    if (initgroups(user, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0
        || setuid(pw->pw_uid) != 0)
    {
        async_log(ASYNC_LOG_ERROR, "msg=\"cannot become the user of --user: "
                  "start the worker as root, or as that user\" user=%s "
                  "error=\"%s\"", async_log_quote(&quote, user),
                  strerror(errno));
        return false;
    }

    return true;
}


static async_takeover_t
async_takeover_open(const char *path, int signals, bool again,
    async_store_t **store)
{
    bool                   missing, told;
    async_rc_t             rc;
    async_error_t          err;
    async_log_quote_t      where, why;
    async_store_options_t  options;

    memset(&options, 0, sizeof(async_store_options_t));
    options.path = path;
    async_log_quote(&where, path);

    for (told = false; /* void */ ; told = true) {

        if (!async_takeover_owner(path, &missing)) {
            return ASYNC_TAKEOVER_FAILED;
        }

        if (!missing) {
            rc = async_store_open(store, &options, &err);

            if (rc == ASYNC_OK) {
                return ASYNC_TAKEOVER_DONE;
            }

            *store = NULL;

            if (rc != ASYNC_NOT_FOUND && rc != ASYNC_BUSY && !again) {
                async_log(ASYNC_LOG_ERROR, "msg=\"cannot open the store\" "
                          "store=%s error=%s", where.text,
                          async_log_quote(&why, err.text));
                return ASYNC_TAKEOVER_FAILED;
            }
        }

        if (!told && again && !missing) {
            async_log(ASYNC_LOG_WARN, "msg=\"waiting for the store\" "
                      "store=%s error=%s", where.text,
                      async_log_quote(&why, err.text));

        } else if (!told) {
            async_log(ASYNC_LOG_NOTICE, "msg=\"waiting for nginx to make the "
                      "store\" store=%s", where.text);
        }

        if (!async_takeover_wait(signals, ASYNC_TAKEOVER_MISSING)) {
            return ASYNC_TAKEOVER_STOPPED;
        }
    }
}


/*
 * Files that another user made here would lock nginx out of its own store;
 * as root we would follow whatever names that user put in our way.
 */

static bool
async_takeover_owner(const char *path, bool *missing)
{
    char                db[4096];
    struct stat         st;
    struct passwd      *pw;
    async_log_quote_t   where;

    async_log_quote(&where, path);
    snprintf(db, sizeof(db), "%s/db", path);

    *missing = stat(db, &st) != 0;

    if (*missing) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return true;
        }

        async_log(ASYNC_LOG_ERROR, "msg=\"cannot look into the store: start "
                  "the worker as root, or as the user of nginx's workers\" "
                  "store=%s error=\"%s\"", where.text, strerror(errno));
        return false;
    }

    if (st.st_uid == geteuid()) {
        return true;
    }

    pw = getpwuid(st.st_uid);

    async_log(ASYNC_LOG_ERROR, "msg=\"the store belongs to another user: "
              "start the worker as that user, or as root with --user\" "
              "store=%s owner=%s uid=%u mine=%u", where.text,
              pw ? pw->pw_name : "?", (unsigned) st.st_uid,
              (unsigned) geteuid());

    return false;
}


static async_takeover_t
async_takeover_lock(async_store_t *store, int signals)
{
    bool           told;
    async_error_t  err;

    for (told = false; !async_store_lock_worker(store, &err); told = true) {

        if (!told) {
            async_log(ASYNC_LOG_NOTICE, "msg=\"standby: another worker runs "
                      "on this store\"");
            async_notify("STATUS=standby");
        }

        if (!async_takeover_wait(signals, ASYNC_TAKEOVER_STANDBY)) {
            return ASYNC_TAKEOVER_STOPPED;
        }
    }

    return ASYNC_TAKEOVER_DONE;
}


static async_takeover_t
async_takeover_epoch(async_store_t *store, int signals, uint64_t *epoch)
{
    bool           told;
    async_rc_t     rc;
    async_error_t  err;

    for (told = false; /* void */ ; told = true) {
        rc = async_store_take_over(store, epoch, &err);

        if (rc == ASYNC_OK) {
            return ASYNC_TAKEOVER_DONE;
        }

        if (!async_takeover_again(rc, "cannot take over", &err, told)) {
            return ASYNC_TAKEOVER_FAILED;
        }

        if (!async_takeover_wait(signals, ASYNC_TAKEOVER_STANDBY)) {
            return ASYNC_TAKEOVER_STOPPED;
        }
    }
}


static async_takeover_t
async_takeover_recover(async_store_t *store, int signals, uint64_t epoch)
{
    int              ms;
    bool             left, told;
    async_rc_t       rc;
    async_error_t    err;
    struct timespec  ts;

    told = false;

    do {
        left = true;

        clock_gettime(CLOCK_REALTIME, &ts);
        rc = async_store_recover(store, epoch, (int64_t) ts.tv_sec * 1000
                                 + ts.tv_nsec / 1000000,
                                 ASYNC_TAKEOVER_SLICE, &left, &err);

        if (rc == ASYNC_OK) {
            ms = ASYNC_TAKEOVER_PAUSE;

        } else if (async_takeover_again(rc, "cannot recover jobs", &err,
                                        told))
        {
            ms = ASYNC_TAKEOVER_STANDBY;
            left = true;
            told = true;

        } else {
            return ASYNC_TAKEOVER_FAILED;
        }

        if (left && !async_takeover_wait(signals, ms)) {
            return ASYNC_TAKEOVER_STOPPED;
        }

    } while (left);

    return ASYNC_TAKEOVER_DONE;
}


/* whether nothing was written and it may go better after a while; told once,
   for a disk that failed is waited for until somebody comes */

static bool
async_takeover_again(async_rc_t rc, const char *what, const async_error_t *err,
    bool told)
{
    bool               again;
    async_log_quote_t  why;

    again = rc == ASYNC_BUSY || rc == ASYNC_UNAVAILABLE
            || rc == ASYNC_STORE_FULL;

    async_log(!again ? ASYNC_LOG_ERROR
              : told ? ASYNC_LOG_DEBUG : ASYNC_LOG_WARN,
              "msg=\"%s\" result=%s error=%s", what, async_rc_name(rc),
              async_log_quote(&why, err->text));

    return again;
}


/* false if a signal came; shows signs of life if they are asked for */

static bool
async_takeover_wait(int signals, int ms)
{
    int            beat, piece;
    struct pollfd  pfd;

    beat = async_notify_interval();

    pfd.fd = signals;
    pfd.events = POLLIN;

    for ( /* void */ ; ms > 0; ms -= piece) {
        piece = beat && beat < ms ? beat : ms;

        if (beat) {
            async_notify("WATCHDOG=1");
        }

        if (poll(&pfd, 1, piece) != 0) {
            return false;
        }
    }

    return true;
}
