/*
 * What becomes of a job after it was submitted.
 */

#include <string.h>

#include "async_work.h"


static bool async_event_fits(async_work_t *work, const async_event_t *event,
    const async_job_t *job, size_t need);
static async_rc_t async_event_check(const async_event_t *event);
static async_rc_t async_event_client(async_work_t *work,
    const async_event_t *event, async_job_t *job);
static async_rc_t async_event_fence(async_work_t *work,
    const async_event_t *event, const async_job_t *job);
static void async_event_change(const async_event_t *event,
    const async_policy_t *policy, async_job_t *job, uint8_t before,
    int64_t at);
static void async_event_clear(async_job_t *job);
static void async_event_end(const async_event_t *event,
    const async_policy_t *policy, async_job_t *job, int64_t at);
static void async_event_payload(async_work_t *work,
    const async_event_t *event);
static async_rc_t async_event_waits(async_work_t *work,
    const async_job_t *job);
static void async_event_release(async_work_t *work,
    const async_job_t *before, const async_job_t *job);
static bool async_event_owes(async_work_t *work, async_job_t *job,
    async_hook_t *hook, uint8_t *record);
static bool async_event_quiet(const async_event_t *event,
    const async_job_t *before);


async_rc_t
async_event_apply(async_work_t *work, async_event_t *given)
{
    bool                  news;
    size_t                need;
    uint8_t               buf[ASYNC_JOB_MAX];
    async_rc_t            rc;
    async_job_t           job;
    async_event_t         instead;
    const async_event_t  *event;

    event = given;
    rc = async_event_check(event);

    if (rc != ASYNC_OK) {
        return rc;
    }

    /* also where the job's own record is gone */

    if (event->type == ASYNC_EVENT_WEBHOOK_FAILED && event->attempt == 0) {
        return async_hook_put_off(work, event);
    }

    rc = async_work_job(work, &event->id, &job, buf);

    if (rc == ASYNC_OK && async_event_of_webhook(event->type)) {
        return async_hook_event(work, event, &job);
    }

    if (rc == ASYNC_OK
        && (event->type == ASYNC_EVENT_CANCEL_REQUESTED
            || event->type == ASYNC_EVENT_FORGOTTEN))
    {
        return async_event_client(work, event, &job);
    }

    news = true;

    if (rc == ASYNC_OK) {
        rc = event->type == ASYNC_EVENT_PROGRESSED
             ? async_report_check(work, given, &job, &news)
             : async_event_fence(work, event, &job);
    }

    if (rc != ASYNC_OK || !news) {
        return rc;
    }

    event = async_cancel_instead(event, &job, &instead);
    need = async_event_need(event);

    if (!async_event_fits(work, event, &job, need)) {
        return ASYNC_STORE_FULL;
    }

    rc = async_event_move(work, event, &job);

    if (rc == ASYNC_OK) {
        work->store->quota->added += need;
    }

    return rc;
}


/* what gives back more than it takes never waits for room */

static bool
async_event_fits(async_work_t *work, const async_event_t *event,
    const async_job_t *job, size_t need)
{
    uint64_t  takes, gives;

    if (event->type == ASYNC_EVENT_CANCELED) {
        return true;
    }

    takes = need + async_event_file(&event->response);
    gives = 0;

    if (event->type == ASYNC_EVENT_COMPLETED) {
        gives = async_event_file(&job->request);

        if (job->request.where == ASYNC_BODY_CHUNKS) {
            gives = async_event_stored((size_t) job->request.len);
        }
    }

    return takes <= gives
           || async_quota_allows(work->store, work->spooled, takes - gives,
                                 ASYNC_QUOTA_REST);
}


