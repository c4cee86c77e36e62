//! `runner topic`: what a Kafka cluster has.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde_json::json;

use super::arguments::{Format, Topic as Arguments};
use super::attend::Signals;
use super::context::{Context, runtime, unknown};
use super::table::{self, Cell, Column};
use super::{Mistake, exit, look, output, topic_messages};
use crate::connection::kafka::{Bounds, KafkaCluster, KafkaError, Topic};
use crate::spec::Project;

pub fn run(context: &Context, command: &Arguments) -> anyhow::Result<u8> {
    let (project, _) = context.project()?;
    let cluster = cluster(&project, &command.connection)?;
    runtime()?.block_on(async {
        if command.url {
            return url(cluster, command).await;
        }
        match &command.name {
            Some(topic) => topic_messages::show(cluster, topic, command).await,
            None => list(cluster, command).await,
        }
    })
}

fn cluster<'a>(project: &'a Project, name: &str) -> anyhow::Result<&'a KafkaCluster> {
    let connections = &project.settings.connections;
    if let Some(cluster) = connections.kafka(name) {
        return Ok(cluster);
    }
    if let Some(connection) = connections.get(name) {
        let mistake = format!(
            "connection `{name}` ({}) is no Kafka cluster",
            connection.kind()
        );
        return Err(Mistake::new(mistake).into());
    }
    let clusters = connections
        .iter()
        .filter(|(_, connection)| connection.as_kafka().is_some());
    let names = clusters.map(|(id, _)| id.as_str());
    Err(unknown("connection", name, names).into())
}

/// An error of a cluster, as the mistake of whoever named it.
pub fn failed(connection: &str) -> impl Fn(KafkaError) -> anyhow::Error {
    move |error| Mistake::new(format!("connection `{connection}`: {error}")).into()
}

async fn url(cluster: &KafkaCluster, command: &Arguments) -> anyhow::Result<u8> {
    let name = &command.connection;
    let brokers = cluster.brokers().await.map_err(failed(name))?;
    let mut out = output::stdout();
    writeln!(out, "{brokers}")?;
    out.flush()?;
    if !cluster.is_embedded() {
        return Ok(exit::OK);
    }
    let faint = look::FAINT;
    let mut told = anstream::stderr();
    if command.hold {
        writeln!(told, "{faint}the server is up until ^C{faint:#}")?;
        Signals::new()?.interrupted().await;
    } else {
        writeln!(
            told,
            "{faint}the server is only up while something uses it: a run, or `runner topic {name} \
             --url --hold`{faint:#}"
        )?;
    }
    Ok(exit::OK)
}

/// A topic of the list.
struct Entry {
    topic: Topic,
    messages: i64,
    /// How many messages each group that reads it has before it.
    lag: BTreeMap<String, i64>,
}

async fn list(cluster: &KafkaCluster, command: &Arguments) -> anyhow::Result<u8> {
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
        Cell::plain(topic_messages::escaped(entry.topic.name.as_bytes())),
        Cell::plain(entry.topic.partitions.len().to_string()),
        Cell::plain(entry.topic.replication.to_string()),
        Cell::plain(count(entry.messages)),
        Cell::plain(lag.join(", ")),
    ]
}

pub fn count(number: i64) -> String {
    look::count(u64::try_from(number).unwrap_or(0))
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
