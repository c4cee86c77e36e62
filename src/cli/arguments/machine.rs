//! Commands about this machine, whatever the project.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::exchange::FaultRule;
use crate::model::Timestamp;

/// `runner setup`.
#[derive(Debug, Args)]
pub struct Setup {
    /// What to get
    pub what: SetupWhat,
}

/// What can be got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SetupWhat {
    /// Kafka's programs, for connections that say `kafka: embedded`
    Kafka,
}

/// `runner exchange`.
#[derive(Debug, Args)]
pub struct Exchange {
    /// Where it listens; port 0: any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: String,
    /// The same seed and time give the same answers
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// A time that stands still, such as 2026-08-20T00:00:00Z [default: the machine's]
    #[arg(long, value_name = "TIME")]
    pub clock: Option<Timestamp>,
    /// How often clients may ask: as often as the real APIs let them, or as they like
    #[arg(long, value_name = "RATE", default_value = "real")]
    pub rate: Rate,
    /// What goes wrong, `[part of a path:]fault[=value][*times]`: latency=200ms, status=500,
    /// throttle=2s, truncate=100, stall=100, dribble=1, types; may be given several times. A
    /// request may ask for one, too: ?fault= or the header x-fault
    #[arg(long, value_name = "FAULT")]
    pub fault: Vec<FaultRule>,
    /// Where a supervisor reads the process and its address
    #[arg(long, value_name = "FILE", hide = true)]
    pub address_file: Option<PathBuf>,
}

/// How often the clients of `runner exchange` may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rate {
    /// As often as the real APIs let them
    Real,
    /// As often as they like
    Unlimited,
}

/// `runner completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `runner man`.
#[derive(Debug, Args)]
pub struct Man {
    /// Write the pages of all commands into this folder instead
    #[arg(long, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
}
