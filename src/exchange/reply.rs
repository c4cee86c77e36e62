//! What an API is asked, and what it answers.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use super::market::Market;
use crate::model::Timestamp;

/// A request that has come as far as an API.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// Below the root of the API, without a slash at its end.
    pub(super) path: &'a str,
    pub(super) query: &'a [(String, String)],
    pub(super) market: Market,
    pub(super) now: Timestamp,
}

impl Asked<'_> {
    /// The value of a key of the query.
    pub(super) fn query(&self, key: &str) -> Option<&str> {
        let found = self.query.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    }

    /// Now, in seconds since 1970.
    pub(super) fn second(&self) -> i64 {
        self.now.timestamp()
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl Reply {
    /// A JSON body.
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, body.to_string())
    }

    /// A body that is JSON already.
    pub(super) fn text(status: u16, body: String) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json; charset=utf-8".to_owned())],
            body,
        }
    }

    /// The same with one more header.
    pub(super) fn with(mut self, name: &'static str, value: &(impl ToString + ?Sized)) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    /// The same with `Retry-After` in seconds, where there are any.
    pub(super) fn retry_after(self, seconds: Option<u64>) -> Self {
        match seconds {
            Some(seconds) => self.with("retry-after", &seconds),
            None => self,
        }
    }
}

/// A second since 1970 as `2026-08-20T12:30:00+00:00`.
pub(super) fn offset_time(second: i64) -> String {
    time(second).to_rfc3339_opts(SecondsFormat::Secs, false)
}

/// A second since 1970.
pub(super) fn time(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap_or_default()
}
