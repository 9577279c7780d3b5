/*
 * What can happen to a store that is open: its files replaced, its disk
 * failing, its pages damaged.  Whoever has it open learns it here, and closes
 * it; opened anew, it is what is there now.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "async_db.h"


/* whoever replaces one of them parts those that use the store */

static const char *const  async_health_files[ASYNC_FILES] = {
    "data.mdb", "lock.mdb", "door"
};


async_rc_t
async_health_begin(async_store_t *store, async_error_t *err)
{
    int          i;
    struct stat  st;

    for (i = 0; i < ASYNC_FILES; i++) {

        if (fstatat(store->dir_fd, async_health_files[i], &st,
                    AT_SYMLINK_NOFOLLOW)
            == -1)
        {
            async_error_set(err, "cannot look at db/%s of the store: %s",
                            async_health_files[i], strerror(errno));
            return ASYNC_UNAVAILABLE;
        }

        store->dev[i] = st.st_dev;
        store->ino[i] = st.st_ino;
    }

    return ASYNC_OK;
}


async_store_health_t
async_store_health(async_store_t *store)
{
    (void) async_health_there(store);

    return (async_store_health_t) atomic_load(&store->health);
}


const char *
async_store_health_text(async_store_health_t health)
{
    switch (health) {

    case ASYNC_STORE_REPLACED:
        return "a file of the store was replaced or removed";

    case ASYNC_STORE_BROKEN:
        return "a write to the store failed in the middle, or its size was "
               "changed";

    case ASYNC_STORE_DAMAGED:
        return "a page of the store is damaged; run nginx-async check";

    default:
        return "";
    }
}


/*
 * Writing on into files that others no longer find would lose what was
 * promised.  They look by name, so the folder may not have moved either.
 */

bool
async_health_there(async_store_t *store)
{
    int          i, n;
    char         path[PATH_MAX];
    struct stat  st;

    for (i = 0; i < ASYNC_FILES; i++) {
        n = snprintf(path, sizeof(path), "%s/db/%s", store->path,
                     async_health_files[i]);

        if (n < 0 || (size_t) n >= sizeof(path) || stat(path, &st) == -1
            || st.st_dev != store->dev[i] || st.st_ino != store->ino[i])
        {
            atomic_store(&store->health, ASYNC_STORE_REPLACED);
            return false;
        }
    }

    return true;
}


async_rc_t
async_health_damaged(async_store_t *store, async_error_t *err)
{
    atomic_store(&store->health, ASYNC_STORE_DAMAGED);

    if (store->door.map != NULL) {
        async_door_fault(&store->door, async_monotonic());
    }

    async_error_set(err, "%s", async_store_health_text(ASYNC_STORE_DAMAGED));

    return ASYNC_UNAVAILABLE;
}


void
async_health_judge(async_store_t *store, int rc)
{
    if (rc == MDB_PANIC || rc == MDB_MAP_RESIZED) {
        atomic_store(&store->health, ASYNC_STORE_BROKEN);
    }
}
