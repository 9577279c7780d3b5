#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async_drop.h"


typedef struct {
    uid_t  uid;
    gid_t  gid;
} async_account_t;


static async_rc_t async_drop_owner(const char *store, async_account_t *owner,
    async_error_t *err);
static async_rc_t async_drop_user(const char *user, async_account_t *account,
    async_error_t *err);
static async_rc_t async_drop_to(const async_account_t *account,
    async_error_t *err);
static const char *async_drop_name(uid_t uid, char *buf, size_t size);


async_rc_t
async_drop(const char *store, const char *user, async_error_t *err)
{
    char             name[64];
    bool             there;
    async_rc_t       rc;
    async_account_t  owner, wanted;

    rc = async_drop_owner(store, &owner, err);
    there = (rc == ASYNC_OK);

    if (rc != ASYNC_OK && rc != ASYNC_NOT_FOUND) {
        return rc;
    }

    if (user != NULL) {
        rc = async_drop_user(user, &wanted, err);

        if (rc != ASYNC_OK) {
            return rc;
        }

        if (there && wanted.uid != owner.uid) {
            async_error_set(err, "the store \"%s\" belongs to %s, not to "
                            "\"%s\"", store,
                            async_drop_name(owner.uid, name, sizeof(name)),
                            user);
            return ASYNC_INVALID;
        }

        owner.uid = wanted.uid;
        owner.gid = there ? owner.gid : wanted.gid;

    } else if (!there) {
        return ASYNC_NOT_FOUND;
    }

    if (owner.uid == geteuid()) {
        return ASYNC_OK;
    }

    if (geteuid() != 0) {
        async_error_set(err, "the store \"%s\" belongs to %s; start as that "
                        "user, or as root", store,
                        async_drop_name(owner.uid, name, sizeof(name)));
        return ASYNC_INVALID;
    }

    return async_drop_to(&owner, err);
}


async_rc_t
async_drop_who(const char *store, unsigned *uid, unsigned *gid,
    async_error_t *err)
{
    async_rc_t       rc;
    async_account_t  owner;

    rc = async_drop_owner(store, &owner, err);

    if (rc == ASYNC_OK) {
        *uid = owner.uid;
        *gid = owner.gid;
    }

    return rc;
}


static async_rc_t
async_drop_owner(const char *store, async_account_t *owner,
    async_error_t *err)
{
    int          n;
    char         path[4096];
    struct stat  st;

    n = snprintf(path, sizeof(path), "%s/db", store);

    if (n < 0 || (size_t) n >= sizeof(path) - sizeof("/data.mdb")) {
        async_error_set(err, "the name of the store is too long");
        return ASYNC_INVALID;
    }

    /* not through a link: its owner would say who root turns into */

    if (lstat(path, &st) == -1) {

        if (errno == ENOENT) {
            async_error_set(err, "there is no store in \"%s\" yet", store);
            return ASYNC_NOT_FOUND;
        }

        async_error_set(err, "cannot look at \"%s\": %s", path,
                        strerror(errno));
        return ASYNC_UNAVAILABLE;
    }

    if (!S_ISDIR(st.st_mode)) {
        async_error_set(err, "\"%s\" is not a folder", path);
        return ASYNC_UNAVAILABLE;
    }

    /* nginx makes the folder and then gives it away: wait for a file in it */

    if (st.st_uid == 0) {
        (void) strcat(path, "/data.mdb");

        if (lstat(path, &st) == -1) {
            async_error_set(err, "there is no store in \"%s\" yet", store);
            return ASYNC_NOT_FOUND;
        }
    }

    owner->uid = st.st_uid;
    owner->gid = st.st_gid;

    return ASYNC_OK;
}


static async_rc_t
async_drop_user(const char *user, async_account_t *account,
    async_error_t *err)
{
    struct passwd  *pw;

    pw = getpwnam(user);

    if (pw == NULL) {
        async_error_set(err, "there is no user \"%s\"", user);
        return ASYNC_INVALID;
    }

    account->uid = pw->pw_uid;
    account->gid = pw->pw_gid;

    return ASYNC_OK;
}


static async_rc_t
async_drop_to(const async_account_t *account, async_error_t *err)
{
    char  name[64];

    /* groups first: afterwards we are not allowed to */

    if (setgroups(0, NULL) == -1
        || setresgid(account->gid, account->gid, account->gid) == -1
        || setresuid(account->uid, account->uid, account->uid) == -1)
    {
        async_error_set(err, "cannot become %s: %s",
                        async_drop_name(account->uid, name, sizeof(name)),
                        strerror(errno));
        return ASYNC_UNAVAILABLE;
    }

    if (setuid(0) == 0) {
        async_error_set(err, "root's rights could not be given up");
        return ASYNC_UNAVAILABLE;
    }

    return ASYNC_OK;
}


static const char *
async_drop_name(uid_t uid, char *buf, size_t size)
{
    struct passwd  *pw;

    pw = getpwuid(uid);

    if (pw != NULL) {
        (void) snprintf(buf, size, "\"%s\"", pw->pw_name);

    } else {
        (void) snprintf(buf, size, "user %lu", (unsigned long) uid);
    }

    return buf;
}
