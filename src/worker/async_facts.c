#include <string.h>

#include "async_facts.h"


typedef struct {
    const char  *pos;
    const char  *end;
} async_facts_text_t;

typedef struct {
    bool  answered;
    bool  sent;
} async_facts_entry_t;


static bool async_facts_word(async_facts_text_t *text,
    async_facts_text_t *word);
static bool async_facts_is(const async_facts_text_t *word, const char *name);
static bool async_facts_entry(async_facts_text_t word,
    async_facts_entry_t *entry);
static bool async_facts_field(async_facts_text_t *word, bool last,
    async_facts_text_t *field);
static bool async_facts_digits(const async_facts_text_t *field, bool *zero);


void
async_facts_parse(async_facts_t *facts, const char *text, size_t len)
{
    bool                 none;
    async_facts_text_t   rest, word;
    async_facts_entry_t  entry;

    /* what is not understood must never let an unrepeatable job run twice */

    *facts = (async_facts_t) { .sent = true };

    async_facts_t  found = { .sound = true };

    rest.pos = text;
    rest.end = text + len;
    none = false;

    while (async_facts_word(&rest, &word)) {

        if (found.shutdown) {
            return;
        }

        if (async_facts_is(&word, "shutdown")) {
            found.shutdown = true;
            continue;
        }

        if (none) {
            return;
        }

        if (async_facts_is(&word, "-") && found.attempts == 0) {
            none = true;
            continue;
        }

        if (!async_facts_entry(word, &entry)) {
            return;
        }

        found.attempts++;
        found.answered = entry.answered;
        found.sent |= entry.sent;
    }

    if (none) {
        found.answered = true;

    } else if (found.attempts == 0) {
        return;
    }

    /* a response cut by a shutdown is nginx's own, whoever had answered */

    if (found.shutdown) {
        found.answered = false;
    }

    *facts = found;
}


static bool
async_facts_word(async_facts_text_t *text, async_facts_text_t *word)
{
    while (text->pos < text->end && *text->pos == ' ') {
        text->pos++;
    }

    word->pos = text->pos;

    while (text->pos < text->end && *text->pos != ' ') {
        text->pos++;
    }

    word->end = text->pos;

    return word->pos < word->end;
}


static bool
async_facts_is(const async_facts_text_t *word, const char *name)
{
    size_t  len;

    len = strlen(name);

    return (size_t) (word->end - word->pos) == len
           && memcmp(word->pos, name, len) == 0;
}


/* status,answered,sent,connect_ms */

static bool
async_facts_entry(async_facts_text_t word, async_facts_entry_t *entry)
{
    bool                zero;
    async_facts_text_t  status, answered, sent, connect;

    if (!async_facts_field(&word, false, &status)
        || !async_facts_field(&word, false, &answered)
        || !async_facts_field(&word, false, &sent)
        || !async_facts_field(&word, true, &connect))
    {
        return false;
    }

    if (!async_facts_digits(&status, &zero)
        && !async_facts_is(&status, "-"))
    {
        return false;
    }

    entry->answered = async_facts_is(&answered, "1");

    if (!entry->answered && !async_facts_is(&answered, "0")) {
        return false;
    }

    if (!async_facts_digits(&sent, &zero)) {
        return false;
    }

    entry->sent = !zero;

    return async_facts_digits(&connect, &zero)
           || async_facts_is(&connect, "-");
}


static bool
async_facts_field(async_facts_text_t *word, bool last,
    async_facts_text_t *field)
{
    const char  *comma;

    comma = memchr(word->pos, ',', (size_t) (word->end - word->pos));

    if (last) {
        *field = *word;
        return comma == NULL;
    }

    if (comma == NULL) {
        return false;
    }

    field->pos = word->pos;
    field->end = comma;
    word->pos = comma + 1;

    return true;
}


/* only zero or not matters, so that no number is too large */

static bool
async_facts_digits(const async_facts_text_t *field, bool *zero)
{
    const char  *p;

    *zero = true;

    for (p = field->pos; p < field->end; p++) {
        if (*p < '0' || *p > '9') {
            return false;
        }

        if (*p != '0') {
            *zero = false;
        }
    }

    return field->pos < field->end;
}
