//! What stands around a task's kind: dependencies, conditions, retries.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::document::{
    Diagnostic, Entry, FromNode, Node, OneOrMany, Report, Span, Spanned, nearest,
};
use crate::model::{Backoff, FailureKind, RetryPolicy, TaskId, TriggerRule};
use crate::task::{EMPTY, KINDS, TaskKind};

crate::record! {
    /// A task: what it does (the one key that names its kind) and when.
    pub struct TaskRecord as "a task" {
        /// What it is for.
        description: Option<String>,
        /// The tasks it waits for.
        needs: OneOrMany<Spanned<String>>,
        /// It runs only when this expression is true: `params.full and tasks.count.outputs.rows > 0`.
        r#if: Option<Condition>,
        /// Which ends of `needs` let it start.
        when: Option<Spanned<TriggerRule>>,
        /// One run of the task for each item: a list, an expression that gives one, or
        /// `{ dataset: task }`.
        foreach: Option<Node>,
        /// Most items of `foreach` at a time.
        concurrency: Option<NonZeroU32>,
        /// The pool it takes a slot from; pools are in `runner.yaml`.
        pool: Option<Spanned<String>>,
        /// How many slots of the pool it takes.
        slots: Option<NonZeroU32>,
        /// Larger starts first among what is ready.
        priority: Option<i32>,
        /// Attempts after the first.
        retries: Option<Spanned<u32>>,
        /// When it is tried again.
        retry: Option<RetryRecord>,
        /// Longest duration of one attempt.
        timeout: Option<Duration>,
        /// Its failure counts as success for the tasks that need it, and for the run.
        continue_on_failure: Option<bool>,
        /// Names of environment variables that its templates may read as `env.NAME`.
        env: OneOrMany<Spanned<String>>,
    }
}

crate::record! {
    /// When a task is tried again.
    pub struct RetryRecord as "`retry`" {
        /// Attempts in all: one more than `retries`.
        attempts: Option<Spanned<NonZeroU32>>,
        /// The wait before the second attempt.
        delay: Option<Duration>,
        /// How the wait grows.
        backoff: Option<Backoff>,
        /// No wait is longer.
        max_delay: Option<Duration>,
        /// Share of the wait drawn by chance, 0 to 1.
        jitter: Option<Spanned<f64>>,
        /// The causes that are worth another attempt.
        on: Option<OneOrMany<FailureKind>>,
    }
}

crate::record! {
    /// What holds for every task that doesn't say otherwise.
    pub struct DefaultsRecord as "`defaults`" {
        /// Attempts after the first.
        retries: Option<Spanned<u32>>,
        /// When a task is tried again.
        retry: Option<RetryRecord>,
        /// Longest duration of one attempt.
        timeout: Option<Duration>,
        /// The pool that tasks take a slot from.
        pool: Option<Spanned<String>>,
        /// Larger starts first among what is ready.
        priority: Option<i32>,
    }
}

/// The value of `if`.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    Expression(Spanned<String>),
    Constant(bool),
}

impl FromNode for Condition {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        if let crate::document::Value::Bool(value) = node.value {
            return Some(Self::Constant(value));
        }
        let text = node.as_text();
        if text.is_none() {
            report.expected("an expression or true or false", node);
        }
        text.map(|text| Self::Expression(Spanned::new(text.to_owned(), node.span)))
    }
    fn schema() -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "boolean"] })
    }
}

impl FromNode for TriggerRule {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        crate::document::read_choice(node, report, "trigger rule", Self::ALL)
    }
    fn schema() -> schemars::Schema {
        let words: Vec<&str> = Self::ALL.iter().map(|(word, _)| *word).collect();
        schemars::json_schema!({ "type": "string", "enum": words })
    }
}

const BACKOFFS: &[(&str, Backoff)] = &[
    ("constant", Backoff::Constant),
    ("linear", Backoff::Linear),
    ("exponential", Backoff::Exponential),
];

impl FromNode for Backoff {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        crate::document::read_choice(node, report, "backoff", BACKOFFS)
    }
    fn schema() -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "enum": ["constant", "linear", "exponential"] })
    }
}

const CAUSES: &[(&str, FailureKind)] = &[
    ("error", FailureKind::Retryable),
    ("timeout", FailureKind::TimedOut),
    ("lost", FailureKind::Lost),
    ("permanent", FailureKind::Permanent),
];

impl FromNode for FailureKind {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        crate::document::read_choice(node, report, "cause", CAUSES)
    }
    fn schema() -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "enum": ["error", "timeout", "lost", "permanent"]
        })
    }
}

/// A task as it was read: the common part, and the part of its kind still to be read.
pub struct TaskHead {
    pub id: TaskId,
    pub name_span: Span,
    /// `None` when its common keys have mistakes.
    pub record: Option<TaskRecord>,
    pub kind: &'static TaskKind,
    /// The value behind the kind's key; `None` for a task without a kind.
    pub body: Option<Node>,
}

