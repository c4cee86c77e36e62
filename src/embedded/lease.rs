//! The client's side: find the supervisor of a server, or start one.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::kind::Kind;
use super::lock::LockFile;
use super::place::Place;
use super::protocol::Answer;
use super::supervisor::{EPHEMERAL_ARGUMENT, SUPERVISOR_ARGUMENT};
use super::{EmbeddedError, place};

/// A client's share of a server. The server runs at least as long as this lives; it ends when
/// no client of any process has a lease any more. Dropping the lease gives it back, and so
/// does the death of the process, in whatever way.
#[derive(Debug)]
pub struct Lease {
    connection: UnixStream,
}

impl Lease {
    /// Whether the supervisor is still there. It says nothing more, so it hangs up or is silent.
    pub fn is_held(&self) -> bool {
        use nix::sys::socket::{MsgFlags, recv};
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        let peeked = recv(self.connection.as_raw_fd(), &mut [0], flags);
        matches!(peeked, Err(nix::errno::Errno::EAGAIN))
    }
}

/// How long the data of a server live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// As long as the project: every commit is on the disk before it is acknowledged.
    Project,
    /// Until the last client is gone: for tests. Nothing waits for the disk, and the whole
    /// folder of the server is removed at the end, with the one above it if that is empty then.
    Ephemeral,
}

/// How to call this program again, also after its file was replaced by a newer one.
pub fn own_program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

/// The longest stop of a server, and then some.
const STOP_PATIENCE: Duration = Duration::from_secs(90);

/// Clients wait in a row while one of them waits for a server to stop.
const TURN_PATIENCE: Duration = Duration::from_secs(2 * STOP_PATIENCE.as_secs());

/// A supervisor that is about to stop hangs up; then the next one is asked. More than one such
/// turn is bad luck, this many are a mistake.
const ATTEMPTS: usize = 8;

/// What a client wants.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) kind: &'static Kind,
    /// The folder of the server.
    pub(super) dir: PathBuf,
    /// The program that is the supervisor when its first argument says so.
    pub(super) supervisor: PathBuf,
    pub(super) lifetime: Lifetime,
}

impl Request {
    /// Waits until the server is ready; the value tells how to reach it.
    pub(super) async fn acquire(self) -> Result<(Lease, serde_json::Value), EmbeddedError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let log = self.dir.join("supervisor.log");
        // A thread, and not tokio's pool: the runtime would wait for the pool when it ends, and
        // a person who interrupts the start of a server does not want to.
        std::thread::spawn(move || sender.send(self.acquire_blocking()));
        match receiver.await {
            Ok(result) => result,
            Err(_) => Err(EmbeddedError::NoAnswer { log }),
        }
    }

    fn acquire_blocking(&self) -> Result<(Lease, serde_json::Value), EmbeddedError> {
        for _ in 0..ATTEMPTS {
            let place = Place::create(&self.dir)?;
            let joined = connect(&place)?;
            let connection = match joined {
                Some(connection) => Some(connection),
                None => self.start_in_turn(&place)?,
            };
            let Some(connection) = connection else {
                continue;
            };
            let socket = place.supervisor_socket();
            let answer =
                Answer::read(&connection).map_err(EmbeddedError::file("read from", &socket))?;
            match answer {
                Some(Answer::Ready(facts)) => {
                    let lease = Lease { connection };
                    return Ok((lease, facts));
                }
                Some(Answer::Failed(text)) => return Err(EmbeddedError::Refused { text }),
                Some(Answer::Ended(text)) => return Err(EmbeddedError::Ended { text }),
                None => {}
            }
        }
        Err(EmbeddedError::NoAnswer {
            log: self.dir.join("supervisor.log"),
        })
    }

    /// Starts a supervisor unless another client has just done so. `None`: try again.
    fn start_in_turn(&self, place: &Place) -> Result<Option<UnixStream>, EmbeddedError> {
        let turn = lock(place, &place.start_lock(), TURN_PATIENCE)?;
        if let Some(connection) = connect(place)? {
            return Ok(Some(connection));
        }
        // Nobody listens: either there is no supervisor, or it is stopping. Its lock tells.
        let life = lock(place, &place.supervisor_lock(), STOP_PATIENCE)?;
        if !turn.is_current() || !life.is_current() {
            return Ok(None);
        }
        // The one before has removed the folder of the sockets at its end.
        let place = &Place::create(&self.dir)?;
        let socket = place.supervisor_socket();
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(EmbeddedError::file("remove", &socket)(error));
            }
            _ => {}
        }
        let listener =
            UnixListener::bind(&socket).map_err(EmbeddedError::file("listen on", &socket))?;
        self.spawn(place, listener, life)?;
        connect(place)
    }

    /// The supervisor inherits the socket and the lock, so there is no moment in which the
    /// server is being started and nobody can be asked about it.
    fn spawn(
        &self,
        place: &Place,
        listener: UnixListener,
        life: LockFile,
    ) -> Result<(), EmbeddedError> {
        let log = place.supervisor_log();
        place::rotate(&log)?;
        let stderr = place::append(&log)?;
        let program = std::path::absolute(&self.supervisor)
            .map_err(EmbeddedError::file("find", &self.supervisor))?;
        let mut command = Command::new(&program);
        command
            .arg0("runner")
            .arg(SUPERVISOR_ARGUMENT)
            .arg(self.kind.name)
            .arg(place.dir())
            .current_dir("/")
            .env_clear()
            .envs(kept(self.kind.environment))
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::from(life.into_file()))
            .stderr(Stdio::from(stderr));
        if self.lifetime == Lifetime::Ephemeral {
            command.arg(EPHEMERAL_ARGUMENT);
        }
        let mut child = command
            .spawn()
            .map_err(EmbeddedError::file("start", &program))?;
        // Takes the supervisor's exit status when it ends before this process does.
        std::thread::spawn(move || child.wait());
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "handed on to a child unread: the supervisor keeps these and nothing else"
)]
fn kept(
    names: &'static [&'static str],
) -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    names
        .iter()
        .filter_map(|name| std::env::var_os(name).map(|value| (*name, value)))
}

fn lock(place: &Place, path: &Path, patience: Duration) -> Result<LockFile, EmbeddedError> {
    let failed = || EmbeddedError::file("lock", path);
    let file = LockFile::open(path).map_err(failed())?;
    if file.lock_within(patience).map_err(failed())? {
        return Ok(file);
    }
    Err(EmbeddedError::Locked {
        path: path.to_path_buf(),
        seconds: patience.as_secs(),
        log: place.supervisor_log(),
    })
}

fn connect(place: &Place) -> Result<Option<UnixStream>, EmbeddedError> {
    let socket = place.supervisor_socket();
    match UnixStream::connect(&socket) {
        Ok(connection) => Ok(Some(connection)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(EmbeddedError::file("connect to", &socket)(error)),
    }
}
