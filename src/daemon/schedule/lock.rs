//! One daemon a project.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::store::Owner;

/// The file, in the folder of the state.
const FILE: &str = "daemon.lock";
/// How long a lock is waited for whose process is there, and whose process has ended.
const OF_LIVING: Duration = Duration::from_millis(100);
const OF_DEAD: Duration = Duration::from_secs(2);

/// Held by the project's daemon as long as it lives.
#[derive(Debug)]
pub struct DaemonLock {
    _file: Flock<File>,
}

/// Why this process isn't the daemon.
#[derive(Debug, thiserror::Error)]
pub enum NotAlone {
    #[error("process {0} schedules this project already")]
    Taken(String),
    #[error("{}: {error}", path.display())]
    File {
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
}

impl NotAlone {
    /// The daemon is this owner, whose name begins with its process.
    #[must_use]
    pub fn taken_by(owner: &str) -> Self {
        let process = owner.split_once('-').map_or(owner, |(process, _)| process);
        Self::Taken(process.to_owned())
    }
}

impl DaemonLock {
    /// Makes this process the project's daemon.
    ///
    /// # Errors
    /// Another process is; the state folder can't be written.
    pub fn acquire(state: &Path, owner: &Owner) -> Result<Self, NotAlone> {
        let path = state.join(FILE);
        let failed = |error| NotAlone::File {
            path: path.clone(),
            error,
        };
        std::fs::create_dir_all(state).map_err(failed)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        let mut file = lock(file).map_err(|refused| match refused {
            Refused::Taken(owner) => NotAlone::taken_by(&owner),
            Refused::Failed(error) => failed(error),
        })?;
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", owner.0)
        };
        write(&mut file).map_err(failed)?;
        Ok(Self { _file: file })
    }

    /// The owner that the project's living daemon is; `None` without one.
    #[must_use]
    pub fn holder(state: &Path) -> Option<Owner> {
        let path = state.join(FILE);
        let mut file = File::open(path).ok()?;
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            // Nobody holds it.
            Ok(_) => None,
            Err(_) => Some(Owner(text.lines().next()?.to_owned())),
        }
    }
}

enum Refused {
    Taken(String),
    Failed(std::io::Error),
}

/// Locks the file, unless a living process has it. Whoever asks who the daemon is holds it for an
/// instant, and so does a child that a killed daemon was just about to start.
fn lock(mut file: File) -> Result<Flock<File>, Refused> {
    let began = Instant::now();
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => return Ok(locked),
            Err((back, Errno::EWOULDBLOCK)) => file = back,
            Err((_, errno)) => return Err(Refused::Failed(errno.into())),
        }
        let mut text = String::new();
        // Who it is only adds to the message.
        let _ = file.rewind().and_then(|()| file.read_to_string(&mut text));
        let owner = text.lines().next().unwrap_or("unknown");
        let patience = if is_gone(owner) { OF_DEAD } else { OF_LIVING };
        if began.elapsed() >= patience {
            return Err(Refused::Taken(owner.to_owned()));
        }
        // Nothing tells when a lock is given back but waiting for it, which has no end.
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the process of an owner has ended.
fn is_gone(owner: &str) -> bool {
    let process = owner.split('-').next().and_then(|text| text.parse().ok());
    process.is_some_and(|process| kill(Pid::from_raw(process), None) == Err(Errno::ESRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (Owner("1-a".to_owned()), Owner("2-b".to_owned()));
        assert_eq!(DaemonLock::holder(folder.path()), None);
        let lock = DaemonLock::acquire(folder.path(), &one).unwrap();
        let error = DaemonLock::acquire(folder.path(), &two).unwrap_err();
        assert!(error.to_string().contains("process 1 "), "{error}");
        assert_eq!(DaemonLock::holder(folder.path()), Some(one));
        drop(lock);
        assert_eq!(DaemonLock::holder(folder.path()), None);
        DaemonLock::acquire(folder.path(), &two).unwrap();
    }

    #[test]
    fn what_a_dead_daemon_s_child_still_holds_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = std::process::Command::new("true").spawn().unwrap();
        process.wait().unwrap();
        let dead = Owner(format!("{}-a", process.id()));
        let lock = DaemonLock::acquire(folder.path(), &dead).unwrap();
        let given_back = std::thread::spawn(move || {
            std::thread::sleep(OF_LIVING * 3);
            drop(lock);
        });
        let next = Owner("2-b".to_owned());
        DaemonLock::acquire(folder.path(), &next).unwrap();
        given_back.join().unwrap();
    }
}
