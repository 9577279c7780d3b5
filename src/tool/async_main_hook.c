/*
 * nginx-async webhooks, keygen: what was delivered and what was not, and the
 * secrets that receivers need.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async_command.h"
#include "async_drop.h"
#include "async_hooks.h"
#include "async_main.h"
#include "async_main_jobs.h"
#include "async_signer.h"
#include "async_table.h"
#include "async_time.h"
#include "async_url.h"


#define ASYNC_HOOKS_PAGE  500           /* rows of one transaction */
#define ASYNC_HOOKS_KEYS  (ASYNC_HOOK_IN_FORCE * ASYNC_SIGNER_KEYS)


typedef struct {
    async_table_t  table;
    bool           json;
    int64_t        now;
    unsigned       n;
} async_hooks_list_t;

typedef struct {
    char        *path;              /* of a secret */
    const char  *whom;              /* the key is of, borrowed */
} async_keygen_key_t;


static int async_main_webhooks(const async_options_t *options);
static async_rc_t async_hooks_pages(async_view_t *view,
    const async_options_t *options, async_hooks_list_t *list, bool *more);
static bool async_hooks_each(void *data, const async_id_t *id,
    const async_hook_t *hook);
static void async_hooks_row(async_hooks_list_t *list, const char *id,
    const async_hook_t *hook);
static void async_hooks_json(const char *id, const async_hook_t *hook);
static void async_hooks_time(const char *name, int64_t ms);
static async_str_t async_hooks_url(const async_hook_t *hook);
static int async_main_keygen(const async_options_t *options);
static int async_keygen_new(void);
static int async_keygen_file(const async_options_t *options);
static int async_keygen_store(const async_options_t *options);
static unsigned async_keygen_keys(async_view_t *view, const char *owner,
    const char *host, async_keygen_key_t *keys, bool *per_host);
static bool async_keygen_key(async_keygen_key_t *keys, unsigned n,
    async_str_t path, const char *whom);
static bool async_keygen_host(const char *whom,
    char host[ASYNC_URL_HOST_MAX + 1]);
static bool async_keygen_print(const char *path, const char *whom,
    async_error_t *err);


const async_command_t  async_commands_hooks[] = {

    { "webhooks",
      async_option_bit(DEAD) | async_option_bit(LIMIT)
      | async_option_bit(JSON),
      NULL, false, async_main_webhooks,
      "webhooks       list deliveries, and those that were given up",
      "Usage: nginx-async [--store DIR] webhooks [OPTION...]\n"
      "\n"
      "Lists webhooks of jobs that have ended, newest jobs first: pending,\n"
      "delivered, or dead, which is what was given up.  The ID is the job's;\n"
      "redeliver takes it.  A URL is printed without its query, which may\n"
      "hold a password.\n"
      "\n"
      "Options:\n"
      "  --dead             dead letters only\n"
      "  --limit N          at most N (default 100)\n"
      "  --json             as a JSON object\n"
      "  --store DIR        the store\n" },

    { "keygen",
      async_option_bit(FOR) | async_option_bit(SECRET),
      NULL, false, async_main_keygen,
      "keygen         a new secret for webhooks, or a receiver's key",
      "Usage: nginx-async [--store DIR] keygen [--for X [--secret FILE]]\n"
      "\n"
      "Prints a new secret, whsec_..., for a file that async_callback_secret\n"
      "names.  With --for, the key of one receiver, to be handed to it, where\n"
      "that directive has per=owner or per=host: X is the owner, or its URL,\n"
      "or the host of that.  The secrets are those of the nginx.conf that was\n"
      "loaded last, which the store knows, a key for each file; or that of\n"
      "FILE, where a host is to be in lower case and without port.\n"
      "\n"
      "Options:\n"
      "  --for X            an owner, or a host\n"
      "  --secret FILE      a file with a secret\n"
      "  --store DIR        the store\n" },

    { NULL, 0, NULL, false, NULL, NULL, NULL }
};


/* --- webhooks --- */

static int
async_main_webhooks(const async_options_t *options)
{
    int                  status;
    bool                 more;
    async_rc_t           rc;
    async_view_t        *view;
    async_error_t        err;
    async_store_t       *store;
    async_hooks_list_t   list;

    static const char *const  heads[] = {
        "ID", "STATUS", "TRIES", "LAST", "NEXT", "URL", NULL
    };

    view = async_main_look(options, &store, &status);

    if (view == NULL) {
        return status;
    }

    memset(&list, 0, sizeof(async_hooks_list_t));
    list.json = options->given[ASYNC_OPTION_JSON];
    list.now = async_main_now();

    async_table_begin(&list.table, heads, 5, 1u << 2);

    if (list.json) {
        (void) fputs("{\"webhooks\":[", stdout);
    }

    rc = async_hooks_pages(view, options, &list, &more);

    async_view_close(view);
    async_store_close(store);

    if (list.json) {
        (void) printf("],\"more\":%s}\n", more ? "true" : "false");

    } else if (!async_table_end(&list.table)) {
        async_error_set(&err, "no memory for so many webhooks");
        return async_main_failed(&err);
    }

    return rc == ASYNC_OK ? ASYNC_EXIT_DONE : async_main_unread(rc, &err);
}


