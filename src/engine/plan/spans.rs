//! How starts that wait are written down: those that follow each other evenly as one.
//!
//! What `catchup: all` has to catch up may be long, and is written again with every start.

use chrono::TimeDelta;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Occurrence;

/// A start, and those that follow it at even distances.
#[derive(Debug, Serialize, Deserialize)]
struct Span {
    #[serde(flatten)]
    first: Occurrence,
    /// How many follow.
    #[serde(default, skip_serializing_if = "is_zero")]
    more: u32,
    /// The time from each to the next: microseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    every: i64,
}

fn is_zero<T: Copy + Into<i64>>(number: &T) -> bool {
    (*number).into() == 0
}

impl Span {
    /// The one that is so many after the first.
    fn at(&self, number: u32) -> Option<Occurrence> {
        let later = TimeDelta::microseconds(self.every.checked_mul(number.into())?);
        Some(Occurrence {
            tick: self.first.tick.checked_add_signed(later)?,
            interval_start: self.first.interval_start.checked_add_signed(later)?,
            interval_end: self.first.interval_end.checked_add_signed(later)?,
            cause: self.first.cause.clone(),
        })
    }

    /// Takes in the next one where it fits.
    fn take(&mut self, next: &Occurrence) -> bool {
        let every = match self.more {
            0 => (next.tick - self.first.tick).num_microseconds(),
            _ => Some(self.every),
        };
        let Some(every) = every else { return false };
        let (before, number) = (self.every, self.more.saturating_add(1));
        self.every = every;
        let fits = number > self.more && self.at(number).as_ref() == Some(next);
        if fits {
            self.more = number;
        } else {
            self.every = before;
        }
        fits
    }
}

pub(super) fn serialize<S: Serializer>(
    waiting: &[Occurrence],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut spans: Vec<Span> = Vec::new();
    for occurrence in waiting {
        if !spans.last_mut().is_some_and(|span| span.take(occurrence)) {
            spans.push(Span {
                first: occurrence.clone(),
                more: 0,
                every: 0,
            });
        }
    }
    spans.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Occurrence>, D::Error> {
    let spans = Vec::<Span>::deserialize(deserializer)?;
    let all = spans
        .iter()
        .flat_map(|span| (0..=span.more).map(|number| span.at(number)));
    all.collect::<Option<_>>()
        .ok_or_else(|| serde::de::Error::custom("a start that waits is out of all times"))
}
