
/*
 * Dialects (contract, section 12): how a job is told to clients that were
 * made for another server.  The dialect is the submit location's and stays
 * with the job; errors are in that of the location that answers.
 *
 * azure, and what all but the native one share, is here; odata has a file of
 * its own.
 */

#include "ngx_http_async_module.h"

#include "async_json.h"


static ngx_int_t ngx_http_async_job_url(ngx_http_request_t *r,
    const async_job_t *job, const char *suffix, ngx_uint_t absolute,
    ngx_str_t *url);


static const char  *ngx_http_async_dialects[] = {
#define X(number, symbol, name)  [number] = name,
    ASYNC_DIALECTS(X)
#undef X
};


char *
ngx_http_async_set_dialect(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    if (alcf->dialect != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 0; i < ASYNC_DIALECT_MAX; i++) {
        if (ngx_strcmp(value[1].data, ngx_http_async_dialects[i]) == 0) {
            alcf->dialect = i;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid dialect \"%V\": write \"async_dialect "
                       "native\", \"async_dialect azure\" or \"async_dialect "
                       "odata\"", &value[1]);

    return NGX_CONF_ERROR;
}


/* a standard that forbids to answer 202 unasked is not for "async on" */

char *
ngx_http_async_check_dialect(ngx_conf_t *cf, ngx_http_async_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    if (conf->dialect != ASYNC_DIALECT_ODATA
        || conf->mode != NGX_HTTP_ASYNC_ON)
    {
        return NGX_CONF_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"async_dialect odata\" in location \"%V\" cannot go with "
                  "\"async on\", since OData answers 202 only to a client that "
                  "asks for it: write \"async prefer\"", &clcf->name);

    return NGX_CONF_ERROR;
}


/* where a client that has its 202 goes on */

ngx_int_t
ngx_http_async_set_links(ngx_http_request_t *r, const async_job_t *job)
{
    ngx_str_t   status, result;
    ngx_uint_t  azure;

    azure = (job->dialect == ASYNC_DIALECT_AZURE);

    if (ngx_http_async_job_url(r, job, "", azure, &status) != NGX_OK
        || ngx_http_async_job_url(r, job, "/result", azure, &result)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_clear_location(r);

    r->headers_out.location = ngx_http_async_add_header(r, "Location",
                                                        azure ? &result
                                                              : &status);

    if (r->headers_out.location == NULL
        || (azure && ngx_http_async_add_header(r, "Operation-Location",
                                               &status)
                     == NULL))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* what is not absolute here, nginx makes so in a Location, if it is to */

static ngx_int_t
ngx_http_async_job_url(ngx_http_request_t *r, const async_job_t *job,
    const char *suffix, ngx_uint_t absolute, ngx_str_t *url)
{
    u_char     *p;
    ngx_str_t   origin;

    if (ngx_http_async_job_origin(r, job, &origin) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!absolute) {
        origin.len = 0;
    }

    p = ngx_pnalloc(r->pool, origin.len + job->status_prefix.len
                             + ASYNC_ID_TEXT + ngx_strlen(suffix));
    if (p == NULL) {
        return NGX_ERROR;
    }

    url->data = p;

    p = ngx_cpymem(p, origin.data, origin.len);
    p = ngx_cpymem(p, job->status_prefix.data, job->status_prefix.len);
    p = (u_char *) async_id_format((char *) p, &job->id);
    p = ngx_cpymem(p, suffix, ngx_strlen(suffix));

    url->len = p - url->data;

    return NGX_OK;
}


/* what makes the job's URLs absolute; empty if they are */

ngx_int_t
ngx_http_async_job_origin(ngx_http_request_t *r, const async_job_t *job,
    ngx_str_t *origin)
{
    if (job->status_prefix.len && job->status_prefix.data[0] == '/') {
        return ngx_http_async_origin(r, origin);
    }

    ngx_str_null(origin);

    return NGX_OK;
}


/* 0: it does not fit, or there is no memory */

size_t
ngx_http_async_job_json(ngx_http_request_t *r, const async_job_t *job,
    const async_estimate_t *estimate, u_char *buf, size_t size)
{
    ngx_str_t    origin;
    async_str_t  text;

    if (job->dialect != ASYNC_DIALECT_AZURE) {
        return async_json_job((char *) buf, size, job, estimate);
    }

    if (ngx_http_async_job_origin(r, job, &origin) != NGX_OK) {
        return 0;
    }

    text.data = (char *) origin.data;
    text.len = origin.len;

    return async_json_azure((char *) buf, size, job, estimate, text);
}


size_t
ngx_http_async_problem_json(ngx_http_request_t *r, u_char *buf,
    async_problem_t problem, const char *detail, const async_id_t *id,
    ngx_uint_t unknown, ngx_str_t *type)
{
    async_str_t                 text, code;
    ngx_http_async_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    text.data = detail;
    text.len = ngx_strlen(detail);

    if (alcf->dialect == ASYNC_DIALECT_NATIVE) {
        ngx_str_set(type, "application/problem+json");

        return async_problem_json((char *) buf, problem, text, id, unknown);
    }

    ngx_str_set(type, "application/json");

    code.data = async_problem_code(problem);
    code.len = ngx_strlen(code.data);

    text.len = ngx_min(text.len, NGX_HTTP_ASYNC_DETAIL_MAX);

    return async_json_error((char *) buf, NGX_HTTP_ASYNC_PROBLEM_MAX, code,
                            text, unknown);
}
