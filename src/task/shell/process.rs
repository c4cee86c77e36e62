//! The life of a script: started in a group of its own, waited for, ended with all its processes.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, kill_process_group, pidfd_open, waitpid,
};
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

use super::survivors::{self, Survivor, Wanted};
use crate::task::Log;

/// How long killed processes may take to disappear.
const LAST_RESORT: Duration = Duration::from_secs(1);

/// A running script. Dropping it kills all its processes.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    leader: Pid,
    /// A handle of the leader, readable when it has ended.
    end: AsyncFd<OwnedFd>,
    began: Instant,
    wanted: Wanted,
    reaped: bool,
}

impl Running {
    /// Starts a command in a process group of its own. `posix_spawn` does it, as long as nothing
    /// runs between fork and exec: that rules out `pre_exec`, and with it a parent-death signal.
    pub(super) fn start(command: &mut Command, mark: &str) -> io::Result<(Self, Pipes)> {
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let leader = Pid::from_child(&child);
        let pipes = Pipes {
            out: child.stdout.take().map(OwnedFd::from),
            err: child.stderr.take().map(OwnedFd::from),
        };
        let end = pidfd_open(leader, PidfdFlags::empty())
            .map_err(io::Error::from)
            .and_then(survivors::watch);
        let end = match end {
            Ok(end) => end,
            Err(error) => {
                let _ = kill_process_group(leader, Signal::KILL);
                child.wait()?;
                return Err(error);
            }
        };
        let running = Self {
            child,
            leader,
            end,
            began: Instant::now(),
            wanted: Wanted::Attempt {
                mark: mark.to_owned(),
                leader,
            },
            reaped: false,
        };
        Ok((running, pipes))
    }

    /// Waits until the script itself has ended. It stays a zombie, so that its number, which is
    /// also its group's, isn't given to another process before [`reap`](Self::reap).
    pub(super) async fn leader_ended(&self) -> io::Result<()> {
        self.end.readable().await?.retain_ready();
        Ok(())
    }

    /// Ends what a script has left behind that ended by itself.
    pub(super) async fn end_leftovers(&self, grace: Duration, log: &Log) -> io::Result<()> {
        let left = survivors::find_after(self.leader, self.began, &self.wanted);
        if left.is_empty() {
            // What hides in the group all the same: a process whose first thread has ended.
            signal_group(self.leader, Signal::KILL);
            return Ok(());
        }
        log.warn(format!(
            "the script has ended and left processes behind, which are ended too: {}",
            names(&left)
        ));
        self.end(grace, log).await
    }

    /// Ends the script and everything it has started: SIGTERM, after `grace` SIGKILL.
    pub(super) async fn end(&self, grace: Duration, log: &Log) -> io::Result<()> {
        self.signal_all(Signal::TERM).await;
        let gone = timeout(grace, self.all_ended()).await;
        if let Ok(result) = gone {
            return result;
        }
        let killed = async {
            loop {
                // What a process starts while it is being looked for is found the next time.
                self.signal_all(Signal::KILL).await;
                self.leader_ended().await?;
                let left = self.look().await;
                if left.is_empty() {
                    return Ok(());
                }
            }
        };
        if let Ok(result) = timeout(LAST_RESORT, killed).await {
            return result;
        }
        let left = self.look().await;
        if !left.is_empty() {
            log.error(format!("processes can't be ended: {}", names(&left)));
        }
        Ok(())
    }

    /// The exit status of a script that has ended.
    pub(super) fn reap(mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        self.reaped = status.is_some();
        Ok(status)
    }

    async fn all_ended(&self) -> io::Result<()> {
        loop {
            self.leader_ended().await?;
            let left = self.look().await;
            if left.is_empty() {
                return Ok(());
            }
            survivors::ended(left).await?;
        }
    }

