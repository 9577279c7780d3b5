
/*
 * Webhooks: async_callback and its sisters (contract, section 7).
 */

#ifndef NGX_HTTP_ASYNC_CALLBACK_H
#define NGX_HTTP_ASYNC_CALLBACK_H


#include "ngx_http_async_module.h"

#include "async_hooks.h"


struct ngx_http_async_callback_s {
    ngx_http_complex_value_t    *url;
    ngx_uint_t                   on;          /* ASYNC_HOOK_ON_* */
};

struct ngx_http_async_secrets_s {
    ngx_uint_t                   n;
    ngx_str_t                    files[ASYNC_HOOK_SECRETS];   /* absolute */
    ngx_uint_t                   per;         /* async_hook_per_t */
};


/* ngx_http_async_callback.c */
char *ngx_http_async_set_callback(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_async_set_callback_allow(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_async_set_callback_secret(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
void ngx_http_async_merge_callback(ngx_http_async_loc_conf_t *prev,
    ngx_http_async_loc_conf_t *conf);
/* the three fit together, and it is known where we are to be reached */
char *ngx_http_async_check_callback(ngx_conf_t *cf,
    ngx_http_async_loc_conf_t *conf);

/* ngx_http_async_hook.c */
/* the webhook of a submit; NGX_DECLINED: refused, op says why */
ngx_int_t ngx_http_async_take_callback(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op);


#endif /* NGX_HTTP_ASYNC_CALLBACK_H */
