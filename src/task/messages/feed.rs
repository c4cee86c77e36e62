//! What is read of a topic, as it is written down.

use std::num::NonZeroU32;
use std::time::Duration;

use schemars::Schema;
use serde_json::Value as Json;

use crate::connection::kafka::KafkaCluster;
use crate::data::csv::CsvDialect;
use crate::data::decode::MessageFormat;
use crate::data::ndjson::Wanted;
use crate::document::units::parse_duration;
use crate::document::{Diagnostic, FromNode as _, Node, Span, Spanned, nearest};
use crate::model::{ConnectionId, Timestamp};
use crate::task::{AttemptContext, Deed, Surroundings, TaskFailure, Touch};
use crate::template::{Template, TemplateValue};

use super::gather::Gathering;
use super::reader::Reading;

crate::record! {
    /// How a topic is read.
    pub(in crate::task) struct FeedSettings as "a topic that is read" {
        /// The group of consumers: those with the same one share the partitions. `runner.<dag>.<task>` when left out.
        group: Option<Spanned<String>>,
        /// Where a group begins that hasn't read the topic yet: `earliest`, `latest`, a time (`2026-08-20T00:00:00Z`), or `stored`, where the brokers have it.
        start: Option<Spanned<String>>,
        /// When it ends: `caught_up` (all that was there at the beginning is read), a number of messages, a duration, or `stopped`, which is a stream that goes on until it is cancelled.
        until: Option<Node>,
        /// What is in a message.
        format: MessageFormat = "json" => MessageFormat::Json,
        /// The names of the fields, with `format: csv`.
        columns: Option<Vec<String>>,
        /// Between the fields, with `format: csv`: one character, or `tab`. A comma when left out.
        delimiter: Option<Spanned<String>>,
        /// Messages of a transaction at most.
        batch: NonZeroU32 = "10000" => BATCH,
        /// How long a message waits for others at most.
        every: Duration = "1s" => Duration::from_secs(1),
        /// When messages were deleted before they were read: `fail`, or `continue` with those that are left.
        truncated: Truncated = "fail" => Truncated::Fail,
        /// The topic that takes messages that can't be read or don't fit, with headers that say why.
        dead_letter: Option<Spanned<String>>,
    }
}

crate::choice! {
    /// What to do when messages were deleted before they were read.
    pub(in crate::task) enum Truncated as "way to deal with deleted messages" {
        /// The task fails and says which.
        Fail = "fail",
        /// It goes on with those that are left, and says so.
        Continue = "continue",
    }
}

impl FeedSettings {
    /// The schema of something that has these keys beside its own.
    pub(in crate::task) fn beside(mut own: Schema) -> Schema {
        let settings = Self::schema();
        if let (Some(Json::Object(own)), Some(Json::Object(keys))) = (
            own.ensure_object().get_mut("properties"),
            settings.get("properties"),
        ) {
            own.extend(keys.clone());
        }
        own
    }
}

/// A topic that is read, checked.
#[derive(Debug)]
pub(in crate::task) struct Feed {
    pub(in crate::task) connection: ConnectionId,
    topic: Template,
    /// Where its name stands.
    place: Span,
    group: Option<Template>,
    start: Option<Template>,
    until: Option<TemplateValue>,
    format: MessageFormat,
    columns: Vec<String>,
    dialect: CsvDialect,
    batch: u64,
    every: Duration,
    pub(in crate::task) truncated: Truncated,
    dead_letter: Option<Template>,
    dead_letter_place: Option<Span>,
}

/// A topic that is read by an attempt.
#[derive(Debug, Clone)]
pub(in crate::task) struct Bound {
    pub(in crate::task) topic: String,
    pub(in crate::task) group: String,
    pub(in crate::task) start: Start,
    pub(in crate::task) until: Until,
    pub(in crate::task) dead_letter: Option<String>,
}

/// Where a group begins that hasn't read the topic yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::task) enum Start {
    Earliest,
    Latest,
    /// The first message of this time or later.
    Time(Timestamp),
    /// Where the brokers have it.
    Stored,
}

