//! A thread that reads a topic.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::gather::{Gatherer, Gathering, Piece};
use super::hand::{Answer, Deaf, Hand};
use crate::connection::kafka::{
    ConsumerOptions, KafkaCluster, KafkaConsumer, KafkaError, Partition, Polled, Position,
};

/// What is read, and how much of it.
#[derive(Debug, Clone)]
pub(in crate::task) struct Reading {
    pub(in crate::task) topic: String,
    pub(in crate::task) group: String,
    pub(in crate::task) gathering: Gathering,
    /// Messages of a piece at most.
    pub(in crate::task) batch: u64,
    /// How long a message waits for others at most.
    pub(in crate::task) every: Duration,
    /// Ends behind so many messages.
    pub(in crate::task) count: Option<u64>,
    /// Ends when every partition was read to its end.
    pub(in crate::task) until_caught_up: bool,
    /// Ends after this time.
    pub(in crate::task) time: Option<Duration>,
}

/// What the thread tells.
#[derive(Debug)]
pub(in crate::task) enum Event {
    /// These partitions are its own from now on; it waits to hear where to begin.
    Assigned {
        partitions: Vec<i32>,
        answer: Answer,
    },
    /// These go; it waits until all pieces before have been dealt with.
    Revoked {
        partitions: Vec<i32>,
        lost: bool,
        answer: SyncSender<()>,
    },
    Piece(Box<Piece>),
    /// There is nothing more to read. The group is kept until the reader is closed.
    End,
    Failed(KafkaError),
}

enum Command {
    /// Tells the group how far it has come.
    Commit(Vec<Position>),
    /// The same with a note for each partition; answers when the broker has it.
    CommitNoted(
        Vec<(Position, String)>,
        oneshot::Sender<Result<(), KafkaError>>,
    ),
    Stop,
}

/// Reads a topic as a member of a group, on a thread of its own. Dropped, the thread ends by
/// itself.
pub(in crate::task) struct Reader {
    topic: String,
    events: mpsc::Receiver<Event>,
    commands: Sender<Command>,
    ended: oneshot::Receiver<()>,
}

/// Pieces on their way: one is loaded while the next waits and a third is made.
const IN_FLIGHT: usize = 1;
/// How long the thread may look away from its commands.
const GLANCE: Duration = Duration::from_millis(50);
/// How long a group's coordinator may take to come up.
const FIRST_ANSWER: Duration = Duration::from_secs(2);

impl Reader {
    /// Begins to read.
    ///
    /// # Errors
    /// The cluster can't be had, or refuses its settings.
    pub(in crate::task) async fn open(
        cluster: &KafkaCluster,
        reading: Reading,
    ) -> Result<Self, KafkaError> {
        let options = ConsumerOptions {
            group: Some(reading.group.clone()),
            ends: reading.until_caught_up,
            ..ConsumerOptions::default()
        };
        let consumer = cluster.consumer(options).await?;
        let (sender, events) = mpsc::channel(IN_FLIGHT);
        let (commands, orders) = channel();
        let (ending, ended) = oneshot::channel();
        let topic = reading.topic.clone();
        let hand = Arc::new(Hand::new(
            sender,
            Gatherer::new(reading.gathering.clone()),
            reading.batch,
            reading.count,
        ));
        std::thread::spawn(move || {
            // Whoever doesn't listen any more knows that it ends.
            let (Ok(()) | Err(Deaf)) = read(&consumer, &hand, &orders, &reading);
            consumer.close();
            let _ = ending.send(());
        });
        Ok(Self {
            topic,
            events,
            commands,
            ended,
        })
    }

    /// What happens next.
    pub(in crate::task) async fn next(&mut self) -> Event {
        match self.events.recv().await {
            Some(event) => event,
            None => Event::Failed(KafkaError::Assignment(
                "the thread that reads the topic has ended".to_owned(),
            )),
        }
    }

    /// Tells the group how far it has come; soon, and not whether it went well.
    pub(in crate::task) fn commit(&self, places: impl IntoIterator<Item = (i32, i64)>) {
        let positions = places.into_iter().map(|(partition, next)| Position {
            partition: Partition::new(&self.topic, partition),
            next,
        });
        // A thread that has ended is told by its last event.
        let _ = self.commands.send(Command::Commit(positions.collect()));
    }

    /// Tells the group how far it has come, with a note for each partition, and waits for it.
    ///
    /// # Errors
    /// The partitions belong to another consumer by now; no broker answers.
    pub(in crate::task) async fn commit_noted(
        &self,
        places: impl IntoIterator<Item = (i32, i64, String)>,
    ) -> Result<(), KafkaError> {
        let noted = places.into_iter().map(|(partition, next, note)| {
            let partition = Partition::new(&self.topic, partition);
            (Position { partition, next }, note)
        });
        let (answer, answered) = oneshot::channel();
        let command = Command::CommitNoted(noted.collect(), answer);
        let gone =
            || KafkaError::Assignment("the thread that reads the topic has ended".to_owned());
        self.commands.send(command).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Leaves the group, and waits for it for a while.
    pub(in crate::task) async fn close(self) {
        let _ = self.commands.send(Command::Stop);
        drop(self.events);
        // A broker that is away isn't waited for: the group finds out by itself.
        let _ = tokio::time::timeout(Duration::from_secs(5), self.ended).await;
    }
}

fn read(
    consumer: &KafkaConsumer,
    hand: &Arc<Hand>,
    orders: &Receiver<Command>,
    reading: &Reading,
) -> Result<(), Deaf> {
    let started = Instant::now();
    consumer.await_group(&Partition::new(&reading.topic, 0), FIRST_ANSWER);
    if let Err(error) = consumer.subscribe(&[&reading.topic], hand.clone()) {
        return hand.tell(Event::Failed(error));
    }
    // Since when a message waits.
    let mut waiting: Option<Instant> = None;
    let mut ended = false;
    loop {
        loop {
            match orders.try_recv() {
                Ok(Command::Commit(positions)) => {
                    if let Err(error) = consumer.commit(&positions, false) {
                        tracing::debug!(%error, "the group's offsets weren't committed");
                    }
                }
                Ok(Command::CommitNoted(noted, answer)) => {
                    // Nobody may be left to hear it.
                    let _ = answer.send(consumer.commit_noted(&noted));
                }
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => return Ok(()),
                Err(TryRecvError::Empty) => break,
            }
        }
        let patience = waiting.map_or(GLANCE, |since| {
            reading.every.saturating_sub(since.elapsed()).min(GLANCE)
        });
        let look_up = Instant::now() + GLANCE;
        while Instant::now() < look_up {
            match consumer.poll(patience) {
                Ok(Polled::Message(message)) if !ended => {
                    if hand.add(&message) {
                        drop(message);
                        hand.flush()?;
                        waiting = None;
                        break;
                    }
                }
                Ok(Polled::Message(_)) => {}
                Ok(Polled::End(partition)) => hand.ended(partition),
                Ok(Polled::Nothing) => break,
                Err(error) => return hand.tell(Event::Failed(error)),
            }
        }
        if ended {
            continue;
        }
        let complete = hand.is_complete()
            || (reading.until_caught_up && hand.is_caught_up())
            || reading.time.is_some_and(|time| started.elapsed() >= time);
        if !hand.waits() {
            waiting = None;
        } else if complete || waiting.is_some_and(|since| since.elapsed() >= reading.every) {
            hand.flush()?;
            waiting = None;
        } else {
            waiting.get_or_insert_with(Instant::now);
        }
        if complete {
            ended = true;
            hand.tell(Event::End)?;
        }
    }
}
