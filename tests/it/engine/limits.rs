//! Who starts first, and who has to wait, told in small stories. See `scenario` for how to read them.

use super::scenario::stories;

stories! {
    the_larger_priority_starts_first_then_who_was_ready_first: "
        with limit=1
        a
        b
        c priority=1
        > trigger
        run running, c running, start c #1, a ready, b ready
        > why a
        Limit(1)
        > c ok
        c success, a running, start a #1
        > a ok
        a success, b running, start b #1
        > b ok
        b success, run success
    "
    nobody_overtakes_in_a_pool: "
        with db=3
        a pool=db:2
        b pool=db:2
        c pool=db:1
        d
        > trigger
        run running, a running, start a #1, d running, start d #1, b ready, c ready
        > why b
        Pool { pool: `db`, slots: 3, used: 2 }
        > a ok
        a success, b running, start b #1, c running, start c #1
        > b ok
        b success
    "
    more_slots_than_a_pool_has_fail_at_once: "
        with db=1
        a pool=db:2
        b dynamic pool=db:2
        > trigger
        a failed (it wants 2 slots of pool `db`, which has 1: give the pool more `slots`, or the task fewer), prepare b
        > prepared b 2 items
        b failed (it wants 2 slots of pool `db`, which has 1: give the pool more `slots`, or the task fewer), run failed
    "
    a_run_has_its_own_limit: "
        with run_limit=1
        a
        b
        > trigger
        run running, a running, start a #1, b ready
        > why b
        RunLimit(1)
        > a ok
        a success, b running, start b #1
        > b ok
        b success, run success
    "
}
