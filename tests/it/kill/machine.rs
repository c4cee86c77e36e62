//! The processes of a project, as the system sees them.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::eventually::{eventually_blocking, so};

/// A living process that works in or for a folder.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) command: String,
}

impl Process {
    pub(crate) fn kill(&self) {
        // It may have ended by itself since it was looked for.
        let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
    }

    fn read(pid: i32, folder: &Path) -> Option<Self> {
        // A process that has ended and waits for its parent has no command line any more.
        let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        if bytes.is_empty() {
            return None;
        }
        let command = String::from_utf8_lossy(&bytes).replace('\0', " ");
        let works_there = fs::read_link(format!("/proc/{pid}/cwd"))
            .is_ok_and(|directory| directory.starts_with(folder));
        let named = command.contains(folder.to_str().expect("a path that is text"));
        if !works_there && !named {
            return None;
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let parent = status
            .lines()
            .find_map(|line| line.strip_prefix("PPid:"))?
            .trim()
            .parse()
            .ok()?;
        Some(Self {
            pid,
            parent,
            command,
        })
    }

    pub(crate) fn is_supervisor(&self) -> bool {
        self.command.contains("embedded-supervisor")
    }
}

/// All processes of a folder.
pub(crate) fn processes(folder: &Path) -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("/proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Process::read(pid, folder)).collect()
}

/// The server's first process, when there is a server.
pub(crate) fn postmaster(folder: &Path) -> Option<Process> {
    let text = fs::read_to_string(folder.join(".runner/postgres/data/postmaster.pid")).ok()?;
    let pid = text.lines().next()?.parse().ok()?;
    // The number may belong to another process by now.
    Process::read(pid, folder)
}

/// Waits until no process of a folder is left.
pub(crate) fn wait_until_none(folder: &Path) {
    eventually_blocking(|| {
        let left = processes(folder);
        so(left.is_empty(), || format!("still there: {left:#?}"))
    });
}
