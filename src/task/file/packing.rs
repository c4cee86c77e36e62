//! What packs and unpacks.

use super::bytes::Coding;
use super::place::Place;

/// Files to pack or to unpack.
#[derive(Debug)]
pub(super) struct Packing {
    pub(super) from: Place,
    /// Beside the old files when left out.
    pub(super) to: Option<Place>,
    pub(super) coding: Coding,
    /// Whether the old files stay.
    pub(super) keep: bool,
}
