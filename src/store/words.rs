//! States as the databases keep them: a small word, and as JSON what only that state has.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::plan::SkipReason;
use crate::model::{
    AttemptOutcome, FailureCause, FailureKind, Json, Outcome, RunId, RunState, TaskState,
    Timestamp, TriggerKind,
};

/// Microseconds since the Unix epoch: what a store keeps of a moment.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.timestamp_micros()
}

/// The moment of [`micros`]; `None` when it is outside of the calendar.
pub(super) fn moment(micros: i64) -> Option<Timestamp> {
    Timestamp::from_timestamp_micros(micros)
}

pub(super) const RUN_STATES: [RunState; 6] = [
    RunState::Queued,
    RunState::Running,
    RunState::Cancelling,
    RunState::Success,
    RunState::Failed,
    RunState::Cancelled,
];

pub(super) fn run_state(word: &str) -> Option<RunState> {
    RUN_STATES.into_iter().find(|state| state.as_str() == word)
}

/// What only one state has, by the state's word.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum TaskDetail<'a> {
    Expanded {
        items: u32,
    },
    Running {
        started: i64,
        #[serde(skip_serializing_if = "Option::is_none")]
        deadline: Option<i64>,
    },
    RetryWait {
        until: i64,
    },
    Failed {
        at: i64,
        kind: FailureKind,
        message: &'a str,
    },
    Ended {
        at: i64,
    },
}

/// The word of a state, and what only this state has. A finished task run's word is its outcome.
pub(super) fn task_state_words(state: &TaskState) -> (&'static str, Option<TaskDetail<'_>>) {
    match state {
        TaskState::Waiting => ("waiting", None),
        TaskState::Expanded { items } => ("expanded", Some(TaskDetail::Expanded { items: *items })),
        TaskState::Ready => ("ready", None),
        TaskState::Running { started, deadline } => (
            "running",
            Some(TaskDetail::Running {
                started: micros(*started),
                deadline: deadline.map(micros),
            }),
        ),
        TaskState::RetryWait { until } => (
            "retry_wait",
            Some(TaskDetail::RetryWait {
                until: micros(*until),
            }),
        ),
        TaskState::Finished { outcome, at } => {
            let at = micros(*at);
            match outcome {
                Outcome::Success => ("success", Some(TaskDetail::Ended { at })),
                Outcome::Failed(cause) => (
                    "failed",
                    Some(TaskDetail::Failed {
                        at,
                        kind: cause.kind,
                        message: &cause.message,
                    }),
                ),
                Outcome::Skipped => ("skipped", Some(TaskDetail::Ended { at })),
                Outcome::UpstreamFailed => ("upstream_failed", Some(TaskDetail::Ended { at })),
                Outcome::Cancelled => ("cancelled", Some(TaskDetail::Ended { at })),
            }
        }
    }
}

#[derive(Deserialize)]
struct Expanded {
    items: u32,
}

#[derive(Deserialize)]
struct Running {
    started: i64,
    deadline: Option<i64>,
}

#[derive(Deserialize)]
struct RetryWait {
    until: i64,
}

#[derive(Deserialize)]
struct Failed {
    at: i64,
    kind: FailureKind,
    message: String,
}

#[derive(Deserialize)]
struct Ended {
    at: i64,
}

fn detail<'a, T: Deserialize<'a>>(text: Option<&'a str>) -> Option<T> {
    serde_json::from_str(text?).ok()
}

/// The inverse of [`task_state_words`]; `None` when the texts are none of its results.
pub(super) fn task_state(word: &str, text: Option<&str>) -> Option<TaskState> {
    let finished = |outcome| {
        let Ended { at } = detail(text)?;
        let at = moment(at)?;
        Some(TaskState::Finished { outcome, at })
    };
    match word {
        "waiting" => Some(TaskState::Waiting),
        "expanded" => {
            let Expanded { items } = detail(text)?;
            Some(TaskState::Expanded { items })
        }
        "ready" => Some(TaskState::Ready),
        "running" => {
            let Running { started, deadline } = detail(text)?;
            Some(TaskState::Running {
                started: moment(started)?,
                deadline: match deadline {
                    Some(deadline) => Some(moment(deadline)?),
                    None => None,
                },
            })
        }
        "retry_wait" => {
            let RetryWait { until } = detail(text)?;
            let until = moment(until)?;
            Some(TaskState::RetryWait { until })
        }
        "failed" => {
            let Failed { at, kind, message } = detail(text)?;
            Some(TaskState::Finished {
                outcome: Outcome::Failed(FailureCause::new(kind, message)),
                at: moment(at)?,
            })
        }
        "success" => finished(Outcome::Success),
        "skipped" => finished(Outcome::Skipped),
        "upstream_failed" => finished(Outcome::UpstreamFailed),
        "cancelled" => finished(Outcome::Cancelled),
        _ => None,
    }
}

