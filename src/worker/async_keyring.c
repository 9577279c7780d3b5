#include <string.h>

#include "async_keyring.h"
#include "async_log.h"


#define ASYNC_KEYRING_REMIND  60000     /* ms between words on one key */


static void async_keyring_load(async_keyring_t *ring, async_store_t *store);
static bool async_keyring_read(const async_key_files_t *files, unsigned i,
    async_keys_t *keys, async_error_t *err);
static void async_keyring_told(async_keyring_t *ring, const char *error);


void
async_keyring_look(async_keyring_t *ring, async_store_t *store)
{
    async_rc_t         rc;
    async_key_files_t  files;

    rc = async_store_key_files(store, &files);

    if (rc == ASYNC_NOT_FOUND) {
        memset(&files, 0, sizeof(async_key_files_t));

    } else if (rc != ASYNC_OK) {

        /* storing a response in the clear is no way out */

        ring->ready = false;
        ring->whole = false;
        async_keyring_told(ring, "what nginx said of key files cannot be "
                           "read from the store");
        return;
    }

    if (ring->ready && files.loaded == ring->files.loaded) {
        return;
    }

    if (files.loaded != ring->files.loaded || ring->files.n == 0) {
        ring->files = files;
        async_keyring_load(ring, store);
    }
}


void
async_keyring_check(async_keyring_t *ring, async_store_t *store)
{
    async_keyring_look(ring, store);

    if (!ring->whole) {
        async_keyring_load(ring, store);
    }
}


/* the keys in use stay in use until those that take their place are read */

static void
async_keyring_load(async_keyring_t *ring, async_store_t *store)
{
    bool           first;
    unsigned       i;
    async_keys_t   keys;
    async_error_t  err, why;

    memset(&keys, 0, sizeof(async_keys_t));
    err.text[0] = '\0';

    first = true;
    ring->whole = true;

    for (i = 0; i < ring->files.n; i++) {

        if (!async_keyring_read(&ring->files, i, &keys, &why)) {
            err = ring->whole ? why : err;
            ring->whole = false;
            first = first && i > 0;
        }
    }

    keys.encrypts = ring->files.encrypts;
    ring->ready = first || !keys.encrypts;

    if (ring->ready && async_store_use_keys(store, &keys) != ASYNC_OK) {
        async_error_set(&err, "no memory for keys");
        ring->ready = false;
        ring->whole = false;
    }

    async_keys_clean(&keys);
    async_keyring_told(ring, err.text);
}


/* one that was written over is not what nginx encrypts with */

static bool
async_keyring_read(const async_key_files_t *files, unsigned i,
    async_keys_t *keys, async_error_t *err)
{
    bool  exposed;

    if (async_keys_read(keys, files->paths[i], &exposed, err) != ASYNC_OK) {
        return false;
    }

    if (memcmp(keys->secrets[keys->n - 1].id, files->ids[i], ASYNC_KEY_ID)
        != 0)
    {
        keys->n--;
        async_error_set(err, "\"%.120s\" holds another key than when nginx "
                        "read it; put that back, or reload nginx",
                        files->paths[i]);
        return false;
    }

    return true;
}


/* each trouble once, and its end */

static void
async_keyring_told(async_keyring_t *ring, const char *error)
{
    async_log_quote_t  quote;

    if (strcmp(ring->error, error) == 0) {
        return;
    }

    memcpy(ring->error, error, strlen(error) + 1);

    if (error[0] == '\0') {
        async_log(ASYNC_LOG_NOTICE, "msg=\"all key files can be read\"");

    } else if (ring->ready) {
        async_log(ASYNC_LOG_ERROR, "msg=\"a key file cannot be used: jobs "
                  "that are encrypted with it wait; it must be readable for "
                  "the user of the worker\" error=%s",
                  async_log_quote(&quote, error));

    } else {
        async_log(ASYNC_LOG_ERROR, "msg=\"the key cannot be used: no job "
                  "runs until it can; it must be readable for the user of "
                  "the worker\" error=%s", async_log_quote(&quote, error));
    }
}


void
async_keyring_locked(async_keyring_t *ring, unsigned jobs,
    const uint8_t key[ASYNC_KEY_ID], int64_t now)
{
    char  text[ASYNC_KEY_ID_TEXT];

    if (jobs == 0
        || (ring->told != 0 && memcmp(ring->locked, key, ASYNC_KEY_ID) == 0
            && now - ring->told < ASYNC_KEYRING_REMIND))
    {
        return;
    }

    memcpy(ring->locked, key, ASYNC_KEY_ID);
    ring->told = now;

    async_log(ASYNC_LOG_ERROR, "msg=\"jobs wait: they are encrypted with a "
              "key that async_store does not name; add its file to it as a "
              "further key=\" key=%s", async_key_id_format(text, key));
}
