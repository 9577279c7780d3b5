
/*
 * The inbox for other people's webhooks: async_verify (contract, section 7).
 */

#ifndef NGX_HTTP_ASYNC_VERIFY_H
#define NGX_HTTP_ASYNC_VERIFY_H


#include "ngx_http_async_module.h"

#include "async_signature.h"


#define NGX_HTTP_ASYNC_SECRETS  8             /* files of one directive */
#define NGX_HTTP_ASYNC_MESSAGE  "async_message_id"

typedef struct {
    size_t                       len;
    u_char                       bytes[ASYNC_SIGNING_KEY];
} ngx_http_async_secret_t;

/* one that signed with any of the secrets is believed */
struct ngx_http_async_verify_s {
    async_scheme_t               scheme;
    time_t                       tolerance;   /* s */
    ngx_uint_t                   n;
    ngx_http_async_secret_t      secrets[NGX_HTTP_ASYNC_SECRETS];
};


/* ngx_http_async_verify.c */
char *ngx_http_async_set_verify(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
/* before what it is the default of, and once async is merged */
char *ngx_http_async_merge_verify(ngx_conf_t *cf,
    ngx_http_async_loc_conf_t *prev, ngx_http_async_loc_conf_t *conf);

/* ngx_http_async_signature.c */
/* before the body is read: NGX_DECLINED, or the answer was sent */
ngx_int_t ngx_http_async_refuse_unsigned(ngx_http_request_t *r);
/*
 * Once it was.  NGX_OK: it is signed, and its mark has the id of the message;
 * NGX_AGAIN: done is called later, and asks ngx_http_async_signed();
 * NGX_DECLINED: it is not signed, op says why; NGX_ERROR.
 */
ngx_int_t ngx_http_async_check_signature(ngx_http_request_t *r,
    ngx_http_async_op_t *op, ngx_http_async_op_handler_pt done);
/* the same, but for NGX_AGAIN, once done was called with rc */
ngx_int_t ngx_http_async_signed(ngx_http_request_t *r,
    ngx_http_async_op_t *op, async_rc_t rc);
/* a content handler: its method is none that is verified */
ngx_int_t ngx_http_async_unverified(ngx_http_request_t *r);
/* $async_message_id; empty: there is none */
void ngx_http_async_message_id(ngx_http_async_mark_t *mark,
    ngx_str_t *value);


#endif /* NGX_HTTP_ASYNC_VERIFY_H */
