/*
 * nginx-async show.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "async_feed.h"
#include "async_hook.h"
#include "async_keys.h"
#include "async_main.h"
#include "async_main_jobs.h"
#include "async_message.h"
#include "async_payload.h"
#include "async_table.h"
#include "async_time.h"


#define ASYNC_SHOW_HEAD   (1024 * 1024)      /* the longest that is shown */
#define ASYNC_SHOW_LABEL  14


typedef struct {
    bool                  json;
    int64_t               now;
    async_view_t         *view;
    async_job_t           job;
    async_estimate_t      estimate;
    unsigned              lines;             /* of history, so far */
    uint8_t               buf[ASYNC_JOB_MAX];
} async_show_t;


static async_rc_t async_show_job(async_show_t *show, const async_id_t *id);
static void async_show_keys(async_store_t *store);
static void async_show_facts(const async_show_t *show);
static void async_show_standing(const async_show_t *show);
static void async_show_times(const async_show_t *show);
static void async_show_known(const async_show_t *show);
static void async_show_time(const char *label, int64_t ms, int64_t now);
static void async_show_text(const char *label, async_str_t text);
static void async_show_message(async_show_t *show, bool request);
static void async_show_body(const async_show_t *show,
    const async_body_t *body);
static void async_show_headers(async_show_t *show, const uint8_t *head,
    size_t len, bool request);
static void async_show_header(const async_show_t *show, async_str_t name,
    async_str_t value, bool first);
static bool async_show_secret(async_str_t name);
static bool async_show_line(void *data, uint64_t seq,
    const async_trail_t *t);


int
async_main_show(const async_options_t *options)
{
    int             status;
    async_id_t      id;
    async_rc_t      rc;
    async_store_t  *store;
    static async_show_t  show;

    show.view = async_main_look(options, &store, &status);

    if (show.view == NULL) {
        return status;
    }

    show.json = options->given[ASYNC_OPTION_JSON];
    show.now = async_main_now();

    rc = ASYNC_LATE;

    if (async_job_id(options->args[0], &id)) {
        async_show_keys(store);
        rc = async_show_job(&show, &id);
    }

    async_view_close(show.view);
    async_store_close(store);

    return rc == ASYNC_OK ? ASYNC_EXIT_DONE
                          : async_job_unseen(rc, options->args[0]);
}


static async_rc_t
async_show_job(async_show_t *show, const async_id_t *id)
{
    async_rc_t  rc;

    rc = async_view_job(show->view, id, &show->job, show->buf);

    if (rc == ASYNC_OK) {
        rc = async_job_estimate(show->view, &show->job, &show->estimate);
    }

    if (rc != ASYNC_OK) {
        return rc;
    }

    if (show->json) {
        (void) fputs("{\"job\":", stdout);
        async_job_print_json(&show->job, &show->estimate);

    } else {
        async_show_facts(show);
    }

    async_show_message(show, true);
    async_show_message(show, false);

    (void) fputs(show->json ? ",\"history\":[" : "\nHistory\n", stdout);

    rc = async_view_trail(show->view, id, 0, async_show_line, show);

    (void) fputs(show->json ? "]}\n" : "", stdout);

    return rc;
}


/* what cannot be read now is told where it is missed */

static void
async_show_keys(async_store_t *store)
{
    bool                      exposed;
    unsigned                  i;
    async_keys_t              keys;
    async_error_t             err;
    static async_key_files_t  files;

    if (async_store_key_files(store, &files) != ASYNC_OK) {
        return;
    }

    memset(&keys, 0, sizeof(async_keys_t));

    for (i = 0; i < files.n; i++) {
        (void) async_keys_read(&keys, files.paths[i], &exposed, &err);
    }

    (void) async_store_use_keys(store, &keys);

    async_keys_clean(&keys);
}


/* --- the job --- */

