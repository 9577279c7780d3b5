#include <stdlib.h>
#include <string.h>

#include "async_hosts.h"


#define ASYNC_HOSTS_FIRST  256
#define ASYNC_HOSTS_MOST   (1u << 16)
#define ASYNC_HOSTS_IDLE   (3600 * 1000)      /* ms until one is forgotten */


static async_host_t *async_hosts_find(async_hosts_t *hosts, uint64_t key);
static bool async_hosts_grow(async_hosts_t *hosts, int64_t now);


void
async_hosts_clean(async_hosts_t *hosts)
{
    free(hosts->hosts);
    memset(hosts, 0, sizeof(async_hosts_t));
}


/* the host, or the free place that it would have */

static async_host_t *
async_hosts_find(async_hosts_t *hosts, uint64_t key)
{
    unsigned  i;

    i = (unsigned) (key * 0x9e3779b97f4a7c15ull >> 32) & (hosts->size - 1);

    while (hosts->hosts[i].key != 0 && hosts->hosts[i].key != key) {
        i = (i + 1) & (hosts->size - 1);
    }

    return &hosts->hosts[i];
}


/*
 * A larger table, without those of which nothing was heard for long.  Beyond
 * the most, all that are idle go: what is forgotten is learned again.
 */

static bool
async_hosts_grow(async_hosts_t *hosts, int64_t now)
{
    bool           all;
    unsigned       i;
    async_host_t  *old;
    async_hosts_t  grown;

    grown = *hosts;
    grown.n = 0;
    all = hosts->size >= ASYNC_HOSTS_MOST;
    grown.size = hosts->size == 0 ? ASYNC_HOSTS_FIRST
                 : all ? hosts->size : hosts->size * 2;

    grown.hosts = calloc(grown.size, sizeof(async_host_t));

    if (grown.hosts == NULL) {
        return false;
    }

    for (i = 0; i < hosts->size; i++) {
        old = &hosts->hosts[i];

        if (old->key != 0
            && (old->running > 0
                || (!all && now - old->used < ASYNC_HOSTS_IDLE)))
        {
            *async_hosts_find(&grown, old->key) = *old;
            grown.n++;
        }
    }

    free(hosts->hosts);
    *hosts = grown;

    return true;
}


async_hosts_turn_t
async_hosts_ask(async_hosts_t *hosts, uint64_t key, int64_t now,
    int64_t *until, bool *doubt)
{
    unsigned       doubted;
    async_host_t  *host;

    key = key != 0 ? key : 1;

    if (hosts->n * 4 >= hosts->size * 3 && !async_hosts_grow(hosts, now)) {
        return ASYNC_HOSTS_BUSY;
    }

    host = async_hosts_find(hosts, key);

    if (host->key == 0) {
        memset(host, 0, sizeof(async_host_t));
        host->key = key;
        host->window = ASYNC_HOSTS_FEW;
        hosts->n++;
    }

    host->used = now;

    /* the clock was set back */

    if (host->probe > now + host->interval) {
        host->probe = now;
    }

    if (host->probe != 0 && (now < host->probe || host->running > 0)) {
        *until = host->probe > now ? host->probe : now + host->interval;
        return ASYNC_HOSTS_DOWN;
    }

    /* half of the doubt is for hosts that nothing is under way to */

    doubted = host->running == 0 ? ASYNC_HOSTS_DOUBT : ASYNC_HOSTS_DOUBT / 2;

    if (host->running >= host->window
        || (host->answers && hosts->answering >= ASYNC_HOSTS_ANSWER)
        || (!host->answers && hosts->doubtful >= doubted))
    {
        return ASYNC_HOSTS_BUSY;
    }

    *doubt = !host->answers;
    host->running++;

    if (*doubt) {
        hosts->doubtful++;

    } else {
        hosts->answering++;
    }

    return ASYNC_HOSTS_GO;
}


void
async_hosts_force(async_hosts_t *hosts, uint64_t key, bool *doubt)
{
    async_hosts_find(hosts, key != 0 ? key : 1)->running++;
    hosts->doubtful++;
    *doubt = true;
}


void
async_hosts_ended(async_hosts_t *hosts, uint64_t key, bool doubt,
    async_hosts_end_t end, int64_t now)
{
    async_host_t  *host;

    host = async_hosts_find(hosts, key != 0 ? key : 1);

    if (doubt) {
        hosts->doubtful--;

    } else {
        hosts->answering--;
    }

    host->running -= host->running > 0 ? 1 : 0;
    host->used = now;

    switch (end) {

    case ASYNC_HOSTS_ANSWERED:
        host->answers = true;
        host->failures = 0;
        host->probe = 0;
        host->interval = 0;
        host->window = host->window < ASYNC_HOSTS_WINDOW / 2
                       ? host->window * 2 : ASYNC_HOSTS_WINDOW;
        break;

    case ASYNC_HOSTS_FAILED:
        host->answers = false;
        host->failures++;
        host->window = host->window / 2 > ASYNC_HOSTS_FEW ? host->window / 2
                                                          : ASYNC_HOSTS_FEW;

        /* what was under way when it went down says nothing new of it */

        if (host->failures < ASYNC_HOSTS_FAILURES || now < host->probe) {
            break;
        }

        host->interval = host->interval == 0 ? ASYNC_HOSTS_PROBE_MIN
                                             : host->interval * 2;

        if (host->interval > ASYNC_HOSTS_PROBE_MAX) {
            host->interval = ASYNC_HOSTS_PROBE_MAX;
        }

        host->probe = now + host->interval;
        break;

    case ASYNC_HOSTS_UNTRIED:
        break;
    }
}
