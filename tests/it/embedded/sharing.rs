//! How clients share a server, and how it ends.

use std::fs::File;
use std::sync::mpsc;

use nix::sys::signal::Signal;
use runner::embedded::Lifetime;
use runner::embedded::postgres::acquire_with;

use super::project::{DEADLINE, Project, connect, end, is_alive, number, run};
use crate::support::postgres::runner;

#[tokio::test]
async fn two_clients_share_a_server_and_the_last_one_ends_it() {
    let project = Project::new();
    let first = project.acquire().await;
    let postmaster = project.postmaster();
    let mut connection = connect(&first).await;
    run(&mut connection, "CREATE TABLE t AS SELECT 42::int8 AS n").await;

    let second = project.acquire().await;
    assert_eq!(project.postmaster(), postmaster);
    drop(first);
    assert_eq!(number(&mut connection, "SELECT n FROM t").await, 42);
    drop(second);
    project.wait_until_ended();
    assert!(!is_alive(postmaster));
    let data = project.server_dir().join("data");
    assert!(!data.join("postmaster.pid").exists(), "ended in good order");

    let third = project.acquire().await;
    let mut connection = connect(&third).await;
    assert_eq!(number(&mut connection, "SELECT n FROM t").await, 42);
}

#[tokio::test]
async fn eight_first_starts_at_once_make_one_cluster() {
    let project = Project::new();
    let acquired = futures_util::future::join_all((0..8).map(|_| project.acquire())).await;
    let mut identifiers = Vec::new();
    for server in &acquired {
        let mut connection = connect(server).await;
        let query = "SELECT system_identifier FROM pg_control_system()";
        identifiers.push(number(&mut connection, query).await);
    }
    identifiers.dedup();
    assert_eq!(identifiers.len(), 1);
}

#[tokio::test]
async fn clients_that_come_and_go_at_once_always_get_a_server() {
    let project = Project::new();
    let visits = (0..6).map(|_| async {
        for _ in 0..5 {
            let server = project.acquire().await;
            let mut connection = connect(&server).await;
            assert_eq!(number(&mut connection, "SELECT 1::int8").await, 1);
        }
    });
    futures_util::future::join_all(visits).await;
}

#[tokio::test]
async fn a_supervisor_that_is_asked_to_stop_ends_its_server_in_good_order() {
    let project = Project::new();
    let _server = project.acquire().await;
    end(project.supervisor(), Signal::SIGTERM);
    project.wait_until_ended();
    assert!(!project.server_dir().join("data/postmaster.pid").exists());
    let next = project.acquire().await;
    let mut connection = connect(&next).await;
    assert_eq!(number(&mut connection, "SELECT 1::int8").await, 1);
}

#[tokio::test]
async fn an_ephemeral_server_leaves_nothing() {
    let root = tempfile::tempdir().expect("temporary folder").keep();
    let server = acquire_with(&root, runner(), Lifetime::Ephemeral).await;
    let server = server.expect("a server");
    let lock = File::options()
        .write(true)
        .open(root.join("postgres/supervisor.lock"))
        .expect("a lock");
    drop(server);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(lock.lock()));
    let locked = receiver.recv_timeout(DEADLINE).expect("an end");
    locked.expect("a lock");
    assert!(!root.exists());
}
