//! A process that carries runs out, as others see it: a lock that ends with it, and a bell.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::Mode;
use tokio::net::unix::pipe;

use super::clock::random;
use crate::store::Owner;

/// The lock of this process. While it is held, others see its runs as being carried out; it is let
/// go of when the process ends, however it ends.
#[derive(Debug)]
pub struct OwnerLock {
    owner: Owner,
    lock: PathBuf,
    bell_path: PathBuf,
    _held: Flock<File>,
}

/// The folder of all owners.
fn folder(state: &Path) -> PathBuf {
    state.join("owners")
}

fn lock_path(state: &Path, owner: &Owner) -> PathBuf {
    folder(state).join(format!("{}.lock", owner.0))
}

fn bell_path(state: &Path, owner: &Owner) -> PathBuf {
    folder(state).join(format!("{}.bell", owner.0))
}

impl OwnerLock {
    /// Makes this process an owner.
    ///
    /// # Errors
    /// When the state folder can't be written.
    pub fn acquire(state: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder(state))?;
        sweep(state);
        let (owner, lock, held) = loop {
            let owner = Owner(format!("{}-{:08x}", std::process::id(), random() >> 32));
            let lock = lock_path(state, &owner);
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&lock)?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                // Between opening and locking another process may have taken it for a dead one's,
                // and removed it: a lock that has no name protects nothing.
                Ok(held) if is_named(&held, &lock) => break (owner, lock, held),
                Ok(_) | Err((_, Errno::EWOULDBLOCK)) => {}
                Err((_, error)) => return Err(error.into()),
            }
        };
        let bell = bell_path(state, &owner);
        nix::unistd::mkfifo(&bell, Mode::S_IRUSR | Mode::S_IWUSR)?;
        Ok(Self {
            owner,
            lock,
            bell_path: bell,
            _held: held,
        })
    }

    /// The name of this owner.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The bell that others ring after they left a command in the store.
    ///
    /// # Errors
    /// When the pipe can't be opened.
    pub fn bell(&self) -> std::io::Result<pipe::Receiver> {
        // Open for writing, too: the pipe never sees the end of its last writer.
        pipe::OpenOptions::new()
            .read_write(true)
            .open_receiver(&self.bell_path)
    }
}

impl Drop for OwnerLock {
    fn drop(&mut self) {
        // What stays behind is taken away by whoever finds the lock free.
        let _ = std::fs::remove_file(&self.bell_path);
        let _ = std::fs::remove_file(&self.lock);
    }
}

/// Whether an owner's process still lives. When that can't be found out it does: a run that is
/// carried out twice is worse than one that waits.
#[must_use]
pub fn is_alive(state: &Path, owner: &Owner) -> bool {
    let path = lock_path(state, owner);
    let file = match OpenOptions::new().write(true).open(&path) {
        Ok(file) => file,
        Err(error) => return error.kind() != ErrorKind::NotFound,
    };
    // Shared: those who look don't take each other for the owner.
    let Ok(held) = Flock::lock(file, FlockArg::LockSharedNonblock) else {
        return true;
    };
    if is_named(&held, &path) {
        let _ = std::fs::remove_file(bell_path(state, owner));
        let _ = std::fs::remove_file(path);
    }
    false
}

/// Removes what killed processes have left.
fn sweep(state: &Path) {
    let Ok(entries) = std::fs::read_dir(folder(state)) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = path.file_stem().and_then(std::ffi::OsStr::to_str);
        if let Some(name) = name {
            let _ = is_alive(state, &Owner(name.to_owned()));
        }
        if path
            .extension()
            .is_some_and(|extension| extension == "bell")
            && !path.with_extension("lock").exists()
        {
            // Its lock is made first and removed last: this is nobody's bell any more.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Whether a path still names this very file.
fn is_named(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let (Ok(own), Ok(named)) = (file.metadata(), std::fs::metadata(path)) else {
        return false;
    };
    (own.dev(), own.ino()) == (named.dev(), named.ino())
}

/// Rings an owner's bell; `false` when nobody hears it.
///
/// # Errors
/// When the pipe can't be written for another reason.
pub fn ring(state: &Path, owner: &Owner) -> std::io::Result<bool> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let opened = OpenOptions::new()
        .write(true)
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(bell_path(state, owner));
    match opened {
        // A full pipe has rung already.
        Ok(mut pipe) => match pipe.write(&[1]) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        },
        // ENXIO: nobody has it open; ENOENT: the owner is gone.
        Err(error)
            if error.kind() == ErrorKind::NotFound
                || error.raw_os_error() == Some(Errno::ENXIO as i32) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_lives_as_long_as_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        let lock = OwnerLock::acquire(folder.path()).unwrap();
        let owner = lock.owner().clone();
        assert!(is_alive(folder.path(), &owner));
        drop(lock);
        assert!(!is_alive(folder.path(), &owner));
        assert!(!ring(folder.path(), &owner).unwrap());
    }

    #[test]
    fn what_killed_owners_left_is_removed_and_the_living_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let first = OwnerLock::acquire(folder.path()).unwrap();
        for name in ["1-a.lock", "1-a.bell", "1-b.bell"] {
            std::fs::write(super::folder(folder.path()).join(name), "").unwrap();
        }
        let second = OwnerLock::acquire(folder.path()).unwrap();
        let left = std::fs::read_dir(super::folder(folder.path())).unwrap();
        assert_eq!(left.count(), 4);
        assert!(is_alive(folder.path(), first.owner()));
        assert!(is_alive(folder.path(), second.owner()));
        assert!(!is_alive(folder.path(), &Owner("1-a".to_owned())));
    }

    #[test]
    fn an_owner_that_cannot_be_looked_at_lives() {
        let folder = tempfile::tempdir().unwrap();
        let lock = lock_path(folder.path(), &Owner("1-a".to_owned()));
        std::fs::create_dir_all(&lock).unwrap();
        assert!(is_alive(folder.path(), &Owner("1-a".to_owned())));
    }

    #[tokio::test]
    async fn the_bell_is_heard() {
        let folder = tempfile::tempdir().unwrap();
        let lock = OwnerLock::acquire(folder.path()).unwrap();
        let bell = lock.bell().unwrap();
        assert!(ring(folder.path(), lock.owner()).unwrap());
        bell.readable().await.unwrap();
        let mut byte = [0; 8];
        assert_eq!(bell.try_read(&mut byte).unwrap(), 1);
    }
}
