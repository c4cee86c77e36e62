//! `runner topic <connection>`: the topics of a cluster.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde_json::json;

use super::messages::escaped;
use super::{count, failed};
use crate::cli::arguments::{Format, Topic as Arguments};
use crate::cli::table::{self, Cell, Column};
use crate::cli::{exit, look, output};
use crate::connection::kafka::{Bounds, KafkaCluster, KafkaError, Topic};

/// A topic of the list.
struct Entry {
    topic: Topic,
    messages: i64,
    /// How many messages each group that reads it has before it.
    lag: BTreeMap<String, i64>,
}

pub async fn list(cluster: &KafkaCluster, command: &Arguments) -> anyhow::Result<u8> {
    let entries = entries(cluster, command)
        .await
        .map_err(failed(&command.connection))?;
    let mut out = output::stdout();
    if command.format == Format::Json {
        let topics: Vec<_> = entries
            .iter()
            .map(|entry| {
                json!({
                    "topic": entry.topic.name,
                    "partitions": entry.topic.partitions.len(),
                    "replication": entry.topic.replication,
                    "messages": entry.messages,
                    "lag": entry.lag,
                })
            })
            .collect();
        writeln!(out, "{:#}", json!(topics))?;
    } else if entries.is_empty() {
        let faint = look::FAINT;
        writeln!(anstream::stderr(), "{faint}it has no topics{faint:#}")?;
    } else {
        let rows: Vec<Vec<Cell>> = entries.iter().map(row).collect();
        table::print(&mut out, COLUMNS, &rows, output::columns())?;
    }
    out.flush()?;
    Ok(exit::OK)
}

const COLUMNS: &[Column<'_>] = &[
    Column::left("topic").shrinking(),
    Column::right("partitions"),
    Column::right("replicas"),
    Column::right("messages"),
    Column::left("lag").shrinking(),
];

fn row(entry: &Entry) -> Vec<Cell> {
    let lag: Vec<String> = entry
        .lag
        .iter()
        .map(|(group, lag)| format!("{group} {}", count(*lag)))
        .collect();
    vec![
        Cell::plain(escaped(entry.topic.name.as_bytes())),
        Cell::plain(entry.topic.partitions.len().to_string()),
        Cell::plain(entry.topic.replication.to_string()),
        Cell::plain(count(entry.messages)),
        Cell::plain(lag.join(", ")),
    ]
}

async fn entries(cluster: &KafkaCluster, command: &Arguments) -> Result<Vec<Entry>, KafkaError> {
    let topics = cluster.topics().await?;
    let mut bounds: BTreeMap<String, BTreeMap<i32, Bounds>> = BTreeMap::new();
    let shown = topics
        .into_iter()
        .filter(|topic| command.internal || !topic.is_internal());
    let mut entries = Vec::new();
    for topic in shown {
        let found = cluster.bounds(&topic.name).await?;
        let messages = found.iter().map(|(_, bounds)| bounds.high - bounds.low);
        entries.push(Entry {
            messages: messages.sum(),
            lag: BTreeMap::new(),
            topic: topic.clone(),
        });
        bounds.insert(topic.name, found.into_iter().collect());
    }
    let groups: Vec<String> = if let Some(group) = &command.group {
        vec![group.clone()]
    } else {
        let groups = cluster.groups().await?.into_iter();
        groups.map(|group| group.name).collect()
    };
    for group in groups {
        for position in cluster.progress(&group).await? {
            let partition = &position.partition;
            let known = bounds
                .get(&partition.topic)
                .and_then(|bounds| bounds.get(&partition.number));
            let entry = entries
                .iter_mut()
                .find(|entry| entry.topic.name == partition.topic);
            if let (Some(bounds), Some(entry)) = (known, entry) {
                let lag = bounds.high - position.next.clamp(bounds.low, bounds.high);
                *entry.lag.entry(group.clone()).or_default() += lag;
            }
        }
    }
    Ok(entries)
}
