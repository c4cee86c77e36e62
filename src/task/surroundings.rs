//! What a task is read in: the project around it, and what its templates may name.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::connection::Dialect;
use crate::document::{Diagnostic, Node, Report, SourceId, Span, Spanned, Value, nearest};
use crate::model::{ConnectionId, TaskId};
use crate::template::{Shape, Template, TemplateValue, Unknown};

/// What a task may ask of the project it is in.
pub trait ProjectView {
    /// The kind of a connection, such as `postgres`.
    fn connection_kind(&self, name: &str) -> Option<&'static str>;
    /// The SQL that a connection speaks, when it is a database.
    fn dialect(&self, name: &str) -> Option<Dialect>;
    /// All names of connections.
    fn connection_names(&self) -> Vec<&str>;
    /// Whether a connection has mistakes, so that its kind may be unknown.
    fn is_broken_connection(&self, _name: &str) -> bool {
        false
    }
    /// Reads a file that is part of the pipeline's definition (SQL, a script). Its text is pinned
    /// with the DAG's version, so that a run in flight never sees an edit.
    ///
    /// # Errors
    /// Why it can't be read.
    fn read_code(&mut self, path: &Path) -> Result<(SourceId, Arc<str>), String>;
    /// The text behind the spans of a source, where it is known.
    fn source_text(&self, _source: SourceId) -> Option<Arc<str>> {
        None
    }
    /// Whether a file of the project exists now.
    fn exists(&self, path: &Path) -> bool;
    /// Files in the same folder, for "did you mean".
    fn siblings(&self, path: &Path) -> Vec<String>;
}

/// The tasks around a task.
pub trait GraphView {
    /// Whether the DAG has such a task.
    fn is_task(&self, name: &str) -> bool;
    /// Whether it comes before this one, through any number of `needs`.
    fn is_upstream(&self, name: &str) -> bool;
    /// Whether the task runs for each item of a `foreach`.
    fn is_foreach(&self, _name: &str) -> bool {
        false
    }
    /// The names of all tasks that come before this one.
    fn upstream(&self) -> Vec<String>;
    /// The names of all tasks.
    fn tasks(&self) -> Vec<String>;
}

/// A file that belongs to the pipeline's definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeFile {
    /// As the pipeline spells it, relative to the project.
    pub path: String,
    /// Where its diagnostics stand.
    pub source: SourceId,
    pub text: Arc<str>,
}

/// What a task is read in.
pub struct Surroundings<'a> {
    pub report: &'a mut Report,
    pub project: &'a mut dyn ProjectView,
    /// The task itself.
    pub task: &'a TaskId,
    /// The names that its templates may use; `tasks` is looked up in `graph`.
    pub scope: &'a Shape,
    /// The DAG's parameters: `:name` in SQL.
    pub params: &'a [String],
    pub graph: &'a dyn GraphView,
    /// Filled while reading: the tasks whose outputs or datasets this one reads.
    pub reads: BTreeSet<String>,
}

