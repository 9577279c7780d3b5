/*
 * The query of a list.
 */

#include "async_query.h"
#include "async_text.h"


#define CURSOR  "AQABogKyxQABfyLiebB8w5jE3AwMBzmP"


static async_rc_t
parse(async_query_t *query, const char *text, const char **wrong)
{
    async_rc_t    rc;
    async_str_t   args;

    args = exact(text, strlen(text));

    rc = async_query_parse(query, args, wrong);
    exact_free(args);

    return rc;
}


static async_query_t
taken(const char *text)
{
    const char     *wrong;
    async_query_t   query;

    if (parse(&query, text, &wrong) != ASYNC_OK) {
        fail_msg("refused: %s", text);
    }

    assert_null(wrong);

    return query;
}


static void
assert_nothing_asked(const char *text)
{
    async_query_t  query;

    query = taken(text);

    assert_int_equal(query.status, ASYNC_STATE_NONE);
    assert_int_equal(query.queue_len, 0);
    assert_int_equal(query.limit, 50);
    assert_false(query.has_cursor);
}


static void
assert_queue(const char *text, const char *queue)
{
    async_query_t  query;

    query = taken(text);

    assert_int_equal(query.queue_len, strlen(queue));
    assert_memory_equal(query.queue, queue, query.queue_len);
}


static void
assert_refused(const char *text, const char *argument)
{
    const char     *wrong;
    async_query_t   query;

    if (parse(&query, text, &wrong) != ASYNC_INVALID) {
        fail_msg("taken: %s", text);
    }

    assert_non_null(wrong);
    assert_string_equal(wrong, argument);
}


static void
nothing_asked_is_the_newest_fifty(void **state)
{
    const char     *wrong;
    async_str_t     none = { NULL, 0 };
    async_query_t   query;

    (void) state;

    assert_int_equal(async_query_parse(&query, none, &wrong), ASYNC_OK);
    assert_int_equal(query.limit, 50);

    assert_nothing_asked("");
    assert_nothing_asked("&");
    assert_nothing_asked("&&=&=&&");
    assert_nothing_asked("status=&queue=&limit=&cursor=");
    assert_nothing_asked("status&queue&limit&cursor");
}


static void
all_that_can_be_asked(void **state)
{
    async_query_t  query;

    (void) state;

    query = taken("status=retrying&queue=reports&limit=20&cursor=" CURSOR);

    assert_int_equal(query.status, ASYNC_STATE_RETRYING);
    assert_int_equal(query.queue_len, 7);
    assert_memory_equal(query.queue, "reports", 7);
    assert_int_equal(query.limit, 20);
    assert_true(query.has_cursor);
    assert_int_equal(query.cursor.bucket, 1795341600000);
    assert_int_equal(query.cursor.id.bytes[15], 0x8f);
}


static void
every_status_has_its_name(void **state)
{
    int            number;
    char           text[64];
    async_query_t  query;

    (void) state;

    for (number = 1; number < ASYNC_STATE_MAX; number++) {
        strcpy(text, "status=");
        strcat(text, async_state_name((async_state_t) number));

        query = taken(text);
        assert_int_equal(query.status, number);
    }

    assert_refused("status=running", "status");
    assert_refused("status=Queued", "status");
    assert_refused("status=queue", "status");
    assert_refused("status=queued+", "status");
    assert_refused("status=queued,failed", "status");
    assert_refused("status=queued%00", "status");
    assert_refused("status==queued", "status");
}


static void
names_and_values_are_decoded(void **state)
{
    async_query_t  query;

    (void) state;

    assert_queue("queue=a+b%20c%2bd%2Be", "a b c+d+e");
    assert_queue("queue=%e2%82%ac", "\xe2\x82\xac");
    assert_queue("%71%75eue=x", "x");
    assert_queue("queue=a%26b%3Dc", "a&b=c");
    assert_queue("queue=a=b", "a=b");
    assert_queue("queue=a;b", "a;b");

    query = taken("limit=%31%30");
    assert_int_equal(query.limit, 10);

    assert_refused("queue=%", "queue");
    assert_refused("queue=a%2", "queue");
    assert_refused("queue=%2g", "queue");
    assert_refused("queue=%g2", "queue");
    assert_refused("queue=%%32", "queue");
    assert_refused("limit=%+1", "limit");
}


static void
unknown_arguments_are_ignored(void **state)
{
    (void) state;

    assert_nothing_asked("x=1&y&=2&x=3");
    assert_nothing_asked("Status=queued&LIMIT=0");
    assert_nothing_asked("statuses=nonsense&statu=nonsense");
    assert_nothing_asked("a-name-that-is-longer-than-any-of-ours=%zz");
    assert_nothing_asked("status%zz=nonsense&%=%&+status=x");
}


static void
one_that_is_there_twice_is_refused(void **state)
{
    (void) state;

    assert_refused("limit=1&limit=1", "limit");
    assert_refused("status=queued&status=failed", "status");
    assert_refused("status=&x&status=failed", "status");
    assert_refused("queue=a&%71ueue=b", "queue");
    assert_refused("cursor=" CURSOR "&cursor=", "cursor");
}


static void
a_limit_is_1_to_200(void **state)
{
    async_query_t  query;

    (void) state;

    query = taken("limit=1");
    assert_int_equal(query.limit, 1);
    query = taken("limit=200");
    assert_int_equal(query.limit, 200);
    query = taken("limit=007");
    assert_int_equal(query.limit, 7);

    assert_refused("limit=0", "limit");
    assert_refused("limit=000", "limit");
    assert_refused("limit=201", "limit");
    assert_refused("limit=-1", "limit");
    assert_refused("limit=+1", "limit");
    assert_refused("limit=1.0", "limit");
    assert_refused("limit=1e2", "limit");
    assert_refused("limit=ten", "limit");
    assert_refused("limit=4294967297", "limit");
    assert_refused("limit=18446744073709551617", "limit");
}


static void
a_queue_is_as_long_as_one_may_be(void **state)
{
    char  text[256];

    (void) state;

    memset(text, 0, sizeof(text));
    strcpy(text, "queue=");
    memset(text + 6, 'q', ASYNC_QUEUE_MAX);
    assert_queue(text, text + 6);

    text[6 + ASYNC_QUEUE_MAX] = 'q';
    assert_refused(text, "queue");
}


static void
a_cursor_is_one_of_ours(void **state)
{
    (void) state;

    assert_refused("cursor=1", "cursor");
    assert_refused("cursor=" CURSOR "A", "cursor");
    assert_refused("cursor=+" CURSOR, "cursor");
    assert_refused("cursor=BQABogKyxQABfyLiebB8w5jE3AwMBzmP", "cursor");
    assert_refused("cursor=AQABogKyxQABfyLiebB8w5jE3AwMBzm%00", "cursor");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(nothing_asked_is_the_newest_fifty),
        cmocka_unit_test(all_that_can_be_asked),
        cmocka_unit_test(every_status_has_its_name),
        cmocka_unit_test(names_and_values_are_decoded),
        cmocka_unit_test(unknown_arguments_are_ignored),
        cmocka_unit_test(one_that_is_there_twice_is_refused),
        cmocka_unit_test(a_limit_is_1_to_200),
        cmocka_unit_test(a_queue_is_as_long_as_one_may_be),
        cmocka_unit_test(a_cursor_is_one_of_ours)
    };

    return cmocka_run_group_tests_name("async_query", tests, NULL, NULL);
}
