//! How often something may happen: `1/s`, with a burst.

use std::sync::{Arc, PoisonError};
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
    let count = count.trim();
    // What the language calls a number, without `inf` and `NaN`.
    if !count.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(wrong());
    }
    let count: f64 = count.parse().map_err(|_| wrong())?;
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
    /// Until when nobody passes.
    held: Arc<std::sync::Mutex<Option<Instant>>>,
}

impl RateLimit {
    /// A limit that nobody has passed yet.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            next: Arc::default(),
            held: Arc::default(),
        }
    }

    /// Waits until the caller may pass. First come, first served; who gives up while waiting uses
    /// nothing up.
    pub async fn pass(&self) {
        // The lock is fair and is kept while waiting: that is the queue.
        let mut next = self.next.lock().await;
        let early = self.rate.interval * (self.rate.burst - 1);
        let mut until = next.map(|next| next.checked_sub(early).unwrap_or(next));
        loop {
            // Somebody may hold it while others wait.
            until = until.max(*self.held());
            match until {
                Some(until) if until > Instant::now() => sleep_until(until).await,
                _ => break,
            }
        }
        let now = Instant::now();
        *next = Some(next.map_or(now, |next| next.max(now)) + self.rate.interval);
    }

    /// Lets nobody pass for a time: somebody was told that it was too much.
    pub fn hold(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut held = self.held();
        *held = (*held).max(Some(until));
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn limit(per_second: u32, burst: u32) -> RateLimit {
        RateLimit::new(Rate {
            interval: S / per_second,
            burst,
        })
    }

    /// When each of so many passes that are asked for at once is granted, in milliseconds.
    async fn passes(limit: &RateLimit, count: usize) -> Vec<u128> {
        let began = Instant::now();
        let pass = async || {
            limit.pass().await;
            began.elapsed().as_millis()
        };
        futures_util::future::join_all((0..count).map(|_| pass())).await
    }

    #[tokio::test(start_paused = true)]
    async fn passes_come_at_the_rate_after_a_burst() {
        assert_eq!(passes(&limit(1, 1), 4).await, [0, 1000, 2000, 3000]);
        assert_eq!(passes(&limit(2, 3), 6).await, [0, 0, 0, 500, 1000, 1500]);
        let limit = limit(2, 3);
        passes(&limit, 5).await;
        // A pause of any length brings back the burst, and no more.
        tokio::time::advance(3600 * S).await;
        assert_eq!(passes(&limit, 5).await, [0, 0, 0, 500, 1000]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_uses_nothing_up() {
        let limit = limit(1, 1);
        limit.pass().await;
        let began = Instant::now();
        let impatient = tokio::time::timeout(S / 2, limit.pass());
        let (impatient, patient) = tokio::join!(impatient, async {
            limit.pass().await;
            began.elapsed()
        });
        assert!(impatient.is_err());
        assert_eq!(patient, S);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_keeps_everybody_waiting() {
        let limit = limit(10, 10);
        limit.hold(5 * S);
        limit.hold(2 * S);
        assert_eq!(passes(&limit, 2).await, [5000, 5000]);
        let began = Instant::now();
        let slow = self::limit(1, 1);
        slow.pass().await;
        // While somebody is waiting already.
        tokio::join!(slow.pass(), async { slow.hold(3 * S) });
        assert_eq!(began.elapsed(), 3 * S);
    }

    #[test]
    fn rates_are_read() {
        for (text, millis) in [
            ("1/s", 1000),
            ("4 / s", 250),
            ("0.5/s", 2000),
            ("120/m", 500),
            ("3600/h", 1000),
            ("1/d", 86_400_000),
            ("2/ms", 0),
        ] {
            assert_eq!(parse(text).map(|d| d.as_millis()), Ok(millis), "{text}");
        }
        for text in [
            "", "1", "/s", "1/", "s/1", "-1/s", "0/s", "NaN/s", "1/w", "inf/s", "1/s/s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