impl Surroundings<'_> {
    /// Checks a template's syntax and that every variable exists.
    pub fn template(&mut self, text: &Spanned<String>) -> Option<Template> {
        self.template_in(text, self.scope)
    }

    /// As [`template`](Self::template), with other names in scope.
    pub fn template_in(&mut self, text: &Spanned<String>, scope: &Shape) -> Option<Template> {
        let parsed = Template::parse(&text.value);
        self.checked(parsed, text, scope)
    }

    /// Checks every template in a value of any shape.
    pub fn template_value(&mut self, node: &Node) -> Option<TemplateValue> {
        match &node.value {
            Value::Text(text) => {
                let template = self.template(&Spanned::new(text.to_string(), node.span))?;
                Some(if template.is_literal() {
                    TemplateValue::Literal(node.to_json())
                } else {
                    TemplateValue::Template(template)
                })
            }
            Value::List(items) => {
                let items: Vec<_> = items.iter().map(|item| self.template_value(item)).collect();
                items
                    .into_iter()
                    .collect::<Option<_>>()
                    .map(TemplateValue::List)
            }
            Value::Map(entries) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|entry| {
                        let value = self.template_value(&entry.value)?;
                        Some((entry.key.to_string(), value))
                    })
                    .collect();
                entries
                    .into_iter()
                    .collect::<Option<_>>()
                    .map(TemplateValue::Map)
            }
            _ => Some(TemplateValue::Literal(node.to_json())),
        }
    }

    /// Checks an expression without braces, as in `if:`.
    pub fn expression(&mut self, text: &Spanned<String>) -> Option<Template> {
        let parsed = Template::expression(&text.value);
        self.checked(parsed, text, self.scope)
    }

    /// As [`expression`](Self::expression), with other names in scope.
    pub fn expression_in(&mut self, text: &Spanned<String>, scope: &Shape) -> Option<Template> {
        let parsed = Template::expression(&text.value);
        self.checked(parsed, text, scope)
    }

    /// The place in its file of a part of a text, whatever the notation of the text: the whole of
    /// it when that isn't known.
    #[must_use]
    pub fn place(&self, text: &Spanned<String>, part: std::ops::Range<usize>) -> Span {
        let source = self.project.source_text(text.span.source);
        place_of(text, source.as_deref(), &part)
    }

    fn place_or_whole(&self, text: &Spanned<String>, part: Option<std::ops::Range<usize>>) -> Span {
        part.map_or(text.span, |part| self.place(text, part))
    }

    fn checked(
        &mut self,
        parsed: Result<Template, crate::template::TemplateError>,
        text: &Spanned<String>,
        scope: &Shape,
    ) -> Option<Template> {
        let template = match parsed {
            Ok(template) => template,
            Err(error) => {
                let message = if error.message.starts_with("there is no") {
                    error.message
                } else {
                    format!("the template can't be read: {}", error.message)
                };
                let span = self.place_or_whole(text, error.range);
                self.report
                    .push(Diagnostic::error("template-syntax", message, span));
                return None;
            }
        };
        let mut known = true;
        for path in template.variables() {
            if path == "tasks" {
                // A name that is no identifier: `tasks["my-task"]`.
                self.reads.extend(self.graph.upstream());
            }
            let found = template.find(&path);
            let problem = match path.strip_prefix("tasks.") {
                Some(rest) => self.check_task_path(rest, text, found),
                None => scope.check(&path).err().map(|unknown| {
                    let end = found.as_ref().map_or(0, |range| range.end);
                    let called = text.value[end..].trim_start().starts_with('(');
                    let span = self.place_or_whole(text, found);
                    if called && !path.contains('.') {
                        return unknown_function(&path, span);
                    }
                    unknown_variable(unknown, span)
                }),
            };
            if let Some(diagnostic) = problem {
                known = false;
                self.report.push(diagnostic);
            }
        }
        known.then_some(template)
    }

    /// Checks `<task>.outputs…` behind `tasks.`.
    fn check_task_path(
        &mut self,
        path: &str,
        text: &Spanned<String>,
        found: Option<std::ops::Range<usize>>,
    ) -> Option<Diagnostic> {
        let (task, rest) = path.split_once('.').unwrap_or((path, "outputs"));
        let upstream = self.graph.is_upstream(task);
        let field = rest.split('.').next().unwrap_or(rest);
        let mut below = rest.split('.').skip(1);
        if upstream && field == "outputs" {
            self.reads.insert(task.to_owned());
            let below = below.next().filter(|_| self.graph.is_foreach(task))?;
            return Some(
                Diagnostic::error(
                    "unknown-variable",
                    format!("the outputs of `{task}` are a list: it runs for each item"),
                    self.place_or_whole(text, found),
                )
                .label(format!("`{below}` of which item?"))
                .help(format!(
                    "of the first: `tasks.{task}.outputs[0].{below}`; of all: \
                     `tasks.{task}.outputs | map(attribute=\"{below}\")`"
                )),
            );
        }
        let span = self.place_or_whole(text, found);
        if !upstream {
            return Some(self.not_upstream(task, span, "the outputs"));
        }
        Some(
            Diagnostic::error(
                "unknown-variable",
                format!("`tasks.{task}.{field}` doesn't exist"),
                span,
            )
            .label(format!("did you mean `tasks.{task}.outputs`?")),
        )
    }

    fn not_upstream(&self, name: &str, span: Span, what: &str) -> Diagnostic {
        if self.graph.is_task(name) {
            return Diagnostic::error(
                "not-upstream",
                format!(
                    "task `{}` reads {what} of `{name}`, but doesn't need it",
                    self.task
                ),
                span,
            )
            .label(format!("add `needs: {name}`"));
        }
        let tasks = if self.report.is_long() {
            Vec::new()
        } else {
            self.graph.tasks()
        };
        Diagnostic::error("unknown-task", format!("task `{name}` doesn't exist"), span).suggest(
            name,
            tasks.iter().map(String::as_str),
            "task",
        )
    }

    /// Checks that a connection exists and is one of `kinds`.
    pub fn connection(&mut self, name: &Spanned<String>, kinds: &[&str]) -> Option<ConnectionId> {
        let Some(kind) = self.project.connection_kind(name) else {
            if self.project.is_broken_connection(name) {
                return None;
            }
            let known = self.project.connection_names();
            let mut diagnostic = Diagnostic::error(
                "unknown-connection",
                format!("connection `{}` doesn't exist", name.value),
                name.span,
            );
            diagnostic = if known.is_empty() {
                diagnostic.help("add it under `connections:` in runner.yaml")
            } else {
                diagnostic.suggest(name, known, "connection")
            };
            self.report.push(diagnostic);
            return None;
        };
        if !kinds.contains(&kind) {
            let kinds: Vec<String> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
            self.report.push(
                Diagnostic::error(
                    "wrong-connection",
                    format!("connection `{}` is a `{kind}`", name.value),
                    name.span,
                )
                .label(format!("expected {}", kinds.join(" or "))),
            );
            return None;
        }
        ConnectionId::new(name).ok()
    }

    /// Reads a file that belongs to the definition: SQL, a script.
    pub fn code_file(&mut self, path: &Spanned<String>) -> Option<CodeFile> {
        match self.project.read_code(Path::new(&path.value)) {
            Ok((source, text)) => Some(CodeFile {
                path: path.value.clone(),
                source,
                text,
            }),
            Err(reason) => {
                let siblings = self.project.siblings(Path::new(&path.value));
                self.report.push(unreadable(path, &reason, &siblings));
                None
            }
        }
    }

    /// Checks that a task whose dataset is read comes before this one.
    pub fn dataset(&mut self, name: &Spanned<String>) -> Option<TaskId> {
        if self.graph.is_upstream(name) {
            self.reads.insert(name.value.clone());
            return TaskId::new(name).ok();
        }
        let diagnostic = self.not_upstream(name, name.span, "the dataset");
        self.report.push(diagnostic);
        None
    }
}

