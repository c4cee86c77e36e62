//! Changes of a cluster: topics as they are declared.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewPartitions, NewTopic,
    ResourceSpecifier, TopicReplication, TopicResult,
};
use rdkafka::error::{KafkaError as Library, KafkaResult, RDKafkaErrorCode as Code};

use super::KafkaCluster;
use super::client::{DroppedAside, of_client};
use super::cluster::{PATIENCE, Reached, off_thread};
use super::context::Told;
use super::error::{KafkaError, describe};
use super::topics::{Declared, TOPIC_SETTINGS, Topic, TopicSpec};
use crate::document::nearest;

/// How long the others of a cluster may take to hear of a topic.
const SPREAD: Duration = Duration::from_secs(10);

impl KafkaCluster {
    /// Makes the topic as it is declared, unless it is so already. Any number of processes may do it at
    /// once. Partitions are added where some are missing; what can't be changed is told.
    ///
    /// # Errors
    /// No broker answers, or the broker refuses.
    pub async fn declare(&self, spec: &TopicSpec) -> Result<Declared, KafkaError> {
        let topics = self.topics().await?;
        if let Some(topic) = topics.iter().find(|topic| topic.name == spec.name) {
            return self.adjust(topic, spec).await;
        }
        let admin = self.admin().await?;
        let (Ok(partitions), Ok(replication)) = (
            i32::try_from(spec.partitions),
            spec.replication.map_or(Ok(-1), i32::try_from),
        ) else {
            return Err(KafkaError::refused(
                "create the topic",
                "too many partitions",
            ));
        };
        let mut topic = NewTopic::new(&spec.name, partitions, TopicReplication::Fixed(replication));
        for (name, value) in &spec.config {
            topic = topic.set(name, value);
        }
        let action = format!("create topic `{}`", spec.name);
        let made = admin.client.create_topics([&topic], &options()).await;
        match first(made, &admin, &action)? {
            Ok(()) => {
                drop(admin);
                self.wait_for(&spec.name).await?;
                Ok(Declared {
                    created: true,
                    ..Declared::default()
                })
            }
            // Another process was faster.
            Err(Code::TopicAlreadyExists) => {
                let topic = self.wait_for(&spec.name).await?;
                self.adjust(&topic, spec).await
            }
            Err(code) => Err(refusal_of(spec, &action, code)),
        }
    }

    /// Removes a topic and its messages. One that doesn't exist is fine.
    ///
    /// # Errors
    /// As [`declare`](Self::declare).
    pub async fn remove_topic(&self, name: &str) -> Result<(), KafkaError> {
        let admin = self.admin().await?;
        let action = format!("remove topic `{name}`");
        let removed = admin.client.delete_topics(&[name], &options()).await;
        match first(removed, &admin, &action)? {
            Ok(()) | Err(Code::UnknownTopicOrPartition) => Ok(()),
            Err(code) => Err(refusal(&action, code)),
        }
    }

    /// Until a new topic can be seen: its partitions need a moment to have leaders.
    async fn wait_for(&self, name: &str) -> Result<Topic, KafkaError> {
        let deadline = tokio::time::Instant::now() + SPREAD;
        loop {
            match self.topic(name).await {
                Err(KafkaError::NoTopic { .. }) if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                found => return found,
            }
        }
    }

    async fn adjust(&self, topic: &Topic, spec: &TopicSpec) -> Result<Declared, KafkaError> {
        let mut outcome = Declared::default();
        let has = topic.partitions.len();
        let wanted = spec.partitions as usize;
        if has > wanted {
            outcome.differs.push(format!(
                "it has {has} partitions, {wanted} are declared, and a topic can't lose any"
            ));
        }
        if let Some(replication) = spec.replication
            && topic.replication != replication as usize
        {
            outcome.differs.push(format!(
                "each message is kept by {}, {replication} are declared, and only the cluster's \
                 administrator can move them",
                brokers(topic.replication)
            ));
        }
        if has < wanted {
            self.grow(topic, wanted).await?;
            let more = wanted - has;
            outcome.changed.push(format!(
                "{more} more {}: keys go to other partitions from now on",
                if more == 1 { "partition" } else { "partitions" }
            ));
        }
        if !spec.config.is_empty() {
            outcome.changed.extend(self.configure(spec).await?);
        }
        Ok(outcome)
    }

    async fn grow(&self, topic: &Topic, wanted: usize) -> Result<(), KafkaError> {
        let admin = self.admin().await?;
        let action = format!("add partitions to topic `{}`", topic.name);
        let more = NewPartitions::new(&topic.name, wanted);
        let made = admin.client.create_partitions([&more], &options()).await;
        first(made, &admin, &action)?.map_err(|code| refusal(&action, code))
    }

