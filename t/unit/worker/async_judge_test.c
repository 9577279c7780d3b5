/*
 * The table that decides what becomes of a job: each row a thing that was
 * seen, once for a repeatable request and once for another.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "async_judge.h"


#define RELEASED     ASYNC_EVENT_RELEASED
#define INTERRUPTED  ASYNC_EVENT_INTERRUPTED
#define COMPLETED    ASYNC_EVENT_COMPLETED
#define FAILED       ASYNC_EVENT_FAILED
#define AGAIN        ASYNC_EVENT_ATTEMPT_FAILED
#define CANCELED     ASYNC_EVENT_CANCELED

#define NONE         ASYNC_JOB_ERROR_NONE
#define STATUS       ASYNC_JOB_ERROR_BACKEND_STATUS
#define UNREACHABLE  ASYNC_JOB_ERROR_BACKEND_UNREACHABLE
#define TIMEOUT      ASYNC_JOB_ERROR_TIMEOUT
#define UNKNOWN      ASYNC_JOB_ERROR_OUTCOME_UNKNOWN
#define TOO_LARGE    ASYNC_JOB_ERROR_RESULT_TOO_LARGE

#define SENT  true
#define KEPT  true

typedef struct {
    const char          *title;
    async_end_t          end;
    bool                 sent;
    unsigned             status;
    const char          *facts;       /* NULL: no Async-Replay-End */
    uint64_t             elapsed;     /* of a timeout of 60,000 ms */

    async_event_type_t   repeatable;
    async_job_error_t    repeatable_error;
    async_event_type_t   other;
    async_job_error_t    other_error;
    bool                 keep;
    async_nginx_t        nginx;
} row_t;


