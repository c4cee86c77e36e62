//! Streams of records: what moves between sources and sinks, never held in memory as a whole.

mod batch;
mod dataset;
mod stream;

pub use batch::{Batch, BatchBuilder, Column, ColumnKind, Columns};
pub use dataset::DatasetInfo;
pub use stream::{DataError, Place, RecordSource};
