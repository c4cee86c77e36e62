//! Consumers and producers on a real broker.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use runner::connection::kafka::{
    Assignment, ConsumerOptions, KafkaConsumer, KafkaError, Partition, Polled, Position,
    ProducerOptions, Record, Start,
};

use crate::support::kafka::{
    Broker, DEADLINE, blocking, cluster, declare, send, send_one, to, topic, unique, values,
};

#[tokio::test]
async fn a_message_arrives_as_it_was_sent() {
    let (cluster, name) = topic("whole", 3).await;
    let producer = cluster
        .producer(ProducerOptions::default())
        .await
        .expect("a producer");
    let consumer = cluster
        .consumer(ConsumerOptions::default())
        .await
        .expect("a consumer");
    let topic = name.clone();
    let seen = blocking(move || {
        let headers: [(&str, Option<&[u8]>); 3] =
            [("a", Some(b"1")), ("none", None), ("a", Some(b"2"))];
        let whole = Record {
            topic: &topic,
            partition: Some(2),
            key: Some(b"k\0"),
            value: Some(b"v\xff"),
            headers: &headers,
            timestamp: Some(1_600_000_000_123),
        };
        producer.send(&whole).expect("sent");
        let tombstone = Record {
            topic: &topic,
            partition: Some(2),
            ..Record::default()
        };
        producer.send(&tombstone).expect("sent");
        producer.flush(DEADLINE).expect("acknowledged");
        consumer
            .assign(&[(Partition::new(&topic, 2), Start::Earliest)])
            .expect("assigned");
        let mut seen = Vec::new();
        while seen.len() < 2 {
            let Polled::Message(message) = consumer.poll(DEADLINE).expect("a poll") else {
                panic!("nothing came");
            };
            let headers: Vec<String> = message
                .headers()
                .map(|(name, value)| format!("{name}={value:?}"))
                .collect();
            seen.push(format!(
                "{} {} {:?} {:?} {headers:?} {}",
                message.partition(),
                message.offset(),
                message.key(),
                message.value(),
                message.timestamp() == Some(1_600_000_000_123),
            ));
        }
        seen
    })
    .await;
    assert_eq!(
        seen,
        [
            "2 0 Some([107, 0]) Some([118, 255]) [\"a=Some([49])\", \"none=None\", \"a=Some([50])\"] true",
            "2 1 None None [] false",
        ]
    );
}

#[tokio::test]
async fn a_key_goes_where_java_sends_it() {
    let (cluster, name) = topic("keys", 7).await;
    let producer = cluster
        .producer(ProducerOptions::default())
        .await
        .expect("a producer");
    let topic = name.clone();
    blocking(move || {
        for key in ["bitcoin", "ethereum", "x"] {
            let record = Record {
                topic: &topic,
                key: Some(key.as_bytes()),
                value: Some(key.as_bytes()),
                ..Record::default()
            };
            producer.send(&record).expect("sent");
        }
        producer.flush(DEADLINE).expect("acknowledged");
    })
    .await;
    let mut expected: Vec<(u32, &str)> = ["bitcoin", "ethereum", "x"]
        .into_iter()
        .map(|key| ((murmur2(key.as_bytes()) & 0x7fff_ffff) % 7, key))
        .collect();
    expected.sort_unstable();
    let expected: Vec<&str> = expected.into_iter().map(|(_, key)| key).collect();
    assert_eq!(values(&cluster, &name).await, expected);
    let bounds = cluster.bounds(&name).await.expect("bounds");
    for key in ["bitcoin", "ethereum", "x"] {
        let partition = (murmur2(key.as_bytes()) & 0x7fff_ffff) % 7;
        assert!(bounds[partition as usize].1.high > 0, "{key}");
    }
}

