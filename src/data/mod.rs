//! Streams of records: what moves between sources and sinks, never held in memory as a whole.

mod atomic;
mod batch;
mod compression;
pub mod csv;
mod dataset;
pub mod decode;
mod file_source;
mod input;
pub mod json;
pub mod ndjson;
mod place;
mod reject;
mod revision;
mod sink;
mod spool;
mod store;
mod stream;
mod thread;

pub use atomic::{AtomicFile, sync_folder};
pub use batch::{Batch, BatchBuilder, Column, ColumnKind, Columns};
pub use compression::{Compression, PackedFile, Packer};
pub use dataset::{DatasetInfo, DatasetName, DatasetReader, DatasetWriter};
pub use file_source::{
    FileSource, Reading, find_files, is_pattern, matches_pattern, wrong_pattern,
};
pub use input::{InputFile, InputFiles, Unpacking};
pub use place::{Lines, Mark, Places};
pub use reject::{Reject, Rejects};
pub use revision::{FileMode, Layout, Revised, Revision};
pub use sink::{FileSink, Format, Written};
pub use spool::{Piece, Spool};
pub use store::{FileStore, LocalFiles, NewFile};
pub use stream::{DataError, Place, RecordSource};
