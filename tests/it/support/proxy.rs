//! A way to PostgreSQL that can lose the answer to a COMMIT.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

/// What of a COMMIT is lost, and the connection with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It reaches the server, but the connection is lost before its answer comes back.
    Answer,
    /// It is on its way to the server, and nobody knows how far it came.
    Both,
    /// The connection is lost before it reaches the server.
    Question,
}

pub(crate) const FATES: [Fate; 3] = [Fate::Answer, Fate::Both, Fate::Question];

struct Trap {
    /// COMMITs that pass before.
    skip: usize,
    fate: Fate,
    and: Box<dyn FnOnce() + Send>,
}

#[derive(Default)]
struct State {
    trap: Option<Trap>,
    sprung: usize,
}

impl State {
    fn trap(&mut self) -> Option<Trap> {
        let trap = self.trap.as_mut()?;
        if trap.skip > 0 {
            trap.skip -= 1;
            return None;
        }
        self.sprung += 1;
        self.trap.take()
    }
}

/// A socket in a folder of its own, served as long as this lives.
pub(crate) struct Proxy {
    folder: tempfile::TempDir,
    state: Arc<Mutex<State>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Stands before the server whose socket is in `socket_dir`.
    pub(crate) fn new(socket_dir: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).expect("a socket");
        let state = Arc::new(Mutex::new(State::default()));
        let server = socket_dir.join(".s.PGSQL.5432");
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, server.clone(), Arc::clone(&shared)));
            }
        });
        Self {
            folder,
            state,
            serving,
        }
    }

    /// libpq's `host`.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Decides over the next COMMIT; those after it pass.
    pub(crate) fn next_commit(&self, fate: Fate) {
        self.commit_after(0, fate, || ());
    }

    /// Decides over the COMMIT behind so many others, and does something at that moment.
    pub(crate) fn commit_after(
        &self,
        skip: usize,
        fate: Fate,
        and: impl FnOnce() + Send + 'static,
    ) {
        let and = Box::new(and);
        self.state.lock().unwrap().trap = Some(Trap { skip, fate, and });
    }

    /// How many COMMITs or their answers were lost so far.
    pub(crate) fn sprung(&self) -> usize {
        self.state.lock().unwrap().sprung
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut client: UnixStream, server: PathBuf, state: Arc<Mutex<State>>) {
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
                let trap = commits.then(|| state.lock().unwrap().trap()).flatten();
                let trap = match trap {
                    Some(trap) if trap.fate == Fate::Question => {
                        (trap.and)();
                        return;
                    }
                    other => other,
                };
                if server.write_all(asked).await.is_err() {
                    return;
                }
                if let Some(trap) = trap {
                    if trap.fate == Fate::Answer {
                        // When the answer is here, the transaction is committed.
                        let _ = server.read(&mut answered).await;
                    }
                    (trap.and)();
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
