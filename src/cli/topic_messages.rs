//! `runner topic <connection> <topic>`: the messages of a topic.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::Duration;

use chrono::DateTime;
use serde_json::{Value as Json, json};

use super::arguments::{Format, Topic as Arguments};
use super::attend::Signals;
use super::topic::{count, failed};
use super::{Mistake, exit, look, moment, output};
use crate::connection::kafka::{
    Bounds, ConsumerOptions, KafkaCluster, KafkaConsumer, KafkaError, Message, Partition, Polled,
    Start, Topic,
};
use crate::daemon::clock::now;
use crate::document::units::parse_duration;
use crate::model::Timestamp;

/// Messages when nobody says how many.
const MESSAGES: u64 = 20;
/// How long one poll takes when nothing comes, and how soon ^C is heard.
const LOOK: Duration = Duration::from_millis(200);
/// So many messages are shown together when all are.
const AT_ONCE: usize = 100;
const PARTITION: &str = "partition";
const OFFSET: &str = "offset";
/// The longest a cell of a key or of headers gets.
const CELL: usize = 32;

pub async fn show(cluster: &KafkaCluster, topic: &str, command: &Arguments) -> anyhow::Result<u8> {
    let failed = failed(&command.connection);
    let begin = match &command.from {
        Some(text) => Some(Begin::read(text, now())?),
        None => None,
    };
    let topic = cluster.topic(topic).await.map_err(&failed)?;
    let bounds = cluster.bounds(&topic.name).await.map_err(&failed)?;
    let total: i64 = bounds
        .iter()
        .map(|(_, bounds)| bounds.high - bounds.low)
        .sum();
    let limit = match command.count {
        Some(0) => None,
        Some(limit) => Some(limit),
        None if command.tail && begin.is_some() => None,
        None => Some(MESSAGES),
    };
    let starts = starts(cluster, &topic, &bounds, begin, limit)
        .await
        .map_err(&failed)?;
    let options = ConsumerOptions {
        // A message may be gone before it is read.
        reset: Some(Start::Earliest),
        ends: true,
        ..ConsumerOptions::default()
    };
    let consumer = cluster.consumer(options).await.map_err(&failed)?;
    let mut printer = Printer {
        out: output::stdout(),
        format: command.format,
        topic: topic.name.clone(),
        now: now(),
        room: output::columns(),
        widths: [PARTITION.len(), OFFSET.len(), 0, 0],
        headed: false,
    };
    let reading = Reading {
        starts,
        // The last ones of all are only known when all have been seen.
        last: begin.is_none(),
        limit,
        tail: command.tail,
    };
    let (sender, mut shown) = tokio::sync::mpsc::channel(64);
    std::thread::spawn(move || {
        let ended = reading.read(&consumer, &sender);
        if let Err(error) = ended {
            // Nobody may listen any more.
            let _ = sender.blocking_send(Err(error));
        }
        drop(sender);
        consumer.close();
    });
    let mut signals = Signals::new()?;
    let mut total_shown = 0;
    loop {
        let lines = tokio::select! {
            lines = shown.recv() => lines,
            () = signals.interrupted() => None,
        };
        let Some(lines) = lines else { break };
        let lines = lines.map_err(&failed)?;
        total_shown += lines.len() as u64;
        printer.print(&lines)?;
    }
    if command.format == Format::Text && !command.tail {
        foot(&mut printer.out, total_shown, total, topic.partitions.len())?;
    }
    printer.out.flush()?;
    Ok(exit::OK)
}

fn foot(out: &mut dyn Write, printed: u64, total: i64, partitions: usize) -> std::io::Result<()> {
    let faint = look::FAINT;
    let noun = |count: u64, noun: &str| {
        if count == 1 {
            noun.to_owned()
        } else {
            format!("{noun}s")
        }
    };
    let all = u64::try_from(total).unwrap_or(0);
    let mut text = count(total);
    if printed < all {
        text = format!("{} of {text}", look::count(printed));
    }
    let partitions = partitions as u64;
    writeln!(
        out,
        "{faint}{text} {} in {partitions} {}{faint:#}",
        noun(all, "message"),
        noun(partitions, "partition")
    )?;
    if printed < all {
        writeln!(
            out,
            "{faint}--count 0 shows all, --from earliest the first{faint:#}"
        )?;
    }
    Ok(())
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    Earliest,
    Latest,
    Time(i64),
    Offset(i64),
}

