//! Takes what is told, and sends it on beside all work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::encode;
use super::post::{Posted, Poster};
use super::record::{LogLine, Span};
use super::settings::{Signal, TelemetrySettings};
use crate::secret::Environment;

/// Records of one request.
const BATCH: usize = 512;
/// How long a record waits for others.
const DELAY: Duration = Duration::from_secs(1);
/// How often a request is sent that a collector doesn't take now, and the time in between at first.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);
/// How long a process that has nothing else to do goes on sending.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two warnings of records that were lost.
const QUIET: Duration = Duration::from_mins(1);

/// What this process has told and nobody was sent.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// How many spans and lines this process has dropped: the queue was full, or no collector took them.
#[must_use]
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

fn drop_records(count: usize) {
    DROPPED.fetch_add(count as u64, Ordering::Relaxed);
}

/// Where spans and lines go. Telling never waits and never fails; clones share one queue.
#[derive(Clone, Default)]
pub struct Telemetry(Option<Arc<Queues>>);

struct Queues {
    spans: Option<Sender<Told<Span>>>,
    logs: Option<Sender<Told<LogLine>>>,
}

enum Told<T> {
    Record(T),
    /// Send what is there, and say when.
    Flush(oneshot::Sender<()>),
}

impl Telemetry {
    /// As the environment says: most of the time nothing is sent anywhere. What is wrong there is
    /// warned of.
    #[must_use]
    pub fn begin(environment: &Environment) -> Self {
        let mut mistakes = Vec::new();
        let settings = TelemetrySettings::read(environment, &mut mistakes);
        for mistake in mistakes {
            tracing::warn!("OpenTelemetry: {mistake}");
        }
        settings.map_or_else(Self::default, Self::to)
    }

    /// Sends where the settings say, from tasks of their own. To be called within a runtime.
    #[must_use]
    pub fn to(settings: TelemetrySettings) -> Self {
        let (traces, logs) = (settings.traces.clone(), settings.logs.clone());
        let room = settings.queue;
        let poster = match Poster::new(settings) {
            Ok(poster) => Arc::new(poster),
            Err(error) => {
                tracing::warn!(%error, "OpenTelemetry: nothing can be sent");
                return Self::default();
            }
        };
        Self(Some(Arc::new(Queues {
            spans: traces.map(|url| {
                let (sender, receiver) = channel(room);
                let encode = encode::spans as Encode<Span>;
                tokio::spawn(send(
                    receiver,
                    poster.clone(),
                    url,
                    (Signal::Traces, encode),
                ));
                sender
            }),
            logs: logs.map(|url| {
                let (sender, receiver) = channel(room);
                let encode = encode::logs as Encode<LogLine>;
                tokio::spawn(send(receiver, poster, url, (Signal::Logs, encode)));
                sender
            }),
        })))
    }

    /// Whether somebody wants spans.
    #[must_use]
    pub fn wants_spans(&self) -> bool {
        self.0.as_ref().is_some_and(|queues| queues.spans.is_some())
    }

    /// Whether somebody wants lines of logs.
    #[must_use]
    pub fn wants_logs(&self) -> bool {
        self.0.as_ref().is_some_and(|queues| queues.logs.is_some())
    }

    /// Tells of a span that has ended.
    pub fn span(&self, span: impl FnOnce() -> Span) {
        if let Some(sender) = self.0.as_ref().and_then(|queues| queues.spans.as_ref()) {
            offer(sender, span);
        }
    }

    /// Tells of a line.
    pub fn line(&self, line: impl FnOnce() -> LogLine) {
        if let Some(sender) = self.0.as_ref().and_then(|queues| queues.logs.as_ref()) {
            offer(sender, line);
        }
    }

    /// Waits until what was told is sent, two seconds at most.
    pub async fn flush(&self) {
        let Some(queues) = &self.0 else { return };
        let spans = async {
            if let Some(sender) = &queues.spans {
                flush(sender).await;
            }
        };
        let logs = async {
            if let Some(sender) = &queues.logs {
                flush(sender).await;
            }
        };
        let both = async { tokio::join!(spans, logs) };
        if tokio::time::timeout(PATIENCE, both).await.is_err() {
            tracing::warn!("OpenTelemetry: the collector doesn't take what is left in time");
        }
    }
}

fn offer<T>(sender: &Sender<Told<T>>, record: impl FnOnce() -> T) {
    match sender.try_reserve() {
        Ok(room) => room.send(Told::Record(record())),
        Err(_) => drop_records(1),
    }
}

async fn flush<T>(sender: &Sender<Told<T>>) {
    let (done, told) = oneshot::channel();
    if sender.send(Told::Flush(done)).await.is_ok() {
        // Gone is done, too.
        let _ = told.await;
    }
}

type Encode<T> = fn(&[(String, String)], &[T]) -> Vec<u8>;

/// Sends batch after batch until nobody tells anything any more.
async fn send<T>(
    mut told: Receiver<Told<T>>,
    poster: Arc<Poster>,
    url: String,
    (signal, encode): (Signal, Encode<T>),
) {
    let mut warned: Option<(Instant, u64)> = None;
    loop {
        let (batch, done, over) = gather(&mut told).await;
        if !batch.is_empty() {
            let body = encode(&poster.settings().resource, &batch);
            if let Err(why) = deliver(&poster, &url, &body).await {
                drop_records(batch.len());
                warn(&mut warned, signal, &why);
            }
        }
        if let Some(done) = done {
            let _ = done.send(());
        }
        if over {
            return;
        }
    }
}

/// Records until there are enough, they have waited long enough, or somebody waits for them; and
/// whether nobody tells anything any more.
async fn gather<T>(told: &mut Receiver<Told<T>>) -> (Vec<T>, Option<oneshot::Sender<()>>, bool) {
    let mut batch = Vec::new();
    let mut until: Option<Instant> = None;
    loop {
        let next = match until {
            None => told.recv().await,
            Some(until) => match tokio::time::timeout_at(until, told.recv()).await {
                Ok(next) => next,
                Err(_) => return (batch, None, false),
            },
        };
        match next {
            None => return (batch, None, true),
            Some(Told::Flush(done)) => return (batch, Some(done), false),
            Some(Told::Record(record)) => {
                batch.push(record);
                until.get_or_insert_with(|| Instant::now() + DELAY);
                if batch.len() == BATCH {
                    return (batch, None, false);
                }
            }
        }
    }
}

async fn deliver(poster: &Poster, url: &str, body: &[u8]) -> Result<(), String> {
    let mut pause = PAUSE;
    let mut left = TRIES;
    loop {
        left -= 1;
        let patience = poster.settings().timeout;
        match poster.post(url, body.to_vec(), patience).await {
            Posted::Taken => return Ok(()),
            Posted::Later(_) if left > 0 => {}
            Posted::Later(why) | Posted::Refused(why) => return Err(why),
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

/// Says that something was lost, once a minute at most.
fn warn(warned: &mut Option<(Instant, u64)>, signal: Signal, why: &str) {
    let lost = dropped();
    let known = match warned {
        Some((at, _)) if at.elapsed() < QUIET => return,
        Some((_, known)) => *known,
        None => 0,
    };
    *warned = Some((Instant::now(), lost));
    let what = match signal {
        Signal::Traces => "traces",
        Signal::Logs => "logs",
    };
    let lost = lost - known;
    tracing::warn!(
        lost,
        "OpenTelemetry: {what} aren't taken: {why}; runs go on without them"
    );
}
