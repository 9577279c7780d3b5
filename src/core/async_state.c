/*
 * The one table of allowed moves.
 */

#include <stddef.h>
#include <stdint.h>

#include "async_state.h"


/* a move that is not here is ASYNC_STATE_NONE: forbidden */

#define async_move(from, event, to)                                          \
    [ASYNC_STATE_##from][ASYNC_EVENT_##event] = ASYNC_STATE_##to

static const uint8_t  async_moves[ASYNC_STATE_MAX][ASYNC_EVENT_MAX] = {
    async_move(NONE,       SUBMITTED,        QUEUED),
    async_move(NONE,       DELAYED,          SCHEDULED),

    async_move(QUEUED,     STARTED,          PROCESSING),
    async_move(QUEUED,     DUE,              QUEUED),     /* was parked */
    async_move(QUEUED,     FAILED,           FAILED),
    async_move(QUEUED,     CANCELED,         CANCELED),

    async_move(SCHEDULED,  DUE,              QUEUED),
    async_move(SCHEDULED,  FAILED,           FAILED),
    async_move(SCHEDULED,  CANCELED,         CANCELED),

    async_move(PROCESSING, PROGRESSED,       PROCESSING),
    async_move(PROCESSING, RELEASED,         QUEUED),
    async_move(PROCESSING, INTERRUPTED,      QUEUED),
    async_move(PROCESSING, ATTEMPT_FAILED,   RETRYING),
    async_move(PROCESSING, COMPLETED,        COMPLETED),
    async_move(PROCESSING, FAILED,           FAILED),
    async_move(PROCESSING, CANCEL_REQUESTED, PROCESSING),
    async_move(PROCESSING, CANCELED,         CANCELED),

    async_move(RETRYING,   DUE,              QUEUED),
    async_move(RETRYING,   FAILED,           FAILED),
    async_move(RETRYING,   CANCELED,         CANCELED),

    async_move(FAILED,     RETRIED,          FAILED)

    /*
     * no move leaves COMPLETED, FAILED or CANCELED: what becomes of a webhook
     * is not the job's, see async_event_of_webhook()
     */
};


static const char *const  async_state_names[ASYNC_STATE_MAX] = {
#define X(number, symbol, name, azure)  [number] = name,
    ASYNC_STATES(X)
#undef X
};


static const char *const  async_state_azures[ASYNC_STATE_MAX] = {
#define X(number, symbol, name, azure)  [number] = azure,
    ASYNC_STATES(X)
#undef X
};


static const char *const  async_event_names[ASYNC_EVENT_MAX] = {
#define X(number, symbol, name)  [number] = name,
    ASYNC_EVENTS(X)
#undef X
};


async_state_t
async_state_next(async_state_t state, async_event_type_t event)
{
    if ((unsigned) state >= ASYNC_STATE_MAX
        || (unsigned) event >= ASYNC_EVENT_MAX)
    {
        return ASYNC_STATE_NONE;
    }

    return (async_state_t) async_moves[state][event];
}


bool
async_state_final(async_state_t state)
{
    return state == ASYNC_STATE_COMPLETED
           || state == ASYNC_STATE_FAILED
           || state == ASYNC_STATE_CANCELED;
}


const char *
async_state_name(async_state_t state)
{
    if ((unsigned) state >= ASYNC_STATE_MAX
        || async_state_names[state] == NULL)
    {
        return "";
    }

    return async_state_names[state];
}


const char *
async_state_azure(async_state_t state)
{
    if ((unsigned) state >= ASYNC_STATE_MAX
        || async_state_azures[state] == NULL)
    {
        return "";
    }

    return async_state_azures[state];
}


const char *
async_event_name(async_event_type_t event)
{
    if ((unsigned) event >= ASYNC_EVENT_MAX
        || async_event_names[event] == NULL)
    {
        return "";
    }

    return async_event_names[event];
}


bool
async_event_of_webhook(async_event_type_t event)
{
    return event == ASYNC_EVENT_WEBHOOK_DELIVERED
           || event == ASYNC_EVENT_WEBHOOK_FAILED
           || event == ASYNC_EVENT_WEBHOOK_DEAD
           || event == ASYNC_EVENT_WEBHOOK_REDELIVER;
}


const char *
async_event_told(async_event_type_t event, async_state_t state)
{
    switch (event) {

    case ASYNC_EVENT_PROGRESSED:
        return "progress";

    case ASYNC_EVENT_CANCEL_REQUESTED:
        return "cancel-requested";

    case ASYNC_EVENT_RETRIED:
        return "retried";

    default:
        return async_event_of_webhook(event) ? async_event_name(event)
                                             : async_state_name(state);
    }
}
