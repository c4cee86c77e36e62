//! Commands that begin runs, change them and end them.

use clap::{Args, ValueEnum};

use super::{RUN_HELP, duration, key_value};

/// `runner trigger`.
#[derive(Debug, Args)]
pub struct Trigger {
    /// The DAG
    pub dag: String,
    /// A parameter's value; may be given several times
    #[arg(short, long = "param", value_name = "KEY=VALUE", value_parser = key_value)]
    pub param: Vec<(String, String)>,
    /// The interval of data the run is about: START/END, times or days in UTC
    #[arg(long, value_name = "START/END")]
    pub data_interval: Option<String>,
    /// Run only these tasks
    #[arg(long, value_name = "TASK", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Run this task and all that come after it
    #[arg(long, value_name = "TASK", conflicts_with = "only")]
    pub from: Option<String>,
    /// Show what would run, and with what, but run nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print only the end of the run
    #[arg(short, long)]
    pub quiet: bool,
    /// Leave the run to `runner schedule`, and don't wait for its end
    #[arg(short, long, conflicts_with = "dry_run")]
    pub detach: bool,
}

/// `runner backfill`.
#[derive(Debug, Args)]
pub struct Backfill {
    /// The DAG
    pub dag: String,
    /// The first moment of the data: a day of the schedule's time zone, or a time
    #[arg(long, value_name = "DAY|TIME")]
    pub from: String,
    /// Where the data ends; this moment isn't part of it
    #[arg(long, value_name = "DAY|TIME")]
    pub to: String,
    /// Intervals of this length instead of the schedule's own
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub every: Option<std::time::Duration>,
    /// Most runs at a time
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub parallel: u16,
    /// Which intervals are run
    #[arg(long, default_value = "missing")]
    pub reprocess: Reprocess,
    /// A parameter's value; may be given several times
    #[arg(short, long = "param", value_name = "KEY=VALUE", value_parser = key_value)]
    pub param: Vec<(String, String)>,
    /// Show which intervals would be run, but run nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print only the end
    #[arg(short, long)]
    pub quiet: bool,
}

/// Which intervals a backfill runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Reprocess {
    /// Those that have no run
    Missing,
    /// Those, and those whose last run failed or was cancelled
    Failed,
    /// All of them
    All,
}

/// `runner pause` and `runner unpause`.
#[derive(Debug, Args)]
pub struct Pause {
    /// The DAGs
    #[arg(required = true, value_name = "DAG")]
    pub dags: Vec<String>,
}

/// `runner retry`.
#[derive(Debug, Args)]
pub struct Retry {
    #[arg(help = RUN_HELP)]
    pub run: String,
    /// Run these tasks again, whatever became of them [default: what failed]
    pub tasks: Vec<String>,
    /// Only this item of a `foreach` that failed, counted from 0
    #[arg(long, value_name = "NUMBER", requires = "tasks")]
    pub item: Option<u32>,
    /// Print only the end of the run
    #[arg(short, long)]
    pub quiet: bool,
}

/// `runner resume`.
#[derive(Debug, Args)]
pub struct Resume {
    /// The run: its id, a part of it, or a DAG for its latest run [default: all that were
    /// interrupted]
    pub run: Option<String>,
    /// Print only the end of the runs
    #[arg(short, long)]
    pub quiet: bool,
}

/// `runner cancel`.
#[derive(Debug, Args)]
pub struct Cancel {
    #[arg(help = RUN_HELP)]
    pub run: String,
}

/// `runner mark`.
#[derive(Debug, Args)]
pub struct Mark {
    #[arg(help = RUN_HELP)]
    pub run: String,
    /// The task
    pub task: String,
    /// The end it is to have
    pub end: Decision,
}

/// An end that a person may decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Decision {
    Success,
    Failed,
    Skipped,
}
