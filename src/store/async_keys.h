/*
 * The keys that payloads are encrypted with (async_cipher.h).
 *
 * A key file is one line: 32 random bytes as 64 hexadecimal digits, or as
 * base64.  nginx reads the files when it reads its configuration, and tells
 * the worker their paths through the store: a row in policy.  The keys
 * themselves are never stored.
 */

#ifndef ASYNC_KEYS_H
#define ASYNC_KEYS_H

#include "async_store.h"


#define ASYNC_SECRET         32       /* bytes of a key */
#define ASYNC_KEYS_MAX       8
#define ASYNC_KEY_PATH       1024     /* bytes of a path, with its NUL */

typedef struct {
    uint8_t         id[ASYNC_KEY_ID];     /* the first bytes of the SHA-256
                                             of the key */
    uint8_t         bytes[ASYNC_SECRET];
} async_secret_t;

typedef struct {
    async_secret_t  secrets[ASYNC_KEYS_MAX];
    unsigned        n;
    bool            encrypts;         /* with the first; all decrypt */
} async_keys_t;


/*
 * Reads a key file and appends what it holds.  *exposed: it can be read by
 * others than its owner and group.  ASYNC_INVALID: it is no key file, or one
 * too many; ASYNC_UNAVAILABLE: it cannot be read.
 */
async_rc_t async_keys_read(async_keys_t *keys, const char *path,
    bool *exposed, async_error_t *err);
/* forgets them, in memory too */
void async_keys_clean(async_keys_t *keys);
/* NULL if it is not among them */
const async_secret_t *async_keys_find(const async_keys_t *keys,
    const uint8_t id[ASYNC_KEY_ID]);

#define ASYNC_KEY_ID_TEXT  (2 * ASYNC_KEY_ID + 1)

/* in hexadecimal, with a NUL; returns text */
const char *async_key_id_format(char text[ASYNC_KEY_ID_TEXT],
    const uint8_t id[ASYNC_KEY_ID]);

/*
 * From now on the store encrypts and decrypts with these, which are copied;
 * NULL: with none.  Calls under way in other threads are not disturbed, and
 * what was begun with the keys before can be ended with them.
 */
async_rc_t async_store_use_keys(async_store_t *store,
    const async_keys_t *keys);
/* whether it encrypts what is stored from now on */
bool async_store_encrypts(const async_store_t *store);
/* whether what has this seal can be read */
bool async_store_unlocks(const async_store_t *store,
    const async_seal_t *seal);


/* what async_store said in nginx.conf */
typedef struct {
    int64_t   loaded;                 /* unix ms when that nginx read its
                                         configuration; the newest wins */
    bool      encrypts;
    unsigned  n;
    uint8_t   ids[ASYNC_KEYS_MAX][ASYNC_KEY_ID];      /* as it read them */
    char      paths[ASYNC_KEYS_MAX][ASYNC_KEY_PATH];
} async_key_files_t;

async_rc_t async_store_publish_keys(async_store_t *store,
    const async_key_files_t *files, async_error_t *err);
/* ASYNC_NOT_FOUND: nobody ever published any */
async_rc_t async_store_key_files(async_store_t *store,
    async_key_files_t *files);


#endif /* ASYNC_KEYS_H */
