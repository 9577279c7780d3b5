
/*
 * Directives of webhooks: to whom, who may be called, signed with what.
 */

#include "ngx_http_async_callback.h"
#include "ngx_http_async_conf.h"

#include "async_allow.h"
#include "async_signer.h"


static ngx_int_t ngx_http_async_callback_on(ngx_conf_t *cf, ngx_str_t *value,
    ngx_uint_t *on);
static ngx_int_t ngx_http_async_check_allow(ngx_conf_t *cf,
    ngx_str_t *value);
static ngx_int_t ngx_http_async_add_secret(ngx_conf_t *cf,
    ngx_http_async_secrets_t *secrets, ngx_str_t *value);
static ngx_int_t ngx_http_async_check_callback_url(ngx_conf_t *cf,
    ngx_http_async_loc_conf_t *conf, ngx_str_t *name);
static ngx_int_t ngx_http_async_check_callback_per(ngx_conf_t *cf,
    ngx_http_async_loc_conf_t *conf, ngx_str_t *name);
static ngx_int_t ngx_http_async_check_callback_self(ngx_conf_t *cf,
    ngx_http_async_loc_conf_t *conf, ngx_str_t *name);
static ngx_uint_t ngx_http_async_fixed_host(u_char *p, u_char *last);
static char *ngx_http_async_add_hook_policy(ngx_conf_t *cf,
    ngx_http_async_loc_conf_t *conf);


