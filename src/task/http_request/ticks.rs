//! Asking again and again, at a fixed rate.

use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::pages::whole_number;
use crate::document::{Diagnostic, Node};
use crate::model::Timestamp;
use crate::task::{AttemptContext, Surroundings, TaskFailure};
use crate::template::{Scope, Template, TemplateValue};

crate::record! {
    /// Asks at a fixed rate, by the clock: the n-th tick is due at the run's time plus n periods, however long the requests take. An attempt makes only ticks that are still to come.
    pub struct RawRepeat as "a `repeat`" {
        /// The period.
        every: Duration,
        /// How many ticks there are: a number or a template.
        count: Node,
        /// What becomes of a tick that fails.
        on_error: OnTickError = "fail" => OnTickError::Fail,
    }
}

crate::choice! {
    /// What becomes of a tick that fails.
    pub enum OnTickError as "way to handle an error" {
        /// The attempt fails with it.
        Fail = "fail",
        /// It is left out with a warning. A run that has collected nothing at all fails.
        Skip = "skip",
    }
}

/// Checked ticks.
#[derive(Debug)]
pub(super) struct Repeat {
    every: Duration,
    count: TemplateValue,
    pub(super) on_error: OnTickError,
}

impl Repeat {
    pub(super) fn read(raw: &RawRepeat, surroundings: &mut Surroundings<'_>) -> Option<Self> {
        if raw.every < Duration::from_millis(1) {
            surroundings.report.push(
                Diagnostic::error("invalid-value", "a period is at least `1ms`", raw.span)
                    .label("`every` is too short"),
            );
            return None;
        }
        Some(Self {
            every: raw.every,
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
        let mut ticks = Self {
            every: repeat.every,
            count,
            next: 0,
            start: logical_time(&attempt.scope).unwrap_or(now),
            origin: Instant::now(),
            elapsed: TimeDelta::zero(),
            passed: 0,
            missed: 0,
            late: 0,
        };
        ticks.elapsed = now - ticks.start;
        // A tick's time is over when the next one is due.
        let elapsed = ticks.elapsed.to_std().unwrap_or_default();
        let over = elapsed.as_nanos() / ticks.every.as_nanos();
        ticks.passed = u64::try_from(over).unwrap_or(u64::MAX).min(count);
        ticks.next = ticks.passed;
        Ok(ticks)
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
