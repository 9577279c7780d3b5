/*
 * nginx-async salvage.
 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "async_drop.h"
#include "async_main.h"
#include "async_print.h"


static bool async_salvage_empty(const char *path, async_error_t *err);
static async_rc_t async_salvage_prepare(const async_options_t *options,
    async_error_t *err);


int
async_main_salvage(const async_options_t *options)
{
    async_rc_t               rc;
    async_bar_t              bar;
    async_error_t            err;
    struct timespec          ts;
    async_salvage_options_t  salvage;
    async_salvage_figures_t  figures;

    rc = async_salvage_prepare(options, &err);

    if (rc == ASYNC_OK) {
        rc = async_drop(options->store, NULL, &err);
    }

    if (rc != ASYNC_OK) {
        return async_main_failed(&err);
    }

    clock_gettime(CLOCK_REALTIME, &ts);

    salvage.from = options->store;
    salvage.to = options->args[0];
    salvage.now = (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;

    async_bar_init(&bar);

    rc = async_store_salvage(&salvage, &figures, async_main_fault,
                             async_main_progress, &bar, &err);

    async_bar_clear(&bar);

    if (rc != ASYNC_OK) {
        return async_main_failed(&err);
    }

    async_print_salvage(&figures, options->given[ASYNC_OPTION_JSON]);

    return async_salvage_whole(&figures) ? ASYNC_EXIT_DONE
                                         : ASYNC_EXIT_FAILED;
}


/* as nginx would make it, for the user that the damaged store belongs to */

static async_rc_t
async_salvage_prepare(const async_options_t *options, async_error_t *err)
{
    unsigned    uid, gid;
    async_rc_t  rc;

    rc = async_drop_who(options->store, &uid, &gid, err);

    if (rc != ASYNC_OK) {
        return rc;
    }

    if (!async_salvage_empty(options->args[0], err)) {
        return ASYNC_INVALID;
    }

    return async_store_prepare(options->args[0], uid, gid, err);
}


/* but for the folders that a salvage without success has left */

static bool
async_salvage_empty(const char *path, async_error_t *err)
{
    DIR            *dir;
    bool            empty;
    size_t          i;
    struct dirent  *entry;

    static const char *const  names[] = { ".", "..", "db", "spool", "run" };

    dir = opendir(path);

    if (dir == NULL) {

        if (errno == ENOENT) {
            return true;
        }

        async_error_set(err, "cannot open the folder \"%s\": %s", path,
                        strerror(errno));
        return false;
    }

    empty = true;

    while ((entry = readdir(dir)) != NULL) {

        for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (strcmp(entry->d_name, names[i]) == 0) {
                break;
            }
        }

        empty = empty && i < sizeof(names) / sizeof(names[0]);
    }

    closedir(dir);

    if (!empty) {
        async_error_set(err, "\"%s\" is not empty", path);
    }

    return empty;
}