char *
ngx_http_async_set_callback(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    ngx_str_t                         *value;
    ngx_http_async_callback_t         *callback;
    ngx_http_compile_complex_value_t   ccv;

    if (alcf->callback != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;
    alcf->callback = NULL;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    if (value[1].len == 0 || ngx_strncmp(value[1].data, "on=", 3) == 0
        || ngx_strcmp(value[1].data, "off") == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"async_callback\" begins with a URL, not with "
                           "\"%V\": write \"async_callback "
                           "$http_x_callback_url on=completed,failed\", or "
                           "\"async_callback off\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    callback = ngx_pcalloc(cf->pool, sizeof(ngx_http_async_callback_t));
    if (callback == NULL) {
        return NGX_CONF_ERROR;
    }

    callback->url = ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (callback->url == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = callback->url;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    callback->on = ASYNC_HOOK_ON_ALL;

    if (cf->args->nelts == 3
        && ngx_http_async_callback_on(cf, &value[2], &callback->on) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    alcf->callback = callback;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_async_callback_on(ngx_conf_t *cf, ngx_str_t *value, ngx_uint_t *on)
{
    size_t       len;
    u_char      *p, *last, *comma;
    ngx_uint_t   i;

    static struct {
        const char  *name;
        ngx_uint_t   bit;
    } ends[] = {
        { "completed", ASYNC_HOOK_ON_COMPLETED },
        { "failed", ASYNC_HOOK_ON_FAILED },
        { "canceled", ASYNC_HOOK_ON_CANCELED }
    };

    *on = 0;
    last = value->data + value->len;

    if (ngx_strncmp(value->data, "on=", 3) != 0) {
        goto invalid;
    }

    for (p = value->data + 3; p <= last; p = comma + 1) {

        comma = ngx_strlchr(p, last, ',');
        comma = comma ? comma : last;
        len = comma - p;

        for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
            if (ngx_strlen(ends[i].name) == len
                && ngx_strncmp(p, ends[i].name, len) == 0)
            {
                *on |= ends[i].bit;
                break;
            }
        }

        if (i == sizeof(ends) / sizeof(ends[0])) {
            goto invalid;
        }
    }

    return NGX_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" in \"async_callback\": write "
                       "which ends are told, such as "
                       "on=completed,failed,canceled", value);

    return NGX_ERROR;
}


/* kept as the store and the worker read it: entries with a space between */

char *
ngx_http_async_set_callback_allow(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    u_char       *p;
    size_t        len;
    ngx_str_t    *value;
    ngx_uint_t    i;

    if (alcf->callback_allow.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        ngx_str_set(&alcf->callback_allow, "");
        return NGX_CONF_OK;
    }

    for (i = 1, len = 0; i < cf->args->nelts; i++) {

        if (ngx_http_async_check_allow(cf, &value[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        len += value[i].len + 1;
    }

    if (len > ASYNC_HOOK_ALLOW) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"async_callback_allow\" takes %uz bytes, %d are "
                           "possible: write \".example.com\" or a network for "
                           "those that belong together", len,
                           ASYNC_HOOK_ALLOW);
        return NGX_CONF_ERROR;
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    alcf->callback_allow.data = p;
    alcf->callback_allow.len = len - 1;

    for (i = 1; i < cf->args->nelts; i++) {
        p = ngx_cpymem(p, value[i].data, value[i].len);
        *p++ = ' ';
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_async_check_allow(ngx_conf_t *cf, ngx_str_t *value)
{
    u_char           *slash;
    const char       *wrong;
    async_str_t       entry;
    async_cidr_t      cidr;
    async_address_t   address;

    entry.data = (char *) value->data;
    entry.len = value->len;

    wrong = ngx_strcmp(value->data, "off") == 0 ? "stands alone"
                                                : async_allow_entry(entry);

    if (wrong) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" in \"async_callback_allow\" %s: write "
                           "hosts, such as \"async_callback_allow "
                           "hooks.example.com .example.org 10.1.0.0/16\", "
                           "or \"public\", or \"async_callback_allow off\"",
                           value, wrong);
        return NGX_ERROR;
    }

    slash = ngx_strlchr(value->data, value->data + value->len, '/');

    if (slash && async_cidr_parse(&cidr, entry)) {
        entry.len = slash - value->data;

        if (async_address_parse(&address, entry)
            && !async_address_equal(&address, &cidr.address))
        {
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "low address bits of \"%V\" in "
                               "\"async_callback_allow\" are meaningless: "
                               "all of that network may be called; write its "
                               "first address, or one address without a "
                               "prefix", value);
        }
    }

    return NGX_OK;
}


char *
ngx_http_async_set_callback_secret(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_http_async_secrets_t  *secrets;

    if (alcf->callback_secret != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    if (ngx_http_async_once_named(cf, "per=") != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    secrets = ngx_pcalloc(cf->pool, sizeof(ngx_http_async_secrets_t));
    if (secrets == NULL) {
        return NGX_CONF_ERROR;
    }

    alcf->callback_secret = secrets;
    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "per=owner") == 0) {
            secrets->per = ASYNC_HOOK_PER_OWNER;

        } else if (ngx_strcmp(value[i].data, "per=host") == 0) {
            secrets->per = ASYNC_HOOK_PER_HOST;

        } else if (ngx_strncmp(value[i].data, "per=", 4) == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in "
                               "\"async_callback_secret\": write per=owner or "
                               "per=host", &value[i]);
            return NGX_CONF_ERROR;

        } else if (ngx_http_async_add_secret(cf, secrets, &value[i])
                   != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (secrets->n == 0) {
        return "names no file: write the path of one that \"nginx-async "
               "keygen > file\" makes";
    }

    return NGX_CONF_OK;
}


/* read to see that it can be; the worker reads it again, and nginx never */

static ngx_int_t
ngx_http_async_add_secret(ngx_conf_t *cf, ngx_http_async_secrets_t *secrets,
    ngx_str_t *value)
{
    bool            exposed;
    ngx_str_t       path;
    async_rc_t      rc;
    async_error_t   error;
    async_signer_t  signer;

    if (secrets->n == ASYNC_HOOK_SECRETS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"async_callback_secret\" names more than %d "
                           "files: all of them sign, and two are enough "
                           "during a rotation", ASYNC_HOOK_SECRETS);
        return NGX_ERROR;
    }

    path = *value;

    if (path.len == 0 || ngx_http_async_key_path(cf, &path) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"async_callback_secret\" needs the path of a "
                           "file, such as one that \"nginx-async keygen > "
                           "file\" makes");
        return NGX_ERROR;
    }

    signer.n = 0;
    rc = async_signer_read(&signer, (char *) path.data, &exposed, &error);
    async_signer_clean(&signer);

    if (rc != ASYNC_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "async_callback_secret: %s", error.text);
        return NGX_ERROR;
    }

    if (exposed) {
        ngx_http_async_warn_exposed(cf, "secret", &path, 1);
    }

    secrets->files[secrets->n++] = path;

    return NGX_OK;
}


void
ngx_http_async_merge_callback(ngx_http_async_loc_conf_t *prev,
    ngx_http_async_loc_conf_t *conf)
{
    ngx_conf_merge_ptr_value(conf->callback, prev->callback, NULL);
    ngx_conf_merge_ptr_value(conf->callback_secret, prev->callback_secret,
                             NULL);
    ngx_conf_merge_str_value(conf->callback_allow, prev->callback_allow, "");
}


/* --- checks --- */

char *
ngx_http_async_check_callback(ngx_conf_t *cf, ngx_http_async_loc_conf_t *conf)
{
    ngx_str_t  *name;

    if (conf->callback == NULL) {
        return NGX_CONF_OK;
    }

    name = &((ngx_http_core_loc_conf_t *)
             ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module))
            ->name;

    if (conf->callback_secret == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"async_callback\" in location \"%V\" has nothing to "
                      "sign with: write \"nginx-async keygen > file\", and "
                      "\"async_callback_secret file;\"", name);
        return NGX_CONF_ERROR;
    }

    if (conf->callback_allow.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"async_callback\" in location \"%V\" may call nobody: "
                      "write who may be called, such as "
                      "\"async_callback_allow hooks.example.com;\", or "
                      "\"async_callback_allow public;\"", name);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_async_check_callback_url(cf, conf, name) != NGX_OK
        || ngx_http_async_check_callback_per(cf, conf, name) != NGX_OK
        || ngx_http_async_check_callback_self(cf, conf, name) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_async_add_hook_policy(cf, conf);
}


/* what is written here can be judged here */

