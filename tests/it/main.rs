//! Every integration test, one binary: what is linked once is linked quickly.

mod architecture;
mod embedded;
mod engine;
mod host;
mod oracle;
mod postgres_session;
mod samples;
mod schedule;
mod shell;
mod sqlite_session;
mod store;
mod support;