/// When reading ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::task) enum Until {
    Stopped,
    CaughtUp,
    Count(u64),
    Time(Duration),
}

const BATCH: NonZeroU32 = NonZeroU32::new(10_000).expect("10,000 isn't 0");
const STARTS: [&str; 3] = ["earliest", "latest", "stored"];
const UNTILS: [&str; 2] = ["caught_up", "stopped"];

impl Feed {
    /// The topics that it reads and writes, for looking at them before a run.
    pub(in crate::task) fn touches(&self) -> Vec<Touch<'_>> {
        let topics = [Some(&self.topic), self.dead_letter.as_ref()];
        let places = [Some(self.place), self.dead_letter_place];
        let topics = topics.into_iter().zip(places);
        topics
            .filter_map(|(topic, place)| Some(self.touch(topic?, place?)))
            .collect()
    }

    fn touch<'a>(&'a self, topic: &'a Template, place: Span) -> Touch<'a> {
        Touch {
            connection: self.connection.as_str(),
            deed: Deed::Topic {
                name: topic.is_literal().then(|| topic.source()),
                place,
            },
        }
    }

    /// Checks what was written; the connection is checked.
    pub(in crate::task) fn read(
        connection: ConnectionId,
        topic: &Spanned<String>,
        settings: &FeedSettings,
        surroundings: &mut Surroundings<'_>,
    ) -> Option<Self> {
        let delimiter = delimiter(settings, surroundings);
        let csv = settings.format == MessageFormat::Csv;
        if csv && settings.columns.is_none() {
            surroundings.report.push(
                Diagnostic::error(
                    "missing-key",
                    "`format: csv` needs the names of the fields: messages have no header",
                    settings.span,
                )
                .label("add `columns: [name, …]`"),
            );
        }
        let start = checked(settings.start.as_ref(), surroundings, |text| {
            Start::parse(text).map(drop)
        });
        let until = match &settings.until {
            Some(node) => {
                let value = surroundings.template_value(node)?;
                if let TemplateValue::Literal(value) = &value
                    && let Err(message) = Until::parse(value)
                {
                    let wrong = Diagnostic::error("invalid-value", message, node.span);
                    surroundings.report.push(wrong);
                }
                Some(value)
            }
            None => None,
        };
        let place = topic.span;
        let topic = surroundings.template(topic);
        let group = checked(settings.group.as_ref(), surroundings, |_| Ok(()));
        let dead_letter = checked(settings.dead_letter.as_ref(), surroundings, |_| Ok(()));
        Some(Self {
            connection,
            topic: topic?,
            place,
            group: group?,
            start: start?,
            until,
            format: settings.format,
            columns: settings.columns.clone().unwrap_or_default(),
            dialect: CsvDialect {
                delimiter: delimiter?,
                header: false,
                ..CsvDialect::default()
            },
            batch: settings.batch.get().into(),
            every: settings.every,
            truncated: settings.truncated,
            dead_letter: dead_letter?,
            dead_letter_place: settings.dead_letter.as_ref().map(|topic| topic.span),
        })
    }

    /// Whether it certainly goes on until it is cancelled.
    pub(in crate::task) fn is_endless(&self) -> bool {
        matches!(&self.until, Some(TemplateValue::Literal(value)) if value == "stopped")
    }

    /// What an attempt reads.
    pub(in crate::task) fn bind(&self, attempt: &AttemptContext) -> Result<Bound, TaskFailure> {
        let scope = &attempt.scope;
        let group = match &self.group {
            Some(group) => group.render(scope)?,
            None => format!("runner.{}.{}", attempt.dag, attempt.task),
        };
        let start = match &self.start {
            Some(start) => Start::parse(&start.render(scope)?).map_err(TaskFailure::permanent)?,
            None => Start::Earliest,
        };
        let until = match &self.until {
            Some(until) => Until::parse(&until.evaluate(scope)?).map_err(TaskFailure::permanent)?,
            None => Until::CaughtUp,
        };
        let dead_letter = match &self.dead_letter {
            Some(topic) => Some(topic.render(scope)?),
            None => None,
        };
        Ok(Bound {
            topic: self.topic.render(scope)?,
            group,
            start,
            until,
            dead_letter,
        })
    }

    /// What the reader does; `count` is how many messages are still wanted.
    pub(in crate::task) fn reading(
        &self,
        bound: &Bound,
        wanted: Wanted,
        count: Option<u64>,
    ) -> Reading {
        Reading {
            topic: bound.topic.clone(),
            group: bound.group.clone(),
            gathering: Gathering {
                format: self.format,
                wanted,
                fields: self.columns.clone(),
                dialect: self.dialect.clone(),
                originals: bound.dead_letter.is_some(),
            },
            batch: self.batch,
            every: self.every,
            count,
            until_caught_up: bound.until == Until::CaughtUp,
            time: match bound.until {
                Until::Time(time) => Some(time),
                _ => None,
            },
        }
    }

    /// The cluster that it is read from.
    pub(in crate::task) fn cluster<'a>(
        &self,
        attempt: &'a AttemptContext,
    ) -> Result<&'a KafkaCluster, TaskFailure> {
        let name = self.connection.as_str();
        attempt
            .connections
            .kafka(name)
            .ok_or_else(|| TaskFailure::permanent(format!("connection `{name}` is no Kafka")))
    }
}

