//! Every integration test, one binary: what is linked once is linked quickly.

mod copy;
mod embedded;
mod engine;
mod file;
mod oracle;
mod postgres_session;
mod samples;
mod shell;
mod sql_task;
mod sqlite_session;
mod store;
mod support;
