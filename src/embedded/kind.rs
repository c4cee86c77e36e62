//! What the life cycle needs to know about one kind of server, and all that it may know.

use std::fmt;
use std::process::Command;
use std::time::Duration;

use futures_util::future::BoxFuture;
use nix::sys::signal::Signal;

use super::place::Place;
use super::{EmbeddedError, Lifetime};

/// A row of the table of kinds.
#[derive(Debug)]
pub(super) struct Kind {
    /// The name in `<project>/.runner/<name>/` and in the supervisor's arguments.
    pub(super) name: &'static str,
    /// Variables of the first client's environment that the supervisor keeps. All others are
    /// removed: the server outlives that client and must not keep its secrets.
    pub(super) environment: &'static [&'static str],
    /// Finds the server's programs and makes its data where they are missing.
    pub(super) prepare: fn(Setup) -> BoxFuture<'static, Prepared>,
}

/// A server that can be started, or why there is none.
pub(super) type Prepared = Result<Box<dyn Server>, EmbeddedError>;

/// What a kind gets to prepare a server.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) place: Place,
    pub(super) lifetime: Lifetime,
}

/// A server that is prepared, and can be started any number of times.
pub(super) trait Server: fmt::Debug + Send + Sync {
    /// The name for people, as its makers write it.
    fn name(&self) -> &'static str;

    /// Removes what an earlier server left that would hinder the next. Called before each start,
    /// when no process of an earlier one is alive.
    fn tidy(&self) -> Result<(), EmbeddedError>;

    /// The command that runs the server in the foreground. The life cycle adds the standard
    /// streams. The command must come from a `Launcher`, so that it ends with its parent.
    fn command(&self) -> Command;

    /// Whether the process `pid` accepts clients by now. Asked every few milliseconds.
    fn is_ready(&self, pid: u32) -> bool;

    /// How to reach the server, for the kind's own clients.
    fn facts(&self) -> serde_json::Value;

    /// Signals that end the server, each with the time it gets before the next. `SIGKILL`
    /// follows by itself. Data that are about to be removed need no good order.
    fn stop_steps(&self, lifetime: Lifetime) -> &'static [(Signal, Duration)];
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::embedded::KINDS;

    #[test]
    fn the_life_cycle_knows_no_kind() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/embedded");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).expect("folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() || path.ends_with("embedded/mod.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("text");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for kind in KINDS {
                assert!(!code.contains(&format!("{}::", kind.name)), "{path:?}");
                assert!(!code.contains("sqlx"), "{path:?}");
            }
            seen += 1;
        }
        assert!(seen > 5);
    }
}
