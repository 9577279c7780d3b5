#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "async_frame.h"


#define ASYNC_FRAME_PART  256      /* the first size of a part of a line */


static size_t async_frame_body(async_frame_t *f, const char *buf, size_t len,
    const async_frame_taker_t *taker, async_frame_rc_t *rc);
static size_t async_frame_split(async_frame_t *f, const char *buf,
    size_t len, const async_frame_taker_t *taker, async_frame_rc_t *rc);
static async_frame_rc_t async_frame_keep(async_frame_t *f, const char *buf,
    size_t len);
static async_frame_rc_t async_frame_line(async_frame_t *f, const char *line,
    size_t len, const async_frame_taker_t *taker);
static async_frame_rc_t async_frame_head(async_frame_t *f, const char *line,
    size_t len);
static bool async_frame_status(async_frame_t *f, const char *line,
    size_t len);
static bool async_frame_header(async_frame_t *f, const char *line,
    size_t len);
static bool async_frame_length(async_frame_t *f, const char *value,
    size_t len);
static async_frame_rc_t async_frame_headed(async_frame_t *f);
static bool async_frame_chunk(async_frame_t *f, const char *line,
    size_t len);
static bool async_frame_named(const char *line, size_t len, const char *name,
    const char **value, size_t *value_len);


void
async_frame_init(async_frame_t *frame, bool bodiless, uint64_t max)
{
    memset(frame, 0, sizeof(async_frame_t));

    frame->bodiless = bodiless;
    frame->max = max;
}


async_frame_rc_t
async_frame_read(async_frame_t *frame, const char *buf, size_t len,
    const async_frame_taker_t *taker)
{
    size_t            n;
    async_frame_rc_t  rc;

    rc = ASYNC_FRAME_FINE;

    while (len > 0 && rc == ASYNC_FRAME_FINE
           && frame->phase != ASYNC_FRAME_WHOLE)
    {
        switch (frame->phase) {

        case ASYNC_FRAME_LENGTH:
        case ASYNC_FRAME_CLOSE:
        case ASYNC_FRAME_CHUNK:
            n = async_frame_body(frame, buf, len, taker, &rc);
            break;

        default:
            n = async_frame_split(frame, buf, len, taker, &rc);
            break;
        }

        buf += n;
        len -= n;
    }

    return rc;
}


bool
async_frame_close(const async_frame_t *frame)
{
    return frame->phase == ASYNC_FRAME_WHOLE
           || frame->phase == ASYNC_FRAME_CLOSE;
}


void
async_frame_clean(async_frame_t *frame)
{
    free(frame->part);
    frame->part = NULL;
}


/* how many bytes were body */

static size_t
async_frame_body(async_frame_t *f, const char *buf, size_t len,
    const async_frame_taker_t *taker, async_frame_rc_t *rc)
{
    if (f->phase != ASYNC_FRAME_CLOSE && len > f->left) {
        len = (size_t) f->left;
    }

    if (!taker->body(taker->data, buf, len)) {
        *rc = ASYNC_FRAME_REFUSED;
        return len;
    }

    if (f->phase == ASYNC_FRAME_CLOSE) {
        return len;
    }

    f->left -= len;

    if (f->left == 0) {
        f->phase = f->phase == ASYNC_FRAME_CHUNK ? ASYNC_FRAME_AFTER
                                                 : ASYNC_FRAME_WHOLE;
    }

    return len;
}


/* how many bytes were of one line */

static size_t
async_frame_split(async_frame_t *f, const char *buf, size_t len,
    const async_frame_taker_t *taker, async_frame_rc_t *rc)
{
    const char  *end;

    end = memchr(buf, '\n', len);

    if (end) {
        len = (size_t) (end - buf) + 1;
    }

    if (len > ASYNC_FRAME_LINE_MAX - f->part_len) {
        *rc = ASYNC_FRAME_TOO_LARGE;
        return len;
    }

    if (end && f->part_len == 0) {
        *rc = async_frame_line(f, buf, len, taker);
        return len;
    }

    *rc = async_frame_keep(f, buf, len);

    if (end && *rc == ASYNC_FRAME_FINE) {
        *rc = async_frame_line(f, f->part, f->part_len, taker);
        f->part_len = 0;
    }

    return len;
}


static async_frame_rc_t
async_frame_keep(async_frame_t *f, const char *buf, size_t len)
{
    char    *p;
    size_t   cap;

    if (f->part_len + len > f->part_cap) {
        cap = f->part_cap ? f->part_cap : ASYNC_FRAME_PART;

        while (cap < f->part_len + len) {
            cap *= 2;
        }

        p = realloc(f->part, cap);
        if (p == NULL) {
            return ASYNC_FRAME_NO_MEMORY;
        }

        f->part = p;
        f->part_cap = cap;
    }

    memcpy(f->part + f->part_len, buf, len);
    f->part_len += len;

    return ASYNC_FRAME_FINE;
}


/* what the line says is known before the taker may refuse it */

