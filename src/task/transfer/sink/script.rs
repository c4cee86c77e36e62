//! A script over each batch of records as a sink.

use std::num::NonZeroU32;

use async_trait::async_trait;
use schemars::Schema;
use serde_json::{Value as Json, json};

use super::{DatabaseSink, Sink, SinkKind};
use crate::connection::{Loaded, Session};
use crate::data::{RecordSource, Rejects};
use crate::document::{Diagnostic, FromNode as _, Map, Node, Spanned};
use crate::model::ConnectionId;
use crate::sqltext::{AtomKind, atoms};
use crate::task::script::{Checked, Frame, Given, Prepared, either};
use crate::task::transfer::end::{DATABASES, Selection};
use crate::task::transfer::flow::{Consumer, Flow, finish};
use crate::task::transfer::pieces::Pieces;
use crate::task::transfer::plan::database;
use crate::task::transfer::stage::{Computed, TABLE, compute, expected};
use crate::task::{
    AttemptContext, Deed, Metrics, Stage, Surroundings, TaskFailure, TaskOutput, TaskResult, Touch,
    Work, exactly_once,
};

pub(super) const KIND: SinkKind = SinkKind {
    name: "script",
    doc: "A script computes with the records where the tables are: each batch of them arrives in a \
temporary table `batch`, then the statements are executed. All batches of a copy are one transaction, \
which happens once; without any record nothing is executed. The columns of `batch` are those of the \
records, with the types that `columns:` declares (`integer` is `bigint`, `timestamp` is `timestamptz`, \
`float` is `double precision`, `json` is `jsonb`), otherwise `numeric`, `boolean`, `jsonb` or `text` as the \
source says; all cells of a CSV file are `text`. `batch_row` numbers the records in their order.",
    example: "\
copy:
  from: { connection: alerts, topic: trades }
  to:
    connection: warehouse
    script: |
      insert into volume select pair, sum(amount) from batch group by pair
      on conflict (pair) do update set amount = volume.amount + excluded.amount;
  columns: { pair: pair, amount: { from: amount, type: numeric } }
",
    selection: Selection {
        connections: DATABASES,
        keys: &["script", "file"],
        alone: &[],
    },
    schema,
    parse,
};

crate::record! {
    /// A script.
    struct ToScript as "a `to` with a script" {
        /// The database.
        connection: Spanned<String>,
        /// The file of the script.
        file: Option<Spanned<String>>,
        /// The statements, in place of `file`.
        script: Option<Spanned<String>>,
        /// More names for `:name`, beside the DAG's parameters: values or templates.
        params: Map<Node>,
        /// How many records a batch has at most.
        batch: NonZeroU32 = "10000" => DEFAULT_BATCH,
    }
}

const DEFAULT_BATCH: NonZeroU32 = match NonZeroU32::new(10_000) {
    Some(size) => size,
    None => NonZeroU32::MIN,
};

fn schema() -> Schema {
    either(ToScript::schema(), "script")
}

/// A script that is executed for each batch.
#[derive(Debug)]
struct ScriptSink {
    connection: ConnectionId,
    script: Checked,
    batch: u64,
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Sink>> {
    let to = ToScript::from_node(node, surroundings.report)?;
    let connection = surroundings.connection(&to.connection, DATABASES);
    let dialect = surroundings.project.dialect(&to.connection);
    let given = Given {
        file: to.file.as_ref(),
        text: to.script.as_ref(),
        key: "script",
        span: to.span,
        what: "a `to` with a script",
        at: "copy.to",
    };
    let script = given.check(&to.params, dialect, Frame::One, surroundings)?;
    if !reads_batch(&script) {
        surroundings.report.push(
            Diagnostic::warning(
                "unread-batch",
                format!("`{}` doesn't read `{TABLE}`", script.code.name),
                given.place(),
            )
            .help("the records of each batch are in the temporary table `batch`"),
        );
    }
    Some(Box::new(ScriptSink {
        connection: connection?,
        script,
        batch: u64::from(to.batch.get()),
    }))
}

/// Whether a statement names the table of the records.
fn reads_batch(script: &Checked) -> bool {
    let text = &script.code.script.text;
    let mut atoms = atoms(text, script.code.script.dialect);
    atoms.any(|atom| {
        atom.kind != AtomKind::Text
            && text[atom.range]
                .trim_matches('"')
                .eq_ignore_ascii_case(TABLE)
    })
}

#[async_trait]
impl Sink for ScriptSink {
    fn connection(&self) -> Option<&str> {
        Some(self.connection.as_str())
    }

