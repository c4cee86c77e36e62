//! What packs and unpacks.

use crate::data::Compression;
use crate::template::Template;

/// Files to pack or to unpack.
#[derive(Debug)]
pub(super) struct Packing {
    pub(super) from: Template,
    /// Beside the old files when left out.
    pub(super) to: Option<Template>,
    pub(super) format: Option<Compression>,
    /// Whether the old files stay.
    pub(super) keep: bool,
    pub(super) unpack: bool,
}
