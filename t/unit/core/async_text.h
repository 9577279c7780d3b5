/*
 * Text for parsers to read.
 */

#ifndef ASYNC_TEXT_H
#define ASYNC_TEXT_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "async_record.h"


static inline async_str_t
str(const char *text)
{
    async_str_t  s = { text, strlen(text) };

    return s;
}


/* in memory of exactly its length, for the address sanitizer */

static inline async_str_t
exact(const char *text, size_t len)
{
    char         *copy;
    async_str_t   s;

    copy = malloc(len);
    assert_true(copy != NULL || len == 0);
    memcpy(copy, text, len);

    s.data = copy;
    s.len = len;

    return s;
}


static inline void
exact_free(async_str_t s)
{
    free((char *) s.data);
}


#endif /* ASYNC_TEXT_H */