impl Begin {
    fn read(text: &str, now: Timestamp) -> Result<Self, Mistake> {
        if let Ok(offset) = text.parse() {
            return Ok(Self::Offset(offset));
        }
        if let Ok(age) = parse_duration(text) {
            let age = chrono::TimeDelta::from_std(age).unwrap_or(chrono::TimeDelta::MAX);
            let at = now.checked_sub_signed(age).unwrap_or(Timestamp::UNIX_EPOCH);
            return Ok(Self::Time(at.timestamp_millis()));
        }
        let day = format!("{text}T00:00:00Z");
        let zoneless = format!("{text}Z");
        let time = [text, &zoneless, &day]
            .iter()
            .find_map(|text| text.parse::<Timestamp>().ok());
        match (text, time) {
            ("earliest", _) => Ok(Self::Earliest),
            ("latest", _) => Ok(Self::Latest),
            (_, Some(time)) => Ok(Self::Time(time.timestamp_millis())),
            _ => Err(Mistake::new(format!("`{text}` is no place to begin at")).help(
                "`earliest`, `latest`, a time such as 2026-08-20 or 2026-08-20T14:00:00Z (UTC), how \
                 long ago (10m), or an offset",
            )),
        }
    }
}

/// Each partition with its first message to read.
async fn starts(
    cluster: &KafkaCluster,
    topic: &Topic,
    bounds: &[(i32, Bounds)],
    begin: Option<Begin>,
    limit: Option<u64>,
) -> Result<Vec<(Partition, i64)>, KafkaError> {
    let times = match begin {
        Some(Begin::Time(time)) => cluster.at_time(&topic.name, time).await?,
        _ => Vec::new(),
    };
    let limit = limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let starts = bounds.iter().map(|(number, bounds)| {
        let first = match begin {
            None => limit.map_or(bounds.low, |limit| bounds.high.saturating_sub(limit)),
            Some(Begin::Earliest) => bounds.low,
            Some(Begin::Latest) => bounds.high,
            Some(Begin::Offset(offset)) => offset,
            Some(Begin::Time(_)) => times
                .iter()
                .find(|position| position.partition.number == *number)
                .map_or(bounds.high, |position| position.next),
        };
        let first = first.clamp(bounds.low, bounds.high);
        (Partition::new(&topic.name, *number), first)
    });
    Ok(starts.collect())
}

/// What is shown of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    partition: i32,
    offset: i64,
    time: Option<i64>,
    key: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    value: Option<Vec<u8>>,
}

impl Line {
    fn of(message: &Message<'_>) -> Self {
        let owned = |bytes: &[u8]| bytes.to_vec();
        Self {
            partition: message.partition(),
            offset: message.offset(),
            time: message.timestamp(),
            key: message.key().map(owned),
            headers: message
                .headers()
                .map(|(name, value)| (name.to_owned(), value.map(owned)))
                .collect(),
            value: message.value().map(owned),
        }
    }
}

/// What is read, and how much of it is shown.
struct Reading {
    starts: Vec<(Partition, i64)>,
    last: bool,
    limit: Option<u64>,
    tail: bool,
}

type Shown = tokio::sync::mpsc::Sender<Result<Vec<Line>, KafkaError>>;

