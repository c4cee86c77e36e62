//! The API, `/api/v1`: one file a resource.

mod dag;
mod health;

use super::route::Route;

/// All of the API.
pub(super) const ROUTES: &[Route] = &[health::HEALTHZ, health::READYZ, dag::LIST];
