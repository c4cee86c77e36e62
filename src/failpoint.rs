//! Points at which a test kills the process, to see that nothing depends on what comes after.
//!
//! `RUNNER_FAILPOINT=<name>:<n>` kills it (SIGKILL, as by `kill -9`) at the n-th passage of the
//! point with that name. Only builds with debug assertions look at the variable: in a release
//! build a point is nothing.

/// A point of the program. Each stands directly before or after something durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A group of requests is about to be written to the run state.
    BeforeStoreWrite,
    /// It is durable, and nobody knows yet.
    AfterStoreWrite,
    /// A transaction of a task is about to be committed.
    BeforeLoadCommit,
    /// It is committed, and nobody knows yet.
    AfterLoadCommit,
    /// A file is complete and about to get its name.
    BeforeRename,
    /// It has its name, which may not be durable yet.
    AfterRename,
    /// A script is running.
    AfterSpawn,
}

impl Point {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::BeforeStoreWrite,
        Self::AfterStoreWrite,
        Self::BeforeLoadCommit,
        Self::AfterLoadCommit,
        Self::BeforeRename,
        Self::AfterRename,
        Self::AfterSpawn,
    ];

    /// The name in `RUNNER_FAILPOINT`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeStoreWrite => "before-store-write",
            Self::AfterStoreWrite => "after-store-write",
            Self::BeforeLoadCommit => "before-load-commit",
            Self::AfterLoadCommit => "after-load-commit",
            Self::BeforeRename => "before-rename",
            Self::AfterRename => "after-rename",
            Self::AfterSpawn => "after-spawn",
        }
    }
}

/// Passes a point; does not return when the process is to be killed there.
#[inline]
pub fn pass(point: Point) {
    #[cfg(debug_assertions)]
    armed::pass(point);
    #[cfg(not(debug_assertions))]
    let _ = point;
}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    use super::Point;
    use crate::secret::Environment;

    struct Armed {
        name: String,
        left: AtomicU64,
    }

    static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
        let environment = Environment::of_process();
        let (name, left) = environment.get("RUNNER_FAILPOINT")?.split_once(':')?;
        Some(Armed {
            name: name.to_owned(),
            left: AtomicU64::new(left.parse().ok()?),
        })
    });

    pub(super) fn pass(point: Point) {
        let Some(armed) = &*ARMED else { return };
        if armed.name == point.name() && armed.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            // Nothing can be done when it fails, and it can't fail.
            let _ = kill(Pid::this(), Signal::SIGKILL);
            loop {
                std::thread::park();
            }
        }
    }
}
