//! What several pages show the same way: states, moments, amounts.

use serde::Serialize;

use crate::model::Timestamp;
use crate::operate::moment;
use crate::operate::tone::Tone;
use crate::store::RunRow;

/// A state: its colour's class, its sign and its word.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct State {
    class: &'static str,
    sign: &'static str,
    pub(super) word: &'static str,
}

impl From<Tone> for State {
    fn from(tone: Tone) -> Self {
        Self {
            class: tone.class(),
            sign: tone.sign(),
            word: tone.word(),
        }
    }
}

/// A moment: for people, exactly, and for programs.
#[derive(Debug, Clone, Serialize)]
pub(super) struct When {
    short: String,
    exact: String,
    iso: String,
}

/// A moment of the past.
pub(super) fn when(at: Timestamp, now: Timestamp) -> When {
    When {
        short: moment::short(at, now),
        exact: moment::local(at)
            .format("%a %-d %b %Y %H:%M:%S %Z")
            .to_string(),
        iso: moment::utc(at),
    }
}

/// A moment to come.
pub(super) fn ahead(at: Timestamp, now: Timestamp) -> When {
    When {
        short: moment::ahead(at, now),
        exact: moment::planned(at, now),
        ..when(at, now)
    }
}

/// How long a run took; of one that goes on, how long it has taken so far.
pub(super) fn took(run: &RunRow, interrupted: bool, now: Timestamp) -> String {
    match (run.started, run.finished) {
        (Some(started), Some(finished)) => moment::took(started, finished),
        (Some(started), None) if !interrupted => moment::took(started, now),
        _ => String::new(),
    }
}

/// Seconds between two moments, for heights of bars.
pub(super) fn seconds(from: Timestamp, until: Timestamp) -> f64 {
    (until - from).to_std().unwrap_or_default().as_secs_f64()
}

/// A text in a query of a URL.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
