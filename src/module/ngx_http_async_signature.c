
/*
 * Whether a message comes from who has the secret: HMAC-SHA256 over its body
 * as it came, before anything of it is stored.  A body that lies in a file of
 * nginx is read on a file thread.
 */

#include "ngx_http_async_metrics.h"
#include "ngx_http_async_verify.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "async_member.h"


#define NGX_HTTP_ASYNC_READ  16384            /* of a file, to be hashed */


/* one MAC for each secret; made in the event loop, then the thread's */
struct ngx_http_async_check_s {
    async_signature_t            signature;
    async_member_t               member;      /* the id in Stripe's body */
    EVP_MAC_CTX                 *macs[NGX_HTTP_ASYNC_SECRETS];
    ngx_uint_t                   n;
};


static const char *ngx_http_async_read_signature(ngx_http_request_t *r,
    ngx_http_async_verify_t *verify, async_signature_t *signature);
static ngx_int_t ngx_http_async_unsigned(ngx_http_request_t *r,
    ngx_http_async_op_t *op, const char *why);
static ngx_http_async_check_t *ngx_http_async_create_check(
    ngx_http_async_op_t *op, ngx_http_async_verify_t *verify);
static ngx_int_t ngx_http_async_begin_macs(ngx_http_async_check_t *check,
    ngx_http_async_verify_t *verify);
static void ngx_http_async_free_macs(void *data);
static ngx_int_t ngx_http_async_feed_chain(ngx_http_async_check_t *check,
    ngx_chain_t *cl);
static ngx_int_t ngx_http_async_feed(ngx_http_async_check_t *check,
    const void *data, size_t len);
static ngx_int_t ngx_http_async_update(ngx_http_async_check_t *check,
    const void *data, size_t len);
static ngx_int_t ngx_http_async_keep_body(ngx_http_request_t *r,
    ngx_http_async_op_t *op);
static void ngx_http_async_check_thread(void *data, ngx_log_t *log);
static ngx_int_t ngx_http_async_feed_file(ngx_http_async_op_t *op);
static async_rc_t ngx_http_async_compare(ngx_http_async_check_t *check);