    async fn signal_all(&self, signal: Signal) {
        signal_group(self.leader, signal);
        // A second SIGTERM makes many programs end in a hurry: each process gets one.
        for survivor in self.look().await.iter().filter(|left| !left.in_group) {
            survivor.signal(signal);
            survivor.signal(Signal::CONT);
        }
    }

    async fn look(&self) -> Vec<Survivor> {
        look(self.wanted.clone()).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        let Self { leader, wanted, .. } = self;
        kill_all(*leader, wanted);
        // What was being started meanwhile is found in a second round, when the first has taken
        // effect: nobody is to wait for that.
        let (leader, wanted) = (*leader, wanted.clone());
        let clean_up = move || {
            let began = Instant::now();
            while kill_all(leader, &wanted) && began.elapsed() < LAST_RESORT {
                std::thread::yield_now();
            }
            waitpid(Some(leader), WaitOptions::empty())
        };
        if let Err(error) = std::thread::Builder::new().spawn(clean_up) {
            tracing::warn!(%leader, %error, "an ended process can't be reaped");
        }
    }
}

/// Kills whatever of an attempt lives; says whether there was anything beside its leader.
fn kill_all(leader: Pid, wanted: &Wanted) -> bool {
    signal_group(leader, Signal::KILL);
    let left = survivors::find(wanted);
    for survivor in &left {
        survivor.signal(Signal::KILL);
    }
    !left.is_empty()
}

/// The read ends of a script's output.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) out: Option<OwnedFd>,
    pub(super) err: Option<OwnedFd>,
}

/// Ends processes of earlier attempts, whose runner was killed before it could: all whose mark
/// begins with `prefix`, apart from those of the attempt `except`. SIGTERM, after `grace` SIGKILL.
/// Gives the names of those that still live a second later; there should be none.
pub(super) async fn end_others(
    prefix: &str,
    except: &str,
    grace: Duration,
    log: &Log,
) -> io::Result<Option<String>> {
    let wanted = Wanted::Others {
        prefix: prefix.to_owned(),
        except: except.to_owned(),
    };
    let left = look(wanted.clone()).await;
    if left.is_empty() {
        return Ok(None);
    }
    log.warn(format!(
        "processes of an earlier attempt are still running, and are ended: {}",
        names(&left)
    ));
    for (signal, patience) in [(Signal::TERM, grace), (Signal::KILL, LAST_RESORT)] {
        let gone = timeout(patience, async {
            loop {
                let left = look(wanted.clone()).await;
                if left.is_empty() {
                    return io::Result::Ok(());
                }
                for survivor in &left {
                    survivor.signal(signal);
                    survivor.signal(Signal::CONT);
                }
                survivors::ended(left).await?;
            }
        });
        if let Ok(result) = gone.await {
            return result.map(|()| None);
        }
    }
    let left = look(wanted).await;
    Ok((!left.is_empty()).then(|| names(&left)))
}

/// Looks through all processes, away from the threads that drive everything else.
async fn look(wanted: Wanted) -> Vec<Survivor> {
    let look = move || {
        let found = survivors::find(&wanted);
        if found.is_empty() {
            // A process whose number is smaller than its parent's may slip through behind the
            // first look.
            return survivors::find(&wanted);
        }
        found
    };
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

fn signal_group(leader: Pid, signal: Signal) {
    // A group whose members have all ended takes no signal.
    let _ = kill_process_group(leader, signal);
    if signal == Signal::TERM {
        // A stopped process can't obey.
        let _ = kill_process_group(leader, Signal::CONT);
    }
}

/// `123 (sleep 1000), 124 (cat)`.
fn names(survivors: &[Survivor]) -> String {
    let names: Vec<String> = survivors
        .iter()
        .take(10)
        .map(|survivor| format!("{} ({})", survivor.pid, survivor.command))
        .collect();
    let more = survivors.len().saturating_sub(names.len());
    let names = names.join(", ");
    if more > 0 {
        format!("{names} and {more} more")
    } else {
        names
    }
}
