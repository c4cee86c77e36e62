//! Commands that stay at work: the daemon, the web page, the service of systemd.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::duration;
use crate::model::Timestamp;
use crate::web::{Listen, Trusted};

/// `runner schedule`.
#[derive(Debug, Args)]
pub struct Schedule {
    /// End when everything that is due now has ended
    #[arg(long, conflicts_with = "until")]
    pub once: bool,
    /// Begin nothing more from this moment on, and end when what began has ended
    #[arg(long, value_name = "TIME")]
    pub until: Option<Timestamp>,
    /// Only say whether there is one at work: exit code 0 when there is, 3 when there isn't
    #[arg(long, conflicts_with_all = ["once", "until"])]
    pub status: bool,
    /// Serve the web page and the API, too: on an address and port, or `unix:` and the path of a
    /// socket [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:8081")]
    pub web: Option<Listen>,
    /// What people type to reach the page, when that isn't the address it listens on, such as
    /// `https://runner.example.org`; may be given several times
    #[arg(long, value_name = "URL", requires = "web")]
    pub public_url: Vec<String>,
    /// A proxy that is believed when it tells whose request it hands on (X-Forwarded-For or
    /// Forwarded): an address, a network such as 10.0.0.0/24, or `unix`; may be given several times
    #[arg(long, value_name = "ADDRESS", requires = "web")]
    pub trusted_proxy: Vec<Trusted>,
    /// Let everybody in who reaches the page, as an admin: only on an address of this machine
    #[arg(long, requires = "web")]
    pub no_sign_in: bool,
    /// How long tasks may go on after it was told to end; what isn't done by then is done again at
    /// the next start
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub grace: Duration,
    /// How the log is written
    #[arg(long, value_name = "STYLE", default_value = "text")]
    pub log: LogStyle,
}

/// `runner web`.
#[derive(Debug, Args)]
pub struct Web {
    #[command(flatten)]
    pub serving: Serving,
    /// How the log is written
    #[arg(long, value_name = "STYLE", default_value = "text")]
    pub log: LogStyle,
}

/// How pages and API are served.
#[derive(Debug, Args)]
pub struct Serving {
    /// Where it listens: an address and a port (0: any that is free), or `unix:` and the path of a
    /// socket, which only this user can open
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    pub listen: Listen,
    /// What people type to reach it, when that isn't the address it listens on, such as
    /// `https://runner.example.org`; may be given several times
    #[arg(long, value_name = "URL")]
    pub public_url: Vec<String>,
    /// A proxy that is believed when it tells whose request it hands on (X-Forwarded-For or
    /// Forwarded): an address, a network such as 10.0.0.0/24, or `unix`; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub trusted_proxy: Vec<Trusted>,
    /// Let everybody in who reaches it, as an admin: only on an address of this machine
    #[arg(long)]
    pub no_sign_in: bool,
}

/// How the daemon writes its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogStyle {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

/// `runner service`.
#[derive(Debug, Args)]
pub struct Service {
    #[command(subcommand)]
    pub action: ServiceAction,
}

/// What is done with the service.
#[derive(Debug, Subcommand)]
pub enum ServiceAction {
    /// Write the unit file, and say how it is started
    Install {
        #[command(flatten)]
        options: ServiceOptions,
        #[command(flatten)]
        shape: ServiceShape,
    },
    /// Stop the service and remove its unit file
    Uninstall {
        #[command(flatten)]
        options: ServiceOptions,
    },
    /// Print the unit file
    Show {
        #[command(flatten)]
        options: ServiceOptions,
        #[command(flatten)]
        shape: ServiceShape,
    },
}

/// Which service.
#[derive(Debug, Args)]
pub struct ServiceOptions {
    /// A service of yours instead of one of the system
    #[arg(long)]
    pub user: bool,
    /// The unit's name [default: runner-FOLDER]
    #[arg(long)]
    pub name: Option<String>,
}

/// How a service runs.
#[derive(Debug, Args)]
pub struct ServiceShape {
    /// Who it runs as [default: the owner of the project's folder]
    #[arg(long = "as", value_name = "USER")]
    pub run_as: Option<String>,
    /// How long tasks may go on after the service was told to end
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub grace: Duration,
}
