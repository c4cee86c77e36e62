//! A private Kafka broker: `kafka: embedded` in a project.

mod broker;
mod connect;
mod install;
mod ports;
mod search;
mod settings;

pub use connect::{KafkaServer, acquire, acquire_with};
pub use install::{Installed, install};

pub(super) use broker::KIND;
