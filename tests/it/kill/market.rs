//! `market_stream` and `crypto_metrics` at the same time, while the consumer, the broker and the
//! database are killed in turn: every message is counted once.

use std::path::Path;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runner::secret::Environment;
use tokio::process::Child;

use super::machine::postmaster;
use super::project::{Project, code, signal};
use super::stream::Watcher;
use super::truth::database;
use crate::engine::random::Random;
use crate::exchange::server::TestExchange;
use crate::pipelines::market::{check, counts};
use crate::support::kafka::{Broker, cluster, send, values};

/// What of the repository's project is used.
const FILES: &[&str] = &[
    "runner.yaml",
    "pipelines/market_stream.yaml",
    "pipelines/crypto_metrics.yaml",
    "sql/crypto_metrics.sql",
    "sql/crypto_metrics_tables.sql",
];

/// Coinbase's rate limit is ten requests a second, and there are three pairs.
const PRODUCE: &[&str] = &["trigger", "market_stream", "-p", "every=400ms"];
const CONSUME: &[&str] = &["trigger", "crypto_metrics"];

const ROWS: &str = "SELECT count(*) FROM crypto_metrics";
const BAD: &[&str] = &["no json", r#"{"pair": "BTC-USD", "bid": "much"}"#];

/// How many kills; a whole minute and more with nine of them, by hand.
fn kills() -> usize {
    let asked = Environment::of_process()
        .get("RUNNER_MARKET_KILLS")
        .map(str::to_owned);
    asked.map_or(3, |text| text.parse().expect("a number"))
}

struct Scene {
    project: Project,
    environment: Vec<(&'static str, String)>,
}

impl Scene {
    fn start(&self, words: &[&str]) -> Child {
        let mut command = self.project.command(words);
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        command.spawn().unwrap()
    }

    async fn interrupt(&self, mut child: Child) {
        signal(&child, Signal::SIGINT);
        let ended = code(self.project.end_of(&mut child).await);
        assert_eq!(ended, 130, "{}", self.project.said());
    }
}

#[tokio::test]
async fn producer_and_consumer_go_on_whatever_is_killed() {
    let broker = Broker::new();
    let server = broker.acquire().await;
    let cluster = cluster(&broker.connection());
    // Its prices move with the clock.
    let exchange = TestExchange::start(&["--rate", "unlimited"]);
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let texts: Vec<(&str, String)> = FILES
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(repository.join(path)).unwrap();
            (*path, text)
        })
        .collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (*path, &**text)).collect();
    let scene = Scene {
        project: Project::with_server(&files).await,
        environment: vec![
            ("KAFKA_BROKERS", server.brokers().to_owned()),
            ("COINBASE_URL", exchange.url("coinbase")),
        ],
    };
    let (mut random, mut watcher) = (Random::new(3), Watcher::new(&scene.project, "crypto_data"));
    let began = Instant::now();
    let producer = scene.start(PRODUCE);
    let mut consumer = scene.start(CONSUME);
    let mut rows = 0;
    for round in 0..kills() {
        // Anywhere within the batches of a few seconds.
        let some = i32::try_from(random.below(20)).unwrap();
        rows = watcher.until(ROWS, rows + 1 + some).await;
        send(&cluster, "crypto_prices", &[(0, BAD[round % BAD.len()])]).await;
        match round % 3 {
            0 => {
                signal(&consumer, Signal::SIGKILL);
                scene.project.end_of(&mut consumer).await;
                consumer = scene.start(CONSUME);
            }
            1 => broker.kill(),
            _ => {
                let server = postmaster(scene.project.root()).expect("a server");
                kill(Pid::from_raw(server.pid), Signal::SIGQUIT).expect("a signal");
            }
        }
    }
    watcher.until(ROWS, rows + 10).await;
    scene.interrupt(producer).await;
    let messages = values(&cluster, "crypto_prices").await;
    let good = messages.iter().filter(|message| counts(message)).count();
    watcher.until(ROWS, i32::try_from(good).unwrap()).await;
    scene.interrupt(consumer).await;
    eprintln!(
        "{} kills and {} messages in {:?}",
        kills(),
        messages.len(),
        began.elapsed()
    );
    let mut database = database(&scene.project, "crypto_data").await;
    check(&mut database.connection, &messages).await;
    // They are sent before the batch is committed: a kill between the two sends them again.
    let mut dead = values(&cluster, "crypto_prices_dead_letter").await;
    let mut bad: Vec<String> = messages
        .iter()
        .filter(|text| !counts(text))
        .cloned()
        .collect();
    for letters in [&mut dead, &mut bad] {
        letters.sort();
        letters.dedup();
    }
    assert_eq!(dead, bad);
    drop(server);
}