static async_rc_t
async_event_check(const async_event_t *event)
{
    switch (event->type) {

    case ASYNC_EVENT_RELEASED:
    case ASYNC_EVENT_INTERRUPTED:
    case ASYNC_EVENT_CANCEL_REQUESTED:
    case ASYNC_EVENT_FORGOTTEN:
    case ASYNC_EVENT_WEBHOOK_DELIVERED:
    case ASYNC_EVENT_WEBHOOK_FAILED:
    case ASYNC_EVENT_WEBHOOK_DEAD:
    case ASYNC_EVENT_WEBHOOK_REDELIVER:
        return ASYNC_OK;

    case ASYNC_EVENT_PROGRESSED:
        return event->percent <= 100 || event->percent == ASYNC_NO_PERCENT
               ? ASYNC_OK : ASYNC_INVALID;

    case ASYNC_EVENT_CANCELED:
        return event->error == ASYNC_JOB_ERROR_NONE
               && event->response.where == ASYNC_BODY_NONE
               && event->payload.head.len + event->payload.body.len == 0
               ? ASYNC_OK : ASYNC_INVALID;

    case ASYNC_EVENT_ATTEMPT_FAILED:
        return event->error > ASYNC_JOB_ERROR_NONE
               && event->error < ASYNC_JOB_ERROR_MAX && event->due > 0
               ? ASYNC_OK : ASYNC_INVALID;

    case ASYNC_EVENT_COMPLETED:
    case ASYNC_EVENT_FAILED:
        return event->error < ASYNC_JOB_ERROR_MAX
               && async_event_body(&event->response, event->payload.body)
               ? ASYNC_OK : ASYNC_INVALID;

    default:
        return ASYNC_REFUSED;
    }
}


/* who knows the job, not who runs it: for him the state decides */

static async_rc_t
async_event_client(async_work_t *work, const async_event_t *event,
    async_job_t *job)
{
    if (event->type == ASYNC_EVENT_CANCEL_REQUESTED) {
        return async_cancel_request(work, event, job);
    }

    if (!async_state_final((async_state_t) job->state)) {
        return ASYNC_REFUSED;
    }

    (void) async_work_forget(work, job);

    return work->fault;
}


/*
 * Only who claimed the job, and only for the attempt that he was given: he
 * may have slept while another took over and judged it.
 */

static async_rc_t
async_event_fence(async_work_t *work, const async_event_t *event,
    const async_job_t *job)
{
    if (event->error == ASYNC_JOB_ERROR_START_TIMEOUT) {
        return event->epoch == work->epoch ? async_event_waits(work, job)
                                           : ASYNC_STALE;
    }

    if (event->epoch != work->epoch || event->epoch != job->epoch
        || event->attempt != job->attempt)
    {
        return ASYNC_STALE;
    }

    if (async_state_final(job->state)) {
        return ASYNC_REFUSED;
    }

    return job->state == ASYNC_STATE_PROCESSING ? ASYNC_OK : ASYNC_STALE;
}


/* who found a job late may be late himself: it has been claimed meanwhile */

static async_rc_t
async_event_waits(async_work_t *work, const async_job_t *job)
{
    async_policy_t  policy;

    if (async_state_final(job->state)) {
        return ASYNC_REFUSED;
    }

    async_work_policy(work, job->policy, &policy);

    return async_policy_overdue(&policy, job, work->now) ? ASYNC_OK
                                                         : ASYNC_STALE;
}


async_rc_t
async_event_move(async_work_t *work, const async_event_t *event,
    async_job_t *job)
{
    bool            quiet, owes;
    size_t          len, trail_len;
    uint8_t         buf[ASYNC_JOB_MAX], trail[ASYNC_TRAIL_MAX];
    uint8_t         record[ASYNC_HOOK_MAX];
    int64_t         at;
    async_key_t     key;
    async_hook_t    hook;
    async_job_t     before;
    async_state_t   state;
    async_tally_t  *tally;
    async_policy_t  policy;

    before = *job;
    state = async_state_next(job->state, event->type);
    quiet = async_event_quiet(event, &before);

    if (state == ASYNC_STATE_NONE) {
        return ASYNC_REFUSED;
    }

    tally = async_work_tally(work, job->queue);

    if (tally == NULL) {
        return work->fault;
    }

    if (async_state_final(state)) {
        async_work_policy(work, job->policy, &policy);
    }

    at = async_event_time(work, job);

    job->state = (uint8_t) state;
    job->seq += quiet ? 0 : 1;

    async_report_leave(&before, job);
    async_event_change(event, &policy, job, before.state, at);

    owes = async_state_final(state)
           && async_event_owes(work, job, &hook, record);

    len = async_report_encode(job, buf, sizeof(buf));
    trail_len = async_event_trail(event, event->type, job, at, trail,
                                  sizeof(trail));

    if (len == 0 || trail_len == 0) {
        *job = before;
        return ASYNC_INVALID;
    }

    async_key_job(&key, &job->id);
    async_work_put(work, &key, buf, len);

    if (!quiet) {
        async_event_log(work, job, trail, trail_len);
    }

    async_report_thin(work, &before, job);
    async_place_move(work, &before, job);
    async_known_move(work, &before, job);
    async_event_release(work, &before, job);
    async_event_payload(work, event);
    async_event_spooled(work, &event->response);

    async_place_count(tally, before.state, -1);
    async_place_count(tally, job->state, 1);
    async_meter_event(work, tally, event, &before, job);

    if (async_state_final(state)) {
        async_owner_count(work, job, -1);
        async_fire_ended(work, job);
    }

    if (owes) {
        async_hook_owe(work, &job->id, &hook);

    } else if (before.hooks != job->hooks) {
        async_hook_drop(work, &job->id);
    }

    /*
     * Failures teach nothing: a backend that is down refuses at once, and
     * then is the wrong time to be asked each second.
     */

    if (event->type == ASYNC_EVENT_COMPLETED) {
        async_learn_run(work, job, policy.location, event->duration);
    }

    return work->fault;
}


