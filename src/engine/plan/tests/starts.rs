//! Starts that no clock makes.

use super::*;
use crate::engine::plan::{Firing, Key};
use crate::model::{DatasetId, Json};

fn after(names: &[&str], datasets: &[&str]) -> After {
    After {
        dags: names.iter().map(|name| dag(name)).collect(),
        datasets: datasets.iter().map(|name| dataset(name)).collect(),
    }
}

fn dataset(name: &str) -> DatasetId {
    DatasetId::new(name).unwrap()
}

fn between(start: i64, end: i64) -> DataInterval {
    DataInterval {
        start: at(start),
        end: at(end),
    }
}

fn wrote(name: &str, now: i64, interval: (i64, i64)) -> PlanEvent {
    PlanEvent::Wrote {
        dataset: dataset(name),
        at: at(now),
        interval: between(interval.0, interval.1),
    }
}

fn fired(key: &str) -> PlanEvent {
    PlanEvent::Fired {
        dag: dag("d"),
        keys: vec![Key::Thing {
            name: key.to_owned(),
            stamp: "1".to_owned(),
        }],
        firing: Firing {
            source: format!("file {key}"),
            detail: Json::null(),
            params: Json::null(),
        },
    }
}

/// The intervals of what runs, in seconds.
fn intervals(world: &World) -> Vec<(i64, i64)> {
    let seconds = |time: Timestamp| (time - at(0)).num_seconds();
    let running = world.running.values();
    running
        .map(|(_, run)| (seconds(run.interval_start), seconds(run.interval_end)))
        .collect()
}

#[test]
fn a_dag_runs_when_all_datasets_are_newer_than_its_last_start() {
    let reader = DagPlan {
        after: after(&[], &["prices", "users"]),
        ..plan("d", None)
    };
    let mut world = World::new(0, vec![reader]);
    world.tell(1, vec![wrote("prices", 1, (-60, 0))]);
    world.tell(2, vec![wrote("prices", 2, (0, 60))]);
    assert_eq!(world.said, [""; 0]);
    assert_eq!(
        world.planner.why(&dag("d")),
        Some(Waiting::Others {
            interval: None,
            dags: Vec::new(),
            datasets: vec![dataset("users")],
        })
    );
    world.restart(3);
    world.tell(4, vec![wrote("users", 4, (10, 20))]);
    assert_eq!(world.said, ["4: d starts 4"]);
    // From the first moment of what was written to the last.
    assert_eq!(intervals(&world), [(-60, 60)]);
    // What was there at the start isn't newer than the start.
    world.tell(5, vec![wrote("users", 5, (20, 30))]);
    world.end_all(6, "d", Success);
    world.tell(7, vec![wrote("others", 7, (0, 60))]);
    assert_eq!(world.said, ["4: d starts 4"]);
    world.tell(8, vec![wrote("prices", 8, (60, 120))]);
    assert_eq!(world.said, ["4: d starts 4", "8: d starts 8"]);
}

#[test]
fn what_is_written_before_a_run_begins_makes_one_run() {
    let reader = DagPlan {
        after: after(&[], &["prices", "users"]),
        ..plan("d", None)
    };
    let mut world = World::new(0, vec![reader]);
    world.tell(
        1,
        vec![wrote("prices", 1, (0, 1)), wrote("users", 1, (0, 1))],
    );
    for now in 2..5 {
        world.tell(now, vec![wrote("prices", now, (now - 1, now))]);
        world.tell(now, vec![wrote("users", now, (now - 1, now))]);
    }
    world.tell(5, vec![wrote("users", 5, (4, 5))]);
    world.end_all(6, "d", Success);
    assert_eq!(world.said, ["1: d starts 1", "6: d starts 2"]);
    assert_eq!(intervals(&world), [(1, 5)]);
    // The last one wasn't left over for another run.
    world.end_all(7, "d", Success);
    world.tell(8, vec![wrote("prices", 8, (7, 8))]);
    assert_eq!(world.said.len(), 2);
}

#[test]
fn a_dag_may_wait_for_dags_and_datasets() {
    let reader = DagPlan {
        after: after(&["a"], &["prices"]),
        ..plan("d", None)
    };
    let source = plan("a", Some(every(60, Catchup::None, Queue)));
    let mut world = World::new(0, vec![source, reader]);
    world.pass(0, 60);
    world.end_all(61, "a", Success);
    assert_eq!(world.said, ["60: a starts 60"]);
    world.tell(70, vec![wrote("prices", 70, (0, 5))]);
    assert_eq!(world.said.last().unwrap(), "70: d starts 70");
    assert_eq!(intervals(&world), [(0, 60)]);
}

