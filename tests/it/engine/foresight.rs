//! The time machine: what would happen, as lines.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use runner::engine::Limits;
use runner::engine::plan::DagPlan;
use runner::engine::simulation::{Actor, Becomes, Part, simulate};
use runner::model::{
    After, Catchup, Clock, Dag, DagId, DatasetId, Every, OverlapPolicy, PoolId, Rule, Schedule,
    Task, TaskIndex, Timestamp, Timetable,
};

use super::plan::{plain, start};

fn seconds(at: Timestamp) -> i64 {
    (at - start()).num_seconds()
}

/// A DAG that begins every so many seconds, with a chain of tasks that take so many each.
fn dag(name: &str, every: u64, overlap: OverlapPolicy, takes: &[u64]) -> Actor {
    let timetable = Timetable {
        clocks: vec![Clock::new(
            Rule::Every(Every {
                period: Duration::from_secs(every),
                anchor: start(),
            }),
            chrono_tz::Tz::UTC,
        )],
        catchup: Catchup::None,
        overlap,
        jitter: Duration::ZERO,
    };
    let tasks = (0..).zip(takes).map(|(index, _): (u32, _)| Task {
        needs: index.checked_sub(1).map(TaskIndex).into_iter().collect(),
        ..plain(&format!("t{index}"))
    });
    let parts = takes.iter().map(|takes| Part {
        takes: Duration::from_secs(*takes),
        becomes: Becomes::Run,
        writes: Vec::new(),
    });
    let id = DagId::new(name).unwrap();
    Actor {
        plan: DagPlan {
            dag: id.clone(),
            version: String::new(),
            schedule: Some(Schedule::Ticks(timetable)),
            overlap: Queue,
            max_runs: None,
            depends_on_past: false,
            after: After::default(),
            triggers: Vec::new(),
            deadline: None,
        },
        dag: Arc::new(Dag {
            id,
            tasks: tasks.collect(),
            max_active_tasks: None,
        }),
        parts: parts.collect(),
    }
}

fn after(mut actor: Actor, after: After) -> Actor {
    actor.plan.schedule = None;
    actor.plan.after = after;
    actor
}

fn tasks(actor: &mut Actor, change: impl Fn(&mut Task)) {
    let mut dag = Dag::clone(&actor.dag);
    dag.tasks.iter_mut().for_each(change);
    actor.dag = Arc::new(dag);
}

/// A limit that nobody comes near changes nothing, and keeps the machine from taking a run for one
/// task.
fn check(actors: Vec<Actor>, pools: &[(&str, u32)], to: i64, expected: &[&str]) {
    let limits = |most| Limits {
        max_active_tasks: most,
        pools: pools
            .iter()
            .map(|(name, slots)| (PoolId::new(name).unwrap(), *slots))
            .collect::<BTreeMap<_, _>>(),
    };
    check_with(actors.clone(), &limits(Some(1_000_000)), to, expected);
    check_with(actors, &limits(None), to, expected);
}

fn check_with(actors: Vec<Actor>, limits: &Limits, to: i64, expected: &[&str]) {
    let end = start() + chrono::TimeDelta::seconds(to);
    let foreseen = simulate(actors, limits, start() + chrono::TimeDelta::seconds(1), end);
    let mut lines = Vec::new();
    for run in &foreseen.runs {
        let tick = seconds(run.occurrence.tick);
        let ended = run.ended.map_or("goes on".to_owned(), |(state, at)| {
            format!("{state} at {}", seconds(at))
        });
        lines.push((
            run.begun,
            format!("{} of {tick}: {} to {ended}", run.dag, seconds(run.begun)),
        ));
    }
    for skip in &foreseen.skipped {
        let words = skip.reason.words();
        lines.push((
            skip.first,
            format!("{} skips {}: {words}", skip.dag, seconds(skip.first)),
        ));
    }
    for late in &foreseen.late {
        let begun = if late.run.is_some() {
            "late"
        } else {
            "not begun"
        };
        let scheduled = seconds(late.scheduled);
        lines.push((
            late.deadline,
            format!("{} of {scheduled} is {begun}", late.dag),
        ));
    }
    for wait in &foreseen.waits {
        let until = wait
            .until
            .map_or("the end".to_owned(), |at| seconds(at).to_string());
        let since = seconds(wait.since);
        let item = wait
            .task
            .item
            .map_or_else(String::new, |item| format!("[{item}]"));
        let text = format!(
            "{}.t{}{item} waits {since} to {until}",
            wait.dag, wait.task.task.0
        );
        lines.push((wait.since, text));
    }
    lines.sort();
    let lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines, expected);
}

