//! All integration tests, as one program.

mod embedded;
mod postgres_session;
mod sqlite_session;
mod support;
