//! From a source to a sink: what is done with the records, and the task that does it.

use async_trait::async_trait;

use super::columns::{Mapping, RawColumns};
use super::flow::Flow;
use super::sink::{Sink, To, own_dataset};
use super::source::From;
use super::stream;
use crate::connection::Database;
use crate::document::{Diagnostic, Span, Spanned};
use crate::task::messages::Feed;
use crate::task::{AttemptContext, Guarantee, Surroundings, Task, TaskFailure, TaskResult, Touch};

crate::choice! {
    /// What becomes of a bad record.
    pub(in crate::task) enum OnError as "way to handle an error" {
        /// The task fails at the first one, and nothing is copied.
        Fail = "fail",
        /// It is left out, and counted.
        Skip = "skip",
    }
}

/// What is written down of a transfer.
pub(in crate::task) struct Plan<'a> {
    pub(in crate::task) from: &'a From,
    /// The task's own dataset when left out.
    pub(in crate::task) to: Option<&'a To>,
    /// All columns under their own names when left out.
    pub(in crate::task) columns: Option<&'a RawColumns>,
    /// Only records for which it is true are taken.
    pub(in crate::task) filter: Option<&'a Spanned<String>>,
    pub(in crate::task) on_error: OnError,
    /// The file of the rejected records.
    pub(in crate::task) rejects: Option<&'a Spanned<String>>,
    pub(in crate::task) span: Span,
}

/// A checked transfer: a task that moves the records of a source to a sink.
#[derive(Debug)]
pub(in crate::task) struct Transfer {
    flow: Flow,
    to: Box<dyn Sink>,
}

impl Transfer {
    /// Checks a plan, and reports every mistake.
    pub(in crate::task) fn read(
        plan: &Plan<'_>,
        surroundings: &mut Surroundings<'_>,
    ) -> Option<Self> {
        let from = plan.from.read(surroundings);
        let to = match plan.to {
            Some(to) => to.read(surroundings),
            None => Some(own_dataset()),
        };
        let mapping = Mapping::read(plan.columns, plan.filter, surroundings);
        let rejects = match plan.rejects {
            Some(path) => Some(surroundings.template(path)?),
            None => None,
        };
        if let (Some(to), Some(mapping)) = (&to, &mapping) {
            check_reads(&**to, mapping, surroundings);
        }
        let (from, to) = (from?, to?);
        if let Some(feed) = from.as_feed() {
            refuse_for_topics(plan, feed, &*to, surroundings);
        }
        Some(Self {
            flow: Flow {
                from,
                mapping: mapping?,
                on_error: plan.on_error,
                rejects,
            },
            to,
        })
    }
}

#[async_trait]
impl Task for Transfer {
    async fn run(&self, attempt: &AttemptContext) -> TaskResult {
        if let (Some(feed), Some(sink)) = (self.flow.from.as_feed(), self.to.as_database()) {
            return stream::run(&self.flow, feed, sink, attempt).await;
        }
        self.to.run(&self.flow, attempt).await
    }

    fn guarantee(&self) -> Guarantee {
        match self.flow.from.guarantee() {
            Guarantee::ExactlyOnce => self.to.guarantee(),
            weaker @ Guarantee::AtLeastOnce { .. } => weaker,
        }
    }

    fn connections(&self) -> Vec<&str> {
        let ends = [self.flow.from.connection(), self.to.connection()];
        ends.into_iter().flatten().collect()
    }

    fn touches(&self) -> Vec<Touch<'_>> {
        let mut touches = self.flow.from.touches();
        touches.extend(self.to.touch(&self.flow));
        touches
    }
}

/// What can't be done with the messages of a topic.
fn refuse_for_topics(
    plan: &Plan<'_>,
    feed: &Feed,
    to: &dyn Sink,
    surroundings: &mut Surroundings<'_>,
) {
    let mut refuse = |message: &str, help: &str| {
        let wrong = Diagnostic::error("conflicting-keys", message, plan.span);
        surroundings.report.push(wrong.help(help));
    };
    if plan.rejects.is_some() {
        refuse(
            "a topic has no file of `rejects`",
            "name a topic for them: `dead_letter: …` under `from`",
        );
    }
    let Some(sink) = to.as_database() else {
        if feed.is_endless() {
            refuse(
                "a stream that goes on until it is stopped can't be written there",
                "say `until: caught_up`, a number or a duration, or load it into a table",
            );
        }
        return;
    };
    if sink.replaces() {
        refuse(
            "each batch of a topic would replace the one before",
            "leave `mode: replace` out",
        );
    }
    if surroundings.project.connection_kind(sink.database()) != Some("postgres") {
        refuse(
            "a topic can be loaded into PostgreSQL only, which keeps its offsets",
            "copy it into the task's own dataset first",
        );
    }
}

/// What the sink reads of the records has to be among their columns, where these are written down.
fn check_reads(to: &dyn Sink, mapping: &Mapping, surroundings: &mut Surroundings<'_>) {
    let Some(fields) = &mapping.fields else {
        return;
    };
    for column in to.reads() {
        if fields.iter().all(|field| field.target != column.value) {
            surroundings.report.push(
                Diagnostic::error(
                    "unknown-column",
                    format!("the records have no column `{}`", column.value),
                    column.span,
                )
                .suggest(
                    &column.value,
                    fields.iter().map(|field| field.target.as_str()),
                    "column",
                ),
            );
        }
    }
}

/// The database behind a name that was checked.
pub(super) fn database<'a>(
    attempt: &'a AttemptContext,
    name: &str,
) -> Result<&'a dyn Database, TaskFailure> {
    attempt
        .connections
        .database(name)
        .ok_or_else(|| TaskFailure::permanent(format!("connection `{name}` is no database")))
}
