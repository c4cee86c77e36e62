//! What is told: spans and lines of logs.

use std::sync::Arc;

use super::ids::{SpanId, TraceId, attempt_span, run_span, trace_of};
use crate::model::{
    AttemptId, AttemptOutcome, AttemptResult, DagId, RunId, RunSpec, RunState, TaskId, Timestamp,
    TriggerKind,
};

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Number(i64),
}

/// A name and its value.
pub type Attribute = (&'static str, Value);

/// A span that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    pub trace: TraceId,
    pub id: SpanId,
    pub parent: Option<SpanId>,
    pub name: String,
    pub start: Timestamp,
    pub end: Timestamp,
    pub attributes: Vec<Attribute>,
    /// Spans that it follows from: trace and span.
    pub links: Vec<(TraceId, SpanId)>,
    /// `Err` with why it failed.
    pub status: Result<(), String>,
}

fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}

impl Span {
    /// A run that has ended, from its acceptance on.
    #[must_use]
    pub fn of_run(spec: &RunSpec, state: RunState, end: Timestamp) -> Self {
        let (trigger, from) = match &spec.trigger {
            TriggerKind::Manual => ("manual", None),
            TriggerKind::Schedule => ("schedule", None),
            TriggerKind::Backfill => ("backfill", None),
            TriggerKind::After { .. } => ("after", None),
            TriggerKind::Dag { run } => ("dag", Some(run)),
            TriggerKind::Event { .. } => ("event", None),
        };
        Self {
            trace: trace_of(&spec.id),
            id: run_span(&spec.id),
            parent: None,
            name: spec.dag.to_string(),
            start: spec.created,
            end,
            attributes: vec![
                ("runner.dag", text(spec.dag.as_str())),
                ("runner.run", text(spec.id.as_str())),
                ("runner.state", text(state.as_str())),
                ("runner.trigger", text(trigger)),
                ("runner.version", text(&spec.version)),
            ],
            links: from
                .map(|run| (trace_of(run), run_span(run)))
                .into_iter()
                .collect(),
            status: match state {
                RunState::Failed => Err("a task failed".to_owned()),
                RunState::Cancelled => Err("cancelled".to_owned()),
                _ => Ok(()),
            },
        }
    }

    /// An attempt that has ended.
    #[must_use]
    pub fn of_attempt(
        attempt: &AttemptId,
        (dag, task, kind): (&DagId, &TaskId, &str),
        (start, end): (Timestamp, Timestamp),
        result: &AttemptResult,
    ) -> Self {
        let (outcome, status) = match &result.outcome {
            AttemptOutcome::Success => ("success", Ok(())),
            AttemptOutcome::Skipped => ("skipped", Ok(())),
            AttemptOutcome::Cancelled => ("cancelled", Err("cancelled".to_owned())),
            AttemptOutcome::Failed { cause, .. } => ("failed", Err(cause.message.to_string())),
        };
        let mut attributes = vec![
            ("runner.dag", text(dag.as_str())),
            ("runner.run", text(attempt.run.as_str())),
            ("runner.task", text(task.as_str())),
            ("runner.kind", text(kind)),
            ("runner.attempt", Value::Number(i64::from(attempt.number))),
            (
                "runner.generation",
                Value::Number(i64::from(attempt.generation)),
            ),
            ("runner.state", text(outcome)),
        ];
        if let Some(item) = attempt.task_run.item {
            attributes.push(("runner.item", Value::Number(i64::from(item))));
        }
        if let AttemptOutcome::Failed { cause, .. } = &result.outcome {
            let kind = format!("{:?}", cause.kind).to_lowercase();
            attributes.push(("error.type", Value::Text(kind)));
            attributes.push(("runner.error", text(&*cause.message)));
        }
        let trace = trace_of(&attempt.run);
        // A later attempt follows from the one before.
        let before = (attempt.number > 1).then(|| AttemptId {
            number: attempt.number - 1,
            ..attempt.clone()
        });
        Self {
            trace,
            id: attempt_span(attempt),
            parent: Some(run_span(&attempt.run)),
            name: task.to_string(),
            start,
            end,
            attributes,
            links: before
                .map(|before| (trace, attempt_span(&before)))
                .into_iter()
                .collect(),
            status,
        }
    }
}

/// How much a line of a log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Info,
    Warn,
    Error,
}

/// What a log is of.
#[derive(Debug, PartialEq, Eq)]
pub struct Origin {
    pub trace: TraceId,
    pub span: SpanId,
    pub dag: DagId,
    pub run: RunId,
    pub task: TaskId,
    pub attempt: u32,
}

impl Origin {
    /// The log of an attempt.
    #[must_use]
    pub fn of(attempt: &AttemptId, dag: &DagId, task: &TaskId) -> Self {
        Self {
            trace: trace_of(&attempt.run),
            span: attempt_span(attempt),
            dag: dag.clone(),
            run: attempt.run.clone(),
            task: task.clone(),
            attempt: attempt.number,
        }
    }
}

/// A line of a log, without secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    pub origin: Arc<Origin>,
    pub at: Timestamp,
    pub severity: Severity,
    /// `stdout` or `stderr` of a child.
    pub stream: Option<&'static str>,
    pub text: String,
}
