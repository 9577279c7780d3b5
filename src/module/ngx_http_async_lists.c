
/*
 * Directives that take a list: methods, and what a request is asked for, or
 * loses, or keeps; and parameters, which are in no order.
 */

#include "ngx_http_async_conf.h"


static ngx_uint_t ngx_http_async_list_off(ngx_conf_t *cf, ngx_array_t **list,
    size_t size, char **rc);
static ngx_int_t ngx_http_async_twice(ngx_conf_t *cf, ngx_str_t *before,
    ngx_str_t *value);


char *
ngx_http_async_methods(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    ngx_str_t   *value, *method;
    ngx_uint_t   i, k;

    if (alcf->methods != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    alcf->methods = ngx_array_create(cf->pool, cf->args->nelts,
                                     sizeof(ngx_str_t));
    if (alcf->methods == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        for (k = 0; k < value[i].len; k++) {
            if ((value[i].data[k] < 'A' || value[i].data[k] > 'Z')
                && value[i].data[k] != '_' && value[i].data[k] != '-')
            {
                break;
            }
        }

        if (k < value[i].len || k == 0
            || ngx_strcmp(value[i].data, "TRACE") == 0
            || ngx_strcmp(value[i].data, "CONNECT") == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid method \"%V\": write methods in "
                               "capitals, such as POST PUT; CONNECT and TRACE "
                               "cannot become jobs", &value[i]);
            return NGX_CONF_ERROR;
        }

        method = ngx_array_push(alcf->methods);
        if (method == NULL) {
            return NGX_CONF_ERROR;
        }

        *method = value[i];
    }

    return NGX_CONF_OK;
}


/*
 * Begins a list directive: true if it is done already, either because it was
 * "off" (an empty list that cancels the inherited one) or on an error.
 */

static ngx_uint_t
ngx_http_async_list_off(ngx_conf_t *cf, ngx_array_t **list, size_t size,
    char **rc)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    if (*list != NGX_CONF_UNSET_PTR) {
        *rc = "is duplicate";
        return 1;
    }

    *list = ngx_array_create(cf->pool, cf->args->nelts, size);
    *rc = *list ? NGX_CONF_OK : NGX_CONF_ERROR;

    if (*list == NULL) {
        return 1;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_strcmp(value[i].data, "off") == 0) {
            break;
        }
    }

    if (i < cf->args->nelts && cf->args->nelts > 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"off\" in \"%V\" stands alone: write \"%V off\", "
                           "or leave it out", &value[0], &value[0]);
        *rc = NGX_CONF_ERROR;
    }

    return i < cf->args->nelts;
}


char *
ngx_http_async_bypass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    char                              *rc;
    ngx_str_t                         *value;
    ngx_uint_t                         i;
    ngx_http_compile_complex_value_t   ccv;

    if (ngx_http_async_list_off(cf, &alcf->bypass,
                                sizeof(ngx_http_complex_value_t), &rc))
    {
        return rc;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &value[i];
        ccv.complex_value = ngx_array_push(alcf->bypass);

        if (ccv.complex_value == NULL
            || ngx_http_compile_complex_value(&ccv) != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_async_drop_header(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    char        *rc;
    ngx_str_t   *value, *name;
    ngx_uint_t   i, k;

    if (ngx_http_async_list_off(cf, &alcf->drop, sizeof(ngx_str_t), &rc)) {
        return rc;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        for (k = 0; k < value[i].len; k++) {
            if (value[i].data[k] <= ' ' || value[i].data[k] >= 0x7f
                || ngx_strchr(":,;\"$", value[i].data[k]))
            {
                break;
            }
        }

        if (k < value[i].len || k == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid header name \"%V\": write names as "
                               "they are sent, such as Cookie X-Trace",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        name = ngx_array_push(alcf->drop);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        *name = value[i];
        ngx_strlow(name->data, name->data, name->len);
    }

    return NGX_CONF_OK;
}


char *
ngx_http_async_keep(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    char        *rc;
    ngx_int_t   *index;
    ngx_str_t   *value, name;
    ngx_uint_t   i;

    if (ngx_http_async_list_off(cf, &alcf->keep, sizeof(ngx_int_t), &rc)) {
        return rc;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (value[i].len < 2 || value[i].data[0] != '$') {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid variable name \"%V\": write $name",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        name.data = value[i].data + 1;
        name.len = value[i].len - 1;

        index = ngx_array_push(alcf->keep);
        if (index == NULL) {
            return NGX_CONF_ERROR;
        }

        *index = ngx_http_get_variable_index(cf, &name);
        if (*index == NGX_ERROR) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* which of two counts nobody should have to know */

ngx_int_t
ngx_http_async_once(ngx_conf_t *cf, ngx_uint_t first)
{
    size_t       len;
    u_char      *end;
    ngx_str_t   *value;
    ngx_uint_t   i, k;

    value = cf->args->elts;

    for (i = first + 1; i < cf->args->nelts; i++) {

        end = (u_char *) ngx_strchr(value[i].data, '=');
        len = end ? (size_t) (end + 1 - value[i].data) : value[i].len + 1;

        /* the zero byte counts where there is no value */

        for (k = first; k < i; k++) {

            if (value[k].len + 1 < len
                || ngx_strncmp(value[k].data, value[i].data, len) != 0
                || ngx_strncmp(value[i].data, "key=", 4) == 0)
            {
                continue;
            }

            return ngx_http_async_twice(cf, &value[k], &value[i]);
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_async_once_named(ngx_conf_t *cf, const char *name)
{
    size_t       len;
    ngx_str_t   *value, *before;
    ngx_uint_t   i;

    len = ngx_strlen(name);
    value = cf->args->elts;
    before = NULL;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, name, len) != 0) {
            continue;
        }

        if (before) {
            return ngx_http_async_twice(cf, before, &value[i]);
        }

        before = &value[i];
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_twice(ngx_conf_t *cf, ngx_str_t *before, ngx_str_t *value)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V\" comes after \"%V\", which says the same: "
                       "write one of them", value, before);

    return NGX_ERROR;
}