impl Reading {
    /// Reads until the end, and beyond it when more is waited for. Messages of several partitions are
    /// put in the order of their times where only some are shown.
    fn read(&self, consumer: &KafkaConsumer, shown: &Shown) -> Result<(), KafkaError> {
        let starts: Vec<(Partition, Start)> = self
            .starts
            .iter()
            .map(|(partition, first)| (partition.clone(), Start::Offset(*first)))
            .collect();
        consumer.assign(&starts)?;
        let most = self.limit.and_then(|limit| usize::try_from(limit).ok());
        // More of one partition can't be among the first of all.
        let enough = most.filter(|_| !self.last);
        let mut open: BTreeSet<i32> = starts.iter().map(|(start, _)| start.number).collect();
        let mut seen: BTreeMap<i32, usize> = BTreeMap::new();
        let mut lines: Vec<Line> = Vec::new();
        while !open.is_empty() {
            match consumer.poll(LOOK)? {
                Polled::Message(message) => {
                    let partition = message.partition();
                    let seen = seen.entry(partition).or_default();
                    *seen += 1;
                    if enough.is_none_or(|enough| *seen <= enough) {
                        lines.push(Line::of(&message));
                    }
                    if enough.is_some_and(|enough| *seen >= enough) {
                        open.remove(&partition);
                    }
                }
                Polled::End(partition) => {
                    open.remove(&partition);
                }
                Polled::Nothing => {}
            }
            if most.is_none() && lines.len() >= AT_ONCE {
                let lines = std::mem::take(&mut lines);
                if shown.blocking_send(Ok(lines)).is_err() {
                    return Ok(());
                }
            }
            if shown.is_closed() {
                return Ok(());
            }
        }
        let mut left = None;
        if let Some(most) = most {
            lines.sort_by_key(|line| (line.time, line.partition, line.offset));
            if self.last {
                lines.drain(..lines.len().saturating_sub(most));
            } else {
                lines.truncate(most);
                left = Some(most - lines.len());
            }
        }
        if shown.blocking_send(Ok(lines)).is_err() {
            return Ok(());
        }
        while self.tail && left != Some(0) && !shown.is_closed() {
            if let Polled::Message(message) = consumer.poll(LOOK)? {
                let line = Line::of(&message);
                if shown.blocking_send(Ok(vec![line])).is_err() {
                    return Ok(());
                }
                left = left.map(|left| left - 1);
            }
        }
        Ok(())
    }
}

/// Prints lines below each other, aligned as well as can be known before all are there.
struct Printer<W: Write> {
    out: W,
    format: Format,
    topic: String,
    now: Timestamp,
    /// The columns of the terminal.
    room: Option<usize>,
    /// Of partition, offset, time and key: the widest so far.
    widths: [usize; 4],
    /// Whether the headings have been printed.
    headed: bool,
}

impl<W: Write> Printer<W> {
    fn print(&mut self, lines: &[Line]) -> std::io::Result<()> {
        if self.format == Format::Json {
            for line in lines {
                writeln!(self.out, "{}", self.as_json(line))?;
            }
            return self.out.flush();
        }
        let rows: Vec<([String; 4], String, String)> =
            lines.iter().map(|line| self.cells(line)).collect();
        for (cells, ..) in &rows {
            for (width, cell) in self.widths.iter_mut().zip(cells) {
                *width = (*width).max(unicode_width::UnicodeWidthStr::width(cell.as_str()));
            }
        }
        let faint = look::FAINT;
        let [a, b, c, d] = self.widths;
        if !rows.is_empty() && !std::mem::replace(&mut self.headed, true) {
            let mut head = format!("{PARTITION:>a$}  {OFFSET:>b$}  {:c$}  ", "time");
            if d > 0 {
                head.push_str(&format!("{:d$}  ", "key"));
            }
            writeln!(self.out, "{faint}{head}value{faint:#}")?;
        }
        for ([partition, offset, time, key], headers, value) in &rows {
            let time = look::fit(time, c);
            let mut text = format!("{partition:>a$}  {offset:>b$}  {time}  ");
            if d > 0 {
                text.push_str(&format!("{}  ", look::fit(key, d)));
            }
            let used = unicode_width::UnicodeWidthStr::width(text.as_str());
            let mut rest = value.clone();
            if let Some(room) = self.room {
                let left = room.saturating_sub(used).max(CELL);
                look::fit(value, left).trim_end().clone_into(&mut rest);
            }
            let (place, after) = text.split_at(a + 2 + b);
            write!(self.out, "{faint}{place}{faint:#}{after}{rest}")?;
            if !headers.is_empty() {
                write!(self.out, "  {faint}{headers}{faint:#}")?;
            }
            writeln!(self.out)?;
        }
        self.out.flush()
    }

