#include <stdio.h>
#include <string.h>

#include "async_judge.h"


/* nginx's timers run on a clock that is a few milliseconds behind */
#define ASYNC_JUDGE_SLACK  100


static void async_judge_complete(async_verdict_t *v,
    const async_outcome_t *o);
static void async_judge_unanswered(async_verdict_t *v,
    const async_outcome_t *o);
static void async_judge_timeout(async_verdict_t *v,
    const async_outcome_t *o);
static void async_judge_unmarked(async_verdict_t *v,
    const async_outcome_t *o);
static void async_judge_broken(async_verdict_t *v, const async_outcome_t *o);
static void async_judge_stopped(async_verdict_t *v,
    const async_outcome_t *o);
static void async_judge_unstored(async_verdict_t *v,
    const async_outcome_t *o);
static void async_judge_retry(async_verdict_t *v, const async_outcome_t *o,
    bool sent, bool wanted);
static void async_judge_again(async_verdict_t *v, const async_outcome_t *o,
    const char *detail);
static void async_judge_failed(async_verdict_t *v, async_job_error_t error,
    const char *detail);
static void async_judge_released(async_verdict_t *v, async_nginx_t nginx);


void
async_judge(async_verdict_t *verdict, const async_outcome_t *outcome)
{
    *verdict = (async_verdict_t) { .nginx = ASYNC_NGINX_UNKNOWN };

    /* what nginx's own word does not deny may have been sent */

    verdict->sent = outcome->sent
                    && (!outcome->end_line || outcome->facts.sent);

    switch (outcome->end) {

    case ASYNC_END_COMPLETE:
        async_judge_complete(verdict, outcome);
        return;

    case ASYNC_END_UNREACHED:
        async_judge_released(verdict, ASYNC_NGINX_SILENT);
        return;

    case ASYNC_END_BROKEN:
        async_judge_broken(verdict, outcome);
        return;

    case ASYNC_END_TIMEOUT:
        if (!outcome->sent) {
            async_judge_released(verdict, ASYNC_NGINX_SILENT);
            return;
        }

        async_judge_timeout(verdict, outcome);
        return;

    case ASYNC_END_TOO_LARGE:
        verdict->nginx = ASYNC_NGINX_HERE;
        async_judge_failed(verdict, ASYNC_JOB_ERROR_RESULT_TOO_LARGE,
                           "The backend's response was too large.");
        return;

    case ASYNC_END_DAMAGED:
        async_judge_failed(verdict, outcome->sent
                                    ? ASYNC_JOB_ERROR_OUTCOME_UNKNOWN
                                    : ASYNC_JOB_ERROR_BACKEND_UNREACHABLE,
                           "The stored request is damaged.");
        return;

    case ASYNC_END_UNSTORED:
        async_judge_unstored(verdict, outcome);
        return;

    case ASYNC_END_UNSENT:
        async_judge_released(verdict, ASYNC_NGINX_UNKNOWN);
        return;

    case ASYNC_END_STOPPED:
        async_judge_stopped(verdict, outcome);
        return;

    case ASYNC_END_CANCELED:
        verdict->event = ASYNC_EVENT_CANCELED;
        return;
    }
}


static void
async_judge_complete(async_verdict_t *v, const async_outcome_t *o)
{
    v->nginx = ASYNC_NGINX_HERE;

    if (!o->end_line) {
        async_judge_unmarked(v, o);
        return;
    }

    if (!o->facts.answered) {
        async_judge_unanswered(v, o);
        return;
    }

    v->keep = true;

    if (o->status < 400) {
        v->event = ASYNC_EVENT_COMPLETED;
        return;
    }

    v->event = ASYNC_EVENT_FAILED;
    v->error = ASYNC_JOB_ERROR_BACKEND_STATUS;
    snprintf(v->detail, sizeof(v->detail),
             "The backend answered with status %u.", o->status);

    async_judge_retry(v, o, o->facts.sent,
                      async_policy_retries(o->policy, o->status));
}


/* nginx made the response itself: the facts say how far the request came */

static void
async_judge_unanswered(async_verdict_t *v, const async_outcome_t *o)
{
    if (o->facts.shutdown && (o->repeatable || !o->facts.sent)) {
        async_judge_released(v, ASYNC_NGINX_HERE);
        return;
    }

    if (o->status == 504
        && o->elapsed + ASYNC_JUDGE_SLACK >= o->policy->timeout)
    {
        async_judge_timeout(v, o);
        return;
    }

    if (o->facts.sent) {
        async_judge_failed(v, ASYNC_JOB_ERROR_OUTCOME_UNKNOWN,
                           "The backend got the request but gave no "
                           "complete answer.");

    } else {
        async_judge_failed(v, ASYNC_JOB_ERROR_BACKEND_UNREACHABLE,
                           "The backend could not be reached.");
    }

    async_judge_retry(v, o, o->facts.sent,
                      o->policy->retry_on & ASYNC_RETRY_ERROR);
}


