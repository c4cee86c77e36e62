//! A COMMIT that is lost, or its answer, or the server with it, at that very moment.

use std::path::Path;
use std::sync::Arc;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runner::connection::Connection;
use runner::secret::Environment;
use serde_json::json;

use super::stage::{PARTITIONS, Stage, Ways, stop};
use crate::engine::random::Random;
use crate::kill::machine::postmaster;
use crate::kill::project::Project;
use crate::kill::stream::Watcher;
use crate::kill::truth::{database, url};
use crate::support::connections::{connection, places, postgres};
use crate::support::kafka::shared;
use crate::support::proxy::{FATES, Proxy};

/// How often something is tried; any number by hand.
pub(super) fn rounds(usual: usize) -> usize {
    let asked = Environment::of_process()
        .get("RUNNER_FAULTS")
        .map(str::to_owned);
    asked.map_or(usual, |text| text.parse().expect("a number"))
}

/// A connection to a database behind a proxy.
fn through(proxy: &Proxy, database: &str) -> Arc<dyn Connection> {
    let options = format!("host={}&port=5432&user=postgres", proxy.folder().display());
    let yaml = format!("postgres: \"postgresql:///{database}?{options}\"");
    connection("db", &yaml, &places(Path::new("/nonexistent")))
}

async fn stage() -> (Stage, Proxy) {
    let (direct, database) = postgres().await;
    let proxy = Proxy::new(&database.socket_dir);
    let ways = Ways {
        database: direct,
        tasks_database: through(&proxy, &database.name),
        kafka: shared().await,
        tasks_kafka: shared().await,
    };
    (Stage::between(ways).await, proxy)
}

#[tokio::test]
async fn a_stream_loads_each_message_once_whatever_commit_is_lost() {
    let (mut stage, proxy) = stage().await;
    let copy = json!({ "until": "stopped", "every": "10ms", "batch": 10 });
    let stream = stage.stream(&stage.copy(&copy));
    let (mut random, mut end) = (Random::new(1), 0);
    for round in 0..rounds(45) {
        // Also those by which partitions are taken over, after the loss.
        proxy.commit_after(random.below(4), FATES[round % FATES.len()], || ());
        stage.send_numbers(end..end + 30).await;
        end += 30;
        stage
            .until("SELECT count(*) FROM t", &end.to_string())
            .await;
    }
    stop(&stage.attempt, stream).await;
    stage.has_each_once(end).await;
    let lost = proxy.sprung();
    println!("{lost} commits lost");
    assert!(lost > rounds(45) / 4, "{lost}");
}

#[tokio::test]
async fn a_run_that_ends_says_what_it_did_whatever_commit_is_lost() {
    let (mut stage, proxy) = stage().await;
    let copy = stage.copy(&json!({ "batch": 7, "every": "10ms" }));
    let (mut random, mut end) = (Random::new(2), 0);
    for round in 0..rounds(30) {
        proxy.commit_after(random.below(5), FATES[round % FATES.len()], || ());
        stage.send_numbers(end..end + 20).await;
        end += 20;
        stage.attempt.id.generation = u32::try_from(round).unwrap();
        let output = stage.run("copy", &copy).await.unwrap();
        assert_eq!(output.outputs["written"], 20, "{:#?}", stage.attempt.log());
        stage.has_each_once(end).await;
    }
    let lost = proxy.sprung();
    println!("{lost} commits lost");
    assert!(lost > rounds(30) / 4, "{lost}");
}

#[tokio::test]
async fn a_stream_loads_each_message_once_though_the_server_stops_at_its_commit() {
    let project = Project::with_server(&[("runner.yaml", "")]).await;
    let first = database(&project, "warehouse").await;
    let url = url(&project, "warehouse").await;
    let direct = connection(
        "db",
        &format!("postgres: \"{url}\""),
        &places(Path::new("/")),
    );
    let (_, sockets) = url.split_once("host=").expect("a folder of sockets");
    let sockets = sockets.split('&').next().expect("a folder");
    let proxy = Proxy::new(Path::new(&sockets.replace("%2F", "/")));
    let ways = Ways {
        database: direct,
        tasks_database: through(&proxy, "warehouse"),
        kafka: shared().await,
        tasks_kafka: shared().await,
    };
    let stage = Stage::between(ways).await;
    drop(first);
    let copy = json!({ "until": "stopped", "every": "10ms", "batch": 10 });
    let stream = stage.stream(&stage.copy(&copy));
    let mut watcher = Watcher::new(&project, "warehouse");
    let (mut random, mut end) = (Random::new(3), 0);
    for round in 0..rounds(12) {
        let root = project.root().to_path_buf();
        // As `pg_ctl stop -m immediate` does.
        proxy.commit_after(random.below(3), FATES[round % FATES.len()], move || {
            let server = postmaster(&root).expect("a server");
            kill(Pid::from_raw(server.pid), Signal::SIGQUIT).expect("a signal");
        });
        stage.send_numbers(end..end + 10 * PARTITIONS).await;
        end += 10 * PARTITIONS;
        watcher.until("SELECT count(*) FROM t", end).await;
        if proxy.sprung() <= round {
            // A later COMMIT than there were.
            stage.send_numbers(end..end + 10 * PARTITIONS).await;
            end += 10 * PARTITIONS;
            watcher.until("SELECT count(*) FROM t", end).await;
        }
    }
    stop(&stage.attempt, stream).await;
    println!("{} stops", proxy.sprung());
    let query = "SELECT count(*), count(DISTINCT n), min(n), max(n) FROM t";
    let found = database(&project, "warehouse").await.csv(query).await;
    assert_eq!(found, format!("{end},{end},0,{}\n", end - 1));
    drop(watcher);
    drop(stage);
}
