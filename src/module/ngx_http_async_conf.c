
/*
 * Configuration: made, merged from level to level, and checked.  What is
 * wrong fails nginx -t with a sentence that says what to write instead.
 */

#include "ngx_http_async_callback.h"
#include "ngx_http_async_conf.h"
#include "ngx_http_async_schedule.h"
#include "ngx_http_async_verify.h"


#define NGX_HTTP_ASYNC_TIMEOUT      (15 * 60 * 1000)
#define NGX_HTTP_ASYNC_EVENTS_PING  (15 * 1000)
#define NGX_HTTP_ASYNC_START_TIMEOUT  (24 * 3600 * 1000)
#define NGX_HTTP_ASYNC_RESULT_MAX   ((off_t) 1 << 30)
#define NGX_HTTP_ASYNC_SIZE         ((off_t) 64 << 30)
#define NGX_HTTP_ASYNC_CONCURRENCY  8
#define NGX_HTTP_ASYNC_MAX_QUEUED   100000


static ngx_uint_t ngx_http_async_is_host(ngx_http_core_srv_conf_t *cscf);
static char *ngx_http_async_check_endpoint(ngx_conf_t *cf,
    ngx_http_async_loc_conf_t *conf);
static char *ngx_http_async_check_location(ngx_conf_t *cf,
    ngx_http_async_loc_conf_t *conf);
static ngx_int_t ngx_http_async_check_status_uri(ngx_conf_t *cf,
    ngx_http_complex_value_t *uri);
static ngx_int_t ngx_http_async_add_submit(ngx_conf_t *cf,
    ngx_http_async_loc_conf_t *conf);
static void ngx_http_async_check_upstream(ngx_conf_t *cf);
static ngx_uint_t ngx_http_async_is_passing(ngx_module_t *module);
static char *ngx_http_async_add_policy(ngx_conf_t *cf,
    ngx_http_async_loc_conf_t *conf);
static ngx_int_t ngx_http_async_location_key(ngx_conf_t *cf, uint64_t parent,
    uint64_t *key);


static ngx_str_t  ngx_http_async_default_queue = ngx_string("default");


void *
ngx_http_async_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_async_main_conf_t  *amcf;

    amcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_async_main_conf_t));
    if (amcf == NULL) {
        return NULL;
    }

    amcf->size = NGX_HTTP_ASYNC_SIZE;

    if (ngx_array_init(&amcf->queues, cf->pool, 4, sizeof(async_queue_t))
        != NGX_OK
        || ngx_array_init(&amcf->policies, cf->pool, 4,
                          sizeof(async_policy_t))
           != NGX_OK
        || ngx_array_init(&amcf->schedule_names, cf->pool, 4,
                          sizeof(ngx_str_t))
           != NGX_OK
        || ngx_array_init(&amcf->hooks, cf->pool, 4,
                          sizeof(async_hook_policy_t))
           != NGX_OK
        || ngx_array_init(&amcf->conn_vars, cf->pool, 16, sizeof(ngx_uint_t))
           != NGX_OK)
    {
        return NULL;
    }

    return amcf;
}


/* runs before the servers are merged: a queue "default" always exists */