static void
async_judge_timeout(async_verdict_t *v, const async_outcome_t *o)
{
    async_judge_failed(v, ASYNC_JOB_ERROR_TIMEOUT,
                       "The backend took too long.");

    async_judge_retry(v, o, !o->end_line || o->facts.sent,
                      o->policy->retry_on & ASYNC_RETRY_TIMEOUT);
}


/*
 * A disk, memory or descriptors that ran out may be there again after a
 * while, and not before: as after an error of the backend.
 */

static void
async_judge_unstored(async_verdict_t *v, const async_outcome_t *o)
{
    static const char  detail[] =
        "The backend's response could not be stored.";

    if (o->last || !(o->policy->retry_on & ASYNC_RETRY_ERROR)) {
        async_judge_again(v, o, detail);
        return;
    }

    async_judge_failed(v, ASYNC_JOB_ERROR_OUTCOME_UNKNOWN, detail);
    async_judge_retry(v, o, true, true);
}


/*
 * As with proxy_next_upstream: a failure that is wanted again is tried again,
 * unless the request has been sent and must not be sent twice.
 */

static void
async_judge_retry(async_verdict_t *v, const async_outcome_t *o, bool sent,
    bool wanted)
{
    if (wanted && !o->last && (o->repeatable || !sent)) {
        v->event = ASYNC_EVENT_ATTEMPT_FAILED;
        v->keep = false;
    }
}


/* a whole response that did not pass nginx-async's filter */

static void
async_judge_unmarked(async_verdict_t *v, const async_outcome_t *o)
{
    if (o->status == 403) {
        async_judge_released(v, ASYNC_NGINX_REFUSED);
        return;
    }

    if (o->status >= 500) {
        async_judge_again(v, o, "nginx failed while it ran the request.");
        return;
    }

    async_judge_failed(v, ASYNC_JOB_ERROR_BACKEND_UNREACHABLE, "");
    snprintf(v->detail, sizeof(v->detail),
             "nginx refused the request with status %u.", o->status);
}


static void
async_judge_broken(async_verdict_t *v, const async_outcome_t *o)
{
    if (!o->sent) {
        async_judge_released(v, ASYNC_NGINX_SILENT);
        return;
    }

    if (o->status == 403 && !o->end_line) {
        async_judge_released(v, ASYNC_NGINX_REFUSED);
        return;
    }

    if (o->end_line) {
        v->nginx = ASYNC_NGINX_HERE;

        if (o->facts.shutdown || (!o->facts.answered && !o->facts.sent)) {
            async_judge_unanswered(v, o);
            return;
        }
    }

    async_judge_again(v, o, "The connection broke before the response was "
                            "complete.");
}


static void
async_judge_stopped(async_verdict_t *v, const async_outcome_t *o)
{
    if (!o->sent) {
        async_judge_released(v, ASYNC_NGINX_UNKNOWN);
        return;
    }

    /* our stop says nothing against the job, however often it was cut */

    if (o->repeatable) {
        v->event = ASYNC_EVENT_INTERRUPTED;
        return;
    }

    async_judge_failed(v, ASYNC_JOB_ERROR_OUTCOME_UNKNOWN,
                       "The worker was stopped while the request ran.");
}


/*
 * It counts as sent: only a repeatable request may be sent again, and not one
 * that breaks whatever serves it.
 */

static void
async_judge_again(async_verdict_t *v, const async_outcome_t *o,
    const char *detail)
{
    if (o->repeatable && o->deaths + 1 < ASYNC_JUDGE_DEATHS) {
        v->event = ASYNC_EVENT_INTERRUPTED;
        return;
    }

    async_judge_failed(v, ASYNC_JOB_ERROR_OUTCOME_UNKNOWN, detail);
}


static void
async_judge_failed(async_verdict_t *v, async_job_error_t error,
    const char *detail)
{
    v->event = ASYNC_EVENT_FAILED;
    v->error = error;
    snprintf(v->detail, sizeof(v->detail), "%s", detail);
}


static void
async_judge_released(async_verdict_t *v, async_nginx_t nginx)
{
    v->event = ASYNC_EVENT_RELEASED;
    v->nginx = nginx;

    /* a listener that refuses has not looked at the request */

    if (nginx == ASYNC_NGINX_REFUSED) {
        v->sent = false;
    }
}