static const row_t  rows[] = {

    /* whole responses of a backend */

    { "200", ASYNC_END_COMPLETE, SENT, 200, "200,1,100,0", 5,
      COMPLETED, NONE, COMPLETED, NONE, KEPT, ASYNC_NGINX_HERE },
    { "a redirect completes", ASYNC_END_COMPLETE, SENT, 302, "302,1,100,0", 5,
      COMPLETED, NONE, COMPLETED, NONE, KEPT, ASYNC_NGINX_HERE },
    { "399 is the last that completes", ASYNC_END_COMPLETE, SENT, 399,
      "399,1,100,0", 5,
      COMPLETED, NONE, COMPLETED, NONE, KEPT, ASYNC_NGINX_HERE },
    { "400 is the first that fails", ASYNC_END_COMPLETE, SENT, 400,
      "400,1,100,0", 5,
      FAILED, STATUS, FAILED, STATUS, KEPT, ASYNC_NGINX_HERE },
    { "the backend's own 502", ASYNC_END_COMPLETE, SENT, 502, "502,1,100,0",
      5, FAILED, STATUS, FAILED, STATUS, KEPT, ASYNC_NGINX_HERE },
    { "the backend's own 504 after the timeout", ASYNC_END_COMPLETE, SENT,
      504, "504,1,100,0", 60000,
      FAILED, STATUS, FAILED, STATUS, KEPT, ASYNC_NGINX_HERE },
    { "the backend's own 403", ASYNC_END_COMPLETE, SENT, 403, "403,1,100,0",
      5, FAILED, STATUS, FAILED, STATUS, KEPT, ASYNC_NGINX_HERE },
    { "the second upstream answers", ASYNC_END_COMPLETE, SENT, 200,
      "502,0,0,- 200,1,100,0", 5,
      COMPLETED, NONE, COMPLETED, NONE, KEPT, ASYNC_NGINX_HERE },
    { "a static file", ASYNC_END_COMPLETE, SENT, 200, "-", 5,
      COMPLETED, NONE, COMPLETED, NONE, KEPT, ASYNC_NGINX_HERE },
    { "a return 404", ASYNC_END_COMPLETE, SENT, 404, "-", 5,
      FAILED, STATUS, FAILED, STATUS, KEPT, ASYNC_NGINX_HERE },

    /* nginx answers in its own name */

    { "connection refused", ASYNC_END_COMPLETE, SENT, 502, "502,0,0,-", 5,
      FAILED, UNREACHABLE, FAILED, UNREACHABLE, false, ASYNC_NGINX_HERE },
    { "connect times out", ASYNC_END_COMPLETE, SENT, 504, "504,0,0,-", 5000,
      FAILED, UNREACHABLE, FAILED, UNREACHABLE, false, ASYNC_NGINX_HERE },
    { "reset after sending", ASYNC_END_COMPLETE, SENT, 502, "502,0,100,0", 5,
      FAILED, UNKNOWN, FAILED, UNKNOWN, false, ASYNC_NGINX_HERE },
    { "the first of two was sent to", ASYNC_END_COMPLETE, SENT, 502,
      "502,0,100,0 502,0,0,-", 5,
      FAILED, UNKNOWN, FAILED, UNKNOWN, false, ASYNC_NGINX_HERE },
    { "nginx's 504 at the timeout", ASYNC_END_COMPLETE, SENT, 504,
      "504,0,100,0", 60000,
      FAILED, TIMEOUT, FAILED, TIMEOUT, false, ASYNC_NGINX_HERE },
    { "nginx's 504 by a clock a little behind", ASYNC_END_COMPLETE, SENT, 504,
      "504,0,100,0", 59995,
      FAILED, TIMEOUT, FAILED, TIMEOUT, false, ASYNC_NGINX_HERE },
    { "nginx's 504 long before the timeout", ASYNC_END_COMPLETE, SENT, 504,
      "504,0,100,0", 30000,
      FAILED, UNKNOWN, FAILED, UNKNOWN, false, ASYNC_NGINX_HERE },
    { "error_page made a 200 of it", ASYNC_END_COMPLETE, SENT, 200,
      "502,0,100,0", 5,
      FAILED, UNKNOWN, FAILED, UNKNOWN, false, ASYNC_NGINX_HERE },
    { "facts that nobody understands", ASYNC_END_COMPLETE, SENT, 200,
      "200;1;100;0", 5,
      FAILED, UNKNOWN, FAILED, UNKNOWN, false, ASYNC_NGINX_HERE },

    /* nginx shuts down */

    { "shutdown, sent", ASYNC_END_COMPLETE, SENT, 503,
      "0,0,100,0 shutdown", 5,
      RELEASED, NONE, FAILED, UNKNOWN, false, ASYNC_NGINX_HERE },
    { "shutdown, not sent", ASYNC_END_COMPLETE, SENT, 503,
      "0,0,0,- shutdown", 5,
      RELEASED, NONE, RELEASED, NONE, false, ASYNC_NGINX_HERE },
    { "shutdown before an upstream", ASYNC_END_COMPLETE, SENT, 503,
      "- shutdown", 5,
      RELEASED, NONE, RELEASED, NONE, false, ASYNC_NGINX_HERE },
    { "shutdown, then cut", ASYNC_END_BROKEN, SENT, 503,
      "0,0,100,0 shutdown", 5,
      RELEASED, NONE, FAILED, UNKNOWN, false, ASYNC_NGINX_HERE },

    /* responses that did not pass the module's filter */

    { "the listener refuses us", ASYNC_END_COMPLETE, SENT, 403, NULL, 5,
      RELEASED, NONE, RELEASED, NONE, false, ASYNC_NGINX_REFUSED },
    { "it refuses us and hangs up", ASYNC_END_BROKEN, SENT, 403, NULL, 5,
      RELEASED, NONE, RELEASED, NONE, false, ASYNC_NGINX_REFUSED },
    { "headers too large for nginx", ASYNC_END_COMPLETE, SENT, 400, NULL, 5,
      FAILED, UNREACHABLE, FAILED, UNREACHABLE, false, ASYNC_NGINX_HERE },
    { "a 200 of somebody else", ASYNC_END_COMPLETE, SENT, 200, NULL, 5,
      FAILED, UNREACHABLE, FAILED, UNREACHABLE, false, ASYNC_NGINX_HERE },
    { "nginx's 500", ASYNC_END_COMPLETE, SENT, 500, NULL, 5,
      INTERRUPTED, NONE, FAILED, UNKNOWN, false, ASYNC_NGINX_HERE },

    /* no whole response */

    { "no connection", ASYNC_END_UNREACHED, false, 0, NULL, 0,
      RELEASED, NONE, RELEASED, NONE, false, ASYNC_NGINX_SILENT },
    { "closed before a byte", ASYNC_END_BROKEN, false, 0, NULL, 0,
      RELEASED, NONE, RELEASED, NONE, false, ASYNC_NGINX_SILENT },
    { "closed without an answer", ASYNC_END_BROKEN, SENT, 0, NULL, 5,
      INTERRUPTED, NONE, FAILED, UNKNOWN, false, ASYNC_NGINX_UNKNOWN },
    { "cut in the body", ASYNC_END_BROKEN, SENT, 200, "200,1,100,0", 5,
      INTERRUPTED, NONE, FAILED, UNKNOWN, false, ASYNC_NGINX_HERE },
    { "a static file, cut", ASYNC_END_BROKEN, SENT, 200, "-", 5,
      INTERRUPTED, NONE, FAILED, UNKNOWN, false, ASYNC_NGINX_HERE },
    { "cut in nginx's own 502, not sent", ASYNC_END_BROKEN, SENT, 502,
      "502,0,0,-", 5,
      FAILED, UNREACHABLE, FAILED, UNREACHABLE, false, ASYNC_NGINX_HERE },
    { "cut in nginx's own 502, sent", ASYNC_END_BROKEN, SENT, 502,
      "502,0,100,0", 5,
      INTERRUPTED, NONE, FAILED, UNKNOWN, false, ASYNC_NGINX_HERE },

    /* our own doing */

    { "timeout", ASYNC_END_TIMEOUT, SENT, 0, NULL, 60000,
      FAILED, TIMEOUT, FAILED, TIMEOUT, false, ASYNC_NGINX_UNKNOWN },
    { "timeout before nginx has read it", ASYNC_END_TIMEOUT, false, 0, NULL,
      60000, RELEASED, NONE, RELEASED, NONE, false, ASYNC_NGINX_SILENT },
    { "timeout in the body", ASYNC_END_TIMEOUT, SENT, 200, "200,1,100,0",
      60000, FAILED, TIMEOUT, FAILED, TIMEOUT, false, ASYNC_NGINX_UNKNOWN },
    { "too large", ASYNC_END_TOO_LARGE, SENT, 200, "200,1,100,0", 5,
      FAILED, TOO_LARGE, FAILED, TOO_LARGE, false, ASYNC_NGINX_HERE },
    { "damaged before it was sent", ASYNC_END_DAMAGED, false, 0, NULL, 0,
      FAILED, UNREACHABLE, FAILED, UNREACHABLE, false,
      ASYNC_NGINX_UNKNOWN },
    { "damaged on the way", ASYNC_END_DAMAGED, SENT, 0, NULL, 5,
      FAILED, UNKNOWN, FAILED, UNKNOWN, false, ASYNC_NGINX_UNKNOWN },
    { "no disk for the response", ASYNC_END_UNSTORED, SENT, 200,
      "200,1,100,0", 5,
      INTERRUPTED, NONE, FAILED, UNKNOWN, false, ASYNC_NGINX_UNKNOWN },
    { "no memory to begin", ASYNC_END_UNSENT, false, 0, NULL, 0,
      RELEASED, NONE, RELEASED, NONE, false, ASYNC_NGINX_UNKNOWN },
    { "stopped before a byte", ASYNC_END_STOPPED, false, 0, NULL, 5,
      RELEASED, NONE, RELEASED, NONE, false, ASYNC_NGINX_UNKNOWN },
    { "stopped in the middle", ASYNC_END_STOPPED, SENT, 0, NULL, 5,
      INTERRUPTED, NONE, FAILED, UNKNOWN, false, ASYNC_NGINX_UNKNOWN },

    /* a client does not want it any more */

    { "canceled before a byte", ASYNC_END_CANCELED, false, 0, NULL, 5,
      CANCELED, NONE, CANCELED, NONE, false, ASYNC_NGINX_UNKNOWN },
    { "canceled in the middle", ASYNC_END_CANCELED, SENT, 200, "200,1,9,0", 5,
      CANCELED, NONE, CANCELED, NONE, false, ASYNC_NGINX_UNKNOWN }
};


