//! The planner in virtual time: what it decides, and that every tick is decided once.

mod fired;
mod starts;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::DateTime;
use proptest::prelude::*;

use super::{Active, DagPlan, Decision, Heard, Memory, Occurrence, PlanEvent, Planner, Waiting};
use crate::model::{
    After, Catchup, Clock, DagId, DataInterval, Every, OverlapPolicy, Rule, RunId, RunState,
    Schedule, Timestamp, Timetable,
};

fn at(seconds: i64) -> Timestamp {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn dag(name: &str) -> DagId {
    DagId::new(name).unwrap()
}

fn every(seconds: u64, catchup: Catchup, overlap: OverlapPolicy) -> Schedule {
    Schedule::Ticks(Timetable {
        clocks: vec![Clock {
            rule: Rule::Every(Every {
                period: Duration::from_secs(seconds),
                anchor: at(0),
            }),
            timezone: chrono_tz::Tz::UTC,
            start: None,
            end: None,
            calendar: crate::model::Calendar::default(),
        }],
        catchup,
        overlap,
        jitter: Duration::ZERO,
    })
}

fn active(run: &RunId, occurrence: &Occurrence) -> Active {
    Active {
        run: run.clone(),
        since: Some(occurrence.tick),
    }
}

fn plan(name: &str, schedule: Option<Schedule>) -> DagPlan {
    DagPlan {
        dag: dag(name),
        version: "1".to_owned(),
        schedule,
        overlap: Queue,
        max_runs: None,
        depends_on_past: false,
        after: After::default(),
        triggers: Vec::new(),
        deadline: None,
    }
}

/// A planner, and the store and runs around it.
struct World {
    planner: Planner,
    plans: BTreeMap<DagId, DagPlan>,
    memories: BTreeMap<DagId, Memory>,
    things: BTreeMap<DagId, BTreeMap<String, String>>,
    paused: BTreeSet<DagId>,
    running: BTreeMap<RunId, (DagId, Occurrence)>,
    last: BTreeMap<DagId, RunState>,
    /// What others can be told of that happened, with its second.
    happened: Vec<(i64, Heard)>,
    next_run: u32,
    said: Vec<String>,
    /// Seconds of the ticks that were started, and of those that were skipped, each once.
    started: Vec<i64>,
    skipped: Vec<(i64, i64, u64)>,
}

impl World {
    fn new(now: i64, plans: Vec<DagPlan>) -> Self {
        let mut world = Self {
            planner: Planner::new(),
            plans: plans
                .into_iter()
                .map(|plan| (plan.dag.clone(), plan))
                .collect(),
            memories: BTreeMap::new(),
            things: BTreeMap::new(),
            paused: BTreeSet::new(),
            running: BTreeMap::new(),
            last: BTreeMap::new(),
            happened: Vec::new(),
            next_run: 0,
            said: Vec::new(),
            started: Vec::new(),
            skipped: Vec::new(),
        };
        world.restart(now);
        world
    }

    /// Another process, that knows what the store knows.
    fn restart(&mut self, now: i64) {
        self.planner = Planner::new();
        let known: Vec<PlanEvent> = self
            .plans
            .values()
            .map(|plan| PlanEvent::Known {
                plan: plan.clone(),
                memory: self.memories.get(&plan.dag).cloned().unwrap_or_default(),
                paused: self.paused.contains(&plan.dag),
                running: self
                    .running
                    .iter()
                    .filter(|(_, (dag, _))| *dag == plan.dag)
                    .map(|(run, (_, occurrence))| active(run, occurrence))
                    .collect(),
                last: self.last.get(&plan.dag).copied(),
                heard: self.heard_since(&plan.dag),
                things: self.things.get(&plan.dag).cloned().unwrap_or_default(),
            })
            .collect();
        self.tell(now, known);
    }

    /// As the store tells it.
    fn heard_since(&self, dag: &DagId) -> Vec<Heard> {
        let memory = self.memories.get(dag);
        let Some(since) = memory.and_then(|memory| memory.decided) else {
            return Vec::new();
        };
        let later = self.happened.iter().filter(|(when, _)| at(*when) > since);
        later.map(|(_, heard)| heard.clone()).collect()
    }

    fn tell(&mut self, now: i64, events: Vec<PlanEvent>) {
        for event in &events {
            match event {
                PlanEvent::Paused { dag, paused: true } => _ = self.paused.insert(dag.clone()),
                PlanEvent::Paused { dag, paused: false } => _ = self.paused.remove(dag),
                _ => {}
            }
        }
        let decisions = self.planner.handle(at(now), events);
        self.carry_out(now, decisions);
    }

    fn carry_out(&mut self, now: i64, decisions: Vec<Decision>) {
        let seconds = |time: Timestamp| (time - at(0)).num_seconds();
        let mut follow = Vec::new();
        for decision in decisions {
            match decision {
                Decision::Start { dag, occurrence } => {
                    self.next_run += 1;
                    let run = RunId::new(&format!("{:0>13}", self.next_run)).unwrap();
                    let tick = seconds(occurrence.tick);
                    self.said.push(format!("{now}: {dag} starts {tick}"));
                    self.started.push(tick);
                    let active = active(&run, &occurrence);
                    self.running.insert(run, (dag.clone(), occurrence));
                    follow.push(PlanEvent::Began { dag, active });
                }
                Decision::Skip {
                    dag,
                    first,
                    last,
                    count,
                    reason,
                } => {
                    let (first, last) = (seconds(first), seconds(last));
                    let word = reason.words();
                    self.said.push(format!(
                        "{now}: {dag} skips {count}, {first} to {last}: {word}"
                    ));
                    self.skipped.push((first, last, count));
                }
                Decision::Cancel { dag, run } => {
                    self.said.push(format!("{now}: {dag} cancels"));
                    if self.running.contains_key(&run) {
                        follow.extend(self.end(now, &run, RunState::Cancelled));
                    }
                }
                Decision::DeadlineMissed {
                    dag,
                    run,
                    scheduled,
                    ..
                } => {
                    let what = if run.is_some() {
                        "is late with"
                    } else {
                        "hasn't begun"
                    };
                    let scheduled = seconds(scheduled);
                    self.said.push(format!("{now}: {dag} {what} {scheduled}"));
                }
                Decision::Remember { dag, memory } => {
                    self.memories.insert(dag, memory);
                }
                Decision::Keep { dag, name, stamp } => {
                    self.things.entry(dag).or_default().insert(name, stamp);
                }
                Decision::Forget { dag, name } => {
                    self.things.entry(dag).or_default().remove(&name);
                }
                Decision::Answered { dag, call } => {
                    self.said.push(format!("{now}: {dag} answers {call}"));
                }
            }
        }
        if !follow.is_empty() {
            self.tell(now, follow);
        }
    }

    fn end(&mut self, now: i64, run: &RunId, state: RunState) -> Option<PlanEvent> {
        let (dag, occurrence) = self.running.remove(run)?;
        self.last.insert(dag.clone(), state);
        Some(PlanEvent::Ended {
            dag,
            run: run.clone(),
            state,
            at: at(now),
            interval: occurrence.interval(),
            scheduled: true,
            whole: true,
        })
    }

    fn end_all(&mut self, now: i64, name: &str, state: RunState) {
        let runs: Vec<RunId> = self
            .running
            .iter()
            .filter(|(_, (dag, _))| dag.as_str() == name)
            .map(|(run, _)| run.clone())
            .collect();
        for run in runs {
            let event = self.end(now, &run, state);
            self.tell(now, event.into_iter().collect());
        }
    }

    /// Lets time pass as a loop does: it wakes up when the planner asks for it.
    fn pass(&mut self, from: i64, to: i64) {
        let _ = from;
        while let Some(next) = self.planner.next_wakeup().filter(|next| *next <= at(to)) {
            let now = (next - at(0)).num_seconds();
            self.tell(now, vec![PlanEvent::Wakeup]);
        }
    }
}

enum Step {
    /// Time passes with the loop awake.
    Pass(i64, i64),
    /// Time passes with nothing awake; then a new process starts.
    Down(i64),
    /// The machine slept, or the clock was set: the same process wakes up late.
    Late(i64),
    End(i64, RunState),
    Pause(i64, bool),
}

fn check(plan: DagPlan, steps: &[Step], expected: &[&str]) {
    let name = plan.dag.clone();
    let mut world = World::new(0, vec![plan]);
    for step in steps {
        match step {
            Pass(from, to) => world.pass(*from, *to),
            Down(to) => world.restart(*to),
            Late(to) => world.tell(*to, vec![PlanEvent::Wakeup]),
            End(now, state) => world.end_all(*now, name.as_str(), *state),
            Pause(now, paused) => {
                let dag = name.clone();
                let event = PlanEvent::Paused {
                    dag,
                    paused: *paused,
                };
                world.tell(*now, vec![event]);
            }
        }
    }
    assert_eq!(world.said, expected);
}

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

#[derive(Debug, Clone)]
enum Happening {
    Pass(i64),
    Down(i64),
    StepBack(i64),
    End(RunState),
    Pause(bool),
    /// The process is killed before its decisions are durable.
    Crash(i64),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (1..200_i64).prop_map(Happening::Pass),
        1 => (1..2000_i64).prop_map(Happening::Down),
        1 => (1..100_i64).prop_map(Happening::StepBack),
        4 => prop_oneof![Just(Success), Just(Failed)].prop_map(Happening::End),
        1 => any::<bool>().prop_map(Happening::Pause),
        2 => (1..200_i64).prop_map(Happening::Crash),
    ]
}