#[derive(Debug, Serialize)]
pub(super) struct AttemptDetail<'a> {
    kind: FailureKind,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<Duration>,
}

/// The word of an attempt's outcome, and what only a failure has.
pub(super) fn attempt_words(outcome: &AttemptOutcome) -> (&'static str, Option<AttemptDetail<'_>>) {
    match outcome {
        AttemptOutcome::Success => ("success", None),
        AttemptOutcome::Failed { cause, retry_after } => (
            "failed",
            Some(AttemptDetail {
                kind: cause.kind,
                message: &cause.message,
                retry_after: *retry_after,
            }),
        ),
        AttemptOutcome::Skipped => ("skipped", None),
        AttemptOutcome::Cancelled => ("cancelled", None),
    }
}

#[derive(Deserialize)]
struct AttemptFailed {
    kind: FailureKind,
    message: String,
    retry_after: Option<Duration>,
}

/// The inverse of [`attempt_words`].
pub(super) fn attempt_outcome(word: &str, text: Option<&str>) -> Option<AttemptOutcome> {
    match word {
        "success" => Some(AttemptOutcome::Success),
        "failed" => {
            let AttemptFailed {
                kind,
                message,
                retry_after,
            } = detail(text)?;
            Some(AttemptOutcome::Failed {
                cause: FailureCause::new(kind, message),
                retry_after,
            })
        }
        "skipped" => Some(AttemptOutcome::Skipped),
        "cancelled" => Some(AttemptOutcome::Cancelled),
        _ => None,
    }
}

/// The word of a trigger, and its source: a run, or what happened.
pub(super) fn trigger_words(trigger: &TriggerKind) -> (&'static str, Option<Cow<'_, str>>) {
    let text = Cow::Borrowed;
    match trigger {
        TriggerKind::Manual => ("manual", None),
        TriggerKind::Schedule => ("schedule", None),
        TriggerKind::Backfill => ("backfill", None),
        TriggerKind::After { what } => ("after", Some(text(what))),
        TriggerKind::Dag { run } => ("dag", Some(text(run.as_str()))),
        // A source is one line; behind it stands what happened.
        TriggerKind::Event { source, detail } => {
            ("event", Some(format!("{source}\n{}", detail.0).into()))
        }
    }
}

/// The inverse of [`trigger_words`].
pub(super) fn trigger(word: &str, source: Option<&str>) -> Option<TriggerKind> {
    match word {
        "manual" => Some(TriggerKind::Manual),
        "schedule" => Some(TriggerKind::Schedule),
        "backfill" => Some(TriggerKind::Backfill),
        "after" => Some(TriggerKind::After {
            what: source?.to_owned(),
        }),
        "dag" => Some(TriggerKind::Dag {
            run: RunId::new(source?).ok()?,
        }),
        "event" => {
            let source = source?;
            let (source, detail) = source.split_once('\n').unwrap_or((source, "null"));
            Some(TriggerKind::Event {
                source: source.to_owned(),
                detail: Json(detail.into()),
            })
        }
        _ => None,
    }
}

/// The word of a reason to skip a tick.
pub(super) fn skip_word(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::Missed => "missed",
        SkipReason::Overlap => "overlap",
        SkipReason::Replaced => "replaced",
        SkipReason::Paused => "paused",
        SkipReason::Crowded => "crowded",
    }
}

/// The inverse of [`skip_word`].
pub(super) fn skip_reason(word: &str) -> Option<SkipReason> {
    match word {
        "missed" => Some(SkipReason::Missed),
        "overlap" => Some(SkipReason::Overlap),
        "replaced" => Some(SkipReason::Replaced),
        "paused" => Some(SkipReason::Paused),
        "crowded" => Some(SkipReason::Crowded),
        _ => None,
    }
}