    fn cells(&self, line: &Line) -> ([String; 4], String, String) {
        let time = line
            .time
            .and_then(DateTime::from_timestamp_millis)
            .map(|at| moment::exact(at, self.now))
            .unwrap_or_default();
        let key = line.key.as_deref().map(escaped).unwrap_or_default();
        let key = shortened(&key, self.room);
        let headers: Vec<String> = line
            .headers
            .iter()
            .map(|(name, value)| {
                let value = value.as_deref().map_or("null".to_owned(), escaped);
                format!(
                    "{}={}",
                    escaped(name.as_bytes()),
                    shortened(&value, self.room)
                )
            })
            .collect();
        let value = line.value.as_deref().map_or("null".to_owned(), escaped);
        let cells = [
            line.partition.to_string(),
            line.offset.to_string(),
            time,
            key,
        ];
        (cells, headers.join(" "), value)
    }

    fn as_json(&self, line: &Line) -> Json {
        let headers: Vec<Json> = line
            .headers
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": bytes_as_json(value.as_deref()) }))
            .collect();
        json!({
            "topic": self.topic,
            "partition": line.partition,
            "offset": line.offset,
            "time": line.time.and_then(DateTime::from_timestamp_millis).map(moment::utc),
            "key": bytes_as_json(line.key.as_deref()),
            "headers": headers,
            "value": bytes_as_json(line.value.as_deref()),
        })
    }
}

/// A text where it is one, otherwise `{ "hex": "…" }`.
fn bytes_as_json(bytes: Option<&[u8]>) -> Json {
    let Some(bytes) = bytes else {
        return Json::Null;
    };
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Json::String(text.to_owned());
    }
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "hex": hex })
}

/// On a terminal, a text that isn't too wide.
fn shortened(text: &str, room: Option<usize>) -> String {
    match room {
        Some(_) if unicode_width::UnicodeWidthStr::width(text) > CELL => look::fit(text, CELL),
        _ => text.to_owned(),
    }
}

/// The bytes on one line: what is no text, and what would move the cursor, as `\xff`, `\n` or `\u{1b}`.
pub fn escaped(bytes: &[u8]) -> String {
    let mut line = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' | '\r' | '\t' => line.extend(character.escape_default()),
                other if other.is_control() => line.extend(other.escape_unicode()),
                other => line.push(other),
            }
        }
        for byte in chunk.invalid() {
            line.push_str(&format!("\\x{byte:02x}"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_on_one_line() {
        for (bytes, expected) in [
            (&b"plain \xc3\xbc"[..], "plain ü"),
            (b"a\nb\tc\x1b[2J", "a\\nb\\tc\\u{1b}[2J"),
            (b"\xff\x00x", "\\xff\\u{0}x"),
            (b"{\"a\": \"\\n\"}", "{\"a\": \"\\n\"}"),
        ] {
            assert_eq!(escaped(bytes), expected);
        }
    }

    #[test]
    fn places_to_begin_are_read() {
        let now: Timestamp = "2026-08-20T12:30:00Z".parse().unwrap();
        for (text, expected) in [
            ("earliest", Begin::Earliest),
            ("latest", Begin::Latest),
            ("17", Begin::Offset(17)),
            ("1m", Begin::Time(1_787_229_000_000 - 60_000)),
            ("2026-08-20T12:30:00Z", Begin::Time(1_787_229_000_000)),
            ("2026-08-20T12:30:00", Begin::Time(1_787_229_000_000)),
            ("2026-08-20", Begin::Time(1_787_184_000_000)),
        ] {
            assert_eq!(Begin::read(text, now).unwrap(), expected, "{text}");
        }
        assert!(Begin::read("soon", now).is_err());
    }
}
