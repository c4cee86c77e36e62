//! Asking again and again, at a fixed rate.

use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use schemars::{Schema, json_schema};
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::pages::whole_number;
use crate::document::units::parse_duration;
use crate::document::{Diagnostic, FromNode, Node, Report, Spanned};
use crate::model::Timestamp;
use crate::task::{AttemptContext, Surroundings, TaskFailure};
use crate::template::{Scope, Template, TemplateValue};

crate::record! {
    /// Asks at a fixed rate, by the clock: the n-th tick is due at the run's time plus n periods, however long the requests take. An attempt makes only ticks that are still to come, and keeps only its own: what an earlier one had collected went with it, which `missed_ticks` counts. `on_error: skip` lets no tick end an attempt.
    pub struct RawRepeat as "a `repeat`" {
        /// The period: `1s`, or a template.
        every: RawPeriod,
        /// How many ticks there are: a number or a template.
        count: Node,
        /// What becomes of a tick that fails.
        on_error: OnTickError = "fail" => OnTickError::Fail,
    }
}

crate::choice! {
    /// What becomes of a tick that fails.
    pub enum OnTickError as "reaction" {
        /// The attempt fails with it.
        Fail = "fail",
        /// It is left out with a warning. A run that has collected nothing at all fails.
        Skip = "skip",
    }
}

/// Checked ticks.
#[derive(Debug)]
pub(super) struct Repeat {
    every: Period,
    count: TemplateValue,
    pub(super) on_error: OnTickError,
}

#[derive(Debug)]
enum Period {
    Fixed(Duration),
    Template(Template),
}

/// The shortest period.
const SHORTEST: Duration = Duration::from_millis(1);

/// A period as it is written.
#[derive(Debug, Clone, PartialEq)]
pub enum RawPeriod {
    Fixed(Spanned<Duration>),
    Template(Spanned<String>),
}

impl FromNode for RawPeriod {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        match node.as_text() {
            Some(text) if text.contains("{{") => {
                Some(Self::Template(Spanned::new(text.to_owned(), node.span)))
            }
            _ => Spanned::from_node(node, report).map(Self::Fixed),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [
            Duration::schema(),
            { "type": "string", "pattern": "\\{\\{" },
        ] })
    }
}

impl Period {
    fn read(raw: &RawPeriod, surroundings: &mut Surroundings<'_>) -> Option<Self> {
        let every = match raw {
            RawPeriod::Fixed(every) => every,
            RawPeriod::Template(text) => return surroundings.template(text).map(Self::Template),
        };
        if every.value < SHORTEST {
            surroundings.report.push(
                Diagnostic::error("invalid-value", "a period is at least `1ms`", every.span)
                    .label("`every` is too short"),
            );
            return None;
        }
        Some(Self::Fixed(every.value))
    }

    fn get(&self, scope: &Scope) -> Result<Duration, TaskFailure> {
        let template = match self {
            Self::Fixed(every) => return Ok(*every),
            Self::Template(template) => template,
        };
        let text = template.render(scope)?;
        match parse_duration(&text) {
            Ok(every) if every >= SHORTEST => Ok(every),
            Ok(_) => Err(TaskFailure::permanent(format!(
                "`every` is `{text}`: a period is at least `1ms`"
            ))),
            Err(message) => Err(TaskFailure::permanent(format!("`every`: {message}"))),
        }
    }
}

impl Repeat {
    pub(super) fn read(raw: &RawRepeat, surroundings: &mut Surroundings<'_>) -> Option<Self> {
        Some(Self {
            every: Period::read(&raw.every, surroundings)?,
            count: surroundings.template_value(&raw.count)?,
            on_error: raw.on_error,
        })
    }
}

/// A tick.
#[derive(Debug, Clone)]
pub(super) struct Tick {
    /// From 0.
    pub(super) number: u64,
    /// When it is due.
    at: Timestamp,
    due: Instant,
    /// When the next one is due: until then it has to be done.
    pub(super) end: Instant,
}

impl Tick {
    /// What templates and columns see.
    pub(super) fn value(&self) -> Json {
        let at = self.at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        json!({ "at": at, "number": self.number })
    }
}

/// The ticks of an attempt, as they become due.
pub(super) struct Clockwork {
    every: Duration,
    /// Behind the last tick.
    count: u64,
    next: u64,
    start: Timestamp,
    /// The moment of the attempt's first look at the clock, and how far it was from the start then.
    origin: Instant,
    elapsed: TimeDelta,
    /// Ticks whose time was over when the attempt began.
    pub(super) passed: u64,
    /// Ticks that came to nothing because the one before took too long.
    pub(super) missed: u64,
    /// Ticks that were begun late.
    pub(super) late: u64,
}

