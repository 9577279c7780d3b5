/*
 * nginx-async backup.
 *
 * Two processes: the caller makes the files and gives the archive its name,
 * with the rights that he has where it lies; his child becomes the owner of
 * the store and does the work.  A page that is damaged may kill who reads it,
 * and then it is the child.
 */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "async_drop.h"
#include "async_main.h"
#include "async_print.h"


#define ASYNC_TMP  ".tmp"


typedef struct {
    const char  *name;                /* FILE */
    char         tmp[PATH_MAX];
    int          fd;                  /* the archive */
    int          spare;               /* has no name any more */
    bool         made;                /* tmp is ours */
} async_archive_t;


static bool async_archive_open(async_archive_t *a, async_error_t *err);
static bool async_archive_spare(async_archive_t *a,
    const async_options_t *options, async_error_t *err);
static bool async_archive_close(async_archive_t *a, bool keep,
    async_error_t *err);
static bool async_archive_error(const char *what, const char *name,
    async_error_t *err);
static int async_backup_child(const async_options_t *options,
    const async_archive_t *a, int report);
static bool async_backup_wait(pid_t child, int fd,
    async_backup_figures_t *figures, async_error_t *err);
static int64_t async_backup_clock(clockid_t clock);


int
async_main_backup(const async_options_t *options)
{
    int                      fds[2];
    bool                     kept;
    pid_t                    child;
    int64_t                  start;
    sigset_t                 set, before;
    async_error_t            err;
    async_archive_t          a = { .name = options->args[0], .fd = -1,
                                   .spare = -1 };
    async_backup_figures_t   figures;

    start = async_backup_clock(CLOCK_MONOTONIC);

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, &before);

    if (!async_archive_open(&a, &err)
        || !async_archive_spare(&a, options, &err))
    {
        (void) async_archive_close(&a, false, NULL);
        return async_main_failed(&err);
    }

    if (pipe2(fds, O_CLOEXEC) == -1 || (child = fork()) == -1) {
        (void) async_archive_error("start a process for", a.name, &err);
        (void) async_archive_close(&a, false, NULL);
        return async_main_failed(&err);
    }

    if (child == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        close(fds[0]);
        _exit(async_backup_child(options, &a, fds[1]));
    }

    close(fds[1]);

    err.text[0] = '\0';
    kept = async_backup_wait(child, fds[0], &figures, &err)
           && (figures.check.faults == 0
               || options->given[ASYNC_OPTION_FORCE]);

    if (!async_archive_close(&a, kept, &err)) {
        kept = false;
    }

    if (err.text[0] != '\0') {
        return async_main_failed(&err);
    }

    if (kept || figures.check.faults != 0) {
        async_print_backup(&figures,
                           async_backup_clock(CLOCK_MONOTONIC) - start,
                           options->given[ASYNC_OPTION_JSON]);
    }

    if (!kept && figures.check.faults != 0) {
        (void) fprintf(stderr, "nginx-async: the backup has faults and was "
                       "not kept; --force keeps it\n");
    }

    return kept && figures.check.faults == 0 ? ASYNC_EXIT_DONE
                                             : ASYNC_EXIT_FAILED;
}


/* --- the files --- */

/* one that is there and that nobody holds was left by a backup that died */

static bool
async_archive_open(async_archive_t *a, async_error_t *err)
{
    int          n;
    struct stat  st;

    n = snprintf(a->tmp, sizeof(a->tmp), "%s" ASYNC_TMP, a->name);

    if (n < 0 || (size_t) n >= sizeof(a->tmp) || *a->name == '\0') {
        async_error_set(err, "the name of the backup is empty or too long");
        return false;
    }

    if (stat(a->name, &st) == 0 && !S_ISREG(st.st_mode)) {
        async_error_set(err, "\"%s\" is there and is not a file", a->name);
        return false;
    }

    a->fd = open(a->tmp, O_RDWR|O_CREAT|O_CLOEXEC|O_NOFOLLOW, 0600);

    if (a->fd == -1 || fstat(a->fd, &st) == -1) {
        return async_archive_error("write", a->tmp, err);
    }

    /* in a folder like /tmp somebody may have waited for us with his own */

    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1) {
        async_error_set(err, "\"%s\" is in the way", a->tmp);
        return false;
    }

    if (flock(a->fd, LOCK_EX|LOCK_NB) == -1) {
        async_error_set(err, "another backup to \"%s\" is at work", a->name);
        return false;
    }

    a->made = true;

    if (ftruncate(a->fd, 0) == -1 || fchmod(a->fd, 0600) == -1) {
        return async_archive_error("write", a->tmp, err);
    }

    return true;
}


