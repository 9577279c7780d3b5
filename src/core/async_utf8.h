/*
 * UTF-8 as in RFC 3629 and Unicode 15, section 3.9, table 3-7: no overlong
 * forms, no surrogates, nothing above U+10FFFF.
 */

#ifndef ASYNC_UTF8_H
#define ASYNC_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


/*
 * The length of the sequence that starts at p, which is before end; of one
 * that is not valid, the length of its longest valid start (at least 1), which
 * is what one U+FFFD stands for ("U+FFFD Substitution" in that section).
 */
size_t async_utf8(const uint8_t *p, const uint8_t *end, bool *valid);


#endif /* ASYNC_UTF8_H */
