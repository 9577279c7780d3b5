/*
 * What the tool shows: a bar while it works, figures at the end.
 */

#ifndef ASYNC_PRINT_H
#define ASYNC_PRINT_H

#include <stdbool.h>

#include "async_backup.h"
#include "async_salvage.h"


/* a bar on stderr, only if that is a terminal */
typedef struct {
    bool      shown;                  /* the line has a bar at present */
    int       percent;                /* -1 = never drawn */
} async_bar_t;

void async_bar_init(async_bar_t *bar);
void async_bar_draw(async_bar_t *bar, uint64_t done, uint64_t total);
/* frees the line, so that something else can be printed */
void async_bar_clear(async_bar_t *bar);

/* one line on stdout */
void async_print_check(const async_check_figures_t *figures, bool json);
void async_print_backup(const async_backup_figures_t *figures, int64_t ms,
    bool json);
void async_print_salvage(const async_salvage_figures_t *figures, bool json);


#endif /* ASYNC_PRINT_H */
