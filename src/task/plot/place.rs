//! Where a picture goes.

use std::path::Path;
use std::sync::Arc;

use schemars::{Schema, json_schema};

use crate::connection::{Bucket, Folder};
use crate::document::{Diagnostic, FromNode, Node, Report, Spanned, Value};
use crate::model::ConnectionId;
use crate::task::{AttemptContext, Surroundings, TaskFailure};
use crate::template::Template;

/// The kinds of connections that are stores of files.
const BUCKETS: &[&str] = &["bucket"];

/// A `to` as it is written: the path of a file, or `{ connection: …, file: … }`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ToRecord {
    connection: Option<Spanned<String>>,
    file: Spanned<String>,
}

crate::record! {
    /// A file of a bucket.
    struct InBucket as "a `to` with a bucket" {
        /// The bucket.
        connection: Spanned<String>,
        /// The file in it.
        file: Spanned<String>,
    }
}

impl FromNode for ToRecord {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        match &node.value {
            Value::Map(_) => {
                let InBucket {
                    connection, file, ..
                } = InBucket::from_node(node, report)?;
                Some(Self {
                    connection: Some(connection),
                    file,
                })
            }
            Value::Text(text) => Some(Self {
                connection: None,
                file: Spanned::new(text.to_string(), node.span),
            }),
            _ => {
                report.expected("a path or `{ connection: …, file: … }`", node);
                None
            }
        }
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, InBucket::schema()] })
    }
}

/// What the extension of a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PictureFormat {
    Png,
    Svg,
}

impl PictureFormat {
    fn of(path: &str) -> Option<Self> {
        let extension = Path::new(path).extension()?.to_str()?;
        if extension.eq_ignore_ascii_case("png") {
            Some(Self::Png)
        } else if extension.eq_ignore_ascii_case("svg") {
            Some(Self::Svg)
        } else {
            None
        }
    }
}

/// A checked `to`.
#[derive(Debug)]
pub(super) struct Target {
    connection: Option<ConnectionId>,
    path: Template,
}

impl Target {
    pub(super) fn read(to: &ToRecord, surroundings: &mut Surroundings<'_>) -> Option<Self> {
        let ToRecord { connection, file } = to;
        let connection = match connection {
            Some(name) => Some(surroundings.connection(name, BUCKETS)?),
            None => None,
        };
        let path = surroundings.template(file)?;
        if path.is_literal() && PictureFormat::of(file).is_none() {
            surroundings.report.push(
                Diagnostic::error(
                    "unknown-format",
                    format!("the extension of `{}` doesn't say what to draw", file.value),
                    file.span,
                )
                .label("expected `.png` or `.svg`"),
            );
            return None;
        }
        Some(Self { connection, path })
    }

    /// The connection of its bucket.
    pub(super) fn connection(&self) -> Option<&str> {
        self.connection.as_ref().map(ConnectionId::as_str)
    }

    /// The place for an attempt.
    pub(super) fn place(&self, attempt: &AttemptContext) -> Result<Place, TaskFailure> {
        let path = self.path.render(&attempt.scope)?;
        let format = PictureFormat::of(&path).ok_or_else(|| {
            TaskFailure::permanent(format!(
                "the extension of `{path}` doesn't say what to draw: it has to be `.png` or `.svg`"
            ))
        })?;
        let store: Arc<dyn Bucket> = match self.connection() {
            None => Arc::new(Folder::of_project(&attempt.places.root)),
            Some(name) => attempt.connections.bucket(name).ok_or_else(|| {
                TaskFailure::permanent(format!("connection `{name}` is no bucket"))
            })?,
        };
        Ok(Place {
            shown: store.shown(&path),
            path,
            store,
            format,
        })
    }
}

/// A file to be made.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) store: Arc<dyn Bucket>,
    /// Within the store.
    pub(super) path: String,
    /// As people name it.
    pub(super) shown: String,
    pub(super) format: PictureFormat,
}
