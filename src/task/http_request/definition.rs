//! What the YAML says of a request, its answer, its pages and its ticks.

use std::num::NonZeroU32;
use std::time::Duration;

use super::body::{Body, RawBody};
use super::call::{Call, RawCall};
use super::pages::{Pages, RawPages};
use super::ticks::{RawRepeat, Repeat};
use crate::connection::{HttpMethod, Rate, StatusSet};
use crate::data::decode::Notation;
use crate::data::json::RecordsPath;
use crate::document::{ByteSize, Diagnostic, Map, Node, Spanned};
use crate::model::ConnectionId;
use crate::task::{Guarantee, Surroundings};
use crate::template::{Shape, Template};

crate::record! {
    /// A request to an API, and what its answer is.
    pub struct Request as "an http request" {
        /// The API: paths are below its `base_url`, and it has credentials and limits.
        connection: Option<Spanned<String>>,
        /// A whole URL to get, in place of `connection` and `get`.
        url: Option<Spanned<String>>,
        /// The path to get, below the connection's base; without a connection a whole URL.
        get: Option<Spanned<String>>,
        /// The path to post to.
        post: Option<Spanned<String>>,
        /// The path to put to.
        put: Option<Spanned<String>>,
        /// The path to patch.
        patch: Option<Spanned<String>>,
        /// The path to delete.
        delete: Option<Spanned<String>>,
        /// The path whose headers are asked for.
        head: Option<Spanned<String>>,
        /// Added to the URL, encoded. A list gives its name several times; `null` is left out.
        query: Map<Node>,
        /// Sent with the request. An empty value leaves the header out.
        headers: Map<Spanned<String>>,
        /// What is sent.
        body: Option<RawBody>,
        /// Where the records are in a JSON answer: `tickers`, `payload.items`, `result.*` (each member), `data[0]`, `["a b"]`. An array gives its items, any other value one record; `null` none. Without it the answer itself.
        records: Option<Spanned<String>>,
        /// How the answer is written. When left out, what its `Content-Type` says, otherwise JSON.
        format: Option<Notation>,
        /// The keys to take of each record. All keys of the first records when left out, and then another key in a later one is a mistake.
        columns: Option<Vec<Spanned<String>>>,
        /// How to ask for the next page of the records.
        pages: Option<RawPages>,
        /// Asks again and again, at a fixed rate. Each tick's answer is kept or left as a whole; its records get a column `tick` with `at`, the tick's scheduled time, and `number`, from 0, and templates know the same.
        repeat: Option<RawRepeat>,
        /// How often a request may be sent: `1/s`, or `{ rate: 100/m, burst: 10 }`; for all items and attempts of this task together, besides the connection's own limit.
        rate_limit: Option<Rate>,
        /// What a good answer is.
        expect: Option<Expect>,
        /// From the start of a request to the last byte of its answer. The connection's when left out.
        timeout: Option<Duration>,
        /// Until there is a connection. The connection's when left out.
        connect_timeout: Option<Duration>,
        /// Between two bytes of the answer. The connection's when left out.
        read_timeout: Option<Duration>,
        /// The longest answer. The connection's when left out; with `repeat` 64 MiB at most.
        body_limit: Option<ByteSize>,
        /// How often a request is sent within one attempt when the cause is transient. The connection's when left out.
        tries: Option<NonZeroU32>,
        /// Whether sending a POST or PATCH twice does no harm, because the API knows `Idempotency-Key` or for another reason.
        idempotent: bool = "false" => false,
        /// Headers of the last answer that become `outputs.headers`, in lower case.
        keep_headers: Vec<Spanned<String>> = "[]" => Vec::new(),
    }
}

crate::record! {
    /// What a good answer is.
    pub struct Expect as "an `expect`" {
        /// Statuses: `200`, `2xx`, or a list of them.
        status: StatusSet = "2xx" => StatusSet::default(),
        /// An expression that is true for a good answer. It sees `body` (with `records` the answer without them: their array is empty), `status` and `headers`.
        body: Option<Spanned<String>>,
    }
}

/// A checked request with all that its answer is to give.
#[derive(Debug)]
pub struct HttpFetch {
    pub(super) call: Call,
    pub(super) body: Body,
    /// `None`: the answer itself.
    pub(super) records: Option<RecordsPath>,
    pub(super) notation: Option<Notation>,
    pub(super) columns: Option<Vec<String>>,
    pub(super) pages: Option<Pages>,
    pub(super) repeat: Option<Repeat>,
    pub(super) expected: Option<Template>,
    pub(super) keep_headers: Vec<String>,
}

/// The names that an expression over an answer sees besides those of the task.
pub(super) fn answer_scope(scope: &Shape) -> Shape {
    ["body", "status", "headers", "page"]
        .into_iter()
        .fold(scope.clone(), |scope, name| scope.with(name, Shape::Any))
}

