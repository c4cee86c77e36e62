//! Dates, times and time zones.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime};
use chrono_tz::{TZ_VARIANTS, Tz};
use schemars::{Schema, json_schema};

use crate::document::{Diagnostic, FromNode, Node, Report, Span, nearest};
use crate::model::{Timestamp, from_local};

/// A date or a time, as it was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Moment {
    Date(NaiveDate),
    Local(NaiveDateTime),
    Exact(Timestamp),
}

impl Moment {
    /// The moment, of a date its first.
    pub fn begins(self, zone: Tz) -> Option<Timestamp> {
        match self {
            Self::Date(date) => from_local(zone, date.and_time(NaiveTime::MIN)),
            Self::Local(local) => from_local(zone, local),
            Self::Exact(at) => Some(at),
        }
    }

    /// The moment, of a date the first after it.
    pub fn ends(self, zone: Tz) -> Option<Timestamp> {
        match self {
            Self::Date(date) => Self::Date(date.succ_opt()?).begins(zone),
            other => other.begins(zone),
        }
    }
}

impl FromNode for Moment {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        const WHAT: &str = "a date or time as text, such as `2026-01-31` or `2026-01-31T09:30`";
        let Some(text) = node.as_text() else {
            report.expected(WHAT, node);
            return None;
        };
        let local = [
            "%Y-%m-%dT%H:%M:%S",
            "%Y-%m-%dT%H:%M",
            "%Y-%m-%d %H:%M:%S",
            "%Y-%m-%d %H:%M",
        ];
        let moment = if let Ok(date) = text.parse() {
            Some(Self::Date(date))
        } else if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            Some(Self::Exact(at.to_utc()))
        } else {
            let mut read = local
                .iter()
                .map(|form| NaiveDateTime::parse_from_str(text, form));
            read.find_map(Result::ok).map(Self::Local)
        };
        let in_range = moment.filter(|moment| {
            let date = match moment {
                Self::Date(date) => *date,
                Self::Local(local) => local.date(),
                Self::Exact(at) => at.date_naive(),
            };
            in_calendar(date)
        });
        if in_range.is_none() {
            report.push(wrong_date(
                text,
                "a date or time",
                moment.is_some(),
                node.span,
            ));
        }
        in_range
    }

    fn schema() -> Schema {
        json_schema!({
            "type": "string",
            "examples": ["2026-01-31", "2026-01-31T09:30", "2026-01-31T09:30:00+01:00"]
        })
    }
}

/// A date.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Date(pub NaiveDate);

impl FromNode for Date {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        let Some(text) = node.as_text() else {
            report.expected("a date as text, such as `2026-01-31`", node);
            return None;
        };
        let date: Option<NaiveDate> = text.parse().ok();
        let in_range = date.filter(|date| in_calendar(*date));
        if in_range.is_none() {
            report.push(wrong_date(text, "a date", date.is_some(), node.span));
        }
        in_range.map(Self)
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "format": "date", "examples": ["2026-12-25"] })
    }
}

fn in_calendar(date: NaiveDate) -> bool {
    (1970..=2100).contains(&date.year())
}

fn wrong_date(text: &str, what: &str, exists: bool, span: Span) -> Diagnostic {
    if exists {
        return Diagnostic::error(
            "invalid-value",
            format!("`{text}` is out of range: from 1970 to 2100"),
            span,
        );
    }
    Diagnostic::error("invalid-value", format!("`{text}` is not {what}"), span)
        .label("expected such as `2026-01-31`")
}

impl FromNode for Tz {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        let Some(text) = node.as_text() else {
            report.expected("the name of a time zone as text", node);
            return None;
        };
        if let Ok(zone) = text.parse() {
            return Some(zone);
        }
        let diagnostic = Diagnostic::error(
            "unknown-timezone",
            format!("unknown time zone `{text}`"),
            node.span,
        );
        report.push(match zone_like(text) {
            Some(name) => diagnostic.label(format!("did you mean `{name}`?")),
            None => diagnostic.help("use an IANA name, such as `Europe/Berlin` or `UTC`"),
        });
        None
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "examples": ["UTC", "Europe/Berlin"] })
    }
}

/// The zone whose name, or whose city, is near to a text.
fn zone_like(text: &str) -> Option<&'static str> {
    let names = || TZ_VARIANTS.iter().map(|zone| zone.name());
    if let Some(name) = names().find(|name| name.eq_ignore_ascii_case(text)) {
        return Some(name);
    }
    if text.contains('/') {
        return nearest(text, names().filter(|name| name.contains('/')));
    }
    // `PST` is no misspelt `EST`, so names without a continent only meet whole cities.
    let city = text.replace(' ', "_");
    names().find(|name| {
        name.rsplit_once('/')
            .is_some_and(|(continent, last)| continent != "Etc" && last.eq_ignore_ascii_case(&city))
    })
}
