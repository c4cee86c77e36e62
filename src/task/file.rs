//! Work on files: copy, move, delete, list, wait, pack and write.

mod act;
mod list;
mod packing;
mod wait;

use std::time::Duration;

use async_trait::async_trait;
use schemars::Schema;

use super::{AttemptContext, Surroundings, Task, TaskFailure, TaskKind, TaskOutput, TaskResult};
use crate::data::Compression;
use crate::document::{Diagnostic, FromNode, Node, Spanned, read_map, refuse_unknown_keys};
use crate::template::Template;

pub(super) const KIND: TaskKind = TaskKind {
    name: "file",
    doc: "Does one thing with files: `copy`, `move`, `delete`, `list`, `wait_for`, `compress`, \
`decompress` or `write`. Paths are relative to the project's folder; a path may be a pattern such \
as `in/*.csv`, and `to` is a folder when it ends with `/` or when there are several files. New \
files appear when they are complete, and a second attempt finds what the first one has done.",
    example: include_str!("file/example.yaml"),
    schema,
    parse,
};

crate::record! {
    /// Copies or moves files.
    struct FromTo as "this" {
        /// A file or a pattern of files.
        from: Spanned<String>,
        /// The new file, or a folder for the files under their own names.
        to: Spanned<String>,
    }
}

crate::record! {
    /// Packs or unpacks files.
    struct Pack as "this" {
        /// A file or a pattern of files.
        from: Spanned<String>,
        /// The new file, or a folder. Beside the old one when left out, with or without `.gz` or `.zst`.
        to: Option<Spanned<String>>,
        /// `gzip` or `zstd`. What the extension of the packed file says when left out, otherwise gzip.
        format: Option<Compression>,
        /// Whether the old files stay.
        keep: bool = "true" => true,
    }
}

crate::record! {
    /// Waits for a file.
    struct WaitFor as "a `wait_for`" {
        /// A file or a pattern; one that matches is enough.
        path: Spanned<String>,
        /// How often it is looked at. The size has to be the same twice in a row.
        every: Duration = "1s" => Duration::from_secs(1),
    }
}

crate::record! {
    /// Writes a text.
    struct Write as "a `write`" {
        /// The file.
        path: Spanned<String>,
        /// Its text, with templates.
        text: Spanned<String>,
    }
}

/// A verb, what it does, and the shape of what stands behind it.
type Verb = (&'static str, &'static str, fn() -> Schema);

const VERBS: &[Verb] = &[
    ("copy", "Copies files.", FromTo::schema),
    (
        "move",
        "Moves files; across file systems, too.",
        FromTo::schema,
    ),
    (
        "delete",
        "Deletes the files of a path or a pattern. That there are none is no mistake.",
        <String as FromNode>::schema,
    ),
    (
        "list",
        "Lists the files of a path or a pattern into the task's dataset: `path`, `bytes`, `modified`.",
        <String as FromNode>::schema,
    ),
    (
        "wait_for",
        "Waits until a file is there and has stopped growing: a path, or `path` and `every`. The task's `timeout` ends it.",
        wait_schema,
    ),
    ("compress", "Packs files.", Pack::schema),
    ("decompress", "Unpacks files.", Pack::schema),
    ("write", "Writes a text into a file.", Write::schema),
];

fn wait_schema() -> Schema {
    schemars::json_schema!({ "anyOf": [{ "type": "string" }, WaitFor::schema()] })
}

fn schema() -> Schema {
    let mut properties = serde_json::Map::new();
    for (name, doc, schema) in VERBS {
        let mut schema = schema();
        let object = schema.ensure_object();
        object.insert("description".to_owned(), (*doc).into());
        properties.insert((*name).to_owned(), schema.to_value());
    }
    schemars::json_schema!({
        "type": "object",
        "description": "Work on files: one of these.",
        "properties": properties,
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": false,
    })
}

