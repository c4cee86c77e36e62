//! Records from a source to a sink, without holding them in memory: what `copy` is, and what kinds
//! that read or send records share with it. Sources and sinks are tables.

mod cell_type;
mod columns;
mod end;
mod files;
mod flow;
mod keep;
mod mapped;
mod path;
mod pieces;
mod plan;
mod records;
mod sink;
mod source;
mod stage;
mod stream;
mod target;
#[cfg(test)]
mod tests;
mod values;

pub(super) use columns::RawColumns;
pub(super) use flow::Consumer;
pub(super) use plan::{OnError, Plan, Transfer};
pub(super) use records::{Records, RecordsFrom};
pub(super) use sink::{To, topic_schema};
pub(super) use source::From;
