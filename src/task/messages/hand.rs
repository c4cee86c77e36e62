//! What the thread that reads and the library's callbacks on it share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::gather::Gatherer;
use super::reader::Event;
use crate::connection::kafka::{Assignment, Message, Partition, Start};

/// Where to begin in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::task) struct Begin {
    pub(in crate::task) offset: i64,
    /// The partition counts as caught up when the next message would have this offset.
    pub(in crate::task) end: i64,
}

/// How a question of the reading thread is answered.
pub(in crate::task) type Answer = SyncSender<Result<Vec<Begin>, String>>;

/// Shared by the reading thread's loop and the callbacks of its polls.
pub(super) struct Hand {
    events: mpsc::Sender<Event>,
    state: Mutex<State>,
}

struct State {
    gatherer: Gatherer,
    /// The partitions that are read, and where they count as caught up.
    ends: BTreeMap<i32, i64>,
    /// Those of them that have come to their end, wherever that is.
    ended: BTreeSet<i32>,
    /// Partitions were given at least once, perhaps none.
    assigned: bool,
    /// Messages that are still to be read.
    left: Option<u64>,
    batch: u64,
}

/// Nobody listens any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deaf;

impl Hand {
    pub(super) fn new(
        events: mpsc::Sender<Event>,
        gatherer: Gatherer,
        batch: u64,
        left: Option<u64>,
    ) -> Self {
        Self {
            events,
            state: Mutex::new(State {
                gatherer,
                ends: BTreeMap::new(),
                ended: BTreeSet::new(),
                assigned: false,
                left,
                batch,
            }),
        }
    }

    /// Takes a message; true when the piece is full.
    pub(super) fn add(&self, message: &Message<'_>) -> bool {
        let mut state = self.state();
        if state.left == Some(0) {
            return true;
        }
        let before = state.gatherer.messages();
        state.gatherer.add(message);
        let added = state.gatherer.messages() - before;
        state.left = state.left.map(|left| left - added);
        state.left == Some(0) || state.gatherer.messages() >= state.batch
    }

    /// A partition has no further message for now.
    pub(super) fn ended(&self, partition: i32) {
        self.state().ended.insert(partition);
    }

    /// Whether messages wait in the piece.
    pub(super) fn waits(&self) -> bool {
        self.state().gatherer.messages() > 0
    }

    pub(super) fn is_complete(&self) -> bool {
        self.state().left == Some(0)
    }

    /// Whether every partition that is read has come to its end.
    pub(super) fn is_caught_up(&self) -> bool {
        let state = self.state();
        let done = |(partition, end): (&i32, &i64)| {
            let place = state.gatherer.place(*partition);
            state.ended.contains(partition) || place.is_some_and(|place| place >= *end)
        };
        state.assigned && state.ends.iter().all(done)
    }

    /// Hands the piece over.
    pub(super) fn flush(&self) -> Result<(), Deaf> {
        let piece = self.state().gatherer.take();
        match piece {
            Some(piece) => self.tell(Event::Piece(Box::new(piece))),
            None => Ok(()),
        }
    }

    pub(super) fn tell(&self, event: Event) -> Result<(), Deaf> {
        self.events.blocking_send(event).map_err(|_| Deaf)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Assignment for Hand {
    fn assigned(&self, partitions: &[Partition]) -> Result<Vec<Start>, String> {
        let (answer, answered) = sync_channel(1);
        let numbers: Vec<i32> = partitions.iter().map(|given| given.number).collect();
        let asked = Event::Assigned {
            partitions: numbers.clone(),
            answer,
        };
        let stopped = || "the stream has stopped".to_owned();
        self.tell(asked).map_err(|Deaf| stopped())?;
        let begins = answered.recv().map_err(|_| stopped())??;
        let mut state = self.state();
        state.assigned = true;
        for (partition, begin) in numbers.iter().zip(&begins) {
            state.gatherer.begin(*partition, begin.offset);
            state.ends.insert(*partition, begin.end);
            state.ended.remove(partition);
        }
        Ok(begins
            .iter()
            .map(|begin| Start::Offset(begin.offset))
            .collect())
    }

    fn revoked(&self, partitions: &[Partition], lost: bool) {
        // What was read of them is finished before they go: the new owner begins behind it. When
        // they are lost already, the database refuses it.
        let _ = self.flush();
        let numbers: Vec<i32> = partitions.iter().map(|taken| taken.number).collect();
        let (answer, answered) = sync_channel(1);
        let told = self.tell(Event::Revoked {
            partitions: numbers.clone(),
            lost,
            answer,
        });
        if told.is_ok() {
            // An error says that nobody is there any more.
            let _ = answered.recv();
        }
        let mut state = self.state();
        for partition in &numbers {
            state.gatherer.end(*partition);
            state.ends.remove(partition);
            state.ended.remove(partition);
        }
    }
}
