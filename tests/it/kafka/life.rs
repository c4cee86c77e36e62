//! The private broker: shared, ended with the last client, and recovered after any death.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use runner::embedded::kafka::KafkaServer;

use crate::support::kafka::{Broker, cluster, declare, send, to, values};

async fn has(server: &KafkaServer, expected: &[&str]) {
    let connection = to(server.brokers());
    assert_eq!(values(&cluster(&connection), "kept").await, expected);
}

async fn put(server: &KafkaServer, value: &str) {
    let cluster = cluster(&to(server.brokers()));
    declare(&cluster, "kept", 1).await;
    send(&cluster, "kept", &[(0, value)]).await;
}

#[tokio::test]
async fn clients_share_a_broker_and_the_last_one_ends_it() {
    let broker = Broker::new();
    let (first, second) = tokio::join!(broker.acquire(), broker.acquire());
    assert_eq!(first.brokers(), second.brokers());
    put(&first, "a").await;
    drop(first);
    has(&second, &["a"]).await;
    let process = broker.process();
    drop(second);
    broker.wait_until_ended();
    assert!(!std::path::Path::new(&format!("/proc/{process}")).exists());

    let third = broker.acquire().await;
    has(&third, &["a"]).await;
}

#[tokio::test]
async fn a_killed_broker_is_started_again_where_it_was() {
    let broker = Broker::new();
    let server = broker.acquire().await;
    put(&server, "a").await;
    let (supervisor, killed) = (broker.supervisor(), broker.process());
    broker.kill();
    let cluster = cluster(&broker.connection());
    declare(&cluster, "kept", 1).await;
    // It has the port of before.
    put(&server, "b").await;
    has(&server, &["a", "b"]).await;
    assert_ne!(broker.process(), killed);
    assert_eq!(broker.supervisor(), supervisor);
}

#[tokio::test]
async fn killing_the_supervisor_ends_the_broker_and_loses_nothing() {
    let broker = Broker::new();
    let server = broker.acquire().await;
    put(&server, "a").await;
    kill(broker.supervisor(), Signal::SIGKILL).expect("a signal");
    broker.wait_until_ended();
    let next = broker.acquire().await;
    has(&next, &["a"]).await;
}

#[tokio::test]
async fn a_port_that_is_taken_meanwhile_is_chosen_anew() {
    let broker = Broker::new();
    let server = broker.acquire().await;
    put(&server, "a").await;
    let was = server.brokers().to_owned();
    drop(server);
    broker.wait_until_ended();
    let port = was.rsplit_once(':').expect("a port").1;
    let port: u16 = port.parse().expect("a number");
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port");
    let next = broker.acquire().await;
    assert_ne!(next.brokers(), was);
    has(&next, &["a"]).await;
}

#[tokio::test]
async fn what_earlier_crashes_left_is_no_hindrance() {
    let broker = Broker::new();
    // A first start that was killed while it made its data.
    let unfinished = broker.dir().join("new-1/data");
    fs::create_dir_all(&unfinished).expect("folders");
    fs::write(unfinished.join("meta.properties"), "version=1\n").expect("a file");
    fs::create_dir(broker.dir().join("data")).expect("a folder");
    fs::write(broker.dir().join("ports"), "nonsense").expect("a file");
    let server = broker.acquire().await;
    assert!(!broker.dir().join("new-1").exists());
    put(&server, "a").await;
    has(&server, &["a"]).await;
}

#[tokio::test]
async fn foreign_data_are_left_alone() {
    let broker = Broker::new();
    let data = broker.dir().join("data");
    fs::create_dir_all(&data).expect("folders");
    fs::write(data.join("letter.txt"), "dear").expect("a file");
    let error = broker.try_acquire().await.expect_err("refused").to_string();
    assert!(error.contains("is no data of Kafka"), "{error}");
    assert_eq!(fs::read(data.join("letter.txt")).expect("a file"), b"dear");
}

#[tokio::test]
async fn a_broker_that_cannot_start_says_why() {
    let broker = Broker::new();
    drop(broker.acquire().await);
    broker.wait_until_ended();
    fs::write(
        broker.dir().join("data/meta.properties"),
        "version=1\nnode.id=7\n",
    )
    .expect("a file");
    let error = broker.try_acquire().await.expect_err("refused").to_string();
    assert!(error.starts_with("Kafka ended with exit status"), "{error}");
    assert!(error.contains("server.log"), "{error}");
}

#[test]
fn a_client_that_is_killed_leaves_no_broker_behind() {
    let broker = Broker::new();
    let root = broker.root();
    fs::write(
        root.join("runner.yaml"),
        "connections:\n  events: { kafka: embedded }\n",
    )
    .expect("a file");
    let mut client = Command::new(crate::support::postgres::runner())
        .arg0("runner")
        .args(["topic", "events", "--url", "--hold"])
        .current_dir(root)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("runner");
    let mut line = String::new();
    let out = client.stdout.take().expect("a pipe");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).expect("a line");
    assert!(line.starts_with("127.0.0.1:"), "{line}");
    let process = broker.process();
    client.kill().expect("kill -9");
    client.wait().expect("an end");
    broker.wait_until_ended();
    assert!(!std::path::Path::new(&format!("/proc/{process}")).exists());
}