static async_policy_t  policy;


static int
setup(void **state)
{
    (void) state;

    async_policy_defaults(&policy);
    policy.timeout = 60000;

    return 0;
}


/* of the last attempt that is allowed */

static void
outcome_of(async_outcome_t *o, const row_t *row, bool repeatable)
{
    memset(o, 0, sizeof(async_outcome_t));

    o->policy = &policy;
    o->last = true;

    o->end = row->end;
    o->sent = row->sent;
    o->repeatable = repeatable;
    o->status = row->status;
    o->end_line = row->facts != NULL;
    o->elapsed = row->elapsed;

    if (row->facts) {
        async_facts_parse(&o->facts, row->facts, strlen(row->facts));
    }
}


static void
check(const row_t *row, bool repeatable)
{
    async_outcome_t     o;
    async_verdict_t     v;
    async_job_error_t   error;
    async_event_type_t  event;

    event = repeatable ? row->repeatable : row->other;
    error = repeatable ? row->repeatable_error : row->other_error;

    outcome_of(&o, row, repeatable);
    async_judge(&v, &o);

    if (v.event != event || v.error != error || v.keep != row->keep
        || v.nginx != row->nginx)
    {
        fail_msg("%s, %s: event %s, error \"%s\", keep %d, nginx %d",
                 row->title, repeatable ? "repeatable" : "not repeatable",
                 async_event_name(v.event), async_job_error_name(v.error),
                 v.keep, v.nginx);
    }

    /* people get a sentence, or nothing */

    if (v.event == FAILED) {
        assert_true(strlen(v.detail) > 1);
        assert_int_equal(v.detail[strlen(v.detail) - 1], '.');
    } else {
        assert_string_equal(v.detail, "");
    }
}


