//! The kernel's word on changes in folders.

use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Folders are told of, not files: a file that is being written is told of when it is made and when
/// it is complete.
const CHANGES: AddWatchFlags = AddWatchFlags::IN_CLOSE_WRITE
    .union(AddWatchFlags::IN_CREATE)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR);

/// Folders that are watched.
#[derive(Debug)]
pub(super) struct Folders {
    inotify: AsyncFd<Kernel>,
}

#[derive(Debug)]
struct Kernel(Inotify);

impl AsRawFd for Kernel {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Folders {
    /// Watches nothing yet.
    pub(super) fn new() -> std::io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe for types that may close or change their file; an \
                      `Inotify` does neither"
        )]
        let inotify = AsyncFd::with_interest(Kernel(inotify), Interest::READABLE)?;
        Ok(Self { inotify })
    }

    /// Watches a folder and those below it, so many levels deep. One that is watched already stays
    /// so; one that is gone meanwhile is nobody's mistake.
    pub(super) fn add(&self, folder: &Path, depth: usize) -> std::io::Result<()> {
        let mut folders: Vec<(PathBuf, usize)> = vec![(folder.to_owned(), depth)];
        while let Some((folder, depth)) = folders.pop() {
            match self.inotify.get_ref().0.add_watch(&folder, CHANGES) {
                Ok(_) => {}
                Err(Errno::ENOENT | Errno::ENOTDIR) => continue,
                Err(Errno::ENOSPC) => {
                    return Err(std::io::Error::other(
                        "the kernel watches no more folders for this user: raise \
                         `fs.inotify.max_user_watches`",
                    ));
                }
                Err(errno) => return Err(errno.into()),
            }
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            if depth == 0 {
                continue;
            }
            let below = entries.filter_map(Result::ok).filter(|entry| {
                // Through a link a folder could be below itself.
                entry.file_type().is_ok_and(|kind| kind.is_dir())
            });
            folders.extend(below.map(|entry| (entry.path(), depth - 1)));
        }
        Ok(())
    }

    /// Waits for a change, and takes all that are known. Which they are doesn't matter: too many are
    /// told as one that says no more.
    pub(super) async fn changed(&self) -> std::io::Result<()> {
        loop {
            let mut ready = self.inotify.readable().await?;
            if self.drain()? {
                return Ok(());
            }
            ready.clear_ready();
        }
    }

    fn drain(&self) -> std::io::Result<bool> {
        let mut any = false;
        loop {
            match self.inotify.get_ref().0.read_events() {
                Ok(events) => any |= !events.is_empty(),
                Err(Errno::EAGAIN) => return Ok(any),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
