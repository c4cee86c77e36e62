//! The records of all answers as one stream.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use serde_json::Value as Json;
use tokio::time::timeout_at;

use super::answer::Answer;
use super::body::Body;
use super::call::around;
use super::definition::HttpFetch;
use super::pages::{Walk, hash};
use super::send::Batches;
use super::ticks::{Clockwork, OnTickError, Repeat, Tick};
use super::totals::{TickCounts, Totals};
use crate::connection::{HttpApi, HttpHead, HttpRequest, HttpStream, Sending};
use crate::data::decode::{Decoded, Decoding, Document, DocumentEnd, Feed, Notation};
use crate::data::ndjson::Wanted;
use crate::data::{Column, ColumnKind, Columns, DataError, DatasetReader, Rejects};
use crate::task::{AttemptContext, TaskFailure};
use crate::template::Scope;

/// What expressions may see of an answer beside its records.
const BESIDE: usize = 1024 * 1024;
/// What is kept of an answer for messages and for `outputs.body`.
const SHOWN: usize = 64 * 1024;
/// The longest answer of a tick, which is held in memory until it is known to be good.
const TICK: u64 = 64 * 1024 * 1024;
/// How much of a page is compared with the page before.
const PAGE_START: usize = 64 * 1024;

/// A stream of records, and what is known of the requests behind it.
pub struct Opened<'a> {
    pub records: Decoded<'a>,
    pub totals: Arc<Totals>,
}

impl HttpFetch {
    /// Begins to ask, and waits until the columns of the records are known. `with_tick`: whether
    /// records get the column `tick`.
    pub async fn open<'a>(
        &'a self,
        attempt: &'a AttemptContext,
        wanted: Option<Wanted>,
        with_tick: bool,
        rejects: Option<Rejects>,
    ) -> Result<Opened<'a>, TaskFailure> {
        let totals = Arc::new(Totals::default());
        let reads_body = self.expected.is_some()
            || self
                .pages
                .as_ref()
                .is_some_and(super::pages::Pages::reads_body);
        let extra: Columns = match &self.repeat {
            Some(_) if with_tick => [Column {
                name: "tick".into(),
                kind: ColumnKind::Json,
            }]
            .into(),
            _ => Columns::default(),
        };
        let wanted = wanted.unwrap_or_else(|| match &self.columns {
            Some(keys) => Wanted::Keys {
                keys: keys.clone(),
                perhaps: Vec::new(),
            },
            None => Wanted::All,
        });
        let decoding = Decoding {
            extra: extra.clone(),
            beside: if reads_body { BESIDE } else { SHOWN },
            ..Decoding::of(self.records.clone().unwrap_or_default(), wanted)
        };
        let asking = Asking {
            fetch: self,
            attempt,
            api: self.call.api(attempt)?,
            around: around(attempt),
            totals: totals.clone(),
            ticks_in_records: !extra.is_empty(),
        };
        let records = Decoded::open(decoding, rejects, |feed| {
            Box::pin(async move { asking.ask(feed).await })
        })
        .await?;
        Ok(Opened { records, totals })
    }
}

/// The requests of an attempt.
struct Asking<'a> {
    fetch: &'a HttpFetch,
    attempt: &'a AttemptContext,
    api: &'a HttpApi,
    around: Sending,
    totals: Arc<Totals>,
    ticks_in_records: bool,
}

