#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "async_salvager.h"


static async_rc_t async_salvage_pages(async_salvager_t *s);
static async_rc_t async_salvage_vacant(async_salvager_t *s);
static async_rc_t async_salvage_judge(async_salvager_t *s);
static async_rc_t async_salvage_make(async_salvager_t *s);
static async_rc_t async_salvage_verify(async_salvager_t *s,
    async_store_t *store);
static bool async_salvage_files(const char *path, const char *folder,
    bool remove);


async_rc_t
async_store_salvage(const async_salvage_options_t *options,
    async_salvage_figures_t *figures, async_check_fn report,
    async_check_progress_fn progress, void *data, async_error_t *err)
{
    async_rc_t        rc;
    async_salvager_t  s;

    memset(figures, 0, sizeof(async_salvage_figures_t));
    memset(&s, 0, sizeof(s));

    s.options = options;
    s.figures = figures;
    s.report = report;
    s.progress = progress;
    s.data = data;
    s.err = err;
    s.pages.fd = -1;

    rc = async_salvage_pages(&s);

    if (rc == ASYNC_OK) {
        rc = async_salvage_vacant(&s);
    }

    if (rc == ASYNC_OK) {
        rc = async_scratch_open(&s);
    }

    if (rc == ASYNC_OK) {
        async_salvage_find(&s);
        rc = s.rc;
    }

    if (rc == ASYNC_OK) {
        rc = async_salvage_judge(&s);
    }

    if (rc == ASYNC_OK) {
        rc = async_salvage_make(&s);
    }

    async_scratch_close(&s);
    async_pages_close(&s.pages);

    return rc;
}


bool
async_salvage_whole(const async_salvage_figures_t *figures)
{
    return figures->counted
           && figures->jobs >= figures->promised
           && figures->whole == figures->jobs
           && figures->rows == 0;
}


static async_rc_t
async_salvage_pages(async_salvager_t *s)
{
    int         fd, n;
    char        path[4096];
    async_rc_t  rc;

    n = snprintf(path, sizeof(path), "%s/db", s->options->from);

    if (n < 0 || (size_t) n >= sizeof(path)) {
        async_error_set(s->err, "the path of the store is too long");
        return ASYNC_INVALID;
    }

    fd = open(path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (fd == -1) {
        async_error_set(s->err, "cannot open the folder \"%s\": %s", path,
                        strerror(errno));
        return errno == ENOENT ? ASYNC_NOT_FOUND : ASYNC_UNAVAILABLE;
    }

    rc = async_pages_open(&s->pages, fd, "data.mdb", s->err);

    close(fd);

    return rc;
}


static async_rc_t
async_salvage_vacant(async_salvager_t *s)
{
    if (async_salvage_files(s->options->to, "db", false)
        || async_salvage_files(s->options->to, "spool", false))
    {
        async_error_set(s->err, "there is a store in \"%s\" already",
                        s->options->to);
        return ASYNC_INVALID;
    }

    return ASYNC_OK;
}


/* true if there are any */

static bool
async_salvage_files(const char *path, const char *folder, bool remove)
{
    int             fd, n;
    DIR            *dir;
    bool            any;
    char            name[4096];
    struct dirent  *entry;

    n = snprintf(name, sizeof(name), "%s/%s", path, folder);

    if (n < 0 || (size_t) n >= sizeof(name)) {
        return false;
    }

    fd = open(name, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    dir = fd != -1 ? fdopendir(fd) : NULL;

    if (dir == NULL) {

        if (fd != -1) {
            close(fd);
        }

        return false;
    }

    any = false;

    while ((entry = readdir(dir)) != NULL) {

        if (strcmp(entry->d_name, ".") == 0
            || strcmp(entry->d_name, "..") == 0)
        {
            continue;
        }

        any = true;

        if (remove) {
            (void) unlinkat(fd, entry->d_name, 0);
        }
    }

    closedir(dir);

    return any;
}


static async_rc_t
async_salvage_judge(async_salvager_t *s)
{
    uint64_t    jobs, policies;
    async_db_t  trail = ASYNC_DB_TRAIL;

    if (s->has_meta && s->meta.schema != ASYNC_SCHEMA) {
        async_error_set(s->err, "the store has schema %u, this program knows "
                        "%u", (unsigned) s->meta.schema, ASYNC_SCHEMA);
        return ASYNC_UNAVAILABLE;
    }

    jobs = async_scratch_count(s, ASYNC_DB_JOBS);
    policies = async_scratch_count(s, ASYNC_DB_POLICY);

    if (s->rc == ASYNC_OK && !s->has_meta && jobs == 0 && policies == 0
        && async_scratch_count(s, trail) == 0)
    {
        async_error_set(s->err, "nothing of a store was found in "
                        "\"%s/db/data.mdb\"", s->options->from);
        return ASYNC_CORRUPT;
    }

    async_scratch_commit(s);

    return s->rc;
}


static async_rc_t
async_salvage_make(async_salvager_t *s)
{
    async_rc_t             rc;
    async_store_t         *store;
    async_store_options_t  options;

    memset(&options, 0, sizeof(options));

    options.path = s->options->to;
    options.create = true;
    options.relaxed = true;

    if (s->has_meta && s->meta.size >= ASYNC_STORE_SIZE_MIN) {
        options.size = s->meta.size;
    }

    rc = async_store_open(&store, &options, s->err);

    if (rc == ASYNC_OK) {
        async_salvage_fill(s, store);
        rc = s->rc;
    }

    if (rc == ASYNC_OK) {
        rc = async_db_rc(mdb_env_sync(store->env, 1), "sync the new store",
                         s->err);
    }

    if (rc == ASYNC_OK) {
        rc = async_salvage_verify(s, store);
    }

    async_store_close(store);

    /* half a store must not look like one */

    if (rc != ASYNC_OK) {
        (void) async_salvage_files(s->options->to, "db", true);
        (void) async_salvage_files(s->options->to, "spool", true);
    }

    return rc;
}


static async_rc_t
async_salvage_verify(async_salvager_t *s, async_store_t *store)
{
    async_rc_t             rc;
    async_check_figures_t  figures;

    rc = async_store_check(store, &figures, s->report, NULL, s->data,
                           s->err);

    if (rc == ASYNC_OK && figures.faults > 0) {
        async_error_set(s->err, "the new store did not pass the check, with "
                        "%llu faults", (unsigned long long) figures.faults);
        rc = ASYNC_UNAVAILABLE;
    }

    return rc;
}
