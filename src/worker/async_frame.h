/*
 * An HTTP/1.1 response as it comes from nginx (RFC 9112): where its lines
 * end, and which bytes are body.  No I/O: bytes go in, lines and pieces of
 * body come out.
 */

#ifndef ASYNC_FRAME_H
#define ASYNC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


#define ASYNC_FRAME_LINE_MAX  (64 * 1024)

typedef enum {
    ASYNC_FRAME_HEAD,      /* lines, up to an empty one */
    ASYNC_FRAME_LENGTH,    /* a body of so many bytes, left of them to come */
    ASYNC_FRAME_CLOSE,     /* a body that ends with the connection */
    ASYNC_FRAME_SIZE,      /* the line before a chunk */
    ASYNC_FRAME_CHUNK,     /* a chunk, left of its bytes to come */
    ASYNC_FRAME_AFTER,     /* the empty line after a chunk */
    ASYNC_FRAME_TRAILER,   /* lines, up to an empty one */
    ASYNC_FRAME_WHOLE      /* the response has ended; what follows is none of
                              it */
} async_frame_phase_t;

typedef enum {
    ASYNC_FRAME_FINE,
    ASYNC_FRAME_RUBBISH,       /* no HTTP/1 */
    ASYNC_FRAME_TOO_LARGE,     /* a line, or the length that is announced */
    ASYNC_FRAME_REFUSED,       /* line or body returned false */
    ASYNC_FRAME_NO_MEMORY
} async_frame_rc_t;

/*
 * line: of a head or a trailer, as it came, with its line end, the status
 * lines and the empty ones included; body: never empty.  False: no more.
 */
typedef struct {
    bool   (*line)(void *data, const char *line, size_t len);
    bool   (*body)(void *data, const char *buf, size_t len);
    void    *data;
} async_frame_taker_t;

typedef struct {
    async_frame_phase_t  phase;
    bool                 bodiless;     /* the answer to HEAD */
    uint64_t             max;          /* bytes of body that may be
                                          announced */
    unsigned             status;       /* of the last status line, 0 = none */
    bool                 chunked;
    bool                 sized;        /* length is known */
    uint64_t             length;
    uint64_t             left;

    char                *part;         /* of a line whose end has not come */
    size_t               part_len;
    size_t               part_cap;
} async_frame_t;


void async_frame_init(async_frame_t *frame, bool bodiless, uint64_t max);
/* anything but FINE is the end: the frame is not to be asked again */
async_frame_rc_t async_frame_read(async_frame_t *frame, const char *buf,
    size_t len, const async_frame_taker_t *taker);
/* the connection has ended: whether the response has as well */
bool async_frame_close(const async_frame_t *frame);
void async_frame_clean(async_frame_t *frame);


#endif /* ASYNC_FRAME_H */