impl Asking<'_> {
    async fn ask(&self, mut feed: Feed) -> Result<(), DataError> {
        let fetch = self.fetch;
        if let Some(repeat) = &fetch.repeat {
            return self.ticks(repeat, &mut feed).await;
        }
        if let Body::Dataset(batching, task) = &fetch.body {
            let state = &self.attempt.places.state;
            let datasets = self.attempt.datasets.get(task);
            let datasets = datasets.map_or(&[][..], Vec::as_slice);
            let mut records = DatasetReader::open(state, datasets).await?;
            let mut batches = Batches::new(batching, &records);
            while let Some((body, number, _)) = batches.next(&mut records).await? {
                let key = format!("{}/{number}", self.attempt.idempotency_key());
                let scope = &self.attempt.scope;
                let request = fetch
                    .call
                    .request(scope, body, key)
                    .map_err(|failure| told(&failure))?;
                let answer = self.answer(&request, &mut feed, &mut 0).await?;
                answer.check(fetch.expected.as_ref(), scope)?;
            }
            return Ok(());
        }
        let scope = &self.attempt.scope;
        let Some(pages) = &fetch.pages else {
            let request = self.request(scope, self.attempt.idempotency_key())?;
            let answer = self.answer(&request, &mut feed, &mut 0).await?;
            answer.check(fetch.expected.as_ref(), scope)?;
            self.keep_body(&answer);
            return Ok(());
        };
        let mut walk = Walk::new(pages, scope).map_err(|failure| told(&failure))?;
        loop {
            let key = format!("{}/{}", self.attempt.idempotency_key(), walk.number + 1);
            let mut request = self.request(scope, key)?;
            walk.turn(&mut request);
            let mut start = 0;
            let answer = self.answer(&request, &mut feed, &mut start).await?;
            answer.check(fetch.expected.as_ref(), scope)?;
            if !walk.go_on(&answer, start, scope)? {
                let records = self.totals.outputs()["rows"].clone();
                self.attempt
                    .log
                    .info(format!("{} pages, {records} records", walk.number));
                return Ok(());
            }
        }
    }

    fn request(&self, scope: &Scope, key: String) -> Result<HttpRequest, DataError> {
        let body = self
            .fetch
            .body
            .of(self.attempt, scope)
            .map_err(|failure| told(&failure))?;
        let request = self.fetch.call.request(scope, body, key);
        let mut request = request.map_err(|failure| told(&failure))?;
        let named = |(name, _): &(String, String)| name.eq_ignore_ascii_case("traceparent");
        if let Some(traceparent) = &self.attempt.traceparent
            && !request.headers.iter().any(named)
        {
            let header = ("traceparent".to_owned(), traceparent.clone());
            request.headers.push(header);
        }
        Ok(request)
    }

    /// Asks, and hands the answer to the decoder while it comes. `start` becomes a hash of what it
    /// begins with.
    async fn answer(
        &self,
        request: &HttpRequest,
        feed: &mut Feed,
        start: &mut u64,
    ) -> Result<Answer, DataError> {
        let mut response = self.api.send(request, &self.around).await?;
        let mut answer = self.begin(request, response.head);
        let mut begun = false;
        let mut beginning = Vec::new();
        while let Some(chunk) = self.chunk(&mut response.body).await? {
            if !begun {
                feed.begin(self.document(&answer, None)).await?;
                begun = true;
            }
            if self.fetch.pages.is_some() && beginning.len() < PAGE_START {
                let missing = PAGE_START - beginning.len();
                beginning.extend_from_slice(&chunk[..missing.min(chunk.len())]);
            }
            feed.chunk(chunk)
                .await
                .map_err(|error| answer.explained(error))?;
        }
        *start = hash(&beginning);
        if begun {
            let ended = feed.end().await;
            answer.end = ended.map_err(|error| answer.explained(error))?;
        }
        self.end(&answer);
        Ok(answer)
    }

    async fn chunk(&self, body: &mut HttpStream) -> Result<Option<Bytes>, DataError> {
        let chunk = body.chunk().await?;
        let bytes = chunk.as_ref().map_or(0, Bytes::len);
        self.totals.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(chunk)
    }

    fn begin(&self, request: &HttpRequest, head: HttpHead) -> Answer {
        let name = format!("{} {}", request.method.as_str(), head.url);
        self.totals.count(|counts| {
            counts.requests += 1;
            counts.status = Some(head.status);
            for name in &self.fetch.keep_headers {
                let value = head.header(name).map_or(Json::Null, Json::from);
                counts.headers.insert(name.clone(), value);
            }
        });
        Answer {
            notation: self.notation(&head),
            name,
            head,
            end: DocumentEnd::default(),
        }
    }

    /// How an answer is written.
    fn notation(&self, head: &HttpHead) -> Notation {
        let said = head.header("content-type").unwrap_or_default();
        self.fetch.notation.unwrap_or_else(|| {
            match Notation::of_content_type(said) {
                // Many APIs call their JSON a text.
                Some(Notation::Text) if self.fetch.records.is_some() => Notation::Json,
                notation => notation.unwrap_or(Notation::Json),
            }
        })
    }

    fn document(&self, answer: &Answer, tick: Option<&Tick>) -> Document {
        let value = tick.filter(|_| self.ticks_in_records);
        Document {
            name: answer.name.clone(),
            notation: answer.notation,
            extra: value
                .map(|tick| Some(tick.value().to_string().into_bytes()))
                .into_iter()
                .collect(),
            withhold: tick.is_some(),
        }
    }

    fn end(&self, answer: &Answer) {
        let records = answer.end.records;
        self.totals.count(|counts| counts.records += records);
    }

    /// A small answer becomes an output.
    fn keep_body(&self, answer: &Answer) {
        if !self.fetch.is_single() {
            return;
        }
        let text = answer.end.beside.as_deref().unwrap_or_default();
        if text.len() <= SHOWN
            && let Ok(body) = serde_json::from_str(text)
        {
            self.totals.count(|counts| counts.body = Some(body));
        }
    }

    async fn ticks(&self, repeat: &Repeat, feed: &mut Feed) -> Result<(), DataError> {
        let log = &self.attempt.log;
        let mut clockwork =
            Clockwork::start(repeat, self.attempt).map_err(|failure| told(&failure))?;
        if clockwork.passed > 0 {
            log.warn(format!(
                "the time of {} ticks is over: they are missed, and what an earlier attempt had \
                 collected of them went with it",
                clockwork.passed
            ));
        }
        let mut counts = TickCounts::default();
        while let Some(tick) = clockwork.next().await {
            match self.tick(&tick, feed).await {
                Ok(()) => counts.kept += 1,
                Err(error) if repeat.on_error == OnTickError::Fail => return Err(error),
                Err(error) => {
                    let reason = error.to_string();
                    log.warn(format!("tick {} is left out: {reason}", tick.number));
                    counts.skipped += 1;
                    counts.last_failure = Some(reason);
                }
            }
            counts.late = clockwork.late;
            counts.missed = clockwork.passed + clockwork.missed;
            self.totals
                .count(|totals| totals.ticks = Some(counts.clone()));
        }
        counts.missed = clockwork.passed + clockwork.missed;
        self.totals
            .count(|totals| totals.ticks = Some(counts.clone()));
        let mut words = vec![format!("{} ticks", counts.kept)];
        for (count, word) in [
            (counts.late, "late"),
            (counts.missed, "missed"),
            (counts.skipped, "left out"),
        ] {
            if count > 0 {
                words.push(format!("{count} {word}"));
            }
        }
        log.info(words.join(", "));
        if counts.kept == 0 {
            let reason = counts
                .last_failure
                .unwrap_or_else(|| format!("the time of all {} ticks was over", clockwork.passed));
            return Err(DataError::Source {
                message: format!("nothing was collected: {reason}"),
                // The time of the ticks won't come again.
                retryable: false,
            });
        }
        Ok(())
    }

    /// Asks once. The answer is read as a whole before any of it counts.
    async fn tick(&self, tick: &Tick, feed: &mut Feed) -> Result<(), DataError> {
        let scope = self.attempt.scope.clone().with("tick", &tick.value());
        let key = format!("{}/{}", self.attempt.idempotency_key(), tick.number);
        let request = self.request(&scope, key)?;
        let limit = request.limits.body_limit.unwrap_or(TICK).min(TICK);
        let fetching = self.api.fetch(&request, limit, &self.around);
        let fetched = timeout_at(tick.end, fetching).await;
        let (head, body) = fetched.map_err(|_| DataError::Source {
            message: format!(
                "{} {}: no answer until the next tick",
                request.method.as_str(),
                request.target
            ),
            retryable: true,
        })??;
        self.totals
            .bytes
            .fetch_add(body.len() as u64, Ordering::Relaxed);
        let mut answer = self.begin(&request, head);
        if body.is_empty() {
            return answer.check(self.fetch.expected.as_ref(), &scope);
        }
        feed.begin(self.document(&answer, Some(tick))).await?;
        let ended = match feed.chunk(body).await {
            Ok(()) => feed.end().await,
            Err(error) => Err(error),
        };
        answer.end = ended.map_err(|error| answer.explained(error))?;
        let checked = answer.check(self.fetch.expected.as_ref(), &scope);
        feed.keep(checked.is_ok()).await?;
        if checked.is_ok() {
            self.end(&answer);
        }
        checked
    }
}

fn told(failure: &TaskFailure) -> DataError {
    DataError::Source {
        message: failure.cause.message.to_string(),
        retryable: failure.cause.kind == crate::model::FailureKind::Retryable,
    }
}
