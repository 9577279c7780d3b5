
/*
 * What becomes of a job when things go wrong, and how long it is kept:
 * async_retry, async_retention, and the policy that the store gets of a
 * location.
 */

#include "ngx_http_async_conf.h"


#define NGX_HTTP_ASYNC_ATTEMPTS_MAX  1000


static char *ngx_http_async_retry_option(ngx_conf_t *cf,
    ngx_http_async_retry_t *retry, ngx_str_t *value);
static char *ngx_http_async_set_backoff(ngx_conf_t *cf,
    ngx_http_async_retry_t *retry, ngx_str_t *value);
static char *ngx_http_async_set_retry_on(ngx_conf_t *cf,
    ngx_http_async_retry_t *retry, ngx_str_t *value);
static ngx_int_t ngx_http_async_retry_class(async_policy_t *policy,
    ngx_str_t *name);
static ngx_int_t ngx_http_async_kept(ngx_conf_t *cf, ngx_str_t *value,
    size_t skip, time_t *kept);


char *
ngx_http_async_set_retry(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    ngx_int_t                n;
    ngx_str_t               *value;
    ngx_uint_t               i;
    async_policy_t           policy;
    ngx_http_async_retry_t  *retry;

    if (alcf->retry != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    retry = ngx_pcalloc(cf->pool, sizeof(ngx_http_async_retry_t));
    if (retry == NULL) {
        return NGX_CONF_ERROR;
    }

    async_policy_defaults(&policy);

    alcf->retry = retry;
    retry->attempts = 1;
    retry->backoff_min = policy.backoff_min;
    retry->backoff_max = policy.backoff_max;

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    n = ngx_atoi(value[1].data, value[1].len);

    if (n < 1 || n > NGX_HTTP_ASYNC_ATTEMPTS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of attempts \"%V\": write 1 to %d, "
                           "such as \"async_retry 5 backoff=10s:2m\", or "
                           "\"async_retry off\"", &value[1],
                           NGX_HTTP_ASYNC_ATTEMPTS_MAX);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_async_once(cf, 2) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    retry->attempts = n;

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_async_retry_option(cf, retry, &value[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_async_retry_option(ngx_conf_t *cf, ngx_http_async_retry_t *retry,
    ngx_str_t *value)
{
    ngx_str_t  rest;

    if (ngx_strncmp(value->data, "backoff=", 8) == 0) {
        rest.data = value->data + 8;
        rest.len = value->len - 8;

        return ngx_http_async_set_backoff(cf, retry, &rest);
    }

    if (ngx_strncmp(value->data, "on=", 3) == 0) {
        rest.data = value->data + 3;
        rest.len = value->len - 3;

        return ngx_http_async_set_retry_on(cf, retry, &rest);
    }

    if (ngx_strcmp(value->data, "non_idempotent") == 0) {
        retry->non_idempotent = 1;
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\": async_retry takes "
                       "backoff=10s:2m, on=error,timeout,503 and "
                       "non_idempotent", value);

    return NGX_CONF_ERROR;
}


/* "10s:2m", or one time for both */

static char *
ngx_http_async_set_backoff(ngx_conf_t *cf, ngx_http_async_retry_t *retry,
    ngx_str_t *value)
{
    u_char     *colon;
    ngx_int_t   min, max;
    ngx_str_t   s;

    colon = ngx_strlchr(value->data, value->data + value->len, ':');

    s.data = value->data;
    s.len = colon ? (size_t) (colon - value->data) : value->len;
    min = s.len ? ngx_parse_time(&s, 0) : NGX_ERROR;
    max = min;

    if (colon) {
        s.data = colon + 1;
        s.len = value->data + value->len - s.data;
        max = s.len ? ngx_parse_time(&s, 0) : NGX_ERROR;
    }

    if (min == NGX_ERROR || max == NGX_ERROR || max < min
        || max > ASYNC_RETRY_AFTER_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid backoff \"%V\": write the shortest and "
                           "the longest wait between attempts, such as "
                           "backoff=10s:2m, at most 24h", value);
        return NGX_CONF_ERROR;
    }

    retry->backoff_min = min;
    retry->backoff_max = max;

    return NGX_CONF_OK;
}


static char *
ngx_http_async_set_retry_on(ngx_conf_t *cf, ngx_http_async_retry_t *retry,
    ngx_str_t *value)
{
    u_char          *p, *last, *comma;
    ngx_str_t       *name;
    async_policy_t   policy;

    retry->on = ngx_array_create(cf->pool, 8, sizeof(ngx_str_t));
    if (retry->on == NULL) {
        return NGX_CONF_ERROR;
    }

    last = value->data + value->len;

    for (p = value->data; p <= last; p = comma + 1) {

        comma = ngx_strlchr(p, last, ',');
        comma = comma ? comma : last;

        name = ngx_array_push(retry->on);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        name->data = p;
        name->len = comma - p;

        if (ngx_http_async_retry_class(&policy, name) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid failure \"%V\" in \"on=\": write "
                               "error, timeout, and statuses from 400 to 599, "
                               "such as on=error,timeout,503", name);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_async_retry_class(async_policy_t *policy, ngx_str_t *name)
{
    ngx_int_t  status;

    if (name->len == 5 && ngx_strncmp(name->data, "error", 5) == 0) {
        policy->retry_on |= ASYNC_RETRY_ERROR;
        return NGX_OK;
    }

    if (name->len == 7 && ngx_strncmp(name->data, "timeout", 7) == 0) {
        policy->retry_on |= ASYNC_RETRY_TIMEOUT;
        return NGX_OK;
    }

    status = ngx_atoi(name->data, name->len);

    return status > 0 && async_policy_set_retry(policy, status)
           ? NGX_OK : NGX_DECLINED;
}


char *
ngx_http_async_set_retention(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    ngx_int_t                    rc;
    ngx_str_t                   *value;
    ngx_uint_t                   i;
    async_policy_t               policy;
    ngx_http_async_retention_t  *kept;

    if (alcf->retention != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    if (ngx_http_async_once(cf, 2) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    kept = ngx_palloc(cf->pool, sizeof(ngx_http_async_retention_t));
    if (kept == NULL) {
        return NGX_CONF_ERROR;
    }

    async_policy_defaults(&policy);

    alcf->retention = kept;
    kept->failed = policy.retain_failed / 1000;
    kept->history = policy.retain_history / 1000;

    value = cf->args->elts;

    if (ngx_http_async_kept(cf, &value[1], 0, &kept->result) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "failed=", 7) == 0) {
            rc = ngx_http_async_kept(cf, &value[i], 7, &kept->failed);

        } else if (ngx_strncmp(value[i].data, "history=", 8) == 0) {
            rc = ngx_http_async_kept(cf, &value[i], 8, &kept->history);

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\": async_retention "
                               "takes a time, failed=7d and history=30d",
                               &value[i]);
            rc = NGX_ERROR;
        }

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_async_kept(ngx_conf_t *cf, ngx_str_t *value, size_t skip,
    time_t *kept)
{
    ngx_str_t  s;

    s.data = value->data + skip;
    s.len = value->len - skip;

    *kept = s.len ? ngx_parse_time(&s, 1) : (time_t) NGX_ERROR;

    if (*kept != (time_t) NGX_ERROR) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid time \"%V\" in \"async_retention\": write for "
                       "how long results are kept, such as 24h", value);

    return NGX_ERROR;
}


ngx_int_t
ngx_http_async_make_policy(ngx_http_async_loc_conf_t *conf,
    async_policy_t *policy)
{
    ngx_str_t   *name;
    ngx_uint_t   i;

    async_policy_defaults(policy);

    policy->timeout = conf->timeout;
    policy->result_max = conf->result_max;
    policy->retry_after = conf->retry_after;
    policy->start_timeout = conf->start_timeout;
    policy->location = conf->key;
    policy->estimate = conf->estimate;

    if (conf->retention) {
        policy->retain_result = conf->retention->result * (uint64_t) 1000;
        policy->retain_failed = conf->retention->failed * (uint64_t) 1000;
        policy->retain_history = conf->retention->history * (uint64_t) 1000;
    }

    if (conf->forget) {
        policy->retain_result = 0;
        policy->retain_failed = 0;
        policy->retain_history = 0;
    }

    if (conf->retry == NULL) {
        return NGX_OK;
    }

    policy->attempts = conf->retry->attempts;
    policy->backoff_min = conf->retry->backoff_min;
    policy->backoff_max = conf->retry->backoff_max;

    if (conf->retry->on == NULL) {
        return NGX_OK;
    }

    policy->retry_on = 0;
    ngx_memzero(policy->retry_status, ASYNC_RETRY_STATUSES);

    name = conf->retry->on->elts;

    for (i = 0; i < conf->retry->on->nelts; i++) {
        if (ngx_http_async_retry_class(policy, &name[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
