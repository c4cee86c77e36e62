//! Every integration test, one binary: what is linked once is linked quickly.

mod check;
mod check_task;
mod embedded;
mod engine;
mod host;
mod oracle;
mod pipelines;
mod postgres_session;
mod samples;
mod schedule;
mod shell;
mod sql_task;
mod sqlite_session;
mod store;
mod support;
