/*
 * The query of the list of one's own jobs:
 *
 *   ?status=queued&queue=reports&limit=20&cursor=...
 *
 * Names and values are percent-decoded, "+" is a space.  An argument with an
 * empty value is as if it were not there, an unknown one is ignored; one that
 * is known and there twice is refused, since nobody knows which one was meant.
 */

#ifndef ASYNC_QUERY_H
#define ASYNC_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "async_cursor.h"
#include "async_job.h"
#include "async_record.h"
#include "async_state.h"


#define ASYNC_QUERY_LIMIT      50       /* where none is given */
#define ASYNC_QUERY_LIMIT_MAX  200

typedef struct {
    async_state_t   status;             /* ASYNC_STATE_NONE = any */
    size_t          queue_len;          /* 0 = any */
    char            queue[ASYNC_QUEUE_MAX];     /* no NUL */
    uint32_t        limit;              /* 1..ASYNC_QUERY_LIMIT_MAX */
    bool            has_cursor;         /* false: from the newest on */
    async_cursor_t  cursor;
} async_query_t;


/*
 * args: what follows the "?".  ASYNC_INVALID if a value is none that the
 * argument may have; wrong is then its name, a static string, else NULL.
 */
async_rc_t async_query_parse(async_query_t *query, async_str_t args,
    const char **wrong);


#endif /* ASYNC_QUERY_H */
