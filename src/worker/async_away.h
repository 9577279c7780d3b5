/*
 * Server blocks whose nginx does not answer.  Their jobs wait in the store
 * while this table asks the sockets, 250 ms and then up to 5 s apart; a
 * connection that is accepted lets one claim try.  Times are CLOCK_BOOTTIME
 * in ms.
 */

#ifndef ASYNC_AWAY_H
#define ASYNC_AWAY_H

#include <stdbool.h>
#include <stdint.h>


#define ASYNC_AWAY_MIN  250     /* ms */
#define ASYNC_AWAY_MAX  5000

typedef struct {
    uint64_t  server;
    int64_t   until;            /* nothing is tried before */
    int64_t   delay;
    bool      refused;          /* it is there but answers 403 */
    bool      trial;            /* claims may try again */
} async_away_entry_t;

typedef struct {
    async_away_entry_t  *entries;
    uint64_t            *keys;  /* of those that are not on trial */
    unsigned             n;
    unsigned             nkeys;
    unsigned             cap;
} async_away_t;


/*
 * A replay found its server away.  Returns when to try again; *news is true
 * if the server was not in the table (worth a log line).
 */
int64_t async_away_add(async_away_t *away, uint64_t server, bool refused,
    int64_t now, bool *news);
/* a replay got through: true if the server was in the table */
bool async_away_clear(async_away_t *away, uint64_t server);
/* asks the sockets whose time has come; true if one is on trial now */
bool async_away_probe(async_away_t *away, const char *run, int64_t now);
/* the earliest time at which async_away_probe has work, 0 = none */
int64_t async_away_next(const async_away_t *away);
void async_away_clean(async_away_t *away);

/*
 * Path of a server block's socket in the folder run ("…/run", or a short
 * form of it); false if cap is too small.
 */
bool async_away_socket(char *path, unsigned cap, const char *run,
    uint64_t server);


#endif /* ASYNC_AWAY_H */