/* at its end: whether it has a webhook to be sent */

static bool
async_event_owes(async_work_t *work, async_job_t *job, async_hook_t *hook,
    uint8_t *record)
{
    async_known_end(job);

    if (async_hook_owes(work, job, hook, record)) {
        return true;
    }

    /* what failed may be repeated, and that may end so that it is told */

    if (job->state != ASYNC_STATE_FAILED) {
        job->hooks = 0;
    }

    return false;
}


/* back from a parking place: nobody outside saw it leave */

static bool
async_event_quiet(const async_event_t *event, const async_job_t *before)
{
    return event->type == ASYNC_EVENT_DUE
           && (before->flags & ASYNC_JOB_PARKED);
}


/*
 * before is the state that was left.  Who was delayed waits for his turn since
 * he was due, whoever looked at it late: his start deadline runs from there.
 */

static void
async_event_change(const async_event_t *event, const async_policy_t *policy,
    async_job_t *job, uint8_t before, int64_t at)
{
    switch (event->type) {

    case ASYNC_EVENT_STARTED:
        job->epoch = event->epoch;
        job->attempt++;
        job->started = at;
        job->percent = ASYNC_NO_PERCENT;
        job->due = 0;
        async_event_clear(job);
        memset(&job->message, 0, sizeof(async_str_t));
        break;

    case ASYNC_EVENT_RELEASED:
        job->attempt -= job->attempt > 0 ? 1 : 0;
        job->flags |= event->sent ? ASYNC_JOB_SENT : 0;
        job->started = 0;

        if (event->due > at) {
            job->flags |= ASYNC_JOB_PARKED;
            job->due = event->due;
        }

        break;

    case ASYNC_EVENT_INTERRUPTED:
        job->flags |= ASYNC_JOB_SENT;
        job->deaths++;
        job->attempts_max++;
        break;

    case ASYNC_EVENT_ATTEMPT_FAILED:
        job->error = event->error;
        job->detail = event->detail;
        job->due = event->due;

        /* what a backend answered is known */

        if (event->error == ASYNC_JOB_ERROR_BACKEND_STATUS) {
            job->flags |= ASYNC_JOB_ANSWERED;

        } else if (event->sent) {
            job->flags |= ASYNC_JOB_SENT;
        }

        break;

    case ASYNC_EVENT_DUE:
        if (job->flags & ASYNC_JOB_PARKED) {
            job->flags &= (uint16_t) ~ASYNC_JOB_PARKED;

        } else {
            job->queued = before == ASYNC_STATE_SCHEDULED ? job->due : at;
            async_event_clear(job);
        }

        job->due = 0;
        break;

    case ASYNC_EVENT_PROGRESSED:
        async_report_change(event, job, at);
        break;

    case ASYNC_EVENT_CANCEL_REQUESTED:
        job->flags |= ASYNC_JOB_CANCEL_WANTED;
        break;

    case ASYNC_EVENT_CANCELED:
        job->flags |= event->sent ? ASYNC_JOB_SENT : 0;
        job->flags |= event->status != 0 ? ASYNC_JOB_ANSWERED : 0;
        async_event_end(event, policy, job, at);
        break;

    case ASYNC_EVENT_COMPLETED:
    case ASYNC_EVENT_FAILED:
        async_event_end(event, policy, job, at);
        break;

    default:
        break;
    }
}


/* what the attempt before had to say is in the history */

