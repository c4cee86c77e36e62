//! Work on files: copy, move, delete, list, wait, pack and write.

mod act;
mod between;
mod bytes;
mod list;
mod packing;
mod place;
mod wait;

use std::time::Duration;

use async_trait::async_trait;
use schemars::Schema;

use self::bytes::Coding;
use self::place::{Place, RawPlace};
use super::{AttemptContext, Surroundings, Task, TaskFailure, TaskKind, TaskOutput, TaskResult};
use crate::data::Compression;
use crate::document::{Diagnostic, FromNode, Node, Spanned, read_map, refuse_unknown_keys};
use crate::template::Template;

pub(super) const KIND: TaskKind = TaskKind {
    name: "file",
    doc: "Does one thing with files: `copy`, `move`, `delete`, `list`, `wait_for`, `compress`, \
`decompress` or `write`. Paths are relative to the project's folder; a path may be a pattern such \
as `in/*.csv`, and `to` is a folder when it ends with `/` or when there are several files. In \
place of a path, `{ connection: lake, file: raw/x.csv }` is one of a bucket. New files appear when \
they are complete, and a second attempt finds what the first one has done.",
    example: include_str!("file/example.yaml"),
    schema,
    parse,
};

crate::record! {
    /// Copies or moves files.
    struct FromTo as "this" {
        /// A file or a pattern of files.
        from: RawPlace,
        /// The new file, or a folder for the files under their own names.
        to: RawPlace,
    }
}

crate::record! {
    /// Packs or unpacks files.
    struct Pack as "this" {
        /// A file or a pattern of files.
        from: RawPlace,
        /// The new file, or a folder. Beside the old one when left out, with or without `.gz` or `.zst`.
        to: Option<RawPlace>,
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
        path: RawPlace,
        /// How often it is looked at. The size has to be the same twice in a row.
        every: Duration = "1s" => Duration::from_secs(1),
    }
}

crate::record! {
    /// Writes a text.
    struct Write as "a `write`" {
        /// The file.
        path: RawPlace,
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
        <RawPlace as FromNode>::schema,
    ),
    (
        "list",
        "Lists the files of a path or a pattern into the task's dataset: `path`, `bytes`, `modified`.",
        <RawPlace as FromNode>::schema,
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
    schemars::json_schema!({ "anyOf": [RawPlace::schema(), WaitFor::schema()] })
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
    Copy { from: Place, to: Place },
    Move { from: Place, to: Place },
    Delete(Place),
    List(Place),
    WaitFor { path: Place, every: Duration },
    Pack(packing::Packing),
    Write { path: Place, text: Template },
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
            let (from, to) = (
                Place::read(&from, surroundings),
                Place::read(&to, surroundings),
            );
            let (from, to) = (from?, to?);
            match verb {
                "copy" => FileTask::Copy { from, to },
                _ => FileTask::Move { from, to },
            }
        }
        verb @ ("delete" | "list") => {
            let place = RawPlace::from_node(&entry.value, surroundings.report)?;
            let path = Place::read(&place, surroundings)?;
            match verb {
                "delete" => FileTask::Delete(path),
                _ => FileTask::List(path),
            }
        }
        "wait_for" => {
            let alone = entry.value.as_text().is_some() || entry.value.get("connection").is_some();
            let wait = if alone {
                WaitFor {
                    span: entry.value.span,
                    path: RawPlace::from_node(&entry.value, surroundings.report)?,
                    every: Duration::from_secs(1),
                }
            } else {
                WaitFor::from_node(&entry.value, surroundings.report)?
            };
            FileTask::WaitFor {
                path: Place::read(&wait.path, surroundings)?,
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
                Some(to) => Some(Place::read(to, surroundings)?),
                None => None,
            };
            FileTask::Pack(packing::Packing {
                from: Place::read(&pack.from, surroundings)?,
                to,
                coding: Coding {
                    format: pack.format,
                    unpack: verb == "decompress",
                },
                keep: pack.keep,
            })
        }
        "write" => {
            let write = Write::from_node(&entry.value, surroundings.report)?;
            let text = surroundings.template(&write.text);
            FileTask::Write {
                path: Place::read(&write.path, surroundings)?,
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

#[async_trait]
impl Task for FileTask {
    async fn run(&self, attempt: &AttemptContext) -> TaskResult {
        match self {
            Self::List(path) => list::run(path, attempt).await,
            Self::WaitFor { path, every } => wait::run(path, *every, attempt).await,
            Self::Copy { from, to } => {
                let (from, to) = (from.find(attempt)?, to.find(attempt)?);
                blocking(attempt, move |work| {
                    match (&from.connection, &to.connection) {
                        (None, None) => work.copy(&from.path, &to.path),
                        _ => work.transfer(&from, &to, true),
                    }
                })
                .await
            }
            Self::Move { from, to } => {
                let (from, to) = (from.find(attempt)?, to.find(attempt)?);
                blocking(attempt, move |work| {
                    match (&from.connection, &to.connection) {
                        (None, None) => work.rename(&from.path, &to.path),
                        _ => work.transfer(&from, &to, false),
                    }
                })
                .await
            }
            Self::Delete(place) => {
                let place = place.find(attempt)?;
                blocking(attempt, move |work| match &place.connection {
                    None => work.delete(&place.path),
                    Some(_) => work.delete_in(&place),
                })
                .await
            }
            Self::Write { path, text } => {
                let (place, text) = (path.find(attempt)?, text.render(&attempt.scope)?);
                blocking(attempt, move |work| match &place.connection {
                    None => work.write(&place.path, text.as_bytes()),
                    Some(_) => work.write_in(&place, text.as_bytes()),
                })
                .await
            }
            Self::Pack(packing) => {
                let from = packing.from.find(attempt)?;
                let to = match &packing.to {
                    Some(to) => Some(to.find(attempt)?),
                    None => None,
                };
                let (coding, keep) = (packing.coding, packing.keep);
                let outside = [Some(&from), to.as_ref()]
                    .into_iter()
                    .flatten()
                    .any(|place| place.connection.is_some());
                blocking(attempt, move |work| {
                    if outside {
                        return work.pack_in(&from, to.as_ref(), coding, keep);
                    }
                    let to = to.as_ref().map(|to| to.path.as_str());
                    work.pack(&from.path, to, coding, keep)
                })
                .await
            }
        }
    }

    fn connections(&self) -> Vec<&str> {
        let places = match self {
            Self::Copy { from, to } | Self::Move { from, to } => [Some(from), Some(to)],
            Self::Delete(path)
            | Self::List(path)
            | Self::WaitFor { path, .. }
            | Self::Write { path, .. } => [Some(path), None],
            Self::Pack(packing) => [Some(&packing.from), packing.to.as_ref()],
        };
        let places = places.into_iter().flatten();
        places.filter_map(Place::connection).collect()
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
