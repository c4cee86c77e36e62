//! Commands that show DAGs, runs, and what tasks have left.

use clap::{Args, ValueEnum};

use super::{Format, RUN_HELP};

/// `runner list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only DAGs with this tag; may be given several times: all of them
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// How to print the list
    #[arg(long, default_value = "text")]
    pub format: Format,
}

/// `runner show`.
#[derive(Debug, Args)]
pub struct Show {
    /// A DAG, or a run: its id, a part of it, or `latest`
    pub name: String,
    /// Show every item of a `foreach`, not only those that failed
    #[arg(long)]
    pub items: bool,
    /// How to print it
    #[arg(long, default_value = "text")]
    pub format: Format,
}

/// `runner runs`.
#[derive(Debug, Args)]
pub struct Runs {
    /// Only runs of this DAG
    pub dag: Option<String>,
    /// Only runs in these states: queued, running, cancelling, success, failed, cancelled,
    /// interrupted
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    pub state: Vec<StateWord>,
    /// At most so many; 0: all
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    pub limit: u32,
    /// Only runs that are older than this one
    #[arg(long, value_name = "RUN")]
    pub before: Option<String>,
    /// How to print the list
    #[arg(long, default_value = "text")]
    pub format: Format,
}

/// The state of a run as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StateWord {
    Queued,
    Running,
    Cancelling,
    Success,
    Failed,
    Cancelled,
    /// Not over, but the process that carried it out is gone
    Interrupted,
}

/// `runner why`.
#[derive(Debug, Args)]
pub struct Why {
    /// A DAG, or a run: an id, a unique part of one, `latest`
    pub name: String,
    /// A task of the run, or of the DAG's latest run
    pub task: Option<String>,
    /// How to print
    #[arg(long, default_value = "text")]
    pub format: Format,
}

/// `runner logs`.
#[derive(Debug, Args)]
pub struct Logs {
    #[arg(help = RUN_HELP)]
    pub run: String,
    /// Only the log of this task
    pub task: Option<String>,
    /// Only the log of this item of a `foreach`, counted from 0
    #[arg(long, value_name = "NUMBER", requires = "task")]
    pub item: Option<u32>,
    /// The attempt, counted from 1 [default: the latest]
    #[arg(long, value_name = "NUMBER", requires = "task")]
    pub attempt: Option<u32>,
    /// Wait for more until the run has ended
    #[arg(short, long)]
    pub follow: bool,
    /// Only the last lines
    #[arg(short = 'n', long, value_name = "LINES")]
    pub tail: Option<usize>,
    /// What was executed, in place of the log: statements, requests and commands with their values
    #[arg(long, conflicts_with_all = ["follow", "tail"])]
    pub rendered: bool,
    /// How to print it; JSON is one object a line
    #[arg(long, default_value = "text")]
    pub format: Format,
}

/// `runner data`.
#[derive(Debug, Args)]
pub struct Data {
    #[arg(help = RUN_HELP)]
    pub run: String,
    /// The task
    pub task: String,
    /// Only the rows of this item of a `foreach`, counted from 0
    #[arg(long, value_name = "NUMBER")]
    pub item: Option<u32>,
    /// At most so many rows; 0: all [default: 20 in a table, all otherwise]
    #[arg(long, value_name = "ROWS")]
    pub limit: Option<u64>,
    /// How to print them
    #[arg(long, default_value = "table")]
    pub format: RowFormat,
}

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// Columns for people
    Table,
    /// Comma-separated, with a header
    Csv,
    /// A list of objects
    Json,
}
