//! What can go wrong with a private server.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a private server can't be had.
#[derive(Debug, Error)]
pub enum EmbeddedError {
    /// The machine has no programs of this server. `text` says how to get them.
    #[error("{text}")]
    NoPrograms { text: String },

    /// The data were made by a version of the server that this machine doesn't have.
    #[error("{text}")]
    OtherVersion { text: String },

    /// A file operation failed.
    #[error("cannot {action} `{}`: {source}", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },

    /// The folder of the server belongs to somebody else.
    #[error(
        "`{}` belongs to the user with uid {owner}, and this is uid {user}: run as that user, or remove the folder",
        path.display()
    )]
    OtherOwner {
        path: PathBuf,
        owner: u32,
        user: u32,
    },

    /// The folder for sockets can be changed by other users.
    #[error("`{}` is not a private folder: {reason}; remove it and try again", path.display())]
    UnsafeSocketFolder { path: PathBuf, reason: &'static str },

    /// The path of a socket is longer than the operating system allows.
    #[error("the socket path `{}` is too long for this system", path.display())]
    SocketPathTooLong { path: PathBuf },

    /// Somebody holds the lock of the server and gives no answer.
    #[error(
        "`{}` has been locked by another process for {seconds} s: see `{}`, or end the process that holds it",
        path.display(), log.display()
    )]
    Locked {
        path: PathBuf,
        seconds: u64,
        log: PathBuf,
    },

    /// The supervisor ended again and again before it answered.
    #[error("the supervisor ended without an answer: see `{}`", log.display())]
    NoAnswer { log: PathBuf },

    /// The supervisor says why there is no server.
    #[error("{text}")]
    Refused { text: String },

    /// The supervisor says how the server ended.
    #[error("{text}")]
    Ended { text: String },

    /// The server ended, or did not become ready.
    #[error("{server} {what}: see `{}`{}", log.display(), indented(tail))]
    Server {
        server: &'static str,
        what: String,
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },

    /// A name that the server would cut or refuse.
    #[error("`{name}` can't name a database: {reason}")]
    DatabaseName { name: String, reason: &'static str },

    /// The server runs, but a statement failed.
    #[error("cannot {action}: {source}")]
    Database {
        action: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl EmbeddedError {
    /// Whether the same may go well a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Locked { .. }
            | Self::NoAnswer { .. }
            | Self::Ended { .. }
            | Self::Server { .. }
            | Self::Database { .. } => true,
            Self::File { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            Self::NoPrograms { .. }
            | Self::OtherVersion { .. }
            | Self::OtherOwner { .. }
            | Self::UnsafeSocketFolder { .. }
            | Self::SocketPathTooLong { .. }
            | Self::Refused { .. }
            | Self::DatabaseName { .. } => false,
        }
    }

    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }
}

fn indented(tail: &str) -> String {
    tail.lines().flat_map(|line| ["\n  ", line]).collect()
}
