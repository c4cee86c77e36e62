//! `on_failure` and `on_success`: tasks of their own, that wait for the end of another or of all.
//!
//! A hook is an ordinary task of the DAG, so that engine, store, recovery and logs know it: it needs
//! what it watches, starts when that has ended however, and is skipped when it ended otherwise. Its
//! own failure is forgiven, so that it never changes how the run ends.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::graph::Graph;
use super::include::Tasks;
use super::pipeline::{Ending, Hook, PipelineRecord};
use crate::document::{Diagnostic, Entry, Node, Report, Span, Spanned, Value, read_map};
use crate::model::{TaskIndex, TriggerRule};
use crate::task::KINDS;
use crate::template::Shape;

/// The keys of a task that a hook doesn't have: they say when it runs and what follows.
pub const NOT_IN_A_HOOK: &[&str] = &[
    "needs",
    "when",
    "foreach",
    "concurrency",
    "continue_on_failure",
    "on_failure",
    "on_success",
];

const ENDINGS: &[(&str, Ending)] = &[
    ("on_failure", Ending::Failure),
    ("on_success", Ending::Success),
];

/// A hook that isn't a task yet.
#[derive(Debug, Clone)]
pub struct HookHead {
    pub on: Ending,
    /// The task that it watches; all of them without one.
    pub of: Option<String>,
}

/// The hooks of a pipeline, by the names of their tasks.
pub type Hooks = HashMap<String, HookHead>;

/// Adds the hooks of tasks and of the pipeline to its tasks.
pub fn with_hooks<'a>(
    mut tasks: Tasks<'a>,
    record: &PipelineRecord,
    report: &mut Report,
) -> (Tasks<'a>, Hooks) {
    let mut hooks = Hooks::new();
    let mut added: Tasks<'a> = Vec::new();
    let known: HashSet<&str> = tasks.iter().map(|(task, _)| task.as_str()).collect();
    let mut add = |key: Span, body: &Node, head: HookHead, needs: Vec<Spanned<String>>| {
        let word = word(head.on);
        let name = match &head.of {
            Some(task) => format!("{task}-{word}"),
            None => word.to_owned(),
        };
        if known.contains(name.as_str()) {
            report.push(
                Diagnostic::error(
                    "duplicate-key",
                    format!("`{word}` is carried out as task `{name}`, which there is already"),
                    key,
                )
                .help("give the other task another name"),
            );
            return;
        }
        if let Some(node) = task_of(body, key, word, &needs, report) {
            added.push((Spanned::new(name.clone(), key), Cow::Owned(node)));
            hooks.insert(name, head);
        }
    };
    for (task, node) in &tasks {
        for entry in node.as_map().unwrap_or_default() {
            let Some((_, on)) = ENDINGS.iter().find(|(word, _)| *word == &*entry.key.value) else {
                continue;
            };
            let head = HookHead {
                on: *on,
                of: Some(task.value.clone()),
            };
            add(entry.key.span, &entry.value, head, vec![task.clone()]);
        }
    }
    for (_, on) in ENDINGS {
        let body = match on {
            Ending::Failure => &record.on_failure,
            Ending::Success => &record.on_success,
        };
        if let Some(body) = body {
            let all = tasks.iter().map(|(task, _)| task.clone()).collect();
            let head = HookHead { on: *on, of: None };
            add(body.span, body, head, all);
        }
    }
    tasks.append(&mut added);
    (tasks, hooks)
}

fn word(on: Ending) -> &'static str {
    match on {
        Ending::Failure => "on_failure",
        Ending::Success => "on_success",
    }
}

/// The hook as a task.
fn task_of(
    body: &Node,
    key: Span,
    word: &str,
    needs: &[Spanned<String>],
    report: &mut Report,
) -> Option<Node> {
    let own = read_map(body, report)?;
    let mut fine = true;
    for entry in own {
        let name = &*entry.key.value;
        if NOT_IN_A_HOOK.contains(&name) {
            fine = false;
            report.push(
                Diagnostic::error(
                    "conflicting-keys",
                    format!("`{name}` has no place in `{word}`"),
                    entry.key.span,
                )
                .label("remove it")
                .help(format!(
                    "`{word}` is one action that comes behind; a task with `needs` and `when` can do more"
                )),
            );
        }
    }
    let is_kind = |entry: &Entry| KINDS.iter().any(|kind| kind.name == &*entry.key.value);
    if own.is_empty() {
        fine = false;
        let kinds: Vec<String> = KINDS
            .iter()
            .map(|kind| format!("`{}`", kind.name))
            .collect();
        report.push(
            Diagnostic::error("missing-key", format!("`{word}` does nothing"), key)
                .label("add what is to be done")
                .help(format!("one of {}", kinds.join(", "))),
        );
    } else if !own.iter().any(is_kind) && own.iter().all(|entry| is_known(&entry.key.value)) {
        fine = false;
        report.push(
            Diagnostic::error("missing-key", format!("`{word}` does nothing"), key)
                .label("add a kind of task, such as `notify:`"),
        );
    }
    let text = |text: &str, span: Span| Node {
        value: Value::Text(text.into()),
        span,
    };
    let entry = |name: &str, value: Node| Entry {
        key: Spanned::new(name.into(), key),
        value,
    };
    let needs = needs.iter().map(|need| text(need, key)).collect();
    let needs = Node {
        value: Value::List(needs),
        span: key,
    };
    let rule = TriggerRule::ALL
        .iter()
        .find(|(_, rule)| *rule == TriggerRule::AllDone);
    let rule = rule.map_or("", |(word, _)| *word);
    let mut entries = own.to_vec();
    entries.push(entry("needs", needs));
    entries.push(entry("when", text(rule, key)));
    fine.then_some(Node {
        value: Value::Map(entries),
        span: body.span,
    })
}

fn is_known(key: &str) -> bool {
    super::task::TaskRecord::KEYS.contains(&key)
}

impl HookHead {
    /// What its templates see beside what every task does: `task`, and `failed` for all.
    pub fn scope(&self, scope: Shape) -> Shape {
        let names = |names: &[&str]| {
            let names = names.iter();
            names.fold(Shape::empty(), |shape, name| shape.with(name, Shape::Any))
        };
        match (self.on, &self.of) {
            (Ending::Failure, Some(_)) => scope.with("task", names(&["id", "error"])),
            (Ending::Success, Some(_)) => scope.with("task", names(&["id"])),
            (Ending::Failure, None) => scope
                .with("task", names(&["id", "error"]))
                .with("failed", Shape::Any),
            (Ending::Success, None) => scope,
        }
    }

    /// The hook with the place of what it watches.
    pub fn resolve(&self, graph: &Graph, place: &[TaskIndex]) -> Hook {
        let of = self.of.as_ref().and_then(|name| graph.place(name));
        Hook {
            on: self.on,
            of: of.map(|at| place[at]),
        }
    }
}
