//! The repository's own pipelines, run as a person runs them and compared with an independent
//! computation.

mod daily_batch;
mod market;
mod runs;
