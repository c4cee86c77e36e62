//! A process that carries runs out, as others see it: a lock that ends with it, and a bell.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

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
        let owner = Owner(format!("{}-{:08x}", std::process::id(), random() >> 32));
        std::fs::create_dir_all(folder(state))?;
        let lock = lock_path(state, &owner);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock)?;
        let held = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, error)| std::io::Error::from(error))?;
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

/// Whether an owner's process still lives.
#[must_use]
pub fn is_alive(state: &Path, owner: &Owner) -> bool {
    let path = lock_path(state, owner);
    let Ok(file) = OpenOptions::new().write(true).open(&path) else {
        return false;
    };
    let Ok(_held) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else {
        return true;
    };
    let _ = std::fs::remove_file(bell_path(state, owner));
    let _ = std::fs::remove_file(path);
    false
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
                || error.raw_os_error() == Some(nix::errno::Errno::ENXIO as i32) =>
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
