//! What tests need to set a scene.

pub mod attempt;
pub(crate) mod connections;
pub mod document;
pub(crate) mod postgres;
