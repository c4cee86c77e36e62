//! What a pipeline says about a script, and what is checked before it runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use schemars::{Schema, json_schema};

use super::interpreter::{INTERPRETERS, Launcher};
use super::results::is_name;
use super::script;
use super::variables::STANDARD;
use crate::document::{Diagnostic, FromNode, Map, Node, OneOrMany, Report, Span, Spanned, Value};
use crate::task::Surroundings;
use crate::template::Template;

crate::record! {
    /// A script, a file or a program to run. A plain text is a script.
    pub struct Definition as "a shell task" {
        /// The script's text. It holds no `{{ … }}`: values come to it through `env`.
        script: Option<Spanned<String>>,
        /// A program and its arguments, run without a shell. Each may hold `{{ … }}`.
        command: Option<Spanned<Vec<Scalar>>>,
        /// A script in a file of the project, run as it is. Its text is pinned with the DAG.
        file: Option<Spanned<String>>,
        /// What runs the script: `sh`, `bash`, `python3` …, or a path to one. Without it, a
        /// file's `#!` line decides, otherwise it is `/bin/sh`.
        shell: Option<Spanned<String>>,
        /// Where it runs, relative to the project. Default: the project's folder.
        directory: Option<Spanned<String>>,
        /// Environment variables, beside those of the runner.
        env: Map<Scalar>,
        /// How long its processes may take to end after SIGTERM, before SIGKILL.
        grace: Duration = "10s" => Duration::from_secs(10),
        /// Exit codes that count as success.
        accept: OneOrMany<ExitCode> = "0" => OneOrMany(vec![ExitCode(0)]),
        /// The exit code that means there was nothing to do: the task counts as skipped.
        skip: Option<Spanned<ExitCode>>,
    }
}

/// A text, or a number or truth value taken as its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar(pub Spanned<String>);

impl FromNode for Scalar {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        let text = match &node.value {
            Value::Text(text) | Value::Number(text) => text.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Null | Value::List(_) | Value::Map(_) => {
                report.expected("a text or a number", node);
                return None;
            }
        };
        Some(Self(Spanned::new(text, node.span)))
    }
    fn schema() -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// What a program leaves when it ends, 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitCode(pub u8);

impl FromNode for ExitCode {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        if let Value::Number(digits) = &node.value
            && let Ok(code) = digits.parse()
        {
            return Some(Self(code));
        }
        report.expected("an exit code from 0 to 255", node);
        None
    }
    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": 255 })
    }
}

/// What to run.
#[derive(Debug)]
pub(super) enum Program {
    Script {
        text: Arc<str>,
        launcher: Launcher,
        /// The file it comes from.
        path: Option<String>,
    },
    Command(Vec<Template>),
}

/// A checked definition.
#[derive(Debug)]
pub struct Shell {
    pub(super) program: Program,
    pub(super) directory: Option<Template>,
    pub(super) env: Vec<(String, Template)>,
    pub(super) grace: Duration,
    pub(super) accept: Vec<u8>,
    pub(super) skip: Option<u8>,
}

