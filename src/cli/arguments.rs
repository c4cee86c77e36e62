//! What can be typed.

mod looking;
mod people;
mod reach;

use std::path::PathBuf;

use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};

use crate::exchange::FaultRule;
use crate::model::Timestamp;

pub use looking::{Next, Simulate, Timeline, Why};
pub use people::{Lifetime, RoleWord, ScopeWord, Token, TokenCommand, User, UserCommand};
pub use reach::Reach;

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
    /// `unix:` and its socket; RUNNER_TOKEN lets in [env: RUNNER_SERVER]
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

/// An end that a person may decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Decision {
    Success,
    Failed,
    Skipped,
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
    /// Leave the run to `runner schedule`, and don't wait for its end
    #[arg(short, long, conflicts_with = "dry_run")]
    pub detach: bool,
}

/// What a run's name may be, in the words of every command's help.
const RUN_HELP: &str = "The run: its id, a part of it, `latest`, or a DAG for its latest run";

/// `runner init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The folder; made if it is missing
    #[arg(default_value = ".")]
    pub folder: PathBuf,
}

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
    pub web: Option<crate::web::Listen>,
    /// What people type to reach the page, when that isn't the address it listens on, such as
    /// `https://runner.example.org`; may be given several times
    #[arg(long, value_name = "URL", requires = "web")]
    pub public_url: Vec<String>,
    /// A proxy that is believed when it tells whose request it hands on (X-Forwarded-For or
    /// Forwarded): an address, a network such as 10.0.0.0/24, or `unix`; may be given several times
    #[arg(long, value_name = "ADDRESS", requires = "web")]
    pub trusted_proxy: Vec<crate::web::Trusted>,
    /// Let everybody in who reaches the page, as an admin: only on an address of this machine
    #[arg(long, requires = "web")]
    pub no_sign_in: bool,
    /// How long tasks may go on after it was told to end; what isn't done by then is done again at
    /// the next start
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub grace: std::time::Duration,
    /// How the log is written
    #[arg(long, value_name = "STYLE", default_value = "text")]
    pub log: LogStyle,
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
    pub grace: std::time::Duration,
}

/// How the daemon writes its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogStyle {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
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
    pub arguments: Vec<std::ffi::OsString>,
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
    pub listen: crate::web::Listen,
    /// What people type to reach it, when that isn't the address it listens on, such as
    /// `https://runner.example.org`; may be given several times
    #[arg(long, value_name = "URL")]
    pub public_url: Vec<String>,
    /// A proxy that is believed when it tells whose request it hands on (X-Forwarded-For or
    /// Forwarded): an address, a network such as 10.0.0.0/24, or `unix`; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub trusted_proxy: Vec<crate::web::Trusted>,
    /// Let everybody in who reaches it, as an admin: only on an address of this machine
    #[arg(long)]
    pub no_sign_in: bool,
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

fn duration(text: &str) -> Result<std::time::Duration, String> {
    crate::document::units::parse_duration(text)
}

fn key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.to_owned()))
        .ok_or_else(|| format!("expected KEY=VALUE, found `{text}`"))
}
