//! Finding the processes of an attempt, wherever they went.
//!
//! A process group is left with one call (`setsid`), a parent by forking twice. What a process
//! can't shake off by accident is its environment: every process of an attempt carries
//! [`MARK`], and `/proc` shows it. A process that clears its environment *and* leaves the group,
//! or runs as another user, escapes.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::secret::Environment;

/// The variable that marks the processes of an attempt. A runner within a script of a runner adds
/// its own mark behind a comma, so that its processes are found as those of the outer one, too.
pub(super) const MARK: &str = "RUNNER_ATTEMPT_ID";

/// The value of [`MARK`] for a child of this process.
pub(super) fn mark_value(mark: &str) -> String {
    static OUTER: LazyLock<Option<String>> =
        LazyLock::new(|| Environment::of_process().get(MARK).map(str::to_owned));
    match &*OUTER {
        Some(outer) => format!("{outer},{mark}"),
        None => mark.to_owned(),
    }
}

/// Which processes to look for.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// Those of one attempt: its mark, or its process group. The leader itself is left out; it
    /// must not have been reaped, because its number is the group's name.
    Attempt { mark: String, leader: Pid },
    /// Those whose mark begins with `prefix`, apart from one attempt's.
    Others { prefix: String, except: String },
}

/// A process that was found. It is held by a handle, so that a new process with the same number
/// is never taken for it.
#[derive(Debug)]
pub(super) struct Survivor {
    pub(super) pid: Pid,
    /// Its command line, for people.
    pub(super) command: String,
    /// Whether it is still in its attempt's process group, and gets the group's signals.
    pub(super) in_group: bool,
    handle: OwnedFd,
}

impl Survivor {
    pub(super) fn signal(&self, signal: Signal) {
        // It may have ended by itself.
        let _ = pidfd_send_signal(&self.handle, signal);
    }
}

/// Waits until all of them have ended.
pub(super) async fn ended(survivors: Vec<Survivor>) -> io::Result<()> {
    for survivor in survivors {
        watch(survivor.handle)?.readable().await?.retain_ready();
    }
    Ok(())
}

/// Watches a process by its handle, which is readable when it has ended.
pub(super) fn watch(handle: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(
        deprecated,
        reason = "its successor is unsafe for types that may close or change their file; an \
                  `OwnedFd` does neither"
    )]
    AsyncFd::with_interest(handle, Interest::READABLE)
}

/// Looks through all processes.
pub(super) fn find(wanted: &Wanted) -> Vec<Survivor> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| survivor(pid, wanted))
        .collect()
}

/// As [`find`], for an attempt that has just ended: the kernel numbers processes one after the
/// other, so that those of a short attempt are between its leader and the last one that was made.
/// A machine may have thousands of processes, a short attempt makes a handful.
pub(super) fn find_after(leader: Pid, began: Instant, wanted: &Wanted) -> Vec<Survivor> {
    // Long enough, and the numbers may have gone round.
    const SHORT: Duration = Duration::from_millis(200);
    const FEW: i32 = 100;
    let first = leader.as_raw_nonzero().get();
    match last_pid() {
        Some(last)
            if began.elapsed() < SHORT && (first..first.saturating_add(FEW)).contains(&last) =>
        {
            (first + 1..=last)
                .filter_map(|pid| survivor(pid, wanted))
                .collect()
        }
        _ => find(wanted),
    }
}

/// The number of the newest process.
fn last_pid() -> Option<i32> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().last()?.parse().ok()
}

fn survivor(pid: i32, wanted: &Wanted) -> Option<Survivor> {
    if !is_wanted(pid, wanted) {
        return None;
    }
    let pid = Pid::from_raw(pid)?;
    let handle = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    // Between the look and the handle the number may have passed to another process.
    let raw = pid.as_raw_nonzero().get();
    is_wanted(raw, wanted).then(|| Survivor {
        pid,
        command: command_line(raw),
        in_group: match wanted {
            Wanted::Attempt { leader, .. } => is_in_group(raw, leader.as_raw_nonzero().get()),
            Wanted::Others { .. } => false,
        },
        handle,
    })
}

fn is_wanted(pid: i32, wanted: &Wanted) -> bool {
    match wanted {
        Wanted::Attempt { mark, leader } => {
            let leader = leader.as_raw_nonzero().get();
            pid != leader && (has_mark(pid, |found| found == mark) || is_in_group(pid, leader))
        }
        Wanted::Others { prefix, except } => {
            has_mark(pid, |found| found.starts_with(prefix) && found != except)
        }
    }
}

fn has_mark(pid: i32, matches: impl Fn(&str) -> bool) -> bool {
    environment(pid)
        .split(|byte| *byte == 0)
        .filter_map(|variable| {
            let value = variable.strip_prefix(MARK.as_bytes())?.strip_prefix(b"=")?;
            std::str::from_utf8(value).ok()
        })
        .any(|value| value.split(',').any(&matches))
}

/// The environment of a process: empty when it is another user's, or has ended.
fn environment(pid: i32) -> Vec<u8> {
    // A process that is becoming another program (`exec`) has no environment for a moment: to
    // look away then would be to miss it.
    const MOMENT: Duration = Duration::from_millis(50);
    let mut began = None;
    loop {
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else {
            return Vec::new();
        };
        if !environment.is_empty() || !Stat::of(pid).is_some_and(|stat| stat.is_becoming()) {
            return environment;
        }
        if began.get_or_insert_with(Instant::now).elapsed() > MOMENT {
            return environment;
        }
        std::thread::yield_now();
    }
}

/// Whether a process is in a group and alive.
fn is_in_group(pid: i32, group: i32) -> bool {
    Stat::of(pid).is_some_and(|stat| stat.may_be_ours() && stat.group == group)
}

/// What `/proc/<pid>/stat` says.
struct Stat {
    /// It has ended.
    dead: bool,
    group: i32,
    flags: u32,
    /// The address of its environment's end, 0 before it has one.
    environment_end: u64,
}

impl Stat {
    fn of(pid: i32) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        // `pid (name) state parent group session terminal terminal_group flags …`; the name may
        // hold anything.
        let name_end = memchr::memrchr(b')', &stat)?;
        let rest = String::from_utf8_lossy(&stat[name_end + 1..]);
        let mut fields = rest.split_whitespace();
        Some(Self {
            dead: matches!(fields.next(), Some("Z" | "X") | None),
            group: fields.nth(1)?.parse().ok()?,
            flags: fields.nth(3)?.parse().ok()?,
            environment_end: fields.nth(41)?.parse().ok()?,
        })
    }

    /// Whether it is about to be another program.
    fn is_becoming(&self) -> bool {
        self.may_be_ours() && self.environment_end == 0
    }

    /// Whether it is alive and no thread of the kernel.
    fn may_be_ours(&self) -> bool {
        const PF_KTHREAD: u32 = 0x0020_0000;
        !self.dead && self.flags & PF_KTHREAD == 0
    }
}

fn command_line(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = line
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(String::from_utf8_lossy)
        .collect();
    words.join(" ").chars().take(60).collect()
}
