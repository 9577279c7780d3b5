#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "async_table.h"
#include "async_utf8.h"


#define ASYNC_TABLE_LEAST  4         /* what the column keeps that gives way */


static void async_table_widths(const async_table_t *table, unsigned *widths);
static void async_table_row(const async_table_t *table,
    const unsigned *widths, const char *const *cells);
static bool async_print_harmless(const uint8_t *p, size_t len);


void
async_table_begin(async_table_t *table, const char *const *heads,
    unsigned flexible, unsigned right)
{
    memset(table, 0, sizeof(async_table_t));

    table->heads = heads;
    table->flexible = flexible;
    table->right = right;

    while (heads[table->columns] != NULL) {
        table->columns++;
    }
}


void
async_table_add(async_table_t *table, async_str_t text)
{
    char    *cell, **cells;
    size_t   room;

    if (table->n == table->room) {
        room = table->room == 0 ? 256 : table->room * 2;
        cells = realloc(table->cells, room * sizeof(char *));

        if (cells == NULL) {
            table->failed = true;
            return;
        }

        table->cells = cells;
        table->room = room;
    }

    cell = malloc(text.len + 1);

    if (cell == NULL) {
        table->failed = true;
        return;
    }

    if (text.len != 0) {
        memcpy(cell, text.data, text.len);
    }

    cell[text.len] = '\0';
    table->cells[table->n++] = cell;
}


void
async_table_addf(async_table_t *table, const char *fmt, ...)
{
    char         text[256];
    va_list      args;
    async_str_t  cell;

    va_start(args, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    cell.data = text;
    cell.len = strlen(text);

    async_table_add(table, cell);
}


bool
async_table_end(async_table_t *table)
{
    size_t    i;
    unsigned  widths[ASYNC_COLUMNS];

    if (!table->failed) {
        async_table_widths(table, widths);
        async_table_row(table, widths, table->heads);

        for (i = 0; i < table->n; i += table->columns) {
            async_table_row(table, widths,
                            (const char *const *) table->cells + i);
        }
    }

    for (i = 0; i < table->n; i++) {
        free(table->cells[i]);
    }

    free(table->cells);

    return !table->failed;
}


static void
async_table_widths(const async_table_t *table, unsigned *widths)
{
    size_t       i;
    unsigned     n, column, sum, terminal;
    async_str_t  text;

    for (column = 0, sum = 0; column < table->columns; column++) {
        widths[column] = (unsigned) strlen(table->heads[column]);

        for (i = column; i < table->n; i += table->columns) {
            text.data = table->cells[i];
            text.len = strlen(text.data);

            n = async_print_safe(NULL, text, UINT32_MAX);
            widths[column] = n > widths[column] ? n : widths[column];
        }

        sum += widths[column] + 2;
    }

    terminal = async_terminal_width();
    column = table->flexible;

    if (terminal != 0 && sum - 2 > terminal) {
        n = sum - 2 - terminal;

        widths[column] = widths[column] > n + ASYNC_TABLE_LEAST
                         ? widths[column] - n : ASYNC_TABLE_LEAST;
    }
}


static void
async_table_row(const async_table_t *table, const unsigned *widths,
    const char *const *cells)
{
    bool         last;
    unsigned     column, n;
    async_str_t  text;

    for (column = 0; column < table->columns; column++) {
        last = column + 1 == table->columns;

        text.data = cells[column];
        text.len = strlen(text.data);

        n = async_print_safe(NULL, text, widths[column]);

        if (table->right & (1u << column)) {
            (void) printf("%*s", (int) (widths[column] - n), "");
            n = widths[column];
        }

        (void) async_print_safe(stdout, text, widths[column]);

        if (!last) {
            (void) printf("%*s", (int) (widths[column] - n) + 2, "");
        }
    }

    (void) putchar('\n');
}


unsigned
async_terminal_width(void)
{
    struct winsize  ws;

    if (!isatty(STDOUT_FILENO)) {
        return 0;
    }

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0
           ? ws.ws_col : 80;
}


unsigned
async_print_safe(FILE *out, async_str_t text, unsigned max)
{
    bool            valid;
    size_t          len;
    unsigned        n;
    const uint8_t  *p, *end;

    p = (const uint8_t *) text.data;
    end = text.len != 0 ? p + text.len : p;

    for (n = 0; p < end; p += len, n++) {
        len = async_utf8(p, end, &valid);

        if (n == max) {
            break;
        }

        if (out == NULL) {
            continue;
        }

        if (n + 1 == max && p + len < end) {
            (void) fputs("\xe2\x80\xa6", out);

        } else if (valid && async_print_harmless(p, len)) {
            (void) fwrite(p, 1, len, out);

        } else {
            (void) fputc('?', out);
        }
    }

    return n;
}


/* C0 and C1, and U+200E to U+200F, U+2028 to U+202E, U+2066 to U+2069 */

static bool
async_print_harmless(const uint8_t *p, size_t len)
{
    switch (len) {

    case 1:
        return p[0] >= 0x20 && p[0] != 0x7f;

    case 2:
        return p[0] != 0xc2 || p[1] >= 0xa0;

    case 3:
        return p[0] != 0xe2
               || !((p[1] == 0x80 && (p[2] == 0x8e || p[2] == 0x8f
                                      || (p[2] >= 0xa8 && p[2] <= 0xae)))
                    || (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9));

    default:
        return true;
    }
}
