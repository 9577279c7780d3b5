/*
 * The codecs.  Both are records of the same kind without a fixed head:
 *
 *   what nginx.conf says              what has become of it
 *    1  name                           1  name
 *    2  cron                          32  next u64
 *    3  zone                          33  last u64
 *    4  misfire u64                   34  fired u64
 *    5  overlap u64                   35  paused u64
 *    6  gone u64                      36  job 16
 *    7  instance u64                  37  result u64
 *    8  loaded u64                    38  error u64
 *    9  job                           39  skipped u64
 *   10  head
 *   11  capture
 *   12  body
 *   13  hook
 *
 * A number that is 0 and a string that is empty are left out.
 */

#include <string.h>

#include "async_schedule.h"


typedef enum {
    ASYNC_SCHEDULE_TAG_NAME     = 1,
    ASYNC_SCHEDULE_TAG_CRON     = 2,
    ASYNC_SCHEDULE_TAG_ZONE     = 3,
    ASYNC_SCHEDULE_TAG_MISFIRE  = 4,
    ASYNC_SCHEDULE_TAG_OVERLAP  = 5,
    ASYNC_SCHEDULE_TAG_GONE     = 6,
    ASYNC_SCHEDULE_TAG_INSTANCE = 7,
    ASYNC_SCHEDULE_TAG_LOADED   = 8,
    ASYNC_SCHEDULE_TAG_JOB      = 9,
    ASYNC_SCHEDULE_TAG_HEAD     = 10,
    ASYNC_SCHEDULE_TAG_CAPTURE  = 11,
    ASYNC_SCHEDULE_TAG_BODY     = 12,
    ASYNC_SCHEDULE_TAG_HOOK     = 13,

    ASYNC_SCHEDULE_TAG_NEXT     = 32,
    ASYNC_SCHEDULE_TAG_LAST     = 33,
    ASYNC_SCHEDULE_TAG_FIRED    = 34,
    ASYNC_SCHEDULE_TAG_PAUSED   = 35,
    ASYNC_SCHEDULE_TAG_LAST_JOB = 36,
    ASYNC_SCHEDULE_TAG_RESULT   = 37,
    ASYNC_SCHEDULE_TAG_ERROR    = 38,
    ASYNC_SCHEDULE_TAG_SKIPPED  = 39
} async_schedule_tag_t;


static void async_schedule_write(async_writer_t *w,
    async_schedule_tag_t tag, async_str_t value);
static void async_schedule_number(async_writer_t *w,
    async_schedule_tag_t tag, uint64_t value);
static async_str_t *async_schedule_string(async_schedule_t *s, uint16_t tag);
static bool async_schedule_read(async_schedule_t *s, uint16_t tag,
    async_str_t value);
static bool async_schedule_state_read(async_schedule_state_t *state,
    uint16_t tag, async_str_t value);


static const char *const  async_misfire_names[] = {
#define X(number, symbol, name)  [number] = name,
    ASYNC_MISFIRES(X)
#undef X
};


size_t
async_schedule_encode(const async_schedule_t *s, uint8_t *buf, size_t cap)
{
    async_writer_t  w;

    if (!async_schedule_name(s->name) || s->cron.len == 0
        || s->job.len == 0 || s->head.len == 0
        || s->misfire >= ASYNC_MISFIRE_MAX)
    {
        return 0;
    }

    async_writer_init(&w, buf, cap, ASYNC_RECORD_SCHEDULE);

    async_schedule_write(&w, ASYNC_SCHEDULE_TAG_NAME, s->name);
    async_schedule_write(&w, ASYNC_SCHEDULE_TAG_CRON, s->cron);
    async_schedule_write(&w, ASYNC_SCHEDULE_TAG_ZONE, s->zone);
    async_schedule_number(&w, ASYNC_SCHEDULE_TAG_MISFIRE, s->misfire);
    async_schedule_number(&w, ASYNC_SCHEDULE_TAG_OVERLAP, s->overlap);
    async_schedule_number(&w, ASYNC_SCHEDULE_TAG_GONE, s->gone);
    async_schedule_number(&w, ASYNC_SCHEDULE_TAG_INSTANCE, s->instance);
    async_schedule_number(&w, ASYNC_SCHEDULE_TAG_LOADED,
                          (uint64_t) s->loaded);
    async_schedule_write(&w, ASYNC_SCHEDULE_TAG_JOB, s->job);
    async_schedule_write(&w, ASYNC_SCHEDULE_TAG_HEAD, s->head);
    async_schedule_write(&w, ASYNC_SCHEDULE_TAG_CAPTURE, s->capture);
    async_schedule_write(&w, ASYNC_SCHEDULE_TAG_BODY, s->body);
    async_schedule_write(&w, ASYNC_SCHEDULE_TAG_HOOK, s->hook);

    return async_writer_end(&w);
}


