//! What a server's process does between fork and exec: unsafe code, which is elsewhere only where
//! `connection::kafka` calls its library.

use std::ffi::CStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Pid, Uid, getpid, getppid, write};

/// The lines for `/proc/self/uid_map` and `gid_map` of a namespace with one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    uid_map: String,
    gid_map: String,
}

impl Mapping {
    /// The user `outside` is `inside` for the process and all its children.
    pub(super) fn new(inside: (Uid, Gid), outside: (Uid, Gid)) -> Self {
        Self {
            uid_map: format!("{} {} 1", inside.0, outside.0),
            gid_map: format!("{} {} 1", inside.1, outside.1),
        }
    }
}

/// Makes the process of `command` enter a namespace of its own, if a mapping is given, and
/// die by `death_signal` when the thread that spawns it ends.
#[expect(
    unsafe_code,
    reason = "a namespace and the signal of a parent's death can only be set between fork and exec"
)]
pub(super) fn confine(command: &mut Command, mapping: Option<Mapping>, death_signal: Signal) {
    let parent = getpid();
    // SAFETY: between fork and exec only async-signal-safe calls are allowed. `enter` makes
    // plain system calls on memory that was prepared before the fork, and allocates nothing.
    unsafe {
        command.pre_exec(move || enter(mapping.as_ref(), death_signal, parent));
    }
}

fn enter(mapping: Option<&Mapping>, death_signal: Signal, parent: Pid) -> io::Result<()> {
    if let Some(mapping) = mapping {
        unshare(CloneFlags::CLONE_NEWUSER)?;
        // The kernel takes a map of groups from an unprivileged user only after this.
        write_all(c"/proc/self/setgroups", b"deny")?;
        write_all(c"/proc/self/uid_map", mapping.uid_map.as_bytes())?;
        write_all(c"/proc/self/gid_map", mapping.gid_map.as_bytes())?;
    }
    // Last, because a change of credentials clears it.
    set_pdeathsig(death_signal)?;
    if getppid() != parent {
        // The parent died before the line above, so its signal will never come.
        return Err(Errno::ESRCH.into());
    }
    Ok(())
}

/// These files take their content in one write or not at all.
fn write_all(path: &CStr, content: &[u8]) -> io::Result<()> {
    let file = open(path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    let written = write(&file, content)?;
    if written == content.len() {
        Ok(())
    } else {
        Err(Errno::EIO.into())
    }
}