char *
ngx_http_async_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_async_main_conf_t *amcf = conf;

    ngx_uint_t      i;
    async_queue_t  *queue;

    if (ngx_http_async_find_queue(amcf, &ngx_http_async_default_queue) == NULL)
    {
        queue = ngx_array_push(&amcf->queues);
        if (queue == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_http_async_init_queue(queue, &ngx_http_async_default_queue);
    }

    queue = amcf->queues.elts;

    for (i = 0; i < amcf->queues.nelts; i++) {
        queue[i].loaded = ngx_http_async_now();
    }

    if (amcf->key_files == NULL) {
        amcf->key_files = ngx_pcalloc(cf->pool, sizeof(async_key_files_t));
        if (amcf->key_files == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    amcf->key_files->loaded = ngx_http_async_now();

    return NGX_CONF_OK;
}


async_queue_t *
ngx_http_async_find_queue(ngx_http_async_main_conf_t *amcf, ngx_str_t *name)
{
    ngx_uint_t      i;
    async_queue_t  *queue;

    queue = amcf->queues.elts;

    for (i = 0; i < amcf->queues.nelts; i++) {
        if (queue[i].name.len == name->len
            && ngx_memcmp(queue[i].name.data, name->data, name->len) == 0)
        {
            return &queue[i];
        }
    }

    return NULL;
}


void
ngx_http_async_init_queue(async_queue_t *queue, ngx_str_t *name)
{
    ngx_memzero(queue, sizeof(async_queue_t));

    queue->name.data = (char *) name->data;
    queue->name.len = name->len;
    queue->concurrency = NGX_HTTP_ASYNC_CONCURRENCY;
    queue->max_queued = NGX_HTTP_ASYNC_MAX_QUEUED;
}


void *
ngx_http_async_create_srv_conf(ngx_conf_t *cf)
{
    ngx_http_async_srv_conf_t  *ascf;

    ascf = ngx_pcalloc(cf->pool, sizeof(ngx_http_async_srv_conf_t));
    if (ascf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&ascf->schedules, cf->pool, 1,
                       sizeof(ngx_http_async_schedule_t))
        != NGX_OK
        || ngx_array_init(&ascf->statuses, cf->pool, 1,
                          sizeof(ngx_http_async_place_t))
           != NGX_OK
        || ngx_array_init(&ascf->submits, cf->pool, 4,
                          sizeof(ngx_http_async_place_t))
           != NGX_OK
        || ngx_array_init(&ascf->keys, cf->pool, 8, sizeof(uint64_t))
           != NGX_OK)
    {
        return NULL;
    }

    return ascf;
}


/*
 * Names of servers are gone once the configuration is read: what they are good
 * for is kept.
 */

char *
ngx_http_async_merge_srv_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_async_srv_conf_t *conf = child;

    ngx_http_core_srv_conf_t  *cscf;

    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    if (ngx_http_async_is_host(cscf)) {
        conf->host = cscf->server_name;
    }

    return NGX_CONF_OK;
}


/* a name that a resolver may know: no pattern, and no "_" */

static ngx_uint_t
ngx_http_async_is_host(ngx_http_core_srv_conf_t *cscf)
{
    size_t                   i;
    u_char                   c;
    ngx_str_t               *name;
    ngx_http_server_name_t  *names;

    name = &cscf->server_name;
    names = cscf->server_names.elts;

    if (cscf->server_names.nelts == 0
#if (NGX_PCRE)
        || names[0].regex
#endif
        || names[0].name.len == 0 || names[0].name.data[0] == '.'
        || name->len == 0 || name->len > 253)
    {
        return 0;
    }

    for (i = 0; i < name->len; i++) {
        c = ngx_tolower(name->data[i]);

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-'
            && c != '.')
        {
            return 0;
        }
    }

    return 1;
}


void *
ngx_http_async_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_async_loc_conf_t  *alcf;

    alcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_async_loc_conf_t));
    if (alcf == NULL) {
        return NULL;
    }

    alcf->mode = NGX_CONF_UNSET_UINT;
    alcf->methods = NGX_CONF_UNSET_PTR;
    alcf->bypass = NGX_CONF_UNSET_PTR;
    alcf->drop = NGX_CONF_UNSET_PTR;
    alcf->keep = NGX_CONF_UNSET_PTR;
    alcf->timeout = NGX_CONF_UNSET_MSEC;
    alcf->result_max = NGX_CONF_UNSET;
    alcf->retry_after = NGX_CONF_UNSET;
    alcf->estimate = NGX_CONF_UNSET;
    alcf->wait = NGX_CONF_UNSET_MSEC;
    alcf->wait_max = NGX_CONF_UNSET_MSEC;
    alcf->events_ping = NGX_CONF_UNSET_MSEC;
    alcf->start_timeout = NGX_CONF_UNSET_MSEC;
    alcf->retry = NGX_CONF_UNSET_PTR;
    alcf->retention = NGX_CONF_UNSET_PTR;
    alcf->status_uri = NGX_CONF_UNSET_PTR;
    alcf->dialect = NGX_CONF_UNSET_UINT;
    alcf->forget = NGX_CONF_UNSET;
    alcf->owner = NGX_CONF_UNSET_PTR;
    alcf->coalesce = NGX_CONF_UNSET_PTR;
    alcf->delay = NGX_CONF_UNSET_PTR;
    alcf->priority = NGX_CONF_UNSET_PTR;
    alcf->idempotency = NGX_CONF_UNSET_PTR;
    alcf->verify = NGX_CONF_UNSET_PTR;
    alcf->callback = NGX_CONF_UNSET_PTR;
    alcf->callback_secret = NGX_CONF_UNSET_PTR;

    return alcf;
}


