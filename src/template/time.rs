//! Filters of times.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use minijinja::{Error, ErrorKind, Value};

use crate::document::units::parse_duration;

/// Reads a time as records have it: RFC 3339, with a space for the `T` and a short offset too, as
/// PostgreSQL writes them. Without an offset it's UTC; a day is its midnight.
fn timestamp(text: &str) -> Result<DateTime<Utc>, Error> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    for separator in ["T", " "] {
        let format = format!("%Y-%m-%d{separator}%H:%M:%S%.f");
        if let Ok(time) = NaiveDateTime::parse_from_str(text, &format) {
            return Ok(time.and_utc());
        }
        if let Ok(time) = DateTime::parse_from_str(text, &format!("{format}%#z")) {
            return Ok(time.to_utc());
        }
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    Err(Error::new(
        ErrorKind::InvalidOperation,
        format!("`{text}` is no time: expected `2026-08-20T00:00:00Z` or `2026-08-20`"),
    ))
}

/// `{{ run.data_interval.start | date("%Y-%m-%d") }}`: a time in the notation of strftime, in UTC.
pub(super) fn date(value: &str, format: Option<&str>) -> Result<String, Error> {
    use std::fmt::Write as _;
    let format = format.unwrap_or("%Y-%m-%d");
    let mut text = String::new();
    write!(text, "{}", timestamp(value)?.format(format)).map_err(|_| {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("`{format}` is no date format"),
        )
    })?;
    Ok(text)
}

/// `{{ run.data_interval.start | shift("-1d") }}`: a time moved by a duration.
pub(super) fn shift(value: &str, by: &str) -> Result<Value, Error> {
    let invalid = |message: String| Error::new(ErrorKind::InvalidOperation, message);
    let (negative, length) = match by.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, by.strip_prefix('+').unwrap_or(by)),
    };
    let length = parse_duration(length).map_err(invalid)?;
    let length = chrono::TimeDelta::from_std(length).map_err(|error| invalid(error.to_string()))?;
    let time = timestamp(value)?;
    let moved = if negative {
        time.checked_sub_signed(length)
    } else {
        time.checked_add_signed(length)
    };
    let moved = moved.ok_or_else(|| invalid(format!("`{by}` leads out of the calendar")))?;
    Ok(Value::from(
        moved.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
    ))
}
