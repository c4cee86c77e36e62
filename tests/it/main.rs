//! Every integration test, one binary: what is linked once is linked quickly.
#![expect(
    clippy::unwrap_used,
    clippy::similar_names,
    clippy::print_stderr,
    reason = "clippy's own settings for tests don't reach the functions that tests share"
)]

mod architecture;
mod bucket;
mod check;
mod check_task;
mod cli;
mod compose;
mod copy;
mod daemon;
mod edited;
mod embedded;
mod engine;
mod exchange;
mod file;
mod host;
mod http;
mod http_task;
mod kafka;
mod kafka_task;
mod kill;
mod kinds;
mod notify;
mod oracle;
mod pipelines;
mod plot;
mod postgres_session;
mod readme;
mod samples;
mod schedule;
mod service;
mod shell;
mod sql_task;
mod sqlite_session;
mod store;
mod support;
mod telemetry;
mod web;