#[test]
fn a_part_of_a_run_starts_no_other_dag() {
    let reader = DagPlan {
        after: after(&["a"], &[]),
        ..plan("d", None)
    };
    let mut world = World::new(0, vec![plan("a", None), reader]);
    for (now, state, whole) in [(1, Success, false), (2, Failed, true), (3, Success, true)] {
        world.tell(
            now,
            vec![PlanEvent::Ended {
                dag: dag("a"),
                run: RunId::new("r").unwrap(),
                state,
                at: at(now),
                interval: between(0, 60),
                scheduled: false,
                whole,
            }],
        );
    }
    assert_eq!(world.said, ["3: d starts 3"]);
}

#[test]
fn what_happened_while_nobody_listened_counts() {
    let reader = DagPlan {
        after: after(&["a"], &["prices"]),
        ..plan("d", None)
    };
    let mut planner = Planner::new();
    let known = PlanEvent::Known {
        plan: reader,
        memory: Memory {
            decided: Some(at(0)),
            ..Memory::default()
        },
        paused: false,
        running: Vec::new(),
        last: None,
        heard: vec![
            Heard::Dag {
                dag: dag("a"),
                at: at(5),
                interval: between(0, 60),
            },
            Heard::Dataset {
                dataset: dataset("prices"),
                at: at(7),
                interval: between(0, 60),
            },
        ],
        things: BTreeMap::new(),
    };
    let decisions = planner.handle(at(100), vec![known]);
    assert!(
        matches!(
            &decisions[..],
            [Decision::Start { .. }, Decision::Remember { memory, .. }] if memory.decided == Some(at(7))
        ),
        "{decisions:?}"
    );
}

#[test]
fn starts_without_a_clock_follow_the_overlap_policy() {
    let prices = |now: i64| wrote("prices", now, (now - 60, now));
    for (overlap, expected) in [
        (
            Skip,
            &["1: d starts 1", "2: d skips 1, 2 to 2: a run was going on"][..],
        ),
        (Queue, &["1: d starts 1", "9: d starts 2"]),
        (Allow, &["1: d starts 1", "2: d starts 2"]),
        (
            CancelRunning,
            &["1: d starts 1", "2: d cancels", "2: d starts 2"],
        ),
    ] {
        let reader = DagPlan {
            after: after(&[], &["prices"]),
            overlap,
            ..plan("d", None)
        };
        let mut world = World::new(0, vec![reader]);
        world.tell(1, vec![prices(1)]);
        world.tell(2, vec![prices(2)]);
        world.end_all(9, "d", Success);
        assert_eq!(world.said, expected, "{overlap:?}");
    }
}

#[test]
fn a_firing_starts_one_run_once() {
    let mut world = World::new(0, vec![plan("d", None)]);
    world.tell(1, vec![fired("a.csv"), fired("a.csv")]);
    world.end_all(2, "d", Success);
    world.restart(3);
    world.tell(4, vec![fired("a.csv"), fired("b.csv")]);
    assert_eq!(world.said, ["1: d starts 1", "4: d starts 4"]);
}

#[test]
fn a_firing_that_was_lost_with_its_process_may_come_again() {
    let mut world = World::new(0, vec![plan("d", None)]);
    let _ = world.planner.handle(at(1), vec![fired("a.csv")]);
    world.restart(2);
    world.tell(3, vec![fired("a.csv")]);
    assert_eq!(world.said, ["3: d starts 3"]);
}

#[test]
fn what_calls_for_a_run_in_a_pause_isnt_lost() {
    let mut world = World::new(0, vec![plan("d", Some(every(60, Catchup::None, Skip)))]);
    let paused = |paused| PlanEvent::Paused {
        dag: dag("d"),
        paused,
    };
    world.tell(1, vec![paused(true)]);
    world.tell(2, vec![fired("a.csv")]);
    world.restart(70);
    assert_eq!(world.said, [""; 0]);
    world.tell(90, vec![paused(false)]);
    assert_eq!(
        world.said,
        ["90: d skips 1, 60 to 60: paused", "90: d starts 2"]
    );
}