/// A text, or the map.
pub(super) fn read(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Shell> {
    let definition = if let Some(text) = node.as_text() {
        Definition {
            span: node.span,
            script: Some(Spanned::new(text.to_owned(), node.span)),
            command: None,
            file: None,
            shell: None,
            directory: None,
            env: Map::default(),
            grace: Duration::from_secs(10),
            accept: OneOrMany(vec![ExitCode(0)]),
            skip: None,
        }
    } else if node.as_map().is_some() {
        Definition::from_node(node, surroundings.report)?
    } else {
        let report = &mut *surroundings.report;
        report.expected("a script or a map with `script`, `command` or `file`", node);
        return None;
    };
    check(&definition, surroundings)
}

pub(super) fn schema() -> Schema {
    json_schema!({ "anyOf": [{ "type": "string" }, Definition::schema()] })
}

fn check(definition: &Definition, surroundings: &mut Surroundings<'_>) -> Option<Shell> {
    let program = program(definition, surroundings);
    let directory = match &definition.directory {
        Some(path) => directory(path, surroundings).map(Some),
        None => Some(None),
    };
    let env = environment(&definition.env, surroundings);
    let accept: Vec<u8> = definition.accept.0.iter().map(|code| code.0).collect();
    let mut valid = true;
    if accept.is_empty() {
        valid = false;
        surroundings.report.push(
            Diagnostic::error("invalid-value", "no exit code is accepted", definition.span)
                .label("`accept` is empty")
                .help("the usual is `accept: 0`"),
        );
    }
    if let Some(skip) = &definition.skip
        && accept.contains(&skip.0)
        && !surroundings.report.is_mended(definition.span)
    {
        valid = false;
        let message = format!("exit code {} means both success and skipped", skip.0);
        surroundings.report.push(
            Diagnostic::error("invalid-value", message, skip.span)
                .label("it is one of `accept`, too")
                .help("take another code for `skip`, such as 99"),
        );
    }
    if !valid {
        return None;
    }
    Some(Shell {
        program: program?,
        directory: directory?,
        env: env?,
        grace: definition.grace,
        accept,
        skip: definition.skip.as_ref().map(|skip| skip.0),
    })
}

fn program(definition: &Definition, surroundings: &mut Surroundings<'_>) -> Option<Program> {
    let Definition {
        script,
        command,
        file,
        span,
        ..
    } = definition;
    let spans: Vec<(&str, Span)> = [
        ("script", script.as_ref().map(|script| script.span)),
        ("command", command.as_ref().map(|command| command.span)),
        ("file", file.as_ref().map(|file| file.span)),
    ]
    .into_iter()
    .filter_map(|(key, span)| span.map(|span| (key, span)))
    .collect();
    match spans.as_slice() {
        [] => {
            surroundings.report.push(
                Diagnostic::error("missing-key", "a shell task needs something to run", *span)
                    .label("add `script:`, `command:` or `file:`"),
            );
            return None;
        }
        [_] => {}
        [(first, place), (second, other), ..] => {
            surroundings.report.push(
                Diagnostic::error(
                    "conflicting-keys",
                    format!("`{first}` and `{second}` can't stand together"),
                    *other,
                )
                .label("one thing to run too many")
                .related(*place, "the first one"),
            );
        }
    }
    // Not known to be right until everything beside it has been looked at, too.
    let shell = match &definition.shell {
        Some(name) => launcher(name, surroundings).map(Some),
        None => Some(None),
    };
    if let Some(script) = script {
        let fine = script::check(script, surroundings);
        let shell = shell?;
        fine.then(|| Program::Script {
            text: script.value.as_str().into(),
            launcher: shell.unwrap_or_else(Launcher::sh),
            path: None,
        })
    } else if let Some(command) = command {
        if let Some(name) = &definition.shell {
            surroundings.report.push(
                Diagnostic::error(
                    "conflicting-keys",
                    "a `command` runs without a shell",
                    name.span,
                )
                .label("leave it out")
                .help("use `script:` for something a shell is to run"),
            );
        }
        if command.value.is_empty() {
            surroundings.report.push(
                Diagnostic::error("invalid-value", "`command` is empty", command.span)
                    .label("expected a program and its arguments"),
            );
            return None;
        }
        let words: Vec<Option<Template>> = command
            .value
            .iter()
            .map(|word| surroundings.template(&word.0))
            .collect();
        words
            .into_iter()
            .collect::<Option<_>>()
            .map(Program::Command)
    } else {
        let path = file.as_ref()?;
        let file = surroundings.code_file(path)?;
        if file.text.contains("\r\n") {
            let message = format!("`{}` has the line ends of Windows", file.path);
            surroundings.report.push(
                Diagnostic::warning("windows-line-ends", message, path.span)
                    .help("a shell takes the carriage return for a part of each line's last word"),
            );
        }
        let launcher = shell?
            .or_else(|| Launcher::of_shebang(&file.text))
            .unwrap_or_else(Launcher::sh);
        Some(Program::Script {
            text: file.text,
            launcher,
            path: Some(file.path),
        })
    }
}

fn launcher(name: &Spanned<String>, surroundings: &mut Surroundings<'_>) -> Option<Launcher> {
    let launcher = Launcher::named(name);
    if launcher.is_none() {
        surroundings.report.push(
            Diagnostic::error(
                "unknown-value",
                format!("unknown shell `{}`", name.value),
                name.span,
            )
            .suggest(name, INTERPRETERS.iter().map(|known| known.name), "shell")
            .help("any other program can run a script as `command: [program, path]`"),
        );
    }
    launcher
}

fn directory(path: &Spanned<String>, surroundings: &mut Surroundings<'_>) -> Option<Template> {
    let template = surroundings.template(path)?;
    if template.is_literal() && !surroundings.project.exists(Path::new(&path.value)) {
        surroundings.report.push(
            Diagnostic::warning(
                "missing-directory",
                format!("directory `{}` doesn't exist", path.value),
                path.span,
            )
            .help("it must exist when the task starts"),
        );
    }
    Some(template)
}

fn environment(
    env: &Map<Scalar>,
    surroundings: &mut Surroundings<'_>,
) -> Option<Vec<(String, Template)>> {
    let read: Vec<Option<(String, Template)>> = env
        .0
        .iter()
        .map(|(name, value)| {
            let template = surroundings.template(&value.0);
            let problem = if !is_name(name) {
                "use letters, digits and `_`, not beginning with a digit"
            } else if STANDARD.contains(&name.as_str()) {
                "the runner sets it itself"
            } else {
                return template.map(|template| (name.value.clone(), template));
            };
            surroundings.report.push(
                Diagnostic::error(
                    "invalid-name",
                    format!("`{}` can't be the name of a variable here", name.value),
                    name.span,
                )
                .label(problem),
            );
            None
        })
        .collect();
    read.into_iter().collect()
}
