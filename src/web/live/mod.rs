//! What pages are told while something happens.

use super::route::Route;

/// All streams of the pages.
pub(super) const ROUTES: &[Route] = &[];
