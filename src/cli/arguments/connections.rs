//! Commands that reach one connection of the project.

use std::ffi::OsString;

use clap::{Args, Subcommand};

use super::Format;

/// `runner db`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    subcommand_precedence_over_arg = true
)]
pub struct Db {
    /// What to do instead of opening the shell
    #[command(subcommand)]
    pub command: Option<DbCommand>,
    /// The connection, as `runner.yaml` names it
    #[arg(required = true)]
    pub connection: Option<String>,
    /// What the shell (psql, sqlite3) gets besides, such as `-- -c "SELECT 1"`
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub arguments: Vec<OsString>,
}

/// What can be asked of a database instead of its shell.
#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Print the URL of a database, for other tools
    Url(DbUrl),
}

/// `runner db url`.
#[derive(Debug, Args)]
pub struct DbUrl {
    /// The connection, as `runner.yaml` names it
    pub connection: String,
    /// Keep a private server up until ^C
    #[arg(long)]
    pub hold: bool,
}

/// `runner topic`.
#[derive(Debug, Args)]
pub struct Topic {
    /// The connection, as `runner.yaml` names it
    pub connection: String,
    /// The topic whose messages are shown
    #[arg(value_name = "TOPIC")]
    pub name: Option<String>,
    /// Where to begin: `earliest`, `latest`, a time, how long ago (10m), or an offset [default: the
    /// last messages]
    #[arg(long, value_name = "WHERE", requires = "name")]
    pub from: Option<String>,
    /// How many messages, 0 for all [default: 20; with --tail all]
    #[arg(short = 'n', long, value_name = "N", requires = "name")]
    pub count: Option<u64>,
    /// Wait for more, until ^C
    #[arg(short = 'f', long, requires = "name")]
    pub tail: bool,
    /// Only how far this group of consumers is
    #[arg(long, value_name = "NAME", conflicts_with = "name")]
    pub group: Option<String>,
    /// Also the topics that Kafka uses itself
    #[arg(long, conflicts_with = "name")]
    pub internal: bool,
    /// How to print
    #[arg(long, default_value = "text")]
    pub format: Format,
    /// Print only where the brokers are, for other programs
    #[arg(long, conflicts_with_all = ["name", "group", "internal", "format"])]
    pub url: bool,
    /// Keep a private server up until ^C
    #[arg(long, requires = "url")]
    pub hold: bool,
}

/// `runner notify`.
#[derive(Debug, Args)]
pub struct Notify {
    /// A connection of kind `webhook` or `smtp`
    pub connection: String,
    /// What to say
    #[arg(long)]
    pub text: Option<String>,
    /// An address in place of the connection's own
    #[arg(long, value_name = "ADDRESS")]
    pub to: Vec<String>,
    /// The channel of a chat, in place of the connection's own
    #[arg(long)]
    pub channel: Option<String>,
}
