//! The process that serves: this program once more.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use futures_util::FutureExt;
use nix::sys::signal::Signal;

use crate::embedded::kind::{Kind, Server, Setup};
use crate::embedded::launch::{Identity, Launcher};
use crate::embedded::{EmbeddedError, Lifetime, own_program};

use super::connect::Facts;

pub(in crate::embedded) const KIND: Kind = Kind {
    name: "exchange",
    environment: &[],
    prepare: |setup| async move { Ok(prepare(&setup)) }.boxed(),
};

#[derive(Debug)]
struct Process {
    launcher: Launcher,
    /// Holds the process and its address, as soon as it listens. It outlives the server, so that the
    /// next one listens there again.
    address: PathBuf,
}

fn prepare(setup: &Setup) -> Box<dyn Server> {
    Box::new(Process {
        launcher: Launcher {
            identity: Identity::Same,
            death_signal: Signal::SIGKILL,
        },
        address: setup.place.dir().join("address"),
    })
}

impl Process {
    /// The process that has written the file, and the address at which it listens.
    fn written(&self) -> Option<(u32, String)> {
        let text = fs::read_to_string(&self.address).ok()?;
        let (pid, address) = text.trim_end().split_once(' ')?;
        Some((pid.parse().ok()?, address.to_owned()))
    }
}

impl Server for Process {
    fn name(&self) -> &'static str {
        "the exchange"
    }

    fn tidy(&self) -> Result<(), EmbeddedError> {
        Ok(())
    }

    fn command(&self) -> Command {
        // Tasks have rate limits of their own; these would only make a first try slow.
        let mut command = self.launcher.command(&own_program());
        command
            .args(["exchange", "--rate", "unlimited", "--address-file"])
            .arg(&self.address);
        command
    }

    fn is_ready(&self, pid: u32) -> bool {
        self.written().is_some_and(|(written, _)| written == pid)
    }

    fn facts(&self) -> serde_json::Value {
        let address = self.written().map(|(_, address)| address);
        let facts = Facts {
            url: format!("http://{}", address.unwrap_or_default()),
        };
        serde_json::to_value(facts).unwrap_or_default()
    }

    fn stop_steps(&self, _: Lifetime) -> &'static [(Signal, Duration)] {
        // It keeps nothing.
        &[]
    }
}
