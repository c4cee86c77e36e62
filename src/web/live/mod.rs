//! What pages are told while something happens: that they have changed. They ask for themselves
//! again then, so that there is one way to draw a state.

mod changed;
mod log;
mod shared;

use std::path::PathBuf;

use self::changed::{Print, Shown};
use self::log::Seen;
use self::shared::Looks;
use super::route::Route;

/// All streams of the pages.
pub(super) const ROUTES: &[Route] = &[changed::HOME, changed::RUN, log::LOG];

/// What is looked at for those who see pages.
#[derive(Default)]
pub(super) struct Live {
    pages: Looks<Shown, Print>,
    logs: Looks<PathBuf, Seen>,
}
