//! Every integration test, one binary: what is linked once is linked quickly.

mod embedded;
mod engine;
mod oracle;
mod samples;
//! Integration tests: one binary, a module for each subject.

mod shell;
mod postgres_session;
mod sqlite_session;
mod support;
//! Integration tests: one binary, one module for each room of the house.

mod store;