static async_frame_rc_t
async_frame_line(async_frame_t *f, const char *line, size_t len,
    const async_frame_taker_t *taker)
{
    size_t            bare;
    async_frame_rc_t  rc;

    bare = len - 1;
    bare -= bare > 0 && line[bare - 1] == '\r';

    switch (f->phase) {

    case ASYNC_FRAME_SIZE:
        return async_frame_chunk(f, line, bare) ? ASYNC_FRAME_FINE
                                                : ASYNC_FRAME_RUBBISH;

    case ASYNC_FRAME_AFTER:
        f->phase = ASYNC_FRAME_SIZE;
        return bare == 0 ? ASYNC_FRAME_FINE : ASYNC_FRAME_RUBBISH;

    case ASYNC_FRAME_TRAILER:
        f->phase = bare == 0 ? ASYNC_FRAME_WHOLE : ASYNC_FRAME_TRAILER;
        rc = ASYNC_FRAME_FINE;
        break;

    default:
        rc = async_frame_head(f, line, bare);
        break;
    }

    if (rc == ASYNC_FRAME_RUBBISH) {
        return rc;
    }

    return taker->line(taker->data, line, len) ? rc : ASYNC_FRAME_REFUSED;
}


static async_frame_rc_t
async_frame_head(async_frame_t *f, const char *line, size_t len)
{
    if (f->status == 0) {
        return async_frame_status(f, line, len) ? ASYNC_FRAME_FINE
                                                : ASYNC_FRAME_RUBBISH;
    }

    if (len == 0) {
        return async_frame_headed(f);
    }

    return async_frame_header(f, line, len) ? ASYNC_FRAME_FINE
                                            : ASYNC_FRAME_RUBBISH;
}


/* HTTP/1.1 200 */

static bool
async_frame_status(async_frame_t *f, const char *line, size_t len)
{
    unsigned  i;

    if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0
        || line[7] < '0' || line[7] > '9' || line[8] != ' '
        || (len > 12 && line[12] != ' '))
    {
        return false;
    }

    for (i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9') {
            return false;
        }

        f->status = f->status * 10 + (unsigned) (line[i] - '0');
    }

    return f->status >= 100;
}


static bool
async_frame_header(async_frame_t *f, const char *line, size_t len)
{
    size_t       n;
    const char  *value;

    if (async_frame_named(line, len, "Content-Length", &value, &n)) {
        return async_frame_length(f, value, n);
    }

    if (async_frame_named(line, len, "Transfer-Encoding", &value, &n)) {
        f->chunked = true;
        return n == 7 && strncasecmp(value, "chunked", 7) == 0;
    }

    return true;
}


static bool
async_frame_length(async_frame_t *f, const char *value, size_t len)
{
    size_t    i;
    uint64_t  n;

    /* 19 digits cannot overflow, and nginx knows no more */

    if (len == 0 || len > 19) {
        return false;
    }

    for (n = 0, i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9') {
            return false;
        }

        n = n * 10 + (unsigned) (value[i] - '0');
    }

    if (f->sized && f->length != n) {
        return false;
    }

    f->sized = true;
    f->length = n;

    return true;
}


/* RFC 9112, section 6.3 */

static async_frame_rc_t
async_frame_headed(async_frame_t *f)
{
    if (f->status < 200) {

        /* interim, and another head comes */

        f->status = 0;
        f->chunked = false;
        f->sized = false;

        return ASYNC_FRAME_FINE;
    }

    if (f->bodiless || f->status == 204 || f->status == 304) {
        f->phase = ASYNC_FRAME_WHOLE;

    } else if (f->chunked) {
        f->phase = ASYNC_FRAME_SIZE;

    } else if (!f->sized) {
        f->phase = ASYNC_FRAME_CLOSE;

    } else if (f->length > f->max) {
        return ASYNC_FRAME_TOO_LARGE;

    } else {
        f->left = f->length;
        f->phase = f->left ? ASYNC_FRAME_LENGTH : ASYNC_FRAME_WHOLE;
    }

    return ASYNC_FRAME_FINE;
}


/* hexadecimal digits, and maybe extensions */

static bool
async_frame_chunk(async_frame_t *f, const char *line, size_t len)
{
    char      c;
    size_t    i;
    unsigned  digit;

    f->left = 0;

    for (i = 0; i < len; i++) {
        c = line[i] | 0x20;

        if (line[i] >= '0' && line[i] <= '9') {
            digit = (unsigned) (line[i] - '0');

        } else if (c >= 'a' && c <= 'f') {
            digit = (unsigned) (c - 'a') + 10;

        } else {
            break;
        }

        /* 15 digits cannot overflow */

        if (i == 15) {
            return false;
        }

        f->left = f->left * 16 + digit;
    }

    if (i == 0 || (i < len && !memchr("; \t", line[i], 3))) {
        return false;
    }

    f->phase = f->left ? ASYNC_FRAME_CHUNK : ASYNC_FRAME_TRAILER;

    return true;
}


/* the value without blanks around it */

static bool
async_frame_named(const char *line, size_t len, const char *name,
    const char **value, size_t *value_len)
{
    size_t  n;

    n = strlen(name);

    if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0) {
        return false;
    }

    line += n + 1;
    len -= n + 1;

    while (len && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }

    while (len && (line[len - 1] == ' ' || line[len - 1] == '\t')) {
        len--;
    }

    *value = line;
    *value_len = len;

    return true;
}
