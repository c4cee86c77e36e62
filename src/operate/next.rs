//! What will run when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use chrono_tz::Tz;
use serde_json::{Value as Json, json};

use super::moment;
use crate::daemon::schedule::Look;
use crate::engine::plan::Occurrence;
use crate::model::{DagId, Schedule, Timestamp};
use crate::spec::Pipeline;

/// A run to come.
#[derive(Debug, Clone)]
pub struct Coming {
    pub start: Timestamp,
    pub dag: DagId,
    pub occurrence: Occurrence,
    /// The zone of the clock that makes its tick.
    pub zone: Option<Tz>,
}

/// The runs of DAGs in their order: after `from` or from now on, up to `until`, so many.
#[must_use]
pub fn coming(
    looked: &Look,
    pipelines: &[Arc<Pipeline>],
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    count: usize,
) -> Vec<Coming> {
    let mut lanes: Vec<_> = pipelines
        .iter()
        .map(|pipeline| looked.planner.upcoming(&pipeline.id, from).peekable())
        .collect();
    let mut heap = BinaryHeap::new();
    for (at, lane) in lanes.iter_mut().enumerate() {
        heap.extend(lane.peek().map(|(start, _)| Reverse((*start, at))));
    }
    let mut found = Vec::new();
    while let Some(Reverse((start, at))) = heap.pop() {
        if found.len() >= count || until.is_some_and(|until| start > until) {
            break;
        }
        if let Some((start, occurrence)) = lanes[at].next() {
            let pipeline = &pipelines[at];
            found.push(Coming {
                start,
                dag: pipeline.id.clone(),
                zone: zone_of(pipeline, occurrence.tick),
                occurrence,
            });
        }
        heap.extend(lanes[at].peek().map(|(start, _)| Reverse((*start, at))));
    }
    found
}

impl Coming {
    /// As a value.
    #[must_use]
    pub fn json(&self) -> Json {
        let coming = self;
        let occurrence = &coming.occurrence;
        json!({
            "dag": coming.dag.as_str(),
            "start": moment::utc(coming.start),
            "tick": moment::utc(occurrence.tick),
            "local": moment::local(coming.start).to_rfc3339(),
            "timezone": coming.zone.map(Tz::name),
            "data_interval": {
                "start": moment::utc(occurrence.interval_start),
                "end": moment::utc(occurrence.interval_end),
            },
        })
    }
}

/// The zone of the clock that makes a tick.
fn zone_of(pipeline: &Pipeline, tick: Timestamp) -> Option<Tz> {
    let before = tick - chrono::TimeDelta::microseconds(1);
    let clocks = pipeline.schedule.iter().flat_map(Schedule::clocks);
    let mut making = clocks.filter(|clock| clock.next_after(before) == Some(tick));
    making.next().map(|clock| clock.timezone)
}

/// A DAG that has no tick to come.
#[derive(Debug, Clone)]
pub struct Other {
    pub dag: DagId,
    /// `by hand`, `paused`, `after`, …
    pub word: String,
    pub words: String,
}

impl Other {
    /// As a value.
    #[must_use]
    pub fn json(&self) -> Json {
        json!({ "dag": self.dag.as_str(), "start": self.word, "detail": self.words })
    }
}

/// Why a DAG has no tick to come; `None`: it has one.
#[must_use]
pub fn other(looked: &Look, pipeline: &Pipeline) -> Option<Other> {
    let dag = &pipeline.id;
    let (word, words) = if looked.planner.is_paused(dag) {
        ("paused", format!("runner unpause {dag} lets it go on"))
    } else if !pipeline.after.is_empty() {
        (
            "after",
            pipeline.after.names().collect::<Vec<_>>().join(", "),
        )
    } else if let (None, Some((word, words))) = (&pipeline.schedule, outside(pipeline)) {
        (word, words)
    } else {
        match &pipeline.schedule {
            None => ("by hand", format!("runner trigger {dag}")),
            Some(Schedule::Always) => ("always", "a stream, as long as a daemon runs".to_owned()),
            Some(_) if looked.planner.upcoming(dag, None).next().is_none() => {
                ("over", "its schedule has no tick any more".to_owned())
            }
            Some(_) => return None,
        }
    };
    Some(Other {
        dag: dag.clone(),
        word: word.to_owned(),
        words,
    })
}

/// What outside starts a DAG: the kind, and the rest.
fn outside(pipeline: &Pipeline) -> Option<(&'static str, String)> {
    match pipeline.triggers.as_slice() {
        [] => None,
        [one] => {
            let words = one.trigger.words();
            let rest = words.strip_prefix(one.kind).unwrap_or(&words).trim_start();
            Some((one.kind, rest.to_owned()))
        }
        several => {
            let words = several.iter().map(|spec| spec.trigger.words());
            Some(("triggers", words.collect::<Vec<_>>().join(", or ")))
        }
    }
}
