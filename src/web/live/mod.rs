//! What pages are told while something happens: that they have changed. They ask for themselves
//! again then, so that there is one way to draw a state.

mod changed;
mod log;

use super::route::Route;

/// All streams of the pages.
pub(super) const ROUTES: &[Route] = &[changed::HOME, changed::RUN, log::LOG];