impl HttpFetch {
    /// Checks what was written.
    pub fn read(request: &Request, surroundings: &mut Surroundings<'_>) -> Option<Self> {
        if request.repeat.is_none() {
            return Self::read_in(request, surroundings);
        }
        let scope = surroundings.scope.clone().with(
            "tick",
            Shape::empty()
                .with("at", Shape::Any)
                .with("number", Shape::Any),
        );
        let mut ticking = Surroundings {
            report: surroundings.report,
            project: surroundings.project,
            task: surroundings.task,
            scope: &scope,
            params: surroundings.params,
            graph: surroundings.graph,
            reads: std::mem::take(&mut surroundings.reads),
        };
        let read = Self::read_in(request, &mut ticking);
        let reads = ticking.reads;
        surroundings.reads = reads;
        read
    }

    fn read_in(request: &Request, surroundings: &mut Surroundings<'_>) -> Option<Self> {
        let methods = [
            (HttpMethod::Get, &request.get),
            (HttpMethod::Post, &request.post),
            (HttpMethod::Put, &request.put),
            (HttpMethod::Patch, &request.patch),
            (HttpMethod::Delete, &request.delete),
            (HttpMethod::Head, &request.head),
        ];
        let methods = methods
            .into_iter()
            .filter_map(|(method, target)| Some((method, target.as_ref()?)));
        let expect = request.expect.as_ref();
        let call = Call::read(
            &RawCall {
                span: request.span,
                connection: request.connection.as_ref(),
                url: request.url.as_ref(),
                methods: methods.collect(),
                query: &request.query,
                headers: &request.headers,
                rate_limit: request.rate_limit,
                status: expect.map_or_else(StatusSet::default, |expect| expect.status.clone()),
                timeout: request.timeout,
                connect_timeout: request.connect_timeout,
                read_timeout: request.read_timeout,
                body_limit: request.body_limit,
                tries: request.tries,
                idempotent: request.idempotent,
            },
            surroundings,
        );
        let body = match &request.body {
            Some(body) => Body::read(body, surroundings),
            None => Some(Body::None),
        };
        let records = match &request.records {
            Some(text) => match RecordsPath::parse(text) {
                Ok(path) => Some(Some(path)),
                Err(message) => {
                    surroundings
                        .report
                        .push(Diagnostic::error("invalid-path", message, text.span));
                    None
                }
            },
            None => Some(None),
        };
        let pages = match &request.pages {
            Some(pages) => Pages::read(pages, surroundings).map(Some),
            None => Some(None),
        };
        let repeat = match &request.repeat {
            Some(repeat) => Repeat::read(repeat, surroundings).map(Some),
            None => Some(None),
        };
        let expected = match expect.and_then(|expect| expect.body.as_ref()) {
            Some(text) => {
                let scope = answer_scope(surroundings.scope);
                surroundings.expression_in(text, &scope).map(Some)
            }
            None => Some(None),
        };
        let fits = check_together(request, surroundings);
        let fetch = Self {
            call: call?,
            body: body?,
            records: records?,
            notation: request.format,
            columns: request
                .columns
                .as_ref()
                .map(|columns| columns.iter().map(|column| column.value.clone()).collect()),
            pages: pages?,
            repeat: repeat?,
            expected: expected?,
            keep_headers: request
                .keep_headers
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
        };
        fits.then_some(fetch)
    }

    /// The name of its connection.
    pub fn connection(&self) -> Option<&str> {
        self.call.connection.as_ref().map(ConnectionId::as_str)
    }

    /// How often its effects happen.
    pub fn guarantee(&self) -> Guarantee {
        self.call.guarantee()
    }

    /// Whether it is one small question, whose answer is worth to be an output.
    pub(super) fn is_single(&self) -> bool {
        self.records.is_none()
            && self.pages.is_none()
            && self.repeat.is_none()
            && !matches!(self.body, Body::Dataset(..))
    }
}

/// What doesn't go together.
fn check_together(request: &Request, surroundings: &mut Surroundings<'_>) -> bool {
    let dataset = request
        .body
        .as_ref()
        .is_some_and(|body| body.dataset.is_some());
    let ways = [
        ("pages", request.pages.is_some()),
        ("repeat", request.repeat.is_some()),
        ("body: { dataset }", dataset),
    ];
    let given: Vec<&str> = ways
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect();
    let mut conflicts = Vec::new();
    if let [first, second, ..] = given.as_slice() {
        conflicts.push(format!(
            "`{first}` and `{second}` each say what is asked next"
        ));
    }
    let json = matches!(request.format, None | Some(Notation::Json));
    let word = request.format.map_or("", Notation::word);
    for (name, given) in [
        ("records", request.records.is_some()),
        (
            "expect: { body }",
            request
                .expect
                .as_ref()
                .is_some_and(|expect| expect.body.is_some()),
        ),
    ] {
        if given && !json {
            conflicts.push(format!("`{name}` needs JSON, not `format: {word}`"));
        }
    }
    if request.body.is_some()
        && (request.get.is_some() || request.head.is_some() || request.url.is_some())
    {
        conflicts.push("a GET has no body: write `post`, or use `query`".to_owned());
    }
    for message in &conflicts {
        surroundings.report.push(Diagnostic::error(
            "conflicting-keys",
            message.clone(),
            request.span,
        ));
    }
    conflicts.is_empty()
}
