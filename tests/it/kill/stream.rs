//! A stream from a topic into a table, while its consumer, the broker and the database are killed in
//! turn: each message is loaded once.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runner::connection::kafka::KafkaCluster;
use runner::embedded::kafka::KafkaServer;
use runner::secret::Environment;
use tokio::process::Child;

use super::machine::postmaster;
use super::project::{Project, code, signal};
use super::truth::{Database, database};
use crate::engine::random::Random;
use crate::support::eventually::eventually;
use crate::support::kafka::{Broker, cluster, declare, send};

const PIPELINE: &str = r#"
dag: stream
params: { until: stopped }
tasks:
  table:
    sql: { connection: warehouse, script: "CREATE TABLE IF NOT EXISTS loaded (n int)" }
  load:
    needs: table
    retries: 3
    copy:
      from: { connection: events, topic: numbers, until: "{{ params.until }}", batch: 50, every: 20ms, dead_letter: dead }
      to: { connection: warehouse, table: loaded }
      columns: { n: { type: integer, required: true } }
"#;

/// Messages of a round; one of them is a dead letter.
const ROUND: i32 = 600;

struct Scene {
    project: Project,
    cluster: KafkaCluster,
    // Before the folder it works in.
    _server: KafkaServer,
    broker: Broker,
    sent: i32,
}

impl Scene {
    async fn new() -> Self {
        let broker = Broker::new();
        let server = broker.acquire().await;
        let address = server.brokers().to_owned();
        let cluster = cluster(&broker.connection());
        declare(&cluster, "numbers", 3).await;
        declare(&cluster, "dead", 1).await;
        let settings = format!(
            "connections:\n  warehouse: {{ postgres: embedded }}\n  events: {{ kafka: {{ brokers: \"{address}\", properties: {{ session.timeout.ms: 6000 }} }} }}\n"
        );
        let files = [
            ("runner.yaml", settings.as_str()),
            ("pipelines/stream.yaml", PIPELINE),
        ];
        Self {
            project: Project::with_server(&files).await,
            cluster,
            _server: server,
            broker,
            sent: 0,
        }
    }

    fn start(&self) -> Child {
        self.project.start(&["trigger", "stream"])
    }

    async fn send_round(&mut self) {
        let values: Vec<(i32, String)> = (self.sent..self.sent + ROUND)
            .map(|n| (n % 3, format!("{{\"n\": {n}}}")))
            .collect();
        self.sent += ROUND;
        let mut values: Vec<(i32, &str)> = values
            .iter()
            .map(|(partition, value)| (*partition, value.as_str()))
            .collect();
        values.push((0, "no json"));
        send(&self.cluster, "numbers", &values).await;
    }

    /// Waits until so many rows are loaded, whatever happens to the database meanwhile.
    async fn until(&self, rows: i32) {
        let mut watcher = Watcher::new(&self.project, "warehouse");
        watcher.until("SELECT count(*) FROM loaded", rows).await;
    }
}

/// Looks into a database that goes away now and then.
pub(crate) struct Watcher<'a> {
    project: &'a Project,
    name: &'static str,
    connected: Option<Database>,
}

impl<'a> Watcher<'a> {
    pub(crate) fn new(project: &'a Project, name: &'static str) -> Self {
        Self {
            project,
            name,
            connected: None,
        }
    }

    /// Waits until a query gives at least this number, and gives what it gives then.
    pub(crate) async fn until(&mut self, query: &str, least: i32) -> i32 {
        eventually(async || match self.number(query).await {
            Some(found) if found >= least => Ok(found),
            found => Err(format!("{found:?}, not {least}\n{}", self.project.said())),
        })
        .await
    }

    async fn number(&mut self, query: &str) -> Option<i32> {
        if self.connected.is_none() {
            self.connected = Some(database(self.project, self.name).await);
        }
        let statement = sqlx::AssertSqlSafe(format!("SELECT COALESCE(({query}), 0)::int"));
        let connection = &mut self.connected.as_mut()?.connection;
        match sqlx::query_scalar(statement).fetch_one(connection).await {
            Ok(found) => Some(found),
            // The table may not be there yet: nothing is.
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => {
                Some(0)
            }
            Err(_) => {
                self.connected = None;
                None
            }
        }
    }
}

/// How many kills; more by hand.
fn kills() -> usize {
    let asked = Environment::of_process()
        .get("RUNNER_STREAM_KILLS")
        .map(str::to_owned);
    asked.map_or(6, |text| text.parse().expect("a number"))
}

#[tokio::test]
async fn each_message_is_loaded_once_whatever_is_killed() {
    let mut scene = Scene::new().await;
    let mut random = Random::new(7);
    let mut child = scene.start();
    for round in 0..kills() {
        scene.send_round().await;
        // Somewhere in the middle of it.
        let before = scene.sent - ROUND;
        let middle = i32::try_from(random.below(600)).unwrap();
        scene.until(before + middle).await;
        match round % 3 {
            0 => {
                signal(&child, Signal::SIGKILL);
                scene.project.end_of(&mut child).await;
                child = scene.start();
            }
            1 => scene.broker.kill(),
            _ => {
                if let Some(server) = postmaster(scene.project.root()) {
                    kill(Pid::from_raw(server.pid), Signal::SIGQUIT).expect("a signal");
                }
            }
        }
        scene.until(scene.sent).await;
    }
    signal(&child, Signal::SIGINT);
    let ended = code(scene.project.end_of(&mut child).await);
    assert_eq!(ended, 130, "{}", scene.project.said());
    let mut database = database(&scene.project, "warehouse").await;
    let found = database
        .csv("SELECT count(*), count(DISTINCT n), max(n) FROM loaded")
        .await;
    let sent = scene.sent;
    assert_eq!(found, format!("{sent},{sent},{}\n", sent - 1));
}
