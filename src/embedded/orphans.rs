//! Processes that a server leaves behind when it is killed.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::wait;
use nix::unistd::Pid;

/// A process that starts children while it is being killed can leave some behind once more;
/// after so many rounds it is no accident.
const ROUNDS: usize = 100;

/// Makes this process the parent of every descendant whose own parent dies, in place of the
/// machine's first process.
pub(super) fn adopt() {
    if let Err(error) = set_child_subreaper(true) {
        tracing::warn!("cannot adopt the server's processes: {error}");
    }
}

/// Kills and reaps all children of this process. A busy worker of a database would otherwise
/// not notice for a long time that its server is gone, and hinder the next one. Call it only
/// while the server itself is not running.
pub(super) fn end_all() {
    for _ in 0..ROUNDS {
        let children = children();
        if children.is_empty() {
            return;
        }
        tracing::info!("ending {} processes that the server left", children.len());
        for child in &children {
            // It may have ended by itself: then there is only its status to take.
            let _ = kill(*child, Signal::SIGKILL);
        }
        for _ in &children {
            let _ = wait();
        }
    }
}

/// Kills the processes of an earlier server, whose supervisor was killed before it could: those
/// whose standard input is the server's lock. Their data are as after any crash.
pub(super) fn end_holders(lock: &Path) {
    let Ok(wanted) = std::fs::metadata(lock) else {
        return;
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        let pid = process
            .file_name()
            .to_str()
            .and_then(|pid| pid.parse().ok());
        let Some(pid) = pid.map(Pid::from_raw) else {
            continue;
        };
        // Another user's can't be looked at, and isn't ours.
        let input = std::fs::metadata(process.path().join("fd/0"));
        let holds = |input: &Metadata| (input.dev(), input.ino()) == (wanted.dev(), wanted.ino());
        if input.is_ok_and(|input| holds(&input)) {
            tracing::info!("ending process {pid}, which an earlier server has left");
            // It may have ended by itself.
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

/// The children of all threads, as the kernel lists them.
fn children() -> Vec<Pid> {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let lists = threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .map(Pid::from_raw)
                .collect::<Vec<_>>()
        })
        .collect()
}
