
/*
 * Whose a job is, and who is asking: names are compared by their hashes,
 * which is what a job's record holds.
 */

#include "ngx_http_async_module.h"

#include <openssl/evp.h>


ngx_int_t
ngx_http_async_owner(ngx_http_request_t *r, ngx_http_async_loc_conf_t *alcf,
    u_char owner[ASYNC_OWNER])
{
    u_char     digest[EVP_MAX_MD_SIZE];
    ngx_str_t  value;

    if (alcf->owner == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_http_complex_value(r, alcf->owner, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.len == 0) {
        return NGX_ABORT;
    }

    if (EVP_Digest(value.data, value.len, digest, NULL, EVP_sha256(), NULL)
        != 1)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(owner, digest, ASYNC_OWNER);

    return NGX_OK;
}


/* for others a job is as unknown as one that never was */

async_rc_t
ngx_http_async_view_job(ngx_http_request_t *r, async_view_t *view,
    const async_id_t *id, async_job_t *job, uint8_t *buf)
{
    size_t                      len;
    u_char                      owner[ASYNC_OWNER];
    ngx_int_t                   rc;
    async_rc_t                  found;
    ngx_http_async_loc_conf_t  *alcf;

    found = async_view_job(view, id, job, buf);

    if (found != ASYNC_OK) {
        return found;
    }

    if (job->flags & ASYNC_JOB_FORGET) {
        return ASYNC_NOT_FOUND;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    rc = ngx_http_async_owner(r, alcf, owner);

    if (rc == NGX_ERROR) {
        return ASYNC_NO_SPACE;
    }

    if (rc == NGX_ABORT) {
        return ASYNC_NOT_FOUND;
    }

    len = rc == NGX_OK ? ASYNC_OWNER : 0;

    if (job->owner.len != len
        || (len && ngx_memcmp(job->owner.data, owner, len) != 0))
    {
        return ASYNC_NOT_FOUND;
    }

    return ASYNC_OK;
}