static void
async_show_facts(const async_show_t *show)
{
    char                text[ASYNC_ID_TEXT + 1];
    const async_job_t  *job;

    job = &show->job;
    *async_id_format(text, &job->id) = '\0';

    (void) printf("%-*s%s\n", ASYNC_SHOW_LABEL, "Job", text);

    async_show_standing(show);
    async_show_times(show);
    async_show_known(show);
}


static void
async_show_standing(const async_show_t *show)
{
    const char         *error;
    const async_job_t  *job;

    job = &show->job;
    error = async_job_error_name((async_job_error_t) job->error);

    (void) printf("%-*s%s%s%s%s\n", ASYNC_SHOW_LABEL, "Status",
                  async_state_name((async_state_t) job->state),
                  *error != '\0' ? ", " : "", error,
                  job->state == ASYNC_STATE_PROCESSING
                  && (job->flags & ASYNC_JOB_CANCEL_WANTED)
                  ? ", to be canceled" : "");

    async_show_text("Detail", job->detail);

    if (job->percent != ASYNC_NO_PERCENT) {
        (void) printf("%-*s%u %%\n", ASYNC_SHOW_LABEL, "Progress",
                      (unsigned) job->percent);

    } else if (show->estimate.percent != ASYNC_NO_PERCENT) {
        (void) printf("%-*s%u %%, estimated\n", ASYNC_SHOW_LABEL, "Progress",
                      (unsigned) show->estimate.percent);
    }

    async_show_text("Message", job->message);
    async_show_text("Queue", job->queue);

    (void) printf("%-*s%u\n", ASYNC_SHOW_LABEL, "Priority",
                  (unsigned) job->priority);
    (void) printf("%-*s%u of %u\n", ASYNC_SHOW_LABEL, "Attempt",
                  (unsigned) job->attempt, (unsigned) job->attempts_max);

    if (job->deaths != 0) {
        (void) printf("%-*s%u attempts\n", ASYNC_SHOW_LABEL, "Cut by crash",
                      (unsigned) job->deaths);
    }
}


static void
async_show_times(const async_show_t *show)
{
    bool                final;
    const async_job_t  *job;

    job = &show->job;
    final = async_state_final((async_state_t) job->state);

    async_show_time("Submitted", job->created, show->now);
    async_show_time("Started", job->started, show->now);

    if (!final) {
        async_show_time("Due", job->due, show->now);
        async_show_time("Expected end", show->estimate.completion, show->now);
        return;
    }

    async_show_time("Finished", job->finished, show->now);
    async_show_time("Result until", job->expires, show->now);
    async_show_time("Kept until", job->due, show->now);
}


static void
async_show_known(const async_show_t *show)
{
    char                text[ASYNC_ID_TEXT + 1];
    unsigned            i;
    const async_job_t  *job;

    job = &show->job;

    if (job->owner.len != 0) {
        (void) printf("%-*s", ASYNC_SHOW_LABEL, "Owner");

        for (i = 0; i < job->owner.len; i++) {
            (void) printf("%02x", (uint8_t) job->owner.data[i]);
        }

        (void) puts(" (a hash)");
    }

    if (job->idempotency.used) {
        async_show_time("Key until", job->idempotency.expires, show->now);
    }

    if (async_job_has(&job->retry_of)) {
        *async_id_format(text, &job->retry_of) = '\0';
        (void) printf("%-*s%s\n", ASYNC_SHOW_LABEL, "Retry of", text);
    }

    if (async_job_has(&job->retried_as)) {
        *async_id_format(text, &job->retried_as) = '\0';
        (void) printf("%-*s%s\n", ASYNC_SHOW_LABEL, "Retried as", text);
    }

    (void) printf("%-*s%016" PRIx64 "\n", ASYNC_SHOW_LABEL, "Server",
                  job->server);

    async_show_text("Jobs below", job->status_prefix);
    async_show_text("Resource", job->resource);
}


