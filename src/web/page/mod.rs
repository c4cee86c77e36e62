//! The pages.

use axum::response::Html;
use axum::routing::get;

use super::route::{Needs, Route};

/// All pages.
pub(super) const ROUTES: &[Route] = &[Route::get("/", Needs::Read, || get(home))];

async fn home() -> Html<&'static str> {
    Html("<!doctype html><title>runner</title><h1>runner</h1>")
}

/// What somebody sees who isn't signed in. `next`: the path that was asked for; `wrong`: why a try
/// to sign in failed.
pub(super) fn sign_in(next: &str, wrong: Option<&str>) -> String {
    let _ = next;
    format!(
        "<!doctype html><title>Sign in</title><p>{}</p>\
         <form method=post action=/sign-in><input name=user autocomplete=username>\
         <input name=password type=password autocomplete=current-password><button>Sign in</button></form>",
        wrong.unwrap_or_default()
    )
}

/// What somebody sees when a page can't be shown.
pub(super) fn problem(status: u16, title: &str, detail: &str) -> String {
    let _ = detail;
    format!("<!doctype html><title>{title}</title><h1>{status} {title}</h1>")
}
