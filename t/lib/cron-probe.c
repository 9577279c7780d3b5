/*
 * What async_cron.h makes of an expression, for a test that knows better:
 *
 *   cron-probe ZONEFILE FROM TO < expressions
 *
 * prints for each line the unix seconds of all times after FROM and up to TO,
 * in one line, or "!" and what is wrong with it.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async_cron.h"


int
main(int argc, char **argv)
{
    char           line[ASYNC_CRON_TEXT + 2];
    FILE          *file;
    size_t         len;
    int64_t        t, to;
    async_str_t    text;
    async_cron_t   cron;
    async_zone_t   zone;
    async_error_t  err;

    static char  data[65536];

    if (argc != 4 || (file = fopen(argv[1], "rb")) == NULL) {
        return 2;
    }

    len = fread(data, 1, sizeof(data), file);
    fclose(file);

    if (async_zone_decode(&zone, data, len) != ASYNC_OK) {
        return 1;
    }

    to = strtoll(argv[3], NULL, 10) * 1000;

    while (fgets(line, sizeof(line), stdin) != NULL) {
        text.data = line;
        text.len = strcspn(line, "\n");

        if (async_cron_parse(&cron, text, &err) != ASYNC_OK) {
            printf("!%s\n", err.text);
            continue;
        }

        t = strtoll(argv[2], NULL, 10) * 1000;

        while ((t = async_cron_next(&cron, &zone, t)) != 0 && t <= to) {
            printf("%lld ", (long long) (t / 1000));
        }

        printf("\n");
    }

    return 0;
}
