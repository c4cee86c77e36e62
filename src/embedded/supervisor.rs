//! The process that owns a server: it starts it, restarts it, and ends it after the last client.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::kind::{Kind, Server, Setup};
use super::lock::LockFile;
use super::place::{self, Place};
use super::protocol::Answer;
use super::server::{Ended, Running, free_of_leftovers};
use super::{EmbeddedError, KINDS, Lifetime, orphans};

/// The hidden first argument that makes this program a supervisor.
pub const SUPERVISOR_ARGUMENT: &str = "embedded-supervisor";

/// Its last argument when the data shall be removed at the end.
pub(super) const EPHEMERAL_ARGUMENT: &str = "--ephemeral";

/// How often a starting server is asked whether it is ready.
const READY_INTERVAL: Duration = Duration::from_millis(3);

/// How long a server may recover its data after a crash.
const START_PATIENCE: Duration = Duration::from_mins(10);

/// The client that started this process connects at once, unless it was killed.
const FIRST_CLIENT_PATIENCE: Duration = Duration::from_secs(5);

/// How long clients may take to read why there is no server.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(2);

/// A server that ends by itself so often within the window will not stay up.
const RESTARTS: usize = 5;
const RESTART_WINDOW: Duration = Duration::from_mins(1);

/// So many starts in a row that come to nothing are no accident. One may be: a killed process of
/// the server that was recovering its data ends the server as a mistake in its settings does.
const STARTS: usize = 2;

/// Runs a supervisor until its last client is gone. `arguments` follow [`SUPERVISOR_ARGUMENT`]:
/// the kind of server, its folder, and `--ephemeral` or nothing. The standard input is the
/// socket to listen on and the standard output the file that is locked, both made by the client
/// that starts this process; so it is of no use to start it by hand.
pub fn supervisor_main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_target(false)
        .try_init()
        .ok();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // Standard error is the log; there is nowhere to report that it can't be written.
            let _ = writeln!(io::stderr(), "error: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[OsString]) -> Result<(), String> {
    let usage = || {
        format!(
            "`{SUPERVISOR_ARGUMENT}` is started by the commands that need a server, not by hand"
        )
    };
    let (kind, dir, lifetime) = match arguments {
        [kind, dir] => (kind, dir, Lifetime::Project),
        [kind, dir, last] if last == EPHEMERAL_ARGUMENT => (kind, dir, Lifetime::Ephemeral),
        _ => return Err(usage()),
    };
    let kind = KINDS
        .iter()
        .find(|row| kind == row.name)
        .ok_or_else(usage)?;
    let (listener, lock) = inherit().map_err(|error| format!("{}: {error}", usage()))?;
    // The first client's terminal shall not take the server with it when it closes. It fails
    // only for the leader of a process group, which no client makes of this process.
    nix::unistd::setsid().ok();
    orphans::adopt();
    let place = Place::create(&PathBuf::from(dir)).map_err(|error| error.to_string())?;
    let setup = Setup { place, lifetime };
    // One thread, the main one: the server dies with the thread that started it.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    let lock = LockFile::inherited(lock, &setup.place.supervisor_lock());
    let result = runtime.block_on(supervise(kind, &setup, listener, &lock));
    result.map_err(|error| error.to_string())
}

/// Takes the socket and the lock out of the standard streams, so that no child gets them.
fn inherit() -> io::Result<(StdListener, OwnedFd)> {
    let listener = io::stdin().as_fd().try_clone_to_owned()?;
    let lock = io::stdout().as_fd().try_clone_to_owned()?;
    let listener = StdListener::from(listener);
    listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let nowhere = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    nix::unistd::dup2_stdin(&nowhere)?;
    nix::unistd::dup2_stdout(&nowhere)?;
    Ok((listener, lock))
}

