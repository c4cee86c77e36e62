//! A project with a private server, and what the tests do with its processes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runner::embedded::EmbeddedError;
use runner::embedded::postgres::{PostgresServer, acquire};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tempfile::TempDir;

pub(crate) use crate::support::eventually::DEADLINE;
use crate::support::postgres::runner;

/// A project's folder. Its server has ended before the folder is removed.
pub(crate) struct Project {
    root: PathBuf,
    _removed_last: TempDir,
}

impl Project {
    pub(crate) fn new() -> Self {
        Self::below("")
    }

    pub(crate) fn below(folders: &str) -> Self {
        let temporary = tempfile::tempdir().expect("temporary folder");
        let root = temporary.path().join(folders);
        fs::create_dir_all(&root).expect("folders");
        Self {
            root,
            _removed_last: temporary,
        }
    }

    pub(crate) fn runner_dir(&self) -> PathBuf {
        self.root.join(".runner")
    }

    pub(crate) fn server_dir(&self) -> PathBuf {
        self.runner_dir().join("postgres")
    }

    pub(crate) async fn acquire(&self) -> PostgresServer {
        self.try_acquire().await.expect("a server")
    }

    pub(crate) async fn try_acquire(&self) -> Result<PostgresServer, EmbeddedError> {
        acquire(&self.runner_dir(), runner()).await
    }

    pub(crate) fn postmaster(&self) -> Pid {
        let text = fs::read_to_string(self.server_dir().join("data/postmaster.pid"));
        let text = text.expect("a running server");
        let pid = text.lines().next().expect("a line");
        Pid::from_raw(pid.parse().expect("a number"))
    }

    pub(crate) fn supervisor(&self) -> Pid {
        parent(self.postmaster())
    }

    /// Waits until the supervisor and all processes of the server are gone.
    pub(crate) fn wait_until_ended(&self) {
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

pub(crate) fn wait_until_free(path: &Path) {
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
pub(crate) fn is_alive(pid: Pid) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|text| !text.is_empty())
}

pub(crate) fn end(pid: Pid, signal: Signal) {
    kill(pid, signal).expect("a signal");
}

pub(crate) async fn connect(server: &PostgresServer) -> PgConnection {
    let options = server.options("postgres");
    PgConnection::connect_with(&options).await.expect("connect")
}

pub(crate) async fn run(connection: &mut PgConnection, statement: &'static str) {
    let done = sqlx::raw_sql(statement).execute(connection).await;
    done.expect(statement);
}

pub(crate) async fn number(connection: &mut PgConnection, query: &'static str) -> i64 {
    let found = sqlx::query_scalar(query).fetch_one(connection).await;
    found.expect(query)
}
