//! The planner in virtual time: what it decides, and that every tick is decided once.

mod fired;
mod late;
mod random;
mod starts;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::DateTime;
use proptest::prelude::*;

use super::{Active, DagPlan, Decision, Heard, Memory, Occurrence, PlanEvent, Planner, Waiting};
use crate::model::{
    After, Catchup, Clock, DagId, DataInterval, Every, OverlapPolicy, Rule, RunId, RunState,
    Schedule, Timestamp, Timetable,
};

use world::*;

use OverlapPolicy::{Allow, CancelRunning, Queue, Skip};
use RunState::{Failed, Success};
use Step::{Down, End, Late, Pass, Pause};

#[test]
fn ticks_start_runs() {
    check(
        plan("d", Some(every(300, Catchup::None, Skip))),
        &[Pass(0, 300), End(310, Success), Pass(310, 650)],
        &["300: d starts 300", "600: d starts 600"],
    );
}

#[test]
fn runs_that_overlap_are_dealt_with() {
    for (overlap, expected) in [
        (
            Skip,
            &[
                "60: d starts 60",
                "120: d skips 1, 120 to 120: a run was going on",
                "180: d skips 1, 180 to 180: a run was going on",
            ][..],
        ),
        (
            Queue,
            &["60: d starts 60", "185: d starts 120", "185: d starts 180"],
        ),
        (
            Allow,
            &["60: d starts 60", "120: d starts 120", "180: d starts 180"],
        ),
        (
            CancelRunning,
            &[
                "60: d starts 60",
                "120: d cancels",
                "120: d starts 120",
                "180: d cancels",
                "180: d starts 180",
            ],
        ),
    ] {
        check(
            plan("d", Some(every(60, Catchup::None, overlap))),
            &[Pass(0, 180), End(185, Success), End(185, Success)],
            expected,
        );
    }
}

#[test]
fn most_runs_at_a_time_are_kept_to() {
    let limited = DagPlan {
        max_runs: Some(2),
        ..plan("d", Some(every(60, Catchup::None, Allow)))
    };
    check(
        limited,
        &[Pass(0, 180), End(190, Success)],
        &["60: d starts 60", "120: d starts 120", "190: d starts 180"],
    );
}

#[test]
fn ticks_that_passed_while_nothing_was_awake_follow_catchup() {
    for (catchup, expected) in [
        (
            Catchup::None,
            &[
                "300: d starts 300",
                "4000: d skips 12, 600 to 3900: missed while nothing could start it",
                "4200: d starts 4200",
            ][..],
        ),
        (
            Catchup::Latest,
            &[
                "300: d starts 300",
                "4000: d skips 11, 600 to 3600: missed while nothing could start it",
                "4000: d starts 3900",
                "4200: d starts 4200",
            ],
        ),
        (
            Catchup::All { limit: Some(2) },
            &[
                "300: d starts 300",
                "4000: d skips 10, 600 to 3300: missed while nothing could start it",
                "4000: d starts 3600",
                "4001: d starts 3900",
                "4200: d starts 4200",
            ],
        ),
    ] {
        for wake in [Down(4000), Late(4000)] {
            check(
                plan("d", Some(every(300, catchup, Skip))),
                &[
                    Pass(0, 300),
                    End(301, Success),
                    wake,
                    End(4001, Success),
                    End(4002, Success),
                    Pass(4002, 4200),
                ],
                expected,
            );
        }
    }
}

#[test]
fn a_restart_in_the_minute_of_a_tick_misses_nothing() {
    check(
        plan("d", Some(every(300, Catchup::None, Skip))),
        &[Pass(0, 290), Down(330), Down(331), Late(332)],
        &["330: d starts 300"],
    );
}

#[test]
fn a_clock_that_steps_back_starts_nothing_twice() {
    check(
        plan("d", Some(every(60, Catchup::All { limit: None }, Allow))),
        &[Pass(0, 180), Late(30), Down(70), Pass(70, 240)],
        &[
            "60: d starts 60",
            "120: d starts 120",
            "180: d starts 180",
            "240: d starts 240",
        ],
    );
}

