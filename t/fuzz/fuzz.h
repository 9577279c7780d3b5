/*
 * What the fuzz targets share.  A target is one file with one
 * LLVMFuzzerTestOneInput(): it gives the input to one parser and looks whether
 * what comes out is within what the parser's header promises.
 */

#ifndef ASYNC_FUZZ_H
#define ASYNC_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async_record.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* libFuzzer keeps the input of a process that aborts */

#define fuzz_assert(condition)                                               \
    do {                                                                     \
        if (!(condition)) {                                                  \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,       \
                    #condition);                                             \
            abort();                                                         \
        }                                                                    \
    } while (0)


static inline void *
fuzz_alloc(size_t size)
{
    void  *p;

    p = malloc(size);
    fuzz_assert(p != NULL || size == 0);

    return p;
}


static inline async_str_t
fuzz_str(const void *data, size_t len)
{
    async_str_t  s;

    s.data = data;
    s.len = len;

    return s;
}


static inline void
fuzz_assert_same(const void *a, size_t a_len, const void *b, size_t b_len)
{
    fuzz_assert(a_len == b_len);
    fuzz_assert(a_len == 0 || memcmp(a, b, a_len) == 0);
}


#endif /* ASYNC_FUZZ_H */
