//! The answers of an API as a source.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use schemars::Schema;

use super::{Source, SourceKind};
use crate::data::Rejects;
use crate::data::ndjson::Wanted;
use crate::document::{Diagnostic, FromNode as _, Node};
use crate::task::http_request::{HttpFetch, Opened, Request};
use crate::task::transfer::columns::Mapping;
use crate::task::transfer::end::Selection;
use crate::task::transfer::flow::{Consumer, Measured};
use crate::task::{AttemptContext, Guarantee, Surroundings, TaskFailure};

pub(super) const KIND: SourceKind = SourceKind {
    name: "http request",
    doc: "The records of an API's answers, page by page or tick by tick, as they come.",
    selection: Selection {
        connections: &["http"],
        keys: &[],
        alone: &["url"],
    },
    schema,
    parse,
};

fn schema() -> Schema {
    Request::schema()
}

/// A request, its pages and its ticks.
#[derive(Debug)]
struct Http(HttpFetch);

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Source>> {
    let request = Request::from_node(node, surroundings.report)?;
    let misplaced = [
        (
            "columns",
            request.columns.is_some(),
            "the copy's own `columns` say which are taken",
        ),
        (
            "keep_headers",
            !request.keep_headers.is_empty(),
            "a copy has no outputs for headers: use an `http` task",
        ),
    ];
    let mut fits = true;
    for (name, given, help) in misplaced {
        if given {
            fits = false;
            surroundings.report.push(
                Diagnostic::error(
                    "conflicting-keys",
                    format!("`{name}` belongs to an `http` task"),
                    request.span,
                )
                .help(help),
            );
        }
    }
    let fetch = HttpFetch::read(&request, surroundings)?;
    fits.then(|| Box::new(Http(fetch)) as Box<dyn Source>)
}

#[async_trait]
impl Source for Http {
    fn connection(&self) -> Option<&str> {
        self.0.connection()
    }

    async fn read_into(
        &self,
        attempt: &AttemptContext,
        mapping: &Mapping,
        rejects: Option<&Rejects>,
        consumer: &mut dyn Consumer,
    ) -> Result<u64, TaskFailure> {
        let wanted = mapping.wanted();
        let with_tick = match &wanted {
            Wanted::Keys { keys, .. } => keys.iter().any(|key| key == "tick"),
            _ => false,
        };
        let opened = self
            .0
            .open(attempt, Some(wanted), with_tick, rejects.cloned());
        let Opened { records, totals } = opened.await?;
        let bytes = totals.bytes.clone();
        let mut source = Measured::new(records, attempt, Some(bytes.clone()));
        consumer.consume(&mut source).await?;
        Ok(bytes.load(Ordering::Relaxed))
    }

    fn guarantee(&self) -> Guarantee {
        self.0.guarantee()
    }
}
