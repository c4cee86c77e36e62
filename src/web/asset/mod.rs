//! Files of the pages, which are in the program.

use super::route::Route;

/// All files.
pub(super) const ROUTES: &[Route] = &[];
