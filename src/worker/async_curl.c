#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "async_curl.h"
#include "async_log.h"


#define ASYNC_CURL_LIBRARY  "libcurl.so.4"


typedef struct {
    const char  *name;
    size_t       offset;
} async_curl_function_t;


static bool async_curl_failed(void);


async_curl_t  async_curl;

static const async_curl_function_t  async_curl_functions[] = {
#define X(name)  { "curl_" #name, offsetof(async_curl_t, name) },
    ASYNC_CURL_FUNCTIONS(X)
#undef X
};

#define ASYNC_CURL_N                                                         \
    (sizeof(async_curl_functions) / sizeof(async_curl_functions[0]))


bool
async_curl_open(void)
{
    void                         *library, *function;
    unsigned                      i;
    const async_curl_function_t  *known;

    static bool  there;

    if (there) {
        return true;
    }

    library = dlopen(ASYNC_CURL_LIBRARY, RTLD_NOW|RTLD_LOCAL);

    if (library == NULL) {
        return async_curl_failed();
    }

    for (i = 0; i < ASYNC_CURL_N; i++) {
        known = &async_curl_functions[i];
        function = dlsym(library, known->name);

        if (function == NULL) {
            (void) dlclose(library);
            return async_curl_failed();
        }

        memcpy((char *) &async_curl + known->offset, &function,
               sizeof(function));
    }

    there = true;

    return true;
}


static bool
async_curl_failed(void)
{
    async_log_quote_t  why;

    async_log(ASYNC_LOG_ERROR, "msg=\"no webhook can be sent\" reason=%s",
              async_log_quote(&why, dlerror()));

    return false;
}
