//! The thread that a consumer blocks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{message, stream};
use crate::connection::kafka::{
    ConsumerOptions, KafkaConsumer, KafkaError, Message, Partition, Polled, Start,
};
use crate::engine::plan::Key;
use crate::trigger::Item;

/// How long the consumer waits for a message before it looks whether it is still wanted: the
/// library wakes it when there is one.
const PATIENCE: Duration = Duration::from_secs(2);
/// Messages that are in memory and have not started their runs.
const MOST_AHEAD: usize = 1_000;
/// Messages that are told together when they are there at once.
const TOGETHER: usize = 500;

/// What the thread says.
pub(super) enum Said {
    Read {
        items: Vec<Item>,
        /// All partitions have been read to their ends.
        quiet: bool,
        /// The next message of each stream among them.
        next: Vec<(String, i64)>,
    },
    Failed(KafkaError),
}

/// A thread that reads until this is dropped.
pub(super) struct Reader {
    said: UnboundedReceiver<Said>,
    unwanted: Arc<AtomicBool>,
    /// How many messages may be ahead of their runs. Closed when it isn't wanted any more.
    room: Arc<Semaphore>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.unwanted.store(true, Ordering::Relaxed);
        self.room.close();
    }
}

impl Reader {
    /// `ends`: it is told when all has been read that is there.
    pub(super) fn options(ends: bool) -> ConsumerOptions {
        ConsumerOptions {
            // What it stood at may be gone.
            reset: Some(Start::Earliest),
            ends,
            ..ConsumerOptions::default()
        }
    }

    /// Reads from these places on.
    pub(super) fn begin(
        consumer: KafkaConsumer,
        starts: &[(Partition, Start)],
        connection: &str,
    ) -> std::io::Result<Self> {
        let room = Arc::new(Semaphore::new(MOST_AHEAD));
        let (sender, said) = unbounded_channel();
        let unwanted = Arc::new(AtomicBool::new(false));
        if let Err(error) = consumer.assign(starts) {
            // Nobody is there who could have gone.
            let _ = sender.send(Said::Failed(error));
        }
        let mut thread = Thread {
            consumer,
            unread: starts
                .iter()
                .map(|(partition, _)| partition.number)
                .collect(),
            connection: connection.to_owned(),
            room: room.clone(),
            runtime: Handle::current(),
            unwanted: unwanted.clone(),
        };
        std::thread::Builder::new()
            .name("topic".to_owned())
            .spawn(move || thread.read(&sender))?;
        Ok(Self {
            said,
            unwanted,
            room,
        })
    }

    /// What it says next; `None` when it has ended. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Said> {
        self.said.recv().await
    }
}

struct Thread {
    consumer: KafkaConsumer,
    /// Partitions whose ends have not been seen.
    unread: BTreeSet<i32>,
    connection: String,
    room: Arc<Semaphore>,
    runtime: Handle,
    unwanted: Arc<AtomicBool>,
}

impl Thread {
    fn read(&mut self, said: &UnboundedSender<Said>) {
        while !self.unwanted.load(Ordering::Relaxed) {
            match self.read_some() {
                Ok(None) => {}
                Ok(Some(read)) => {
                    if said.send(read).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    let _ = said.send(Said::Failed(error));
                    return;
                }
            }
        }
    }

    /// What is there at once; `None`: nothing yet.
    fn read_some(&mut self) -> Result<Option<Said>, KafkaError> {
        let waits = self.room.clone().acquire_owned();
        let Ok(mut room) = self.runtime.block_on(waits) else {
            return Ok(None);
        };
        let mut items = Vec::new();
        let mut next = Vec::new();
        let mut patience = PATIENCE;
        let mut ended = false;
        while items.len() < TOGETHER {
            match self.consumer.poll(patience)? {
                Polled::Nothing => break,
                Polled::End(partition) => {
                    ended |= self.unread.remove(&partition) && self.unread.is_empty();
                }
                Polled::Message(message) => {
                    let item = item(&message, &self.connection, room);
                    if let Key::Place { stream, number } = &item.key {
                        next.push((stream.clone(), number + 1));
                    }
                    items.push(item);
                    match self.room.clone().try_acquire_owned() {
                        Ok(more) => room = more,
                        Err(_) => break,
                    }
                }
            }
            patience = Duration::ZERO;
        }
        let quiet = ended || (!items.is_empty() && self.unread.is_empty());
        Ok((ended || !items.is_empty()).then_some(Said::Read { items, quiet, next }))
    }
}

fn item(message: &Message<'_>, connection: &str, room: OwnedSemaphorePermit) -> Item {
    let partition = Partition::new(message.topic(), message.partition());
    let (topic, number, offset) = (message.topic(), message.partition(), message.offset());
    Item {
        key: Key::Place {
            stream: stream(connection, &partition),
            number: offset,
        },
        source: format!("message {offset} of {topic}/{number}"),
        detail: message::detail(message),
        room: Some(room),
    }
}
