//! `runner topic <connection> <topic>`: the messages of a topic.

mod print;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::Duration;

pub use self::print::escaped;
use self::print::{Line, Printer};
use super::{count, failed};
use crate::cli::arguments::{Format, Topic as Arguments};
use crate::cli::attend::Signals;
use crate::cli::{Mistake, exit, look, output};
use crate::connection::kafka::{
    Bounds, ConsumerOptions, KafkaCluster, KafkaConsumer, KafkaError, Partition, Polled, Start,
    Topic,
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

#[cfg(test)]
mod tests {
    use super::*;

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
