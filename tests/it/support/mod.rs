//! What several tests need.

pub(crate) mod connections;
pub(crate) mod postgres;