    /// Sets what differs, and leaves alone what isn't declared.
    async fn configure(&self, spec: &TopicSpec) -> Result<Vec<String>, KafkaError> {
        let admin = self.admin().await?;
        let action = format!("configure topic `{}`", spec.name);
        let resource = ResourceSpecifier::Topic(&spec.name);
        let described = admin
            .client
            .describe_configs([&resource], &options())
            .await
            .map_err(|error| admin.error(&action, &error))?;
        let known = match described.into_iter().next() {
            Some(Ok(known)) => known,
            Some(Err(code)) => return Err(refusal(&action, code)),
            None => return Ok(Vec::new()),
        };
        let value = |name: &str| known.get(name).and_then(|entry| entry.value.clone());
        let changed: Vec<String> = spec
            .config
            .iter()
            .filter(|(name, wanted)| value(name).as_ref() != Some(*wanted))
            .map(|(name, wanted)| match value(name) {
                Some(was) => format!("{name} from {was} to {wanted}"),
                None => format!("{name} to {wanted}"),
            })
            .collect();
        if changed.is_empty() {
            return Ok(changed);
        }
        // The request replaces all of the topic's own settings.
        let own = known
            .entries
            .iter()
            .filter(|entry| matches!(entry.source, ConfigSource::DynamicTopic))
            .filter_map(|entry| Some((entry.name.as_str(), entry.value.as_deref()?)));
        let mut all: BTreeMap<&str, &str> = own.collect();
        all.extend(
            spec.config
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        let mut change = AlterConfig::new(resource);
        for (name, value) in all {
            change = change.set(name, value);
        }
        let altered = admin
            .client
            .alter_configs([&change], &options())
            .await
            .map_err(|error| admin.error(&action, &error))?;
        match altered.into_iter().next() {
            Some(Err((_, code))) => Err(refusal_of(spec, &action, code)),
            _ => Ok(changed),
        }
    }

    async fn admin(&self) -> Result<Admin, KafkaError> {
        let reached = self.reach().await?;
        let config = self.settings().config(&reached.brokers, &[], &[]);
        off_thread(move || {
            let client: AdminClient<Told> =
                config
                    .create_with_context(reached.told())
                    .map_err(|error| {
                        KafkaError::of_library("connect", &error, &reached.brokers, None)
                    })?;
            if let Some(tokens) = &reached.tokens {
                tokens.give(client.inner())?;
            }
            Ok(Admin {
                client: DroppedAside::new(client),
                reached,
            })
        })
        .await
    }
}

/// A client that changes the cluster.
struct Admin {
    client: DroppedAside<AdminClient<Told>>,
    reached: Reached,
}

impl Admin {
    fn error(&self, action: &str, error: &Library) -> KafkaError {
        of_client(
            action,
            error,
            &self.reached.brokers,
            self.client.inner().context(),
        )
    }
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(PATIENCE))
        .operation_timeout(Some(SPREAD))
}

/// The answer about the one topic that was asked for.
fn first(
    answers: KafkaResult<Vec<TopicResult>>,
    admin: &Admin,
    action: &str,
) -> Result<Result<(), Code>, KafkaError> {
    let answers = answers.map_err(|error| admin.error(action, &error))?;
    Ok(match answers.into_iter().next() {
        Some(Err((_, code))) => Err(code),
        Some(Ok(_)) | None => Ok(()),
    })
}

fn refusal(action: &str, code: Code) -> KafkaError {
    KafkaError::of_library(action, &Library::AdminOp(code), "", Some(describe(code)))
}

/// The broker names neither the setting nor the number that it refuses.
fn refusal_of(spec: &TopicSpec, action: &str, code: Code) -> KafkaError {
    let unknown = spec
        .config
        .keys()
        .find(|name| !TOPIC_SETTINGS.contains(&name.as_str()));
    let reason = match (code, unknown) {
        (Code::InvalidConfig, Some(name)) => match nearest(name, TOPIC_SETTINGS.iter().copied()) {
            Some(near) => format!("topics have no setting `{name}`: did you mean `{near}`?"),
            None => format!("topics have no setting `{name}`"),
        },
        (Code::InvalidConfig, None) => {
            let settings = spec.config.iter();
            let settings: Vec<String> = settings
                .map(|(name, value)| format!("`{name}: {value}`"))
                .collect();
            format!("the broker refuses a value of {}", settings.join(", "))
        }
        (Code::InvalidReplicationFactor, _) => {
            let wanted = spec.replication.unwrap_or(1) as usize;
            format!(
                "the cluster hasn't {} to keep each message",
                brokers(wanted)
            )
        }
        (Code::InvalidTopic, _) => {
            "a topic's name has up to 249 of the letters a-z, A-Z, 0-9, `.`, `_` and `-`".to_owned()
        }
        _ => describe(code),
    };
    KafkaError::of_library(action, &Library::AdminOp(code), "", Some(reason))
}

fn brokers(count: usize) -> String {
    if count == 1 {
        "1 broker".to_owned()
    } else {
        format!("{count} brokers")
    }
}
