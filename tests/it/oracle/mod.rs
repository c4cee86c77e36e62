//! What the pipelines should compute, computed once more from the bytes of their inputs.
//!
//! An oracle shares no SQL and no code with the product, nor with the generator of the samples: it splits
//! lines, counts days and adds decimals by itself, in the plainest way that can be seen to be right.

pub(crate) mod daily_batch;
mod snapshots;
mod values;
