//! A thread that sends messages.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::connection::kafka::{
    KafkaCluster, KafkaError, KafkaProducer, NoteKeeper, NotePlace, Partition, ProducerOptions,
    Record,
};

/// A message on its way out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::task) struct Outgoing {
    pub(in crate::task) key: Option<Vec<u8>>,
    pub(in crate::task) value: Option<Vec<u8>>,
    pub(in crate::task) headers: Vec<(String, Option<Vec<u8>>)>,
    pub(in crate::task) partition: Option<i32>,
    /// Milliseconds since 1970 in UTC.
    pub(in crate::task) timestamp: Option<i64>,
}

/// Which transaction messages are in.
#[derive(Debug, Clone)]
pub(in crate::task) struct Transaction {
    /// The same for all attempts: of two that are alive only the later one can commit.
    pub(in crate::task) id: String,
}

/// What comes of opening.
pub(in crate::task) enum Opened {
    Ready(Outbox),
    /// The transaction has been committed before, with this note.
    Done(String),
}

enum Order {
    Send(Vec<Outgoing>),
    Finish {
        note: String,
        answer: oneshot::Sender<Result<(), KafkaError>>,
    },
}

/// Sends messages to a topic. Dropped before [`finish`](Self::finish), a transaction comes to
/// nothing.
pub(in crate::task) struct Outbox {
    orders: mpsc::Sender<Order>,
    failed: oneshot::Receiver<KafkaError>,
}

/// How long the brokers may take for the last messages.
const PATIENCE: Duration = Duration::from_mins(1);

impl Transaction {
    /// Where the note of this transaction stands.
    fn place(&self, topic: &str) -> NotePlace {
        NotePlace {
            group: self.id.clone(),
            partition: Partition::new(topic, 0),
        }
    }
}

impl Outbox {
    /// Gets ready to send to a topic.
    ///
    /// # Errors
    /// The topic doesn't exist; the cluster can't be had; transactions aren't allowed.
    pub(in crate::task) async fn open(
        cluster: &KafkaCluster,
        topic: &str,
        transaction: Option<Transaction>,
    ) -> Result<Opened, KafkaError> {
        cluster.topic(topic).await?;
        let options = ProducerOptions {
            transactional_id: transaction.as_ref().map(|known| known.id.clone()),
        };
        let mut producer = cluster.producer(options).await?;
        let mut keeper = None;
        if let Some(transaction) = transaction {
            // Ends what an earlier attempt has left, one way or the other: only then the note can
            // be trusted.
            producer = blocking(move || producer.start_transactions().map(|()| producer)).await?;
            let place = transaction.place(topic);
            if let Some(note) = cluster.note(&place).await? {
                return Ok(Opened::Done(note));
            }
            keeper = Some(cluster.note_keeper(&place).await?);
            producer.begin()?;
        }
        let (orders, receiver) = mpsc::channel(2);
        let (failing, failed) = oneshot::channel();
        let topic = topic.to_owned();
        std::thread::spawn(move || {
            if let Err(error) = work(&producer, keeper.as_ref(), &topic, receiver) {
                // Nobody may be left to hear it.
                let _ = failing.send(error);
            }
        });
        Ok(Opened::Ready(Self { orders, failed }))
    }

    /// Sends messages, soon.
    ///
    /// # Errors
    /// Earlier ones couldn't be sent.
    pub(in crate::task) async fn send(
        &mut self,
        messages: Vec<Outgoing>,
    ) -> Result<(), KafkaError> {
        match self.orders.send(Order::Send(messages)).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.failure().await),
        }
    }

    /// Sees that the brokers have all messages. A transaction is committed, with a note.
    ///
    /// # Errors
    /// They don't; of a transaction it may not be known.
    pub(in crate::task) async fn finish(mut self, note: String) -> Result<(), KafkaError> {
        let (answer, answered) = oneshot::channel();
        let finish = Order::Finish { note, answer };
        if self.orders.send(finish).await.is_err() {
            return Err(self.failure().await);
        }
        match answered.await {
            Ok(done) => done,
            Err(_) => Err(self.failure().await),
        }
    }

    async fn failure(&mut self) -> KafkaError {
        match (&mut self.failed).await {
            Ok(error) => error,
            Err(_) => KafkaError::Assignment("the thread that sends has ended".to_owned()),
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, KafkaError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(KafkaError::Assignment(error.to_string())),
    }
}

fn work(
    producer: &KafkaProducer,
    keeper: Option<&NoteKeeper>,
    topic: &str,
    mut orders: mpsc::Receiver<Order>,
) -> Result<(), KafkaError> {
    while let Some(order) = orders.blocking_recv() {
        match order {
            Order::Send(messages) => {
                for message in &messages {
                    send(producer, topic, message)?;
                }
            }
            Order::Finish { note, answer } => {
                let done = match keeper {
                    Some(keeper) => producer
                        .send_note(keeper, &note)
                        .and_then(|()| producer.commit()),
                    None => producer.flush(PATIENCE),
                };
                // Nobody may be left to hear it.
                let _ = answer.send(done);
                return Ok(());
            }
        }
    }
    if keeper.is_some() {
        // Given up: readers needn't wait for the broker to find out.
        producer.abort()?;
    }
    Ok(())
}

fn send(producer: &KafkaProducer, topic: &str, message: &Outgoing) -> Result<(), KafkaError> {
    let headers: Vec<(&str, Option<&[u8]>)> = message
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_deref()))
        .collect();
    producer.send(&Record {
        topic,
        partition: message.partition,
        key: message.key.as_deref(),
        value: message.value.as_deref(),
        headers: &headers,
        timestamp: message.timestamp,
    })
}