char *
ngx_http_async_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_async_loc_conf_t *prev = parent;
    ngx_http_async_loc_conf_t *conf = child;

    if (conf->endpoint
        && ngx_http_async_check_endpoint(cf, conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->mode == NGX_CONF_UNSET_UINT) {
        conf->queue = prev->queue;
    }

    ngx_conf_merge_uint_value(conf->mode, prev->mode, NGX_HTTP_ASYNC_OFF);
    ngx_conf_merge_ptr_value(conf->methods, prev->methods, NULL);
    ngx_conf_merge_ptr_value(conf->bypass, prev->bypass, NULL);
    ngx_conf_merge_ptr_value(conf->drop, prev->drop, NULL);
    ngx_conf_merge_ptr_value(conf->keep, prev->keep, NULL);
    ngx_conf_merge_msec_value(conf->timeout, prev->timeout,
                              NGX_HTTP_ASYNC_TIMEOUT);
    ngx_conf_merge_off_value(conf->result_max, prev->result_max,
                             NGX_HTTP_ASYNC_RESULT_MAX);
    ngx_conf_merge_sec_value(conf->retry_after, prev->retry_after, 0);
    ngx_conf_merge_value(conf->estimate, prev->estimate, 1);
    ngx_conf_merge_msec_value(conf->wait, prev->wait, 0);
    ngx_conf_merge_msec_value(conf->wait_max, prev->wait_max,
                              NGX_HTTP_ASYNC_WAIT_MAX);
    ngx_conf_merge_msec_value(conf->events_ping, prev->events_ping,
                              NGX_HTTP_ASYNC_EVENTS_PING);
    ngx_conf_merge_msec_value(conf->start_timeout, prev->start_timeout,
                              NGX_HTTP_ASYNC_START_TIMEOUT);
    ngx_conf_merge_ptr_value(conf->retry, prev->retry, NULL);
    ngx_conf_merge_ptr_value(conf->retention, prev->retention, NULL);
    ngx_conf_merge_ptr_value(conf->status_uri, prev->status_uri, NULL);
    ngx_conf_merge_uint_value(conf->dialect, prev->dialect,
                              ASYNC_DIALECT_NATIVE);
    ngx_conf_merge_value(conf->forget, prev->forget, 0);

    ngx_http_async_merge_callback(prev, conf);

    if (conf->queue.len == 0) {
        conf->queue = ngx_http_async_default_queue;
    }

    if (ngx_http_async_merge_verify(cf, prev, conf) != NGX_CONF_OK
        || ngx_http_async_merge_identity(cf, prev, conf) != NGX_CONF_OK
        || ngx_http_async_location_key(cf, prev->key, &conf->key) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->mode == NGX_HTTP_ASYNC_OFF || conf->endpoint) {
        return NGX_CONF_OK;
    }

    if (ngx_http_async_check_location(cf, conf) != NGX_CONF_OK
        || ngx_http_async_add_submit(cf, conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_http_async_check_upstream(cf);

    return ngx_http_async_add_policy(cf, conf);
}


char *
ngx_http_async_set_endpoint(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_async_loc_conf_t *conf, ngx_http_handler_pt handler)
{
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_async_main_conf_t  *amcf;

    if (conf->endpoint == cmd) {
        return "is duplicate";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_async_module);

    /* "= /metrics": it is one page, and any location will do */

    if (*(char *) cmd->post == '/'
        && (clcf->noname || clcf->named || clcf->exact_match
#if (NGX_PCRE)
            || clcf->regex
#endif
            || clcf->name.len == 0
            || clcf->name.data[clcf->name.len - 1] != '/'))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" needs a location that is a prefix and ends "
                           "in \"/\", such as \"location %s\", not \"%V\"",
                           &cmd->name, cmd->post, &clcf->name);
        return NGX_CONF_ERROR;
    }

    if (clcf->handler) {
        return "stands beside another directive that answers requests, such "
               "as proxy_pass: write one location for each";
    }

    clcf->handler = handler;
    conf->endpoint = cmd;
    conf->handler = handler;
    amcf->used = 1;

    return NGX_CONF_OK;
}


