//! A real PostgreSQL for tests: one cluster a process, one database a test.
//!
//! The cluster starts with the first test that asks for it. Its supervisor ends it and removes
//! its data when the test process is gone, also when that was killed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use runner::embedded::Lifetime;
use runner::embedded::postgres::{PostgresServer, acquire_with, ensure_database};
use sqlx::postgres::PgConnectOptions;
use tokio::sync::OnceCell;

/// The program under test, which is also the supervisor.
pub(crate) fn runner() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_runner"))
}

/// An empty database for one test. It is not dropped: the whole cluster is removed.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    /// The name, which is new at each call.
    pub(crate) name: String,
    /// For sqlx, for psql, and as the URL of a connection in a project.
    pub(crate) url: String,
    /// The same for sqlx only.
    pub(crate) options: PgConnectOptions,
    /// The folder of the server's socket: libpq's `host`.
    pub(crate) socket_dir: PathBuf,
}

static NEXT: AtomicUsize = AtomicUsize::new(1);
static SERVER: OnceCell<PostgresServer> = OnceCell::const_new();

/// A new database on the cluster that all tests of this process share.
pub(crate) async fn database() -> TestDatabase {
    let server = SERVER.get_or_init(start).await;
    // The cluster is this process's own, so a number is as unique as a random name.
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    ensure_database(server, &name).await.expect("a database");
    TestDatabase {
        url: server.url(&name),
        options: server.options(&name),
        socket_dir: server.socket_dir().to_path_buf(),
        name,
    }
}

async fn start() -> PostgresServer {
    // Kept, because nothing of this process runs at its end: the supervisor removes it.
    let dir = tempfile::Builder::new()
        .prefix("runner-test-")
        .tempdir()
        .expect("temporary folder")
        .keep();
    acquire_with(&dir, runner(), Lifetime::Ephemeral)
        .await
        .expect("a private PostgreSQL")
}
