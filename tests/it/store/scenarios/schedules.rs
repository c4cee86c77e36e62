//! What schedules have decided.

use std::sync::Arc;

use runner::engine::plan::{Cause, Memory, Occurrence, SkipReason};
use runner::model::{DagId, Occasion, RunSpec, TriggerKind};
use runner::store::{
    Call, DagVersion, Decided, NewRun, Notice, Past, RunFilter, RunStore, ScheduleRow,
    SkippedTicks, StoreError, Thing, ThingChange,
};

use crate::store::values::{HASH, at, id, json, owner, spec, version};

fn dag(name: &str) -> DagId {
    DagId::new(name).unwrap()
}

fn scheduled(run: &str, tick: i64) -> NewRun {
    NewRun {
        spec: RunSpec {
            logical_time: at(tick),
            trigger: TriggerKind::Schedule,
            ..spec(run)
        },
        owner: owner("a"),
    }
}

fn skipped(name: &str, first: i64, reason: SkipReason) -> SkippedTicks {
    SkippedTicks {
        dag: dag(name),
        first: at(first),
        last: at(first + 120),
        count: 3,
        reason,
    }
}

fn memory(decided: i64) -> Memory {
    Memory {
        decided: Some(at(decided)),
        waiting: vec![Occurrence {
            tick: at(decided),
            interval_start: at(decided - 60),
            interval_end: at(decided),
            cause: Cause::Tick,
        }],
        ..Memory::default()
    }
}

pub async fn decides_all_or_none(store: Arc<dyn RunStore>) {
    let late = Notice {
        run: id("r1"),
        dag: dag("daily"),
        occasion: Occasion::Deadline,
        at: at(60),
        owner: owner("a"),
        tries: 0,
        detail: json("{}"),
    };
    let decided = Decided {
        versions: Vec::new(),
        runs: vec![scheduled("r1", 60)],
        skipped: vec![
            skipped("daily", 120, SkipReason::Overlap),
            skipped("other", 90, SkipReason::Missed),
        ],
        memories: vec![(dag("daily"), memory(300))],
        notices: vec![late],
        ..Decided::default()
    };
    // Twice: the first answer may have got lost.
    store.decide(&decided).await.unwrap();
    store.decide(&decided).await.unwrap();
    let rows = store.schedules().await.unwrap();
    assert_eq!(
        rows,
        [ScheduleRow {
            dag: dag("daily"),
            paused: false,
            memory: memory(300),
        }]
    );
    assert_eq!(store.skipped(None, 0).await.unwrap(), decided.skipped);
    assert_eq!(store.notices().await.unwrap(), decided.notices);
    assert_eq!(store.skipped(None, 1).await.unwrap(), decided.skipped[..1]);
    let other = dag("other");
    assert_eq!(
        store.skipped(Some(&other), 0).await.unwrap(),
        decided.skipped[1..]
    );
    // The id is taken by another run: nothing of it happens.
    let other = DagVersion {
        hash: "0".repeat(64),
        ..version()
    };
    let refused = Decided {
        versions: vec![other.clone()],
        runs: vec![scheduled("r1", 61)],
        skipped: vec![skipped("daily", 900, SkipReason::Paused)],
        memories: vec![(dag("daily"), memory(900))],
        ..Decided::default()
    };
    let error = store.decide(&refused).await.unwrap_err();
    assert_eq!(error, StoreError::Exists(id("r1")));
    assert_eq!(store.schedules().await.unwrap(), rows);
    assert_eq!(store.skipped(None, 0).await.unwrap(), decided.skipped);
    assert_eq!(store.runs(&RunFilter::default()).await.unwrap().len(), 1);
    assert_eq!(store.version(&other.hash).await.unwrap(), None);
    // A run may be pinned to a version that comes with it; one that is known stays as it is.
    let mut pinned = scheduled("r2", 61);
    pinned.spec.version.clone_from(&other.hash);
    let changed = DagVersion {
        tasks: Vec::new(),
        ..version()
    };
    let decided = Decided {
        versions: vec![other.clone(), changed],
        runs: vec![pinned],
        ..Decided::default()
    };
    store.decide(&decided).await.unwrap();
    store.decide(&decided).await.unwrap();
    assert_eq!(store.version(&other.hash).await.unwrap(), Some(other));
    assert_eq!(store.version(HASH).await.unwrap(), Some(version()));
}

pub async fn starts_a_tick_once(store: Arc<dyn RunStore>) {
    let decided = |run: &str, tick: i64| Decided {
        runs: vec![scheduled(run, tick)],
        ..Decided::default()
    };
    store.decide(&decided("r1", 60)).await.unwrap();
    let error = store.decide(&decided("r2", 60)).await.unwrap_err();
    assert_eq!(error, StoreError::Exists(id("r2")));
    store.decide(&decided("r2", 61)).await.unwrap();
    // A person may start one for the same time.
    let manual = NewRun {
        spec: RunSpec {
            logical_time: at(60),
            ..spec("r3")
        },
        owner: owner("a"),
    };
    store.begin(&[], &[manual]).await.unwrap();
    assert_eq!(store.runs(&RunFilter::default()).await.unwrap().len(), 3);
}

