//! Messages that can't be used, sent where somebody may look at them.

use std::sync::Arc;
use std::time::Duration;

use super::gather::{Origin, Piece};
use crate::connection::kafka::{KafkaCluster, KafkaError, KafkaProducer, ProducerOptions, Record};

/// Why a message can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::task) struct Letter {
    pub(in crate::task) origin: Origin,
    pub(in crate::task) column: Option<String>,
    pub(in crate::task) reason: String,
}

/// Sends messages to a topic of dead letters.
pub(in crate::task) struct DeadLetters {
    /// Where the messages come from.
    topic: String,
    to: String,
    producer: Arc<KafkaProducer>,
}

/// How long the brokers may take.
const PATIENCE: Duration = Duration::from_secs(30);

impl DeadLetters {
    /// Gets ready to send.
    ///
    /// # Errors
    /// The topic of dead letters doesn't exist; the cluster can't be had.
    pub(in crate::task) async fn open(
        cluster: &KafkaCluster,
        topic: &str,
        to: &str,
    ) -> Result<Self, KafkaError> {
        cluster.topic(to).await?;
        let producer = cluster.producer(ProducerOptions::default()).await?;
        Ok(Self {
            topic: topic.to_owned(),
            to: to.to_owned(),
            producer: Arc::new(producer),
        })
    }

    /// Where they go.
    pub(in crate::task) fn topic(&self) -> &str {
        &self.to
    }

    /// Sends messages of a piece with their own keys, values and headers, and with headers that
    /// say why. Afterwards the brokers have them.
    ///
    /// # Errors
    /// They don't.
    pub(in crate::task) async fn send(
        &self,
        piece: &Arc<Piece>,
        letters: Vec<Letter>,
    ) -> Result<(), KafkaError> {
        let (producer, piece) = (self.producer.clone(), piece.clone());
        let (topic, to) = (self.topic.clone(), self.to.clone());
        let sent = tokio::task::spawn_blocking(move || {
            for letter in &letters {
                send(&producer, &topic, &to, &piece, letter)?;
            }
            producer.flush(PATIENCE)
        });
        match sent.await {
            Ok(sent) => sent,
            Err(error) => Err(KafkaError::Assignment(error.to_string())),
        }
    }
}

fn send(
    producer: &KafkaProducer,
    topic: &str,
    to: &str,
    piece: &Piece,
    letter: &Letter,
) -> Result<(), KafkaError> {
    let Origin { partition, offset } = letter.origin;
    let original = piece.original(letter.origin);
    let (partition, offset) = (partition.to_string(), offset.to_string());
    let mut headers = Vec::new();
    let (mut key, mut value) = (None, None);
    if let Some(original) = original {
        (key, value, headers) = (original.key, original.value, original.headers);
    }
    let said = [
        ("reason", Some(letter.reason.as_str())),
        ("column", letter.column.as_deref()),
        ("topic", Some(topic)),
        ("partition", Some(partition.as_str())),
        ("offset", Some(offset.as_str())),
    ];
    for (name, text) in said {
        headers.extend(text.map(|text| (name, Some(text.as_bytes()))));
    }
    producer.send(&Record {
        topic: to,
        key,
        value,
        headers: &headers,
        ..Record::default()
    })
}
