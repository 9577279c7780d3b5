/*
 * Problem documents.  Not the hot path: an error is answered once.
 */

#include <string.h>

#include "async_json.h"
#include "async_problem.h"


#define ASYNC_PROBLEM_DETAIL  512


typedef struct {
    int          status;
    const char  *code;
    const char  *title;
} async_problem_entry_t;


static char *async_problem_text(char *p, const char *text);
static char *async_problem_detail(char *p, async_str_t detail);
static size_t async_problem_cut(async_str_t s, size_t len);


static const async_problem_entry_t  async_problems[ASYNC_PROBLEM_MAX] = {
#define X(symbol, status, code, title)                                       \
    [ASYNC_PROBLEM_##symbol] = { status, code, title },
    ASYNC_PROBLEMS(X)
#undef X
};


int
async_problem_status(async_problem_t problem)
{
    return async_problems[problem].status;
}


const char *
async_problem_code(async_problem_t problem)
{
    return async_problems[problem].code;
}


size_t
async_problem_json(char *out, async_problem_t problem, async_str_t detail,
    const async_id_t *id, int unknown)
{
    int                           status;
    char                         *p;
    const async_problem_entry_t  *entry;

    entry = &async_problems[problem];
    status = entry->status;

    p = async_problem_text(out, "{\"title\":\"");
    p = async_problem_text(p, entry->title);

    p = async_problem_text(p, "\",\"status\":");
    *p++ = (char) ('0' + status / 100);
    *p++ = (char) ('0' + status / 10 % 10);
    *p++ = (char) ('0' + status % 10);

    p = async_problem_detail(p, detail);

    p = async_problem_text(p, ",\"code\":\"");
    p = async_problem_text(p, entry->code);

    if (id != NULL) {
        p = async_problem_text(p, "\",\"jobId\":\"");
        p = async_id_format(p, id);
    }

    if (unknown) {
        p = async_problem_text(p, "\",\"outcome\":\"unknown");
    }

    p = async_problem_text(p, "\"}");

    return (size_t) (p - out);
}


/* titles and codes are ours: bounded, and nothing in them to escape */

static char *
async_problem_text(char *p, const char *text)
{
    size_t  len;

    len = strlen(text);
    memcpy(p, text, len);

    return p + len;
}


/*
 * A sentence may hold what a client sent.  It is cut to what fits once it is
 * escaped, never within a character.
 */

static char *
async_problem_detail(char *p, async_str_t detail)
{
    char  *end;

    if (detail.len == 0) {
        return p;
    }

    p = async_problem_text(p, ",\"detail\":");

    if (detail.len > ASYNC_PROBLEM_DETAIL) {
        detail.len = async_problem_cut(detail, ASYNC_PROBLEM_DETAIL);
    }

    for ( ;; ) {
        end = async_json_string(p, p + ASYNC_PROBLEM_DETAIL + 2, detail);

        if (end != NULL) {
            return end;
        }

        detail.len = async_problem_cut(detail, detail.len - 1);
    }
}


/* the last start of a character that is not after len */

static size_t
async_problem_cut(async_str_t s, size_t len)
{
    while (len > 0 && ((uint8_t) s.data[len] & 0xc0) == 0x80) {
        len--;
    }

    return len;
}
