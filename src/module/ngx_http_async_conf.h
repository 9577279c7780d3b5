
/*
 * What nginx.conf says: the setters of directives, and how what they set is
 * created, inherited and checked.  All of it runs while nginx reads its
 * configuration.
 */

#ifndef NGX_HTTP_ASYNC_CONF_H
#define NGX_HTTP_ASYNC_CONF_H


#include "ngx_http_async_module.h"


/* ngx_http_async_store.c */
char *ngx_http_async_store_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_async_key_path(ngx_conf_t *cf, ngx_str_t *path);
/* shared: the worker reads it, too */
void ngx_http_async_warn_exposed(ngx_conf_t *cf, const char *what,
    ngx_str_t *path, ngx_uint_t shared);

/* ngx_http_async_conf.c */
void *ngx_http_async_create_main_conf(ngx_conf_t *cf);
char *ngx_http_async_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_http_async_create_srv_conf(ngx_conf_t *cf);
char *ngx_http_async_merge_srv_conf(ngx_conf_t *cf, void *parent,
    void *child);
void *ngx_http_async_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_async_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
/* makes the location one of our own; cmd->post: how it is written */
char *ngx_http_async_set_endpoint(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_async_loc_conf_t *conf, ngx_http_handler_pt handler);
async_queue_t *ngx_http_async_find_queue(ngx_http_async_main_conf_t *amcf,
    ngx_str_t *name);
void ngx_http_async_init_queue(async_queue_t *queue, ngx_str_t *name);

/* ngx_http_async_queue.c */
char *ngx_http_async_queue_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ngx_http_async_lists.c: directives that take a list */
char *ngx_http_async_methods(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_async_bypass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_async_drop_header(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_async_keep(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* NGX_ERROR, and said: a parameter, "key=" aside, is there twice */
ngx_int_t ngx_http_async_once(ngx_conf_t *cf, ngx_uint_t first);
/* the same of one parameter, such as "per=", among values of any kind */
ngx_int_t ngx_http_async_once_named(ngx_conf_t *cf, const char *name);

/* ngx_http_async_identity.c: who submits, known by what, to run when */
char *ngx_http_async_set_owner(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_async_set_value(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_async_set_idempotency(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_async_set_delay(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_async_set_priority(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_async_merge_identity(ngx_conf_t *cf,
    ngx_http_async_loc_conf_t *prev, ngx_http_async_loc_conf_t *conf);
/* each location that submits and the one where its jobs live fit together */
ngx_int_t ngx_http_async_check_owners(ngx_conf_t *cf);

/* ngx_http_async_policy.c: async_retry, async_retention */
char *ngx_http_async_set_retry(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_async_set_retention(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
/* a location's policy from what was set and merged */
ngx_int_t ngx_http_async_make_policy(ngx_http_async_loc_conf_t *conf,
    async_policy_t *policy);


#endif /* NGX_HTTP_ASYNC_CONF_H */
