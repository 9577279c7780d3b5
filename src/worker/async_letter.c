#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async_allow.h"
#include "async_json.h"
#include "async_letter.h"
#include "async_log.h"


#define ASYNC_LETTER_PREFIX  (ASYNC_HOOK_ORIGIN + ASYNC_JOB_MAX)

typedef struct {
    char     url[ASYNC_HOOK_URL + 1];
    uint8_t  policy[ASYNC_HOOK_POLICY_MAX];
    char     prefix[ASYNC_LETTER_PREFIX];
    char     body[ASYNC_JSON_WEBHOOK_MAX];
} async_letter_memory_t;


static async_rc_t async_letter_policy(async_letter_t *letter,
    async_view_t *view, const async_hook_t *hook,
    async_hook_policy_t *policy, async_hook_error_t *error);
static async_rc_t async_letter_address(async_letter_t *letter,
    const async_hook_t *hook, async_hook_error_t *error);
static async_rc_t async_letter_body(async_letter_t *letter,
    async_view_t *view, const async_due_hook_t *due,
    async_hook_error_t *error);
static void async_letter_expires(async_view_t *view, async_job_t *job);
static void async_letter_absolute(async_letter_t *letter,
    const async_hook_t *hook, async_job_t *job);
static async_rc_t async_letter_sign(async_letter_t *letter,
    const async_due_hook_t *due, const async_hook_policy_t *policy,
    int64_t seconds, async_hook_error_t *error);
static bool async_letter_secrets(async_signer_t *signer,
    const async_hook_policy_t *policy);
static void async_letter_headers(async_letter_t *letter);
static uint64_t async_letter_hash(uint64_t hash, const char *data,
    size_t len);


async_rc_t
async_letter_write(async_letter_t *letter, async_view_t *view,
    const async_due_hook_t *due, int64_t seconds, async_hook_error_t *error)
{
    async_rc_t           rc;
    async_hook_policy_t  policy;

    memset(letter, 0, sizeof(async_letter_t));

    letter->memory = malloc(sizeof(async_letter_memory_t));

    if (letter->memory == NULL) {
        return ASYNC_NO_SPACE;
    }

    rc = async_letter_body(letter, view, due, error);

    if (rc == ASYNC_OK) {
        rc = async_letter_policy(letter, view, &due->hook, &policy, error);
    }

    if (rc == ASYNC_OK) {
        rc = async_letter_address(letter, &due->hook, error);
    }

    if (rc == ASYNC_OK) {
        rc = async_letter_sign(letter, due, &policy, seconds, error);
    }

    if (rc == ASYNC_OK) {
        async_letter_headers(letter);
    }

    return rc;
}


void
async_letter_clean(async_letter_t *letter)
{
    free(letter->memory);
    letter->memory = NULL;
}


static async_rc_t
async_letter_policy(async_letter_t *letter, async_view_t *view,
    const async_hook_t *hook, async_hook_policy_t *policy,
    async_hook_error_t *error)
{
    async_rc_t              rc;
    async_letter_memory_t  *memory;

    memory = letter->memory;

    rc = async_view_hook_policy(view, hook->policy, policy, memory->policy);

    if (rc == ASYNC_NOT_FOUND || rc == ASYNC_CORRUPT) {
        *error = ASYNC_HOOK_ERROR_LOST;
        return ASYNC_INVALID;
    }

    letter->allow = policy->allow;

    return rc;
}


/* what was allowed when the job was submitted, by the code of that day */

static async_rc_t
async_letter_address(async_letter_t *letter, const async_hook_t *hook,
    async_hook_error_t *error)
{
    const char             *why;
    async_str_t             url;
    async_letter_memory_t  *memory;

    memory = letter->memory;
    memcpy(memory->url, hook->url.data, hook->url.len);
    memory->url[hook->url.len] = '\0';

    letter->url = memory->url;
    url.data = memory->url;
    url.len = hook->url.len;

    if (async_url_parse(&letter->parsed, url, &why) != ASYNC_OK
        || async_allow_url(letter->allow, &letter->parsed, &why)
           == ASYNC_ALLOW_REFUSED)
    {
        *error = ASYNC_HOOK_ERROR_REFUSED;
        return ASYNC_INVALID;
    }

    async_url_host(&letter->parsed, letter->host);

    return ASYNC_OK;
}


bool
async_letter_allows(const async_letter_t *letter, const async_address_t *peer)
{
    return async_allow_connect(letter->allow, &letter->parsed, peer);
}


/* --- the body --- */

static async_rc_t
async_letter_body(async_letter_t *letter, async_view_t *view,
    const async_due_hook_t *due, async_hook_error_t *error)
{
    uint8_t                 record[ASYNC_JOB_MAX];
    async_rc_t              rc;
    async_job_t             job;
    async_letter_memory_t  *memory;

    rc = async_view_job(view, &due->id, &job, record);

    if (rc != ASYNC_OK) {
        return rc == ASYNC_INVALID ? ASYNC_CORRUPT : rc;
    }

    async_letter_absolute(letter, &due->hook, &job);
    async_letter_expires(view, &job);

    memory = letter->memory;

    letter->body.data = memory->body;
    letter->body.len = async_json_webhook(memory->body, sizeof(memory->body),
                                          &job);

    if (letter->body.len == 0) {
        *error = ASYNC_HOOK_ERROR_LOST;
        return ASYNC_INVALID;
    }

    return ASYNC_OK;
}