static void
async_show_time(const char *label, int64_t ms, int64_t now)
{
    char  text[ASYNC_TIME_TEXT + 1], ago[ASYNC_AGO];

    if (ms == 0) {
        return;
    }

    *async_time_format(text, ms) = '\0';
    async_ago_format(ago, ms > now ? ms - now : now - ms);

    (void) printf("%-*s%s  %s%s%s\n", ASYNC_SHOW_LABEL, label, text,
                  ms > now ? "in " : "", ago, ms > now ? "" : " ago");
}


static void
async_show_text(const char *label, async_str_t text)
{
    if (text.len == 0) {
        return;
    }

    (void) printf("%-*s", ASYNC_SHOW_LABEL, label);
    (void) async_print_safe(stdout, text, UINT32_MAX);
    (void) putchar('\n');
}


/* --- request and response --- */

static void
async_show_message(async_show_t *show, bool request)
{
    size_t                len;
    uint8_t              *head;
    async_rc_t            rc;
    const async_job_t    *job;
    const async_body_t   *body;

    job = &show->job;
    body = request ? &job->request : &job->response;

    if (request ? !async_job_keeps_request(job)
                : job->result_status == 0 || (job->flags & ASYNC_JOB_SWEPT))
    {
        return;
    }

    if (show->json) {
        (void) printf(",\"%s\":{", request ? "request" : "response");

    } else {
        (void) printf("\n%-*s", ASYNC_SHOW_LABEL,
                      request ? "Request" : "Response");
    }

    async_show_body(show, body);

    head = malloc(ASYNC_SHOW_HEAD);

    rc = head == NULL ? ASYNC_NO_SPACE
         : async_view_head(show->view, &job->id,
                           request ? ASYNC_PAYLOAD_REQUEST
                                   : ASYNC_PAYLOAD_RESPONSE,
                           head, ASYNC_SHOW_HEAD, &len);

    if (rc == ASYNC_OK) {
        async_show_headers(show, head, len, request);

    } else if (!show->json) {
        (void) printf("  (its head cannot be read: %s)\n",
                      async_rc_name(rc));
    }

    free(head);

    (void) fputs(show->json ? "}" : "", stdout);
}


static void
async_show_body(const async_show_t *show, const async_body_t *body)
{
    char                  id[ASYNC_KEY_ID_TEXT];
    const char           *where;

    where = body->where == ASYNC_BODY_SPOOL ? "spool"
            : body->where == ASYNC_BODY_CHUNKS ? "database" : "none";

    if (show->json) {
        (void) printf("\"bodyBytes\":%" PRIu64 ",\"body\":\"%s\"", body->len,
                      where);

        if (body->seal.used) {
            (void) printf(",\"key\":\"%s\"",
                          async_key_id_format(id, body->seal.key));
        }

        return;
    }

    if (body->where == ASYNC_BODY_NONE) {
        (void) printf("no body");

    } else {
        (void) printf("body of %" PRIu64 " bytes in the %s", body->len,
                      where);
    }

    if (body->seal.used) {
        (void) printf(", encrypted with key %s",
                      async_key_id_format(id, body->seal.key));
    }

    (void) putchar('\n');
}


static void
async_show_headers(async_show_t *show, const uint8_t *head, size_t len,
    bool request)
{
    bool            first;
    uint16_t        tag;
    async_str_t     value, name, rest;
    async_reader_t  rd;

    if (async_reader_init(&rd, head, len, request ? ASYNC_RECORD_REQUEST
                                                  : ASYNC_RECORD_RESPONSE)
        != ASYNC_OK)
    {
        return;
    }

    if (show->json && !request) {
        (void) printf(",\"status\":%u", (unsigned) show->job.result_status);

    } else if (!show->json && !request) {
        (void) printf("  %u\n", (unsigned) show->job.result_status);
    }

    (void) fputs(show->json ? ",\"headers\":[" : "", stdout);

    for (first = true; async_read_tag(&rd, &tag, &value); /* void */) {

        if (request && tag == ASYNC_REQUEST_TARGET && !show->json) {
            (void) fputs("  ", stdout);
            (void) async_print_safe(stdout, show->job.method, UINT32_MAX);
            (void) putchar(' ');
            (void) async_print_safe(stdout, value, UINT32_MAX);
            (void) putchar('\n');
        }

        if (tag == (request ? (int) ASYNC_REQUEST_HEADER
                            : (int) ASYNC_RESPONSE_HEADER)
            && async_tag_pair(value, &name, &rest))
        {
            async_show_header(show, name, rest, first);
            first = false;
        }
    }

    (void) fputs(show->json ? "]" : "", stdout);
}