static void
a_repeatable_request_is_judged_by_the_table(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check(&rows[i], true);
    }
}


static void
an_unrepeatable_request_is_judged_by_the_table(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check(&rows[i], false);
    }
}


/* the one promise that everything rests on, over all inputs */

static void
an_unrepeatable_request_that_was_sent_never_goes_back(void **state)
{
    size_t           i, n;
    unsigned         status;
    async_outcome_t  o;
    async_verdict_t  v;

    const char *const  facts[] = {
        NULL, "200,1,9,0", "502,0,9,0", "502,1,9,0 502,0,0,-",
        "0,0,9,0 shutdown", "rubbish"
    };

    (void) state;

    for (i = 0; i <= ASYNC_END_CANCELED; i++) {
        for (n = 0; n < sizeof(facts) / sizeof(facts[0]); n++) {
            for (status = 0; status < 600; status++) {

                row_t  row = { .end = (async_end_t) i, .sent = true,
                               .status = status, .facts = facts[n] };

                outcome_of(&o, &row, false);
                o.last = false;
                async_judge(&v, &o);

                assert_int_not_equal(v.event, INTERRUPTED);
                assert_int_not_equal(v.event, AGAIN);

                /* what the ends themselves say was not sent, and a listener
                   that refuses before it looks at the request */

                if (i == ASYNC_END_UNREACHED || i == ASYNC_END_UNSENT
                    || (status == 403 && facts[n] == NULL))
                {
                    continue;
                }

                assert_int_not_equal(v.event, RELEASED);
            }
        }
    }
}


/* not at once: what is missing here will not be back so soon */

static void
a_response_that_was_not_stored_is_an_error(void **state)
{
    async_outcome_t  o;
    async_verdict_t  v;

    const row_t  row = { .end = ASYNC_END_UNSTORED, .sent = true,
                         .status = 200, .facts = "200,1,100,0" };

    (void) state;

    outcome_of(&o, &row, true);
    o.last = false;
    async_judge(&v, &o);

    assert_int_equal(v.event, AGAIN);
    assert_int_equal(v.error, UNKNOWN);
    assert_false(v.keep);
}


