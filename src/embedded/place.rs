//! Where the files and sockets of a server are.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use sha2::{Digest, Sha256};

use super::EmbeddedError;

/// The longest path of a socket in bytes: Linux has room for 107, macOS and the BSDs for 103.
const MAX_SOCKET_PATH: usize = 103;

/// Room for the longest path below the folder of sockets: `/server/.s.PGSQL.5432`, and some.
const ROOM_BELOW: usize = 28;

/// The folder of one server, `<project>/.runner/<kind>/`, and the folder of its sockets.
#[derive(Debug, Clone)]
pub(super) struct Place {
    dir: PathBuf,
    sockets: PathBuf,
}

impl Place {
    /// Makes the folders where they are missing. They are for this user only, since whoever
    /// reaches the sockets may do everything with the server.
    pub(super) fn create(dir: &Path) -> Result<Self, EmbeddedError> {
        let failed = EmbeddedError::file("create the folder", dir);
        if let Some(parent) = dir.parent() {
            fs::create_dir_all(parent).map_err(EmbeddedError::file("create the folder", parent))?;
        }
        make_private(dir).map_err(failed)?;
        let dir = dir
            .canonicalize()
            .map_err(EmbeddedError::file("find the folder", dir))?;
        check_owner(&dir)?;

        let sockets = socket_folder(&dir, geteuid().as_raw());
        make_private(&sockets).map_err(EmbeddedError::file("create the folder", &sockets))?;
        check_private(&sockets)?;
        let place = Self { dir, sockets };
        let longest = place.supervisor_socket();
        if longest.as_os_str().len() > MAX_SOCKET_PATH {
            return Err(EmbeddedError::SocketPathTooLong { path: longest });
        }
        Ok(place)
    }

    /// The folder of everything that outlives a boot of the machine.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of all sockets, private and with a short path.
    pub(super) fn sockets(&self) -> &Path {
        &self.sockets
    }

    /// The socket on which the supervisor answers.
    pub(super) fn supervisor_socket(&self) -> PathBuf {
        self.sockets.join("supervisor.sock")
    }

    /// The folder of the server's own sockets; the server may run as another user.
    pub(super) fn server_sockets(&self) -> PathBuf {
        self.sockets.join("server")
    }

    /// Held by a client while it looks for a supervisor or starts one.
    pub(super) fn start_lock(&self) -> PathBuf {
        self.dir.join("start.lock")
    }

    /// Held by the supervisor for its life.
    pub(super) fn supervisor_lock(&self) -> PathBuf {
        self.dir.join("supervisor.lock")
    }

    /// Held by every process of the server.
    pub(super) fn server_lock(&self) -> PathBuf {
        self.dir.join("server.lock")
    }

    pub(super) fn supervisor_log(&self) -> PathBuf {
        self.dir.join("supervisor.log")
    }

    pub(super) fn server_log(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    /// Lets other users pass through the folders (not list them), for a server that runs as
    /// another user and owns the folders below.
    pub(super) fn let_others_pass(&self) -> Result<(), EmbeddedError> {
        for dir in [&self.dir, &self.sockets] {
            fs::set_permissions(dir, Permissions::from_mode(0o711))
                .map_err(EmbeddedError::file("change the mode of", dir))?;
        }
        Ok(())
    }
}

/// A log that is longer, in bytes, is set aside before it is written to again.
const LOG_LIMIT: u64 = 8 * 1024 * 1024;

/// Keeps a log from growing for ever: at most one older part is kept, as `<name>.1`.
pub(super) fn rotate(log: &Path) -> Result<(), EmbeddedError> {
    if fs::metadata(log).is_ok_and(|found| found.len() > LOG_LIMIT) {
        let mut older = log.as_os_str().to_owned();
        older.push(".1");
        fs::rename(log, older).map_err(EmbeddedError::file("rename", log))?;
    }
    Ok(())
}

/// Opens a log to write at its end.
pub(super) fn append(log: &Path) -> Result<File, EmbeddedError> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(log)
        .map_err(EmbeddedError::file("open", log))
}

/// The last lines of a log, for an error message.
pub(super) fn tail(log: &Path) -> String {
    const BYTES: u64 = 4096;
    const LINES: usize = 6;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let start = file.metadata()?.len().saturating_sub(BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// Beside the data where the path is short enough; else in `/tmp`, under a name that every
/// process of this user finds again. Not in `$TMPDIR` or `$XDG_RUNTIME_DIR`: these differ
/// between a login and a service, which could then not share a server.
fn socket_folder(dir: &Path, uid: u32) -> PathBuf {
    let beside = dir.join("run");
    if beside.as_os_str().len() + ROOM_BELOW <= MAX_SOCKET_PATH {
        return beside;
    }
    let hash = Sha256::digest(dir.as_os_str().as_bytes());
    let short = hash
        .iter()
        .take(8)
        .fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    PathBuf::from(format!("/tmp/runner-{uid}-{short:016x}"))
}

fn make_private(dir: &Path) -> std::io::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn check_owner(dir: &Path) -> Result<(), EmbeddedError> {
    let owner = fs::metadata(dir)
        .map_err(EmbeddedError::file("look at", dir))?
        .uid();
    let user = geteuid().as_raw();
    if owner == user {
        return Ok(());
    }
    Err(EmbeddedError::OtherOwner {
        path: dir.to_path_buf(),
        owner,
        user,
    })
}

/// Refuses a folder that another user has put, or can put, something into.
fn check_private(dir: &Path) -> Result<(), EmbeddedError> {
    let found = fs::symlink_metadata(dir).map_err(EmbeddedError::file("look at", dir))?;
    let reason = if !found.is_dir() {
        "it is no folder"
    } else if found.uid() != geteuid().as_raw() {
        "another user owns it"
    } else if found.mode() & 0o066 != 0 {
        "other users may read it or write to it"
    } else {
        return Ok(());
    };
    Err(EmbeddedError::UnsafeSocketFolder {
        path: dir.to_path_buf(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_beside_the_data_unless_the_path_is_long() {
        let near = socket_folder(Path::new("/home/ada/shop/.runner/postgres"), 7);
        assert_eq!(near, Path::new("/home/ada/shop/.runner/postgres/run"));

        let long = PathBuf::from("/").join("d".repeat(200));
        let far = socket_folder(&long, 7);
        assert!(far.to_string_lossy().starts_with("/tmp/runner-7-"));
        assert_eq!(far, socket_folder(&long, 7));
        assert_ne!(far, socket_folder(&long.join("e"), 7));
        assert_ne!(far, socket_folder(&long, 8));

        for length in 1..200 {
            let dir = PathBuf::from("/").join("d".repeat(length));
            let longest = socket_folder(&dir, u32::MAX).join("server/.s.PGSQL.5432");
            assert!(longest.as_os_str().len() <= MAX_SOCKET_PATH, "{longest:?}");
        }
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_refused() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let sockets = dir.path().join("run");
        fs::create_dir(&sockets).expect("folder");
        for (mode, private) in [(0o700, true), (0o711, true), (0o755, false), (0o730, false)] {
            fs::set_permissions(&sockets, Permissions::from_mode(mode)).expect("mode");
            assert_eq!(check_private(&sockets).is_ok(), private, "{mode:o}");
        }
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&sockets, &link).expect("link");
        assert!(check_private(&link).is_err());
    }
}
