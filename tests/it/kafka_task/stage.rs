//! A cluster with topics, a database, and attempts of tasks on them.

use std::sync::Arc;
use std::time::Duration;

use runner::connection::kafka::{ConsumerOptions, KafkaCluster, Partition, Polled, Start};
use runner::connection::{Connection, Session};
use runner::model::ConnectionId;
use runner::task::{KINDS, TaskKind, TaskResult};
use serde_json::{Value as Json, json};
use tokio::task::JoinHandle;

use crate::support::attempt::Attempt;
use crate::support::connections::{postgres, rows, session, statement};
use crate::support::eventually::{eventually, so};
use crate::support::kafka::{DEADLINE, blocking, cluster, declare, send, shared, unique};

/// A topic of three partitions, one for dead letters, and the table `t (n, text)`.
pub(super) struct Stage {
    pub(super) attempt: Attempt,
    pub(super) cluster: KafkaCluster,
    pub(super) session: Box<dyn Session>,
    pub(super) topic: String,
    pub(super) dead: String,
}

/// How a stage reaches its servers.
pub(super) struct Ways {
    /// The test's own, which nothing happens to.
    pub(super) database: Arc<dyn Connection>,
    pub(super) kafka: Arc<dyn Connection>,
    /// Those of the tasks.
    pub(super) tasks_database: Arc<dyn Connection>,
    pub(super) tasks_kafka: Arc<dyn Connection>,
}

/// How many partitions the topic has.
pub(super) const PARTITIONS: i32 = 3;

impl Stage {
    pub(super) async fn new() -> Self {
        let (database, _) = postgres().await;
        let kafka = shared().await;
        let ways = Ways {
            tasks_database: database.clone(),
            tasks_kafka: kafka.clone(),
            database,
            kafka,
        };
        Self::between(ways).await
    }

    /// The same with connections of the tasks that aren't those of the test.
    pub(super) async fn between(ways: Ways) -> Self {
        let mut session = session(&ways.database).await;
        let table = "CREATE TABLE t (n int, text text)";
        session.execute(&statement(table, &[])).await.expect("made");
        let cluster = cluster(&ways.kafka);
        let (topic, dead) = (unique("topic"), unique("dead"));
        declare(&cluster, &topic, PARTITIONS.unsigned_abs()).await;
        declare(&cluster, &dead, 1).await;
        let mut attempt = Attempt::new();
        for (name, connection) in [("db", ways.tasks_database), ("events", ways.tasks_kafka)] {
            let name = ConnectionId::new(name).expect("a name");
            attempt.connections.insert(name, connection);
        }
        Self {
            attempt,
            cluster,
            session,
            topic,
            dead,
        }
    }

    /// Sends `{"n": …}` for each number, to the partitions in turn.
    pub(super) async fn send_numbers(&self, numbers: std::ops::Range<i32>) {
        let values: Vec<(i32, String)> = numbers
            .map(|n| {
                (
                    n % PARTITIONS,
                    format!("{{\"n\": {n}, \"text\": \"t{n}\"}}"),
                )
            })
            .collect();
        self.send_values(&values).await;
    }

    /// Sends values, each to its partition.
    pub(super) async fn send_values(&self, values: &[(i32, String)]) {
        let values: Vec<(i32, &str)> = values
            .iter()
            .map(|(partition, value)| (*partition, value.as_str()))
            .collect();
        send(&self.cluster, &self.topic, &values).await;
    }

    /// A copy from the topic into the table; `from` has more keys of the source.
    pub(super) fn copy(&self, from: &Json) -> Json {
        let mut copy = json!({
            "from": { "connection": "events", "topic": self.topic, "group": self.topic },
            "to": { "connection": "db", "table": "t" },
        });
        let own = copy["from"].as_object_mut().expect("a map");
        own.extend(from.as_object().expect("a map").clone());
        copy
    }

    pub(super) async fn run(&self, kind: &str, value: &Json) -> TaskResult {
        self.attempt.run(find(kind), value).await
    }

    /// Runs a copy until the attempt is cancelled.
    pub(super) fn stream(&self, copy: &Json) -> JoinHandle<TaskResult> {
        stream(&self.attempt, copy)
    }

    /// What a query gives.
    pub(super) async fn rows(&mut self, query: &str) -> Vec<String> {
        rows(&mut *self.session, query, &[]).await.expect(query)
    }

    /// Checks that the numbers below `end` are in the table, each once.
    pub(super) async fn has_each_once(&mut self, end: i32) {
        let found = self
            .rows("SELECT count(*), count(DISTINCT n), min(n), max(n) FROM t")
            .await;
        assert_eq!(
            found,
            [format!("{end}|{end}|0|{}", end - 1)],
            "{:#?}",
            self.attempt.log()
        );
    }

    /// Waits until a query gives this.
    pub(super) async fn until(&mut self, query: &str, expected: &str) {
        eventually(async || {
            let found = self.rows(query).await;
            so(found == [expected], || {
                format!(
                    "{query}: {found:?}, not {expected}\n{:#?}",
                    self.attempt.log()
                )
            })
        })
        .await;
    }

    /// The messages of a topic: key, value and headers, in the order of partitions and offsets.
    pub(super) async fn messages(&self, topic: &str) -> Vec<String> {
        let found = self.cluster.topic(topic).await.expect("a topic");
        let options = ConsumerOptions {
            ends: true,
            ..ConsumerOptions::default()
        };
        let consumer = self.cluster.consumer(options).await.expect("a consumer");
        let topic = topic.to_owned();
        blocking(move || {
            let starts: Vec<_> = found
                .partitions
                .iter()
                .map(|number| (Partition::new(&topic, *number), Start::Earliest))
                .collect();
            consumer.assign(&starts).expect("assigned");
            let (mut messages, mut open) = (Vec::new(), starts.len());
            while open > 0 {
                match consumer.poll(DEADLINE).expect("a poll") {
                    Polled::End(_) => open -= 1,
                    Polled::Nothing => panic!("nothing comes"),
                    Polled::Message(message) => {
                        let text = |bytes: Option<&[u8]>| match bytes {
                            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                            None => "∅".to_owned(),
                        };
                        let headers: Vec<String> = message
                            .headers()
                            .map(|(name, value)| format!("{name}={}", text(value)))
                            .collect();
                        let line = format!(
                            "{} {} [{}]",
                            text(message.key()),
                            text(message.value()),
                            headers.join(", ")
                        );
                        messages.push((message.partition(), message.offset(), line));
                    }
                }
            }
            consumer.close();
            messages.sort();
            messages.into_iter().map(|(.., line)| line).collect()
        })
        .await
    }
}

/// The kind of a name.
pub(super) fn find(kind: &str) -> &'static TaskKind {
    KINDS.iter().find(|row| row.name == kind).expect("a kind")
}

/// Runs a copy until the attempt is cancelled.
pub(super) fn stream(attempt: &Attempt, copy: &Json) -> JoinHandle<TaskResult> {
    let task = attempt.parse(find("copy"), copy).task();
    let context = attempt.context();
    tokio::spawn(async move { task.run(&context).await })
}

/// Cancels a stream and sees that it ends soon.
pub(super) async fn stop(attempt: &Attempt, stream: JoinHandle<TaskResult>) {
    attempt.cancel.cancel();
    let ended = tokio::time::timeout(SOON, stream).await;
    let failure = ended
        .expect("it doesn't end")
        .expect("no panic")
        .unwrap_err();
    assert_eq!(&*failure.cause.message, "cancelled");
}

/// A stream that is cancelled leaves its group and ends within this time, on a busy machine.
const SOON: Duration = Duration::from_secs(15);
