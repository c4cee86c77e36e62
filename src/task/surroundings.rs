//! What a task is read in: the project around it, and what its templates may name.

mod place;
mod unknown;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

pub(super) use self::place::place_of;
use self::unknown::{unknown_function, unknown_variable};
use crate::connection::Dialect;
use crate::document::{Diagnostic, Node, Report, SourceId, Span, Spanned, Value, nearest};
use crate::model::{ConnectionId, TaskId};
use crate::template::{Shape, Template, TemplateValue};

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
