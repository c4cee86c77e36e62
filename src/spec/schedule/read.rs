//! `schedule:`: when a DAG runs by itself.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use schemars::{Schema, json_schema};

use super::dates::{Date, Moment};
use crate::document::{
    Diagnostic, FromNode, Node, OneOrMany, Report, Span, Spanned, Value, read_choice, units,
};
use crate::model::{
    Calendar, Catchup, Clock, CronRule, Every, NICKNAMES, OverlapPolicy, Rule, Schedule, Timestamp,
    Timetable,
};

const EXPECTED: &str = "a schedule: a cron line, `always`, a map or a list of them";

/// Reads a schedule, reporting every mistake in it. `overlap` is what the DAG says for all its
/// starts.
pub fn read_schedule(
    node: &Node,
    overlap: Option<Spanned<OverlapPolicy>>,
    report: &mut Report,
) -> Option<Schedule> {
    if node.as_text().is_some_and(|text| text.trim() == "always") {
        return Some(Schedule::Always);
    }
    let parts: Vec<Option<Part>> = match &node.value {
        Value::List(items) if items.is_empty() => {
            report.push(
                Diagnostic::error("invalid-value", "an empty list is no schedule", node.span)
                    .help("leave `schedule` out for a DAG that only people start"),
            );
            return None;
        }
        Value::List(items) => items.iter().map(|item| Part::read(item, report)).collect(),
        _ => vec![Part::read(node, report)],
    };
    // The policies are of the DAG: read them before a broken clock ends the reading.
    let dag = Part {
        overlap,
        ..Part::default()
    };
    let whole: Vec<&Part> = std::iter::once(&dag)
        .chain(parts.iter().flatten())
        .collect();
    let catchup = only_one(&whole, "catchup", |part| part.catchup, report);
    let overlap = only_one(&whole, "overlap", |part| part.overlap, report);
    let jitter = only_one(&whole, "jitter", |part| part.jitter, report);
    let mut clocks = Vec::new();
    for part in parts {
        clocks.extend(part?.clocks?);
    }
    clocks.shrink_to_fit();
    let schedule = Schedule::Ticks(Timetable {
        clocks,
        catchup: catchup?.unwrap_or_default(),
        overlap: overlap?.unwrap_or_default(),
        jitter: jitter?.unwrap_or_default(),
    });
    if schedule.next_after(DateTime::UNIX_EPOCH).is_none() {
        report.push(
            Diagnostic::error("never-runs", "this schedule never comes", node.span).help(
                "nothing matches between `start` and `end` on the dates that `only` and `exclude` leave",
            ),
        );
        return None;
    }
    Some(schedule)
}

/// The shape that [`read_schedule`] accepts.
#[must_use]
pub fn schedule_schema() -> Schema {
    let nicknames: Vec<&str> = NICKNAMES.iter().map(|(name, _)| *name).collect();
    let text = json_schema!({
        "type": "string",
        "description": format!(
            "A cron line of 5 fields (6 with leading seconds), one of {}, or `always` for a stream.",
            nicknames.join(", ")
        ),
        "examples": ["*/5 * * * *", "30 9 * * mon-fri", "@daily", "always"]
    });
    let map = ScheduleMap::schema();
    json_schema!({
        "description": "When the DAG runs by itself; without it only people and other DAGs start it.",
        "anyOf": [
            text,
            map,
            { "type": "array", "minItems": 1, "items": { "anyOf": [text, map] } }
        ]
    })
}

crate::record! {
    /// When a DAG runs, in full.
    struct ScheduleMap as "a schedule" {
        /// One or more cron lines, as crontab has them, in local time of `timezone`.
        cron: OneOrMany<CronRule>,
        /// A steady pace, at least `1s`, counted from `start`, otherwise from 1970-01-01T00:00Z.
        every: Option<Spanned<Duration>>,
        /// The IANA name of the time zone.
        timezone: Tz = "UTC" => Tz::UTC,
        /// Where the data begins: the first run comes after it. A date, or a date and time, local
        /// unless it says otherwise.
        start: Option<Spanned<Moment>>,
        /// Where the data ends: the last run comes at it or before. A date counts to its end.
        end: Option<Spanned<Moment>>,
        /// Ticks that passed while nothing could start them: `none` run, the `latest`, `all`, or
        /// the last so many: `{ all: 30 }`.
        catchup: Option<Spanned<Catchup>>,
        /// A tick while a run goes on: `skip` it, `queue` it, `allow` it beside, or
        /// `cancel_running`.
        overlap: Option<Spanned<OverlapPolicy>>,
        /// Each DAG starts at a steady delay after its ticks, from zero up to this.
        jitter: Option<Spanned<Duration>>,
        /// Dates: ticks on others don't count.
        only: OneOrMany<Date>,
        /// Dates: ticks on them don't count.
        exclude: OneOrMany<Date>,
    }
}

/// What one entry says: its clocks, if they are right, and policies for the DAG.
#[derive(Default)]
struct Part {
    clocks: Option<Vec<Clock>>,
    catchup: Option<Spanned<Catchup>>,
    overlap: Option<Spanned<OverlapPolicy>>,
    jitter: Option<Spanned<Duration>>,
}