pub async fn pauses_beside_what_is_remembered(store: Arc<dyn RunStore>) {
    store.set_paused(&dag("daily"), true).await.unwrap();
    let remembered = Decided {
        memories: vec![(dag("daily"), memory(60))],
        ..Decided::default()
    };
    store.decide(&remembered).await.unwrap();
    for paused in [true, false] {
        store.set_paused(&dag("daily"), paused).await.unwrap();
        let rows = store.schedules().await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].paused, paused);
        assert_eq!(rows[0].memory, memory(60));
    }
}

pub async fn forgets_skipped_ticks_that_are_past(store: Arc<dyn RunStore>) {
    let reasons = [
        SkipReason::Missed,
        SkipReason::Overlap,
        SkipReason::Replaced,
        SkipReason::Paused,
        SkipReason::Crowded,
    ];
    let ticks = |name: &str| {
        (0..10)
            .zip(reasons.iter().cycle())
            .map(|(number, reason)| skipped(name, number * 1000, *reason))
            .collect::<Vec<_>>()
    };
    let all = Decided {
        skipped: [ticks("daily"), ticks("other")].concat(),
        ..Decided::default()
    };
    store.decide(&all).await.unwrap();
    let daily = dag("daily");
    let left = async || -> Vec<SkippedTicks> {
        let mut left = store.skipped(Some(&daily), 0).await.unwrap();
        left.reverse();
        left
    };
    assert_eq!(left().await, ticks("daily"));
    let past = |before: Option<i64>, beyond| Past {
        dag: dag("daily"),
        ended_before: before.map(at),
        beyond,
        after: None,
        limit: 0,
    };
    for (past, count, first) in [
        (past(None, None), 0, 0),
        (past(None, Some(10)), 0, 0),
        (past(Some(1120), None), 1, 1),
        (past(Some(1121), None), 1, 2),
        (past(None, Some(5)), 3, 5),
        (past(Some(6500), Some(4)), 2, 7),
        (past(Some(0), Some(4)), 0, 7),
    ] {
        let forgotten = store.forget_skipped(&past).await.unwrap();
        assert_eq!(forgotten, count, "{past:?}");
        assert_eq!(left().await, ticks("daily")[first..], "{past:?}");
    }
    let other = dag("other");
    assert_eq!(store.skipped(Some(&other), 0).await.unwrap().len(), 10);
}

pub async fn keeps_things_until_they_are_gone(store: Arc<dyn RunStore>) {
    let thing = |name: &str, stamp: &str| Thing {
        dag: dag("daily"),
        name: name.to_owned(),
        stamp: stamp.to_owned(),
    };
    let forget = |name: &str| ThingChange::Forget {
        dag: dag("daily"),
        name: name.to_owned(),
    };
    let other = Thing {
        dag: dag("other"),
        ..thing("a", "9")
    };
    let decided = Decided {
        things: vec![
            ThingChange::Keep(thing("a", "1")),
            ThingChange::Keep(thing("b", "1")),
            ThingChange::Keep(thing("a", "2")),
            forget("b"),
            forget("never there"),
            ThingChange::Keep(thing("b", "3")),
            ThingChange::Keep(thing("c", "1")),
            forget("c"),
            ThingChange::Keep(other.clone()),
        ],
        ..Decided::default()
    };
    store.decide(&decided).await.unwrap();
    store.decide(&decided).await.unwrap();
    let things = store.things().await.unwrap();
    assert_eq!(things, [thing("a", "2"), thing("b", "3"), other.clone()]);
    // What is refused changes none of them.
    let refused = Decided {
        runs: vec![scheduled("r1", 60), scheduled("r1", 61)],
        things: vec![forget("a")],
        ..Decided::default()
    };
    store.decide(&refused).await.unwrap_err();
    assert_eq!(store.things().await.unwrap(), things);
}

pub async fn keeps_calls_until_they_are_answered(store: Arc<dyn RunStore>) {
    let call = |name: &str, id: &str, detail: &str| Call {
        dag: dag(name),
        id: id.to_owned(),
        detail: json(detail),
        at: at(1),
    };
    let calls = [
        call("daily", "k2", r#"{"body":1}"#),
        call("other", "k2", "{}"),
        call("daily", "k1", "{}"),
    ];
    for call in &calls {
        store.put_call(call).await.unwrap();
    }
    // The same call again, whatever it says now.
    store.put_call(&call("daily", "k2", "{}")).await.unwrap();
    assert_eq!(store.calls().await.unwrap(), calls);
    let decided = Decided {
        answered: vec![
            (dag("daily"), "k2".to_owned()),
            (dag("daily"), "unknown".to_owned()),
        ],
        ..Decided::default()
    };
    store.decide(&decided).await.unwrap();
    store.decide(&decided).await.unwrap();
    assert_eq!(store.calls().await.unwrap(), calls[1..]);
}
