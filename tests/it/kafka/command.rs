//! `runner topic`.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use runner::connection::kafka::{
    ConsumerOptions, KafkaCluster, Partition, Position, ProducerOptions, Record,
};
use tempfile::TempDir;

use crate::support::kafka::{DEADLINE, blocking, brokers, cluster, declare, to, unique};
use crate::support::postgres::runner;

/// A project with one connection to the shared broker.
async fn project() -> (TempDir, KafkaCluster) {
    let brokers = brokers().await;
    let folder = tempfile::tempdir().expect("a folder");
    let settings = format!(
        "connections:\n  events: {{ kafka: \"{brokers}\" }}\n  shop: {{ sqlite: shop.db }}\n"
    );
    std::fs::write(folder.path().join("runner.yaml"), settings).expect("a file");
    (folder, cluster(&to(brokers)))
}

fn command(folder: &TempDir, words: &[&str]) -> Command {
    let mut command = Command::new(runner());
    command
        .arg("topic")
        .args(words)
        .current_dir(folder.path())
        .env("TZ", "UTC")
        .stdin(Stdio::null());
    command
}

async fn run(folder: &TempDir, words: &[&str]) -> Output {
    let mut command = command(folder, words);
    blocking(move || command.output().expect("runner")).await
}

fn text(output: &Output) -> String {
    let err = String::from_utf8_lossy(&output.stderr);
    let out = String::from_utf8_lossy(&output.stdout);
    format!("{out}{err}")
}

/// Messages a minute apart, from 2026-08-20 12:00 UTC.
async fn fill(cluster: &KafkaCluster, topic: &str) {
    let producer = cluster
        .producer(ProducerOptions::default())
        .await
        .expect("a producer");
    let topic = topic.to_owned();
    blocking(move || {
        for number in 0..30_i32 {
            let value = format!("{{\"price\": {number}}}");
            let headers: [(&str, Option<&[u8]>); 2] = [("source", Some(b"test")), ("none", None)];
            let record = Record {
                topic: &topic,
                partition: Some(number % 3),
                key: Some(b"bitcoin"),
                value: match number {
                    27 => None,
                    28 => Some(b"two\nlines \xff\x1b[2J"),
                    _ => Some(value.as_bytes()),
                },
                headers: if number == 29 { &headers } else { &[] },
                timestamp: Some(1_787_227_200_000 + i64::from(number) * 60_000),
            };
            producer.send(&record).expect("sent");
        }
        producer.flush(DEADLINE).expect("acknowledged");
    })
    .await;
}

#[tokio::test]
async fn topics_and_messages_are_shown() {
    let (folder, cluster) = project().await;
    let name = unique("prices");
    declare(&cluster, &name, 3).await;
    fill(&cluster, &name).await;
    let group = unique("watchers");
    let options = ConsumerOptions {
        group: Some(group.clone()),
        ..ConsumerOptions::default()
    };
    let consumer = cluster.consumer(options).await.expect("a consumer");
    let position = Position {
        partition: Partition::new(&name, 1),
        next: 4,
    };
    blocking(move || consumer.commit(&[position], true).expect("committed")).await;

    let mut shown = String::new();
    for words in [
        vec!["events", "--group", &group],
        vec!["events", &name, "--count", "4"],
        vec!["events", &name, "--from", "earliest", "-n", "4"],
        vec!["events", &name, "--from", "2026-08-20T12:27:30Z"],
        vec!["events", &name, "--from", "9", "--format", "json"],
        vec!["events", &format!("{name}x")],
        vec!["event"],
        vec!["shop"],
        vec!["events", &name, "--from", "soon"],
    ] {
        let output = run(&folder, &words).await;
        let words = words.join(" ");
        shown.push_str(&format!("$ runner topic {words}\n{}", text(&output)));
        shown.push_str(&format!("[{}]\n\n", output.status.code().expect("a code")));
    }
    // Other tests have topics, too.
    let own = |line: &&str| {
        let list = line.contains("   ") && !line.contains("2026") && !line.starts_with("topic ");
        !list || line.contains(&name)
    };
    let shown: Vec<&str> = shown.lines().filter(own).collect();
    let shown = shown
        .join("\n")
        .replace(&name, "prices")
        .replace(&group, "watchers");
    let widths = |text: &str| {
        let lines = text.lines().map(|line| {
            if line.starts_with("topic ") || line.starts_with("prices ") {
                line.split_whitespace().collect::<Vec<_>>().join(" ")
            } else {
                line.to_owned()
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(widths(&shown));
}

#[tokio::test]
async fn a_tail_waits_for_more() {
    let (folder, cluster) = project().await;
    let name = unique("tail");
    declare(&cluster, &name, 2).await;
    fill_one(&cluster, &name, "before").await;
    let words = ["events", &name, "--tail", "--from", "earliest", "-n", "2"];
    let mut child = command(&folder, &words)
        .stdout(Stdio::piped())
        .spawn()
        .expect("runner");
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let (first, out) = blocking(move || {
        let mut line = String::new();
        out.read_line(&mut line).expect("a line");
        (line, out)
    })
    .await;
    assert!(first.trim_end().ends_with("before"), "{first}");
    fill_one(&cluster, &name, "after").await;
    let rest: Vec<String> =
        blocking(move || out.lines().map(|line| line.expect("a line")).collect()).await;
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert!(rest[0].ends_with("after"), "{rest:?}");
    assert!(child.wait().expect("an end").success());
}

async fn fill_one(cluster: &KafkaCluster, topic: &str, value: &str) {
    crate::support::kafka::send(cluster, topic, &[(1, value)]).await;
}
