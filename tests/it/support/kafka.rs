//! A real Kafka for tests: one broker a process, topics of new names for each test; and brokers that
//! a test may kill.
//!
//! The shared broker starts with the first test that asks for it. Its supervisor ends it and removes
//! its data when the test process is gone, also when that was killed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runner::connection::Connection;
use runner::connection::kafka::{
    ConsumerOptions, KafkaCluster, KafkaProducer, Partition, Polled, ProducerOptions, Record,
    Start, TopicSpec,
};
use runner::embedded::kafka::{KafkaServer, acquire, acquire_with};
use runner::embedded::{EmbeddedError, Lifetime};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::connections::{connection, places};
use super::postgres::runner;
pub(crate) use crate::support::eventually::DEADLINE;

static NEXT: AtomicUsize = AtomicUsize::new(1);
static SERVER: OnceCell<KafkaServer> = OnceCell::const_new();

/// The broker that all tests of this process share, `host:port`.
pub(crate) async fn brokers() -> &'static str {
    SERVER.get_or_init(start).await.brokers()
}

async fn start() -> KafkaServer {
    // Kept, because nothing of this process runs at its end: the supervisor removes it.
    let dir = tempfile::Builder::new()
        .prefix("runner-test-")
        .tempdir()
        .expect("temporary folder")
        .keep();
    acquire_with(&dir, runner(), Lifetime::Ephemeral)
        .await
        .expect("a private Kafka: `scripts/test` gets what it needs")
}

/// A name that no other test of this process has.
pub(crate) fn unique(name: &str) -> String {
    format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A connection to the shared broker.
pub(crate) async fn shared() -> Arc<dyn Connection> {
    to(brokers().await)
}

/// A connection to brokers.
pub(crate) fn to(brokers: &str) -> Arc<dyn Connection> {
    let places = places(Path::new("/nonexistent"));
    connection("events", &format!("kafka: \"{brokers}\""), &places)
}

/// What a task makes of such a connection.
pub(crate) fn cluster(connection: &Arc<dyn Connection>) -> KafkaCluster {
    connection.as_kafka().expect("a cluster").clone()
}

/// A new topic on the shared broker, with the cluster it is in.
pub(crate) async fn topic(name: &str, partitions: u32) -> (KafkaCluster, String) {
    let cluster = cluster(&shared().await);
    let name = unique(name);
    declare(&cluster, &name, partitions).await;
    (cluster, name)
}

/// Makes a topic.
pub(crate) async fn declare(cluster: &KafkaCluster, name: &str, partitions: u32) {
    let spec = TopicSpec {
        name: name.to_owned(),
        partitions,
        replication: Some(1),
        config: std::collections::BTreeMap::new(),
    };
    cluster.declare(&spec).await.expect("a topic");
}

/// Does what blocks away from the async threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("no panic")
}

/// Sends values, each with its partition, and waits until they are acknowledged.
pub(crate) async fn send(cluster: &KafkaCluster, topic: &str, values: &[(i32, &str)]) {
    let producer = cluster.producer(ProducerOptions::default()).await;
    let producer = producer.expect("a producer");
    let topic = topic.to_owned();
    let owned: Vec<(i32, String)> = values.iter().map(|(p, v)| (*p, (*v).to_owned())).collect();
    blocking(move || {
        for (partition, value) in &owned {
            send_one(&producer, &topic, *partition, value);
        }
        producer.flush(DEADLINE).expect("acknowledged");
        producer.close();
    })
    .await;
}

/// Puts one value in the queue.
pub(crate) fn send_one(producer: &KafkaProducer, topic: &str, partition: i32, value: &str) {
    let record = Record {
        topic,
        partition: Some(partition),
        value: Some(value.as_bytes()),
        ..Record::default()
    };
    producer.send(&record).expect("room");
}