/// As `org.apache.kafka.common.utils.Utils.murmur2` is specified.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ u32::try_from(data.len()).unwrap();
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes(word.try_into().unwrap()).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[tokio::test]
async fn a_transaction_is_seen_as_a_whole_or_never() {
    let (cluster, name) = topic("transactions", 1).await;
    let id = unique("id");
    let options = ProducerOptions {
        transactional_id: Some(id.clone()),
    };
    let first = cluster.producer(options.clone()).await.expect("a producer");
    let topic = name.clone();
    let first = blocking(move || {
        first.start_transactions().expect("a broker");
        for (value, keep) in [("a", true), ("b", false), ("c", true)] {
            first.begin().expect("begun");
            send_one(&first, &topic, 0, value);
            if keep {
                first.commit().expect("committed");
            } else {
                first.flush(DEADLINE).expect("acknowledged");
                first.abort().expect("aborted");
            }
        }
        first.begin().expect("begun");
        send_one(&first, &topic, 0, "of a zombie");
        first.flush(DEADLINE).expect("acknowledged");
        first
    })
    .await;
    let second = cluster.producer(options).await.expect("a producer");
    let topic = name.clone();
    let (second, error) = blocking(move || {
        second.start_transactions().expect("a broker");
        second.begin().expect("begun");
        send_one(&second, &topic, 0, "d");
        second.commit().expect("committed");
        (second, first.commit().expect_err("another took over"))
    })
    .await;
    assert!(matches!(error, KafkaError::ProducerLost { .. }), "{error}");
    assert!(error.is_fatal() && error.is_transient());
    assert_eq!(values(&cluster, &name).await, ["a", "c", "d"]);
    blocking(move || second.close()).await;
}

/// Writes down what it is told, and begins where it is told to.
struct Witness {
    start: Start,
    told: Sender<String>,
    refuses: Mutex<Option<String>>,
}

impl Assignment for Witness {
    fn assigned(&self, partitions: &[Partition]) -> Result<Vec<Start>, String> {
        if let Some(reason) = self.refuses.lock().unwrap().take() {
            return Err(reason);
        }
        let numbers: Vec<i32> = partitions.iter().map(|at| at.number).collect();
        let _ = self.told.send(format!("assigned {numbers:?}"));
        Ok(vec![self.start; partitions.len()])
    }

    fn revoked(&self, partitions: &[Partition], lost: bool) {
        let numbers: Vec<i32> = partitions.iter().map(|at| at.number).collect();
        let _ = self.told.send(format!("revoked {numbers:?} lost {lost}"));
    }
}

fn next_value(consumer: &KafkaConsumer) -> String {
    let deadline = Instant::now() + DEADLINE;
    while Instant::now() < deadline {
        if let Polled::Message(message) = consumer.poll(Duration::from_millis(100)).expect("a poll")
        {
            return String::from_utf8(message.value().unwrap().to_vec()).unwrap();
        }
    }
    panic!("nothing came");
}

#[tokio::test]
async fn whoever_gets_a_partition_says_where_it_begins() {
    let (cluster, name) = topic("group", 2).await;
    send(&cluster, &name, &[(0, "a"), (0, "b"), (1, "x"), (1, "y")]).await;
    let group = unique("group");
    let options = ConsumerOptions {
        group: Some(group.clone()),
        ..ConsumerOptions::default()
    };
    let one = cluster.consumer(options.clone()).await.expect("a consumer");
    let two = cluster.consumer(options).await.expect("a consumer");
    let topic = name.clone();
    let told = blocking(move || {
        let (told, hear) = channel();
        let witness = |told: &Sender<String>| {
            Arc::new(Witness {
                start: Start::Offset(1),
                told: told.clone(),
                refuses: Mutex::new(None),
            })
        };
        one.subscribe(&[&topic], witness(&told))
            .expect("subscribed");
        let mut values = vec![next_value(&one), next_value(&one)];
        values.sort();
        assert_eq!(values, ["b", "y"]);
        let refusing = Witness {
            start: Start::Stored,
            told: told.clone(),
            refuses: Mutex::new(Some("the database is away".to_owned())),
        };
        two.subscribe(&[&topic], Arc::new(refusing))
            .expect("subscribed");
        let deadline = Instant::now() + DEADLINE;
        let error = loop {
            assert!(Instant::now() < deadline);
            // Both have to poll, or the group never comes to rest.
            one.poll(Duration::from_millis(50)).expect("a poll");
            if let Err(error) = two.poll(Duration::from_millis(50)) {
                break error;
            }
        };
        assert_eq!(error.to_string(), "the database is away");
        one.close();
        two.close();
        hear.try_iter().collect::<Vec<String>>()
    })
    .await;
    assert_eq!(told[0], "assigned [0, 1]");
    assert_eq!(told[1], "revoked [0, 1] lost false");
}