impl Clockwork {
    /// Looks at the clock, and at what the run says its time is.
    pub(super) fn start(repeat: &Repeat, attempt: &AttemptContext) -> Result<Self, TaskFailure> {
        let now = (attempt.clock)();
        let count = whole_number("count", &repeat.count, &attempt.scope)?;
        let start = logical_time(&attempt.scope).unwrap_or(now);
        let every = repeat.every.get(&attempt.scope)?;
        Ok(Self::new(every, count, start, now))
    }

    fn new(every: Duration, count: u64, start: Timestamp, now: Timestamp) -> Self {
        let elapsed = now - start;
        // A tick's time is over when the next one is due.
        let over = elapsed.to_std().unwrap_or_default().as_nanos() / every.as_nanos();
        let passed = u64::try_from(over).unwrap_or(u64::MAX).min(count);
        Self {
            every,
            count,
            next: passed,
            start,
            origin: Instant::now(),
            elapsed,
            passed,
            missed: 0,
            late: 0,
        }
    }

    /// Waits for the next tick; `None` behind the last.
    pub(super) async fn next(&mut self) -> Option<Tick> {
        loop {
            if self.next >= self.count {
                return None;
            }
            let tick = self.tick(self.next);
            self.next += 1;
            let now = Instant::now();
            if now >= tick.end {
                self.missed += 1;
                continue;
            }
            if now > tick.due + self.every / 2 && tick.number > self.passed {
                self.late += 1;
            }
            tokio::time::sleep_until(tick.due).await;
            return Some(tick);
        }
    }

    fn tick(&self, number: u64) -> Tick {
        let periods = |number: u64| {
            let nanos = self.every.as_nanos().saturating_mul(u128::from(number));
            let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
            TimeDelta::nanoseconds(nanos)
        };
        // Of the clock only the first look counts: whether it is set meanwhile doesn't matter.
        let moment = |number| match (periods(number) - self.elapsed).to_std() {
            Ok(ahead) => self.origin + ahead,
            Err(_) => self.origin,
        };
        Tick {
            number,
            at: self.start + periods(number),
            due: moment(number),
            end: moment(number + 1),
        }
    }
}

/// The scheduled time of the run; for a manual one, when it was asked for.
fn logical_time(scope: &Scope) -> Option<Timestamp> {
    let expression = Template::expression("run.logical_time").ok()?;
    let text = expression.render(scope).ok()?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// What comes of ticks of a second whose work takes so many milliseconds each: tick and its
    /// beginning after the start; late and missed.
    async fn ticks(started: &str, work: &[u64]) -> (Vec<(u64, u128)>, u64, u64) {
        let start = at("2026-08-20T00:00:00Z");
        let now = at(started);
        let mut clockwork = Clockwork::new(Duration::from_secs(1), 6, start, now);
        let (origin, before) = (Instant::now(), (now - start).to_std().unwrap_or_default());
        let ahead = (start - now).to_std().unwrap_or_default();
        let mut made = Vec::new();
        let mut work = work.iter();
        while let Some(tick) = clockwork.next().await {
            let begun = (origin.elapsed() + before).saturating_sub(ahead);
            assert_eq!(
                tick.at,
                start + TimeDelta::seconds(tick.number.try_into().unwrap())
            );
            made.push((tick.number, begun.as_millis()));
            tokio::time::sleep(Duration::from_millis(*work.next().unwrap_or(&0))).await;
        }
        (made, clockwork.late, clockwork.missed)
    }

    #[tokio::test(start_paused = true)]
    async fn ticks_keep_to_the_clock() {
        let on_time = |numbers: std::ops::Range<u64>| -> Vec<(u64, u128)> {
            numbers.map(|n| (n, u128::from(n) * 1000)).collect()
        };
        for (started, work, made, late, missed) in [
            (
                "2026-08-20T00:00:00Z",
                &[900, 10, 999][..],
                on_time(0..6),
                0,
                0,
            ),
            // Asked for ahead of its time.
            ("2026-08-19T23:59:58Z", &[], on_time(0..6), 0, 0),
            // A little late: not a tick is lost.
            (
                "2026-08-20T00:00:00.4Z",
                &[],
                [&[(0, 400)][..], &on_time(1..6)].concat(),
                0,
                0,
            ),
            // The time of two ticks is over.
            (
                "2026-08-20T00:00:02.9Z",
                &[],
                [&[(2, 2900)][..], &on_time(3..6)].concat(),
                0,
                0,
            ),
            // The first takes too long: one is missed, the next is late.
            (
                "2026-08-20T00:00:00Z",
                &[2700],
                [&[(0, 0), (2, 2700)][..], &on_time(3..6)].concat(),
                1,
                1,
            ),
            // All of them are over.
            ("2026-08-20T01:00:00Z", &[], Vec::new(), 0, 0),
        ] {
            assert_eq!(
                ticks(started, work).await,
                (made, late, missed),
                "{started} {work:?}"
            );
        }
    }
}