async fn supervise(
    kind: &'static Kind,
    setup: &Setup,
    listener: StdListener,
    lock: &LockFile,
) -> Result<(), EmbeddedError> {
    let place = &setup.place;
    let socket = place.supervisor_socket();
    let listening = |error| EmbeddedError::file("listen on", &socket)(error);
    let listener = UnixListener::from_std(listener).map_err(listening)?;
    let (answers, answer) = watch::channel(None);
    let mut clients = Clients {
        listener,
        connected: JoinSet::new(),
        answer,
        any: false,
    };
    let mut running = None;
    let mut server = None;
    let outcome = tokio::select! {
        outcome = serve(kind, setup, &mut clients, &answers, &mut server, &mut running) => outcome,
        name = asked_to_stop() => {
            tracing::info!("asked to stop by {name}");
            Ok(())
        }
    };
    if let Err(error) = &outcome {
        let text = error.to_string();
        answers.send_replace(Some(match error {
            EmbeddedError::Server { .. } => Answer::Ended(text),
            _ => Answer::Failed(text),
        }));
    }
    clients.say_goodbye(outcome.is_err()).await;
    if let (Some(server), Some(running)) = (&server, running) {
        running.stop(server.stop_steps(setup.lifetime)).await;
    }
    orphans::end_all();
    clean_up(setup, lock).await;
    tracing::info!("done");
    outcome
}

/// Runs the server as long as there are clients.
async fn serve(
    kind: &'static Kind,
    setup: &Setup,
    clients: &mut Clients,
    answers: &watch::Sender<Option<Answer>>,
    prepared: &mut Option<Box<dyn Server>>,
    running: &mut Option<Running>,
) -> Result<(), EmbeddedError> {
    let server = (kind.prepare)(setup.clone()).await?;
    let server: &dyn Server = &**prepared.insert(server);
    place::rotate(&setup.place.server_log())?;
    let mut crashes = VecDeque::new();
    let mut stillborn = 0;
    loop {
        let process = running.insert(Running::start(server, &setup.place).await?);
        let ended = tokio::select! {
            () = clients.all_gone() => return Ok(()),
            ended = watch_over(server, process, answers) => ended,
        };
        *running = None;
        let was_ready = answers.send_replace(None).is_some();
        orphans::end_all();

        let now = Instant::now();
        crashes.push_back(now);
        while crashes.front().is_some_and(|at| now - *at > RESTART_WINDOW) {
            crashes.pop_front();
        }
        let failed = |what| EmbeddedError::Server {
            server: server.name(),
            what,
            log: setup.place.server_log(),
            tail: place::tail(&setup.place.server_log()),
        };
        let how = ended.how;
        if was_ready || ended.killed {
            stillborn = 0;
        } else {
            stillborn += 1;
            if stillborn == STARTS {
                return Err(failed(format!("{how} while it was starting")));
            }
        }
        if crashes.len() > RESTARTS {
            return Err(failed(format!("{how}, again and again")));
        }
        tracing::warn!("{} {how}: starting it again", server.name());
    }
}

/// Waits for the server to be ready, tells the clients, and waits for its end.
async fn watch_over(
    server: &dyn Server,
    process: &mut Running,
    answers: &watch::Sender<Option<Answer>>,
) -> Ended {
    let pid = process.pid();
    let started = Instant::now();
    let mut ticks = interval(READY_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            ended = process.ended() => return ended,
            _ = ticks.tick() => {}
        }
        if server.is_ready(pid) {
            break;
        }
        if started.elapsed() > START_PATIENCE {
            let how = format!("was not ready after {} s", START_PATIENCE.as_secs());
            return Ended { how, killed: false };
        }
    }
    tracing::info!("{} is ready after {:?}", server.name(), started.elapsed());
    answers.send_replace(Some(Answer::Ready(server.facts())));
    process.ended().await
}

