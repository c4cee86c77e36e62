//! What several tests need.

pub(crate) mod connections;
pub(crate) mod postgres;
//! What tests need to set a scene.

pub mod attempt;
pub mod document;
