//! Every integration test, one binary: what is linked once is linked quickly.

mod architecture;
mod check;
mod check_task;
mod cli;
mod copy;
mod edited;
mod embedded;
mod engine;
mod file;
mod host;
mod kill;
mod kinds;
mod oracle;
mod pipelines;
mod postgres_session;
mod readme;
mod samples;
mod schedule;
mod shell;
mod sql_task;
mod sqlite_session;
mod store;
mod support;