/* one of the two would be switched off without a word */

static char *
ngx_http_async_check_endpoint(ngx_conf_t *cf, ngx_http_async_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->mode != NGX_CONF_UNSET_UINT && conf->mode != NGX_HTTP_ASYNC_OFF)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "location \"%V\" has \"%V\" and \"async\": write one "
                      "location for each, such as \"location %s { %V; }\"",
                      &clcf->name, &conf->endpoint->name,
                      conf->endpoint->post, &conf->endpoint->name);
        return NGX_CONF_ERROR;
    }

    if (clcf->handler != conf->handler) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "location \"%V\" has \"%V\", and another directive that "
                      "answers its requests, such as proxy_pass: write one "
                      "location for each", &clcf->name, &conf->endpoint->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_async_check_location(ngx_conf_t *cf, ngx_http_async_loc_conf_t *conf)
{
    ngx_http_core_srv_conf_t    *cscf;
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_async_srv_conf_t   *ascf;
    ngx_http_async_main_conf_t  *amcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);
    ascf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_async_module);
    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_async_module);

    ascf->async = 1;
    amcf->used = 1;

    if (!conf->forget && conf->status_uri == NULL
        && ascf->statuses.nelts != 1)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"async %s\" in location \"%V\" of server \"%V\" "
                      "cannot tell where its jobs live, since that server has "
                      "%ui \"async_status\" locations: write one \"location "
                      "/jobs/ { async_status; }\" there, or say which with "
                      "\"async_status_uri /jobs/\"",
                      conf->mode == NGX_HTTP_ASYNC_PREFER ? "prefer" : "on",
                      &clcf->name, &cscf->server_name, ascf->statuses.nelts);
        return NGX_CONF_ERROR;
    }

    if (conf->status_uri
        && ngx_http_async_check_status_uri(cf, conf->status_uri) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_async_check_dialect(cf, conf) != NGX_CONF_OK
        || ngx_http_async_check_forget(cf, conf) != NGX_CONF_OK
        || ngx_http_async_check_callback(cf, conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_async_find_queue(amcf, &conf->queue)) {
        return NGX_CONF_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "unknown queue \"%V\" in location \"%V\": add \"async_queue "
                  "%V;\" to the http block", &conf->queue, &clcf->name,
                  &conf->queue);

    return NGX_CONF_ERROR;
}


/* of one with variables no more is known than what stands behind the last */

static ngx_int_t
ngx_http_async_check_status_uri(ngx_conf_t *cf, ngx_http_complex_value_t *uri)
{
    u_char     *p, *last;
    ngx_str_t  *text;

    text = &uri->value;
    last = text->data + text->len;

    for (p = last; p > text->data; p--) {
        if (!isalnum(p[-1]) && p[-1] != '_') {
            break;
        }
    }

    if (text->len == 0 || (last[-1] != '/' && last[-1] != '}'
                           && (p == text->data || p[-1] != '$')))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"async_status_uri %V\" does not end in \"/\": write a "
                      "path such as /jobs/ or a URL such as "
                      "https://example.com/jobs/", text);
        return NGX_ERROR;
    }

    if (uri->lengths == NULL && !ngx_http_async_is_prefix(text)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"async_status_uri %V\" is neither a path nor a URL of "
                      "http or https: write one such as /jobs/ or "
                      "https://example.com/jobs/", text);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* a server's own level is left out: its locations say what counts */

