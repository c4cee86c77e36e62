//! Messages, as they come and as they go.

use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};

/// A message of a topic, in the consumer's memory.
#[derive(Debug)]
pub struct Message<'a>(pub(super) BorrowedMessage<'a>);

impl Message<'_> {
    pub fn topic(&self) -> &str {
        self.0.topic()
    }

    pub fn partition(&self) -> i32 {
        self.0.partition()
    }

    /// Its number in the partition.
    pub fn offset(&self) -> i64 {
        self.0.offset()
    }

    /// Milliseconds since 1970 in UTC, as its producer or the broker has set it.
    pub fn timestamp(&self) -> Option<i64> {
        self.0.timestamp().to_millis()
    }

    pub fn key(&self) -> Option<&[u8]> {
        self.0.key()
    }

    /// `None` is a tombstone: the key has been deleted.
    pub fn value(&self) -> Option<&[u8]> {
        self.0.payload()
    }

    /// Names and values, in their order; a name may come again.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let headers = self.0.headers();
        headers
            .into_iter()
            .flat_map(|headers| headers.iter())
            .map(|header| (header.key, header.value))
    }
}

/// A message to be sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Record<'a> {
    pub topic: &'a str,
    /// `None`: by the key's hash, as Java's producers do; without a key, any.
    pub partition: Option<i32>,
    pub key: Option<&'a [u8]>,
    /// `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// Milliseconds since 1970 in UTC; `None` and 0 are now.
    pub timestamp: Option<i64>,
}
