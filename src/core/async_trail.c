/*
 * The codec of a line of history.
 *
 *   offset size
 *       12    1  event
 *       13    1  state
 *       14    1  error
 *       15    1  who, if it is one of those who write most lines
 *       16    2  status
 *       18    4  attempt
 *       22    8  at
 *       30    8  duration
 *       38    -  tag 1, by: anybody else (older lines: any)
 */

#include <string.h>

#include "async_trail.h"


#define ASYNC_TRAIL_TAG_BY  1


/* numbers on disk, 0 = none of them; most of what a line would take else */

static const async_str_t  async_trail_who[] = {
    { NULL, 0 },
    async_str("client"),
    async_str("worker")
};

#define ASYNC_TRAIL_WHO                                                      \
    (sizeof(async_trail_who) / sizeof(async_trail_who[0]))


static uint8_t async_trail_number(async_str_t by);


/* an event may be of a newer version; no line is without one */

static bool
async_trail_valid(const async_trail_t *t)
{
    return t->event != 0
           && t->state > ASYNC_STATE_NONE
           && t->state < ASYNC_STATE_MAX;
}


size_t
async_trail_encode(const async_trail_t *t, uint8_t *buf, size_t cap)
{
    uint8_t         who;
    async_writer_t  w;

    if (!async_trail_valid(t)) {
        return 0;
    }

    who = async_trail_number(t->by);

    async_writer_init(&w, buf, cap, ASYNC_RECORD_TRAIL);

    async_write_u8(&w, t->event);
    async_write_u8(&w, t->state);
    async_write_u8(&w, t->error);
    async_write_u8(&w, who);
    async_write_u16(&w, t->status);
    async_write_u32(&w, t->attempt);
    async_write_u64(&w, (uint64_t) t->at);
    async_write_u64(&w, t->duration);

    if (who == 0 && t->by.len != 0) {
        async_write_tag(&w, ASYNC_TRAIL_TAG_BY, t->by.data, t->by.len);
    }

    return async_writer_end(&w);
}


static uint8_t
async_trail_number(async_str_t by)
{
    uint8_t  n;

    for (n = ASYNC_TRAIL_WHO - 1; n > 0; n--) {
        if (by.len == async_trail_who[n].len
            && memcmp(by.data, async_trail_who[n].data, by.len) == 0)
        {
            break;
        }
    }

    return n;
}


async_rc_t
async_trail_decode(async_trail_t *t, const void *data, size_t len)
{
    uint8_t         who;
    uint16_t        tag;
    async_str_t     value;
    async_reader_t  rd;

    memset(t, 0, sizeof(async_trail_t));

    if (async_reader_init(&rd, data, len, ASYNC_RECORD_TRAIL) != ASYNC_OK) {
        return ASYNC_CORRUPT;
    }

    t->event = async_read_u8(&rd);
    t->state = async_read_u8(&rd);
    t->error = async_read_u8(&rd);
    who = async_read_u8(&rd);
    t->status = async_read_u16(&rd);
    t->attempt = async_read_u32(&rd);
    t->at = (int64_t) async_read_u64(&rd);
    t->duration = async_read_u64(&rd);

    /* one of a newer version is nobody we know */

    if (who < ASYNC_TRAIL_WHO) {
        t->by = async_trail_who[who];
    }

    while (async_read_tag(&rd, &tag, &value)) {

        if (tag == ASYNC_TRAIL_TAG_BY) {
            t->by = value;
        }
    }

    if (rd.broken || !async_trail_valid(t)) {
        return ASYNC_CORRUPT;
    }

    return ASYNC_OK;
}
