#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "async_away.h"


static async_away_entry_t *async_away_find(async_away_t *away,
    uint64_t server);
static async_away_entry_t *async_away_new(async_away_t *away);
static void async_away_defer(async_away_entry_t *entry, int64_t now);
static bool async_away_ask(const char *run, uint64_t server);
static void async_away_list(async_away_t *away);


int64_t
async_away_add(async_away_t *away, uint64_t server, bool refused, int64_t now,
    bool *news)
{
    async_away_entry_t  *entry;

    *news = false;
    entry = async_away_find(away, server);

    if (entry && !entry->trial) {

        /* one of many that were under way when it went */

        return entry->until;
    }

    if (entry == NULL) {
        entry = async_away_new(away);
        if (entry == NULL) {
            return now + ASYNC_AWAY_MAX;
        }

        entry->server = server;
        *news = true;
    }

    /* one that knows us not answers at once: asking its socket says nothing */

    entry->refused = refused;
    async_away_defer(entry, now);
    async_away_list(away);

    return entry->until;
}


bool
async_away_clear(async_away_t *away, uint64_t server)
{
    async_away_entry_t  *entry;

    if (away->n == 0) {
        return false;
    }

    entry = async_away_find(away, server);
    if (entry == NULL) {
        return false;
    }

    *entry = away->entries[--away->n];
    async_away_list(away);

    return true;
}


bool
async_away_probe(async_away_t *away, const char *run, int64_t now)
{
    bool                 found;
    unsigned             i;
    async_away_entry_t  *entry;

    found = false;

    for (i = 0; i < away->n; i++) {
        entry = &away->entries[i];

        if (entry->trial || entry->until > now) {
            continue;
        }

        if (entry->refused || async_away_ask(run, entry->server)) {
            entry->trial = true;
            found = true;
            continue;
        }

        async_away_defer(entry, now);
    }

    async_away_list(away);

    return found;
}


int64_t
async_away_next(const async_away_t *away)
{
    int64_t   next;
    unsigned  i;

    next = 0;

    for (i = 0; i < away->n; i++) {
        if (!away->entries[i].trial
            && (next == 0 || away->entries[i].until < next))
        {
            next = away->entries[i].until;
        }
    }

    return next;
}


void
async_away_clean(async_away_t *away)
{
    free(away->entries);
    free(away->keys);
    memset(away, 0, sizeof(async_away_t));
}


bool
async_away_socket(char *path, unsigned cap, const char *run, uint64_t server)
{
    int  n;

    n = snprintf(path, cap, "%s/%016" PRIx64 ".sock", run, server);

    return n > 0 && (unsigned) n < cap;
}


static async_away_entry_t *
async_away_find(async_away_t *away, uint64_t server)
{
    unsigned  i;

    for (i = 0; i < away->n; i++) {
        if (away->entries[i].server == server) {
            return &away->entries[i];
        }
    }

    return NULL;
}


static async_away_entry_t *
async_away_new(async_away_t *away)
{
    unsigned             cap;
    uint64_t            *keys;
    async_away_entry_t  *entries;

    if (away->n == away->cap) {
        cap = away->cap ? away->cap * 2 : 8;

        entries = realloc(away->entries, cap * sizeof(async_away_entry_t));
        if (entries == NULL) {
            return NULL;
        }

        away->entries = entries;

        keys = realloc(away->keys, cap * sizeof(uint64_t));
        if (keys == NULL) {
            return NULL;
        }

        away->keys = keys;
        away->cap = cap;
    }

    entries = &away->entries[away->n++];
    memset(entries, 0, sizeof(async_away_entry_t));

    return entries;
}


static void
async_away_defer(async_away_entry_t *entry, int64_t now)
{
    entry->delay = entry->delay ? entry->delay * 2 : ASYNC_AWAY_MIN;

    if (entry->delay > ASYNC_AWAY_MAX) {
        entry->delay = ASYNC_AWAY_MAX;
    }

    entry->until = now + entry->delay;
    entry->trial = false;
}


/* a connection that says nothing costs nginx less than a job that fails */

static bool
async_away_ask(const char *run, uint64_t server)
{
    int                 fd;
    bool                answers;
    struct sockaddr_un  sun;

    memset(&sun, 0, sizeof(struct sockaddr_un));
    sun.sun_family = AF_UNIX;

    if (!async_away_socket(sun.sun_path, sizeof(sun.sun_path), run, server)) {
        return false;
    }

    fd = socket(AF_UNIX, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);
    if (fd == -1) {
        return false;
    }

    answers = connect(fd, (struct sockaddr *) &sun, sizeof(sun)) == 0;
    close(fd);

    return answers;
}


static void
async_away_list(async_away_t *away)
{
    unsigned  i;

    away->nkeys = 0;

    for (i = 0; i < away->n; i++) {
        if (!away->entries[i].trial) {
            away->keys[away->nkeys++] = away->entries[i].server;
        }
    }
}
