//! Every integration test, one binary: what is linked once is linked quickly.

mod embedded;
mod engine;
mod oracle;
mod samples;
mod schedule;
mod support;
