#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async_easy.h"


CURLcode
async_easy_plain(CURL *easy)
{
    async_easy_set(easy, CURLOPT_PATH_AS_IS, 1L);
    async_easy_set(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    async_easy_set(easy, CURLOPT_FRESH_CONNECT, 1L);
    async_easy_set(easy, CURLOPT_FORBID_REUSE, 1L);
    async_easy_set(easy, CURLOPT_FOLLOWLOCATION, 0L);
    async_easy_set(easy, CURLOPT_PROXY, "");
    async_easy_set(easy, CURLOPT_NOPROXY, "*");
    async_easy_set(easy, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
    async_easy_set(easy, CURLOPT_NOSIGNAL, 1L);

    return CURLE_OK;
}


/* libcurl's forms: "Name: value", "Name;" sends an empty one, "Name:" none */

bool
async_easy_header(struct curl_slist **headers, const char *name,
    const char *value)
{
    int                 len;
    char               *line;
    struct curl_slist  *list;

    if (value == NULL) {
        len = asprintf(&line, "%s:", name);

    } else if (value[strspn(value, " \t")] == '\0') {
        len = asprintf(&line, "%s;", name);

    } else {
        len = asprintf(&line, "%s: %s", name, value);
    }

    if (len < 0) {
        return false;
    }

    list = async_curl.slist_append(*headers, line);
    free(line);

    if (list == NULL) {
        return false;
    }

    *headers = list;

    return true;
}


CURLMsg *
async_easy_ended(CURLM *multi)
{
    int       left;
    CURLMsg  *msg;

    do {
        msg = async_curl.multi_info_read(multi, &left);
    } while (msg != NULL && msg->msg != CURLMSG_DONE);

    return msg;
}