/* thirteen tags of six bytes, the numbers, and what the strings hold */

size_t
async_schedule_size(const async_schedule_t *s)
{
    return ASYNC_RECORD_HEADER + 13 * 6 + 5 * 8 + s->name.len + s->cron.len
           + s->zone.len + s->job.len + s->head.len + s->capture.len
           + s->body.len + s->hook.len;
}


static void
async_schedule_write(async_writer_t *w, async_schedule_tag_t tag,
    async_str_t value)
{
    if (value.len != 0) {
        async_write_tag(w, (uint16_t) tag, value.data, value.len);
    }
}


static void
async_schedule_number(async_writer_t *w, async_schedule_tag_t tag,
    uint64_t value)
{
    if (value != 0) {
        async_write_tag_u64(w, (uint16_t) tag, value);
    }
}


async_rc_t
async_schedule_decode(async_schedule_t *s, const void *data, size_t len)
{
    uint16_t        tag;
    async_str_t     value;
    async_reader_t  rd;

    memset(s, 0, sizeof(async_schedule_t));

    if (async_reader_init(&rd, data, len, ASYNC_RECORD_SCHEDULE) != ASYNC_OK)
    {
        return ASYNC_CORRUPT;
    }

    while (async_read_tag(&rd, &tag, &value)) {
        if (!async_schedule_read(s, tag, value)) {
            return ASYNC_CORRUPT;
        }
    }

    return !rd.broken && async_schedule_name(s->name) && s->cron.len != 0
           && s->job.len != 0 && s->head.len != 0
           ? ASYNC_OK : ASYNC_CORRUPT;
}


static async_str_t *
async_schedule_string(async_schedule_t *s, uint16_t tag)
{
    switch (tag) {

    case ASYNC_SCHEDULE_TAG_NAME:
        return &s->name;

    case ASYNC_SCHEDULE_TAG_CRON:
        return &s->cron;

    case ASYNC_SCHEDULE_TAG_ZONE:
        return &s->zone;

    case ASYNC_SCHEDULE_TAG_JOB:
        return &s->job;

    case ASYNC_SCHEDULE_TAG_HEAD:
        return &s->head;

    case ASYNC_SCHEDULE_TAG_CAPTURE:
        return &s->capture;

    case ASYNC_SCHEDULE_TAG_BODY:
        return &s->body;

    case ASYNC_SCHEDULE_TAG_HOOK:
        return &s->hook;

    default:
        return NULL;
    }
}


static bool
async_schedule_read(async_schedule_t *s, uint16_t tag, async_str_t value)
{
    uint64_t      n;
    async_str_t  *string;

    string = async_schedule_string(s, tag);

    if (string != NULL) {
        *string = value;
        return true;
    }

    if (tag < ASYNC_SCHEDULE_TAG_MISFIRE || tag > ASYNC_SCHEDULE_TAG_LOADED) {
        return true;                        /* of a newer version */
    }

    if (!async_tag_u64(value, &n)) {
        return false;
    }

    switch (tag) {

    case ASYNC_SCHEDULE_TAG_MISFIRE:

        /* one that a newer version knows is as good as the default */

        s->misfire = n < ASYNC_MISFIRE_MAX ? (uint8_t) n
                                           : ASYNC_MISFIRE_ONCE;
        break;

    case ASYNC_SCHEDULE_TAG_OVERLAP:
        s->overlap = n != 0;
        break;

    case ASYNC_SCHEDULE_TAG_GONE:
        s->gone = n != 0;
        break;

    case ASYNC_SCHEDULE_TAG_INSTANCE:
        s->instance = n;
        break;

    default:
        s->loaded = (int64_t) n;
        break;
    }

    return true;
}


/* --- state --- */