    fn touch<'a>(&'a self, flow: &'a Flow) -> Option<Touch<'a>> {
        let dialect = self.script.code.script.dialect;
        Some(Touch {
            connection: self.connection.as_str(),
            deed: Deed::Script {
                code: &self.script.code,
                transaction: true,
                stage: expected(dialect, &flow.mapping).map_or(Stage::Unknown, Stage::Table),
            },
        })
    }

    async fn run(&self, flow: &Flow, attempt: &AttemptContext) -> TaskResult {
        let database = database(attempt, self.connection.as_str())?;
        let prepared = self.script.prepare(&attempt.scope)?;
        prepared.keep(&attempt.log, self.connection.as_str());
        let mut work = Batches {
            flow,
            attempt,
            prepared: &prepared,
            size: self.batch,
            rejects: None,
        };
        let settled = exactly_once(attempt, database, &mut work).await?;
        let number = |name: &str| settled.result.get(name).and_then(Json::as_u64);
        let metrics = Metrics {
            rows: number("rows"),
            bytes: number("bytes"),
            made: vec![format!("{} in {}", self.script.code.name, self.connection)],
            summary: None,
        };
        Ok(TaskOutput {
            outputs: settled.result.as_object().cloned().unwrap_or_default(),
            metrics,
            ..TaskOutput::default()
        })
    }

    fn as_database(&self) -> Option<&dyn DatabaseSink> {
        Some(self)
    }
}

#[async_trait]
impl DatabaseSink for ScriptSink {
    fn database(&self) -> &str {
        self.connection.as_str()
    }

    fn target(&self, _: &AttemptContext) -> Result<String, TaskFailure> {
        Ok(format!("{} in {}", self.script.code.name, self.connection))
    }

    async fn write(
        &self,
        session: &mut dyn Session,
        records: &mut dyn RecordSource,
        rejects: Option<&Rejects>,
        flow: &Flow,
        attempt: &AttemptContext,
    ) -> Result<Loaded, TaskFailure> {
        let prepared = self.script.prepare(&attempt.scope)?;
        prepared.keep(&attempt.log, self.connection.as_str());
        let done = compute(session, &prepared, &flow.mapping, records, rejects).await?;
        Ok(Loaded {
            rows: done.rows,
            written: done.touched,
            bytes: done.bytes,
        })
    }
}

/// All batches of a source, in one transaction.
struct Batches<'a> {
    flow: &'a Flow,
    attempt: &'a AttemptContext,
    prepared: &'a Prepared<'a>,
    size: u64,
    rejects: Option<Rejects>,
}

#[async_trait]
impl Work for Batches<'_> {
    async fn carry_out(&mut self, session: &mut dyn Session) -> Result<Json, TaskFailure> {
        self.rejects = self.flow.rejects(self.attempt)?;
        let mut each = Each {
            session,
            flow: self.flow,
            prepared: self.prepared,
            size: self.size,
            rejects: self.rejects.as_ref(),
            batches: 0,
            all: Computed::default(),
        };
        let bytes = self
            .flow
            .pass(self.attempt, self.rejects.as_ref(), &mut each)
            .await?;
        let Each { batches, all, .. } = each;
        self.attempt.log.info(format!(
            "{} records in {batches} batches: `{}` has touched {} rows",
            all.rows, self.prepared.code.name, all.touched
        ));
        self.flow
            .warn_of_rejects(self.attempt, self.rejects.as_ref());
        Ok(json!({
            "rows": all.rows,
            "batches": batches,
            "touched": all.touched,
            "rejected": self.rejects.as_ref().map_or(0, Rejects::count),
            "bytes": bytes,
        }))
    }

    async fn prepare(&mut self) -> Result<(), TaskFailure> {
        finish(self.rejects.as_ref())
    }
}

struct Each<'a> {
    session: &'a mut dyn Session,
    flow: &'a Flow,
    prepared: &'a Prepared<'a>,
    size: u64,
    rejects: Option<&'a Rejects>,
    batches: u64,
    all: Computed,
}

#[async_trait]
impl Consumer for Each<'_> {
    async fn consume(&mut self, source: &mut dyn RecordSource) -> Result<(), TaskFailure> {
        let mut pieces = Pieces::new(source);
        while pieces.has_more().await? {
            let mut piece = pieces.piece(self.size);
            let done = compute(
                self.session,
                self.prepared,
                &self.flow.mapping,
                &mut piece,
                self.rejects,
            )
            .await?;
            self.batches += 1;
            self.all.rows += done.rows;
            self.all.touched += done.touched;
            self.all.bytes += done.bytes;
        }
        Ok(())
    }
}
