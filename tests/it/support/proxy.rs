//! A way to PostgreSQL that can lose the answer to a COMMIT.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

/// What happens to the next COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fate {
    Pass = 0,
    /// It reaches the server, but the connection is lost before its answer comes back.
    LoseAnswer = 1,
    /// The connection is lost before it reaches the server.
    LoseQuestion = 2,
}

/// A socket in a folder of its own, served as long as this lives.
pub(crate) struct Proxy {
    folder: tempfile::TempDir,
    fate: Arc<AtomicU8>,
    serving: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Stands before the server whose socket is in `socket_dir`.
    pub(crate) fn new(socket_dir: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).expect("a socket");
        let fate = Arc::new(AtomicU8::new(Fate::Pass as u8));
        let server = socket_dir.join(".s.PGSQL.5432");
        let shared = Arc::clone(&fate);
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, server.clone(), Arc::clone(&shared)));
            }
        });
        Self {
            folder,
            fate,
            serving,
        }
    }

    /// libpq's `host`.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Decides over the next COMMIT; those after it pass.
    pub(crate) fn next_commit(&self, fate: Fate) {
        self.fate.store(fate as u8, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut client: UnixStream, server: PathBuf, fate: Arc<AtomicU8>) {
    let Ok(mut server) = UnixStream::connect(server).await else {
        return;
    };
    let (mut asked, mut answered) = ([0; 8192], [0; 8192]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(read @ 1..) = read else { return };
                let asked = &asked[..read];
                let commits = asked.windows(7).any(|bytes| bytes == b"COMMIT\0");
                let fate = if commits { fate.swap(0, Ordering::SeqCst) } else { 0 };
                if fate == Fate::LoseQuestion as u8 {
                    return;
                }
                if server.write_all(asked).await.is_err() {
                    return;
                }
                if fate == Fate::LoseAnswer as u8 {
                    // When the answer is here, the transaction is committed.
                    let _ = server.read(&mut answered).await;
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(read @ 1..) = read else { return };
                if client.write_all(&answered[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}
