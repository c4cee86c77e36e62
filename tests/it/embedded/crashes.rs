//! Whatever is killed: nothing is lost, and the next client gets a server.

use std::fs::{self, DirBuilder};
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::signal::Signal;
use runner::embedded::postgres::PostgresServer;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::project::{DEADLINE, Project, connect, end, is_alive, number, run, wait_until_free};
use crate::support::eventually::eventually;

#[tokio::test]
async fn killing_the_supervisor_ends_the_server_and_loses_nothing() {
    let project = Project::new();
    let server = project.acquire().await;
    let mut connection = connect(&server).await;
    run(&mut connection, "CREATE TABLE t AS SELECT 1::int8 AS n").await;
    let postmaster = project.postmaster();
    end(project.supervisor(), Signal::SIGKILL);
    project.wait_until_ended();
    assert!(!is_alive(postmaster));

    let server = project.acquire().await;
    let mut connection = connect(&server).await;
    assert_eq!(number(&mut connection, "SELECT n FROM t").await, 1);
}

#[tokio::test]
async fn a_client_that_comes_right_after_the_supervisor_was_killed_gets_a_server() {
    let project = Project::new();
    let server = project.acquire().await;
    let mut busy = connect(&server).await;
    let query = tokio::spawn(async move { spin(&mut busy).await });
    end(project.supervisor(), Signal::SIGKILL);
    let next = project.acquire().await;
    let mut connection = connect(&next).await;
    assert_eq!(number(&mut connection, "SELECT 1::int8").await, 1);
    assert!(query.await.expect("no panic").is_err());
}

/// A query that looks at nothing but its numbers for minutes.
async fn spin(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT count(*) FROM generate_series(1, 1000000000) a WHERE a % 7 = 8")
        .fetch_one(connection)
        .await
}

#[tokio::test]
async fn a_killed_server_is_started_again_for_its_clients() {
    let project = Project::new();
    let server = project.acquire().await;
    let mut connection = connect(&server).await;
    run(&mut connection, "CREATE TABLE t AS SELECT 1::int8 AS n").await;
    let query = tokio::spawn(async move { spin(&mut connection).await });
    let (supervisor, killed) = (project.supervisor(), project.postmaster());
    end(killed, Signal::SIGKILL);
    assert!(query.await.expect("no panic").is_err());

    let mut connection = reconnect(&server).await;
    assert_eq!(number(&mut connection, "SELECT n FROM t").await, 1);
    assert_ne!(project.postmaster(), killed);
    assert_eq!(project.supervisor(), supervisor);
    let log = fs::read_to_string(project.server_dir().join("supervisor.log")).expect("log");
    assert!(log.contains("starting it again"), "{log}");
}

/// What a client does whose connection broke.
async fn reconnect(server: &PostgresServer) -> PgConnection {
    eventually(async || PgConnection::connect_with(&server.options("postgres")).await).await
}

#[tokio::test]
async fn a_server_that_does_not_stay_up_is_given_up_and_the_next_client_tries_again() {
    let project = Project::new();
    let server = project.acquire().await;
    for _ in 0..6 {
        drop(reconnect(&server).await);
        end(project.postmaster(), Signal::SIGKILL);
    }
    wait_until_free(&project.server_dir().join("supervisor.lock"));
    let next = project.acquire().await;
    let mut connection = connect(&next).await;
    assert_eq!(number(&mut connection, "SELECT 1::int8").await, 1);
}

#[tokio::test]
async fn a_killed_client_gives_its_lease_back() {
    let project = Project::new();
    let server = project.acquire().await;
    // A process whose only link to the server is its connection to the supervisor.
    let socket = project.server_dir().join("run/supervisor.sock");
    let connection = UnixStream::connect(&socket).expect("connect");
    let mut client = Command::new("cat")
        .stdin(Stdio::from(OwnedFd::from(connection)))
        .stdout(Stdio::piped())
        .spawn()
        .expect("cat");
    let mut answer = String::new();
    let stdout = client.stdout.take().expect("stdout");
    BufReader::new(stdout).read_line(&mut answer).expect("line");
    assert!(answer.contains("\"ready\""), "{answer}");

    let mut connection = connect(&server).await;
    drop(server);
    assert_eq!(number(&mut connection, "SELECT 1::int8").await, 1);
    client.kill().expect("kill -9");
    client.wait().expect("status");
    project.wait_until_ended();
}

#[tokio::test]
async fn what_earlier_crashes_left_is_no_hindrance() {
    let project = Project::new();
    let server = project.acquire().await;
    let data = project.server_dir().join("data");
    let left = fs::read(data.join("postmaster.pid")).expect("pid file");
    drop(server);
    project.wait_until_ended();

    // A pid file whose number belongs to a living process of the same user: this one.
    let left = String::from_utf8(left).expect("text");
    let rest = left.split_once('\n').expect("lines").1;
    let stale = format!("{}\n{rest}", std::process::id());
    fs::write(data.join("postmaster.pid"), stale).expect("write");
    // A socket without a listener, and an unfinished first start.
    let sockets = project.server_dir().join("run");
    DirBuilder::new()
        .mode(0o700)
        .create(&sockets)
        .expect("folder");
    drop(UnixListener::bind(sockets.join("supervisor.sock")).expect("bind"));
    let unfinished = project.server_dir().join("new-1");
    fs::create_dir_all(unfinished.join("base")).expect("folder");
    let server = project.acquire().await;
    let mut connection = connect(&server).await;
    assert_eq!(number(&mut connection, "SELECT 1::int8").await, 1);
    drop((connection, server));
    project.wait_until_ended();

    fs::remove_dir_all(&data).expect("remove");
    let _server = project.acquire().await;
    assert!(!unfinished.exists());
}

#[tokio::test]
async fn a_process_that_does_not_notice_the_end_of_its_server_is_ended_by_the_next() {
    let project = Project::new();
    drop(project.acquire().await);
    project.wait_until_ended();
    let path = project.server_dir().join("server.lock");
    let lock = fs::File::options().write(true).open(path).expect("open");
    lock.lock().expect("lock");
    let mut left = Command::new("sleep")
        .arg("1000")
        .stdin(Stdio::from(lock))
        .spawn()
        .expect("sleep");
    let began = Instant::now();
    drop(project.acquire().await);
    assert!(began.elapsed() < DEADLINE / 2, "{:?}", began.elapsed());
    assert!(!left.wait().expect("status").success());
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why_to_every_client() {
    let project = Project::new();
    drop(project.acquire().await);
    project.wait_until_ended();
    fs::remove_file(project.server_dir().join("data/global/pg_control")).expect("remove");
    let attempts = futures_util::future::join_all((0..3).map(|_| project.try_acquire())).await;
    for attempt in attempts {
        let text = attempt.expect_err("no server").to_string();
        assert!(
            text.starts_with("PostgreSQL ended with exit status"),
            "{text}"
        );
        assert!(text.contains("pg_control"), "{text}");
        assert!(text.contains("server.log"), "{text}");
    }
}
