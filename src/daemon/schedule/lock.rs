//! One daemon a project.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::store::Owner;

/// The file, in the folder of the state.
const FILE: &str = "daemon.lock";

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
        let mut file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => file,
            Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
                let mut text = String::new();
                // Who it is only adds to the message.
                let _ = file.read_to_string(&mut text);
                let owner = text.lines().next().unwrap_or("unknown");
                return Err(NotAlone::taken_by(owner));
            }
            Err((_, errno)) => return Err(failed(errno.into())),
        };
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
}