static async_rc_t
async_hooks_pages(async_view_t *view, const async_options_t *options,
    async_hooks_list_t *list, bool *more)
{
    async_rc_t          rc;
    async_hook_place_t  place;

    memset(&place, 0, sizeof(async_hook_place_t));

    do {
        rc = async_view_hooks(view, options->given[ASYNC_OPTION_DEAD]
                                    ? ASYNC_HOOK_DEAD : 0,
                              options->limit - list->n, ASYNC_HOOKS_PAGE,
                              &place, async_hooks_each, list);

    } while (rc == ASYNC_OK && place.set && list->n < options->limit);

    *more = place.set;

    return rc;
}


static bool
async_hooks_each(void *data, const async_id_t *id, const async_hook_t *hook)
{
    char                 text[ASYNC_ID_TEXT + 1];
    async_hooks_list_t  *list = data;

    *async_id_format(text, id) = '\0';

    if (list->json) {
        (void) fputs(list->n > 0 ? "," : "", stdout);
        async_hooks_json(text, hook);

    } else {
        async_hooks_row(list, text, hook);
    }

    list->n++;

    return true;
}


static void
async_hooks_row(async_hooks_list_t *list, const char *id,
    const async_hook_t *hook)
{
    char         ago[ASYNC_AGO];
    const char  *error;

    async_table_addf(&list->table, "%s", id);
    async_table_addf(&list->table, "%s",
                     async_hook_state_name((async_hook_state_t) hook->state));
    async_table_addf(&list->table, "%u", (unsigned) hook->attempts);

    error = async_hook_error_name((async_hook_error_t) hook->error);

    if (hook->status != 0) {
        async_table_addf(&list->table, "%u", (unsigned) hook->status);

    } else {
        async_table_addf(&list->table, "%s", *error != '\0' ? error : "-");
    }

    if (hook->due > list->now) {
        async_ago_format(ago, hook->due - list->now);
        async_table_addf(&list->table, "in %s", ago);

    } else {
        async_table_addf(&list->table, "%s", hook->due != 0 ? "now" : "-");
    }

    async_table_add(&list->table, async_hooks_url(hook));
}


static void
async_hooks_json(const char *id, const async_hook_t *hook)
{
    const char  *error;

    error = async_hook_error_name((async_hook_error_t) hook->error);

    (void) printf("{\"id\":\"%s\",\"webhookId\":\"msg_%s\",\"status\":\"%s\","
                  "\"attempts\":%u", id, id,
                  async_hook_state_name((async_hook_state_t) hook->state),
                  (unsigned) hook->attempts);

    if (hook->status != 0) {
        (void) printf(",\"lastStatus\":%u", (unsigned) hook->status);
    }

    if (*error != '\0') {
        (void) printf(",\"error\":\"%s\"", error);
    }

    async_hooks_time("owedAt", hook->owed);
    async_hooks_time("nextAttemptAt", hook->due);
    async_hooks_time(hook->state == ASYNC_HOOK_DEAD ? "deadAt"
                                                    : "deliveredAt",
                     hook->ended);
    async_json_print(",\"url\":", async_hooks_url(hook));
    (void) putchar('}');
}


static void
async_hooks_time(const char *name, int64_t ms)
{
    char  text[ASYNC_TIME_TEXT + 1];

    if (ms != 0) {
        *async_time_format(text, ms) = '\0';
        (void) printf(",\"%s\":\"%s\"", name, text);
    }
}


static async_str_t
async_hooks_url(const async_hook_t *hook)
{
    const char   *query;
    async_str_t   url;

    url = hook->url;
    query = memchr(url.data, '?', url.len);

    if (query != NULL) {
        url.len = (size_t) (query - url.data);
    }

    return url;
}


/* --- keygen --- */

static int
async_main_keygen(const async_options_t *options)
{
    async_error_t  err;

    if (options->given[ASYNC_OPTION_SECRET]
        && !options->given[ASYNC_OPTION_FOR])
    {
        async_error_set(&err, "--secret is of no use without --for");
        (void) async_main_failed(&err);
        return ASYNC_EXIT_USAGE;
    }

    if (!options->given[ASYNC_OPTION_FOR]) {
        return async_keygen_new();
    }

    return options->given[ASYNC_OPTION_SECRET] ? async_keygen_file(options)
                                               : async_keygen_store(options);
}


static int
async_keygen_new(void)
{
    char            text[ASYNC_SIGNER_KEY_TEXT];
    async_error_t   err;
    async_signer_t  signer;

    if (!async_signer_make(&signer)) {
        async_error_set(&err, "the kernel gave no random bytes");
        return async_main_failed(&err);
    }

    async_signer_format(&signer, 0, text);
    async_signer_clean(&signer);
    (void) puts(text);

    return ASYNC_EXIT_DONE;
}


/* whose it is, nobody says here: what can be meant as a host is told of */

