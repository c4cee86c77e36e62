//! Hears of changes in the project's folders from the kernel; nothing is polled.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::sync::mpsc::UnboundedSender;

use crate::daemon::Control;

/// An editor's save is several changes: they are one when they come in so short a time, in
/// milliseconds.
const CALM: u8 = 100;
/// Somebody who writes without a pause keeps nobody from hearing of an edit for longer than this.
const RESTLESS: Duration = Duration::from_secs(1);

/// Folders that are never looked into.
const LEFT_OUT: &[&str] = &[".runner", ".git", "target", "node_modules", "bucket"];

/// The kernel's word on changes below a folder. It is kept from the moment this is made, so that
/// what changes while the project is read for the first time isn't missed.
#[derive(Debug)]
pub struct Watch {
    inotify: Inotify,
    root: PathBuf,
}

impl Watch {
    /// Watches a project's root and the folders below; those that are made later, too.
    ///
    /// # Errors
    /// When the kernel gives no watch.
    pub fn begin(root: PathBuf) -> std::io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        add_below(&inotify, &root);
        Ok(Self { inotify, root })
    }

    /// Tells of changes, on a thread of its own, until the receiver is gone.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn tell(self, control: UnboundedSender<Control>) -> std::io::Result<()> {
        std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || {
                if let Err(error) = tell(&self.inotify, &self.root, &control) {
                    tracing::error!(%error, "changes of files aren't heard of any more");
                }
            })?;
        Ok(())
    }
}

fn tell(inotify: &Inotify, root: &Path, control: &UnboundedSender<Control>) -> std::io::Result<()> {
    loop {
        wait(inotify, PollTimeout::NONE)?;
        if !drain(inotify)? {
            continue;
        }
        let heard = Instant::now();
        while heard.elapsed() < RESTLESS && wait(inotify, PollTimeout::from(CALM))? {
            drain(inotify)?;
        }
        add_below(inotify, root);
        if control.send(Control::Reload).is_err() {
            return Ok(());
        }
    }
}

/// Waits until there is something to take; `false` when the time was up before.
fn wait(inotify: &Inotify, timeout: PollTimeout) -> std::io::Result<bool> {
    loop {
        let mut ready = [PollFd::new(inotify.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, timeout) {
            Ok(found) => return Ok(found > 0),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Takes all that the kernel has to say; `false` when that is nothing.
fn drain(inotify: &Inotify) -> std::io::Result<bool> {
    let mut any = false;
    loop {
        match inotify.read_events() {
            Ok(events) => {
                let left_out = |name| LEFT_OUT.iter().any(|left_out| name == *left_out);
                any |= events
                    .into_iter()
                    .any(|event| !event.name.is_some_and(left_out));
            }
            Err(Errno::EAGAIN) => return Ok(any),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn add_below(inotify: &Inotify, folder: &Path) {
    let flags = AddWatchFlags::IN_CLOSE_WRITE
        | AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_MOVED_FROM
        | AddWatchFlags::IN_MOVED_TO
        | AddWatchFlags::IN_ONLYDIR;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // Once more costs nothing and finds a folder that was made anew under the same name.
        if let Err(errno) = inotify.add_watch(&folder, flags) {
            tracing::warn!(folder = %folder.display(), %errno, "changes aren't heard of");
            continue;
        }
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            let left_out = LEFT_OUT.iter().any(|left_out| name == *left_out);
            if !left_out && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn who_writes_without_a_pause_hides_no_edit() {
        let folder = tempfile::tempdir().unwrap();
        let (control, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let watch = Watch::begin(folder.path().to_owned()).unwrap();
        watch.tell(control).unwrap();
        let goes_on = Arc::new(AtomicBool::new(true));
        let writer = std::thread::spawn({
            let (goes_on, folder) = (goes_on.clone(), folder.path().to_owned());
            move || {
                let until = Instant::now() + 30 * RESTLESS;
                while goes_on.load(Ordering::Relaxed) && Instant::now() < until {
                    std::fs::write(folder.join("drop.csv"), "1").unwrap();
                }
                // Whether it was told to stop.
                !goes_on.load(Ordering::Relaxed)
            }
        });
        assert!(matches!(heard.blocking_recv(), Some(Control::Reload)));
        goes_on.store(false, Ordering::Relaxed);
        assert!(writer.join().unwrap(), "heard only when it was calm again");
    }
}
