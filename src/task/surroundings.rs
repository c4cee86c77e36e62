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
        self.template_in(text, &self.scope.clone())
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
        self.checked(parsed, text, &self.scope.clone())
    }

    /// As [`expression`](Self::expression), with other names in scope.
    pub fn expression_in(&mut self, text: &Spanned<String>, scope: &Shape) -> Option<Template> {
        let parsed = Template::expression(&text.value);
        self.checked(parsed, text, scope)
    }

    fn checked(
        &mut self,
        parsed: Result<Template, crate::template::TemplateError>,
        text: &Spanned<String>,
        scope: &Shape,
    ) -> Option<Template> {
        // A quoted text begins one byte after its span; a block text isn't its source's bytes, so
        // that only the whole of it can be shown.
        let place = |range: Option<std::ops::Range<usize>>| -> Span {
            let span_length = text.span.range().len();
            let quote = span_length.saturating_sub(text.value.len()) / 2;
            match range {
                Some(range) if span_length <= text.value.len() + 2 => {
                    text.span.slice(range.start + quote..range.end + quote)
                }
                _ => text.span,
            }
        };
        let template = match parsed {
            Ok(template) => template,
            Err(error) => {
                self.report.push(Diagnostic::error(
                    "template-syntax",
                    format!("the template can't be read: {}", error.message),
                    place(error.range),
                ));
                return None;
            }
        };
        let mut known = true;
        for path in template.variables() {
            if path == "tasks" {
                // A name that is no identifier: `tasks["my-task"]`.
                self.reads.extend(self.graph.upstream());
            }
            let problem = match path.strip_prefix("tasks.") {
                Some(rest) => self.check_task_path(rest, place(template.find(&path))),
                None => scope
                    .check(&path)
                    .err()
                    .map(|unknown| unknown_variable(unknown, place(template.find(&path)))),
            };
            if let Some(diagnostic) = problem {
                known = false;
                self.report.push(diagnostic);
            }
        }
        known.then_some(template)
    }

    /// Checks `<task>.outputs…` behind `tasks.`.
    fn check_task_path(&mut self, path: &str, span: Span) -> Option<Diagnostic> {
        let (task, rest) = path.split_once('.').unwrap_or((path, "outputs"));
        if !self.graph.is_upstream(task) {
            return Some(self.not_upstream(task, span, "the outputs"));
        }
        let field = rest.split('.').next().unwrap_or(rest);
        if field == "outputs" {
            self.reads.insert(task.to_owned());
            return None;
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
        let tasks = self.graph.tasks();
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
            return diagnostic
                .label("not declared")
                .help(format!("declare it in the pipeline or the task: `env: {name}`"));
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
