//! What the engine does, told in small stories. See `scenario` for how to read them.

use super::scenario::stories;

stories! {
    a_chain_runs_one_after_the_other: "
        a
        b < a
        > trigger
        run running, a running, start a #1
        > a ok
        a success, b running, start b #1
        > b ok
        b success, run success
    "
    a_failure_ends_everything_behind_it_at_once: "
        a
        b < a
        c < b
        d
        > trigger
        run running, a running, start a #1, d running, start d #1
        > a fail
        a failed (broken), b upstream_failed, c upstream_failed
        > d ok
        d success, run failed
    "
    one_failed_does_not_wait_and_the_run_has_failed_anyway: "
        a
        b
        alarm < a b rule=one_failed
        > trigger
        run running, a running, start a #1, b running, start b #1
        > b fail
        b failed (broken), alarm running, start alarm #1
        > alarm ok
        alarm success
        > a ok
        a success, run failed
    "
    a_task_that_may_fail_counts_as_success: "
        a continue
        b < a
        > trigger
        run running, a running, start a #1
        > a fail
        a failed (broken), b running, start b #1
        > b ok
        b success, run success
    "
    a_retry_waits_and_its_wait_survives_a_crash: "
        a retries=1
        > trigger
        run running, a running, start a #1
        > a fail
        a retry in 10s
        > why a
        Until(2020-09-13T12:26:50Z)
        > crash
        > +9
        > +1
        a running, start a #2
        > a fail
        a failed (broken), run failed
    "
    the_other_side_may_ask_for_a_longer_wait_but_not_for_ever: "
        a retries=2
        > trigger
        run running, a running, start a #1
        > a fail after 30
        a retry in 30s
        > +30
        a running, start a #2
        > a fail after 9000
        a retry in 300s
    "
    some_causes_are_not_worth_a_retry: "
        a retries=5
        > trigger
        run running, a running, start a #1
        > a fail permanent
        a failed (broken), run failed
    "
    an_attempt_ends_at_its_deadline: "
        a timeout=60
        > trigger
        run running, a running, start a #1
        > +60
        abort a (timed out)
        > +60
        > a cancelled
        a failed (it ran longer than its `timeout` of 60s), run failed
    "
    a_success_that_was_faster_than_the_deadline_counts: "
        a timeout=60
        > trigger
        run running, a running, start a #1
        > +60
        abort a (timed out)
        > a ok
        a success, run success
    "
    late_and_double_answers_change_nothing: "
        a retries=1
        > trigger
        run running, a running, start a #1
        > a lost
        a retry in 10s
        > a #1 ok
        > +10
        a running, start a #2
        > a #1 ok
        > a #2 ok
        a success, run success
        > a #2 fail
    "
    a_crash_costs_no_retry: "
        a
        > trigger
        run running, a running, start a #1
        > crash
        a ready, a running, start a #2
        > a #1 ok
        > a #2 ok
        a success, run success
    "
    what_must_never_run_twice_fails_after_a_crash: "
        a never_twice
        > trigger
        run running, a running, start a #1
        > crash
        a failed (the process that ran it ended before it did), run failed
    "
    what_takes_the_process_down_each_time_ends_some_day: "
        a
        > trigger
        run running, a running, start a #1
        > crash
        a ready, a running, start a #2
        > crash
        a ready, a running, start a #3
        > crash
        a ready, a running, start a #4
        > crash
        a ready, a running, start a #5
        > crash
        a ready, a running, start a #6
        > crash
        a ready, a running, start a #7
        > crash
        a ready, a running, start a #8
        > crash
        a ready, a running, start a #9
        > crash
        a ready, a running, start a #10
        > crash
        a ready, a running, start a #11
        > crash
        a failed (the process that ran it ended before it did), run failed
    "
    a_failure_further_up_is_to_blame: "
        a
        b < a
        c < b
        d dynamic
        e < d
        f < e rule=none_skipped
        g < c rule=all_failed
        > trigger
        prepare d, run running, a running, start a #1
        > prepared d skip
        d skipped, e skipped, f skipped
        > blame b
        nobody
        > a fail
        a failed (broken), b upstream_failed, c upstream_failed, g running, start g #1
        > g ok
        g success, run failed
        > blame a
        nobody
        > blame b
        Failures([TaskIndex(0)])
        > blame c
        Failures([TaskIndex(0)])
        > blame d
        Itself
        > blame e
        Skips([TaskIndex(3)])
        > blame f
        Skips([TaskIndex(3)])
    "
    an_if_decides_and_those_behind_follow: "
        a dynamic
        b < a
        c < a rule=all_done
        > trigger
        prepare a
        > why a
        Preparing
        > prepared a skip
        a skipped, b skipped, run running, c running, start c #1
        > c ok
        c success, run success
    "
    a_foreach_becomes_items_and_the_group_says_how_many_failed: "
        a dynamic concurrency=2
        b < a rule=all_done
        > trigger
        prepare a
        > prepared a 3 items
        a expanded 3, run running, a.0 running, start a.0 #1, a.1 running, start a.1 #1
        > why a
        Items(3)
        > why a.2
        Concurrency(2)
        > a.0 ok
        a.0 success, a.2 running, start a.2 #1
        > a.1 fail
        a.1 failed (broken)
        > a.2 fail permanent
        a.2 failed (broken), a failed (2 of 3 items failed; item 1: broken), b running, start b #1
    "
    what_is_being_found_out_is_asked_once: "
        a
        b
        c < a b rule=one_success dynamic
        > trigger
        run running, a running, start a #1, b running, start b #1
        > a ok
        a success, prepare c
        > b ok
        b success
        > prepared c run
        c running, start c #1
    "
    a_foreach_over_nothing_is_skipped: "
        a dynamic
        > trigger
        prepare a
        > prepared a 0 items
        a skipped, run success
    "
    a_run_limited_to_some_tasks_takes_the_others_as_done: "
        a
        b < a
        c < b
        with only=b
        > trigger
        a skipped, c skipped, run running, b running, start b #1
        > b ok
        b success, run success
    "
    a_run_without_tasks_ends_as_it_begins: "
        with limit=1
        > trigger
        run success
    "
    a_run_that_has_ended_and_is_restored_for_nothing_says_nothing: "
        a
        > trigger
        run running, a running, start a #1
        > a ok
        a success, run success
        > restore
        > cancel
        > restore
        > retry
        > restore
        > mark a success
    "
}
