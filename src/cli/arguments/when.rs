//! Commands that look ahead and back in time.

use chrono::{DateTime, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use clap::Args;

use super::Format;
use crate::document::units::parse_duration;
use crate::model::{Timestamp, from_local};

/// `runner next`.
#[derive(Debug, Args)]
pub struct Next {
    /// Only these DAGs
    #[arg(long, value_name = "DAG", value_delimiter = ',')]
    pub dag: Vec<String>,
    /// So many runs [default: 10, with --until all]
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub count: Option<usize>,
    /// Up to then: a time, a day, or a span such as 24h
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    pub until: Option<When>,
    /// As if it were then: a time or a day
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    pub from: Option<When>,
    /// How to print
    #[arg(long, default_value = "text")]
    pub format: Format,
}

/// `runner simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    /// The beginning: a time or a day [default: now]
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    pub from: Option<When>,
    /// The end: a time, a day, or a span such as 12h
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = When::parse)]
    pub to: When,
    /// Only these DAGs, as if there were no others
    #[arg(long, value_name = "DAG", value_delimiter = ',')]
    pub dag: Vec<String>,
    /// How long tasks take: `5m` for all, `load=30s` for tasks of a name, `report.load=1h` for one;
    /// the others take the median of their history
    #[arg(long, value_name = "DURATION", value_delimiter = ',')]
    pub durations: Vec<String>,
    /// How to print
    #[arg(long, default_value = "text")]
    pub format: Format,
}

/// `runner timeline`.
#[derive(Debug, Args)]
pub struct Timeline {
    /// The beginning: a time, a day, or a span such as 24h
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = When::parse)]
    pub since: When,
    /// Only these DAGs
    #[arg(long, value_name = "DAG", value_delimiter = ',')]
    pub dag: Vec<String>,
    /// The tasks of one run instead: an id, a unique part of one, `latest`, or a DAG
    #[arg(long, value_name = "RUN", conflicts_with_all = ["since", "dag"])]
    pub run: Option<String>,
    /// How to print
    #[arg(long, default_value = "text")]
    pub format: Format,
}

/// A moment as people type it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    At(Timestamp),
    /// So far from another moment.
    Span(TimeDelta),
}

impl When {
    /// Reads `2026-08-20`, `2026-08-20T14:02`, `2026-08-20 14:02:03`, RFC 3339, or a span. What says
    /// no zone is local.
    fn parse(text: &str) -> Result<Self, String> {
        let local = |naive: NaiveDateTime| {
            let found = naive.and_local_timezone(Local);
            let found = found.earliest().map(|at| at.to_utc());
            // A time that the clocks leave out: the moment when they go on.
            found.or_else(|| from_local(chrono_tz::Tz::UTC, naive))
        };
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(at.to_utc()));
        }
        let forms = [
            "%Y-%m-%dT%H:%M:%S",
            "%Y-%m-%dT%H:%M",
            "%Y-%m-%d %H:%M:%S",
            "%Y-%m-%d %H:%M",
        ];
        let day = text.parse::<NaiveDate>().ok();
        let naive = day.map(|day| day.and_time(NaiveTime::MIN)).or_else(|| {
            let mut read = forms
                .iter()
                .map(|form| NaiveDateTime::parse_from_str(text, form).ok());
            read.find_map(|found| found)
        });
        if let Some(at) = naive.and_then(local) {
            return Ok(Self::At(at));
        }
        let span = parse_duration(text).ok();
        span.and_then(|span| TimeDelta::from_std(span).ok())
            .filter(|span| *span <= TimeDelta::days(36_500))
            .map(Self::Span)
            .ok_or_else(|| "expected such as `2026-08-20`, `2026-08-20T14:02` or `24h`".to_owned())
    }

    /// The moment; a span counts back from `now`.
    pub fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Span(span) => now - span,
        }
    }

    /// The moment; a span counts on from `start`.
    pub fn after(self, start: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Span(span) => start + span,
        }
    }
}
