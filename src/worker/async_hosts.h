/*
 * The hosts that webhooks go to, and how they fare.  One that answers gets
 * more at a time; one that does not, fewer, and after ASYNC_HOSTS_FAILURES in
 * a row one try now and then, until it answers again.  Before, it keeps a few:
 * one URL of it that hangs does not hold the others.  So a host that is dead
 * takes few slots, soon none, and slots of its own: those of hosts that
 * answer are not touched by it.
 *
 * In memory only: a worker that starts has to learn it anew.
 */

#ifndef ASYNC_HOSTS_H
#define ASYNC_HOSTS_H

#include <stdbool.h>
#include <stdint.h>


#define ASYNC_HOSTS_FAILURES  5
#define ASYNC_HOSTS_ANSWER    64    /* tries at once to hosts that answer */
#define ASYNC_HOSTS_DOUBT     32    /* and to those of which we do not know */
#define ASYNC_HOSTS_WINDOW    16    /* to one host, at the most */
#define ASYNC_HOSTS_FEW       4     /* and at the least, while it is not down */

/* ms between two probes */
#define ASYNC_HOSTS_PROBE_MIN  (30 * 1000)
#define ASYNC_HOSTS_PROBE_MAX  (10 * 60 * 1000)

typedef struct {
    uint64_t  key;                  /* of scheme, host and port; 0: free */
    uint32_t  failures;             /* in a row */
    uint32_t  running;
    uint32_t  window;
    bool      answers;
    int64_t   probe;                /* not before; 0: at any time */
    int64_t   interval;             /* between probes */
    int64_t   used;
} async_host_t;

typedef struct {
    async_host_t  *hosts;           /* a hash table, linear probing */
    unsigned       size;            /* of it, a power of two */
    unsigned       n;
    unsigned       answering;       /* tries under way */
    unsigned       doubtful;
} async_hosts_t;

typedef enum {
    ASYNC_HOSTS_GO,                 /* and it is counted as under way */
    ASYNC_HOSTS_BUSY,               /* not before another try has ended */
    ASYNC_HOSTS_DOWN                /* not before *until */
} async_hosts_turn_t;


void async_hosts_clean(async_hosts_t *hosts);
/* unix ms, as what is due; *doubt is for async_hosts_ended() */
async_hosts_turn_t async_hosts_ask(async_hosts_t *hosts, uint64_t key,
    int64_t now, int64_t *until, bool *doubt);
/* one that goes whatever we know of its host */
void async_hosts_force(async_hosts_t *hosts, uint64_t key, bool *doubt);
/* what came of a try: whether somebody answered there, or nobody knows */
typedef enum {
    ASYNC_HOSTS_ANSWERED,
    ASYNC_HOSTS_FAILED,
    ASYNC_HOSTS_UNTRIED
} async_hosts_end_t;

void async_hosts_ended(async_hosts_t *hosts, uint64_t key, bool doubt,
    async_hosts_end_t end, int64_t now);


#endif /* ASYNC_HOSTS_H */