/// A file that a pipeline names and that can't be read; `siblings` are the files beside it.
#[must_use]
pub fn unreadable(path: &Spanned<String>, reason: &str, siblings: &[String]) -> Diagnostic {
    let diagnostic = Diagnostic::error(
        "unreadable-file",
        format!("`{}` can't be read: {reason}", path.value),
        path.span,
    );
    let others = siblings.iter().map(String::as_str);
    match nearest(&path.value, others.filter(|other| *other != path.value)) {
        Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
        None => diagnostic.help("paths are relative to the folder of runner.yaml"),
    }
}

fn unknown_function(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        "unknown-variable",
        format!("there is no function `{name}`"),
        span,
    )
    .suggest(name, ["debug", "dict", "namespace", "range"], "function")
    .help("most are filters: `{{ value | length }}`")
}

fn unknown_variable(unknown: Unknown, span: Span) -> Diagnostic {
    let Unknown {
        path,
        known,
        nearest,
    } = unknown;
    let diagnostic = Diagnostic::error(
        "unknown-variable",
        format!("`{path}` doesn't exist here"),
        span,
    );
    if path == "item" {
        return diagnostic
            .label("only tasks with `foreach` have items")
            .help("add `foreach:` to the task; in `foreach:` itself there is no item yet");
    }
    if let Some(near) = nearest {
        return diagnostic.label(format!("did you mean `{near}`?"));
    }
    let parent = path.rsplit_once('.').map(|(parent, _)| parent);
    match parent {
        Some("env") => {
            let name = path.rsplit('.').next().unwrap_or_default();
            return diagnostic.label("not declared").help(format!(
                "declare it in the pipeline or the task: `env: {name}`"
            ));
        }
        Some("params") if known.is_empty() => {
            return diagnostic
                .label("the pipeline has no parameters")
                .help("add it under `params:`");
        }
        _ => {}
    }
    let names: Vec<String> = known
        .iter()
        .map(|name| match parent {
            Some(parent) => format!("`{parent}.{name}`"),
            None => format!("`{name}`"),
        })
        .collect();
    diagnostic.help(format!("known here: {}", names.join(", ")))
}

