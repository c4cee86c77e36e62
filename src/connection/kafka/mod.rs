//! Kafka clusters: brokers of somebody's, or the project's own server.
//!
//! A task gets a [`KafkaCluster`] and makes clients of it. Nothing outside of this folder knows which
//! library speaks the protocol.

mod admin;
mod cluster;
mod consumer;
mod context;
mod error;
mod groups;
mod kind;
mod message;
mod notes;
mod partitions;
mod producer;
mod properties;
mod settings;
mod topics;

pub use cluster::KafkaCluster;
pub use consumer::{Assignment, ConsumerOptions, KafkaConsumer, Polled, Start};
pub use error::KafkaError;
pub use groups::{Group, GroupOffset};
pub use message::{Message, Record};
pub use notes::{NoteKeeper, NotePlace, Stored};
pub use partitions::{Bounds, Partition, Position};
pub use producer::{KafkaProducer, ProducerOptions};
pub use topics::{Declared, Topic, TopicSpec};

pub(super) use kind::KIND;
