#include <stdlib.h>
#include <string.h>

#include "async_seen.h"


#define ASYNC_SEEN_ROOM  16


void *
async_seen_add(async_seen_t *all, size_t size)
{
    void    *rows;
    size_t   room;

    if (all->n == all->room) {
        room = all->room == 0 ? ASYNC_SEEN_ROOM : all->room * 2;
        rows = realloc(all->rows, room * size);

        if (rows == NULL) {
            all->failed = true;
            return NULL;
        }

        all->rows = rows;
        all->room = room;
    }

    return memset((char *) all->rows + all->n++ * size, 0, size);
}
