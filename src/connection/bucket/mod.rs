//! Files in a folder or in a cloud's object store.

mod address;
mod cloud;
mod condition;
mod folder;
mod kind;
mod loads;
mod lock;
mod stream;
mod upload;

pub use folder::Folder;
pub(super) use kind::KIND;
