//! Private servers: shared, ended with the last client, and recovered after any death.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runner::embedded::postgres::{PostgresServer, acquire, acquire_with, ensure_database};
use runner::embedded::{EmbeddedError, Lifetime};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection};
use tempfile::TempDir;

use crate::support::postgres::{database, runner};

/// Longer than anything takes that works, on a machine that does much else.
const DEADLINE: Duration = Duration::from_mins(1);

/// A project's folder. Its server has ended before the folder is removed.
struct Project {
    root: TempDir,
}

impl Project {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("temporary folder");
        Self { root }
    }

    fn runner_dir(&self) -> PathBuf {
        self.root.path().join(".runner")
    }

    fn server_dir(&self) -> PathBuf {
        self.runner_dir().join("postgres")
    }

    async fn acquire(&self) -> PostgresServer {
        self.try_acquire().await.expect("a server")
    }

    async fn try_acquire(&self) -> Result<PostgresServer, EmbeddedError> {
        acquire(&self.runner_dir(), runner()).await
    }

    fn postmaster(&self) -> Pid {
        let text = fs::read_to_string(self.server_dir().join("data/postmaster.pid"));
        let text = text.expect("a running server");
        let pid = text.lines().next().expect("a line");
        Pid::from_raw(pid.parse().expect("a number"))
    }

    fn supervisor(&self) -> Pid {
        parent(self.postmaster())
    }

    /// Waits until the supervisor and all processes of the server are gone.
    fn wait_until_ended(&self) {
        for lock in ["supervisor.lock", "server.lock"] {
            wait_until_free(&self.server_dir().join(lock));
        }
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if self.server_dir().is_dir() && !std::thread::panicking() {
            self.wait_until_ended();
        }
    }
}

fn wait_until_free(path: &Path) {
    let Ok(file) = File::options().write(true).open(path) else {
        return;
    };
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(file.lock()));
    let locked = receiver.recv_timeout(DEADLINE);
    let locked = locked.unwrap_or_else(|_| panic!("`{}` is still held", path.display()));
    locked.expect("a lock");
}

fn parent(pid: Pid) -> Pid {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = text.lines().find_map(|line| line.strip_prefix("PPid:"));
    Pid::from_raw(line.expect("PPid").trim().parse().expect("a number"))
}

/// A process whose exit status nobody has taken has no memory any more, and no command line.
fn is_alive(pid: Pid) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|text| !text.is_empty())
}

fn end(pid: Pid, signal: Signal) {
    kill(pid, signal).expect("a signal");
}

async fn connect(server: &PostgresServer) -> PgConnection {
    let options = server.options("postgres");
    PgConnection::connect_with(&options).await.expect("connect")
}

async fn run(connection: &mut PgConnection, statement: &'static str) {
    let done = sqlx::raw_sql(statement).execute(connection).await;
    done.expect(statement);
}

async fn number(connection: &mut PgConnection, query: &'static str) -> i64 {
    let found = sqlx::query_scalar(query).fetch_one(connection).await;
    found.expect(query)
}

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
async fn the_settings_are_those_of_a_private_durable_server() {
    let project = Project::new();
    let server = project.acquire().await;
    let mut connection = connect(&server).await;
    let settings = [
        ("listen_addresses", ""),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
        ("max_connections", "200"),
    ];
    for (name, expected) in settings {
        let found: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(name)
            .fetch_one(&mut connection)
            .await
            .expect(name);
        assert_eq!(found, expected, "{name}");
    }
    let (sorted, upper): (bool, String) = sqlx::query_as("SELECT 'Z' < 'a', upper('straße é')")
        .fetch_one(&mut connection)
        .await
        .expect("query");
    assert!(sorted, "by code point");
    assert!(upper.ends_with('É'), "{upper}");
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
    let started = Instant::now();
    loop {
        match PgConnection::connect_with(&server.options("postgres")).await {
            Ok(connection) => return connection,
            Err(error) => assert!(started.elapsed() < DEADLINE, "{error}"),
        }
        tokio::task::yield_now().await;
    }
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
async fn a_killed_client_gives_its_lease_back() {
    let project = Project::new();
    let server = project.acquire().await;
    // A process whose only link to the server is its connection to the supervisor.
    let socket = project.server_dir().join("run/supervisor.sock");
    let connection = UnixStream::connect(&socket).expect("connect");
    let mut client = Command::new("cat")
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(connection)))
        .stdout(Stdio::piped())
        .spawn()
        .expect("cat");
    let mut answer = String::new();
    let stdout = client.stdout.take().expect("stdout");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut answer).expect("line");
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

