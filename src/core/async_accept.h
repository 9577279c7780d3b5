/*
 * The Accept header (RFC 9110, section 12.5.1): how welcome one media type
 * is.  A request may have several lines of it.  Of the ranges that match, the
 * most specific counts, and of those the heaviest; parameters other than the
 * weight mean nothing to us.
 */

#ifndef ASYNC_ACCEPT_H
#define ASYNC_ACCEPT_H

#include "async_record.h"


/* what matched, in rising order */
typedef enum {
    ASYNC_ACCEPT_NONE = 0,
    ASYNC_ACCEPT_ALL,           /* all media types, */
    ASYNC_ACCEPT_GROUP,         /* all "application/", */
    ASYNC_ACCEPT_NAMED          /* or itself */
} async_accept_match_t;

typedef struct {
    async_str_t           type;         /* "application/json" */
    async_accept_match_t  match;
    unsigned              weight;       /* 0 to 1000; 0: it is not wanted */
} async_accept_t;


void async_accept_init(async_accept_t *accept, const char *type);
/* the value of one header line */
void async_accept_add(async_accept_t *accept, async_str_t value);


#endif /* ASYNC_ACCEPT_H */
