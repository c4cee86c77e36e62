//! Times: short and local for people, UTC in ISO 8601 for programs.

use chrono::{DateTime, Datelike as _, Local, SecondsFormat, TimeZone};

use crate::document::units::format_duration;
use crate::model::Timestamp;

/// A moment of the past, as short as its age allows: `now`, `12s ago`, `3m ago`, `today 14:02`,
/// `yesterday 14:02`, `12 Aug 14:02`, `2025-08-12`.
pub fn short(at: Timestamp, now: Timestamp) -> String {
    short_in(at, now, &Local)
}

fn short_in<Z: TimeZone>(at: Timestamp, now: Timestamp, zone: &Z) -> String
where
    Z::Offset: std::fmt::Display,
{
    let age = now - at;
    if age.num_seconds() < 1 {
        return "now".to_owned();
    }
    if age.num_seconds() < 60 {
        return format!("{}s ago", age.num_seconds());
    }
    if age.num_minutes() < 60 {
        return format!("{}m ago", age.num_minutes());
    }
    let (at, now) = (at.with_timezone(zone), now.with_timezone(zone));
    let (day, today) = (at.date_naive(), now.date_naive());
    if day == today {
        at.format("today %H:%M").to_string()
    } else if Some(day) == today.pred_opt() {
        at.format("yesterday %H:%M").to_string()
    } else if day.year() == today.year() {
        at.format("%-d %b %H:%M").to_string()
    } else {
        day.to_string()
    }
}

/// A moment to the second, local: `14:02:03` of today, otherwise `2026-08-20 14:02:03`.
pub fn exact(at: Timestamp, now: Timestamp) -> String {
    let (at, now) = (local(at), local(now));
    if at.date_naive() == now.date_naive() {
        at.format("%H:%M:%S").to_string()
    } else {
        at.format("%Y-%m-%d %H:%M:%S").to_string()
    }
}

/// How far a moment is ahead, as precise as anybody plans: `now`, `in 12s`, `in 5m`, `in 3h 20m`,
/// `in 4d 2h`.
pub fn ahead(at: Timestamp, now: Timestamp) -> String {
    let left = (at - now).num_seconds();
    let parts = |(many, one): (i64, &str), (fewer, two): (i64, &str)| match fewer {
        0 => format!("in {many}{one}"),
        _ => format!("in {many}{one} {fewer}{two}"),
    };
    match left {
        ..=0 => "now".to_owned(),
        1..60 => format!("in {left}s"),
        60..3600 => format!("in {}m", left / 60),
        3600..86_400 => parts((left / 3600, "h"), (left % 3600 / 60, "m")),
        _ => parts((left / 86_400, "d"), (left % 86_400 / 3600, "h")),
    }
}

/// A moment that may be far away, local: `14:02` of today, `Sun 29 Mar 03:00`, with its year when
/// that is another; with seconds where it has some.
pub fn planned(at: Timestamp, now: Timestamp) -> String {
    planned_in(at, now, &Local)
}

fn planned_in<Z: TimeZone>(at: Timestamp, now: Timestamp, zone: &Z) -> String
where
    Z::Offset: std::fmt::Display,
{
    let (at, now) = (at.with_timezone(zone), now.with_timezone(zone));
    let seconds = if at.timestamp() % 60 == 0 {
        "%H:%M"
    } else {
        "%H:%M:%S"
    };
    let day = if at.year() == now.year() {
        "%a %-d %b"
    } else {
        "%a %-d %b %Y"
    };
    if at.date_naive() == now.date_naive() {
        at.format(seconds).to_string()
    } else {
        at.format(&format!("{day} {seconds}")).to_string()
    }
}

/// The moment on the clock of this machine.
pub fn local(at: Timestamp) -> DateTime<Local> {
    at.with_timezone(&Local)
}

/// A moment for programs.
pub fn utc(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A moment as a person types it: a day (its first moment in the zone), or a time with its offset,
/// to the minute or to the second; `None` when it is neither.
pub fn parse(text: &str, zone: chrono_tz::Tz) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(day) = text.parse::<chrono::NaiveDate>() {
        // Where midnight is left out, the day begins later.
        let minutes = (0..24 * 60).map(chrono::TimeDelta::minutes);
        let mut moments = minutes.filter_map(|minutes| {
            let local = day.and_time(chrono::NaiveTime::MIN) + minutes;
            zone.from_local_datetime(&local).earliest()
        });
        return moments.next().map(|moment| moment.to_utc());
    }
    let full = match text.strip_suffix('Z') {
        Some(bare) if bare.matches(':').count() == 1 => format!("{bare}:00Z"),
        _ => text.to_owned(),
    };
    Some(DateTime::parse_from_rfc3339(&full).ok()?.to_utc())
}

/// How long something took, or takes until now.
pub fn took(from: Timestamp, until: Timestamp) -> String {
    let took = (until - from).to_std().unwrap_or_default();
    // Tenths of a millisecond are chance; of what takes minutes, so are milliseconds.
    format_duration(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_in_their_zone() {
        let berlin = chrono_tz::Tz::Europe__Berlin;
        let cairo = chrono_tz::Tz::Africa__Cairo;
        for (text, zone, expected) in [
            ("2026-08-20", chrono_tz::Tz::UTC, "2026-08-20T00:00:00Z"),
            (" 2026-08-20", berlin, "2026-08-19T22:00:00Z"),
            // Midnight doesn't exist on this day.
            ("2026-04-24", cairo, "2026-04-23T22:00:00Z"),
            ("2026-08-20T06:00Z", berlin, "2026-08-20T06:00:00Z"),
            ("2026-08-20T06:00:30+02:00", cairo, "2026-08-20T04:00:30Z"),
        ] {
            let expected: Timestamp = expected.parse().unwrap();
            assert_eq!(parse(text, zone), Some(expected), "{text}");
        }
        assert_eq!(parse("yesterday", berlin), None);
        assert_eq!(parse("2026-02-30", berlin), None);
    }

    #[test]
    fn the_age_decides_about_the_words() {
        let now: Timestamp = "2026-08-20T12:30:00Z".parse().unwrap();
        let zone = chrono::FixedOffset::east_opt(2 * 3600).unwrap();
        for (at, expected) in [
            ("2026-08-20T12:30:05Z", "now"),
            ("2026-08-20T12:29:12Z", "48s ago"),
            ("2026-08-20T11:31:00Z", "59m ago"),
            ("2026-08-20T11:30:00Z", "today 13:30"),
            ("2026-08-19T22:00:00Z", "today 00:00"),
            ("2026-08-19T21:59:00Z", "yesterday 23:59"),
            ("2026-08-18T08:05:00Z", "18 Aug 10:05"),
            ("2025-12-31T08:05:00Z", "2025-12-31"),
        ] {
            assert_eq!(short_in(at.parse().unwrap(), now, &zone), expected, "{at}");
        }
    }
}