#[tokio::test]
async fn data_of_another_version_are_left_alone() {
    let project = Project::new();
    let data = project.server_dir().join("data");
    fs::create_dir_all(&data).expect("folder");
    fs::write(data.join("PG_VERSION"), "8\n").expect("file");
    let text = project
        .try_acquire()
        .await
        .expect_err("refused")
        .to_string();
    assert!(text.contains("was made by PostgreSQL 8"), "{text}");
    assert_eq!(fs::read_dir(&data).expect("folder").count(), 1);
}

#[tokio::test]
async fn a_project_may_have_a_long_path_and_odd_names() {
    let mut project = Project::new();
    let odd = "it's, \"quite\" long & ünusual %41 ".repeat(6);
    let nested = project.root.path().join(&odd).join("x".repeat(200));
    fs::create_dir_all(&nested).expect("folders");
    project.root = TempDir::new_in(nested).expect("temporary folder");
    let server = project.acquire().await;
    assert!(server.socket_dir().starts_with("/tmp"));
    let mut connection = connect(&server).await;
    assert_eq!(number(&mut connection, "SELECT 1::int8").await, 1);

    let mut short = Project::new();
    let nested = short.root.path().join("a, \"b\" é%41");
    fs::create_dir_all(&nested).expect("folders");
    short.root = TempDir::new_in(nested).expect("temporary folder");
    let server = short.acquire().await;
    let options: PgConnectOptions = server.url("postgres").parse().expect("a URL");
    let mut connection = PgConnection::connect_with(&options).await.expect("connect");
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

#[tokio::test]
async fn a_database_is_made_once_whoever_asks_and_whatever_its_name() {
    let project = Project::new();
    let server = project.acquire().await;
    let longest = "é".repeat(31);
    let names = [
        "prices",
        "SELECT",
        "a \"quoted\" name",
        "a/b?c=d&e%41",
        "Ünï ✓",
        &longest,
    ];
    for name in names {
        let at_once = (0..6).map(|_| ensure_database(&server, name));
        for made in futures_util::future::join_all(at_once).await {
            made.expect(name);
        }
        let options: PgConnectOptions = server.url(name).parse().expect("a URL");
        for options in [options, server.options(name)] {
            let mut connection = PgConnection::connect_with(&options).await.expect(name);
            let found: String = sqlx::query_scalar("SELECT current_database()::text")
                .fetch_one(&mut connection)
                .await
                .expect("query");
            assert_eq!(found, name);
        }
        let psql = Command::new("psql")
            .args(["-X", "-At", "-c", "SELECT current_database()"])
            .arg(server.url(name))
            .output();
        let psql = psql.expect("psql");
        let found = String::from_utf8_lossy(&psql.stdout);
        let said = String::from_utf8_lossy(&psql.stderr);
        assert_eq!(found.trim_end(), name, "{said}");
    }
    for name in ["", "a\0b", &"x".repeat(64)] {
        assert!(matches!(
            ensure_database(&server, name).await,
            Err(EmbeddedError::DatabaseName { .. })
        ));
    }
}

#[tokio::test]
async fn tests_get_databases_of_their_own_on_one_cluster() {
    let (first, second) = tokio::join!(database(), database());
    assert_ne!(first.name, second.name);
    assert_eq!(first.socket_dir, second.socket_dir);
    for database in [&first, &second] {
        let options: PgConnectOptions = database.url.parse().expect("a URL");
        for options in [&options, &database.options] {
            let mut connection = PgConnection::connect_with(options).await.expect("connect");
            let statement = format!("CREATE TABLE IF NOT EXISTS {} ()", database.name);
            sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(&mut connection)
                .await
                .expect("a table");
            let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
            assert_eq!(number(&mut connection, tables).await, 1);
        }
    }
}
