/*
 * The codecs of policies of webhooks.  A HOOKS record has no fixed head:
 *
 *   of a policy     tag 1  u64, per        of those    tag 4  u64, loaded
 *                   tag 2  path of a file  in force    tag 5  key 16, once
 *                          of a secret,                       for each
 *                          in order
 *                   tag 3  list of hosts
 */

#include <string.h>

#include "async_hook_policy.h"


enum {
    ASYNC_HOOKS_PER    = 1,
    ASYNC_HOOKS_SECRET = 2,
    ASYNC_HOOKS_ALLOW  = 3,
    ASYNC_HOOKS_LOADED = 4,
    ASYNC_HOOKS_KEY    = 5
};


static bool async_hook_policy_valid(const async_hook_policy_t *p);
static bool async_hook_policy_tag(async_hook_policy_t *p, uint16_t tag,
    async_str_t value);


static bool
async_hook_policy_valid(const async_hook_policy_t *p)
{
    unsigned  i;

    for (i = 0; i < p->nsecrets; i++) {
        if (p->secrets[i].len == 0 || p->secrets[i].len > ASYNC_HOOK_PATH
            || memchr(p->secrets[i].data, '\0', p->secrets[i].len) != NULL)
        {
            return false;
        }
    }

    return p->nsecrets >= 1 && p->nsecrets <= ASYNC_HOOK_SECRETS
           && p->per <= ASYNC_HOOK_PER_HOST
           && p->allow.len >= 1 && p->allow.len <= ASYNC_HOOK_ALLOW;
}


size_t
async_hook_policy_encode(const async_hook_policy_t *p, uint8_t *buf,
    size_t cap)
{
    unsigned        i;
    async_writer_t  w;

    if (!async_hook_policy_valid(p)) {
        return 0;
    }

    async_writer_init(&w, buf, cap, ASYNC_RECORD_HOOKS);

    async_write_tag_u64(&w, ASYNC_HOOKS_PER, p->per);

    for (i = 0; i < p->nsecrets; i++) {
        async_write_tag(&w, ASYNC_HOOKS_SECRET, p->secrets[i].data,
                        p->secrets[i].len);
    }

    async_write_tag(&w, ASYNC_HOOKS_ALLOW, p->allow.data, p->allow.len);

    return async_writer_end(&w);
}


async_rc_t
async_hook_policy_decode(async_hook_policy_t *p, const void *data,
    size_t len)
{
    uint16_t        tag;
    async_str_t     value;
    async_reader_t  rd;

    memset(p, 0, sizeof(async_hook_policy_t));

    if (async_reader_init(&rd, data, len, ASYNC_RECORD_HOOKS) != ASYNC_OK) {
        return ASYNC_CORRUPT;
    }

    while (async_read_tag(&rd, &tag, &value)) {

        if (!async_hook_policy_tag(p, tag, value)) {
            return ASYNC_CORRUPT;
        }
    }

    return rd.broken || !async_hook_policy_valid(p) ? ASYNC_CORRUPT
                                                    : ASYNC_OK;
}


static bool
async_hook_policy_tag(async_hook_policy_t *p, uint16_t tag,
    async_str_t value)
{
    uint64_t  n;

    switch (tag) {

    case ASYNC_HOOKS_PER:
        if (!async_tag_u64(value, &n) || n > ASYNC_HOOK_PER_HOST) {
            return false;
        }

        p->per = (uint8_t) n;
        return true;

    case ASYNC_HOOKS_SECRET:
        if (p->nsecrets == ASYNC_HOOK_SECRETS) {
            return false;
        }

        p->secrets[p->nsecrets++] = value;
        return true;

    case ASYNC_HOOKS_ALLOW:
        p->allow = value;
        return true;

    default:
        return true;               /* of a newer version: nothing to us */
    }
}


size_t
async_hooks_in_force_encode(const async_hooks_in_force_t *f, uint8_t *buf,
    size_t cap)
{
    unsigned        i;
    async_writer_t  w;

    async_writer_init(&w, buf, cap, ASYNC_RECORD_HOOKS);

    async_write_tag_u64(&w, ASYNC_HOOKS_LOADED, (uint64_t) f->loaded);

    for (i = 0; i < f->n; i++) {
        async_write_tag(&w, ASYNC_HOOKS_KEY, f->keys[i], ASYNC_HOOK_POLICY);
    }

    return async_writer_end(&w);
}


async_rc_t
async_hooks_in_force_decode(async_hooks_in_force_t *f, const void *data,
    size_t len)
{
    uint16_t        tag;
    uint64_t        n;
    async_str_t     value;
    async_reader_t  rd;

    memset(f, 0, sizeof(async_hooks_in_force_t));

    if (async_reader_init(&rd, data, len, ASYNC_RECORD_HOOKS) != ASYNC_OK) {
        return ASYNC_CORRUPT;
    }

    while (async_read_tag(&rd, &tag, &value)) {

        if (tag == ASYNC_HOOKS_LOADED) {

            if (!async_tag_u64(value, &n)) {
                return ASYNC_CORRUPT;
            }

            f->loaded = (int64_t) n;
        }

        if (tag == ASYNC_HOOKS_KEY) {

            if (value.len != ASYNC_HOOK_POLICY || f->n == ASYNC_HOOK_IN_FORCE)
            {
                return ASYNC_CORRUPT;
            }

            memcpy(f->keys[f->n++], value.data, value.len);
        }
    }

    return rd.broken ? ASYNC_CORRUPT : ASYNC_OK;
}
