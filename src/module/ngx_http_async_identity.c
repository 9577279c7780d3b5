
/*
 * Directives that say what a submit is: whose, known by which key, to be run
 * when and how soon.  Their values come from each request.
 */

#include "ngx_http_async_conf.h"

#include "async_delay.h"


#define NGX_HTTP_ASYNC_KEY_TTL  (24 * 3600)


static ngx_http_complex_value_t *ngx_http_async_compile(ngx_conf_t *cf,
    ngx_str_t *value);
static char *ngx_http_async_idempotency_option(ngx_conf_t *cf,
    ngx_http_async_idempotency_t *idempotency, ngx_str_t *value);
static ngx_uint_t ngx_http_async_is_option(ngx_str_t *value);
static ngx_http_async_idempotency_t *ngx_http_async_default_idempotency(
    ngx_conf_t *cf, ngx_uint_t message);
static ngx_uint_t ngx_http_async_is_message(ngx_str_t *value);
static void ngx_http_async_check_per_owner(ngx_conf_t *cf,
    ngx_http_core_main_conf_t *cmcf, async_queue_t *queue);
static ngx_int_t ngx_http_async_check_submit(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf, ngx_http_async_place_t *submit);
static ngx_http_async_place_t *ngx_http_async_find_status(
    ngx_http_async_srv_conf_t *ascf, ngx_str_t *prefix);


static ngx_str_t  ngx_http_async_key_header =
    ngx_string("$http_idempotency_key");

static ngx_str_t  ngx_http_async_key_message =
    ngx_string("$async_message_id");


char *
ngx_http_async_set_owner(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    char  *rc;

    rc = ngx_http_async_set_value(cf, cmd, conf);

    if (rc == NGX_CONF_OK && alcf->owner && alcf->owner->lengths == NULL) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"async_owner %V\" makes everybody one and the "
                           "same owner: write a variable that tells your "
                           "users apart, such as \"async_owner "
                           "$remote_user\"", &alcf->owner->value);
    }

    return rc;
}


/* async_owner, async_coalesce, async_delay: post is an example */

char *
ngx_http_async_set_value(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_str_t                  *value;
    ngx_http_complex_value_t  **cv;

    cv = (ngx_http_complex_value_t **) (p + cmd->offset);

    if (*cv != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;
    *cv = NULL;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    if (value[1].len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an empty value: write \"%s\", or "
                           "\"%V off\"", &cmd->name, cmd->post, &cmd->name);
        return NGX_CONF_ERROR;
    }

    *cv = ngx_http_async_compile(cf, &value[1]);

    return *cv ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_http_complex_value_t *
ngx_http_async_compile(ngx_conf_t *cf, ngx_str_t *value)
{
    ngx_http_compile_complex_value_t  ccv;

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = ngx_pcalloc(cf->pool,
                                    sizeof(ngx_http_complex_value_t));

    if (ccv.complex_value == NULL
        || ngx_http_compile_complex_value(&ccv) != NGX_OK)
    {
        return NULL;
    }

    return ccv.complex_value;
}


char *
ngx_http_async_set_delay(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    char         *rc;
    int64_t       due;
    async_str_t   text;

    rc = ngx_http_async_set_value(cf, cmd, conf);

    if (rc != NGX_CONF_OK || alcf->delay == NULL || alcf->delay->lengths) {
        return rc;
    }

    text.data = (char *) alcf->delay->value.data;
    text.len = alcf->delay->value.len;

    if (async_delay_parse(text, ngx_http_async_now(), &due) == ASYNC_OK) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid delay \"%V\": write a time such as 10s or 2h, "
                       "at most a year, or a variable that holds one",
                       &alcf->delay->value);

    return NGX_CONF_ERROR;
}


