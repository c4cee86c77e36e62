//! The repository's own pipelines, run as a person runs them and compared with an independent
//! computation.

mod candles;
mod daily_batch;
mod decimal;
mod fixed;
mod ingest_data;
mod runs;
mod tickers;