/// A template whose text is checked when it is known; `None` inside when it is left out.
#[expect(
    clippy::option_option,
    reason = "outside: has mistakes; inside: left out"
)]
fn checked(
    text: Option<&Spanned<String>>,
    surroundings: &mut Surroundings<'_>,
    check: impl Fn(&str) -> Result<(), String>,
) -> Option<Option<Template>> {
    let Some(text) = text else {
        return Some(None);
    };
    let template = surroundings.template(text)?;
    if template.is_literal()
        && let Err(message) = check(text)
    {
        let wrong = Diagnostic::error("invalid-value", message, text.span);
        surroundings.report.push(wrong);
        return None;
    }
    Some(Some(template))
}

fn delimiter(settings: &FeedSettings, surroundings: &mut Surroundings<'_>) -> Option<u8> {
    let Some(text) = &settings.delimiter else {
        return Some(b',');
    };
    match text.as_bytes() {
        b"tab" => Some(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | b'"') => Some(*byte),
        _ => {
            let message = "`delimiter` is one ASCII character, or `tab`";
            let wrong = Diagnostic::error("invalid-value", message, text.span);
            surroundings.report.push(wrong);
            None
        }
    }
}

impl Start {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            "stored" => Ok(Self::Stored),
            _ => text.parse().map(Self::Time).map_err(|_| {
                let hint = match nearest(text, STARTS) {
                    Some(near) => format!(": did you mean `{near}`?"),
                    None => String::new(),
                };
                format!(
                    "`start` is `earliest`, `latest`, `stored` or a time such as \
                     `2026-08-20T00:00:00Z`, not `{text}`{hint}"
                )
            }),
        }
    }
}

impl Until {
    /// The number of messages, if it is one.
    pub(in crate::task) fn count(self) -> Option<u64> {
        match self {
            Self::Count(count) => Some(count),
            _ => None,
        }
    }

    fn parse(value: &Json) -> Result<Self, String> {
        let text = match value {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        match text.as_str() {
            "stopped" => return Ok(Self::Stopped),
            "caught_up" => return Ok(Self::CaughtUp),
            _ => {}
        }
        if let Ok(count) = text.parse::<u64>() {
            return match count {
                0 => Err("`until` is at least 1 message".to_owned()),
                count => Ok(Self::Count(count)),
            };
        }
        parse_duration(&text).map(Self::Time).map_err(|_| {
            let hint = match nearest(&text, UNTILS) {
                Some(near) => format!(": did you mean `{near}`?"),
                None => String::new(),
            };
            format!(
                "`until` is `caught_up`, `stopped`, a number of messages or a duration such as \
                 `1m`, not `{text}`{hint}"
            )
        })
    }
}
