/*
 * The table of moves: every pair of state and event, allowed and refused.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "async_state.h"


/* rows: states; columns: events; "." = refused, else the state after it */

static const char *const  expected[ASYNC_STATE_MAX] = {
    /*                SUBMITTED
                      | STARTED
                      | | PROGRESSED
                      | | | RELEASED
                      | | | | INTERRUPTED
                      | | | | | ATTEMPT_FAILED
                      | | | | | | DUE
                      | | | | | | | COMPLETED
                      | | | | | | | | FAILED
                      | | | | | | | | | CANCEL_REQUESTED
                      | | | | | | | | | | CANCELED
                      | | | | | | | | | | | DELAYED
                      | | | | | | | | | | | | FORGOTTEN
                      | | | | | | | | | | | | | 14 to 17: none
                      | | | | | | | | | | | | |       | RETRIED */
    /* none       */ "Q . . . . . . . . . . S . . . . . .",
    /* queued     */ ". P . . . . Q . F . X . . . . . . .",
    /* scheduled  */ ". . . . . . Q . F . X . . . . . . .",
    /* processing */ ". . P Q Q R . C F P X . . . . . . .",
    /* retrying   */ ". . . . . . Q . F . X . . . . . . .",
    /* completed  */ ". . . . . . . . . . . . . . . . . .",
    /* failed     */ ". . . . . . . . . . . . . . . . . F",
    /* canceled   */ ". . . . . . . . . . . . . . . . . ."
};

static const char  letters[ASYNC_STATE_MAX] = {
    [ASYNC_STATE_NONE] = '.',       [ASYNC_STATE_QUEUED] = 'Q',
    [ASYNC_STATE_SCHEDULED] = 'S',  [ASYNC_STATE_PROCESSING] = 'P',
    [ASYNC_STATE_RETRYING] = 'R',   [ASYNC_STATE_COMPLETED] = 'C',
    [ASYNC_STATE_FAILED] = 'F',     [ASYNC_STATE_CANCELED] = 'X'
};


static void
every_move_is_allowed_or_refused_as_written_here(void **state)
{
    int            from, event;
    async_state_t  to;

    (void) state;

    for (from = 0; from < ASYNC_STATE_MAX; from++) {

        assert_int_equal(async_state_next((async_state_t) from,
                                          (async_event_type_t) 0),
                         ASYNC_STATE_NONE);

        for (event = 1; event < ASYNC_EVENT_MAX; event++) {
            to = async_state_next((async_state_t) from,
                                  (async_event_type_t) event);

            assert_int_equal(letters[to], expected[from][2 * (event - 1)]);
        }
    }
}


static void
numbers_out_of_the_table_are_refused(void **state)
{
    (void) state;

    assert_int_equal(async_state_next(ASYNC_STATE_MAX, ASYNC_EVENT_DUE),
                     ASYNC_STATE_NONE);
    assert_int_equal(async_state_next((async_state_t) 255, ASYNC_EVENT_DUE),
                     ASYNC_STATE_NONE);
    assert_int_equal(async_state_next(ASYNC_STATE_QUEUED, ASYNC_EVENT_MAX),
                     ASYNC_STATE_NONE);
    assert_int_equal(async_state_next(ASYNC_STATE_QUEUED,
                                      (async_event_type_t) 1000),
                     ASYNC_STATE_NONE);
}


static void
three_states_are_final(void **state)
{
    int  i, final;

    (void) state;

    final = 0;

    for (i = 0; i < 256; i++) {
        final += async_state_final((async_state_t) i);
    }

    assert_int_equal(final, 3);
    assert_true(async_state_final(ASYNC_STATE_COMPLETED));
    assert_true(async_state_final(ASYNC_STATE_FAILED));
    assert_true(async_state_final(ASYNC_STATE_CANCELED));
}


static void
numbers_and_names_stay_what_they_are(void **state)
{
    (void) state;

    assert_string_equal(async_state_name((async_state_t) 0), "");
    assert_string_equal(async_state_name((async_state_t) 1), "queued");
    assert_string_equal(async_state_name((async_state_t) 2), "scheduled");
    assert_string_equal(async_state_name((async_state_t) 3), "processing");
    assert_string_equal(async_state_name((async_state_t) 4), "retrying");
    assert_string_equal(async_state_name((async_state_t) 5), "completed");
    assert_string_equal(async_state_name((async_state_t) 6), "failed");
    assert_string_equal(async_state_name((async_state_t) 7), "canceled");
    assert_string_equal(async_state_name(ASYNC_STATE_MAX), "");

    assert_string_equal(async_state_azure((async_state_t) 0), "");
    assert_string_equal(async_state_azure((async_state_t) 1), "NotStarted");
    assert_string_equal(async_state_azure((async_state_t) 2), "NotStarted");
    assert_string_equal(async_state_azure((async_state_t) 3), "Running");
    assert_string_equal(async_state_azure((async_state_t) 4), "Running");
    assert_string_equal(async_state_azure((async_state_t) 5), "Succeeded");
    assert_string_equal(async_state_azure((async_state_t) 6), "Failed");
    assert_string_equal(async_state_azure((async_state_t) 7), "Canceled");
    assert_string_equal(async_state_azure(ASYNC_STATE_MAX), "");

    assert_int_equal(ASYNC_DIALECT_NATIVE, 0);
    assert_int_equal(ASYNC_DIALECT_AZURE, 1);
    assert_int_equal(ASYNC_DIALECT_ODATA, 2);

    assert_string_equal(async_event_name((async_event_type_t) 0), "");
    assert_string_equal(async_event_name((async_event_type_t) 1),
                        "submitted");
    assert_string_equal(async_event_name((async_event_type_t) 11),
                        "canceled");
    assert_string_equal(async_event_name((async_event_type_t) 12),
                        "delayed");
    assert_string_equal(async_event_name((async_event_type_t) 18),
                        "retried");
    assert_string_equal(async_event_name(ASYNC_EVENT_MAX), "");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(every_move_is_allowed_or_refused_as_written_here),
        cmocka_unit_test(numbers_out_of_the_table_are_refused),
        cmocka_unit_test(three_states_are_final),
        cmocka_unit_test(numbers_and_names_stay_what_they_are)
    };

    return cmocka_run_group_tests_name("async_state", tests, NULL, NULL);
}
