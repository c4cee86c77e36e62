//! What can be typed.

use std::path::PathBuf;

use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};

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
    /// Run a DAG now and show it as it happens
    Trigger(Trigger),
    /// Find every mistake in the project before anything runs
    Check(Check),
    /// Show the kinds of tasks and connections, with their keys and an example
    Types(Types),
    /// Print the JSON Schema of pipelines or of runner.yaml, for editors
    Schema(Schema),
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// `runner check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Only what is found in these files or DAGs
    pub names: Vec<String>,
    /// Also what is worth knowing, such as which tasks act at least once
    #[arg(long)]
    pub notes: bool,
    /// How to print what is found
    #[arg(long, default_value = "text")]
    pub format: Format,
}

/// `runner types`.
#[derive(Debug, Args)]
pub struct Types {
    /// A kind, such as `sql`
    pub kind: Option<String>,
    /// Print the whole reference as Markdown
    #[arg(long, conflicts_with = "kind")]
    pub markdown: bool,
    /// How to print
    #[arg(long, default_value = "text")]
    pub format: Format,
}

/// `runner schema`.
#[derive(Debug, Args)]
pub struct Schema {
    /// Of which files
    #[arg(default_value = "pipeline")]
    pub of: SchemaOf,
    /// Write the generated files of runner's own repository
    #[arg(long, hide = true)]
    pub write: bool,
    /// Compare the generated files of runner's own repository with the code
    #[arg(long, hide = true)]
    pub check: bool,
}

/// The files that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// pipelines/*.yaml
    Pipeline,
    /// runner.yaml
    Project,
}

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
}

fn key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.to_owned()))
        .ok_or_else(|| format!("expected KEY=VALUE, found `{text}`"))
}
