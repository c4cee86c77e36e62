//! `retention`: how long what is past is kept.

use std::num::NonZeroU32;
use std::time::Duration;

use schemars::{Schema, json_schema};

use crate::document::{ByteSize, Diagnostic, FromNode, Node, Report, Value};

crate::record! {
    /// How long what is past is kept, for every DAG that doesn't say otherwise. What isn't limited is
    /// kept. What has not ended is always kept, and so is the last run of each DAG that succeeded.
    pub struct RetentionRecord as "`retention`" {
        /// Runs, with all that they left: states, logs and datasets. A duration, or a map.
        runs: Option<KeptRuns>,
        /// Their logs. A duration, or a map; in runner.yaml, `size` is of all DAGs together.
        logs: Option<KeptFiles>,
        /// Their datasets. A duration, or a map; in runner.yaml, `size` is of all DAGs together.
        data: Option<KeptFiles>,
    }
}

crate::record! {
    /// How many runs are kept.
    struct RunsRecord as "`runs`" {
        /// Those that ended so long ago are removed.
        age: Option<Duration>,
        /// Of each DAG the newest that many are kept.
        count: Option<NonZeroU32>,
    }
}

crate::record! {
    /// How much is kept.
    struct FilesRecord as "`logs` and `data`" {
        /// Those of runs that ended so long ago are removed.
        age: Option<Duration>,
        /// Those of the newest that many runs of each DAG are kept.
        count: Option<NonZeroU32>,
        /// Most bytes on the disk: those of the oldest runs are removed first.
        size: Option<ByteSize>,
    }
}

/// The value of `runs:`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeptRuns(Keep);

/// The value of `logs:` and `data:`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeptFiles(Keep);

/// The value of `retention:`.
#[derive(Debug, Clone, PartialEq)]
pub struct RetentionNode(pub RetentionRecord);

/// How much of something is kept; `None`: as much as there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    pub age: Option<Duration>,
    /// The newest that many runs of a DAG.
    pub count: Option<u32>,
    /// Bytes.
    pub size: Option<u64>,
}

/// How long what is past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    pub runs: Keep,
    pub logs: Keep,
    pub data: Keep,
}

impl Keep {
    /// What holds for a DAG that says this, where the project says `other`. The size is its own.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            age: self.age.or(other.age),
            count: self.count.or(other.count),
            size: self.size,
        }
    }

    fn of_age(node: &Node, report: &mut Report) -> Option<Self> {
        let age = Some(Duration::from_node(node, report)?);
        Some(Self {
            age,
            ..Self::default()
        })
    }
}

impl Retention {
    /// Whether anything is limited.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        *self != Self::default()
    }
}

fn is_text(node: &Node) -> bool {
    !matches!(node.value, Value::Map(_))
}

impl FromNode for KeptRuns {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        if is_text(node) {
            return Keep::of_age(node, report).map(Self);
        }
        let record = RunsRecord::from_node(node, report)?;
        Some(Self(Keep {
            age: record.age,
            count: record.count.map(NonZeroU32::get),
            size: None,
        }))
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [Duration::schema(), RunsRecord::schema()] })
    }
}

impl FromNode for KeptFiles {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        if is_text(node) {
            return Keep::of_age(node, report).map(Self);
        }
        let record = FilesRecord::from_node(node, report)?;
        Some(Self(Keep {
            age: record.age,
            count: record.count.map(NonZeroU32::get),
            size: record.size.map(|size| size.0),
        }))
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [Duration::schema(), FilesRecord::schema()] })
    }
}

impl FromNode for RetentionNode {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        if is_text(node) {
            return Some(Self(RetentionRecord {
                span: node.span,
                runs: Some(KeptRuns::from_node(node, report)?),
                logs: None,
                data: None,
            }));
        }
        RetentionRecord::from_node(node, report).map(Self)
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [Duration::schema(), RetentionRecord::schema()] })
    }
}

/// What a file says; nothing without it.
pub fn read_retention(node: Option<&RetentionNode>, report: &mut Report) -> Retention {
    let Some(RetentionNode(record)) = node else {
        return Retention::default();
    };
    let runs = record.runs.map(|KeptRuns(keep)| keep).unwrap_or_default();
    let files = |files: Option<KeptFiles>| files.map(|KeptFiles(keep)| keep).unwrap_or_default();
    let read = Retention {
        runs,
        logs: files(record.logs),
        data: files(record.data),
    };
    for (name, keep) in [("logs", read.logs), ("data", read.data)] {
        let longer = |a: Option<Duration>, b| matches!((a, b), (Some(a), Some(b)) if a > b);
        let more = |a: Option<u32>, b| matches!((a, b), (Some(a), Some(b)) if a > b);
        if longer(keep.age, runs.age) || more(keep.count, runs.count) {
            report.push(
                Diagnostic::warning(
                    "no-effect",
                    format!("`{name}` would be kept longer than the runs they belong to"),
                    record.span,
                )
                .label("they go with their runs"),
            );
        }
    }
    read
}