static void
the_third_cut_is_the_last(void **state)
{
    async_outcome_t  o;
    async_verdict_t  v;

    (void) state;

    memset(&o, 0, sizeof(async_outcome_t));
    o.policy = &policy;
    o.end = ASYNC_END_BROKEN;
    o.sent = true;
    o.repeatable = true;
    o.deaths = 1;

    async_judge(&v, &o);
    assert_int_equal(v.event, INTERRUPTED);

    o.deaths = 2;

    async_judge(&v, &o);
    assert_int_equal(v.event, FAILED);
    assert_int_equal(v.error, UNKNOWN);

    /* but not where it is we who stop */

    o.end = ASYNC_END_STOPPED;
    o.deaths = 9;

    async_judge(&v, &o);
    assert_int_equal(v.event, INTERRUPTED);
}


/* whether a backend may have had it: nginx's own word counts, if there is */

static void
what_may_have_been_sent_is_said(void **state)
{
    size_t           i;
    async_outcome_t  o;
    async_verdict_t  v;

    static const struct {
        bool         written;
        const char  *facts;
        bool         sent;
    } cases[] = {
        { false, NULL, false },
        { true, NULL, true },
        { true, "0,0,0,-", false },
        { true, "502,0,0,- 0,0,9,0", true },
        { true, "-", false },
        { true, "rubbish", true }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        row_t  row = { .end = ASYNC_END_CANCELED, .sent = cases[i].written,
                       .status = cases[i].facts ? 200 : 0,
                       .facts = cases[i].facts };

        outcome_of(&o, &row, false);
        async_judge(&v, &o);

        assert_int_equal(v.event, CANCELED);
        assert_int_equal(v.sent, cases[i].sent);
    }
}


/* the backend may have begun with what nginx gives back as it shuts down */

static void
what_is_given_back_may_have_been_sent(void **state)
{
    size_t           i;
    async_outcome_t  o;
    async_verdict_t  v;

    static const struct {
        unsigned     status;
        const char  *facts;
        bool         sent;
    } cases[] = {
        { 503, "0,0,100,0 shutdown", true },
        { 503, "0,0,0,- shutdown", false },
        { 403, NULL, false }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        row_t  row = { .end = ASYNC_END_COMPLETE, .sent = true,
                       .status = cases[i].status, .facts = cases[i].facts };

        outcome_of(&o, &row, true);
        async_judge(&v, &o);

        assert_int_equal(v.event, RELEASED);
        assert_int_equal(v.sent, cases[i].sent);
    }
}


/* with attempts left: what is tried again, and what is not */

static const struct {
    const char          *title;
    async_end_t          end;
    unsigned             status;
    const char          *facts;
    async_event_type_t   repeatable;
    async_event_type_t   other;
    async_job_error_t    error;
} retries[] = {
    { "503", ASYNC_END_COMPLETE, 503, "503,1,100,0", AGAIN, FAILED, STATUS },
    { "429", ASYNC_END_COMPLETE, 429, "429,1,100,0", AGAIN, FAILED, STATUS },
    { "404 is not in the list", ASYNC_END_COMPLETE, 404, "404,1,100,0",
      FAILED, FAILED, STATUS },
    { "501 is not in the list", ASYNC_END_COMPLETE, 501, "501,1,100,0",
      FAILED, FAILED, STATUS },
    { "a return 503: nothing was sent", ASYNC_END_COMPLETE, 503, "-",
      AGAIN, AGAIN, STATUS },
    { "connection refused", ASYNC_END_COMPLETE, 502, "502,0,0,-",
      AGAIN, AGAIN, UNREACHABLE },
    { "connect times out", ASYNC_END_COMPLETE, 504, "504,0,0,-",
      AGAIN, AGAIN, UNREACHABLE },
    { "reset after sending", ASYNC_END_COMPLETE, 502, "502,0,100,0",
      AGAIN, FAILED, UNKNOWN },
    { "the first of two was sent to", ASYNC_END_COMPLETE, 502,
      "502,0,100,0 502,0,0,-", AGAIN, FAILED, UNKNOWN },
    { "our timeout", ASYNC_END_TIMEOUT, 0, NULL, AGAIN, FAILED, TIMEOUT },
    { "nginx's timeout", ASYNC_END_COMPLETE, 504, "504,0,100,0",
      AGAIN, FAILED, TIMEOUT },
    { "too large", ASYNC_END_TOO_LARGE, 200, "200,1,100,0",
      FAILED, FAILED, TOO_LARGE },
    { "nginx refuses it", ASYNC_END_COMPLETE, 400, NULL,
      FAILED, FAILED, UNREACHABLE }
};


