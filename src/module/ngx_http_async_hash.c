
/*
 * Hashes of what a submit is known by; the store gets nothing else of it.
 */

#include "ngx_http_async_module.h"

#include <openssl/evp.h>


#define NGX_HTTP_ASYNC_READ  16384            /* of a file, to be hashed */


static ngx_int_t ngx_http_async_client(ngx_http_request_t *r,
    ngx_str_t *client);


/*
 * Where a key means the same: within a server block, for one owner; with no
 * owner for one client, as far as he can be told from others.
 */

ngx_int_t
ngx_http_async_scope(ngx_http_request_t *r, ngx_http_async_op_t *op,
    ngx_str_t *scope)
{
    u_char                     *digest;
    ngx_str_t                   part[2];
    ngx_http_async_hash_e       kind;
    ngx_http_async_srv_conf_t  *ascf;

    digest = ngx_pnalloc(r->pool, ASYNC_SUBMIT_HASH);
    if (digest == NULL) {
        return NGX_ERROR;
    }

    ascf = ngx_http_get_module_srv_conf(r, ngx_http_async_module);

    part[0].data = (u_char *) &ascf->key;
    part[0].len = sizeof(ascf->key);

    kind = NGX_HTTP_ASYNC_HASH_OWNER;
    part[1].data = (u_char *) op->job.owner.data;
    part[1].len = op->job.owner.len;

    if (part[1].len == 0) {
        kind = NGX_HTTP_ASYNC_HASH_CLIENT;

        if (ngx_http_async_client(r, &part[1]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    scope->data = digest;
    scope->len = ASYNC_SUBMIT_HASH;

    return ngx_http_async_hash(digest, kind, part, 2);
}


/*
 * His Authorization, all lines of it, and the fingerprint of his certificate:
 * each with a byte in front that says which, and a byte behind that no line
 * of a header can hold.
 */

static ngx_int_t
ngx_http_async_client(ngx_http_request_t *r, ngx_str_t *client)
{
    u_char           *p;
    size_t            len;
    ngx_str_t         print;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    ngx_str_null(&print);

#if (NGX_HTTP_SSL)

    if (r->connection->ssl
        && ngx_ssl_get_fingerprint(r->connection, r->pool, &print) != NGX_OK)
    {
        return NGX_ERROR;
    }

#endif

    len = print.len + 2;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {
            len += header[i].value.len + 2;
        }
    }

    client->data = ngx_pnalloc(r->pool, len);
    if (client->data == NULL) {
        return NGX_ERROR;
    }

    p = client->data;
    *p++ = 'c';
    p = ngx_cpymem(p, print.data, print.len);
    *p++ = '\0';

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_async_header_is(&header[i], "Authorization")) {
                *p++ = 'a';
                p = ngx_cpymem(p, header[i].value.data, header[i].value.len);
                *p++ = '\0';
            }
        }
    }

    client->len = p - client->data;

    return NGX_OK;
}


/* in the event loop, or on the thread that has the body */

ngx_int_t
ngx_http_async_hash_body(ngx_http_async_op_t *op)
{
    off_t        offset;
    u_char       buf[NGX_HTTP_ASYNC_READ];
    ssize_t      n;
    EVP_MD_CTX  *ctx;

    if (!op->event.idempotency.used
        || (op->job.flags & ASYNC_JOB_MESSAGE))
    {
        return NGX_OK;
    }

    if (op->body) {
        return EVP_Digest(op->body, op->length, op->sum, NULL, EVP_sha256(),
                          NULL) == 1 ? NGX_OK : NGX_ERROR;
    }

    ctx = EVP_MD_CTX_new();

    if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return NGX_ERROR;
    }

    for (offset = 0; offset < op->length; offset += n) {
        n = pread(op->fd, buf, sizeof(buf), offset);

        if (n <= 0 || EVP_DigestUpdate(ctx, buf, n) != 1) {
            EVP_MD_CTX_free(ctx);
            return NGX_ERROR;
        }
    }

    n = EVP_DigestFinal_ex(ctx, op->sum, NULL);
    EVP_MD_CTX_free(ctx);

    return n == 1 ? NGX_OK : NGX_ERROR;
}


/*
 * A request without a body has a sum of zeroes.  A message is known by its id
 * alone, so all of them have the same print.
 */

ngx_int_t
ngx_http_async_set_print(ngx_http_async_op_t *op)
{
    u_char     digest[ASYNC_SUBMIT_HASH];
    ngx_str_t  part[2];

    if (!op->event.idempotency.used
        || (op->job.flags & ASYNC_JOB_MESSAGE))
    {
        return NGX_OK;
    }

    part[0].data = op->line;
    part[0].len = sizeof(op->line);
    part[1].data = op->sum;
    part[1].len = op->length ? sizeof(op->sum) : 0;

    if (ngx_http_async_hash(digest, NGX_HTTP_ASYNC_HASH_PRINT, part, 2)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(op->event.idempotency.print, digest, ASYNC_SUBMIT_PRINT);

    return NGX_OK;
}


/* SHA-256 over the kind and the parts, each with its length in front */

ngx_int_t
ngx_http_async_hash(u_char *out, ngx_http_async_hash_e kind, ngx_str_t *parts,
    ngx_uint_t n)
{
    u_char       c;
    uint64_t     len;
    ngx_int_t    rc;
    ngx_uint_t   i;
    EVP_MD_CTX  *ctx;

    c = kind;
    ctx = EVP_MD_CTX_new();

    rc = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1
         && EVP_DigestUpdate(ctx, &c, 1) == 1;

    for (i = 0; rc && i < n; i++) {
        len = parts[i].len;
        rc = EVP_DigestUpdate(ctx, &len, sizeof(len)) == 1
             && EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) == 1;
    }

    rc = rc && EVP_DigestFinal_ex(ctx, out, NULL) == 1;

    EVP_MD_CTX_free(ctx);

    return rc ? NGX_OK : NGX_ERROR;
}
