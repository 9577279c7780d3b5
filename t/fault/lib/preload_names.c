/*
 * A resolver of the test's own: names and what they mean are lines of the file
 * FAULT_NAMES, "name address ...".  A name that has several lines means the
 * next of them each time it is asked for, and the last from then on.
 */

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"


#define NAMES_MAX  64

static pthread_mutex_t  names_lock = PTHREAD_MUTEX_INITIALIZER;
static char             names_asked[NAMES_MAX][256];
static unsigned         names_times[NAMES_MAX];


/* how often this name was asked for before */

static unsigned
names_count(const char *name)
{
    unsigned  i, n;

    pthread_mutex_lock(&names_lock);

    for (i = 0; i < NAMES_MAX - 1 && names_asked[i][0] != '\0'; i++) {
        if (strcmp(names_asked[i], name) == 0) {
            break;
        }
    }

    snprintf(names_asked[i], sizeof(names_asked[i]), "%s", name);
    n = names_times[i]++;

    pthread_mutex_unlock(&names_lock);

    return n;
}


/* the addresses, with spaces between; false: it is not in the file */

static bool
names_find(const char *name, char *out, size_t size)
{
    FILE        *file;
    char         line[1024], *rest;
    bool         found;
    unsigned     n;
    const char  *path;

    path = getenv("FAULT_NAMES");
    file = path != NULL ? fopen(path, "r") : NULL;

    if (file == NULL) {
        return false;
    }

    found = false;
    n = 0;

    while (fgets(line, sizeof(line), file) != NULL) {
        rest = strchr(line, ' ');

        if (rest == NULL) {
            continue;
        }

        *rest++ = '\0';

        if (strcasecmp(line, name) != 0) {
            continue;
        }

        if (!found) {
            n = names_count(name);
        }

        found = true;
        snprintf(out, size, "%s", rest);

        if (n-- == 0) {
            break;
        }
    }

    fclose(file);

    return found;
}


int
getaddrinfo(const char *restrict name, const char *restrict service,
    const struct addrinfo *restrict hints, struct addrinfo **restrict list)
{
    int                rc;
    char               text[1024], *save, *word;
    struct addrinfo    numeric, **end;

    if (name == NULL || !names_find(name, text, sizeof(text))) {
        return REAL(getaddrinfo)(name, service, hints, list);
    }

    if (hints != NULL) {
        numeric = *hints;

    } else {
        memset(&numeric, 0, sizeof(numeric));
    }

    numeric.ai_flags = AI_NUMERICHOST;
    numeric.ai_family = AF_UNSPEC;

    *list = NULL;
    end = list;
    rc = EAI_NONAME;

    /* glibc frees such a list node by node */

    for (word = strtok_r(text, " \n", &save); word != NULL;
         word = strtok_r(NULL, " \n", &save))
    {
        rc = REAL(getaddrinfo)(word, service, &numeric, end);

        if (rc != 0) {
            return rc;
        }

        while (*end != NULL) {
            end = &(*end)->ai_next;
        }
    }

    return rc;
}