fn policies() -> impl Strategy<Value = (Catchup, OverlapPolicy, Option<u32>, bool)> {
    (
        prop_oneof![
            Just(Catchup::None),
            Just(Catchup::Latest),
            Just(Catchup::All { limit: None }),
            Just(Catchup::All { limit: Some(3) }),
        ],
        prop_oneof![Just(Skip), Just(Queue), Just(Allow), Just(CancelRunning)],
        prop_oneof![Just(None), Just(Some(1)), Just(Some(3))],
        any::<bool>(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever happens: each tick up to the moment that is remembered has been started once,
    /// skipped once, or waits.
    #[test]
    fn every_tick_is_decided_once(
        (catchup, overlap, max_runs, depends_on_past) in policies(),
        happenings in prop::collection::vec(happening(), 1..40),
    ) {
        let plan = DagPlan {
            max_runs,
            depends_on_past,
            ..plan("d", Some(every(60, catchup, overlap)))
        };
        let mut world = World::new(0, vec![plan]);
        let mut now = 0;
        for happening in happenings {
            match happening {
                Happening::Pass(seconds) => {
                    world.pass(now, now + seconds);
                    now += seconds;
                }
                Happening::Down(seconds) => {
                    now += seconds;
                    world.restart(now);
                }
                Happening::StepBack(seconds) => {
                    now = (now - seconds).max(0);
                    world.tell(now, vec![PlanEvent::Wakeup]);
                }
                Happening::End(state) => world.end_all(now, "d", state),
                Happening::Pause(paused) => {
                    world.tell(now, vec![PlanEvent::Paused { dag: dag("d"), paused }]);
                }
                Happening::Crash(seconds) => {
                    now += seconds;
                    // The decisions are lost with the process.
                    let _ = world.planner.handle(at(now), vec![PlanEvent::Wakeup]);
                    world.restart(now);
                }
            }
            let memory = &world.memories.get(&dag("d")).cloned().unwrap_or_default();
            let Some(decided) = memory.decided else { continue };
            let decided = (decided - at(0)).num_seconds();
            let waiting = memory.waiting.iter().map(|one| (one.tick - at(0)).num_seconds());
            let mut ticks: Vec<i64> = world.started.iter().copied().chain(waiting).collect();
            for (first, last, count) in &world.skipped {
                prop_assert_eq!(u64::try_from((last - first) / 60 + 1).unwrap(), *count);
                ticks.extend((*first..=*last).step_by(60));
            }
            ticks.sort_unstable();
            let expected: Vec<i64> = (60..=decided).step_by(60).collect();
            prop_assert_eq!(ticks, expected);
            let most = max_runs.unwrap_or(if overlap == Allow { u32::MAX } else { 1 });
            prop_assert!(world.running.len() <= most as usize);
        }
    }
}

#[test]
fn many_missed_ticks_are_counted_quickly() {
    let mut world = World::new(0, vec![plan("d", Some(every(1, Catchup::None, Skip)))]);
    world.restart(259_200);
    let skipped: u64 = world.skipped.iter().map(|(_, _, count)| count).sum();
    assert!(skipped > 259_000, "{skipped}");
}
