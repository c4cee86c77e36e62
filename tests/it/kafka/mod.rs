//! Kafka: the private broker's life, and clients of a real one.

mod clients;
mod command;
mod life;
mod topics;
