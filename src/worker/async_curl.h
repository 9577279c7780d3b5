/*
 * libcurl, from the first webhook on: it brings some thirty libraries along,
 * and a worker that sends none has a third of the memory without them, and
 * every command a faster start.
 *
 *   async_curl.easy_init()          for curl_easy_init()
 */

#ifndef ASYNC_CURL_H
#define ASYNC_CURL_H

#include <curl/curl.h>
#include <stdbool.h>


#define ASYNC_CURL_FUNCTIONS(X)                                              \
    X(global_init)                                                           \
    X(global_cleanup)                                                        \
    X(easy_init)                                                             \
    X(easy_setopt)                                                           \
    X(easy_getinfo)                                                          \
    X(easy_strerror)                                                         \
    X(easy_cleanup)                                                          \
    X(multi_init)                                                            \
    X(multi_setopt)                                                          \
    X(multi_assign)                                                          \
    X(multi_add_handle)                                                      \
    X(multi_remove_handle)                                                   \
    X(multi_socket_action)                                                   \
    X(multi_info_read)                                                       \
    X(multi_cleanup)                                                         \
    X(slist_append)                                                          \
    X(slist_free_all)

typedef struct {
#define X(name)  __typeof__(curl_##name)  *name;
    ASYNC_CURL_FUNCTIONS(X)
#undef X
} async_curl_t;

/* to be called when async_curl_open() has said true, and not before */
extern async_curl_t  async_curl;

/* false: there is no libcurl, or no memory or descriptor for it now; why is
   in the log */
bool async_curl_open(void);


#endif /* ASYNC_CURL_H */