/// A checked piece of work.
#[derive(Debug)]
enum FileTask {
    Copy { from: Template, to: Template },
    Move { from: Template, to: Template },
    Delete(Template),
    List(Template),
    WaitFor { path: Template, every: Duration },
    Pack(packing::Packing),
    Write { path: Template, text: Template },
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Task>> {
    let entries = read_map(node, surroundings.report)?;
    let names: Vec<&str> = VERBS.iter().map(|(name, ..)| *name).collect();
    let corrected = refuse_unknown_keys(entries, &names, "a file task", surroundings.report);
    let verbs: Vec<_> = corrected
        .iter()
        .filter(|entry| names.contains(&&*entry.key.value))
        .collect();
    let [entry] = verbs.as_slice() else {
        // An unknown key, which has been reported, was meant to be it.
        if verbs.is_empty() && !entries.is_empty() {
            return None;
        }
        let list: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        surroundings.report.push(
            Diagnostic::error(
                "not-one-verb",
                format!("a file task does one thing, this one has {}", verbs.len()),
                verbs.get(1).map_or(node.span, |second| second.key.span),
            )
            .help(format!("use one of {}", list.join(", "))),
        );
        return None;
    };
    let task = match &*entry.key.value {
        verb @ ("copy" | "move") => {
            let FromTo { from, to, .. } = FromTo::from_node(&entry.value, surroundings.report)?;
            let (from, to) = (path(&from, surroundings), path(&to, surroundings));
            let (from, to) = (from?, to?);
            match verb {
                "copy" => FileTask::Copy { from, to },
                _ => FileTask::Move { from, to },
            }
        }
        verb @ ("delete" | "list") => {
            let text: Spanned<String> = FromNode::from_node(&entry.value, surroundings.report)?;
            let path = path(&text, surroundings)?;
            match verb {
                "delete" => FileTask::Delete(path),
                _ => FileTask::List(path),
            }
        }
        "wait_for" => {
            let wait = match entry.value.as_text() {
                Some(text) => WaitFor {
                    span: entry.value.span,
                    path: Spanned::new(text.to_owned(), entry.value.span),
                    every: Duration::from_secs(1),
                },
                None => WaitFor::from_node(&entry.value, surroundings.report)?,
            };
            FileTask::WaitFor {
                path: path(&wait.path, surroundings)?,
                every: wait.every.max(Duration::from_millis(10)),
            }
        }
        verb @ ("compress" | "decompress") => {
            let pack = Pack::from_node(&entry.value, surroundings.report)?;
            if pack.format == Some(Compression::None) {
                surroundings.report.push(
                    Diagnostic::error("unknown-value", "`none` packs nothing", pack.span)
                        .help("use `gzip` or `zstd`"),
                );
            }
            let to = match &pack.to {
                Some(to) => Some(path(to, surroundings)?),
                None => None,
            };
            FileTask::Pack(packing::Packing {
                from: path(&pack.from, surroundings)?,
                to,
                format: pack.format,
                keep: pack.keep,
                unpack: verb == "decompress",
            })
        }
        "write" => {
            let write = Write::from_node(&entry.value, surroundings.report)?;
            let text = surroundings.template(&write.text);
            FileTask::Write {
                path: path(&write.path, surroundings)?,
                text: text?,
            }
        }
        other => {
            surroundings.report.push(
                Diagnostic::error(
                    "unknown-key",
                    format!("unknown key `{other}` in a `file` task"),
                    entry.key.span,
                )
                .suggest(other, names, "verb"),
            );
            return None;
        }
    };
    Some(Box::new(task))
}

/// A path, with a note when it leads out of the project: that is allowed, but such a pipeline
/// doesn't run anywhere.
fn path(text: &Spanned<String>, surroundings: &mut Surroundings<'_>) -> Option<Template> {
    let steps = std::path::Path::new(&text.value).components();
    let outside = text.starts_with('/')
        || steps
            .clone()
            .any(|step| step == std::path::Component::ParentDir);
    if outside {
        surroundings.report.push(Diagnostic {
            severity: crate::document::Severity::Note,
            ..Diagnostic::error(
                "outside-path",
                format!("`{}` leads out of the project's folder", text.value),
                text.span,
            )
        });
    }
    if text.trim().is_empty() {
        surroundings.report.push(Diagnostic::error(
            "invalid-value",
            "the path is empty",
            text.span,
        ));
        return None;
    }
    surroundings.template(text)
}

#[async_trait]
impl Task for FileTask {
    async fn run(&self, attempt: &AttemptContext) -> TaskResult {
        match self {
            Self::List(path) => list::run(path, attempt).await,
            Self::WaitFor { path, every } => wait::run(path, *every, attempt).await,
            Self::Copy { from, to } => {
                let (from, to) = (from.render(&attempt.scope)?, to.render(&attempt.scope)?);
                blocking(attempt, move |work| work.copy(&from, &to)).await
            }
            Self::Move { from, to } => {
                let (from, to) = (from.render(&attempt.scope)?, to.render(&attempt.scope)?);
                blocking(attempt, move |work| work.rename(&from, &to)).await
            }
            Self::Delete(path) => {
                let path = path.render(&attempt.scope)?;
                blocking(attempt, move |work| work.delete(&path)).await
            }
            Self::Write { path, text } => {
                let (path, text) = (path.render(&attempt.scope)?, text.render(&attempt.scope)?);
                blocking(attempt, move |work| work.write(&path, text.as_bytes())).await
            }
            Self::Pack(packing) => {
                let from = packing.from.render(&attempt.scope)?;
                let to = match &packing.to {
                    Some(to) => Some(to.render(&attempt.scope)?),
                    None => None,
                };
                let (format, keep, unpack) = (packing.format, packing.keep, packing.unpack);
                blocking(attempt, move |work| {
                    work.pack(&from, to.as_deref(), format, keep, unpack)
                })
                .await
            }
        }
    }
}

/// Does the work on a thread where it may wait for the disk.
async fn blocking(
    attempt: &AttemptContext,
    run: impl FnOnce(&mut act::Work) -> Result<(), TaskFailure> + Send + 'static,
) -> TaskResult {
    let mut work = act::Work::new(attempt);
    let done = tokio::task::spawn_blocking(move || {
        let done = run(&mut work);
        done.map(|()| work)
    });
    let work = done
        .await
        .map_err(|error| TaskFailure::retryable(error.to_string()))??;
    attempt.log.info(work.summary());
    Ok(TaskOutput {
        metrics: work.metrics(),
        outputs: work.outputs(),
        ..TaskOutput::default()
    })
}