static void
async_event_clear(async_job_t *job)
{
    job->error = ASYNC_JOB_ERROR_NONE;
    memset(&job->detail, 0, sizeof(async_str_t));
}


static void
async_event_end(const async_event_t *event, const async_policy_t *policy,
    async_job_t *job, int64_t at)
{
    bool      completed;
    uint64_t  kept, known;

    completed = event->type == ASYNC_EVENT_COMPLETED;

    kept = event->type == ASYNC_EVENT_FAILED ? policy->retain_failed
                                             : policy->retain_result;
    known = policy->retain_history > kept ? policy->retain_history : kept;

    job->finished = at;
    job->expires = at + (int64_t) kept;
    job->due = at + (int64_t) known;
    job->flags &= (uint16_t) ~ASYNC_JOB_PARKED;
    job->error = completed ? ASYNC_JOB_ERROR_NONE : event->error;
    job->response = event->response;

    /* no body is no sign: a HEAD that failed has a response all the same */

    job->result_status = completed || event->payload.head.len != 0
                         ? event->status : 0;
    job->resource = event->resource;
    job->detail = event->detail;

    if (!async_job_keeps_request(job)) {
        memset(&job->request, 0, sizeof(async_body_t));
    }
}


/*
 * Whoever writes took his time before he waited for the door, and another may
 * have written meanwhile: no line is older than the one before it.  By more
 * than that wait only a clock was set back, and is believed.
 */

int64_t
async_event_time(async_work_t *work, const async_job_t *job)
{
    int64_t        last;
    MDB_val        v;
    async_key_t    key;
    async_trail_t  line;

    last = job->created;
    async_key_trail(&key, &job->id, job->seq);

    if (async_work_get(work, &key, &v) == ASYNC_OK
        && async_trail_decode(&line, v.mv_data, v.mv_size) == ASYNC_OK
        && line.at > last)
    {
        last = line.at;
    }

    return last > work->now && last - work->now <= ASYNC_DOOR_WAIT
           ? last : work->now;
}


size_t
async_event_trail(const async_event_t *event, async_event_type_t type,
    const async_job_t *job, int64_t now, uint8_t *buf, size_t cap)
{
    async_trail_t  trail;

    trail.event = (uint8_t) type;
    trail.state = job->state;
    trail.error = event->error;
    trail.status = event->status;
    trail.attempt = job->attempt;
    trail.at = now;
    trail.duration = event->duration;
    trail.by = event->by;

    return async_trail_encode(&trail, buf, cap);
}


void
async_event_log(async_work_t *work, const async_job_t *job,
    const uint8_t *trail, size_t len)
{
    async_event_line(work, job, trail, len);
    async_event_word(work, job);
}


void
async_event_line(async_work_t *work, const async_job_t *job,
    const uint8_t *trail, size_t len)
{
    async_key_t  key;

    async_key_trail(&key, &job->id, job->seq);
    async_work_put(work, &key, trail, len);
}


void
async_event_word(async_work_t *work, const async_job_t *job)
{
    uint8_t      value[sizeof(async_id_t) + 8];
    async_key_t  key;

    memcpy(value, &job->id, sizeof(async_id_t));
    async_put_be64(value + sizeof(async_id_t), job->seq);

    work->feed++;
    work->fed++;

    async_key_feed(&key, work->feed);
    async_work_put(work, &key, value, sizeof(value));
}


/* lies where the request lay, which is gone by then: a page that is full of
   requests need not be split, and holds the responses of as many jobs */

static void
async_event_payload(async_work_t *work, const async_event_t *event)
{
    async_work_chunks(work, &event->id, ASYNC_PAYLOAD_RESPONSE,
                      event->payload.head);
    async_work_chunks(work, &event->id, ASYNC_PAYLOAD_RESPONSE_BODY,
                      event->payload.body);
}


static void
async_event_release(async_work_t *work, const async_job_t *before,
    const async_job_t *job)
{
    if (!async_job_keeps_request(job)) {
        (void) async_work_drop(work, before, ASYNC_PAYLOAD_REQUEST,
                               ASYNC_PAYLOAD_REQUEST_BODY);
    }
}


void
async_event_spooled(async_work_t *work, const async_body_t *body)
{
    if (async_event_file(body) > 0) {
        work->spooled += async_event_file(body);
        work->spooled_changed = true;
    }
}
