//! `runner topic`: what a Kafka cluster has.

mod list;
mod messages;

use std::io::Write as _;

use super::arguments::Topic as Arguments;
use super::attend::Signals;
use super::context::{Context, runtime, unknown};
use super::{Mistake, exit, look, output};
use crate::connection::kafka::{KafkaCluster, KafkaError};
use crate::spec::Project;

pub fn run(context: &Context, command: &Arguments) -> anyhow::Result<u8> {
    let (project, _) = context.project()?;
    let cluster = cluster(&project, &command.connection)?;
    runtime()?.block_on(async {
        if command.url {
            return url(cluster, command).await;
        }
        match &command.name {
            Some(topic) => messages::show(cluster, topic, command).await,
            None => list::list(cluster, command).await,
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

/// A number of messages, as people read it.
pub fn count(number: i64) -> String {
    look::count(u64::try_from(number).unwrap_or(0))
}