static void
async_show_header(const async_show_t *show, async_str_t name,
    async_str_t value, bool first)
{
    static const async_str_t  hidden = async_str("(left out)");

    if (async_show_secret(name)) {
        value = hidden;
    }

    if (show->json) {
        async_json_print(first ? "{\"name\":" : ",{\"name\":", name);
        async_json_print(",\"value\":", value);
        (void) putchar('}');
        return;
    }

    (void) fputs("  ", stdout);
    (void) async_print_safe(stdout, name, UINT32_MAX);
    (void) fputs(": ", stdout);
    (void) async_print_safe(stdout, value, UINT32_MAX);
    (void) putchar('\n');
}


/* whatever a header is called that keeps others out */

static bool
async_show_secret(async_str_t name)
{
    size_t  i, k, len;

    static const char *const  words[] = {
        "auth", "cookie", "key", "token", "secret", "password", "passwd",
        "credential", "signature", "session", "jwt", "proxy-", "assertion",
        "csrf", "xsrf"
    };

    static const char  innocent[] = "Idempotency-Key";

    if (name.len == sizeof(innocent) - 1
        && strncasecmp(name.data, innocent, name.len) == 0)
    {
        return false;
    }

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        len = strlen(words[i]);

        for (k = 0; k + len <= name.len; k++) {
            if (strncasecmp(name.data + k, words[i], len) == 0) {
                return true;
            }
        }
    }

    return false;
}


/* --- history --- */

static bool
async_show_line(void *data, uint64_t seq, const async_trail_t *t)
{
    char           text[ASYNC_TIME_TEXT + 1], by[ASYNC_WHO];
    size_t         len;
    async_str_t    who;
    async_show_t  *show = data;

    static char  buf[ASYNC_JSON_TRAIL_MAX];

    if (show->json) {
        len = async_json_trail(buf, sizeof(buf), seq, t);

        (void) fputs(show->lines++ > 0 ? "," : "", stdout);
        (void) fwrite(buf, 1, len, stdout);

        return true;
    }

    *async_time_format(text, t->at) = '\0';

    /* a page that cannot be read must not end in the middle of stdio */

    who.data = by;
    who.len = t->by.len < sizeof(by) ? t->by.len : sizeof(by);

    if (who.len != 0) {
        memcpy(by, t->by.data, who.len);
    }

    (void) printf("  %s  %-16s  ", text,
                  async_event_name((async_event_type_t) t->event));
    (void) async_print_safe(stdout, who, UINT32_MAX);

    if (t->attempt != 0) {
        (void) printf(", attempt %u", (unsigned) t->attempt);
    }

    if (t->status != 0) {
        (void) printf(", %u", (unsigned) t->status);
    }

    if (t->duration != 0) {
        (void) printf(", %" PRIu64 " ms", t->duration);
    }

    if (t->error != ASYNC_JOB_ERROR_NONE) {
        (void) printf(", %s",
                      async_event_of_webhook((async_event_type_t) t->event)
                      ? async_hook_error_name((async_hook_error_t) t->error)
                      : async_job_error_name((async_job_error_t) t->error));
    }

    (void) putchar('\n');

    return true;
}
