//! What people ask of a run, told in small stories. See `scenario` for how to read them.

use super::scenario::stories;

stories! {
    a_retry_repeats_only_the_items_that_failed: "
        a dynamic
        b < a
        > trigger
        prepare a
        > prepared a 3 items
        a expanded 3, run running, a.0 running, start a.0 #1, a.1 running, start a.1 #1, a.2 running, start a.2 #1
        > a.0 ok
        a.0 success
        > a.1 fail
        a.1 failed (broken)
        > a.2 ok
        a.2 success, a failed (1 of 3 items failed; item 1: broken), b upstream_failed, run failed
        > restore
        > retry
        run running, a expanded 3, b waiting, a.1 running, start a.1 #2
        > a.1 ok
        a.1 success, a success, b running, start b #1
        > b ok
        b success, run success
    "
    one_item_that_failed_is_retried_alone: "
        a dynamic
        b < a
        > trigger
        prepare a
        > prepared a 3 items
        a expanded 3, run running, a.0 running, start a.0 #1, a.1 running, start a.1 #1, a.2 running, start a.2 #1
        > a.0 fail
        a.0 failed (broken)
        > retry-item a 0
        a.0 running, start a.0 #2
        > a.0 fail
        a.0 failed (broken)
        > a.1 fail
        a.1 failed (broken)
        > retry-item a 2
        > a.2 ok
        a.2 success, a failed (2 of 3 items failed; item 0: broken), b upstream_failed, run failed
        > restore
        > retry-item a 1
        run running, a expanded 3, b waiting, a.1 running, start a.1 #2
        > a.1 ok
        a.1 success, a failed (1 of 3 items failed; item 0: broken), b upstream_failed, run failed
        > restore
        > retry-item a 0
        run running, a expanded 3, b waiting, a.0 running, start a.0 #3
        > a.0 ok
        a.0 success, a success, b running, start b #1
        > b ok
        b success, run success
    "
    a_retry_begins_at_what_failed_and_does_what_comes_after_again: "
        a
        b < a
        c < b rule=all_done
        > trigger
        run running, a running, start a #1
        > a ok
        a success, b running, start b #1
        > b fail
        b failed (broken), c running, start c #1
        > c ok
        c success, run failed
        > restore
        > retry
        run running, b waiting, c waiting (generation 1), b running, start b #2
        > b ok
        b success, c running, start c #1
        > c ok
        c success, run success
    "
    naming_a_task_that_succeeded_begins_a_new_generation: "
        a
        b < a
        > trigger
        run running, a running, start a #1
        > a ok
        a success, b running, start b #1
        > b fail
        b failed (broken), run failed
        > restore
        > retry a
        run running, a waiting (generation 1), b waiting (generation 1), a running, start a #1
        > a ok
        a success, b running, start b #1
        > b ok
        b success, run success
    "
    what_waits_to_run_again_gets_a_new_generation_with_its_inputs: "
        x
        a
        b < x a rule=all_done
        hold
        > trigger
        run running, x running, start x #1, a running, start a #1, hold running, start hold #1
        > x fail
        x failed (broken)
        > a ok
        a success, b running, start b #1
        > b fail
        b failed (broken)
        > retry x
        x waiting, b waiting, x running, start x #2
        > retry a
        a waiting (generation 1), b waiting (generation 1), a running, start a #1
    "
    a_question_about_what_was_there_before_is_asked_again: "
        a
        b < a dynamic
        > trigger
        run running, a running, start a #1
        > a ok
        a success, prepare b
        > retry a
        a waiting (generation 1), a running, start a #1
        > prepared b run
        > a ok
        a success, prepare b
        > prepared b run
        b running, start b #1
    "
    a_cancel_ends_what_waits_at_once_and_what_runs_when_it_has_stopped: "
        a
        b < a
        c retries=1
        d dynamic
        > trigger
        prepare d, run running, a running, start a #1, c running, start c #1
        > c fail
        c retry in 10s
        > cancel
        run cancelling, abort a (cancelled), b cancelled, c cancelled, d cancelled
        > prepared d run
        > cancel
        > a cancelled
        a cancelled, run cancelled
    "
    a_cancel_survives_a_crash: "
        a
        > trigger
        run running, a running, start a #1
        > cancel
        run cancelling, abort a (cancelled)
        > crash
        a cancelled, run cancelled
    "
    a_cancelled_run_can_be_taken_up_again: "
        a
        b < a
        > trigger
        run running, a running, start a #1
        > cancel
        run cancelling, abort a (cancelled), b cancelled
        > a cancelled
        a cancelled, run cancelled
        > restore
        > retry
        run running, a waiting, b waiting, a running, start a #2
        > a ok
        a success, b running, start b #1
        > b ok
        b success, run success
    "
    a_mark_decides_and_a_retry_goes_on_from_there: "
        a
        b < a
        > trigger
        run running, a running, start a #1
        > a fail
        a failed (broken), b upstream_failed, run failed
        > restore
        > mark a success
        a success
        > restore
        > retry
        run running, b waiting, b running, start b #1
        > b ok
        b success, run success
    "
    a_mark_of_what_runs_waits_until_it_has_stopped: "
        a
        b < a
        > trigger
        run running, a running, start a #1
        > mark a success
        abort a (cancelled)
        > a cancelled
        a success, b running, start b #1
        > b ok
        b success, run success
    "
    a_group_is_marked_and_its_items_end_with_it: "
        a dynamic concurrency=1
        b < a
        > trigger
        prepare a
        > prepared a 2 items
        a expanded 2, run running, a.0 running, start a.0 #1
        > mark a failed
        abort a.0 (cancelled), a.1 cancelled
        > a.0 cancelled
        a.0 cancelled, a failed (marked), b upstream_failed, run failed
        > restore
        > retry
        run running, a expanded 2, b waiting, a.0 running, start a.0 #2, a.1 ready
        > a.0 ok
        a.0 success, a.1 running, start a.1 #1
        > a.1 ok
        a.1 success, a success, b running, start b #1
    "
    a_group_that_was_marked_begins_again_with_all_its_room: "
        with db=1
        hog pool=db:1
        a dynamic concurrency=1 pool=db:1
        > trigger
        prepare a, run running, hog running, start hog #1
        > prepared a 2 items
        a expanded 2
        > mark a failed
        a.0 cancelled, a.1 cancelled, a failed (marked)
        > retry
        a expanded 2, a.0 ready, a.1 ready
        > hog ok
        hog success, a.0 running, start a.0 #1
        > a.0 ok
        a.0 success, a.1 running, start a.1 #1
        > a.1 ok
        a.1 success, a success, run success
    "
}