#[test]
fn a_paused_dag_starts_nothing() {
    for (catchup, expected) in [
        (
            Catchup::None,
            &[
                "60: d starts 60",
                "250: d skips 3, 120 to 240: paused",
                "300: d starts 300",
            ][..],
        ),
        (
            Catchup::Latest,
            &[
                "60: d starts 60",
                "250: d skips 2, 120 to 180: paused",
                "250: d starts 240",
                "300: d starts 300",
            ],
        ),
    ] {
        check(
            plan("d", Some(every(60, catchup, Allow))),
            &[
                Pass(0, 60),
                Pause(61, true),
                Pass(61, 200),
                Down(210),
                Pause(250, false),
                Pass(250, 300),
            ],
            expected,
        );
    }
}

#[test]
fn a_run_may_depend_on_the_one_before() {
    let careful = DagPlan {
        depends_on_past: true,
        ..plan("d", Some(every(60, Catchup::None, Queue)))
    };
    let mut world = World::new(0, vec![careful]);
    world.pass(0, 60);
    world.end_all(70, "d", Failed);
    world.pass(70, 180);
    assert_eq!(world.said, ["60: d starts 60"]);
    assert_eq!(
        world.planner.why(&dag("d")),
        Some(Waiting::Past { waiting: 2 })
    );
}

#[test]
fn a_stream_is_begun_again_with_growing_pauses() {
    check(
        plan("d", Some(Schedule::Always)),
        &[
            End(10, Failed),
            Pass(10, 100),
            End(100, Failed),
            Pass(100, 200),
            End(200, Failed),
            Pass(200, 300),
            // It was well for long.
            End(1000, Failed),
            Pass(1000, 1100),
        ],
        &[
            "0: d starts 0",
            "11: d starts 11",
            "102: d starts 102",
            "204: d starts 204",
            "1001: d starts 1001",
        ],
    );
}

#[test]
fn a_stream_that_changes_is_begun_anew() {
    let mut world = World::new(0, vec![plan("d", Some(Schedule::Always))]);
    let changed = DagPlan {
        version: "2".to_owned(),
        ..plan("d", Some(Schedule::Always))
    };
    world.plans.insert(dag("d"), changed.clone());
    let known = PlanEvent::Known {
        plan: changed,
        memory: Memory::default(),
        paused: false,
        running: Vec::new(),
        last: None,
        heard: Vec::new(),
        things: BTreeMap::new(),
    };
    world.tell(5, vec![known]);
    world.pass(5, 20);
    assert_eq!(
        world.said,
        ["0: d starts 0", "5: d cancels", "6: d starts 6"]
    );
}

#[test]
fn an_edit_decides_past_ticks_by_the_old_schedule() {
    let mut world = World::new(0, vec![plan("d", Some(every(300, Catchup::None, Allow)))]);
    world.pass(0, 300);
    let changed = plan("d", Some(every(60, Catchup::All { limit: None }, Allow)));
    let known = PlanEvent::Known {
        plan: changed,
        memory: Memory::default(),
        paused: false,
        running: Vec::new(),
        last: None,
        heard: Vec::new(),
        things: BTreeMap::new(),
    };
    world.tell(590, vec![known]);
    world.pass(590, 660);
    assert_eq!(
        world.said,
        [
            "300: d starts 300",
            "600: d starts 600",
            "660: d starts 660"
        ]
    );
}

#[test]
fn a_dag_waits_for_others_of_the_same_interval() {
    let after = DagPlan {
        after: After {
            dags: [dag("a"), dag("b")].into(),
            ..After::default()
        },
        ..plan("c", None)
    };
    let mut world = World::new(
        0,
        vec![
            plan("a", Some(every(60, Catchup::None, Queue))),
            plan("b", Some(every(60, Catchup::None, Queue))),
            after,
        ],
    );
    world.pass(0, 60);
    world.end_all(61, "a", Success);
    assert!(matches!(
        world.planner.why(&dag("c")),
        Some(Waiting::Others { interval: Some(_), dags, .. }) if dags == [dag("b")]
    ));
    world.restart(62);
    world.end_all(63, "b", Success);
    assert_eq!(world.said.last().unwrap(), "63: c starts 63");
    world.end_all(64, "c", Success);
    world.pass(64, 120);
    world.end_all(121, "a", Success);
    world.end_all(122, "b", Failed);
    assert!(!world.said.iter().any(|said| said.contains("c starts 12")));
}

#[test]
fn many_missed_ticks_are_counted_quickly() {
    let mut world = World::new(0, vec![plan("d", Some(every(1, Catchup::None, Skip)))]);
    world.restart(259_200);
    let skipped: u64 = world.skipped.iter().map(|(_, _, count)| count).sum();
    assert!(skipped > 259_000, "{skipped}");
}