async fn asked_to_stop() -> &'static str {
    let listen = |kind| signal(kind).ok();
    let (mut terminate, mut interrupt, mut hangup) = (
        listen(SignalKind::terminate()),
        listen(SignalKind::interrupt()),
        listen(SignalKind::hangup()),
    );
    tokio::select! {
        Some(()) = async { terminate.as_mut()?.recv().await } => "SIGTERM",
        Some(()) = async { interrupt.as_mut()?.recv().await } => "SIGINT",
        Some(()) = async { hangup.as_mut()?.recv().await } => "SIGHUP",
        else => std::future::pending().await,
    }
}

/// Removes what would be in the way of nobody but of tidiness.
async fn clean_up(setup: &Setup, lock: &LockFile) {
    let place = &setup.place;
    // All processes are gone when their lock is free; only then may their files go.
    if let Err(error) = free_of_leftovers(place).await {
        tracing::warn!("{error}");
    }
    if !lock.is_current() {
        // The folder was removed while we ran: what is there now belongs to another supervisor.
        return;
    }
    let remove = |dir: &std::path::Path| {
        if let Err(error) = std::fs::remove_dir_all(dir)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("cannot remove `{}`: {error}", dir.display());
        }
    };
    remove(place.sockets());
    if setup.lifetime == Lifetime::Ephemeral {
        remove(place.dir());
        if let Some(above) = place.dir().parent() {
            // Only when it is empty, and then it was made for this server.
            let _ = std::fs::remove_dir(above);
        }
    }
}

/// Everybody who uses the server. A client is a connection, and nothing else.
struct Clients {
    listener: UnixListener,
    connected: JoinSet<()>,
    answer: watch::Receiver<Option<Answer>>,
    /// Whether there has been a client yet.
    any: bool,
}

impl Clients {
    /// Lets clients in, and returns when none is left. Can be cancelled and called again.
    async fn all_gone(&mut self) {
        let deadline = Instant::now() + FIRST_CLIENT_PATIENCE;
        loop {
            let nobody = self.connected.is_empty();
            tokio::select! {
                biased;
                accepted = self.listener.accept() => match accepted {
                    Ok((client, _)) => self.welcome(client),
                    Err(error) => tracing::warn!("cannot accept a client: {error}"),
                },
                _ = self.connected.join_next(), if !nobody => {
                    if self.connected.is_empty() && !self.let_in_who_waits() {
                        return;
                    }
                }
                () = sleep_until(deadline), if nobody => return,
            }
        }
    }

    fn welcome(&mut self, client: UnixStream) {
        self.any = true;
        self.connected.spawn(attend(client, self.answer.clone()));
    }

    /// Lets in clients that have connected already, and says whether there were any.
    fn let_in_who_waits(&mut self) -> bool {
        let mut any = false;
        while let Some(Ok((client, _))) = self.listener.accept().now_or_never() {
            self.welcome(client);
            any = true;
        }
        any
    }

    /// Stops listening, so that later clients start a new supervisor. Those who are here are
    /// told first if there is something to tell.
    async fn say_goodbye(mut self, tell: bool) {
        if tell {
            if !self.let_in_who_waits() && !self.any {
                // What fails at once fails before the client that started us has connected.
                let first = timeout(FIRST_CLIENT_PATIENCE, self.listener.accept()).await;
                if let Ok(Ok((client, _))) = first {
                    self.welcome(client);
                }
            }
            drop(self.listener);
            let all = async { while self.connected.join_next().await.is_some() {} };
            timeout(FAREWELL_PATIENCE, all).await.ok();
        }
    }
}

/// Gives a client its answer as soon as there is one, and returns when the client hangs up.
async fn attend(mut client: UnixStream, mut answer: watch::Receiver<Option<Answer>>) {
    let (mut from, mut to) = client.split();
    let tell = async {
        if let Ok(found) = answer.wait_for(Option::is_some).await.map(|a| a.clone())
            && let Some(found) = found
        {
            to.write_all(found.to_line().as_bytes()).await.ok();
        }
        std::future::pending::<()>().await;
    };
    let gone = async {
        let mut ignored = [0; 64];
        while from.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
    };
    tokio::select! {
        () = tell => {}
        () = gone => {}
    }
}
