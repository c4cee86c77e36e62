//! PostgreSQL goes away in the middle of a load, and comes back; the program lives.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::machine::{postmaster, processes};
use super::project::{Project, code};
use super::truth::{Database, database, state};
use crate::support::eventually::{eventually, eventually_blocking, so};

const ROWS: usize = 2000;

/// How soon a load must be done after the server is back.
const SOON: Duration = Duration::from_secs(10);

/// A retry would come too late: the load itself has to begin again.
const PIPELINE: &str = r"
dag: load
defaults: { retries: 1, retry: { delay: 1h } }
tasks:
  load:
    copy: { from: { file: in.csv }, to: { connection: warehouse, table: loaded } }
";

/// A row that waits for a lock: in the middle of the load, or at its end.
const GATE: &str = "
CREATE TABLE loaded (n int);
CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NEW; END $$;
";
const MID_COPY: &str = "CREATE TRIGGER gate BEFORE INSERT ON loaded FOR EACH ROW WHEN (NEW.n = 1000) EXECUTE FUNCTION gate()";
const AT_COMMIT: &str = "CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON loaded DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.n = 1000) EXECUTE FUNCTION gate()";

const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'";
/// A COMMIT that is durable and waits for a standby before it is answered.
const UNANSWERED: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

/// Where the server is that goes away.
#[derive(Clone, Copy)]
enum Server {
    /// The project's own: its supervisor starts it again.
    Own,
    /// Another project's, known by its URL only.
    Url,
}

struct Scene {
    /// First, because a project waits for the end of its server.
    database: Database,
    project: Project,
    /// The project whose server it is.
    host: Option<Project>,
}

impl Scene {
    async fn new(server: Server) -> Self {
        let rows: String = (0..ROWS).map(|row| format!("{row}\n")).collect();
        let csv = format!("n\n{rows}");
        let (host, settings) = match server {
            Server::Own => (None, "embedded".to_owned()),
            Server::Url => {
                let host = Project::with_server(&[("runner.yaml", "")]).await;
                let url = super::truth::url(&host, "warehouse").await;
                (Some(host), format!("\"{url}\""))
            }
        };
        let settings = format!("connections: {{ warehouse: {{ postgres: {settings} }} }}\n");
        let files = [
            ("runner.yaml", settings.as_str()),
            ("pipelines/load.yaml", PIPELINE),
            ("in.csv", &csv),
        ];
        let project = Project::with_server(&files).await;
        let mut database = database(host.as_ref().unwrap_or(&project), "warehouse").await;
        database.execute(GATE).await;
        Self {
            database,
            project,
            host,
        }
    }

    fn of_server(&self) -> &Project {
        self.host.as_ref().unwrap_or(&self.project)
    }

    /// Stops the server as `pg_ctl stop -m immediate` does, and keeps its supervisor from
    /// starting it again until the answer is dropped.
    fn stop(&self) -> Stopped {
        let root = self.of_server().root();
        let all = processes(root);
        let supervisor = all.iter().find(|process| process.is_supervisor()).unwrap();
        let supervisor = Pid::from_raw(supervisor.pid);
        kill(supervisor, Signal::SIGSTOP).unwrap();
        let stopped = Stopped(supervisor);
        let server = postmaster(root).unwrap();
        kill(Pid::from_raw(server.pid), Signal::SIGQUIT).unwrap();
        eventually_blocking(|| {
            let mut left = processes(root).into_iter();
            so(
                left.all(|process| process.pid != server.pid),
                || "the server doesn't stop",
            )
        });
        stopped
    }

    async fn until(&mut self, query: &str) {
        eventually(async || {
            let found = self.database.csv(query).await;
            so(found == "1\n", || {
                format!("{query}\n{}", self.project.said())
            })
        })
        .await;
    }

    /// Lets the server come back, and sees that the load is done soon, and once.
    async fn goes_on(self, stopped: Stopped, mut child: tokio::process::Child) {
        assert!(
            child.try_wait().unwrap().is_none(),
            "{}",
            self.project.said()
        );
        drop(stopped);
        let mut database = database(self.of_server(), "warehouse").await;
        let back = Instant::now();
        let code = code(self.project.end_of(&mut child).await);
        assert_eq!(code, 0, "{}", self.project.said());
        assert!(back.elapsed() < SOON, "{:?}", back.elapsed());
        let found = database
            .csv("SELECT count(*), count(DISTINCT n) FROM loaded")
            .await;
        assert_eq!(found, format!("{ROWS},{ROWS}\n"));
        let ledger = "SELECT count(*) FROM runner.load_ledger WHERE result IS NOT NULL";
        assert_eq!(database.csv(ledger).await, "1\n");
        assert_eq!(
            state(&self.project, "SELECT state FROM run").await,
            [["success"]]
        );
    }
}

struct Stopped(Pid);

impl Drop for Stopped {
    fn drop(&mut self) {
        kill(self.0, Signal::SIGCONT).unwrap();
    }
}

/// The server goes away while a gate holds the load. The gate goes with the server.
async fn held_by(gate: &str, server: Server) {
    let mut scene = Scene::new(server).await;
    scene.database.execute(gate).await;
    let mut holds = database(scene.of_server(), "warehouse").await;
    holds.execute("SELECT pg_advisory_lock(7)").await;
    let child = scene.project.start(&["trigger", "load"]);
    scene.until(WAITING).await;
    let stopped = scene.stop();
    drop(holds);
    scene.goes_on(stopped, child).await;
}

/// The server goes away when COMMIT has taken effect, and before it could say so.
async fn unanswered(server: Server) {
    let mut scene = Scene::new(server).await;
    for setting in ["wal_level = replica", "max_wal_senders = 1"] {
        scene
            .database
            .execute(&format!("ALTER SYSTEM SET {setting}"))
            .await;
    }
    drop(scene.stop());
    scene.database = database(scene.of_server(), "warehouse").await;
    // The ledger's own table is made before, so that it isn't what waits.
    let standby = "ALTER SYSTEM SET synchronous_standby_names = 'nobody'";
    scene
        .database
        .execute("SET synchronous_commit = local")
        .await;
    scene.database.execute("CREATE SCHEMA runner; CREATE TABLE runner.load_ledger (run text NOT NULL, task text NOT NULL, item bigint NOT NULL, generation bigint NOT NULL, result json, committed_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (run, task, item, generation))").await;
    scene.database.execute(standby).await;
    scene.database.execute("SELECT pg_reload_conf()").await;
    let child = scene.project.start(&["trigger", "load"]);
    scene.until(UNANSWERED).await;
    scene
        .database
        .execute("ALTER SYSTEM RESET synchronous_standby_names")
        .await;
    let stopped = scene.stop();
    scene.goes_on(stopped, child).await;
}

#[tokio::test]
async fn the_own_server_stops_in_the_middle_of_a_load() {
    held_by(MID_COPY, Server::Own).await;
}

#[tokio::test]
async fn a_foreign_server_stops_in_the_middle_of_a_load() {
    held_by(MID_COPY, Server::Url).await;
}

#[tokio::test]
async fn the_own_server_stops_at_commit() {
    held_by(AT_COMMIT, Server::Own).await;
}

#[tokio::test]
async fn a_foreign_server_stops_at_commit() {
    held_by(AT_COMMIT, Server::Url).await;
}

#[tokio::test]
async fn the_own_server_stops_after_commit_and_before_its_answer() {
    unanswered(Server::Own).await;
}

#[tokio::test]
async fn a_foreign_server_stops_after_commit_and_before_its_answer() {
    unanswered(Server::Url).await;
}