impl Part {
    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        match &node.value {
            Value::Text(text) if text.trim() == "always" => {
                report.push(
                    Diagnostic::error("invalid-value", "`always` stands alone", node.span)
                        .help("a DAG is a stream or has times, not both"),
                );
                None
            }
            Value::Text(_) => {
                let rule = CronRule::from_node(node, report)?;
                Some(Self {
                    clocks: Some(vec![Clock::new(Rule::Cron(rule), Tz::UTC)]),
                    ..Self::default()
                })
            }
            Value::Map(entries) => {
                let map = ScheduleMap::from_node(node, report)?;
                let known = |key: &str| ScheduleMap::KEYS.contains(&key);
                let silent = map.cron.0.is_empty() && map.every.is_none();
                if silent && !entries.iter().all(|entry| known(&entry.key.value)) {
                    // The unknown key, which has been reported, was meant to say when.
                    return None;
                }
                Some(Self::from_map(map, report))
            }
            _ => {
                report.expected(EXPECTED, node);
                None
            }
        }
    }

    fn from_map(map: ScheduleMap, report: &mut Report) -> Self {
        let zone = map.timezone;
        let start = map
            .start
            .map(|start| start.map(|moment| moment.begins(zone)));
        let end = map.end.map(|end| end.map(|moment| moment.ends(zone)));
        let in_order = check_order(start, end, report);
        let rules = read_rules(map.span, map.cron, map.every, start, report);
        let calendar = Calendar {
            only: dates(map.only),
            exclude: dates(map.exclude),
        };
        let clocks = rules.filter(|_| in_order).map(|rules| {
            rules
                .into_iter()
                .map(|rule| Clock {
                    rule,
                    timezone: zone,
                    start: start.and_then(|start| start.value),
                    end: end.and_then(|end| end.value),
                    calendar: calendar.clone(),
                })
                .collect()
        });
        Self {
            clocks,
            catchup: map.catchup,
            overlap: map.overlap,
            jitter: map.jitter,
        }
    }
}

fn dates(dates: OneOrMany<Date>) -> BTreeSet<NaiveDate> {
    dates.0.into_iter().map(|date| date.0).collect()
}

type Limit = Option<Spanned<Option<Timestamp>>>;

fn check_order(start: Limit, end: Limit, report: &mut Report) -> bool {
    let (Some(start), Some(end)) = (start, end) else {
        return true;
    };
    let in_order = start.value < end.value;
    if !in_order {
        report.push(
            Diagnostic::error("invalid-value", "`end` isn't after `start`", end.span)
                .related(start.span, "starts here"),
        );
    }
    in_order
}

fn read_rules(
    span: Span,
    cron: OneOrMany<CronRule>,
    every: Option<Spanned<Duration>>,
    start: Limit,
    report: &mut Report,
) -> Option<Vec<Rule>> {
    let Some(every) = every else {
        if cron.0.is_empty() {
            report.push(
                Diagnostic::error("missing-key", "a schedule needs `cron` or `every`", span)
                    .label("when?"),
            );
            return None;
        }
        return Some(cron.0.into_iter().map(Rule::Cron).collect());
    };
    if !cron.0.is_empty() {
        report.push(
            Diagnostic::error(
                "conflicting-keys",
                "`cron` and `every` exclude each other",
                every.span,
            )
            .help("for both, make `schedule` a list of two"),
        );
        return None;
    }
    if every.value < Duration::from_secs(1) {
        report.push(
            Diagnostic::error(
                "invalid-value",
                format!(
                    "`{}` is too short a pace: at least `1s`",
                    units::format_duration(every.value)
                ),
                every.span,
            )
            .help("for work that never rests use `schedule: always`"),
        );
        return None;
    }
    let anchor = start.and_then(|start| start.value);
    Some(vec![Rule::Every(Every {
        period: every.value,
        anchor: anchor.unwrap_or(DateTime::UNIX_EPOCH),
    })])
}

/// A policy that several entries may name as long as they agree. `None` when they don't.
#[expect(clippy::option_option, reason = "a mistake, nothing said, a policy")]
fn only_one<T: Copy + PartialEq>(
    parts: &[&Part],
    key: &str,
    get: impl Fn(&Part) -> Option<Spanned<T>>,
    report: &mut Report,
) -> Option<Option<T>> {
    let mut said = parts.iter().filter_map(|part| get(part));
    let Some(first) = said.next() else {
        return Some(None);
    };
    match said.find(|other| other.value != first.value) {
        None => Some(Some(first.value)),
        Some(other) => {
            report.push(
                Diagnostic::error(
                    "conflicting-keys",
                    format!("`{key}` holds for the whole DAG and can't differ"),
                    other.span,
                )
                .related(first.span, "set here"),
            );
            None
        }
    }
}

impl FromNode for OverlapPolicy {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        read_choice(node, report, "overlap mode", Self::ALL)
    }

    fn schema() -> Schema {
        let words: Vec<&str> = Self::ALL.iter().map(|(word, _)| *word).collect();
        json_schema!({ "type": "string", "enum": words, "default": "skip" })
    }
}

impl FromNode for Catchup {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        if node.as_map().is_some() {
            let limited = CatchupLimit::from_node(node, report)?;
            return Some(Self::All {
                limit: Some(limited.all.get()),
            });
        }
        let words = [
            ("none", Self::None),
            ("latest", Self::Latest),
            ("all", Self::All { limit: None }),
        ];
        read_choice(node, report, "catchup mode", &words)
    }

    fn schema() -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "enum": ["none", "latest", "all"] },
                CatchupLimit::schema()
            ],
            "default": "none"
        })
    }
}

crate::record! {
    /// Catches up with a limited number of ticks.
    struct CatchupLimit as "a catchup mode" {
        /// Most ticks to run; older ones are recorded as skipped.
        all: std::num::NonZeroU32,
    }
}
