#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "async_log.h"
#include "async_time.h"


static const char *const  async_log_names[] = {
    "", "error", "warn", "notice", "info", "debug"
};

static int  async_log_level = ASYNC_LOG_INFO;


void
async_log_init(int level)
{
    async_log_level = level ? level : ASYNC_LOG_INFO;
}


static size_t
async_log_stamp(char *line, async_log_level_t level)
{
    char             at[ASYNC_TIME_TEXT];
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    async_time_format(at, (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000);

    return (size_t) snprintf(line, ASYNC_LOG_LINE, "%.*s %s ",
                             ASYNC_TIME_TEXT, at, async_log_names[level]);
}


void
async_log(async_log_level_t level, const char *fmt, ...)
{
    int      n;
    char     line[ASYNC_LOG_LINE];
    size_t   i, len, room;
    va_list  args;

    if ((int) level > async_log_level) {
        return;
    }

    len = async_log_stamp(line, level);
    room = sizeof(line) - len - 1;

    va_start(args, fmt);
    n = vsnprintf(line + len, room, fmt, args);
    va_end(args);

    if (n > 0) {
        len += (size_t) n < room ? (size_t) n : room - 1;
    }

    /* names come from requests: nobody may forge a line of his own */

    for (i = 0; i < len; i++) {
        if ((unsigned char) line[i] < 0x20 || line[i] == 0x7f) {
            line[i] = '?';
        }
    }

    line[len++] = '\n';

    /* a log that cannot be written is no reason to stop */

    if (write(STDERR_FILENO, line, len) < 0) {
        return;
    }
}


const char *
async_log_quote(async_log_quote_t *quote, const char *text)
{
    size_t  n;

    n = 0;
    quote->text[n++] = '"';

    for ( /* void */ ; *text && n < sizeof(quote->text) - 4; text++) {
        if (*text == '"' || *text == '\\') {
            quote->text[n++] = '\\';
        }

        quote->text[n++] = *text;
    }

    quote->text[n++] = '"';
    quote->text[n] = '\0';

    return quote->text;
}