ngx_int_t
ngx_http_async_check_signature(ngx_http_request_t *r, ngx_http_async_op_t *op,
    ngx_http_async_op_handler_pt done)
{
    off_t                       size;
    const char                 *wrong;
    ngx_chain_t                *cl, *body;
    ngx_http_async_check_t     *check;
    ngx_http_async_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    check = ngx_http_async_create_check(op, alcf->verify);
    if (check == NULL) {
        return NGX_ERROR;
    }

    wrong = ngx_http_async_read_signature(r, alcf->verify, &check->signature);

    if (wrong) {
        return ngx_http_async_unsigned(r, op, wrong);
    }

    if (ngx_http_async_begin_macs(check, alcf->verify) != NGX_OK) {
        return NGX_ERROR;
    }

    size = 0;
    body = r->request_body ? r->request_body->bufs : NULL;

    for (cl = body; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    op->length = size;

    if (size == 0
        || (r->request_body->temp_file == NULL && size <= ASYNC_CHUNKED_MAX))
    {
        if (ngx_http_async_feed_chain(check, body) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_async_signed(r, op, ngx_http_async_compare(check));
    }

    if (ngx_http_async_keep_body(r, op) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_async_file_task(op, ngx_http_async_check_thread, done)
           == NGX_OK ? NGX_AGAIN : NGX_ERROR;
}


/* one line of each: of two, who knows which one the backend will believe */

static const char *
ngx_http_async_read_signature(ngx_http_request_t *r,
    ngx_http_async_verify_t *verify, async_signature_t *signature)
{
    const char   *name;
    ngx_uint_t    i;
    async_str_t   headers[ASYNC_SIGNED_HEADERS];

    for (i = 0; i < ASYNC_SIGNED_HEADERS; i++) {
        headers[i].data = NULL;
        headers[i].len = 0;

        name = async_scheme_header(verify->scheme, i);

        if (name && ngx_http_async_header_lines(r, name, &headers[i]) > 1) {
            return "A header of the signature is there more than once.";
        }
    }

    return async_signature_read(signature, verify->scheme, headers,
                                ngx_time(), verify->tolerance);
}


static ngx_int_t
ngx_http_async_unsigned(ngx_http_request_t *r, ngx_http_async_op_t *op,
    const char *why)
{
    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "async_verify: refused: %s", why);

    op->problem = ASYNC_PROBLEM_SIGNATURE_INVALID;
    op->refusal = why;

    return NGX_DECLINED;
}


static ngx_http_async_check_t *
ngx_http_async_create_check(ngx_http_async_op_t *op,
    ngx_http_async_verify_t *verify)
{
    ngx_pool_cleanup_t      *cln;
    ngx_http_async_check_t  *check;

    check = ngx_pcalloc(op->pool, sizeof(ngx_http_async_check_t));
    cln = ngx_pool_cleanup_add(op->pool, 0);

    if (check == NULL || cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_async_free_macs;
    cln->data = check;
    op->check = check;

    async_member_init(&check->member, "id");

    return check;
}


static ngx_int_t
ngx_http_async_begin_macs(ngx_http_async_check_t *check,
    ngx_http_async_verify_t *verify)
{
    EVP_MAC            *hmac;
    ngx_int_t           rc;
    ngx_uint_t          i;
    OSSL_PARAM          params[2];
    async_signature_t  *s;

    s = &check->signature;

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                 "SHA256", 0);
    params[1] = OSSL_PARAM_construct_end();

    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    rc = hmac ? NGX_OK : NGX_ERROR;

    for (i = 0; rc == NGX_OK && i < verify->n; i++) {
        check->macs[i] = EVP_MAC_CTX_new(hmac);
        check->n++;

        if (check->macs[i] == NULL
            || EVP_MAC_init(check->macs[i], verify->secrets[i].bytes,
                            verify->secrets[i].len, params)
               != 1)
        {
            rc = NGX_ERROR;
        }
    }

    EVP_MAC_free(hmac);

    for (i = 0; rc == NGX_OK && i < s->nfront; i++) {
        rc = ngx_http_async_update(check, s->front[i].data, s->front[i].len);
    }

    return rc;
}


static void
ngx_http_async_free_macs(void *data)
{
    ngx_http_async_check_t *check = data;

    ngx_uint_t  i;

    for (i = 0; i < check->n; i++) {
        EVP_MAC_CTX_free(check->macs[i]);
    }
}


static ngx_int_t
ngx_http_async_feed_chain(ngx_http_async_check_t *check, ngx_chain_t *cl)
{
    for ( /* void */ ; cl; cl = cl->next) {

        if (ngx_http_async_feed(check, cl->buf->pos,
                                cl->buf->last - cl->buf->pos)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_feed(ngx_http_async_check_t *check, const void *data,
    size_t len)
{
    async_member_feed(&check->member, data, len);

    return ngx_http_async_update(check, data, len);
}


static ngx_int_t
ngx_http_async_update(ngx_http_async_check_t *check, const void *data,
    size_t len)
{
    ngx_uint_t  i;

    for (i = 0; i < check->n; i++) {
        if (EVP_MAC_update(check->macs[i], data, len) != 1) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* the request may go before the thread has read it */

static ngx_int_t
ngx_http_async_keep_body(ngx_http_request_t *r, ngx_http_async_op_t *op)
{
    u_char           *p;
    ngx_chain_t      *cl;
    ngx_temp_file_t  *tf;

    tf = r->request_body->temp_file;

    if (tf) {
        op->fd = fcntl(tf->file.fd, F_DUPFD_CLOEXEC, 0);
        return op->fd == NGX_INVALID_FILE ? NGX_ERROR : NGX_OK;
    }

    /* only a client_body_buffer_size above 256k leads here */

    p = ngx_pnalloc(op->pool, op->length);
    if (p == NULL) {
        return NGX_ERROR;
    }

    op->body = p;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        p = ngx_cpymem(p, cl->buf->pos, cl->buf->last - cl->buf->pos);
    }

    return NGX_OK;
}


/* pool thread */

static void
ngx_http_async_check_thread(void *data, ngx_log_t *log)
{
    ngx_http_async_op_t *op = data;

    ngx_int_t  rc;

    rc = op->body ? ngx_http_async_feed(op->check, op->body, op->length)
                  : ngx_http_async_feed_file(op);

    op->rc = rc == NGX_OK ? ngx_http_async_compare(op->check)
                          : ASYNC_UNAVAILABLE;

    if (op->fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(op->fd);
        op->fd = NGX_INVALID_FILE;
    }

    op->body = NULL;
}


static ngx_int_t
ngx_http_async_feed_file(ngx_http_async_op_t *op)
{
    off_t    offset;
    u_char   buf[NGX_HTTP_ASYNC_READ];
    ssize_t  n;

    for (offset = 0; offset < op->length; offset += n) {
        n = pread(op->fd, buf, ngx_min((off_t) sizeof(buf),
                                       op->length - offset), offset);

        if (n <= 0 || ngx_http_async_feed(op->check, buf, n) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* each signature with each secret, whatever was found: equal time for all */

static async_rc_t
ngx_http_async_compare(ngx_http_async_check_t *check)
{
    size_t              len;
    u_char              mac[ASYNC_MAC];
    ngx_uint_t          i, k, equal;
    async_signature_t  *s;

    s = &check->signature;
    equal = 0;

    for (i = 0; i < check->n; i++) {

        if (EVP_MAC_final(check->macs[i], mac, &len, sizeof(mac)) != 1
            || len != sizeof(mac))
        {
            return ASYNC_UNAVAILABLE;
        }

        for (k = 0; k < s->n; k++) {
            equal |= CRYPTO_memcmp(mac, s->macs[k], sizeof(mac)) == 0;
        }
    }

    return equal ? ASYNC_OK : ASYNC_REFUSED;
}


ngx_int_t
ngx_http_async_signed(ngx_http_request_t *r, ngx_http_async_op_t *op,
    async_rc_t rc)
{
    const char                 *name;
    async_str_t                 id;
    ngx_http_async_mark_t      *mark;
    ngx_http_async_loc_conf_t  *alcf;

    if (rc == ASYNC_REFUSED) {
        return ngx_http_async_unsigned(r, op,
                   "No signature of the message is right.");
    }

    if (rc != ASYNC_OK) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "async_verify: the body of a message cannot be read "
                      "back from its temporary file and hashed: look after "
                      "the disk of \"client_body_temp_path\"");
        return NGX_ERROR;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);
    mark = ngx_http_async_get_mark(r);

    name = async_scheme_header(alcf->verify->scheme, ASYNC_SIGNED_ID);

    if (name ? ngx_http_async_header_lines(r, name, &id) == 0
             : !async_member_text(&op->check->member, &id))
    {
        return NGX_OK;
    }

    mark->message.len = id.len;
    mark->message.data = ngx_pnalloc(r->pool, id.len);

    if (mark->message.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(mark->message.data, id.data, id.len);

    return NGX_OK;
}


/* what is not signed at all need not be read to be refused */

ngx_int_t
ngx_http_async_refuse_unsigned(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    const char                 *wrong;
    async_signature_t           signature;
    ngx_http_async_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    wrong = ngx_http_async_read_signature(r, alcf->verify, &signature);

    if (wrong == NULL) {
        return NGX_DECLINED;
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "async_verify: refused: %s", wrong);

    ngx_http_async_count_submit(&alcf->queue, ASYNC_SUBMIT_SIGNATURE_INVALID);

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_SIGNATURE_INVALID,
                                        wrong, NULL, 0);
}


ngx_int_t
ngx_http_async_unverified(ngx_http_request_t *r)
{
    u_char                     *p;
    size_t                      len;
    ngx_int_t                   rc;
    ngx_str_t                  *method, allow;
    ngx_uint_t                  i, n;
    ngx_http_async_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_str_set(&allow, "POST, PUT, PATCH, DELETE");

    if (alcf->methods) {
        method = alcf->methods->elts;
        n = alcf->methods->nelts;
        len = 0;

        for (i = 0; i < n; i++) {
            len += method[i].len + 2;
        }

        p = ngx_pnalloc(r->pool, len);
        if (p == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        allow.data = p;

        for (i = 0; i < n; i++) {
            p = ngx_sprintf(p, i ? ", %V" : "%V", &method[i]);
        }

        allow.len = p - allow.data;
    }

    if (ngx_http_async_add_header(r, "Allow", &allow) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_METHOD_NOT_ALLOWED,
               "Messages are put here, and nothing else is taken.", NULL, 0);
}


/* at a replay it is among what was captured */

void
ngx_http_async_message_id(ngx_http_async_mark_t *mark, ngx_str_t *value)
{
    ngx_uint_t     i;
    ngx_keyval_t  *kv;

    *value = mark->message;

    if (mark->capture == NULL) {
        return;
    }

    kv = mark->capture->vars.elts;

    for (i = 0; i < mark->capture->vars.nelts; i++) {

        if (kv[i].key.len == sizeof(NGX_HTTP_ASYNC_MESSAGE) - 1
            && ngx_memcmp(kv[i].key.data, NGX_HTTP_ASYNC_MESSAGE,
                          kv[i].key.len)
               == 0)
        {
            *value = kv[i].value;
        }
    }
}
