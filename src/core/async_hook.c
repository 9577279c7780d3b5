/*
 * The codec of a webhook, and when it is tried again.
 *
 *   offset size                    offset size
 *       12    1  state                 26    8  owed
 *       13    1  on                    34    8  due
 *       14    1  error                 42    8  ended
 *       15    1  reserved, zero        50   16  policy
 *       16    2  status                66    -  tags: 1 url, 2 origin,
 *       18    4  attempts                       3 owner
 *       22    4  tries
 */

#include <string.h>

#include "async_hook.h"


#define ASYNC_HOOK_TAG_URL     1
#define ASYNC_HOOK_TAG_ORIGIN  2
#define ASYNC_HOOK_TAG_OWNER   3

#define ASYNC_HOOK_DAY  (24 * 3600 * (int64_t) 1000)


static bool async_hook_valid(const async_hook_t *hook);


static const char *const  async_hook_state_names[ASYNC_HOOK_STATE_MAX] = {
#define X(number, symbol, name)  [number] = name,
    ASYNC_HOOK_STATES(X)
#undef X
};


static const char *const  async_hook_error_names[ASYNC_HOOK_ERROR_MAX] = {
    [ASYNC_HOOK_ERROR_NONE] = "",
#define X(number, symbol, name)  [number] = name,
    ASYNC_HOOK_ERRORS(X)
#undef X
};


/* ms between one try and the next (contract, section 7) */

static const int64_t  async_hook_waits[ASYNC_HOOK_TRIES - 1] = {
    5 * 1000, 5 * 60 * 1000, 30 * 60 * 1000, 2 * 3600 * 1000,
    5 * 3600 * 1000, 10 * 3600 * 1000, 14 * 3600 * 1000, 20 * 3600 * 1000,
    24 * 3600 * 1000
};


size_t
async_hook_encode(const async_hook_t *hook, uint8_t *buf, size_t cap)
{
    async_writer_t  w;

    if (!async_hook_valid(hook)) {
        return 0;
    }

    async_writer_init(&w, buf, cap, ASYNC_RECORD_HOOK);

    async_write_u8(&w, hook->state);
    async_write_u8(&w, hook->on);
    async_write_u8(&w, hook->error);
    async_write_u8(&w, 0);
    async_write_u16(&w, hook->status);
    async_write_u32(&w, hook->attempts);
    async_write_u32(&w, hook->tries);
    async_write_u64(&w, (uint64_t) hook->owed);
    async_write_u64(&w, (uint64_t) hook->due);
    async_write_u64(&w, (uint64_t) hook->ended);
    async_write_raw(&w, hook->policy, sizeof(hook->policy));

    async_write_tag(&w, ASYNC_HOOK_TAG_URL, hook->url.data, hook->url.len);

    if (hook->origin.len != 0) {
        async_write_tag(&w, ASYNC_HOOK_TAG_ORIGIN, hook->origin.data,
                        hook->origin.len);
    }

    if (hook->owner.len != 0) {
        async_write_tag(&w, ASYNC_HOOK_TAG_OWNER, hook->owner.data,
                        hook->owner.len);
    }

    return async_writer_end(&w);
}


async_rc_t
async_hook_decode(async_hook_t *hook, const void *data, size_t len)
{
    uint16_t        tag;
    async_str_t     value;
    async_reader_t  rd;

    memset(hook, 0, sizeof(async_hook_t));

    if (async_reader_init(&rd, data, len, ASYNC_RECORD_HOOK) != ASYNC_OK) {
        return ASYNC_CORRUPT;
    }

    hook->state = async_read_u8(&rd);
    hook->on = async_read_u8(&rd);
    hook->error = async_read_u8(&rd);
    (void) async_read_u8(&rd);
    hook->status = async_read_u16(&rd);
    hook->attempts = async_read_u32(&rd);
    hook->tries = async_read_u32(&rd);
    hook->owed = (int64_t) async_read_u64(&rd);
    hook->due = (int64_t) async_read_u64(&rd);
    hook->ended = (int64_t) async_read_u64(&rd);

    value = async_read_raw(&rd, sizeof(hook->policy));

    if (value.len == sizeof(hook->policy)) {
        memcpy(hook->policy, value.data, value.len);
    }

    while (async_read_tag(&rd, &tag, &value)) {

        switch (tag) {

        case ASYNC_HOOK_TAG_URL:
            hook->url = value;
            break;

        case ASYNC_HOOK_TAG_ORIGIN:
            hook->origin = value;
            break;

        case ASYNC_HOOK_TAG_OWNER:
            hook->owner = value;
            break;

        default:
            break;                  /* of a newer version: nothing to us */
        }
    }

    return rd.broken || !async_hook_valid(hook) ? ASYNC_CORRUPT : ASYNC_OK;
}


/* an error may be of a newer version */

static bool
async_hook_valid(const async_hook_t *hook)
{
    return hook->state > 0
           && hook->state < ASYNC_HOOK_STATE_MAX
           && (hook->state == ASYNC_HOOK_PENDING) == (hook->due != 0)
           && hook->url.len >= 1 && hook->url.len <= ASYNC_HOOK_URL
           && hook->origin.len <= ASYNC_HOOK_ORIGIN
           && hook->owner.len <= ASYNC_HOOK_OWNER;
}


const char *
async_hook_state_name(async_hook_state_t state)
{
    if ((unsigned) state >= ASYNC_HOOK_STATE_MAX
        || async_hook_state_names[state] == NULL)
    {
        return "";
    }

    return async_hook_state_names[state];
}


const char *
async_hook_error_name(async_hook_error_t error)
{
    return (unsigned) error < ASYNC_HOOK_ERROR_MAX
           ? async_hook_error_names[error] : "";
}


bool
async_hook_wanted(const async_hook_t *hook, async_state_t state)
{
    switch (state) {

    case ASYNC_STATE_COMPLETED:
        return hook->on & ASYNC_HOOK_ON_COMPLETED;

    case ASYNC_STATE_FAILED:
        return hook->on & ASYNC_HOOK_ON_FAILED;

    case ASYNC_STATE_CANCELED:
        return hook->on & ASYNC_HOOK_ON_CANCELED;

    default:
        return false;
    }
}


int64_t
async_hook_wait(uint32_t tries, int64_t retry_after, uint64_t random)
{
    int64_t  wait;

    if (tries == 0 || tries >= ASYNC_HOOK_TRIES) {
        return -1;
    }

    wait = async_hook_waits[tries - 1];
    wait += (int64_t) (random % (uint64_t) (wait / 10 + 1));

    if (retry_after > ASYNC_HOOK_DAY) {
        retry_after = ASYNC_HOOK_DAY;
    }

    return wait > retry_after ? wait : retry_after;
}


bool
async_hook_spent(const async_hook_t *hook, int64_t now)
{
    int64_t   sum;
    unsigned  i;

    for (i = 0, sum = 0; i < ASYNC_HOOK_TRIES - 1; i++) {
        sum += async_hook_waits[i] + async_hook_waits[i] / 10;
    }

    return now - hook->owed > sum;
}
