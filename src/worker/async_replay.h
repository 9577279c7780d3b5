/*
 * One attempt at a job: its request sent through nginx, its response taken
 * in, and the event that says what came of it.
 */

#ifndef ASYNC_REPLAY_H
#define ASYNC_REPLAY_H

#include "async_apply.h"
#include "async_http.h"
#include "async_judge.h"
#include "async_payload.h"
#include "async_request.h"
#include "async_response.h"


/* what replays share; run is the folder of the sockets, as short as needed */
typedef struct {
    async_http_t   *http;
    async_store_t  *store;
    async_view_t   *view;
    const char     *run;
} async_replay_env_t;

typedef struct {
    const async_replay_env_t  *env;

    /* of the claim, whose strings do not outlive it */
    async_id_t                 id;
    uint64_t                   epoch;
    uint64_t                   server;
    uint32_t                   attempt;
    uint32_t                   deaths;
    bool                       repeatable;
    bool                       last;           /* of the attempts allowed */
    bool                       head_only;      /* method HEAD */
    async_policy_t             policy;
    int64_t                    waited;         /* ms in the queue */
    char                       queue[ASYNC_QUEUE_MAX + 1];
    async_body_t               body;

    /* CLOCK_BOOTTIME, ms */
    int64_t                    started;
    int64_t                    waiting;        /* last seen unread by nginx */
    int64_t                    taken;          /* first seen read, 0 = not */

    async_transfer_t          *transfer;       /* NULL: not under way */
    uint64_t                   body_sent;
    uint32_t                   body_crc;
    async_spool_reader_t       body_file;      /* closed: in the map */
    bool                       damaged;
    async_response_t           response;

    /* async_hold.c */
    int64_t                    held;           /* until then */
    int64_t                    held_most;      /* and not beyond */
    uint64_t                   held_row;       /* after that report */

    char                       why[ASYNC_ERROR_TEXT];
    async_verdict_t            verdict;
    async_event_t              event;
} async_replay_t;


/*
 * Starts the attempt of a claim.  False: it ended at once, and the event is
 * there.  now is CLOCK_BOOTTIME in ms, here and below.
 */
bool async_replay_start(async_replay_t *replay, const async_replay_env_t *env,
    const async_claim_t *claim, int64_t now);
/* the transfer ended as end says: makes verdict and event */
void async_replay_ended(async_replay_t *replay, async_http_end_t end,
    const char *why, int64_t now);
/* ends it from this side: ASYNC_END_TIMEOUT, _STOPPED or _CANCELED */
void async_replay_cut(async_replay_t *replay, async_end_t end, int64_t now);
/*
 * Whether its time is up.  The timeout runs from when nginx has read the
 * request head: what waits in the listener's backlog waits on.
 */
bool async_replay_overdue(async_replay_t *replay, int64_t now);
/* when to ask that next */
int64_t async_replay_deadline(const async_replay_t *replay);
/* frees what it holds; an event that was not applied is gone */
void async_replay_clean(async_replay_t *replay);


#endif /* ASYNC_REPLAY_H */