/*
 * As it was when the job ended: that it is kept longer for this webhook's own
 * sake would make each attempt another body.
 */

static void
async_letter_expires(async_view_t *view, async_job_t *job)
{
    async_policy_t  policy;

    if (async_view_policy(view, job->policy, &policy) == ASYNC_OK) {
        job->expires = job->finished
                       + (int64_t) (job->state == ASYNC_STATE_FAILED
                                    ? policy.retain_failed
                                    : policy.retain_result);
    }
}


/* its prefix is a path, or a URL already */

static void
async_letter_absolute(async_letter_t *letter, const async_hook_t *hook,
    async_job_t *job)
{
    async_letter_memory_t  *memory;

    memory = letter->memory;

    if (job->status_prefix.len == 0 || job->status_prefix.data[0] != '/'
        || hook->origin.len == 0)
    {
        return;
    }

    memcpy(memory->prefix, hook->origin.data, hook->origin.len);
    memcpy(memory->prefix + hook->origin.len, job->status_prefix.data,
           job->status_prefix.len);

    job->status_prefix.data = memory->prefix;
    job->status_prefix.len += hook->origin.len;
}


/* --- the signature --- */

static async_rc_t
async_letter_sign(async_letter_t *letter, const async_due_hook_t *due,
    const async_hook_policy_t *policy, int64_t seconds,
    async_hook_error_t *error)
{
    bool            done;
    async_str_t     id, whom;
    async_signer_t  signer;

    memcpy(letter->id, "msg_", 4);
    *async_id_format(letter->id + 4, &due->id) = '\0';

    (void) snprintf(letter->timestamp, sizeof(letter->timestamp), "%" PRId64,
                    seconds);

    id.data = letter->id;
    id.len = strlen(letter->id);

    done = async_letter_secrets(&signer, policy);

    if (policy->per != ASYNC_HOOK_PER_NONE) {
        whom = due->hook.owner;

        if (policy->per == ASYNC_HOOK_PER_HOST) {
            whom.data = letter->host;
            whom.len = strlen(letter->host);
        }

        done = done && whom.len > 0 && async_signer_derive(&signer, whom);
    }

    done = done && async_signer_sign(&signer, id, seconds, letter->body,
                                     letter->signature);

    async_signer_clean(&signer);

    if (!done) {
        *error = ASYNC_HOOK_ERROR_SECRET;
        return ASYNC_INVALID;
    }

    return ASYNC_OK;
}


/*
 * Read each time: they are small, and what lies in memory for long is found
 * there.  One that cannot be read is told of; the others sign.
 */

static bool
async_letter_secrets(async_signer_t *signer,
    const async_hook_policy_t *policy)
{
    bool               exposed;
    char               path[ASYNC_HOOK_PATH + 1];
    unsigned           i;
    async_error_t      err;
    async_log_quote_t  quote;

    signer->n = 0;

    for (i = 0; i < policy->nsecrets; i++) {
        memcpy(path, policy->secrets[i].data, policy->secrets[i].len);
        path[policy->secrets[i].len] = '\0';

        if (async_signer_read(signer, path, &exposed, &err) != ASYNC_OK) {
            async_log(ASYNC_LOG_ERROR, "msg=\"a secret of webhooks cannot be "
                      "used; it must be readable for the user of the "
                      "worker\" error=%s", async_log_quote(&quote, err.text));
        }
    }

    return signer->n > 0;
}


static void
async_letter_headers(async_letter_t *letter)
{
    letter->headers[0].name = "Content-Type";
    letter->headers[0].value = "application/json";
    letter->headers[1].name = "webhook-id";
    letter->headers[1].value = letter->id;
    letter->headers[2].name = "webhook-timestamp";
    letter->headers[2].value = letter->timestamp;
    letter->headers[3].name = "webhook-signature";
    letter->headers[3].value = letter->signature;
    letter->nheaders = 4;
}


/* --- hosts as numbers --- */

uint64_t
async_letter_host(const async_hook_t *hook)
{
    char          port[2], host[ASYNC_URL_HOST_MAX + 1];
    uint64_t      hash;
    const char   *why;
    async_url_t   url;

    hash = 0xcbf29ce484222325ull;

    if (async_url_parse(&url, hook->url, &why) != ASYNC_OK) {
        return async_letter_hash(hash, hook->url.data, hook->url.len);
    }

    port[0] = (char) (url.port >> 8);
    port[1] = (char) url.port;

    hash = async_letter_hash(hash, url.https ? "s" : "-", 1);
    hash = async_letter_hash(hash, port, 2);

    async_url_host(&url, host);

    return async_letter_hash(hash, host, strlen(host));
}


/* FNV-1a */

static uint64_t
async_letter_hash(uint64_t hash, const char *data, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        hash = (hash ^ (uint8_t) data[i]) * 0x100000001b3ull;
    }

    return hash;
}
