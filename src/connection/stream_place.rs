//! How far a stream has come in a database, kept there with its data.

/// The stream of a topic's messages to a group of consumers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamKey {
    pub group: String,
    pub topic: String,
}

/// A partition of a stream that somebody loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldPartition {
    pub partition: i32,
    /// The offset of the next message to load.
    pub next: i64,
    /// Goes up each time that the partition is taken over: whoever holds an older one has lost it.
    pub epoch: i64,
}

/// Messages of a partition that are loaded by a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamMove {
    /// As it was held before.
    pub held: HeldPartition,
    /// The offset of the next message afterwards.
    pub next: i64,
}
