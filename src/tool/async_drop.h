/*
 * Who a tool works as: the owner of the store's db/, nobody else.  Root must
 * not open or make anything by name in folders that another user can write
 * to, and files that root made there would be lost to that user.
 */

#ifndef ASYNC_DROP_H
#define ASYNC_DROP_H

#include "async_rc.h"


/*
 * If the caller is root, it becomes the owner of <store>/db (user and group,
 * no other groups) for good.  user, if not NULL, must be that owner; it may
 * be given while there is no db/ yet.
 *
 * ASYNC_NOT_FOUND: there is no db/ and no user was given, nothing changed.
 * ASYNC_INVALID: no such user, or the caller is somebody else than the owner.
 * ASYNC_UNAVAILABLE: the system refused.
 */
async_rc_t async_drop(const char *store, const char *user,
    async_error_t *err);
/* who that is; changes nothing */
async_rc_t async_drop_who(const char *store, unsigned *uid, unsigned *gid,
    async_error_t *err);


#endif /* ASYNC_DROP_H */
