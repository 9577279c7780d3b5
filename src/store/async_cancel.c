/*
 * Cancel.  A client asks without knowing where its job stands, so the store
 * decides; what runs goes on until its worker has seen the mark.
 */

#include <string.h>

#include "async_work.h"


static void async_cancel_event(async_event_t *cancel,
    const async_event_t *event);


async_rc_t
async_cancel_request(async_work_t *work, const async_event_t *event,
    async_job_t *job)
{
    async_event_t  cancel;

    async_cancel_event(&cancel, event);

    switch ((async_state_t) job->state) {

    case ASYNC_STATE_CANCELED:
        return ASYNC_OK;

    case ASYNC_STATE_PROCESSING:
        if (event->waits) {
            return ASYNC_REFUSED;
        }

        if (job->flags & ASYNC_JOB_CANCEL_WANTED) {
            return ASYNC_OK;
        }

        cancel.type = ASYNC_EVENT_CANCEL_REQUESTED;
        break;

    default:
        break;
    }

    return async_event_move(work, &cancel, job);
}


/* a job that ends by itself before it is stopped has ended */

const async_event_t *
async_cancel_instead(const async_event_t *event, const async_job_t *job,
    async_event_t *instead)
{
    if (!(job->flags & ASYNC_JOB_CANCEL_WANTED)) {
        return event;
    }

    async_cancel_event(instead, event);

    switch (event->type) {

    case ASYNC_EVENT_RELEASED:
        instead->sent = event->sent;
        return instead;

    case ASYNC_EVENT_INTERRUPTED:
        instead->sent = true;
        return instead;

    case ASYNC_EVENT_FAILED:

        /* cut and not to be repeated: as if its worker had died */

        if (event->error == ASYNC_JOB_ERROR_OUTCOME_UNKNOWN
            && event->response.where == ASYNC_BODY_NONE
            && event->payload.head.len == 0)
        {
            instead->sent = true;
            return instead;
        }

        return event;

    case ASYNC_EVENT_ATTEMPT_FAILED:
        instead->sent = event->sent
                        && event->error != ASYNC_JOB_ERROR_BACKEND_STATUS;
        return instead;

    default:
        return event;
    }
}


static void
async_cancel_event(async_event_t *cancel, const async_event_t *event)
{
    memset(cancel, 0, sizeof(async_event_t));

    cancel->type = ASYNC_EVENT_CANCELED;
    cancel->id = event->id;
    cancel->status = event->status;
    cancel->duration = event->duration;
    cancel->by = event->by;
}
