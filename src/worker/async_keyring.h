/*
 * The worker's keys.  nginx says in the store which files hold them; they are
 * read when it says something new, and again as long as one of them cannot be
 * read or holds another key than the one that nginx found there.
 */

#ifndef ASYNC_KEYRING_H
#define ASYNC_KEYRING_H

#include "async_keys.h"


typedef struct {
    bool               ready;       /* what is stored now can be encrypted, if
                                       it is to be: jobs may run */
    bool               whole;       /* every key is here */
    async_key_files_t  files;
    char               error[ASYNC_ERROR_TEXT];     /* last told of */
    uint8_t            locked[ASYNC_KEY_ID];        /* last told of */
    int64_t            told;        /* when, 0 = never */
} async_keyring_t;


/* a word with the store, cheap enough before every claim */
void async_keyring_look(async_keyring_t *ring, async_store_t *store);
/* and with the files, if one is missing: each second */
void async_keyring_check(async_keyring_t *ring, async_store_t *store);
/* a claim left jobs alone for want of this key; now in ms */
void async_keyring_locked(async_keyring_t *ring, unsigned jobs,
    const uint8_t key[ASYNC_KEY_ID], int64_t now);


#endif /* ASYNC_KEYRING_H */
