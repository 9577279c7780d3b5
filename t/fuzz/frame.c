/*
 * Responses of nginx: however their bytes are cut, the same lines and the
 * same body come out, and the same end.  The first byte says whether HEAD was
 * asked, and which line or piece is refused; the second how it is cut.
 */

#include "async_frame.h"
#include "fuzz.h"


#define MAX  100


/* pieces of body are joined: they differ with the cuts */

typedef struct {
    char      *lines;
    size_t     lines_len;
    char      *body;
    size_t     body_len;
    unsigned   nlines;
    unsigned   refused;     /* the line that is, 0 = none */
    size_t     full;        /* bytes of body from which on it is */
} taken_t;

typedef struct {
    const char  *text;
    size_t       len;
    bool         bodiless;
    unsigned     refused;
    size_t       full;
} response_t;

typedef enum { CUT_WHOLE, CUT_BYTES, CUT_RANDOM, CUT_ALL } cut_t;


static bool
take_line(void *data, const char *line, size_t len)
{
    taken_t  *taken = data;

    fuzz_assert(memchr(line, '\n', len) == line + len - 1);

    memcpy(taken->lines + taken->lines_len, line, len);
    taken->lines_len += len;

    return ++taken->nlines != taken->refused;
}


static bool
take_body(void *data, const char *buf, size_t len)
{
    taken_t  *taken = data;

    fuzz_assert(len > 0);

    memcpy(taken->body + taken->body_len, buf, len);
    taken->body_len += len;

    return taken->body_len < taken->full;
}


/* in memory of exactly its length, so that a look behind it is seen */

static async_frame_rc_t
feed(async_frame_t *f, taken_t *taken, const char *text, size_t len)
{
    char              *piece;
    async_frame_rc_t   rc;

    const async_frame_taker_t  taker = { take_line, take_body, taken };

    piece = fuzz_alloc(len);
    memcpy(piece, text, len);
    rc = async_frame_read(f, piece, len, &taker);
    free(piece);

    fuzz_assert(f->part_len <= ASYNC_FRAME_LINE_MAX);
    fuzz_assert(f->part_cap <= ASYNC_FRAME_LINE_MAX);

    return rc;
}


static async_frame_rc_t
cut(async_frame_t *f, taken_t *taken, const response_t *r, cut_t how,
    unsigned seed)
{
    size_t            pos, n;
    async_frame_rc_t  rc;

    rc = ASYNC_FRAME_FINE;

    for (pos = 0; pos < r->len && rc == ASYNC_FRAME_FINE; pos += n) {
        seed = seed * 1103515245 + 12345;

        n = how == CUT_WHOLE ? r->len
            : how == CUT_BYTES ? 1 : 1 + (seed >> 16) % 40;

        if (n > r->len - pos) {
            n = r->len - pos;
        }

        rc = feed(f, taken, r->text + pos, n);
    }

    return rc;
}


/* what it says of itself */

static void
assert_frame(const async_frame_t *f, const taken_t *taken,
    const response_t *r, async_frame_rc_t rc)
{
    fuzz_assert(taken->lines_len + taken->body_len <= r->len);
    fuzz_assert(f->phase != ASYNC_FRAME_WHOLE || async_frame_close(f));
    fuzz_assert(!r->bodiless || taken->body_len == 0);
    fuzz_assert(rc != ASYNC_FRAME_NO_MEMORY);

    if (rc == ASYNC_FRAME_FINE && f->phase == ASYNC_FRAME_WHOLE) {
        fuzz_assert(f->status >= 200 && f->status <= 999);

        if (taken->body_len > 0 && !f->chunked) {
            fuzz_assert(f->sized && f->length <= MAX);
            fuzz_assert(f->length == taken->body_len);
        }
    }
}


static void
assert_cuts(const response_t *r, unsigned seed)
{
    cut_t             how;
    taken_t           taken[CUT_ALL];
    async_frame_t     f[CUT_ALL];
    async_frame_rc_t  rc[CUT_ALL];

    for (how = CUT_WHOLE; how < CUT_ALL; how++) {
        taken[how] = (taken_t) {
            .lines = fuzz_alloc(r->len),
            .body = fuzz_alloc(r->len),
            .refused = r->refused,
            .full = r->full
        };

        async_frame_init(&f[how], r->bodiless, MAX);
        rc[how] = cut(&f[how], &taken[how], r, how, seed);
        assert_frame(&f[how], &taken[how], r, rc[how]);

        fuzz_assert(rc[how] == rc[0]);
        fuzz_assert(f[how].phase == f[0].phase);
        fuzz_assert(f[how].status == f[0].status);
        fuzz_assert_same(taken[how].lines, taken[how].lines_len,
                         taken[0].lines, taken[0].lines_len);

        /* who has enough is told with the piece in which that was */

        if (rc[how] != ASYNC_FRAME_REFUSED) {
            fuzz_assert_same(taken[how].body, taken[how].body_len,
                             taken[0].body, taken[0].body_len);
        }
    }

    for (how = CUT_WHOLE; how < CUT_ALL; how++) {
        async_frame_clean(&f[how]);
        free(taken[how].lines);
        free(taken[how].body);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    response_t  r;

    if (size < 3) {
        return 0;
    }

    r.bodiless = data[0] & 1;
    r.refused = data[0] & 2 ? data[0] >> 3 : 0;
    r.full = data[0] & 4 ? (size_t) (data[0] >> 3) + 1 : SIZE_MAX;
    r.text = (const char *) data + 2;
    r.len = size - 2;

    assert_cuts(&r, data[1]);

    return 0;
}
