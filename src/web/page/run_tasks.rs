//! The tasks of a run: a row each, with a lane that shows when it waited, ran and was tried again.

use std::collections::BTreeMap;

use serde::Serialize;

use super::run::{Known, task_link};
use super::template::{Markup, markup};
use super::view::State;
use crate::model::{Outcome, TaskIndex, TaskState, Timestamp};
use crate::operate::course::{Course, Try};
use crate::operate::moment;
use crate::operate::run::metrics;
use crate::operate::shape::cause_of;
use crate::operate::tone::Tone;
use crate::operate::words::{count, moved};
use crate::store::TaskRunRow;
use crate::web::draw::{Stretch, lane, scale, ticks_since};

/// Items of one task that get rows of their own; of more, only those that failed.
const ITEMS: usize = 12;
/// And no more than so many.
const FAILED_ITEMS: usize = 50;

/// The task runs by task: the task's own and those of its items.
pub(super) struct Rows<'a> {
    by_task: BTreeMap<TaskIndex, Group<'a>>,
}

/// The task runs of one task.
#[derive(Default)]
pub(super) struct Group<'a> {
    pub(super) own: Option<&'a TaskRunRow>,
    pub(super) items: Vec<&'a TaskRunRow>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(known: &'a Known) -> Self {
        let mut by_task: BTreeMap<TaskIndex, Group<'_>> = BTreeMap::new();
        for row in &known.tasks {
            let group = by_task.entry(row.id.task).or_default();
            match row.id.item {
                None => group.own = Some(row),
                Some(_) => group.items.push(row),
            }
        }
        Self { by_task }
    }

    pub(super) fn of(&self, task: TaskIndex) -> Option<&Group<'a>> {
        self.by_task.get(&task)
    }
}

impl Group<'_> {
    /// How the task stands.
    pub(super) fn tone(&self, known: &Known) -> Tone {
        let own = self
            .own
            .map(|row| Tone::of_task(&row.state, known.interrupted));
        own.unwrap_or(Tone::Waiting)
    }

    /// How many items stand how, the worst first.
    pub(super) fn shares(&self, known: &Known) -> Vec<(Tone, u64)> {
        let mut shares: BTreeMap<Tone, u64> = BTreeMap::new();
        for row in &self.items {
            let tone = Tone::of_task(&row.state, known.interrupted);
            *shares.entry(tone).or_default() += 1;
        }
        shares.into_iter().collect()
    }

    /// How many items have ended, and how many there are.
    pub(super) fn ended(&self) -> (u64, u64) {
        let ended = self.items.iter().filter(|row| row.state.is_finished());
        let total = match self.own.map(|row| &row.state) {
            Some(TaskState::Expanded { items }) => u64::from(*items),
            _ => self.items.len() as u64,
        };
        (ended.count() as u64, total)
    }

    /// When it ran: of a group, from its first item to its last.
    pub(super) fn span(&self, course: &Course) -> Option<(Timestamp, Timestamp)> {
        let rows = self.own.iter().chain(&self.items);
        let tries: Vec<&Try> = rows.flat_map(|row| course.tries(row.id)).collect();
        let from = tries.iter().map(|one| one.from).min()?;
        let until = tries.iter().map(|one| one.until).max()?;
        Some((from, until))
    }
}

/// The table.
#[derive(Serialize)]
pub(super) struct Table {
    scale: Markup,
    rows: Vec<Row>,
    /// Rows that are left out, as there are too many items.
    left_out: usize,
}

#[derive(Serialize)]
struct Row {
    id: String,
    name: String,
    is_item: bool,
    link: String,
    kind: &'static str,
    state: State,
    lane: Markup,
    start: String,
    took: String,
    attempts: u32,
    cause: Option<String>,
    facts: String,
    made: Vec<String>,
    data: Option<String>,
    picture: Option<String>,
}

impl Table {
    pub(super) fn new(known: &Known, rows: &Rows<'_>, course: &Course) -> Self {
        let span = shown_span(course);
        let mut table = Self {
            scale: markup(scale(&ticks_since(span, 6), span)),
            rows: Vec::new(),
            left_out: 0,
        };
        let tasks = u32::try_from(known.version.tasks.len()).unwrap_or(u32::MAX);
        let nothing = Group::default();
        for task in (0..tasks).map(TaskIndex) {
            let group = rows.of(task).unwrap_or(&nothing);
            table.rows.push(row_of(known, course, task, group, span));
            let few = group.items.len() <= ITEMS;
            let shown = group.items.iter().filter(|row| few || has_failed(row));
            let shown: Vec<_> = shown.take(FAILED_ITEMS).collect();
            table.left_out += group.items.len() - shown.len();
            for item in shown {
                let own = Group {
                    own: Some(item),
                    items: Vec::new(),
                };
                table.rows.push(row_of(known, course, task, &own, span));
            }
        }
        table
    }
}

