//! Where files are: in the project, or in a bucket.

use std::path::Component;
use std::sync::Arc;

use schemars::{Schema, json_schema};

use crate::connection::{Bucket, Folder};
use crate::document::{Diagnostic, FromNode, Node, Report, Severity, Spanned, Value};
use crate::model::ConnectionId;
use crate::task::{AttemptContext, Surroundings, TaskFailure};
use crate::template::Template;

/// The kinds of connections that are stores of files.
const BUCKETS: &[&str] = &["bucket"];

/// A path as it is written: a text, or `{ connection: …, file: … }`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RawPlace {
    connection: Option<Spanned<String>>,
    file: Spanned<String>,
}

crate::record! {
    /// Files of a bucket.
    struct InBucket as "a place" {
        /// The bucket; paths are relative to it.
        connection: Spanned<String>,
        /// A file or a pattern of files.
        file: Spanned<String>,
    }
}

impl RawPlace {
    /// A path in the project.
    pub(super) fn in_project(file: Spanned<String>) -> Self {
        Self {
            connection: None,
            file,
        }
    }
}

impl FromNode for RawPlace {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        match &node.value {
            Value::Map(_) => {
                let place = InBucket::from_node(node, report)?;
                Some(Self {
                    connection: Some(place.connection),
                    file: place.file,
                })
            }
            Value::Text(_) => Spanned::from_node(node, report).map(Self::in_project),
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

/// A checked path.
#[derive(Debug)]
pub(super) struct Place {
    connection: Option<ConnectionId>,
    path: Template,
}

impl Place {
    /// Checks a path. One that leads out of the project gets a note: that is allowed, but such a
    /// pipeline doesn't run anywhere.
    pub(super) fn read(raw: &RawPlace, surroundings: &mut Surroundings<'_>) -> Option<Self> {
        let text = &raw.file;
        let connection = match &raw.connection {
            Some(name) => Some(surroundings.connection(name, BUCKETS)?),
            None => None,
        };
        let mut steps = std::path::Path::new(&text.value).components();
        let outside = text.starts_with('/') || steps.any(|step| step == Component::ParentDir);
        if outside {
            let severity = match connection {
                Some(_) => Severity::Error,
                None => Severity::Note,
            };
            let home = match connection {
                Some(_) => "the bucket",
                None => "the project's folder",
            };
            surroundings.report.push(Diagnostic {
                severity,
                ..Diagnostic::error(
                    "outside-path",
                    format!("`{}` leads out of {home}", text.value),
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
        let path = surroundings.template(text)?;
        Some(Self { connection, path })
    }

    /// The connection of its bucket.
    pub(super) fn connection(&self) -> Option<&str> {
        self.connection.as_ref().map(ConnectionId::as_str)
    }

    /// The store and the path in it.
    pub(super) fn find(&self, attempt: &AttemptContext) -> Result<Found, TaskFailure> {
        let path = self.path.render(&attempt.scope)?;
        let store: Arc<dyn Bucket> = match &self.connection {
            None => Arc::new(Folder::of_project(&attempt.places.root)),
            Some(connection) => {
                attempt
                    .connections
                    .bucket(connection.as_str())
                    .ok_or_else(|| {
                        TaskFailure::permanent(format!("connection `{connection}` is no bucket"))
                    })?
            }
        };
        Ok(Found {
            store,
            connection: self.connection.clone(),
            path,
        })
    }
}

/// A path, ready to be used.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) store: Arc<dyn Bucket>,
    pub(super) connection: Option<ConnectionId>,
    pub(super) path: String,
}

impl Found {
    /// The same store with another path.
    pub(super) fn with(&self, path: String) -> Self {
        Self {
            path,
            ..self.clone()
        }
    }

    /// The file as people see it.
    pub(super) fn shown(&self) -> String {
        self.store.shown(&self.path)
    }
}
