//! What there is to say about a run.

use std::collections::BTreeSet;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use chrono::SecondsFormat;
use serde_json::{Value as Json, json};

use crate::connection::Message;
use crate::daemon::scope::RunValues;
use crate::document::units::format_duration;
use crate::model::{
    AttemptId, Occasion, Outcome, RunSpec, TaskIndex, TaskState, Timestamp, TriggerKind,
};
use crate::spec::Pipeline;
use crate::store::{Notice, RunStore, StoreError, TaskRunRow};
use crate::task::log_path;
use crate::task::message::MessageTemplate;
use crate::template::{Scope, TemplateError};

/// Lines of the log that a message shows.
const LINES: usize = 10;
/// Characters of one of them.
const LINE: usize = 300;
/// Bytes at the end of a log that are looked at.
const TAIL: u64 = 16 << 10;
/// Characters of a cause.
const CAUSE: usize = 1000;
/// Failed tasks that a message names.
const NAMED: usize = 5;

/// What there is to say, in the words of the program and for the templates of people.
pub(super) struct Account {
    title: String,
    text: String,
    scope: Scope,
    key: String,
}

/// A task that failed.
struct Failed {
    name: String,
    error: String,
    log: String,
}

/// What an account is made of.
pub(super) struct Facts<'a> {
    pub(super) notice: &'a Notice,
    pub(super) spec: &'a RunSpec,
    pub(super) pipeline: &'a Pipeline,
    /// The folder of the state.
    pub(super) state: &'a Path,
    /// Where people see runs.
    pub(super) link: Option<&'a str>,
    /// Messages that were held back before.
    pub(super) held: u64,
}

impl Account {
    /// Gathers what the store and the logs know.
    ///
    /// # Errors
    /// The store can't be read.
    pub(super) async fn gather(
        facts: &Facts<'_>,
        store: &dyn RunStore,
    ) -> Result<Self, StoreError> {
        let Facts { notice, spec, .. } = facts;
        let rows = store.task_runs(&spec.id).await?;
        let row = store
            .find_runs(spec.id.as_str(), 1)
            .await?
            .into_iter()
            .next();
        let began = row.and_then(|row| row.started).unwrap_or(spec.created);
        let took = format_duration((notice.at - began).to_std().unwrap_or_default());
        let failed = failures(facts, &rows);
        let link = facts.link.map(|link| format!("{link}/runs/{}", spec.id));
        let detail: Json = serde_json::from_str(&notice.detail.0).unwrap_or(Json::Null);

        let dag = &spec.dag;
        let mut lines = Vec::new();
        let title = match notice.occasion {
            Occasion::Failure => {
                tell_failures(&failed, &mut lines);
                format!("{dag} failed")
            }
            Occasion::Recovery => {
                lines.push(past(&detail));
                format!("{dag} works again")
            }
            Occasion::Deadline => {
                lines.push(unfinished(facts, &rows, &detail));
                format!("{dag} is late")
            }
        };
        // A run that hasn't begun is told of by the one that it waits for.
        let has_begun = detail.get("begun").and_then(Json::as_bool).unwrap_or(true);
        if has_begun {
            lines.push(format!("Run {}, {}, after {took}", spec.id, origin(spec)));
        }
        lines.extend(link.clone());
        if facts.held > 0 {
            let (messages, were) = if facts.held == 1 {
                ("message", "was")
            } else {
                ("messages", "were")
            };
            lines.push(format!(
                "{} {messages} about {dag} before this one {were} held back",
                facts.held
            ));
        }

        let task = |failed: &Failed| json!({ "id": failed.name, "error": failed.error });
        let nothing = || json!({ "id": "", "error": "" });
        let mut scope = RunValues::new(spec).for_messages(&took);
        for (name, value) in [
            ("event", json!(notice.occasion.as_str())),
            ("link", json!(link.unwrap_or_default())),
            ("held", json!(facts.held)),
            ("task", failed.first().map_or_else(nothing, task)),
            ("failed", failed.iter().map(task).collect()),
            (
                "log",
                json!(failed.first().map_or("", |failed| &failed.log)),
            ),
        ] {
            scope.set(name, &value);
        }
        for (name, value) in detail.as_object().into_iter().flatten() {
            scope.set(name, value);
        }
        Ok(Self {
            title,
            text: lines.join("\n"),
            scope,
            key: format!(
                "{}/{}/{}",
                spec.id,
                notice.occasion,
                notice.at.timestamp_micros()
            ),
        })
    }

    /// The message of a receiver.
    ///
    /// # Errors
    /// Its template fails.
    pub(super) fn message(&self, receiver: &MessageTemplate) -> Result<Message, TemplateError> {
        let mut message = receiver.render(&self.scope, self.key.clone())?;
        if message.json.is_none() {
            if receiver.text.is_none() {
                message.text.clone_from(&self.text);
            }
            message.title.get_or_insert_with(|| self.title.clone());
        }
        Ok(message)
    }
}

/// A message that only tries a connection out.
#[must_use]
pub fn trial(project: &str, now: Timestamp, text: Option<&str>) -> Message {
    Message {
        title: Some("A message to try it out".to_owned()),
        text: text.map_or_else(
            || format!("The project {project} can tell you when a run fails."),
            str::to_owned,
        ),
        key: format!("trial/{}", now.timestamp_micros()),
        ..Message::default()
    }
}