static ngx_int_t
ngx_http_async_add_submit(ngx_conf_t *cf, ngx_http_async_loc_conf_t *conf)
{
    ngx_http_async_place_t     *submit;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_async_srv_conf_t  *ascf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    ascf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_async_module);

    if (clcf->name.len == 0 && !clcf->noname) {
        return NGX_OK;
    }

    submit = ngx_array_push(&ascf->submits);
    if (submit == NULL) {
        return NGX_ERROR;
    }

    submit->name = clcf->name;
    submit->conf = conf;

    return NGX_OK;
}


/*
 * Warns of what cannot work as a user would expect.  The settings of proxy
 * and its sisters begin with those of the upstream, in every version.
 */

static void
ngx_http_async_check_upstream(ngx_conf_t *cf)
{
    ngx_uint_t                 i;
    ngx_str_t                 *name;
    ngx_http_conf_ctx_t       *ctx;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_upstream_conf_t  *ucf;

    ctx = cf->ctx;
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    name = &clcf->name;

    for (i = 0; cf->cycle->modules[i]; i++) {

        if (cf->cycle->modules[i]->type != NGX_HTTP_MODULE) {
            continue;
        }

        ucf = ctx->loc_conf[cf->cycle->modules[i]->ctx_index];

        if (ngx_strcmp(cf->cycle->modules[i]->name, "ngx_http_grpc_module")
            == 0 && ucf->upstream)
        {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"async\" in location \"%V\" leaves gRPC "
                          "requests alone: grpc_pass cannot run as a job; "
                          "write \"async off\" there", name);

        } else if (ngx_http_async_is_passing(cf->cycle->modules[i])
                   && ucf->ignore_client_abort == 1)
        {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"ignore_client_abort\" is on in location \"%V\": "
                          "a job that times out or is canceled there leaves "
                          "its backend connection open; turn it off, unless "
                          "the backend shall finish", name);
        }
    }
}


static ngx_uint_t
ngx_http_async_is_passing(ngx_module_t *module)
{
    ngx_uint_t  i;

    static char  *names[] = {
        "ngx_http_proxy_module",
        "ngx_http_fastcgi_module",
        "ngx_http_uwsgi_module",
        "ngx_http_scgi_module"
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (ngx_strcmp(module->name, names[i]) == 0) {
            return 1;
        }
    }

    return 0;
}


static char *
ngx_http_async_add_policy(ngx_conf_t *cf, ngx_http_async_loc_conf_t *conf)
{
    async_policy_t              *policy;
    ngx_http_async_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_async_module);

    policy = ngx_array_push(&amcf->policies);
    if (policy == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_async_make_policy(conf, policy) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    conf->attempts = policy->attempts;

    async_policy_key(conf->policy, policy);

    return NGX_CONF_OK;
}


/*
 * A key that stays the same when the configuration is read again, made from
 * the location's parent, kind and name.  Those that agree in all of it, as
 * nameless blocks ("if", "limit_except") and regular expressions that differ
 * in case only do, are told apart by their order.  Together with the server's
 * key it names the location among all: access control depends on that.
 */

static ngx_int_t
ngx_http_async_location_key(ngx_conf_t *cf, uint64_t parent, uint64_t *key)
{
    u_char                      match;
    uint64_t                   *seen;
    ngx_str_t                   part[3];
    ngx_uint_t                  i;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_async_srv_conf_t  *ascf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    ascf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_async_module);

    match = clcf->exact_match ? '=' : clcf->named ? '@' : '/';

#if (NGX_PCRE)
    if (clcf->regex) {
        match = '~';
    }
#endif

    if (clcf->noname) {
        match = '{';
    }

    part[0].data = (u_char *) &parent;
    part[0].len = sizeof(parent);
    part[1].data = &match;
    part[1].len = 1;
    part[2] = clcf->name;

    *key = ngx_http_async_digest(part, 3);
    seen = ascf->keys.elts;

    for (i = 0; i < ascf->keys.nelts; i++) {
        if (seen[i] == *key) {
            (*key)++;
            i = (ngx_uint_t) -1;
        }
    }

    seen = ngx_array_push(&ascf->keys);
    if (seen == NULL) {
        return NGX_ERROR;
    }

    *seen = *key;

    return NGX_OK;
}
