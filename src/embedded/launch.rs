//! As whom a server runs, and that it never outlives its supervisor.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, User, chown, getegid, geteuid};

use super::EmbeddedError;
use super::namespace::{self, Mapping};

/// The user that a server runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    /// The user of this process.
    Same,
    /// The user of this process, who has another number in a namespace of its own: for servers
    /// that refuse to run as root. Files stay those of the user.
    Mapped(Mapping),
    /// Another user, where namespaces are not allowed.
    Other { uid: Uid, gid: Gid, name: String },
}

/// Builds commands that run as `identity` and end by `death_signal` when the supervisor dies.
#[derive(Debug, Clone)]
pub(super) struct Launcher {
    pub(super) identity: Identity,
    pub(super) death_signal: Signal,
}

impl Launcher {
    /// Must be called, and the command be spawned, on the main thread of the supervisor: the
    /// death of a parent is, to the kernel, the end of the thread that forked.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").stdin(Stdio::null());
        let mapping = match &self.identity {
            Identity::Same => None,
            Identity::Mapped(mapping) => Some(mapping.clone()),
            Identity::Other { uid, gid, .. } => {
                command.uid(uid.as_raw()).gid(gid.as_raw());
                None
            }
        };
        namespace::confine(&mut command, mapping, self.death_signal);
        command
    }
}

impl Identity {
    /// A user that a server accepts which refuses root.
    ///
    /// `data` is the server's folder, whose owner has to be that user; `probe` is a program of
    /// the server that ends at once when it is called with `--version`; `users` are the names of
    /// users that may do, the best first.
    pub(super) fn unprivileged(data: &Path, probe: &Path, users: &[&str]) -> Self {
        let user = geteuid();
        let known = User::from_uid(user).ok().flatten().is_some();
        if !user.is_root() && known {
            return Self::Same;
        }
        // Data of an earlier fallback belong to that other user, and only it may use them.
        if let Ok(found) = std::fs::metadata(data)
            && found.uid() != user.as_raw()
        {
            return Self::of(Uid::from_raw(found.uid()), Gid::from_raw(found.gid()));
        }
        let mapped = Self::Mapped(Mapping::new(named_user(users), (user, getegid())));
        let launcher = Launcher {
            identity: mapped.clone(),
            death_signal: Signal::SIGKILL,
        };
        let tried = launcher
            .command(probe)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match tried {
            Ok(status) if status.success() => mapped,
            Ok(_) | Err(_) if user.is_root() => {
                let (uid, gid) = named_user(users);
                Self::of(uid, gid)
            }
            Ok(_) | Err(_) => Self::Same,
        }
    }

    fn of(uid: Uid, gid: Gid) -> Self {
        let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
        Self::Other {
            uid,
            gid,
            name: name.unwrap_or_else(|| uid.to_string()),
        }
    }

    /// Gives `path` and all below it to this user.
    pub(super) fn own(&self, path: &Path) -> Result<(), EmbeddedError> {
        let Self::Other { uid, gid, .. } = self else {
            return Ok(());
        };
        let mut left = vec![path.to_path_buf()];
        while let Some(path) = left.pop() {
            let failed = || EmbeddedError::file("change the owner of", &path);
            let found = std::fs::symlink_metadata(&path).map_err(failed())?;
            if found.is_symlink() {
                continue;
            }
            if (found.uid(), found.gid()) != (uid.as_raw(), gid.as_raw()) {
                chown(&path, Some(*uid), Some(*gid)).map_err(|error| failed()(error.into()))?;
            }
            if found.is_dir() {
                for entry in std::fs::read_dir(&path).map_err(failed())? {
                    left.push(entry.map_err(failed())?.path());
                }
            }
        }
        Ok(())
    }

    /// The first folder above `path` that this user can't enter, if it is another user.
    pub(super) fn barred_by(&self, path: &Path) -> Option<PathBuf> {
        let Self::Other { uid, gid, .. } = self else {
            return None;
        };
        let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
        above.reverse();
        let barred = above.into_iter().find(|dir| {
            std::fs::metadata(dir).is_ok_and(|found| {
                let needed = if found.uid() == uid.as_raw() {
                    0o100
                } else if found.gid() == gid.as_raw() {
                    0o010
                } else {
                    0o001
                };
                found.mode() & needed == 0
            })
        });
        barred.map(Path::to_path_buf)
    }
}

/// The first of the users that this machine has. Servers look their own user up by its number,
/// so it must be one that exists.
fn named_user(users: &[&str]) -> (Uid, Gid) {
    let found = users
        .iter()
        .find_map(|name| User::from_name(name).ok().flatten());
    found.map_or((Uid::from_raw(65534), Gid::from_raw(65534)), |user| {
        (user.uid, user.gid)
    })
}
