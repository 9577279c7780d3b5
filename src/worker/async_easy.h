/*
 * What webhooks want of libcurl: header lines as they are written, and a
 * transfer over a connection of its own, without proxy, redirect or any other
 * habit.  For async_post.c.
 */

#ifndef ASYNC_EASY_H
#define ASYNC_EASY_H

#include "async_curl.h"


/* in a function that returns a CURLcode */
#define async_easy_set(easy, option, value)                                  \
    do {                                                                     \
        CURLcode  code_ = async_curl.easy_setopt(easy, option, value);       \
        if (code_ != CURLE_OK) {                                             \
            return code_;                                                    \
        }                                                                    \
    } while (0)

CURLcode async_easy_plain(CURL *easy);
/*
 * A line of the request; value NULL: what libcurl would send under that name
 * is left out.  False: no memory, and headers are as they were.
 */
bool async_easy_header(struct curl_slist **headers, const char *name,
    const char *value);
/* of the next transfer that ended, NULL: no more; it lives until the call
   after */
CURLMsg *async_easy_ended(CURLM *multi);


#endif /* ASYNC_EASY_H */