#[test]
fn a_stream_is_started_by_nothing_else() {
    let mut world = World::new(0, vec![plan("d", Some(Schedule::Always))]);
    world.tell(1, vec![fired("a.csv")]);
    assert_eq!(world.said, ["0: d starts 0"]);
}

#[test]
fn a_failure_holds_ticks_back_and_skips_none() {
    let careful = DagPlan {
        depends_on_past: true,
        ..plan("d", Some(every(60, Catchup::None, Skip)))
    };
    let mut world = World::new(0, vec![careful]);
    world.pass(0, 60);
    world.end_all(70, "d", Failed);
    world.pass(70, 180);
    assert_eq!(world.said, ["60: d starts 60"]);
    // The failed run is mended by a person, whatever happened to the process meanwhile.
    world.restart(185);
    let mended = PlanEvent::Ended {
        dag: dag("d"),
        run: RunId::new("r").unwrap(),
        state: Success,
        at: at(190),
        interval: between(0, 60),
        scheduled: true,
        whole: true,
    };
    world.tell(190, vec![mended]);
    world.end_all(195, "d", Success);
    assert_eq!(world.said[1..], ["190: d starts 120", "195: d starts 180"]);
}

#[test]
fn so_many_wait_and_no_more() {
    let mut world = World::new(0, vec![plan("d", Some(every(60, Catchup::None, Queue)))]);
    world.pass(0, 60 * 1_003);
    assert_eq!(
        world.said,
        [
            "60: d starts 60",
            "60120: d skips 1, 120 to 120: too many were waiting already",
            "60180: d skips 1, 180 to 180: too many were waiting already",
        ]
    );
}

#[derive(Debug, Clone)]
enum Write {
    /// The daemon hears of it.
    Heard,
    /// The daemon is killed before what follows is durable.
    Killed,
    /// No daemon is there.
    Away,
    /// The run ends.
    End(RunState),
    Pause(bool),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever is written, and whoever is killed: a run that begins later is about it.
    #[test]
    fn nothing_that_was_written_is_forgotten(
        writes in prop::collection::vec(
            prop_oneof![
                4 => Just(Write::Heard),
                2 => Just(Write::Killed),
                1 => Just(Write::Away),
                4 => prop_oneof![Just(Success), Just(Failed)].prop_map(Write::End),
                1 => any::<bool>().prop_map(Write::Pause),
            ],
            1..40,
        ),
        overlap in prop_oneof![Just(Queue), Just(Allow)],
    ) {
        let reader = DagPlan {
            after: after(&[], &["prices"]),
            overlap,
            ..plan("d", None)
        };
        let mut world = World::new(0, vec![reader]);
        let mut began: BTreeMap<RunId, (i64, i64, i64)> = BTreeMap::new();
        let mut written = Vec::new();
        let seconds = |time: Timestamp| (time - at(0)).num_seconds();
        for (now, write) in (1..).zip(writes) {
            let event = wrote("prices", now, (now, now + 1));
            if matches!(write, Write::Heard | Write::Killed | Write::Away) {
                written.push(now);
                world.happened.push((now, Heard::Dataset {
                    dataset: dataset("prices"),
                    at: at(now),
                    interval: between(now, now + 1),
                }));
            }
            match write {
                Write::Heard => world.tell(now, vec![event]),
                Write::Killed => {
                    let _ = world.planner.handle(at(now), vec![event]);
                    world.restart(now);
                }
                Write::Away => world.restart(now),
                Write::End(state) => world.end_all(now, "d", state),
                Write::Pause(paused) => {
                    world.tell(now, vec![PlanEvent::Paused { dag: dag("d"), paused }]);
                }
            }
            for (run, (_, occurrence)) in &world.running {
                let (start, end) = (occurrence.interval_start, occurrence.interval_end);
                began.entry(run.clone()).or_insert((now, seconds(start), seconds(end)));
            }
        }
        world.tell(100, vec![PlanEvent::Paused { dag: dag("d"), paused: false }]);
        for now in 101..150 {
            for (run, (_, occurrence)) in &world.running {
                let (start, end) = (occurrence.interval_start, occurrence.interval_end);
                began.entry(run.clone()).or_insert((now, seconds(start), seconds(end)));
            }
            world.end_all(now, "d", Success);
        }
        prop_assert!(began.len() <= written.len());
        for one in written {
            let about = |(begin, start, end): &(i64, i64, i64)| {
                *begin >= one && *start <= one && *end > one
            };
            prop_assert!(began.values().any(about), "{one}: {began:?}");
        }
    }
}
