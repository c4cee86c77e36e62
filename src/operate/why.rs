//! Why a DAG doesn't begin a run now.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::mistake::Trouble;
use super::words::{list, plural};
use super::{find, moment, shape};
use crate::daemon::schedule::{DaemonLock, Look};
use crate::document::units::format_duration;
use crate::engine::plan::{Decision, Trouble as Unseen, Waiting};
use crate::model::{DagId, RunId, Timestamp};
use crate::spec::Pipeline;
use crate::store::{Owner, RunRow, RunStore, SkippedTicks};

/// Why a DAG doesn't begin a run now.
pub struct Told<'a> {
    pub pipeline: &'a Pipeline,
    pub waiting: Option<Waiting>,
    /// A run that a daemon would begin now.
    pub due: Option<Timestamp>,
    pub running: Vec<RunId>,
    /// Whether something outside would begin a run now.
    pub takes: bool,
    /// What triggers can't look at.
    pub troubles: Vec<(String, Unseen)>,
    pub daemon: Option<Owner>,
    pub last: Option<(RunRow, bool)>,
    pub skipped: Option<SkippedTicks>,
    pub now: Timestamp,
}

impl<'a> Told<'a> {
    /// What the planner says of a DAG.
    #[must_use]
    pub fn new(state: &Path, pipeline: &'a Pipeline, looked: &Look, now: Timestamp) -> Self {
        let due = looked.due.iter().find_map(|decision| match decision {
            Decision::Start { dag, occurrence } if *dag == pipeline.id => Some(occurrence.tick),
            _ => None,
        });
        let running = looked.planner.running(&pipeline.id);
        let troubles = looked.planner.troubles(&pipeline.id);
        let troubles = troubles.map(|(trigger, trouble)| (trigger.to_owned(), trouble.clone()));
        Self {
            pipeline,
            waiting: looked.planner.why(&pipeline.id),
            due,
            running: running.map(|active| active.run.clone()).collect(),
            takes: looked.planner.takes(&pipeline.id) > 0,
            troubles: troubles.collect(),
            daemon: DaemonLock::holder(state),
            last: None,
            skipped: None,
            now,
        }
    }

