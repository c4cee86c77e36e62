//! Task kinds: what a task can do. One file a kind, one row each in [`KINDS`].

mod check;
mod context;
mod copy;
mod dag;
mod empty;
mod exactly_once;
mod file;
mod http;
mod http_request;
mod kafka;
mod kind;
mod log;
pub mod message;
mod messages;
mod notify;
mod plot;
mod rendered;
mod runs;
mod script;
pub mod shell;
mod sql;
mod surroundings;
mod touch;
mod transfer;

pub use context::{AttemptContext, Clock, Progress};
pub use exactly_once::{Settled, Work, exactly_once};
pub use kind::{Guarantee, Metrics, Task, TaskFailure, TaskKind, TaskOutput, TaskResult};
pub use log::{Level, Log, log_path, picture_path};
pub use rendered::{Rendered, RenderedValue, read_rendered};
pub use runs::{Child, RunEnd, Runs, WantedRun};
pub use script::SqlCode;
pub use surroundings::{CodeFile, GraphView, ProjectView, Surroundings, unreadable};
pub use touch::{Deed, Load, LoadColumn, Stage, Touch};
pub use transfer::{EndKind, sink_kinds, source_kinds};

/// Every kind of task. A task without a kind is [`EMPTY`].
pub const KINDS: &[&TaskKind] = &[
    &sql::KIND,
    &copy::KIND,
    &http::KIND,
    &kafka::KIND,
    &file::KIND,
    &shell::KIND,
    &check::KIND,
    &plot::KIND,
    &notify::KIND,
    &dag::KIND,
];

/// The kind of a task that names none: it does nothing, a point where others meet.
pub const EMPTY: &TaskKind = &empty::KIND;
