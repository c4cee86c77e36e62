//! Private servers: shared, ended with the last client, and recovered after any death.

mod crashes;
mod postgres;
pub(crate) mod project;
mod sharing;
