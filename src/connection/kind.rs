//! What a kind of connection is, and what a connection can do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::Schema;

use super::kafka::KafkaCluster;
use super::{Bucket, Database, HttpApi, Notifier};
use crate::document::{Node, Report};
use crate::model::ConnectionId;
use crate::secret::Environment;

/// A row of [`KINDS`](super::KINDS).
pub struct ConnectionKind {
    /// The key that names it in `runner.yaml`.
    pub name: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// The value under `connections:` of a `runner.yaml`, as YAML.
    pub example: &'static str,
    /// The shape of the value behind the key.
    pub schema: fn() -> Schema,
    /// Reads the value behind the key. Opens nothing.
    pub parse: fn(&Node, &mut Surroundings<'_>) -> Option<Arc<dyn Connection>>,
}

/// What a connection is read in.
pub struct Surroundings<'a> {
    pub report: &'a mut Report,
    pub id: &'a ConnectionId,
    pub places: &'a Arc<Places>,
    pub environment: &'a Environment,
}

/// Where a project lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The folder of `runner.yaml`; paths in the project are relative to it.
    pub root: PathBuf,
    /// The folder of everything that is made: `.runner`.
    pub state: PathBuf,
    /// The `runner` binary, for supervisors of embedded servers.
    pub executable: PathBuf,
}

/// A configured connection. Opens itself at first use.
#[async_trait]
pub trait Connection: Send + Sync + std::fmt::Debug {
    /// Its kind's name.
    fn kind(&self) -> &'static str;

    /// The texts that must not be seen in logs.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }

    /// Looks whether the other side is there, and changes nothing. What is more than a server that
    /// answers, such as a database, is looked at by those who know what is done there.
    ///
    /// # Errors
    /// Why it can't be reached.
    async fn probe(&self) -> Result<(), String> {
        Ok(())
    }

    /// The connection as a database, when it is one.
    fn as_database(&self) -> Option<&dyn Database> {
        None
    }

    /// The connection as a store of files, when it is one.
    fn as_bucket(&self) -> Option<Arc<dyn Bucket>> {
        None
    }

    /// The connection as an HTTP API, when it is one.
    fn as_http(&self) -> Option<&HttpApi> {
        None
    }

    /// The connection as one that carries messages to people, when it is one.
    fn as_notifier(&self) -> Option<&dyn Notifier> {
        None
    }

    /// The connection as a Kafka cluster, when it is one.
    fn as_kafka(&self) -> Option<&KafkaCluster> {
        None
    }
}

/// The connections of a project, by name.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    by_name: BTreeMap<ConnectionId, Arc<dyn Connection>>,
    anywhere: HttpApi,
}

impl Connections {
    /// No connections yet; URLs without one are reached through the environment's proxies.
    #[must_use]
    pub fn new(environment: &Environment) -> Self {
        Self {
            by_name: BTreeMap::new(),
            anywhere: HttpApi::anywhere(environment),
        }
    }

    /// Adds a connection; an earlier one of the same name is replaced.
    pub fn insert(&mut self, id: ConnectionId, connection: Arc<dyn Connection>) {
        self.by_name.insert(id, connection);
    }

    /// The connection of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Connection>> {
        self.by_name.get(name)
    }

    /// All connections, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&ConnectionId, &Arc<dyn Connection>)> {
        self.by_name.iter()
    }

    /// The database of a name. A checked project has no other names, so that a miss is a mistake
    /// of ours.
    #[must_use]
    pub fn database(&self, name: &str) -> Option<&dyn Database> {
        self.by_name.get(name)?.as_database()
    }

    /// The store of files of a name.
    #[must_use]
    pub fn bucket(&self, name: &str) -> Option<Arc<dyn Bucket>> {
        self.by_name.get(name)?.as_bucket()
    }

    /// The HTTP API of a name.
    #[must_use]
    pub fn http(&self, name: &str) -> Option<&HttpApi> {
        self.by_name.get(name)?.as_http()
    }

    /// What carries messages to people, by its name.
    #[must_use]
    pub fn notifier(&self, name: &str) -> Option<&dyn Notifier> {
        self.by_name.get(name)?.as_notifier()
    }

    /// What reaches a whole URL that no connection is named for.
    #[must_use]
    pub fn anywhere(&self) -> &HttpApi {
        &self.anywhere
    }

    /// The Kafka cluster of a name, as [`database`](Self::database).
    #[must_use]
    pub fn kafka(&self, name: &str) -> Option<&KafkaCluster> {
        self.by_name.get(name)?.as_kafka()
    }
}