/// Reads the common keys of a task and finds its kind.
pub fn read_head(name: &Spanned<Box<str>>, node: &Node, report: &mut Report) -> Option<TaskHead> {
    let id = match TaskId::new(&name.value) {
        Ok(id) => id,
        Err(error) => {
            report.push(
                Diagnostic::error(
                    "invalid-name",
                    format!("`{}` can't be the name of a task", name.value),
                    name.span,
                )
                .label(error.to_string()),
            );
            return None;
        }
    };
    // `join:` with nothing behind it is a task without a kind.
    let empty = Vec::new();
    let entries: &[Entry] = match &node.value {
        crate::document::Value::Null => &empty,
        _ => crate::document::read_map(node, report).unwrap_or(&empty),
    };
    let mut kinds: Vec<(&'static TaskKind, &Entry)> = Vec::new();
    for entry in entries {
        let key = &*entry.key.value;
        if let Some(kind) = KINDS.iter().find(|kind| kind.name == key) {
            kinds.push((kind, entry));
        } else if !TaskRecord::KEYS.contains(&key) {
            unknown_key(key, entry.key.span, report);
        }
    }
    if let [(first, _), (second, entry), ..] = kinds.as_slice() {
        report.push(
            Diagnostic::error(
                "two-kinds",
                format!(
                    "a task does one thing, this one has `{}` and `{}`",
                    first.name, second.name
                ),
                entry.key.span,
            )
            .label("move this to a task of its own"),
        );
    }
    let record = TaskRecord::from_entries(entries, node.span, report);
    if let Some(record) = &record
        && let (Some(concurrency), None) = (record.concurrency, &record.foreach)
    {
        let span = key_span(entries, "concurrency").unwrap_or(node.span);
        report.push(
            Diagnostic::warning(
                "no-effect",
                format!("`concurrency: {concurrency}` has no effect without `foreach`"),
                span,
            )
            .help("use `pool` to limit tasks that are no items of one `foreach`"),
        );
    }
    let (kind, body) = match kinds.first() {
        Some((kind, entry)) => (*kind, Some(entry.value.clone())),
        None => (EMPTY, None),
    };
    Some(TaskHead {
        id,
        name_span: name.span,
        record,
        kind,
        body,
    })
}

fn key_span(entries: &[Entry], key: &str) -> Option<Span> {
    entries
        .iter()
        .find(|entry| &*entry.key.value == key)
        .map(|entry| entry.key.span)
}

fn unknown_key(key: &str, span: Span, report: &mut Report) {
    let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    let known = kinds.iter().chain(TaskRecord::KEYS).copied();
    let mut diagnostic = Diagnostic::error(
        "unknown-key",
        format!("unknown key `{key}` in a task"),
        span,
    );
    diagnostic = match nearest(key, known) {
        Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
        None => diagnostic.help(format!(
            "a task's kind is one of {}",
            kinds
                .iter()
                .map(|kind| format!("`{kind}`"))
                .collect::<Vec<_>>()
                .join(", ")
        )),
    };
    report.push(diagnostic);
}

/// The retry policy from the task's own keys, then the DAG's, then the project's.
pub fn retry_policy(
    retries: Option<&Spanned<u32>>,
    retry: Option<&RetryRecord>,
    defaults: &[&DefaultsRecord],
    report: &mut Report,
) -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    for level in defaults.iter().rev() {
        apply(&mut policy, level.retries.as_ref(), level.retry.as_ref());
    }
    if let (Some(retries), Some(attempts)) =
        (retries, retry.and_then(|retry| retry.attempts.as_ref()))
    {
        report.push(
            Diagnostic::error(
                "contradiction",
                "`retries` and `retry.attempts` say the same thing twice",
                attempts.span,
            )
            .related(retries.span, "`retries` is here")
            .label("remove one of them"),
        );
    }
    apply(&mut policy, retries, retry);
    policy
}

fn apply(policy: &mut RetryPolicy, retries: Option<&Spanned<u32>>, retry: Option<&RetryRecord>) {
    if let Some(retries) = retries {
        policy.retries = retries.value;
    }
    let Some(retry) = retry else { return };
    if let Some(attempts) = &retry.attempts {
        policy.retries = attempts.get() - 1;
    }
    if let Some(delay) = retry.delay {
        policy.delay = delay;
        // A delay that a person chose isn't cut by the default limit.
        policy.max_delay = policy.max_delay.max(delay);
        if retry.backoff.is_none() {
            policy.backoff = Backoff::Constant;
        }
    }
    if let Some(backoff) = retry.backoff {
        policy.backoff = backoff;
    }
    if let Some(max_delay) = retry.max_delay {
        policy.max_delay = max_delay;
    }
    if let Some(jitter) = &retry.jitter {
        policy.jitter = jitter.value;
    }
    if let Some(on) = &retry.on {
        policy.on.clone_from(&on.0);
    }
}

/// Reports values of `retry` that make no sense.
pub fn check_retry(retry: &RetryRecord, report: &mut Report) {
    if let Some(jitter) = &retry.jitter
        && !(0.0..=1.0).contains(&jitter.value)
    {
        report.push(
            Diagnostic::error(
                "invalid-value",
                format!("`{}` is no share: expected 0 to 1", jitter.value),
                jitter.span,
            )
            .label("0.1 is ten per cent"),
        );
    }
    if let (Some(delay), Some(max_delay)) = (retry.delay, retry.max_delay)
        && max_delay < delay
    {
        report.push(Diagnostic::error(
            "contradiction",
            "`max_delay` is shorter than `delay`",
            retry.span,
        ));
    }
}
