/*
 * What nginx.conf says of webhooks, on its way to the worker through the
 * store: who may be called, and which files hold the secrets.  A policy is
 * immutable and its key is made from its bytes, like a location's; a job
 * keeps the one that it was accepted with.
 */

#ifndef ASYNC_HOOK_POLICY_H
#define ASYNC_HOOK_POLICY_H

#include "async_hook.h"


#define ASYNC_HOOK_SECRETS     4    /* files of a policy */
#define ASYNC_HOOK_PATH        1023 /* bytes of a path */
#define ASYNC_HOOK_ALLOW       8192 /* bytes of a list, see async_allow.h */
#define ASYNC_HOOK_POLICY_MAX  16384
#define ASYNC_HOOK_IN_FORCE    256  /* policies of one configuration */


/* whose key it is that signs */
typedef enum {
    ASYNC_HOOK_PER_NONE  = 0,       /* the secret itself */
    ASYNC_HOOK_PER_OWNER = 1,       /* derived for the job's owner */
    ASYNC_HOOK_PER_HOST  = 2        /* or for the host of the URL */
} async_hook_per_t;

typedef struct {
    uint8_t      per;               /* async_hook_per_t */
    unsigned     nsecrets;          /* 1..ASYNC_HOOK_SECRETS */
    async_str_t  secrets[ASYNC_HOOK_SECRETS];      /* absolute paths */
    async_str_t  allow;             /* list of async_callback_allow */
} async_hook_policy_t;

/* those of the configuration that was loaded last: for keygen */
typedef struct {
    int64_t   loaded;               /* unix ms */
    unsigned  n;
    uint8_t   keys[ASYNC_HOOK_IN_FORCE][ASYNC_HOOK_POLICY];
} async_hooks_in_force_t;


size_t async_hook_policy_encode(const async_hook_policy_t *p, uint8_t *buf,
    size_t cap);
/* borrows from data */
async_rc_t async_hook_policy_decode(async_hook_policy_t *p, const void *data,
    size_t len);
size_t async_hooks_in_force_encode(const async_hooks_in_force_t *f,
    uint8_t *buf, size_t cap);
async_rc_t async_hooks_in_force_decode(async_hooks_in_force_t *f,
    const void *data, size_t len);


#endif /* ASYNC_HOOK_POLICY_H */
