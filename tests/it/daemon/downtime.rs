//! Days on which nothing ran, in no time: a scheduler of this process is given the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use runner::daemon::schedule::{DaemonLock, Scheduler, SchedulerParts, Until};
use runner::daemon::{Alarm, Control, Host, HostParts, OwnerLock};
use runner::engine::plan::SkipReason;
use runner::model::{DagId, RunState, Timestamp};
use runner::store::{MemoryStore, RunFilter, RunStore};
use tokio::sync::mpsc::UnboundedSender;

use crate::support::project::{Scene, scene};

/// A clock that stands where it is set.
#[derive(Clone)]
pub(super) struct Hands(Arc<AtomicI64>);

impl Hands {
    pub(super) fn at(text: &str) -> Self {
        let moment: Timestamp = text.parse().unwrap();
        Self(Arc::new(AtomicI64::new(moment.timestamp_millis())))
    }

    pub(super) fn turn(&self, by: TimeDelta) {
        self.0.fetch_add(by.num_milliseconds(), Ordering::SeqCst);
    }
}

/// A daemon that goes by these hands.
pub(super) fn scheduler(
    scene: &Scene,
    store: &Arc<dyn RunStore>,
    hands: &Hands,
    alarm: Option<Alarm>,
    until: Until,
) -> (Scheduler, UnboundedSender<Control>) {
    let (news, _heard) = tokio::sync::mpsc::unbounded_channel();
    let millis = hands.0.clone();
    let host = Host::new(HostParts {
        project: scene.project.clone(),
        store: store.clone(),
        owner: OwnerLock::acquire(&scene.state()).unwrap(),
        clock: Arc::new(move || {
            Timestamp::from_timestamp_millis(millis.load(Ordering::SeqCst)).unwrap()
        }),
        news,
    })
    .unwrap();
    let control = host.control();
    let lock = DaemonLock::acquire(&scene.state(), host.owner()).unwrap();
    let places = scene.project.places.clone();
    let read = Arc::new(move || {
        runner::spec::load(&places, None, runner::secret::Environment::of_process())
    });
    let scheduler = Scheduler::new(SchedulerParts {
        host,
        lock,
        alarm,
        until,
        grace: Duration::from_secs(1),
        loaded: read(),
        read,
    });
    (scheduler, control)
}

/// Starts a daemon, lets it do what is due, and ends it.
async fn once(scene: &Scene, store: &Arc<dyn RunStore>, hands: &Hands) {
    let (scheduler, _control) = scheduler(scene, store, hands, None, Until::Once);
    scheduler.run().await.unwrap();
}

pub(super) struct Found {
    /// The logical times of the runs, in their order; all of them have succeeded.
    pub(super) ran: Vec<String>,
    /// Count and reason of what was skipped, in its order.
    pub(super) skipped: Vec<(u64, SkipReason)>,
}

pub(super) async fn found(store: &Arc<dyn RunStore>, dag: &str) -> Found {
    let dag = DagId::new(dag).unwrap();
    let filter = RunFilter {
        dag: Some(dag.clone()),
        ..RunFilter::default()
    };
    let mut ran = Vec::new();
    for row in store.runs(&filter).await.unwrap() {
        assert_eq!(row.state, RunState::Success);
        let stored = store.load(&row.id).await.unwrap().unwrap();
        ran.push(stored.spec.logical_time.format("%d %H:%M").to_string());
    }
    ran.sort();
    let mut skipped = store.skipped(Some(&dag), 0).await.unwrap();
    skipped.sort_by_key(|skipped| skipped.first);
    let skipped = skipped.into_iter().map(|ticks| (ticks.count, ticks.reason));
    Found {
        ran,
        skipped: skipped.collect(),
    }
}

/// A DAG of hourly ticks with a policy, down for a time from 12:30 on.
async fn down(catchup: &str, down_for: TimeDelta) -> Found {
    let yaml = format!(
        "dag: hourly\nschedule: {{ cron: '0 * * * *', timezone: UTC, catchup: {catchup} }}\n\
         tasks:\n  a: {{ shell: 'true' }}\n"
    );
    let scene = scene(&[("runner.yaml", "{}\n"), ("pipelines/hourly.yaml", &yaml)]);
    let store: Arc<dyn RunStore> = Arc::new(MemoryStore::new());
    let hands = Hands::at("2026-03-01T12:30:00Z");
    once(&scene, &store, &hands).await;
    assert!(found(&store, "hourly").await.ran.is_empty());
    hands.turn(down_for);
    once(&scene, &store, &hands).await;
    let first = found(&store, "hourly").await;
    // Nothing is decided twice, also when the clock is set back.
    once(&scene, &store, &hands).await;
    hands.turn(TimeDelta::hours(-2));
    once(&scene, &store, &hands).await;
    let again = found(&store, "hourly").await;
    assert_eq!((&again.ran, &again.skipped), (&first.ran, &first.skipped));
    first
}

#[tokio::test]
async fn an_hour_without_a_daemon() {
    let hour = TimeDelta::hours(1);
    let none = down("none", hour).await;
    assert_eq!(
        (none.ran.len(), none.skipped),
        (0, vec![(1, SkipReason::Missed)])
    );
    let latest = down("latest", hour).await;
    assert_eq!(
        (latest.ran, latest.skipped),
        (vec!["01 13:00".to_owned()], vec![])
    );
}

#[tokio::test]
async fn three_days_without_a_daemon() {
    let days = TimeDelta::days(3);
    let none = down("none", days).await;
    assert_eq!(
        (none.ran.len(), none.skipped),
        (0, vec![(72, SkipReason::Missed)])
    );
    let latest = down("latest", days).await;
    assert_eq!(latest.ran, ["04 12:00"]);
    assert_eq!(latest.skipped, [(71, SkipReason::Missed)]);
    let all = down("all", days).await;
    assert_eq!((all.ran.len(), all.skipped), (72, vec![]));
    assert_eq!(
        (all.ran[0].as_str(), all.ran[71].as_str()),
        ("01 13:00", "04 12:00")
    );
    let bounded = down("{ all: 5 }", days).await;
    assert_eq!(
        bounded.ran,
        ["04 08:00", "04 09:00", "04 10:00", "04 11:00", "04 12:00"]
    );
    assert_eq!(bounded.skipped, [(67, SkipReason::Missed)]);
}

#[tokio::test]
async fn thousands_that_begin_at_once_have_ids_of_their_own() {
    let yaml = "dag: minutely\nschedule: { cron: '* * * * *', catchup: all, overlap: allow }\n\
                tasks: { a: {} }\n";
    let scene = scene(&[("runner.yaml", "{}\n"), ("pipelines/minutely.yaml", yaml)]);
    let store: Arc<dyn RunStore> = Arc::new(MemoryStore::new());
    let hands = Hands::at("2026-03-01T12:30:30Z");
    once(&scene, &store, &hands).await;
    hands.turn(TimeDelta::days(3));
    once(&scene, &store, &hands).await;
    assert_eq!(found(&store, "minutely").await.ran.len(), 3 * 24 * 60);
}
