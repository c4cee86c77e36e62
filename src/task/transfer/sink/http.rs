//! An API as a sink.

use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;
use schemars::Schema;

use super::{Sink, SinkKind};
use crate::connection::{HttpMethod, Rate, StatusSet};
use crate::data::{RecordSource, Written};
use crate::document::{FromNode as _, Map, Node, Spanned};
use crate::model::ConnectionId;
use crate::task::http_request::{Batches, Batching, Call, RawCall, around};
use crate::task::transfer::end::Selection;
use crate::task::transfer::flow::{Consumer, Flow, finish};
use crate::task::{AttemptContext, Guarantee, Surroundings, TaskFailure, TaskResult};

pub(super) const KIND: SinkKind = SinkKind {
    name: "http request",
    doc: "An API that takes the records as JSON: each in a request of its own, or in batches. Each \
request has an `Idempotency-Key` that is the same at every attempt.",
    selection: Selection {
        connections: &["http"],
        keys: &[],
        alone: &["url"],
    },
    schema,
    parse,
};

crate::record! {
    /// An API that takes records.
    struct ToHttp as "a `to` with an http request" {
        /// The API.
        connection: Option<Spanned<String>>,
        /// A whole URL to post to, in place of `connection` and `post`.
        url: Option<Spanned<String>>,
        /// The path to post to.
        post: Option<Spanned<String>>,
        /// The path to put to.
        put: Option<Spanned<String>>,
        /// The path to patch.
        patch: Option<Spanned<String>>,
        /// Added to the URL, encoded.
        query: Map<Node>,
        /// Sent with every request.
        headers: Map<Spanned<String>>,
        /// How many records go into one request: then they are a list. When left out, each record is a request.
        batch: Option<NonZeroU32>,
        /// The key of an object around the list of a batch: `items` for `{"items": […]}`. Needs `batch`.
        under: Option<Spanned<String>>,
        /// How often a request may be sent: `1/s`.
        rate_limit: Option<Rate>,
        /// The statuses that are no failures: `200`, `2xx`, or a list of them.
        status: StatusSet = "2xx" => StatusSet::default(),
        /// From the start of a request to the last byte of its answer. The connection's when left out.
        timeout: Option<Duration>,
        /// How often a request is sent within one attempt when the cause is transient. The connection's when left out.
        tries: Option<NonZeroU32>,
        /// Whether sending a request twice does no harm, because the API knows `Idempotency-Key` or for another reason.
        idempotent: bool = "false" => false,
    }
}

fn schema() -> Schema {
    ToHttp::schema()
}

/// Where records are sent.
#[derive(Debug)]
struct Target {
    call: Call,
    batching: Batching,
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Sink>> {
    let to = ToHttp::from_node(node, surroundings.report)?;
    if to.under.is_some() && to.batch.is_none() {
        surroundings.report.push(crate::document::Diagnostic::error(
            "conflicting-keys",
            "`under` needs `batch`",
            to.span,
        ));
        return None;
    }
    let methods = [
        (HttpMethod::Post, to.post.as_ref().or(to.url.as_ref())),
        (HttpMethod::Put, to.put.as_ref()),
        (HttpMethod::Patch, to.patch.as_ref()),
    ];
    let methods = methods
        .into_iter()
        .filter_map(|(method, target)| Some((method, target?)));
    let call = Call::read(
        &RawCall {
            span: to.span,
            connection: to.connection.as_ref(),
            url: None,
            methods: methods.collect(),
            query: &to.query,
            headers: &to.headers,
            rate_limit: to.rate_limit,
            status: to.status.clone(),
            timeout: to.timeout,
            connect_timeout: None,
            read_timeout: None,
            body_limit: None,
            tries: to.tries,
            idempotent: to.idempotent,
        },
        surroundings,
    )?;
    Some(Box::new(Target {
        call,
        batching: Batching {
            batch: to.batch,
            under: to.under.map(|under| under.value),
            content_type: None,
        },
    }))
}

#[async_trait]
impl Sink for Target {
    fn connection(&self) -> Option<&str> {
        self.call.connection.as_ref().map(ConnectionId::as_str)
    }

    async fn run(&self, flow: &Flow, attempt: &AttemptContext) -> TaskResult {
        let rejects = flow.rejects(attempt)?;
        let mut send = Send {
            target: self,
            attempt,
            written: Written { rows: 0, bytes: 0 },
            requests: 0,
        };
        flow.pass_until_cancelled(attempt, rejects.as_ref(), &mut send)
            .await?;
        finish(rejects.as_ref())?;
        let Send {
            written, requests, ..
        } = send;
        attempt
            .log
            .info(format!("{} records in {requests} requests", written.rows));
        let mut output = flow.output(attempt, &written, rejects.as_ref(), Vec::new());
        output
            .outputs
            .insert("requests".to_owned(), requests.into());
        Ok(output)
    }

    fn guarantee(&self) -> Guarantee {
        self.call.guarantee()
    }
}

struct Send<'a> {
    target: &'a Target,
    attempt: &'a AttemptContext,
    written: Written,
    requests: u64,
}

#[async_trait]
impl Consumer for Send<'_> {
    async fn consume(&mut self, source: &mut dyn RecordSource) -> Result<(), TaskFailure> {
        let Target { call, batching } = self.target;
        let api = call.api(self.attempt)?;
        let around = around(self.attempt);
        let mut batches = Batches::new(batching, source);
        while let Some((body, number, records)) = batches.next(source).await? {
            if let crate::connection::HttpBody::Bytes { bytes, .. } = &body {
                self.written.bytes += bytes.len() as u64;
            }
            let key = format!("{}/{number}", self.attempt.idempotency_key());
            let request = call.request(&self.attempt.scope, body, key)?;
            // The answer is read, so that the connection can be used again.
            let mut answer = api.send(&request, &around).await?;
            while answer.body.chunk().await?.is_some() {}
            self.written.rows += records;
            self.requests += 1;
        }
        Ok(())
    }
}
