//! What tests need to set a scene.

pub mod attempt;
pub mod document;
