//! Records into files that may be there already.

mod apply;
mod layout;
#[cfg(test)]
mod tests;
mod upsert;

pub use apply::{FileMode, Revised, Revision};
pub use layout::Layout;
