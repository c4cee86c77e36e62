//! Files that appear.

mod bucket;
mod folder;
mod kernel;
mod settle;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map as JsonMap, Value as Json};

use self::bucket::BucketWatch;
use self::folder::FolderWatch;
use self::settle::{Look, Settling};
use super::fixed::is_fixed;
use super::{Around, Item, Kind, Read, Scope, Trigger, View, Watch};
use crate::connection::StoredFile;
use crate::data::wrong_pattern;
use crate::document::units::format_duration;
use crate::document::{Diagnostic, FromNode as _, Map, Node, Spanned};
use crate::engine::plan::Key;
use crate::model::ConnectionId;
use crate::task::Surroundings;
use crate::template::Shape;

pub(super) const KIND: Kind = Kind {
    name: "file",
    doc: DOC,
    example: include_str!("file/example.yaml"),
    schema: FileTrigger::schema,
    parse,
};

const DOC: &str = "\
Files of a folder or a bucket: each starts one run, once. A file counts when its size and time haven't changed for \
`settle`; one that is written again starts another run, and so does one that was gone and comes back. Files that are \
there when the trigger is new count, too, oldest first.

A folder is heard of from the kernel, a bucket is listed `every` so often. `run.firing` has `path`, `name`, `bytes` and \
`modified`; with `batch` a list of them, `files`.";

/// How often a bucket is listed when nobody says.
const EVERY: Duration = Duration::from_secs(30);
/// More would only load the bucket.
const LEAST: Duration = Duration::from_secs(1);

crate::record! {
    /// Files that appear.
    struct FileTrigger as "a trigger of kind `file`" {
        /// A path or a pattern, relative to the project or within the bucket: `inbox/*.csv`, `in/**/*.json`. Names
        /// that begin with a dot only match a pattern that begins with one.
        file: Spanned<String>,
        /// The bucket that the files are in; without it they are on this machine.
        connection: Option<Spanned<String>>,
        /// How long a file's size and time must stay as they are before it counts.
        settle: Duration = "5s" => Duration::from_secs(5),
        /// How often a bucket is listed, `30s` when nobody says. A folder needs none.
        every: Option<Spanned<Duration>>,
        /// So many files at most start one run together; without it each has a run of its own.
        batch: Option<NonZeroU32>,
        /// Parameters of the run; templates may read `run.firing`.
        params: Map<Node>,
    }
}

/// A checked trigger.
#[derive(Debug)]
struct Files {
    pattern: String,
    connection: Option<ConnectionId>,
    settle: Duration,
    every: Duration,
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Read> {
    let read = FileTrigger::from_node(node, surroundings.report)?;
    let mut fine = is_fixed(&read.file, surroundings.report);
    if let Some(wrong) = wrong_pattern(&read.file) {
        let message = format!("`{}` is no pattern of files: {wrong}", read.file.value);
        let wrong = Diagnostic::error("invalid-pattern", message, read.file.span);
        surroundings.report.push(wrong);
        fine = false;
    }
    let connection = match &read.connection {
        Some(name) => Some(surroundings.connection(name, &["bucket"])?),
        None => None,
    };
    if let (Some(every), None) = (&read.every, &connection) {
        let wrong = Diagnostic::error(
            "conflicting-keys",
            "`every` is for buckets: files on this machine are heard of at once",
            every.span,
        );
        surroundings.report.push(wrong.label("remove it"));
        fine = false;
    }
    let every = read.every.map(|every| (every.value, every.span));
    if let Some((every, span)) = every
        && every < LEAST
    {
        let message = format!("`{}` is too often", format_duration(every));
        let wrong = Diagnostic::error("invalid-value", message, span).label("at least `1s`");
        surroundings.report.push(wrong);
        fine = false;
    }
    fine.then(|| Read {
        trigger: Arc::new(Files {
            pattern: read.file.value,
            connection,
            settle: read.settle,
            every: every.map_or(EVERY, |(every, _)| every),
        }),
        batch: read.batch,
        params: read.params,
        env: Vec::new(),
    })
}

impl Trigger for Files {
    fn words(&self) -> String {
        match &self.connection {
            Some(connection) => format!("file {} in {connection}", self.pattern),
            None => format!("file {}", self.pattern),
        }
    }

    fn awaited(&self) -> String {
        format!("a {}", self.words())
    }

    fn shape(&self) -> Shape {
        let names = ["path", "name", "bytes", "modified"];
        names
            .into_iter()
            .fold(Shape::empty(), |shape, name| shape.with(name, Shape::Any))
    }

    fn list(&self) -> &'static str {
        "files"
    }

    fn watch(&self, around: &Around) -> Option<Box<dyn Watch>> {
        let settling = Settling::new(self.settle);
        let scope = self.scope();
        Some(match &self.connection {
            Some(connection) => Box::new(BucketWatch::new(
                around.clone(),
                connection.as_str(),
                (self.pattern.clone(), scope),
                settling,
                self.every,
            )),
            None => Box::new(FolderWatch::new(
                around.clone(),
                (self.pattern.clone(), scope),
                settling,
            )),
        })
    }
}

impl Files {
    fn scope(&self) -> Scope {
        let connection = self.connection.as_ref();
        Scope {
            prefix: connection.map_or_else(
                || "file:".to_owned(),
                |connection| format!("file:{connection}:"),
            ),
            pattern: Some(self.pattern.clone()),
        }
    }
}

/// What was found, as it is told: oldest first.
fn view(look: Look, scope: &Scope) -> View {
    let name = |file: &StoredFile| format!("{}{}", scope.prefix, file.path);
    let mut settled = look.settled;
    settled.sort_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
    View {
        unready: look.unsettled.iter().map(name).collect(),
        items: settled
            .into_iter()
            .map(|file| Item {
                key: Key::Thing {
                    name: name(&file),
                    stamp: format!("{} {}", file.bytes, file.modified.timestamp_micros()),
                },
                source: format!("file {}", file.path.replace('\n', " ")),
                detail: detail(&file),
                room: None,
            })
            .collect(),
        scope: scope.clone(),
    }
}

/// What templates see of a file.
fn detail(file: &StoredFile) -> JsonMap<String, Json> {
    let name = file.path.rsplit('/').next().unwrap_or(&file.path);
    let modified = file
        .modified
        .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    [
        ("path", Json::from(file.path.as_str())),
        ("name", name.into()),
        ("bytes", file.bytes.into()),
        ("modified", modified.into()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
