//! The repository's own pipelines, run as a person runs them and compared with an independent
//! computation.

mod candles;
mod daily_batch;
mod decimal;
mod etl_ticker;
mod fixed;
mod ingest_data;
mod local;
pub(crate) mod market;
mod monitoring;
mod pair_metrics;
mod plots;
pub(crate) mod runs;
mod tickers;