char *
ngx_http_async_set_priority(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    ngx_str_t                 *value;
    ngx_http_complex_value_t  *cv;

    if (alcf->priority != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    cv = ngx_http_async_compile(cf, &value[1]);
    if (cv == NULL) {
        return NGX_CONF_ERROR;
    }

    alcf->priority = cv;

    if (cv->lengths == NULL
        && (value[1].len != 1 || value[1].data[0] < '0'
            || value[1].data[0] > '9'))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid priority \"%V\": write a digit from 0 to "
                           "9, where 9 runs first, or a variable that holds "
                           "one", &value[1]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_async_set_idempotency(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    ngx_str_t                     *value;
    ngx_uint_t                     i;
    ngx_http_async_idempotency_t  *idempotency;

    if (alcf->idempotency != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    idempotency = ngx_http_async_default_idempotency(cf, 0);
    if (idempotency == NULL) {
        return NGX_CONF_ERROR;
    }

    idempotency->implied = 0;
    alcf->idempotency = idempotency;
    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        idempotency->value = NULL;
        return NGX_CONF_OK;
    }

    if (value[1].len == 0 || ngx_http_async_is_option(&value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"async_idempotency\" begins with where the key "
                           "comes from, not with \"%V\": write "
                           "\"async_idempotency $http_idempotency_key required "
                           "ttl=24h\", or \"async_idempotency off\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    idempotency->header = value[1].len == ngx_http_async_key_header.len
                          && ngx_strcmp(value[1].data,
                                        ngx_http_async_key_header.data) == 0;
    idempotency->message = ngx_http_async_is_message(&value[1]);

    idempotency->value = ngx_http_async_compile(cf, &value[1]);
    if (idempotency->value == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_async_once(cf, 2) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (idempotency->value->lengths == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"async_idempotency %V\" gives all requests one "
                           "and the same key: write where each has its own, "
                           "such as \"async_idempotency "
                           "$http_idempotency_key\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_async_idempotency_option(cf, idempotency, &value[i])
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_async_idempotency_option(ngx_conf_t *cf,
    ngx_http_async_idempotency_t *idempotency, ngx_str_t *value)
{
    ngx_str_t  s;

    if (ngx_strcmp(value->data, "required") == 0) {
        idempotency->required = 1;
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value->data, "ttl=", 4) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\": async_idempotency takes "
                           "a string, required and ttl=24h", value);
        return NGX_CONF_ERROR;
    }

    s.data = value->data + 4;
    s.len = value->len - 4;
    idempotency->ttl = s.len ? ngx_parse_time(&s, 1) : (time_t) NGX_ERROR;

    if (idempotency->ttl == (time_t) NGX_ERROR || idempotency->ttl == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time \"%V\": write for how long a key is "
                           "remembered at the least, such as ttl=24h", value);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* written in the place of the string they would be a key for all requests */

static ngx_uint_t
ngx_http_async_is_option(ngx_str_t *value)
{
    return ngx_strcmp(value->data, "off") == 0
           || ngx_strcmp(value->data, "required") == 0
           || ngx_strncmp(value->data, "ttl=", 4) == 0;
}


/* a key with that alone is not a client's, but a sender's */

static ngx_uint_t
ngx_http_async_is_message(ngx_str_t *value)
{
    return ngx_strcmp(value->data, ngx_http_async_key_message.data) == 0
           || ngx_strcmp(value->data, "${async_message_id}") == 0;
}


static ngx_http_async_idempotency_t *
ngx_http_async_default_idempotency(ngx_conf_t *cf, ngx_uint_t message)
{
    ngx_http_async_idempotency_t  *idempotency;

    idempotency = ngx_pcalloc(cf->pool, sizeof(ngx_http_async_idempotency_t));
    if (idempotency == NULL) {
        return NULL;
    }

    idempotency->ttl = NGX_HTTP_ASYNC_KEY_TTL;
    idempotency->header = !message;
    idempotency->message = message;
    idempotency->implied = 1;
    idempotency->value = ngx_http_async_compile(cf, message
                                                ? &ngx_http_async_key_message
                                                : &ngx_http_async_key_header);

    return idempotency->value ? idempotency : NULL;
}


char *
ngx_http_async_merge_identity(ngx_conf_t *cf, ngx_http_async_loc_conf_t *prev,
    ngx_http_async_loc_conf_t *conf)
{
    ngx_uint_t  message;

    ngx_conf_merge_ptr_value(conf->owner, prev->owner, NULL);
    ngx_conf_merge_ptr_value(conf->coalesce, prev->coalesce, NULL);
    ngx_conf_merge_ptr_value(conf->delay, prev->delay, NULL);
    ngx_conf_merge_ptr_value(conf->priority, prev->priority, NULL);
    ngx_conf_merge_ptr_value(conf->idempotency, prev->idempotency, NULL);

    message = conf->verify != NULL;

    if (conf->mode != NGX_HTTP_ASYNC_OFF
        && (conf->idempotency == NULL
            || (conf->idempotency->implied
                && conf->idempotency->message != message)))
    {
        conf->idempotency = ngx_http_async_default_idempotency(cf, message);
        if (conf->idempotency == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_async_check_owners(ngx_conf_t *cf)
{
    ngx_uint_t                   s, i;
    async_queue_t               *queue;
    ngx_http_async_place_t      *submit;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_async_srv_conf_t   *ascf;
    ngx_http_core_main_conf_t   *cmcf;
    ngx_http_async_main_conf_t  *amcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    cscfp = cmcf->servers.elts;

    for (s = 0; s < cmcf->servers.nelts; s++) {
        ascf = cscfp[s]->ctx->srv_conf[ngx_http_async_module.ctx_index];
        submit = ascf->submits.elts;

        for (i = 0; i < ascf->submits.nelts; i++) {
            if (ngx_http_async_check_submit(cf, cscfp[s], &submit[i])
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_async_module);
    queue = amcf->queues.elts;

    for (i = 0; i < amcf->queues.nelts; i++) {
        if (queue[i].per_owner) {
            ngx_http_async_check_per_owner(cf, cmcf, &queue[i]);
        }
    }

    return NGX_OK;
}


/* a limit that nothing can reach */

static void
ngx_http_async_check_per_owner(ngx_conf_t *cf,
    ngx_http_core_main_conf_t *cmcf, async_queue_t *queue)
{
    ngx_str_t                    name;
    ngx_uint_t                   s, i;
    ngx_http_async_place_t      *submit;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_async_srv_conf_t   *ascf;

    cscfp = cmcf->servers.elts;
    name.data = (u_char *) queue->name.data;
    name.len = queue->name.len;

    for (s = 0; s < cmcf->servers.nelts; s++) {
        ascf = cscfp[s]->ctx->srv_conf[ngx_http_async_module.ctx_index];
        submit = ascf->submits.elts;

        for (i = 0; i < ascf->submits.nelts; i++) {
            if (submit[i].conf->owner
                && submit[i].conf->queue.len == name.len
                && ngx_memcmp(submit[i].conf->queue.data, name.data, name.len)
                   == 0)
            {
                return;
            }
        }
    }

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "per_owner of \"async_queue %V\" limits nobody, since no "
                  "location with that queue has an owner: write \"async_owner "
                  "$remote_user\" there, or another variable", &name);
}


/* what a variable or a URL leads to is not known here */

static ngx_int_t
ngx_http_async_check_submit(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf,
    ngx_http_async_place_t *submit)
{
    ngx_http_async_place_t     *status;
    ngx_http_complex_value_t   *uri;
    ngx_http_async_srv_conf_t  *ascf;

    ascf = cscf->ctx->srv_conf[ngx_http_async_module.ctx_index];
    uri = submit->conf->status_uri;

    if (submit->conf->forget) {
        return NGX_OK;
    }

    if (uri && (uri->lengths || uri->value.data[0] != '/')) {
        return NGX_OK;
    }

    status = uri ? ngx_http_async_find_status(ascf, &uri->value)
                 : ascf->statuses.elts;

    if (status == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"async_status_uri %V\" in location \"%V\" of server "
                      "\"%V\" names no \"async_status\" location of that "
                      "server: write \"location %V { async_status; }\" there, "
                      "or a URL such as https://example.com%V",
                      &uri->value, &submit->name, &cscf->server_name,
                      &uri->value, &uri->value);
        return NGX_ERROR;
    }

    if (submit->conf->owner && status->conf->owner == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "jobs of location \"%V\" of server \"%V\" have an owner, "
                      "but their status location \"%V\" knows none: write the "
                      "same \"async_owner\" there",
                      &submit->name, &cscf->server_name, &status->name);
        return NGX_ERROR;
    }

    if (submit->conf->owner == NULL && status->conf->owner) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "the status location \"%V\" of server \"%V\" serves "
                      "owners only, but jobs of location \"%V\" have none: "
                      "write the same \"async_owner\" there",
                      &status->name, &cscf->server_name, &submit->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_http_async_place_t *
ngx_http_async_find_status(ngx_http_async_srv_conf_t *ascf, ngx_str_t *prefix)
{
    ngx_uint_t               i;
    ngx_http_async_place_t  *status;

    status = ascf->statuses.elts;

    for (i = 0; i < ascf->statuses.nelts; i++) {
        if (status[i].name.len == prefix->len
            && ngx_memcmp(status[i].name.data, prefix->data, prefix->len) == 0)
        {
            return &status[i];
        }
    }

    return NULL;
}