size_t
async_schedule_state_encode(const async_schedule_state_t *state,
    uint8_t *buf, size_t cap)
{
    async_str_t     job;
    async_writer_t  w;

    if (!async_schedule_name(state->name)) {
        return 0;
    }

    async_writer_init(&w, buf, cap, ASYNC_RECORD_SCHEDULE);

    async_schedule_write(&w, ASYNC_SCHEDULE_TAG_NAME, state->name);
    async_schedule_number(&w, ASYNC_SCHEDULE_TAG_NEXT,
                          (uint64_t) state->next);
    async_schedule_number(&w, ASYNC_SCHEDULE_TAG_LAST,
                          (uint64_t) state->last);
    async_schedule_number(&w, ASYNC_SCHEDULE_TAG_FIRED,
                          (uint64_t) state->fired);
    async_schedule_number(&w, ASYNC_SCHEDULE_TAG_PAUSED, state->paused);

    if (async_job_has(&state->job)) {
        job.data = (const char *) &state->job;
        job.len = sizeof(async_id_t);
        async_schedule_write(&w, ASYNC_SCHEDULE_TAG_LAST_JOB, job);
    }

    async_schedule_number(&w, ASYNC_SCHEDULE_TAG_RESULT, state->result);
    async_schedule_number(&w, ASYNC_SCHEDULE_TAG_ERROR, state->error);
    async_schedule_number(&w, ASYNC_SCHEDULE_TAG_SKIPPED, state->skipped);

    return async_writer_end(&w);
}


async_rc_t
async_schedule_state_decode(async_schedule_state_t *state, const void *data,
    size_t len)
{
    uint16_t        tag;
    async_str_t     value;
    async_reader_t  rd;

    memset(state, 0, sizeof(async_schedule_state_t));

    if (async_reader_init(&rd, data, len, ASYNC_RECORD_SCHEDULE) != ASYNC_OK)
    {
        return ASYNC_CORRUPT;
    }

    while (async_read_tag(&rd, &tag, &value)) {

        if (tag == ASYNC_SCHEDULE_TAG_NAME) {
            state->name = value;

        } else if (tag == ASYNC_SCHEDULE_TAG_LAST_JOB) {

            if (value.len != sizeof(async_id_t)) {
                return ASYNC_CORRUPT;
            }

            memcpy(&state->job, value.data, sizeof(async_id_t));

        } else if (!async_schedule_state_read(state, tag, value)) {
            return ASYNC_CORRUPT;
        }
    }

    return !rd.broken && async_schedule_name(state->name) ? ASYNC_OK
                                                          : ASYNC_CORRUPT;
}


static bool
async_schedule_state_read(async_schedule_state_t *state, uint16_t tag,
    async_str_t value)
{
    uint64_t  n;

    if (tag < ASYNC_SCHEDULE_TAG_NEXT || tag > ASYNC_SCHEDULE_TAG_SKIPPED) {
        return true;
    }

    if (!async_tag_u64(value, &n) || n > INT64_MAX) {
        return false;
    }

    switch (tag) {

    case ASYNC_SCHEDULE_TAG_NEXT:
        state->next = (int64_t) n;
        break;

    case ASYNC_SCHEDULE_TAG_LAST:
        state->last = (int64_t) n;
        break;

    case ASYNC_SCHEDULE_TAG_FIRED:
        state->fired = (int64_t) n;
        break;

    case ASYNC_SCHEDULE_TAG_PAUSED:
        state->paused = n != 0;
        break;

    case ASYNC_SCHEDULE_TAG_RESULT:
        state->result = (uint8_t) n;
        break;

    case ASYNC_SCHEDULE_TAG_ERROR:
        state->error = (uint8_t) n;
        break;

    default:
        state->skipped = n;
        break;
    }

    return true;
}


/* --- words --- */

/* no space, no control character: it stands in tables and in logs */

bool
async_schedule_name(async_str_t name)
{
    size_t  i;

    for (i = 0; i < name.len; i++) {
        if ((unsigned char) name.data[i] <= 0x20 || name.data[i] == 0x7f) {
            return false;
        }
    }

    return name.len >= 1 && name.len <= ASYNC_SCHEDULE_NAME;
}


bool
async_misfire_parse(async_str_t word, uint8_t *misfire)
{
    uint8_t  i;

    for (i = 0; i < ASYNC_MISFIRE_MAX; i++) {

        if (strlen(async_misfire_names[i]) == word.len
            && memcmp(async_misfire_names[i], word.data, word.len) == 0)
        {
            *misfire = i;
            return true;
        }
    }

    return false;
}


const char *
async_misfire_name(uint8_t misfire)
{
    return misfire < ASYNC_MISFIRE_MAX ? async_misfire_names[misfire] : "";
}
