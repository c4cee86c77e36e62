//! What the pipelines should compute, computed once more from the bytes of their inputs.
//!
//! An oracle shares no SQL and no code with the product, nor with the generator of the samples: it splits
//! lines, counts days and adds decimals by itself, in the plainest way that can be seen to be right.
//!
//! A test runs the pipeline over a folder of samples (`samples::generator::write` makes one for any seed), then
//! compares: `answers(folder, &params)[n - 1]` with the bytes of `query<n>.csv`, and for each of `tables(folder)`
//! its `csv` with what `COPY (<query>) TO STDOUT (FORMAT csv)` says.

pub(crate) mod daily_batch;
mod snapshots;
mod values;
