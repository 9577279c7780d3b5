/*
 * The text of one member of a JSON object, from bytes that come in pieces:
 *
 *   {"object": {"id": "no"}, "id": "evt_1"}      member "id": evt_1
 *
 * For bodies of any size: nothing is kept of them but the one text.  It is no
 * check of JSON: what is broken before the member is found may be passed
 * over, what comes after it is not looked at.
 */

#ifndef ASYNC_MEMBER_H
#define ASYNC_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "async_record.h"


#define ASYNC_MEMBER_MAX  255       /* bytes of the text */

typedef enum {
    ASYNC_MEMBER_BEGIN = 0,         /* the object has not begun */
    ASYNC_MEMBER_NAME,              /* in the object, a name may follow */
    ASYNC_MEMBER_COLON,             /* a name has ended */
    ASYNC_MEMBER_VALUE,             /* behind its colon */
    ASYNC_MEMBER_REST,              /* behind the beginning of a value */
    ASYNC_MEMBER_FOUND,
    ASYNC_MEMBER_ABSENT
} async_member_phase_t;

typedef struct {
    const char           *name;
    async_member_phase_t  phase;
    uint64_t              depth;    /* of brackets within the value */
    bool                  string;   /* within one */
    bool                  escape;   /* behind a backslash in it */
    bool                  wanted;   /* the name that was read is the one */
    unsigned              digits;   /* of \uXXXX, to come */
    unsigned              code;
    size_t                len;      /* of text; more than ASYNC_MEMBER_MAX: it
                                       is too long, or not of ASCII */
    char                  text[ASYNC_MEMBER_MAX];
} async_member_t;


/* name: of ASCII, borrowed */
void async_member_init(async_member_t *m, const char *name);
void async_member_feed(async_member_t *m, const void *data, size_t len);
/*
 * Once all was fed.  False: there is no such member, or it is no text, an
 * empty one, one of more than ASYNC_MEMBER_MAX bytes or not of ASCII.
 * Borrows from m.
 */
bool async_member_text(const async_member_t *m, async_str_t *text);


#endif /* ASYNC_MEMBER_H */
