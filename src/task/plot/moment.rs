//! Times as databases and files write them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

/// Seconds since 1970 of a date, or of a time with or without an offset; without one it's UTC:
/// `2026-08-20`, `2026-08-20 19:55:43.341+00`, `2026-08-20T19:55:43Z`.
pub(super) fn read(text: &str) -> Option<f64> {
    let text = text.trim();
    // `2026-08-20`: ten bytes, of which two are dashes.
    let (date, rest) = text.split_at_checked(10)?;
    let day = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    if rest.is_empty() {
        return Some(seconds(day.and_time(NaiveTime::MIN)));
    }
    let time = rest.strip_prefix(['T', 't', ' '])?;
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return clock(time).map(|time| seconds(day.and_time(time)));
    }
    let Some(sign) = time.find(['+', '-', '−']) else {
        return clock(time).map(|time| seconds(day.and_time(time)));
    };
    let (time, offset) = time.split_at(sign);
    // PostgreSQL leaves `:00` out.
    let offset = match offset.len() {
        3 => format!("{offset}:00"),
        _ => offset.to_owned(),
    };
    let whole = format!("{date}T{}{offset}", clock(time)?.format("%H:%M:%S%.f"));
    let moment = DateTime::parse_from_str(&whole, "%Y-%m-%dT%H:%M:%S%.f%:z");
    moment.ok().map(|moment| seconds(moment.naive_utc()))
}

fn clock(text: &str) -> Option<NaiveTime> {
    let text = text.trim();
    ["%H:%M:%S%.f", "%H:%M"]
        .iter()
        .find_map(|pattern| NaiveTime::parse_from_str(text, pattern).ok())
}

/// Seconds or, where they are that many, milliseconds since 1970.
pub(super) fn of_number(value: f64) -> Option<f64> {
    let seconds = if value.abs() >= 1e11 {
        value / 1000.0
    } else {
        value
    };
    // Year 9999.
    (seconds.abs() < 253_402_300_800.0).then_some(seconds)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds of our times are below 2^53"
)]
fn seconds(moment: NaiveDateTime) -> f64 {
    moment.and_utc().timestamp_micros() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for (text, expected) in [
            ("2026-08-20", Some(1_787_184_000.0)),
            ("2026-08-20 00:00:01", Some(1_787_184_001.0)),
            ("2026-08-20 02:00:00+02", Some(1_787_184_000.0)),
            ("2026-08-20T02:00:00.250+02:00", Some(1_787_184_000.25)),
            ("2026-08-19 18:30:00-05:30", Some(1_787_184_000.0)),
            ("2026-08-20T00:00Z", Some(1_787_184_000.0)),
            ("1969-12-31T23:59:59Z", Some(-1.0)),
            ("2026-13-20", None),
            ("2026-08-20 25:00", None),
            ("2026-08", None),
            ("bitcoin", None),
            ("héllo wörld", None),
            ("", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(of_number(1_787_184_000.0), Some(1_787_184_000.0));
        assert_eq!(of_number(1_787_184_000_250.0), Some(1_787_184_000.25));
        assert_eq!(of_number(1e300), None);
    }
}