static int
async_keygen_file(const async_options_t *options)
{
    char           host[ASYNC_URL_HOST_MAX + 1];
    async_error_t  err;

    if (async_keygen_host(options->whom, host)
        && strcmp(host, options->whom) != 0)
    {
        (void) fprintf(stderr, "nginx-async: this is the key of an owner of "
                       "that name; a host is named \"%s\"\n", host);
    }

    return async_keygen_print(options->secret, options->whom, &err)
           ? ASYNC_EXIT_DONE : async_main_failed(&err);
}


static int
async_keygen_store(const async_options_t *options)
{
    int                   status;
    char                  host[ASYNC_URL_HOST_MAX + 1];
    bool                  is_host, per_host;
    unsigned              i, n;
    async_view_t         *view;
    async_error_t         err;
    async_store_t        *store;
    async_keygen_key_t    keys[ASYNC_HOOKS_KEYS];

    view = async_main_look(options, &store, &status);

    if (view == NULL) {
        return status;
    }

    is_host = async_keygen_host(options->whom, host);
    n = async_keygen_keys(view, options->whom, is_host ? host : NULL, keys,
                          &per_host);

    async_view_close(view);
    async_store_close(store);

    if (n == 0) {
        async_error_set(&err, per_host
                        ? "what --for names is no host, and the nginx.conf "
                          "that was loaded last has per=host"
                        : "the nginx.conf that was loaded last has no "
                          "\"async_callback_secret ... per=owner\" or "
                          "per=host");
        return async_main_failed(&err);
    }

    status = ASYNC_EXIT_DONE;

    for (i = 0; i < n; i++) {
        if (!async_keygen_print(keys[i].path, keys[i].whom, &err)) {
            status = async_main_failed(&err);
        }

        free(keys[i].path);
    }

    return status;
}


/*
 * Each once, in the order in which nginx.conf names them: the first is what a
 * new receiver is given.
 */

static unsigned
async_keygen_keys(async_view_t *view, const char *owner, const char *host,
    async_keygen_key_t *keys, bool *per_host)
{
    unsigned                 i, j, n;
    const char              *whom;
    static uint8_t           buf[ASYNC_HOOK_POLICY_MAX];
    async_hook_policy_t      policy;
    async_hooks_in_force_t   in_force;

    n = 0;
    *per_host = false;

    if (async_view_hooks_in_force(view, &in_force) != ASYNC_OK) {
        return 0;
    }

    for (i = 0; i < in_force.n; i++) {

        if (async_view_hook_policy(view, in_force.keys[i], &policy, buf)
            != ASYNC_OK || policy.per == ASYNC_HOOK_PER_NONE)
        {
            continue;
        }

        whom = policy.per == ASYNC_HOOK_PER_HOST ? host : owner;
        *per_host = *per_host || policy.per == ASYNC_HOOK_PER_HOST;

        for (j = 0; whom != NULL && j < policy.nsecrets; j++) {
            n += async_keygen_key(keys, n, policy.secrets[j], whom) ? 1 : 0;
        }
    }

    return n;
}


static bool
async_keygen_key(async_keygen_key_t *keys, unsigned n, async_str_t path,
    const char *whom)
{
    unsigned  i;

    for (i = 0; i < n; i++) {
        if (strlen(keys[i].path) == path.len
            && memcmp(keys[i].path, path.data, path.len) == 0
            && strcmp(keys[i].whom, whom) == 0)
        {
            return false;
        }
    }

    keys[n].path = strndup(path.data, path.len);
    keys[n].whom = whom;

    return keys[n].path != NULL;
}


/* as the worker takes it from a URL: people give the URL, or a part of it */

static bool
async_keygen_host(const char *whom, char host[ASYNC_URL_HOST_MAX + 1])
{
    int           n;
    char          text[ASYNC_URL_MAX + 1];
    const char   *colon, *why;
    async_str_t   s;
    async_url_t   url;

    colon = strchr(whom, ':');

    n = snprintf(text, sizeof(text),
                 strstr(whom, "://") != NULL ? "%s"
                 : *whom != '[' && colon != strrchr(whom, ':')
                   ? "https://[%s]" : "https://%s", whom);

    if (n < 0 || (size_t) n >= sizeof(text)) {
        return false;
    }

    s.data = text;
    s.len = (size_t) n;

    if (async_url_parse(&url, s, &why) != ASYNC_OK) {
        return false;
    }

    async_url_host(&url, host);

    return true;
}


static bool
async_keygen_print(const char *path, const char *whom, async_error_t *err)
{
    char            text[ASYNC_SIGNER_KEY_TEXT];
    bool            done, exposed;
    async_str_t     name;
    async_signer_t  signer;

    signer.n = 0;
    name.data = whom;
    name.len = strlen(whom);

    if (async_signer_read(&signer, path, &exposed, err) != ASYNC_OK) {
        return false;
    }

    done = async_signer_derive(&signer, name);

    if (done) {
        async_signer_format(&signer, 0, text);
        (void) puts(text);

    } else {
        async_error_set(err, "libcrypto failed");
    }

    async_signer_clean(&signer);

    return done;
}
