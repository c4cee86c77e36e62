//! All integration tests, as one program.

mod embedded;
mod support;