/// Where a part of a text stands in the document it is in: the whole of it when that isn't known.
pub(super) fn place_of(
    text: &Spanned<String>,
    document: Option<&str>,
    part: &std::ops::Range<usize>,
) -> Span {
    let spelled = document.and_then(|all| all.get(text.span.range()));
    match spelled.and_then(|spelled| place_in(spelled, &text.value, part)) {
        Some(found) => text.span.slice(found),
        None => text.span,
    }
}

/// Where a part of a text stands in its spelling: plain, in quotes without escapes, or as an
/// indented block.
fn place_in(
    spelled: &str,
    text: &str,
    part: &std::ops::Range<usize>,
) -> Option<std::ops::Range<usize>> {
    if let Some(start) = spelled.find(text.trim_end()) {
        return Some(start + part.start..start + part.end);
    }
    // For each line of the text the offsets of its beginning in the text and in the spelling.
    let mut lines: Vec<(usize, usize)> = Vec::new();
    let (mut at, mut spelled_at) = (0, 0);
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches('\n');
        loop {
            let rest = &spelled[spelled_at..];
            if rest.is_empty() {
                return None;
            }
            let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
            let found = rest[..length].trim_end_matches(['\n', '\r']);
            let start = spelled_at;
            spelled_at += length;
            let indent = found
                .strip_suffix(content)
                .filter(|indent| indent.trim().is_empty());
            if let Some(indent) = indent {
                lines.push((at, start + indent.len()));
                break;
            }
            // Only the block's header may come before the first line.
            if !lines.is_empty() {
                return None;
            }
        }
        at += line.len();
    }
    let place = |offset: usize| {
        let line = lines
            .partition_point(|(start, _)| *start <= offset)
            .checked_sub(1)?;
        let (start, spelled) = lines[line];
        Some(spelled + (offset - start))
    };
    Some(place(part.start)?..place(part.end)?)
}

#[cfg(test)]
mod tests {
    use super::place_in;

    #[test]
    fn parts_are_found_in_every_notation() {
        for (spelled, text, part, expected) in [
            ("select x", "select x", "x", Some("x")),
            ("\"select x\"", "select x", "x", Some("x")),
            (
                "|\n    select 1;\n\n      select x\n",
                "select 1;\n\n  select x\n",
                "x",
                Some("x"),
            ),
            (">\n  select\n  x\n", "select x\n", "x", None),
            ("\"a\\tx\"", "a\tx", "x", None),
        ] {
            let start = text.rfind(part).unwrap();
            let found = place_in(spelled, text, &(start..start + part.len()));
            assert_eq!(found.map(|range| &spelled[range]), expected, "{spelled}");
        }
    }
}