use OverlapPolicy::{CancelRunning, Queue, Skip};

#[test]
fn runs_begin_and_end() {
    check(
        vec![dag("d", 60, Skip, &[10, 5])],
        &[],
        130,
        &["d of 60: 60 to success at 75", "d of 120: 120 to goes on"],
    );
}

#[test]
fn overlaps_are_seen() {
    for (overlap, expected) in [
        (
            Skip,
            &[
                "d of 60: 60 to success at 150",
                "d skips 120: a run was going on",
                "d of 180: 180 to goes on",
            ][..],
        ),
        (
            Queue,
            &["d of 60: 60 to success at 150", "d of 120: 150 to goes on"],
        ),
        (
            CancelRunning,
            &[
                "d of 60: 60 to cancelled at 120",
                "d of 120: 120 to cancelled at 180",
                "d of 180: 180 to goes on",
            ],
        ),
    ] {
        check(vec![dag("d", 60, overlap, &[90])], &[], 200, expected);
    }
}

#[test]
fn waits_for_a_pool_are_seen() {
    let pooled = |name| {
        let mut actor = dag(name, 60, Skip, &[10]);
        tasks(&mut actor, |task| {
            task.pool = Some((PoolId::new("db").unwrap(), 1));
        });
        actor
    };
    check(
        vec![pooled("a"), pooled("b"), pooled("c")],
        &[("db", 1)],
        85,
        &[
            "a of 60: 60 to success at 70",
            "b of 60: 60 to success at 80",
            "b.t0 waits 60 to 70",
            "c of 60: 60 to goes on",
            "c.t0 waits 60 to 80",
        ],
    );
}

#[test]
fn items_share_a_pool_too() {
    let mut actor = dag("d", 60, Skip, &[10]);
    actor.parts[0].becomes = Becomes::Items(3);
    tasks(&mut actor, |task| {
        task.dynamic = true;
        task.pool = Some((PoolId::new("db").unwrap(), 1));
    });
    check(
        vec![actor],
        &[("db", 2)],
        100,
        &["d of 60: 60 to success at 80", "d.t0[2] waits 60 to 70"],
    );
}

#[test]
fn missed_deadlines_are_seen() {
    let mut actor = dag("d", 60, Queue, &[100]);
    actor.plan.deadline = Some(Duration::from_secs(90));
    check(
        vec![actor],
        &[],
        215,
        &[
            "d of 60: 60 to success at 160",
            "d of 60 is late",
            "d of 120: 160 to goes on",
            "d of 120 is late",
        ],
    );
}

#[test]
fn a_timeout_ends_an_attempt_and_fails_the_run() {
    let mut actor = dag("d", 60, Skip, &[30]);
    tasks(&mut actor, |task| {
        task.timeout = Some(Duration::from_secs(20));
    });
    check(vec![actor], &[], 100, &["d of 60: 60 to failed at 80"]);
}

#[test]
fn what_comes_after_follows() {
    let prices = DatasetId::new("prices").unwrap();
    let mut source = dag("a", 60, Skip, &[5, 10]);
    source.parts[0].writes = vec![prices.clone()];
    let by_dag = After {
        dags: [DagId::new("a").unwrap()].into(),
        ..After::default()
    };
    let by_dataset = After {
        datasets: [prices].into(),
        ..After::default()
    };
    check(
        vec![
            source,
            after(dag("b", 1, Skip, &[1]), by_dag),
            after(dag("c", 1, Skip, &[1]), by_dataset),
        ],
        &[],
        110,
        &[
            "a of 60: 60 to success at 75",
            "c of 65: 65 to success at 66",
            "b of 75: 75 to success at 76",
        ],
    );
}
