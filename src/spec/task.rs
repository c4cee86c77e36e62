//! What stands around a task's kind: dependencies, conditions, retries.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::time::Duration;

use super::names::invalid_name;
use crate::document::{
    Diagnostic, Entry, FromNode, Node, OneOrMany, Report, Span, Spanned, Value, correct_key,
    nearest,
};
use crate::model::{Backoff, FailureKind, TaskId, TriggerRule};
use crate::task::{KINDS, TaskKind};

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
        /// Datasets that are newer when it has succeeded: names of your choice, which DAGs come
        /// `after`.
        writes: OneOrMany<Spanned<String>>,
        /// Most items of `foreach` at a time.
        concurrency: Option<Spanned<NonZeroU32>>,
        /// The pool it takes a slot from; pools are in `runner.yaml`.
        pool: Option<Spanned<String>>,
        /// How many slots of the pool it takes.
        slots: Option<Spanned<NonZeroU32>>,
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
        /// What is done when it has failed for good: one kind of task, such as `notify`, with
        /// `task.id` and `task.error` in its templates. How the run ends doesn't depend on it.
        on_failure: Option<Node>,
        /// What is done when it has succeeded: one kind of task, with `task.id` in its templates.
        on_success: Option<Node>,
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
        max_delay: Option<Spanned<Duration>>,
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
        if let Value::Bool(value) = node.value {
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
pub struct TaskHead<'a> {
    /// As the document spells it.
    pub name: &'a Spanned<String>,
    /// A stand-in when the name can't be one.
    pub id: TaskId,
    /// What has mistakes is replaced by its stand-in.
    pub record: TaskRecord,
    /// `needs` has mistakes: what comes before the task isn't known.
    pub needs_unknown: bool,
    entries: Cow<'a, [Entry]>,
    kinds: Vec<(&'static TaskKind, usize)>,
}

impl TaskHead<'_> {
    /// The kinds it names, each with the key and the value behind it; a right task has at most one.
    pub fn kinds(&self) -> impl Iterator<Item = (&'static TaskKind, &Entry)> {
        let entry = |&(kind, at): &(&'static TaskKind, usize)| (kind, &self.entries[at]);
        self.kinds.iter().map(entry)
    }

    /// Where a key stands; the task's name when it isn't there.
    pub fn key_span(&self, key: &str) -> Span {
        let entry = self.entries.iter().find(|entry| &*entry.key.value == key);
        entry.map_or(self.name.span, |entry| entry.key.span)
    }
}

/// Reads the common keys of a task and finds its kind.
pub fn read_head<'a>(
    name: &'a Spanned<String>,
    node: &'a Node,
    report: &mut Report,
) -> Option<TaskHead<'a>> {
    let id = match TaskId::new(name) {
        Ok(id) => id,
        Err(error) => {
            report.push(invalid_name("a task", name, error));
            TaskId::new("unnamed").ok()?
        }
    };
    // `join:` with nothing behind it is a task without a kind.
    let entries = match &node.value {
        Value::Map(entries) => entries.as_slice(),
        Value::Null => &[],
        _ => {
            not_a_map(name, node, report);
            &[]
        }
    };
    let (entries, kinds) = find_kinds(entries, report);
    if let [(first, _), (second, at), ..] = kinds.as_slice() {
        report.push(
            Diagnostic::error(
                "two-kinds",
                format!(
                    "a task does one thing, this one has `{}` and `{}`",
                    first.name, second.name
                ),
                entries[*at].key.span,
            )
            .label("move this to a task of its own"),
        );
    }
    let record = TaskRecord::from_entries(&entries, node.span, report)?;
    let needs = entries.iter().find(|entry| &*entry.key.value == "needs");
    let needs_unknown = record.needs.0.is_empty()
        && needs.is_some_and(|entry| match &entry.value.value {
            Value::Null => false,
            Value::List(items) => !items.is_empty(),
            _ => true,
        });
    let head = TaskHead {
        name,
        id,
        record,
        needs_unknown,
        entries,
        kinds,
    };
    warn_of_no_effect(&head, report);
    Some(head)
}

/// The entries, misspelled keys corrected, and which of them name a kind.
fn find_kinds<'a>(
    entries: &'a [Entry],
    report: &mut Report,
) -> (Cow<'a, [Entry]>, Vec<(&'static TaskKind, usize)>) {
    let kind_of = |key: &str| KINDS.iter().find(|kind| kind.name == key);
    let mut corrected = Cow::Borrowed(entries);
    for (at, entry) in entries.iter().enumerate() {
        let key = &*entry.key.value;
        if kind_of(key).is_none() && !TaskRecord::KEYS.contains(&key) {
            unknown_key(key, entry.key.span, report);
            let kinds = KINDS.iter().map(|kind| kind.name);
            let known: Vec<&str> = kinds.chain(TaskRecord::KEYS.iter().copied()).collect();
            correct_key(&mut corrected, at, &known);
        }
    }
    let kinds = corrected
        .iter()
        .enumerate()
        .filter_map(|(at, entry)| Some((*kind_of(&entry.key.value)?, at)))
        .collect();
    (corrected, kinds)
}

fn not_a_map(name: &str, node: &Node, report: &mut Report) {
    let diagnostic = Diagnostic::error(
        "wrong-type",
        format!("task `{name}`: expected a map, found {}", node.kind()),
        node.span,
    )
    .label("expected a map with a kind, such as `shell:`");
    report.push(match node.as_text() {
        Some(text) if !text.contains('\n') => {
            diagnostic.help(format!("to run a command: `{name}: {{ shell: {text} }}`"))
        }
        _ => diagnostic,
    });
}

fn warn_of_no_effect(head: &TaskHead<'_>, report: &mut Report) {
    let record = &head.record;
    if let (Some(concurrency), None) = (&record.concurrency, &record.foreach) {
        report.push(
            Diagnostic::warning(
                "no-effect",
                format!(
                    "`concurrency: {}` has no effect without `foreach`",
                    concurrency.value
                ),
                head.key_span("concurrency"),
            )
            .help("use `pool` to limit tasks that are no items of one `foreach`"),
        );
    }
    if let Some(when) = &record.when
        && record.needs.0.is_empty()
        && !head.needs_unknown
    {
        report.push(
            Diagnostic::warning(
                "no-effect",
                "`when` has no effect without `needs`: the task starts at once",
                when.span,
            )
            .label("ends of which tasks?")
            .help("add `needs:`, or remove `when:`"),
        );
    }
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
            "a task has one kind, {}, and any of {}",
            listed(&kinds, " or "),
            listed(TaskRecord::KEYS, " and ")
        )),
    };
    report.push(diagnostic);
}

/// Names in backticks: a, b and c.
fn listed(names: &[&str], last: &str) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((end, [])) => end.clone(),
        Some((end, rest)) => format!("{}{last}{end}", rest.join(", ")),
        None => String::new(),
    }
}
