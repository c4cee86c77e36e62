//! What can be typed: here the commands, in the files below what each of them takes.

mod connections;
mod machine;
mod people;
mod project;
mod reach;
mod running;
mod serving;
mod showing;
mod when;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ColorChoice, Parser, Subcommand, ValueEnum};

pub use connections::{Db, DbCommand, DbUrl, Notify, Topic};
pub use machine::{Completions, Exchange, Man, Rate, Setup, SetupWhat};
pub use people::{Lifetime, RoleWord, ScopeWord, Token, TokenCommand, User, UserCommand};
pub use project::{Check, Gc, Init, Schema, SchemaOf, Types};
pub use reach::Reach;
pub use running::{Backfill, Cancel, Decision, Mark, Pause, Reprocess, Resume, Retry, Trigger};
pub use serving::{LogStyle, Schedule, Service, ServiceAction, ServiceOptions, Web};
pub use showing::{Data, List, Logs, RowFormat, Runs, Show, StateWord, Why};
pub use when::{Next, Simulate, Timeline};

/// Declarative ETL jobs in YAML: checked before they run, recovered after a crash.
#[derive(Debug, Parser)]
#[command(
    name = "runner",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Arguments {
    /// The project's folder [default: the nearest one with a runner.yaml]
    #[arg(short = 'C', long, global = true, value_name = "FOLDER")]
    pub project: Option<PathBuf>,

    /// Replaces connections, params and defaults by a profile of runner.yaml
    #[arg(long, global = true, value_name = "NAME", env = "RUNNER_PROFILE")]
    pub profile: Option<String>,

    /// Asks a running `runner web` or `runner schedule --web` instead of the files here: its URL, or
    /// `unix:` and its socket. `RUNNER_SERVER` does the same, and `RUNNER_TOKEN` lets in
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,

    /// When to use colours
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub color: ColorChoice,

    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new project that runs
    Init(Init),
    /// Find every mistake in the project before anything runs
    Check(Check),
    /// Run a DAG now and show it as it happens
    Trigger(Trigger),
    /// Begin runs by their schedules, until told to end
    Schedule(Schedule),
    /// Serve the web page and the API
    Web(Web),
    /// Run a DAG for intervals of the past
    Backfill(Backfill),
    /// Hold the schedule of a DAG: nothing begins by itself
    Pause(Pause),
    /// Let the schedule of a DAG go on
    Unpause(Pause),
    /// Show all DAGs and how they last ran
    List(List),
    /// Show a DAG's graph, or a run's tasks
    Show(Show),
    /// Show runs, newest first
    Runs(Runs),
    /// Show what will run when
    Next(Next),
    /// Show why a DAG, a run or a task doesn't run, or how it ended
    Why(Why),
    /// Show what would happen: the schedules run forward in a moment
    Simulate(Simulate),
    /// Show what ran when
    Timeline(Timeline),
    /// Show what the tasks of a run have logged
    Logs(Logs),
    /// Show the rows that a task has left
    Data(Data),
    /// Run again what failed, with all that comes after it
    Retry(Retry),
    /// End a run
    Cancel(Cancel),
    /// Take a task's end as decided
    Mark(Mark),
    /// Finish the runs that were interrupted
    Resume(Resume),
    /// Say who may come in by the web page
    User(User),
    /// Make and end tokens, by which programs use the API
    Token(Token),
    /// Make the daemon a service of systemd
    Service(Service),
    /// Remove what has been kept long enough
    Gc(Gc),
    /// Say something by a connection, to see whether it arrives
    Notify(Notify),
    /// Open a database of the project in its own shell
    Db(Db),
    /// Show the topics of a Kafka cluster, or the messages of one
    Topic(Topic),
    /// Get what embedded servers need and this machine lacks
    Setup(Setup),
    /// Serve the shapes of public market APIs on this machine, for trying and testing
    Exchange(Exchange),
    /// Show the kinds of tasks and connections, with their keys and an example
    Types(Types),
    /// Print the JSON Schema of pipelines or of runner.yaml, for editors
    Schema(Schema),
    /// Print what makes a shell complete commands
    Completions(Completions),
    /// Print the manual
    Man(Man),
}

impl Command {
    /// Whether it reaches out to the connections, so that the commands which print their secrets
    /// are run.
    pub fn carries_out_tasks(&self) -> bool {
        matches!(
            self,
            Self::Trigger(_)
                | Self::Schedule(_)
                | Self::Web(_)
                | Self::Backfill(_)
                | Self::Retry(_)
                | Self::Cancel(_)
                | Self::Mark(_)
                | Self::Resume(_)
                | Self::Db(_)
                | Self::Notify(_)
                | Self::Gc(_)
                | Self::Check(Check { live: true, .. })
        )
    }
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// What a run's name may be, in the words of every command's help.
const RUN_HELP: &str = "The run: its id, a part of it, `latest`, or a DAG for its latest run";

fn duration(text: &str) -> Result<Duration, String> {
    crate::document::units::parse_duration(text)
}

fn key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.to_owned()))
        .ok_or_else(|| format!("expected KEY=VALUE, found `{text}`"))
}