static bool
async_archive_spare(async_archive_t *a, const async_options_t *options,
    async_error_t *err)
{
    char      name[PATH_MAX + 8];
    unsigned  uid, gid;

    if (async_drop_who(options->store, &uid, &gid, err) != ASYNC_OK) {
        return false;
    }

    (void) snprintf(name, sizeof(name), "%s.XXXXXX", a->tmp);

    a->spare = mkostemp(name, O_CLOEXEC);

    if (a->spare == -1) {
        return async_archive_error("write", name, err);
    }

    (void) unlink(name);

    /* the child opens it once more, as somebody else */

    if (geteuid() == 0 && fchown(a->spare, uid, gid) == -1) {
        return async_archive_error("give away", name, err);
    }

    return true;
}


/* false if it was to be kept and could not be */

static bool
async_archive_close(async_archive_t *a, bool keep, async_error_t *err)
{
    int   fd;
    char  folder[PATH_MAX];

    if (keep) {
        fd = -1;

        if (rename(a->tmp, a->name) == -1) {
            keep = false;

        } else {
            a->made = false;
            (void) snprintf(folder, sizeof(folder), "%s", a->name);

            fd = open(dirname(folder), O_RDONLY|O_DIRECTORY|O_CLOEXEC);
            keep = fd != -1 && fsync(fd) == 0;
        }

        if (!keep) {
            (void) async_archive_error("put in its place", a->name, err);
        }

        if (fd != -1) {
            close(fd);
        }
    }

    if (a->made) {
        (void) unlink(a->tmp);
    }

    if (a->fd != -1) {
        close(a->fd);
    }

    if (a->spare != -1) {
        close(a->spare);
    }

    return keep || err == NULL || err->text[0] == '\0';
}


static bool
async_archive_error(const char *what, const char *name, async_error_t *err)
{
    async_error_set(err, "cannot %s \"%s\": %s", what, name,
                    strerror(errno));

    return false;
}


/* --- the child --- */

static int
async_backup_child(const async_options_t *options, const async_archive_t *a,
    int report)
{
    async_rc_t               rc;
    async_bar_t              bar;
    async_error_t            err;
    async_store_t           *store;
    async_store_options_t    open = { .path = options->store,
                                      .inspect = true };
    async_backup_options_t   backup;
    async_backup_figures_t   figures;

    rc = async_drop(options->store, NULL, &err);

    if (rc != ASYNC_OK) {
        return async_main_failed(&err);
    }

    /* now that we are who we will be: it would be forgotten before */

    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);

    rc = async_store_open(&store, &open, &err);

    if (rc != ASYNC_OK) {
        return async_main_unopened(rc, &err);
    }

    backup.fd = a->fd;
    backup.spare = a->spare;
    backup.rate = options->rate;
    backup.now = async_backup_clock(CLOCK_REALTIME);

    async_bar_init(&bar);

    rc = async_store_backup(store, &backup, &figures, async_main_fault,
                            async_main_progress, &bar, &err);

    async_bar_clear(&bar);
    async_store_close(store);

    if (rc != ASYNC_OK) {
        return async_main_failed(&err);
    }

    return write(report, &figures, sizeof(figures))
           == (ssize_t) sizeof(figures) ? ASYNC_EXIT_DONE : ASYNC_EXIT_FAILED;
}


/* true: it is done, and figures say what; else err says why, or the child
   has */

static bool
async_backup_wait(pid_t child, int fd, async_backup_figures_t *figures,
    async_error_t *err)
{
    int       status, signal;
    bool      told;
    pid_t     pid;
    sigset_t  set;

    memset(figures, 0, sizeof(async_backup_figures_t));

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);

    told = false;

    while ((pid = waitpid(child, &status, WNOHANG)) == 0) {

        if (sigwait(&set, &signal) == 0 && signal != SIGCHLD) {
            told = true;
            (void) kill(child, SIGTERM);
        }
    }

    if (pid == child && WIFEXITED(status)
        && WEXITSTATUS(status) == ASYNC_EXIT_DONE
        && read(fd, figures, sizeof(*figures)) == (ssize_t) sizeof(*figures))
    {
        return true;
    }

    if (told) {
        async_error_set(err, "the backup was stopped");

    } else if (pid == child && WIFSIGNALED(status)) {
        async_error_set(err, "reading the store ended with signal %d; run "
                        "nginx-async check, and salvage if it is damaged",
                        WTERMSIG(status));
    }

    return false;
}


static int64_t
async_backup_clock(clockid_t clock)
{
    struct timespec  ts;

    clock_gettime(clock, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
