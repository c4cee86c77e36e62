//! What packs and unpacks.

use super::place::Place;
use crate::data::Compression;

/// Files to pack or to unpack.
#[derive(Debug)]
pub(super) struct Packing {
    pub(super) from: Place,
    /// Beside the old files when left out.
    pub(super) to: Option<Place>,
    pub(super) format: Option<Compression>,
    /// Whether the old files stay.
    pub(super) keep: bool,
    pub(super) unpack: bool,
}
