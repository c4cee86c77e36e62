//! Kafka clusters: brokers of somebody's, or the project's own server.
//!
//! A task gets a [`KafkaCluster`] and makes clients of it. Nothing outside of this folder knows which
//! library speaks the protocol.

mod admin;
mod client;
mod cluster;
mod consumer;
mod context;
mod error;
mod groups;
mod keeper;
mod kind;
mod message;
mod notes;
mod partitions;
mod producer;
mod properties;
mod rebalance;
mod settings;
mod token;
mod topics;

pub use cluster::KafkaCluster;
pub use consumer::{ConsumerOptions, KafkaConsumer, Polled, Start};
pub use error::KafkaError;
pub use groups::{Group, GroupOffset};
pub use message::{Message, Record};
pub use notes::{NoteKeeper, NotePlace, Stored};
pub use partitions::{Bounds, Partition, Position};
pub use producer::{KafkaProducer, ProducerOptions};
pub use rebalance::Assignment;
pub use topics::{Declared, TOPIC_SETTINGS, Topic, TopicSpec};

pub(super) use kind::KIND;
