//! All integration tests, as one program.

mod embedded;
mod postgres_session;
mod support;