/// All values that a topic's readers see, by partition and offset.
pub(crate) async fn values(cluster: &KafkaCluster, topic: &str) -> Vec<String> {
    let found = cluster.topic(topic).await.expect("a topic");
    let options = ConsumerOptions {
        ends: true,
        ..ConsumerOptions::default()
    };
    let consumer = cluster.consumer(options).await.expect("a consumer");
    let topic = topic.to_owned();
    blocking(move || {
        let starts: Vec<(Partition, Start)> = found
            .partitions
            .iter()
            .map(|number| (Partition::new(&topic, *number), Start::Earliest))
            .collect();
        consumer.assign(&starts).expect("assigned");
        let mut messages = Vec::new();
        let mut open = starts.len();
        while open > 0 {
            match consumer.poll(DEADLINE).expect("a poll") {
                Polled::Message(message) => {
                    let value = message.value().unwrap_or_default();
                    let value = String::from_utf8_lossy(value).into_owned();
                    messages.push((message.partition(), message.offset(), value));
                }
                Polled::End(_) => open -= 1,
                Polled::Nothing => panic!("nothing came of {topic}"),
            }
        }
        consumer.close();
        messages.sort();
        messages.into_iter().map(|(.., value)| value).collect()
    })
    .await
}

/// A project's folder with a broker of its own, which a test may kill. The broker has ended before the
/// folder is removed.
pub(crate) struct Broker {
    temporary: TempDir,
}

impl Broker {
    /// The folder; nothing is started.
    pub(crate) fn new() -> Self {
        Self {
            temporary: tempfile::tempdir().expect("temporary folder"),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        self.temporary.path()
    }

    /// The folder of the broker's files.
    pub(crate) fn dir(&self) -> PathBuf {
        self.root().join(".runner/kafka")
    }

    /// A share in the broker, which it starts if it doesn't run.
    pub(crate) async fn acquire(&self) -> KafkaServer {
        self.try_acquire().await.expect("a server")
    }

    pub(crate) async fn try_acquire(&self) -> Result<KafkaServer, EmbeddedError> {
        acquire(&self.root().join(".runner"), runner()).await
    }

    /// A connection that says `kafka: embedded`.
    pub(crate) fn connection(&self) -> Arc<dyn Connection> {
        connection("events", "kafka: embedded", &places(self.root()))
    }

    /// The process of Java.
    pub(crate) fn process(&self) -> Pid {
        self.find_process().expect("a running server")
    }

    /// Whose standard input is the lock that every process of the server holds.
    fn find_process(&self) -> Option<Pid> {
        let lock = self.dir().join("server.lock").canonicalize().ok()?;
        let processes = fs::read_dir("/proc").ok()?.flatten();
        processes
            .filter(|process| {
                fs::read_link(process.path().join("fd/0")).is_ok_and(|input| input == lock)
            })
            .find_map(|process| process.file_name().to_str()?.parse().ok())
            .map(Pid::from_raw)
    }

    pub(crate) fn supervisor(&self) -> Pid {
        let pid = self.process();
        let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
        let line = text.lines().find_map(|line| line.strip_prefix("PPid:"));
        Pid::from_raw(line.expect("PPid").trim().parse().expect("a number"))
    }

    /// Kills the broker; its supervisor starts it again.
    pub(crate) fn kill(&self) {
        kill(self.process(), Signal::SIGKILL).expect("a signal");
    }

    /// Lets the broker stand still: it answers nobody before [`go_on`](Self::go_on).
    pub(crate) fn stand_still(&self) {
        kill(self.process(), Signal::SIGSTOP).expect("a signal");
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        kill(self.process(), Signal::SIGCONT).expect("a signal");
    }

    /// Waits until the supervisor and all processes of the server are gone.
    pub(crate) fn wait_until_ended(&self) {
        for lock in ["supervisor.lock", "server.lock"] {
            wait_until_free(&self.dir().join(lock));
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if self.dir().is_dir() && !std::thread::panicking() {
            self.wait_until_ended();
        }
    }
}

fn wait_until_free(path: &Path) {
    let Ok(file) = File::options().write(true).open(path) else {
        return;
    };
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(file.lock()));
    let locked = receiver.recv_timeout(DEADLINE);
    let locked = locked.unwrap_or_else(|_| panic!("`{}` is still held", path.display()));
    locked.expect("a lock");
}