static ngx_int_t
ngx_http_async_check_callback_url(ngx_conf_t *cf,
    ngx_http_async_loc_conf_t *conf, ngx_str_t *name)
{
    const char   *why;
    async_str_t   text, list;
    async_url_t   url;

    if (conf->callback->url->lengths) {
        return NGX_OK;
    }

    text.data = (char *) conf->callback->url->value.data;
    text.len = conf->callback->url->value.len;
    list.data = (char *) conf->callback_allow.data;
    list.len = conf->callback_allow.len;

    if (async_url_parse(&url, text, &why) == ASYNC_OK
        && async_allow_url(list, &url, &why) != ASYNC_ALLOW_REFUSED)
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"async_callback %V\" in location \"%V\": the callback URL "
                  "%s; write a URL such as https://hooks.example.com/in, whose "
                  "host \"async_callback_allow\" names",
                  &conf->callback->url->value, name, why);

    return NGX_ERROR;
}


/* one client's key must not sign for another's receiver */

static ngx_int_t
ngx_http_async_check_callback_per(ngx_conf_t *cf,
    ngx_http_async_loc_conf_t *conf, ngx_str_t *name)
{
    async_str_t  list;

    list.data = (char *) conf->callback_allow.data;
    list.len = conf->callback_allow.len;

    if (conf->callback_secret->per == ASYNC_HOOK_PER_OWNER
        && conf->owner == NULL)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"async_callback_secret ... per=owner\" in location "
                      "\"%V\", whose jobs have no owner: write "
                      "\"async_owner\", or per=host", name);
        return NGX_ERROR;
    }

    if (conf->callback_secret->per == ASYNC_HOOK_PER_NONE
        && conf->callback->url->lengths
        && !async_allow_one(list))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"async_callback\" in location \"%V\" takes its URL "
                      "from requests, and more than one host may be called: a "
                      "receiver that knows the secret could sign in our name "
                      "for others; write \"async_callback_secret ... "
                      "per=host\" or per=owner, or allow one host only", name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* where we are to be reached is said here, and by no client */

static ngx_int_t
ngx_http_async_check_callback_self(ngx_conf_t *cf,
    ngx_http_async_loc_conf_t *conf, ngx_str_t *name)
{
    u_char                     *p, *last;
    ngx_str_t                  *uri;
    ngx_http_async_srv_conf_t  *ascf;

    ascf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_async_module);

    if (conf->status_uri) {
        uri = &conf->status_uri->value;
        last = uri->data + uri->len;
        p = ngx_strlcasestrn(uri->data, last, (u_char *) "://", 3 - 1);

        if (p && ngx_http_async_fixed_host(p + 3, last)) {
            return NGX_OK;
        }

        if (p == NULL && ascf->host.len) {
            return NGX_OK;
        }

    } else if (ascf->host.len) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"async_callback\" in location \"%V\": the URLs in a "
                  "webhook need a host, and that of a client's request is not "
                  "to be trusted; write \"server_name api.example.com;\" with "
                  "the name first, or \"async_status_uri "
                  "https://api.example.com/jobs/;\"", name);

    return NGX_ERROR;
}


/* p: behind "://"; a variable may hold any part of it */

static ngx_uint_t
ngx_http_async_fixed_host(u_char *p, u_char *last)
{
    u_char  *start;

    for (start = p; p < last && *p != '/'; p++) {
        if (*p == '$') {
            return 0;
        }
    }

    return p != start;
}


static char *
ngx_http_async_add_hook_policy(ngx_conf_t *cf,
    ngx_http_async_loc_conf_t *conf)
{
    ngx_uint_t                   i;
    async_hook_policy_t         *policy, *p;
    ngx_http_async_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_async_module);

    policy = ngx_array_push(&amcf->hooks);
    if (policy == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(policy, sizeof(async_hook_policy_t));

    policy->per = conf->callback_secret->per;
    policy->nsecrets = conf->callback_secret->n;
    policy->allow.data = (char *) conf->callback_allow.data;
    policy->allow.len = conf->callback_allow.len;

    for (i = 0; i < conf->callback_secret->n; i++) {
        policy->secrets[i].data = (char *) conf->callback_secret->files[i].data;
        policy->secrets[i].len = conf->callback_secret->files[i].len;
    }

    if (!async_hook_policy_key(conf->hook_policy, policy)) {
        return NGX_CONF_ERROR;
    }

    /* most locations inherit what they have */

    p = amcf->hooks.elts;

    for (i = 0; i + 1 < amcf->hooks.nelts; i++) {
        if (p[i].per == policy->per && p[i].nsecrets == policy->nsecrets
            && p[i].secrets[0].data == policy->secrets[0].data
            && p[i].allow.data == policy->allow.data)
        {
            amcf->hooks.nelts--;
            return NGX_CONF_OK;
        }
    }

    if (amcf->hooks.nelts > ASYNC_HOOK_IN_FORCE) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "more than %d different sets of "
                      "\"async_callback_allow\" and \"async_callback_secret\" "
                      "are used: write those that are the same once, in the "
                      "server or http block", ASYNC_HOOK_IN_FORCE);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
