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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::{Cause, Firing, Memory};
    use super::*;
    use crate::model::{Json, Timestamp};

    fn start(at: i64, length: i64, cause: Cause) -> Occurrence {
        let time = |at| Timestamp::from_timestamp_micros(at).unwrap();
        Occurrence {
            tick: time(at),
            interval_start: time(at - length),
            interval_end: time(at),
            cause,
        }
    }

    fn memory(waiting: Vec<Occurrence>) -> Memory {
        Memory {
            waiting,
            ..Memory::default()
        }
    }

    #[test]
    fn three_days_of_minutes_are_a_line() {
        let minute = 60_000_000;
        let waiting = (0..4320).map(|number| start(number * minute, minute, Cause::Tick));
        let text = serde_json::to_string(&memory(waiting.collect())).unwrap();
        assert!(text.len() < 400, "{text}");
    }

    #[test]
    fn what_was_written_one_by_one_is_read() {
        let one = r#"{"tick":"2026-11-21T03:00:00Z","interval_start":"2026-11-20T03:00:00Z","interval_end":"2026-11-21T03:00:00Z"}"#;
        let mut text = serde_json::to_value(memory(Vec::new())).unwrap();
        text["waiting"] = serde_json::from_str(&format!("[{one},{one}]")).unwrap();
        let read: Memory = serde_json::from_value(text).unwrap();
        assert_eq!(read.waiting.len(), 2);
        assert_eq!(read.waiting[0], read.waiting[1]);
    }

    fn cause() -> impl Strategy<Value = Cause> {
        let fired = Cause::Fired(Firing {
            source: "file `a`".to_owned(),
            detail: Json(r#"{"path":"a","size":1.50}"#.into()),
            params: Json("{}".into()),
        });
        prop_oneof![4 => Just(Cause::Tick), 1 => Just(Cause::After), 1 => Just(fired)]
    }

    proptest! {
        #[test]
        fn all_come_back(parts in vec((0i64..9, 0i64..3, 1i64..3, cause()), 0..30)) {
            let mut at = 0;
            let waiting = parts.into_iter().map(|(later, length, times, cause)| {
                at += later * times;
                start(at, length, cause)
            });
            let memory = memory(waiting.collect());
            let text = serde_json::to_string(&memory).unwrap();
            prop_assert_eq!(serde_json::from_str::<Memory>(&text).unwrap(), memory);
        }
    }
}
