/*
 * A table of text on stdout.  On a terminal one column gives way, so that a
 * row stays a line; elsewhere nothing is cut.  Whatever bytes a cell was
 * given, none that a terminal would obey is printed.
 */

#ifndef ASYNC_TABLE_H
#define ASYNC_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "async_record.h"


#define ASYNC_COLUMNS  12

typedef struct {
    const char *const  *heads;        /* NULL at the end */
    unsigned            columns;
    unsigned            flexible;     /* the one that gives way */
    unsigned            right;        /* a bit for each that is numbers */
    char              **cells;
    size_t              n;            /* cells so far */
    size_t              room;
    bool                failed;       /* no memory */
} async_table_t;


void async_table_begin(async_table_t *table, const char *const *heads,
    unsigned flexible, unsigned right);
/* row by row, from left to right */
void async_table_add(async_table_t *table, async_str_t text);
__attribute__((format(printf, 2, 3)))
void async_table_addf(async_table_t *table, const char *fmt, ...);
/* prints and frees; false: no memory */
bool async_table_end(async_table_t *table);

/* characters that a line of the terminal has, 0 = stdout is none */
unsigned async_terminal_width(void);
/*
 * Text that may be hostile, as UTF-8 without control characters and without
 * what changes the direction of others: each of those becomes '?'.  Returns
 * how many characters that are; at most max of them, the last of a text that
 * is longer as "…"; out NULL only counts.
 */
unsigned async_print_safe(FILE *out, async_str_t text, unsigned max);


#endif /* ASYNC_TABLE_H */