    /// What the store knows of it.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn read(&mut self, state: &Path, store: &dyn RunStore) -> Result<(), Trouble> {
        self.last = find::latest_of(state, store, &self.pipeline.id).await?;
        self.skipped = store.skipped(Some(&self.pipeline.id), 1).await?.pop();
        Ok(())
    }

    /// The reason in a sentence.
    #[must_use]
    pub fn reason(&self) -> String {
        let dag = &self.pipeline.id;
        let nobody = self.daemon.is_none();
        if self.due == Some(self.now) && nobody {
            return "would begin now, and no daemon is here: runner schedule".to_owned();
        }
        if let Some(tick) = self.due {
            let since = moment::planned(tick, self.now);
            return if nobody {
                format!("is due since {since}, and no daemon is here to begin it: runner schedule")
            } else {
                format!("is due since {since}: the daemon is about to begin it")
            };
        }
        let Some(waiting) = &self.waiting else {
            return "isn't known".to_owned();
        };
        let text = match waiting {
            Waiting::NoSchedule if !self.pipeline.triggers.is_empty() => self.outside(),
            Waiting::NoSchedule => {
                return format!("nothing starts it by itself: runner trigger {dag}");
            }
            Waiting::Over => "its schedule has no tick any more".to_owned(),
            Waiting::Paused => return format!("is paused: runner unpause {dag} lets it go on"),
            Waiting::Until { tick, start } => {
                let ahead = moment::ahead(*start, self.now);
                let at = moment::planned(*tick, self.now);
                let later = (*start - *tick).to_std().unwrap_or_default();
                let tick = if later.is_zero() {
                    format!("waits for its next tick, {at} ({ahead})")
                } else {
                    let later = format_duration(later);
                    format!("waits for its next tick, {at}, and starts {later} later ({ahead})")
                };
                self.or_outside(tick)
            }
            Waiting::Running { runs, waiting } => {
                let starts = plural(*waiting, "start waits", "starts wait");
                let runs = list(runs.iter().map(RunId::as_str));
                format!("{starts} for the end of {runs}")
            }
            Waiting::Past { waiting } => {
                let starts = plural(*waiting, "start waits", "starts wait");
                format!(
                    "{starts} for the run before to succeed (`depends_on_past`): mend it with \
                     runner retry, or runner mark"
                )
            }
            Waiting::Others {
                interval,
                dags,
                datasets,
            } => self.or_outside(others(interval.as_ref(), dags, datasets)),
            Waiting::Restart(at) => format!(
                "the stream has ended and begins again {} ({})",
                moment::planned(*at, self.now),
                moment::ahead(*at, self.now)
            ),
            Waiting::Streaming(runs) if runs.is_empty() => "the stream isn't running".to_owned(),
            Waiting::Streaming(runs) => {
                format!(
                    "is a stream and runs: {}",
                    list(runs.iter().map(RunId::as_str))
                )
            }
        };
        if nobody {
            format!("{text}; no daemon is here: runner schedule")
        } else {
            text
        }
    }

    /// What it waits for outside.
    fn outside(&self) -> String {
        let words = awaited(self.pipeline).unwrap_or_default();
        if self.takes {
            return format!("waits for {words}");
        }
        let runs = list(self.running.iter().map(RunId::as_str));
        if self.running.is_empty() {
            return format!(
                "what comes ({words}) waits for the run before to succeed (`depends_on_past`): mend \
                 it with runner retry, or runner mark"
            );
        }
        format!("what comes now ({words}) waits for the end of {runs}")
    }

    /// What it waits for, and what may come instead.
    fn or_outside(&self, text: String) -> String {
        match awaited(self.pipeline) {
            Some(words) => format!("{text}, or for {words}"),
            None => text,
        }
    }

    /// As a value.
    #[must_use]
    pub fn json(&self) -> Json {
        let (word, until) = match &self.waiting {
            _ if self.due.is_some() => ("due", self.due),
            None => ("unknown", None),
            Some(Waiting::NoSchedule) if !self.pipeline.triggers.is_empty() => ("trigger", None),
            Some(Waiting::NoSchedule) => ("by_hand", None),
            Some(Waiting::Paused) => ("paused", None),
            Some(Waiting::Until { start, .. }) => ("tick", Some(*start)),
            Some(Waiting::Over) => ("over", None),
            Some(Waiting::Running { .. }) => ("runs", None),
            Some(Waiting::Past { .. }) => ("depends_on_past", None),
            Some(Waiting::Others { .. }) => ("after", None),
            Some(Waiting::Restart(at)) => ("restart", Some(*at)),
            Some(Waiting::Streaming(_)) => ("stream", None),
        };
        json!({
            "dag": self.pipeline.id.as_str(),
            "starts": starts(self.pipeline),
            "waits_for": word,
            "until": until.map(moment::utc),
            "reason": self.reason(),
            "troubles": self.troubles.iter().map(|(trigger, trouble)| json!({
                "trigger": trigger,
                "since": moment::utc(trouble.since),
                "message": trouble.message,
            })).collect::<Vec<_>>(),
            "running": self.running.iter().map(RunId::as_str).collect::<Vec<_>>(),
            "daemon": self.daemon.as_ref().map(|owner| owner.0.clone()),
            "last_run": self.last.as_ref().map(|(row, gone)| shape::Run::new(row, *gone).json()),
            "skipped": self.skipped.as_ref().map(|skipped| json!({
                "first": moment::utc(skipped.first),
                "last": moment::utc(skipped.last),
                "count": skipped.count,
                "reason": skipped.reason,
            })),
        })
    }
}

fn others(
    interval: Option<&crate::model::DataInterval>,
    dags: &[DagId],
    datasets: &[crate::model::DatasetId],
) -> String {
    let mut parts = Vec::new();
    if !dags.is_empty() {
        let names = list(dags.iter().map(DagId::as_str));
        parts.push(match interval {
            Some(interval) => format!(
                "for {names} to succeed for the data from {} to {}, as others have",
                moment::utc(interval.start),
                moment::utc(interval.end)
            ),
            None => format!("for {names} to succeed"),
        });
    }
    if !datasets.is_empty() {
        let names = list(datasets.iter().map(crate::model::DatasetId::as_str));
        parts.push(format!("for {names} to be newer than its last start"));
    }
    format!("waits {}", parts.join(", and "))
}

/// What starts a DAG, in a few words.
#[must_use]
pub fn starts(pipeline: &Pipeline) -> String {
    let after = &pipeline.after;
    let after = (!after.is_empty()).then(|| format!("after {}", list(after.names())));
    let schedule = pipeline.schedule.as_ref();
    let clock = schedule.map(crate::model::Schedule::describe);
    let triggers = pipeline.triggers.iter().map(|spec| spec.trigger.words());
    let ways: Vec<String> = after.into_iter().chain(clock).chain(triggers).collect();
    if ways.is_empty() {
        return "by hand".to_owned();
    }
    ways.join(", or ")
}

/// What a DAG waits for outside; `None`: nothing.
#[must_use]
pub fn awaited(pipeline: &Pipeline) -> Option<String> {
    let triggers = pipeline.triggers.iter();
    let words: Vec<String> = triggers.map(|spec| spec.trigger.awaited()).collect();
    (!words.is_empty()).then(|| words.join(", or "))
}

/// What outside starts a DAG, as values.
#[must_use]
pub fn triggers(pipeline: &Pipeline) -> Vec<Json> {
    let triggers = pipeline.triggers.iter();
    triggers
        .map(|spec| json!({ "kind": spec.kind, "waits_for": spec.trigger.awaited() }))
        .collect()
}
