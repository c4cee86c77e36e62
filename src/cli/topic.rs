//! `runner topic`: what a Kafka cluster has.

mod list;
mod messages;

use std::io::Write as _;

use super::arguments::Topic as Arguments;
use super::context::{Context, runtime};
use super::private_server::keep_up;
use super::{Mistake, exit, find, look, output};
use crate::connection::kafka::{KafkaCluster, KafkaError};

pub fn run(context: &Context, command: &Arguments) -> anyhow::Result<u8> {
    let (project, _) = context.project()?;
    let (name, what) = (&command.connection, "no Kafka cluster");
    let cluster = find::connection(&project, name, what, |connection| connection.as_kafka())?;
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
    let users = format!("or `runner topic {name} --url --hold`");
    keep_up(command.hold, &users).await?;
    Ok(exit::OK)
}

/// A number of messages, as people read it.
pub fn count(number: i64) -> String {
    look::count(u64::try_from(number).unwrap_or(0))
}
