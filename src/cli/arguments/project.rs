//! Commands about a project: made, checked, explained, kept small.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Format;

/// `runner init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The folder; made if it is missing
    #[arg(default_value = ".")]
    pub folder: PathBuf,
}

/// `runner check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Only what is found in these files or DAGs
    pub names: Vec<String>,
    /// Also what is worth knowing, such as which tasks act at least once
    #[arg(long)]
    pub notes: bool,
    /// Also what only the other side knows: whether connections answer, and whether databases take
    /// the statements and loads, in a transaction that is rolled back
    #[arg(long)]
    pub live: bool,
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

/// `runner gc`.
#[derive(Debug, Args)]
pub struct Gc {
    /// Only say what would be removed, and how many bytes that is
    #[arg(long)]
    pub dry_run: bool,
    /// Also give the room that the run state doesn't use back to the disk; nobody can write to it
    /// meanwhile
    #[arg(long)]
    pub vacuum: bool,
    /// How to print
    #[arg(long, default_value = "text")]
    pub format: Format,
}