#[tokio::test]
async fn offsets_are_committed_in_the_transaction_that_they_belong_to() {
    let (cluster, from) = topic("from", 1).await;
    let into = unique("into");
    declare(&cluster, &into, 1).await;
    send(&cluster, &from, &[(0, "a"), (0, "b")]).await;
    let group = unique("group");
    let options = ConsumerOptions {
        group: Some(group.clone()),
        reset: Some(Start::Earliest),
        ..ConsumerOptions::default()
    };
    let consumer = cluster.consumer(options).await.expect("a consumer");
    let id = ProducerOptions {
        transactional_id: Some(unique("id")),
    };
    let producer = cluster.producer(id).await.expect("a producer");
    let (topic, target) = (from.clone(), into.clone());
    blocking(move || {
        let (told, _hear) = channel();
        let witness = Witness {
            start: Start::Stored,
            told,
            refuses: Mutex::new(None),
        };
        consumer
            .subscribe(&[&topic], Arc::new(witness))
            .expect("subscribed");
        producer.start_transactions().expect("a broker");
        for keep in [false, true] {
            let value = next_value(&consumer);
            producer.begin().expect("begun");
            send_one(&producer, &target, 0, &value);
            let position = Position {
                partition: Partition::new(&topic, 0),
                next: 1 + i64::from(keep),
            };
            producer
                .send_positions(&consumer, &[position])
                .expect("sent");
            if keep {
                producer.commit().expect("committed");
            } else {
                producer.abort().expect("aborted");
            }
        }
        consumer.close();
    })
    .await;
    assert_eq!(values(&cluster, &into).await, ["b"]);
    let lag = cluster.lag(&group, &from).await.expect("a lag");
    assert_eq!(lag[0].next, Some(2));
}

#[tokio::test]
async fn what_is_sent_while_the_broker_is_killed_arrives_once() {
    let broker = Broker::new();
    let server = broker.acquire().await;
    let cluster = cluster(&to(server.brokers()));
    declare(&cluster, "kept", 1).await;
    let producer = cluster
        .producer(ProducerOptions::default())
        .await
        .expect("a producer");
    let (sent, hear) = channel();
    let sender = tokio::task::spawn_blocking(move || {
        for number in 0..20_000 {
            send_one(&producer, "kept", 0, &number.to_string());
            if number == 5_000 {
                sent.send(()).expect("a listener");
            }
        }
        producer.flush(DEADLINE)
    });
    blocking(move || hear.recv()).await.expect("a signal");
    broker.kill();
    sender.await.expect("no panic").expect("acknowledged");
    let expected: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    assert_eq!(values(&cluster, "kept").await, expected);
}

#[tokio::test]
async fn what_is_sent_while_the_broker_stands_still_arrives_when_it_goes_on() {
    let broker = Broker::new();
    let server = broker.acquire().await;
    let cluster = cluster(&to(server.brokers()));
    declare(&cluster, "kept", 1).await;
    let producer = cluster
        .producer(ProducerOptions::default())
        .await
        .expect("a producer");
    let producer = blocking(move || {
        send_one(&producer, "kept", 0, "before");
        producer.flush(DEADLINE).expect("acknowledged");
        producer
    })
    .await;
    broker.stand_still();
    let producer = blocking(move || {
        send_one(&producer, "kept", 0, "after");
        let error = producer.flush(Duration::from_millis(300));
        assert!(error.expect_err("no answer").is_transient());
        producer
    })
    .await;
    broker.go_on();
    blocking(move || producer.flush(DEADLINE).expect("acknowledged")).await;
    assert_eq!(values(&cluster, "kept").await, ["before", "after"]);
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_an_error_with_its_address() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = nobody.local_addr().expect("an address").to_string();
    drop(nobody);
    let error = cluster(&to(&address)).topics().await.expect_err("nobody");
    assert!(error.is_transient());
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("no broker answers at {address}: ")),
        "{text}"
    );
    assert!(text.contains("Connection refused"), "{text}");
}
