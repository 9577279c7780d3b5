/*
 * Rows of the store, copied to be printed: nobody prints while he keeps its
 * old pages alive.
 */

#ifndef ASYNC_SEEN_H
#define ASYNC_SEEN_H

#include <stdbool.h>
#include <stddef.h>


typedef struct {
    void    *rows;                    /* the caller frees them */
    size_t   n;
    size_t   room;
    bool     failed;                  /* no memory */
} async_seen_t;


/* one more, zeroed, of size bytes like all others; NULL: no memory */
void *async_seen_add(async_seen_t *all, size_t size);


#endif /* ASYNC_SEEN_H */