/// What made the run.
fn origin(spec: &RunSpec) -> String {
    match &spec.trigger {
        TriggerKind::Schedule => format!("scheduled for {}", minute(spec.logical_time)),
        TriggerKind::Manual => "started by hand".to_owned(),
        TriggerKind::Backfill => format!("a backfill of {}", minute(spec.interval.start)),
        TriggerKind::After { what } => format!("after {what}"),
        TriggerKind::Dag { run } => format!("started by run {run}"),
        TriggerKind::Event { source, .. } => format!("started by {source}"),
    }
}

fn minute(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

fn moment(detail: &Json, name: &str) -> Option<Timestamp> {
    detail.get(name)?.as_str()?.parse().ok()
}

/// What a recovery ends.
fn past(detail: &Json) -> String {
    let since = moment(detail, "since").map(|since| format!(" since {}", minute(since)));
    let since = since.unwrap_or_default();
    match detail.get("failures").and_then(Json::as_u64) {
        Some(0 | 1) | None => format!("It had failed{since}"),
        Some(failures) => format!("It had failed {failures} times{since}"),
    }
}

/// What a run that is late still does.
fn unfinished(facts: &Facts<'_>, rows: &[TaskRunRow], detail: &Json) -> String {
    let running: BTreeSet<TaskIndex> = rows
        .iter()
        .filter(|row| matches!(row.state, TaskState::Running { .. }))
        .map(|row| row.id.task)
        .collect();
    let names: Vec<String> = running
        .iter()
        .take(NAMED)
        .map(|task| format!("`{}`", facts.pipeline.dag.task(*task).id))
        .collect();
    let by = moment(detail, "deadline").map(minute);
    let by = by.map_or_else(String::new, |by| format!(" by {by}"));
    if detail.get("begun") == Some(&Json::Bool(false)) {
        let scheduled = moment(detail, "scheduled").map_or_else(String::new, minute);
        let run = &facts.spec.id;
        return format!(
            "The run scheduled for {scheduled} should have ended{by}, and hasn't begun: it waits for run {run}"
        );
    }
    if names.is_empty() {
        format!("It should have ended{by}, and no task is running")
    } else {
        format!("It should have ended{by}, and is at {}", names.join(", "))
    }
}

/// The tasks that failed themselves, the first first; hooks apart.
fn failures(facts: &Facts<'_>, rows: &[TaskRunRow]) -> Vec<Failed> {
    let mut failed: Vec<(Timestamp, &TaskRunRow, &str)> = rows
        .iter()
        .filter_map(|row| match &row.state {
            TaskState::Finished {
                outcome: Outcome::Failed(cause),
                at,
            } => Some((*at, row, &*cause.message)),
            _ => None,
        })
        .collect();
    // Of a `foreach` the items say more than the whole.
    let items: BTreeSet<TaskIndex> = failed
        .iter()
        .filter(|(_, row, _)| row.id.item.is_some())
        .map(|(_, row, _)| row.id.task)
        .collect();
    failed.retain(|(_, row, _)| {
        let whole = row.id.item.is_none() && items.contains(&row.id.task);
        let spec = facts.pipeline.tasks.get(row.id.task.get());
        !whole && spec.is_some_and(|spec| spec.hook.is_none())
    });
    failed.sort_by_key(|(at, row, _)| (*at, row.id));
    let mut named = Vec::with_capacity(failed.len());
    for (place, (_, row, error)) in failed.into_iter().enumerate() {
        let task = &facts.pipeline.dag.task(row.id.task).id;
        let item = row.id.item.map(|item| format!("[{item}]"));
        let log = if place == 0 {
            let attempt = AttemptId {
                run: facts.spec.id.clone(),
                task_run: row.id,
                generation: row.generation,
                number: row.attempts,
                fence: 0,
            };
            tail(&facts.state.join(log_path(&attempt, task)))
        } else {
            String::new()
        };
        named.push(Failed {
            name: format!("{task}{}", item.unwrap_or_default()),
            error: short(error, CAUSE),
            log,
        });
    }
    named
}

fn tell_failures(failed: &[Failed], lines: &mut Vec<String>) {
    for one in failed.iter().take(NAMED) {
        lines.push(format!("Task `{}`: {}", one.name, one.error.trim_end()));
    }
    if failed.len() > NAMED {
        lines.push(format!("and {} more tasks", failed.len() - NAMED));
    }
    let log = failed.first().map_or("", |first| &first.log);
    if !log.is_empty() {
        lines.push("The end of its log:".to_owned());
        lines.extend(log.lines().map(|line| format!("    {line}")));
    }
}

fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The last lines of a log, their times without the day. A log that can't be read has none.
fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LINES);
    let lines = lines[from..].iter().map(|line| {
        // `2026-08-20T14:02:03.123Z info  text`
        let parts = line
            .split_once('T')
            .filter(|(day, _)| day.len() == 10)
            .and_then(|(_, rest)| Some((rest.get(..8)?, rest.split_once("Z ")?.1)));
        let line = match parts {
            Some((time, rest)) => format!("{time} {rest}"),
            None => (*line).to_owned(),
        };
        short(&line, LINE)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A moment for [`Notice::detail`].
pub(super) fn stamp(at: Timestamp) -> Json {
    json!(at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}
