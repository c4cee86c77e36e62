//! One running server: start, readiness, stop.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::kind::Server;
use super::lock::{LockFile, RETRY};
use super::place::{self, Place};
use super::{EmbeddedError, orphans};

/// How long the processes of an earlier server may take to be gone.
const LEFTOVER_PATIENCE: Duration = Duration::from_mins(1);

/// How long they may take to notice by themselves that their server is gone. Some don't: a
/// PostgreSQL that was recovering its data waits a minute for another process.
const LEFTOVER_GRACE: Duration = Duration::from_millis(250);

/// A server's process, which is a child of this one.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    pid: u32,
}

/// How a server ended by itself.
#[derive(Debug)]
pub(super) struct Ended {
    /// What comes after its name in a sentence.
    pub(super) how: String,
    /// By a signal, from outside or its own fault. A server that sees no way to go on exits.
    pub(super) killed: bool,
}

impl Running {
    /// Starts the server once nothing of an earlier one is left. It is not ready yet.
    pub(super) async fn start(server: &dyn Server, place: &Place) -> Result<Self, EmbeddedError> {
        let lock = free_of_leftovers(place).await?;
        server.tidy()?;
        let log = place.server_log();
        let mut command = server.command();
        command
            // Inherited by every process of the server, and never read: see `LockFile`.
            .stdin(lock.into_file())
            .stdout(place::append(&log)?)
            .stderr(place::append(&log)?);
        let program = command.get_program().to_owned();
        let child = Command::from(command)
            .spawn()
            .map_err(EmbeddedError::file("start", program.as_ref()))?;
        let pid = child.id().unwrap_or_default();
        tracing::info!("started {} as process {pid}", server.name());
        Ok(Self { child, pid })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for the end of the process, which nobody asked for.
    pub(super) async fn ended(&mut self) -> Ended {
        match self.child.wait().await {
            Ok(status) => Ended {
                how: describe(status),
                killed: status.signal().is_some(),
            },
            Err(error) => Ended {
                how: format!("was lost: {error}"),
                killed: false,
            },
        }
    }

    /// Ends the server in good order if it can be, and in any case.
    pub(super) async fn stop(mut self, steps: &[(Signal, Duration)]) {
        let last = (Signal::SIGKILL, LEFTOVER_PATIENCE);
        for (signal, patience) in steps.iter().copied().chain([last]) {
            tracing::info!("stopping process {} by {signal}", self.pid);
            // The process is not reaped before `wait` returns, so the number is still its own.
            if let Ok(pid) = i32::try_from(self.pid)
                && let Err(error) = kill(Pid::from_raw(pid), signal)
            {
                tracing::warn!("cannot signal process {pid}: {error}");
            }
            if let Ok(status) = timeout(patience, self.child.wait()).await {
                let what = status.map_or_else(|error| error.to_string(), describe);
                tracing::info!("process {} {what}", self.pid);
                break;
            }
        }
        orphans::end_all();
    }
}

/// Waits until all processes of an earlier server have ended, and holds their lock.
pub(super) async fn free_of_leftovers(place: &Place) -> Result<LockFile, EmbeddedError> {
    let path = place.server_lock();
    let failed = || EmbeddedError::file("lock", &path);
    let lock = LockFile::open(&path).map_err(failed())?;
    let started = Instant::now();
    while !lock.try_lock().map_err(failed())? {
        if started.elapsed() > LEFTOVER_GRACE {
            orphans::end_holders(&path);
        }
        if started.elapsed() > LEFTOVER_PATIENCE {
            return Err(EmbeddedError::Locked {
                path,
                seconds: LEFTOVER_PATIENCE.as_secs(),
                log: place.supervisor_log(),
            });
        }
        sleep(RETRY).await;
    }
    Ok(lock)
}

/// "ended with exit status 1", for a log and for people.
fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit status {code}"),
        (None, Some(signal)) => match Signal::try_from(signal) {
            Ok(name) => format!("was ended by {name}"),
            Err(_) => format!("was ended by signal {signal}"),
        },
        (None, None) => "ended".to_owned(),
    }
}
