
/*
 * The module's face: directives, configuration and its checks, registration.
 */

#include "ngx_http_async_callback.h"
#include "ngx_http_async_conf.h"
#include "ngx_http_async_dashboard.h"
#include "ngx_http_async_events.h"
#include "ngx_http_async_metrics.h"
#include "ngx_http_async_progress.h"
#include "ngx_http_async_schedule.h"
#include "ngx_http_async_verify.h"


#define NGX_HTTP_ASYNC_LOC                                                   \
    NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF


static char *ngx_http_async_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_async_set_time(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_async_set_size(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_async_set_retry_after(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_async_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_async_postconfiguration(ngx_conf_t *cf);


static ngx_command_t  ngx_http_async_commands[] = {

    { ngx_string("async_store"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_async_store_directive,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("async_queue"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_async_queue_directive,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("async"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_TAKE12,
      ngx_http_async_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("async_methods"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_1MORE,
      ngx_http_async_methods,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("async_bypass"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_1MORE,
      ngx_http_async_bypass,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("async_owner"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_TAKE1,
      ngx_http_async_set_owner,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_async_loc_conf_t, owner),
      "async_owner $remote_user" },

    { ngx_string("async_idempotency"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_TAKE123,
      ngx_http_async_set_idempotency,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("async_verify"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_1MORE,
      ngx_http_async_set_verify,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("async_callback"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_TAKE12,
      ngx_http_async_set_callback,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("async_callback_allow"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_1MORE,
      ngx_http_async_set_callback_allow,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("async_callback_secret"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_1MORE,
      ngx_http_async_set_callback_secret,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("async_coalesce"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_TAKE1,
      ngx_http_async_set_value,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_async_loc_conf_t, coalesce),
      "async_coalesce $request_uri" },

    { ngx_string("async_delay"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_TAKE1,
      ngx_http_async_set_delay,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_async_loc_conf_t, delay),
      "async_delay 10s" },

    { ngx_string("async_priority"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_TAKE1,
      ngx_http_async_set_priority,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_async_loc_conf_t, priority),
      "async_priority 9" },

    { ngx_string("async_timeout"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_TAKE1,
      ngx_http_async_set_time,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_async_loc_conf_t, timeout),
      "takes the time that one attempt may take, such as 15m" },

    { ngx_string("async_start_timeout"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_TAKE1,
      ngx_http_async_set_time,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_async_loc_conf_t, start_timeout),
      "takes the time that a job may wait for its start, such as 24h" },

    { ngx_string("async_retry"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_1MORE,
      ngx_http_async_set_retry,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("async_retention"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_1MORE,
      ngx_http_async_set_retention,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("async_result_max"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_TAKE1,
      ngx_http_async_set_size,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_async_loc_conf_t, result_max),
      "takes the size that a response may have, such as 1g" },

    { ngx_string("async_drop_header"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_1MORE,
      ngx_http_async_drop_header,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("async_keep"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_1MORE,
      ngx_http_async_keep,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("async_retry_after"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_TAKE1,
      ngx_http_async_set_retry_after,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("async_estimate"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_async_loc_conf_t, estimate),
      NULL },

    { ngx_string("async_wait"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_1MORE,
      ngx_http_async_set_wait,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("async_status_uri"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_async_loc_conf_t, status_uri),
      NULL },

    { ngx_string("async_forget"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_async_loc_conf_t, forget),
      NULL },

    { ngx_string("async_dialect"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_TAKE1,
      ngx_http_async_set_dialect,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("async_schedule"),
      NGX_HTTP_SRV_CONF|NGX_CONF_2MORE,
      ngx_http_async_set_schedule,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("async_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_async_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      "/jobs/" },

    { ngx_string("async_events_ping"),
      NGX_HTTP_ASYNC_LOC|NGX_CONF_TAKE1,
      ngx_http_async_set_events_ping,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("async_progress"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_async_set_progress,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      "/progress/" },

    { ngx_string("async_dashboard"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_async_set_dashboard,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      "/dashboard/" },

    { ngx_string("async_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_async_set_metrics,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      "= /metrics" },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_async_module_ctx = {
    ngx_http_async_add_variables,          /* preconfiguration */
    ngx_http_async_postconfiguration,      /* postconfiguration */

    ngx_http_async_create_main_conf,       /* create main configuration */
    ngx_http_async_init_main_conf,         /* init main configuration */

    ngx_http_async_create_srv_conf,        /* create server configuration */
    ngx_http_async_merge_srv_conf,         /* merge server configuration */

    ngx_http_async_create_loc_conf,        /* create location configuration */
    ngx_http_async_merge_loc_conf          /* merge location configuration */
};


ngx_module_t  ngx_http_async_module = {
    NGX_MODULE_V1,
    &ngx_http_async_module_ctx,            /* module context */
    ngx_http_async_commands,               /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_async_init_module,            /* init module */
    ngx_http_async_init_process,           /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_async_exit_process,           /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static char *
ngx_http_async_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    ngx_str_t  *value;

    if (alcf->mode != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0 && cf->args->nelts == 2) {
        alcf->mode = NGX_HTTP_ASYNC_OFF;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "on") == 0) {
        alcf->mode = NGX_HTTP_ASYNC_ON;

    } else if (ngx_strcmp(value[1].data, "prefer") == 0) {
        alcf->mode = NGX_HTTP_ASYNC_PREFER;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"async\": write "
                           "\"async on\", \"async prefer\" (both with or "
                           "without queue=name) or \"async off\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 3) {

        if (ngx_strncmp(value[2].data, "queue=", 6) != 0
            || value[2].len == 6)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in \"async\": write "
                               "queue=name", &value[2]);
            return NGX_CONF_ERROR;
        }

        alcf->queue.data = value[2].data + 6;
        alcf->queue.len = value[2].len - 6;
    }

    return NGX_CONF_OK;
}


/* nginx's own would not say what to write instead: here, cmd->post does */

static char *
ngx_http_async_set_time(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t   *value;
    ngx_msec_t  *time;

    time = (ngx_msec_t *) ((char *) conf + cmd->offset);

    if (*time != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;
    *time = ngx_parse_time(&value[1], 0);

    return *time == (ngx_msec_t) NGX_ERROR || *time == 0 ? cmd->post
                                                         : NGX_CONF_OK;
}


static char *
ngx_http_async_set_size(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    off_t      *size;
    ngx_str_t  *value;

    size = (off_t *) ((char *) conf + cmd->offset);

    if (*size != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;
    *size = ngx_parse_offset(&value[1]);

    return *size == (off_t) NGX_ERROR || *size == 0 ? cmd->post : NGX_CONF_OK;
}


static char *
ngx_http_async_set_retry_after(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    ngx_str_t  *value;

    if (alcf->retry_after != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "auto") == 0) {
        alcf->retry_after = 0;
        return NGX_CONF_OK;
    }

    alcf->retry_after = ngx_parse_time(&value[1], 1);

    if (alcf->retry_after == (time_t) NGX_ERROR || alcf->retry_after < 1) {
        return "takes auto or a time of at least one second, such as 5s";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_async_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    char                       *rc;
    ngx_http_async_place_t     *status;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_async_srv_conf_t  *ascf;

    rc = ngx_http_async_set_endpoint(cf, cmd, alcf,
                                     ngx_http_async_status_handler);
    if (rc != NGX_CONF_OK) {
        return rc;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    ascf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_async_module);

    status = ngx_array_push(&ascf->statuses);
    if (status == NULL) {
        return NGX_CONF_ERROR;
    }

    status->name = clcf->name;
    status->conf = alcf;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_async_postconfiguration(ngx_conf_t *cf)
{
    ngx_uint_t                   i;
    ngx_http_handler_pt         *h;
    ngx_http_core_main_conf_t   *cmcf;
    ngx_http_async_main_conf_t  *amcf;

    static struct {
        ngx_http_phases          phase;
        ngx_http_handler_pt      handler;
    } handlers[] = {
        { NGX_HTTP_POST_READ_PHASE, ngx_http_async_post_read },
        { NGX_HTTP_PREACCESS_PHASE, ngx_http_async_preaccess },
        { NGX_HTTP_ACCESS_PHASE, ngx_http_async_access },
        { NGX_HTTP_PRECONTENT_PHASE, ngx_http_async_precontent }
    };

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_async_module);

    if (!amcf->used) {
        return NGX_OK;
    }

    if (amcf->path.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "asynchronous locations need a store: add \"async_store "
                      "/var/lib/nginx-async;\" to the http block");
        return NGX_ERROR;
    }

    if (ngx_http_async_check_owners(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    for (i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
        h = ngx_array_push(&cmcf->phases[handlers[i].phase].handlers);
        if (h == NULL) {
            return NGX_ERROR;
        }

        *h = handlers[i].handler;
    }

    ngx_http_async_progress_init(cf);

    if (ngx_http_async_facts_init(cf) != NGX_OK
        || ngx_http_async_init_variables(cf, amcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_async_add_listeners(cf, amcf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_async_init_schedules(cf, amcf);
}