fn has_failed(row: &TaskRunRow) -> bool {
    matches!(
        &row.state,
        TaskState::Finished {
            outcome: Outcome::Failed(_),
            ..
        }
    )
}

/// The run's time, with a little room where it would be a point.
fn shown_span(course: &Course) -> (Timestamp, Timestamp) {
    let (from, until) = course.span;
    (from, until.max(from + chrono::TimeDelta::milliseconds(10)))
}

fn row_of(
    known: &Known,
    course: &Course,
    task: TaskIndex,
    group: &Group<'_>,
    span: (Timestamp, Timestamp),
) -> Row {
    let own = group.own;
    let item = own.and_then(|row| row.id.item);
    let name = known.name(task);
    let kind = known
        .pipeline
        .as_ref()
        .map(|pipeline| pipeline.tasks.get(task.get()));
    let ran = group.span(course);
    let mut facts = Vec::new();
    if !group.items.is_empty() {
        let (ended, total) = group.ended();
        facts.push(if ended < total {
            format!("{} of {} items", count(ended), count(total))
        } else {
            format!("{} items", count(total))
        });
        let failed = group.items.iter().filter(|row| has_failed(row)).count();
        if failed > 0 {
            facts.push(format!("{} failed", count(failed as u64)));
        }
    }
    let rows = || own.iter().chain(&group.items);
    let done: Vec<_> = rows().map(|row| metrics(row)).collect();
    let sum = |of: fn(&crate::task::Metrics) -> Option<u64>| done.iter().filter_map(of).sum();
    facts.extend(moved(
        sum(|one| one.rows),
        sum(|one| one.bytes),
        std::time::Duration::ZERO,
    ));
    let only = done.first().filter(|_| group.items.is_empty());
    facts.extend(only.and_then(|one| one.summary.clone()));
    let cause = own.filter(|_| group.items.is_empty()).and_then(cause_of);
    let dataset = own.and_then(|row| row.result.as_ref()?.dataset.as_ref());
    let link = own.map_or_else(
        || format!("/runs/{}/tasks/{name}", known.run.id),
        |row| task_link(known, row),
    );
    Row {
        id: match item {
            Some(item) => format!("task-{}-{item}", task.0),
            None => format!("task-{}", task.0),
        },
        name: item.map_or_else(|| name.to_owned(), |item| format!("[{item}]")),
        is_item: item.is_some(),
        kind: kind.flatten().map_or("", |task| task.kind),
        state: group.tone(known).into(),
        lane: markup(lane(&stretches(known, course, task, group), span)),
        start: ran.map_or_else(String::new, |(from, _)| moment::exact(from, known.now)),
        took: ran.map_or_else(String::new, |(from, until)| moment::took(from, until)),
        attempts: own.map_or(0, |row| row.attempts),
        cause: cause.map(|cause| cause.message.lines().next().unwrap_or_default().to_owned()),
        facts: facts.join(" · "),
        made: only.map(|one| one.made.clone()).unwrap_or_default(),
        data: dataset.map(|_| match item {
            Some(item) => format!("/runs/{}/tasks/{name}/data?item={item}", known.run.id),
            None => format!("/runs/{}/tasks/{name}/data", known.run.id),
        }),
        picture: (kind.flatten().is_some_and(|task| task.kind == "plot")
            && group.tone(known) == Tone::Success)
            .then(|| format!("{link}#picture")),
        link,
    }
}

/// What is seen of a task in its lane.
fn stretches(known: &Known, course: &Course, task: TaskIndex, group: &Group<'_>) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    let mut free = course.ready(task);
    let own = group.own.iter().flat_map(|row| course.tries(row.id));
    for (at, one) in own.enumerate() {
        let waited = if at == 0 { "waited" } else { "waited to retry" };
        if one.from > free {
            stretches.push(Stretch {
                from: free,
                until: one.from,
                tone: None,
                title: format!("{waited} {}", moment::took(free, one.from)),
            });
        }
        stretches.push(stretch(known, one));
        free = one.until;
    }
    let items = group.items.iter().flat_map(|row| course.tries(row.id));
    stretches.extend(items.map(|one| stretch(known, one)));
    stretches
}

fn stretch(known: &Known, one: &Try) -> Stretch {
    let (from, took) = (
        moment::exact(one.from, known.now),
        moment::took(one.from, one.until),
    );
    Stretch {
        from: one.from,
        until: one.until,
        tone: Some(one.tone),
        title: format!(
            "attempt {}: {} {took}, from {from}",
            one.number,
            one.tone.word()
        ),
    }
}
