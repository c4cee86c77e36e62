//! How often something may happen: `1/s`, with a burst.

use std::sync::Arc;
use std::time::Duration;

use schemars::{Schema, json_schema};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::document::{FromNode, Node, Report, Value, read_unit};

/// A rate as the language spells it: `1/s`, or `{ rate: 100/m, burst: 10 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Between two, on average.
    pub interval: Duration,
    /// How many may come at once after a pause, from 1.
    pub burst: u32,
}

crate::record! {
    /// A rate with a burst.
    struct RateRecord as "a rate" {
        /// How many in which time: `1/s`, `100/m`, `5000/h`.
        rate: RateText,
        /// How many may come at once after a pause.
        burst: std::num::NonZeroU32 = "1" => std::num::NonZeroU32::MIN,
    }
}

/// `1/s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RateText(Duration);

const PATTERN: &str = r"^\s*\d+(\.\d+)?\s*/\s*(ms|s|m|h|d)\s*$";

fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no rate: write how many in which time, such as `1/s`");
    let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
    let count: f64 = count.trim().parse().map_err(|_| wrong())?;
    let period = match unit.trim() {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        other => {
            return Err(format!(
                "`{other}` is no unit of time: use `s`, `m`, `h` or `d`, as in `100/m`"
            ));
        }
    };
    let interval = Duration::try_from_secs_f64(period / count).ok();
    interval
        .filter(|interval| *interval <= Duration::from_hours(24) && count > 0.0)
        .ok_or_else(|| format!("`{text}` is too slow: a rate is at least once a day"))
}

impl FromNode for RateText {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        read_unit(node, report, "a rate such as `1/s` or `100/m`", parse).map(Self)
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": PATTERN, "examples": ["1/s", "100/m"] })
    }
}

impl FromNode for Rate {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        if let Value::Map(_) = node.value {
            let record = RateRecord::from_node(node, report)?;
            return Some(Self {
                interval: record.rate.0,
                burst: record.burst.get(),
            });
        }
        let RateText(interval) = RateText::from_node(node, report)?;
        Some(Self { interval, burst: 1 })
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [RateText::schema(), RateRecord::schema()] })
    }
}

/// Lets callers pass at a rate, in the order they came. Clones share it.
#[derive(Debug, Clone)]
pub struct RateLimit {
    rate: Rate,
    /// When the next may pass if none were ever early: the theoretical arrival time of the generic
    /// cell rate algorithm (ITU-T I.371).
    next: Arc<Mutex<Option<Instant>>>,
}

impl RateLimit {
    /// A limit that nobody has passed yet.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            next: Arc::default(),
        }
    }

    /// Waits until the caller may pass. First come, first served; who gives up while waiting uses
    /// nothing up.
    pub async fn pass(&self) {
        // The lock is fair and is kept while waiting: that is the queue.
        let mut next = self.next.lock().await;
        let early = self.rate.interval * (self.rate.burst - 1);
        if let Some(next) = *next {
            sleep_until(next.checked_sub(early).unwrap_or(next)).await;
        }
        let now = Instant::now();
        *next = Some(next.map_or(now, |next| next.max(now)) + self.rate.interval);
    }
}
