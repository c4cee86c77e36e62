//! Every integration test, one binary: what is linked once is linked quickly.

mod oracle;
mod samples;
//! The one integration test binary.

mod engine;