static void
with_attempts_left_it_is_tried_again_if_it_may_be(void **state)
{
    size_t               i;
    unsigned             repeatable;
    async_outcome_t      o;
    async_verdict_t      v;
    async_event_type_t   event;

    (void) state;

    for (i = 0; i < sizeof(retries) / sizeof(retries[0]); i++) {
        for (repeatable = 0; repeatable < 2; repeatable++) {

            row_t  row = { .end = retries[i].end, .sent = true,
                           .status = retries[i].status,
                           .facts = retries[i].facts };

            row.elapsed = retries[i].error == TIMEOUT ? 60000 : 5;

            outcome_of(&o, &row, repeatable);
            o.last = false;
            async_judge(&v, &o);

            event = repeatable ? retries[i].repeatable : retries[i].other;

            if (v.event != event || v.error != retries[i].error) {
                fail_msg("%s, repeatable %u: event %s, error \"%s\"",
                         retries[i].title, repeatable,
                         async_event_name(v.event),
                         async_job_error_name(v.error));
            }

            /* the last one never is, and what is tried again keeps nothing */

            assert_false(v.event == AGAIN && v.keep);

            o.last = true;
            async_judge(&v, &o);
            assert_int_equal(v.event, FAILED);
        }
    }
}


static void
the_list_of_failures_is_the_users(void **state)
{
    async_outcome_t  o;
    async_verdict_t  v;

    row_t  timeout = { .end = ASYNC_END_TIMEOUT, .sent = true };
    row_t  refused = { .end = ASYNC_END_COMPLETE, .sent = true,
                       .status = 502, .facts = "502,0,0,-" };
    row_t  status = { .end = ASYNC_END_COMPLETE, .sent = true,
                      .status = 404, .facts = "404,1,9,0" };

    (void) state;

    memset(policy.retry_status, 0, sizeof(policy.retry_status));
    async_policy_set_retry(&policy, 404);
    policy.retry_on = ASYNC_RETRY_ERROR;

    outcome_of(&o, &timeout, true);
    o.last = false;
    async_judge(&v, &o);
    assert_int_equal(v.event, FAILED);

    outcome_of(&o, &refused, true);
    o.last = false;
    async_judge(&v, &o);
    assert_int_equal(v.event, AGAIN);

    outcome_of(&o, &status, true);
    o.last = false;
    async_judge(&v, &o);
    assert_int_equal(v.event, AGAIN);

    policy.retry_on = ASYNC_RETRY_TIMEOUT;

    outcome_of(&o, &refused, true);
    o.last = false;
    async_judge(&v, &o);
    assert_int_equal(v.event, FAILED);

    outcome_of(&o, &timeout, true);
    o.last = false;
    async_judge(&v, &o);
    assert_int_equal(v.event, AGAIN);
}


static void
details_name_the_status(void **state)
{
    async_outcome_t  o;
    async_verdict_t  v;

    (void) state;

    memset(&o, 0, sizeof(async_outcome_t));
    o.policy = &policy;
    o.end = ASYNC_END_COMPLETE;
    o.sent = true;
    o.status = 414;

    async_judge(&v, &o);
    assert_string_equal(v.detail, "nginx refused the request with status 414.");

    o.end_line = true;
    async_facts_parse(&o.facts, "414,1,9,0", 9);

    async_judge(&v, &o);
    assert_string_equal(v.detail, "The backend answered with status 414.");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_repeatable_request_is_judged_by_the_table),
        cmocka_unit_test(an_unrepeatable_request_is_judged_by_the_table),
        cmocka_unit_test(an_unrepeatable_request_that_was_sent_never_goes_back),
        cmocka_unit_test(a_response_that_was_not_stored_is_an_error),
        cmocka_unit_test(the_third_cut_is_the_last),
        cmocka_unit_test(with_attempts_left_it_is_tried_again_if_it_may_be),
        cmocka_unit_test(what_may_have_been_sent_is_said),
        cmocka_unit_test(what_is_given_back_may_have_been_sent),
        cmocka_unit_test(details_name_the_status),
        cmocka_unit_test(the_list_of_failures_is_the_users)
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
