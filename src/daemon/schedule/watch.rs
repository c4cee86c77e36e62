//! Hears of changes in the project's folders from the kernel; nothing is polled.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::UnboundedSender;

use crate::daemon::Control;

/// An editor's save is several changes: they are one when they come in so short a time.
const CALM: Duration = Duration::from_millis(100);

/// Folders that are never looked into.
const LEFT_OUT: &[&str] = &[".runner", ".git", "target", "node_modules", "bucket"];

/// Tells of changes below a project's root until the receiver is gone. Folders that are made later
/// are watched, too.
///
/// # Errors
/// When the kernel gives no watch.
pub async fn watch(root: PathBuf, control: UnboundedSender<Control>) -> std::io::Result<()> {
    let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
    let inotify = Inotify::init(flags).map_err(std::io::Error::from)?;
    let ready = inotify.as_fd().try_clone_to_owned()?;
    let ready = AsyncFd::register_with_interest(ready, Interest::READABLE)?;
    add_below(&inotify, &root);
    loop {
        let mut guard = ready.readable().await?;
        if !drain(&inotify)? {
            guard.clear_ready();
            continue;
        }
        guard.clear_ready();
        drop(guard);
        // Until it is calm.
        loop {
            tokio::time::sleep(CALM).await;
            if !drain(&inotify)? {
                break;
            }
        }
        add_below(&inotify, &root);
        if control.send(Control::Reload).is_err() {
            return Ok(());
        }
    }
}

/// Takes all that the kernel has to say; `false` when that is nothing.
fn drain(inotify: &Inotify) -> std::io::Result<bool> {
    let mut any = false;
    loop {
        match inotify.read_events() {
            Ok(events) => any |= !events.is_empty(),
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
