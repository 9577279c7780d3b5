/*
 * A webhook: what a job owes to a URL once it has ended, and what became of
 * it.  It is stored with the job, waits until that ends, and is due from then
 * on until it was delivered, or lies with the dead letters.
 *
 * The body of an attempt is made when it is sent, of the job's document: what
 * is told does not change any more.
 */

#ifndef ASYNC_HOOK_H
#define ASYNC_HOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "async_record.h"
#include "async_state.h"


#define ASYNC_HOOK_MAX      4096    /* bytes of an encoded webhook */
#define ASYNC_HOOK_URL      2048
#define ASYNC_HOOK_ORIGIN   300     /* "https://example.com:8443" */
#define ASYNC_HOOK_OWNER    1024
#define ASYNC_HOOK_POLICY   16
#define ASYNC_HOOK_TRIES    10      /* the first, and nine after it */


/*    number  symbol     name */
#define ASYNC_HOOK_STATES(X)                                                 \
    X(1, WAITING,   "waiting")      /* its job has not ended */              \
    X(2, PENDING,   "pending")      /* due */                                \
    X(3, DELIVERED, "delivered")                                             \
    X(4, DEAD,      "dead")         /* given up: a person may redeliver */

typedef enum {
#define X(number, symbol, name)  ASYNC_HOOK_##symbol = number,
    ASYNC_HOOK_STATES(X)
#undef X
    ASYNC_HOOK_STATE_MAX
} async_hook_state_t;


/* why an attempt failed: number on disk, name in the history */
#define ASYNC_HOOK_ERRORS(X)                                                 \
    X(1, STATUS,      "status")       /* an answer that is not 2xx */        \
    X(2, TIMEOUT,     "timeout")                                             \
    X(3, UNREACHABLE, "unreachable")  /* no connection */                    \
    X(4, UNRESOLVED,  "unresolved")   /* the name has no address */          \
    X(5, TLS,         "tls")                                                 \
    X(6, REFUSED,     "address-refused")  /* async_callback_allow */         \
    X(7, BROKEN,      "broken")       /* the answer is none, or ends early */\
    X(8, SECRET,      "no-secret")    /* our secret file cannot be used */   \
    X(9, LOST,        "not-sent")     /* ours: no memory, no job, no policy */

typedef enum {
    ASYNC_HOOK_ERROR_NONE = 0,
#define X(number, symbol, name)  ASYNC_HOOK_ERROR_##symbol = number,
    ASYNC_HOOK_ERRORS(X)
#undef X
    ASYNC_HOOK_ERROR_MAX
} async_hook_error_t;


/* the ends of a job that are told */
#define ASYNC_HOOK_ON_COMPLETED  0x01
#define ASYNC_HOOK_ON_FAILED     0x02
#define ASYNC_HOOK_ON_CANCELED   0x04
#define ASYNC_HOOK_ON_ALL        0x07


typedef struct {
    uint8_t      state;             /* async_hook_state_t */
    uint8_t      on;                /* ASYNC_HOOK_ON_* */
    uint8_t      error;             /* async_hook_error_t, of the last try */
    uint16_t     status;            /* that was answered to it, 0 = none */
    uint32_t     attempts;          /* made, in all */
    uint32_t     tries;             /* of them, since it was last owed */
    int64_t      owed;              /* unix ms, like those below; 0 = not yet:
                                       the job ended, or a person asked */
    int64_t      due;               /* of a pending one: the next try */
    int64_t      ended;             /* delivered, or dead, since */
    uint8_t      policy[ASYNC_HOOK_POLICY];
                                    /* key, see async_hook_policy.h */
    async_str_t  url;
    async_str_t  origin;            /* what makes a path of ours absolute;
                                       empty: the job's prefix is */
    async_str_t  owner;             /* name, where keys are per owner */
} async_hook_t;


/* 0 if it does not fit, or holds what decode would refuse */
size_t async_hook_encode(const async_hook_t *hook, uint8_t *buf, size_t cap);
/* ASYNC_OK or ASYNC_CORRUPT; borrows from data */
async_rc_t async_hook_decode(async_hook_t *hook, const void *data,
    size_t len);

const char *async_hook_state_name(async_hook_state_t state);  /* "" if none */
const char *async_hook_error_name(async_hook_error_t error);
/* whether this end of its job is told */
bool async_hook_wanted(const async_hook_t *hook, async_state_t state);

/*
 * ms until the try after this many; -1: that was the last.  random has 64
 * bits: up to a tenth more, so that those that failed together do not come
 * back together.  retry_after is what the receiver asked for in ms, -1 =
 * nothing: not earlier than that, within a day.
 */
int64_t async_hook_wait(uint32_t tries, int64_t retry_after,
    uint64_t random);
/* one that was owed so long ago has had the time of all its tries */
bool async_hook_spent(const async_hook_t *hook, int64_t now);


#endif /* ASYNC_HOOK_H */
