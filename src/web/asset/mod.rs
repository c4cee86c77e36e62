//! Files of the pages, which are in the program: one style sheet, two scripts, a sign. Nothing comes
//! from elsewhere, and nothing is built.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

use super::route::{Needs, Route};

/// All files.
pub(super) const ROUTES: &[Route] = &[Route::get("/asset/{file}", Needs::Nothing, || get(file))];

/// Name, type and bytes of every file.
const FILES: &[(&str, &str, &[u8])] = &[
    (
        "runner.css",
        "text/css; charset=utf-8",
        include_bytes!("runner.css"),
    ),
    (
        "page.js",
        "text/javascript; charset=utf-8",
        include_bytes!("page.js"),
    ),
    (
        "theme.js",
        "text/javascript; charset=utf-8",
        include_bytes!("theme.js"),
    ),
    ("runner.svg", "image/svg+xml", include_bytes!("runner.svg")),
];

/// What changes when a file does: pages name it with their files, which are kept for good.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = Sha256::new();
    for (name, _, bytes) in FILES {
        hasher.update(name);
        hasher.update(bytes);
    }
    let hash = hasher.finalize();
    hash.iter()
        .take(5)
        .map(|byte| format!("{byte:02x}"))
        .collect()
});

async fn file(Path(name): Path<String>) -> Response {
    let Some((_, kind, bytes)) = FILES.iter().find(|(known, ..)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, *kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, *bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::FILES;

    #[test]
    fn files_are_small() {
        let bytes: usize = FILES.iter().map(|(.., bytes)| bytes.len()).sum();
        assert!(bytes <= 300_000, "{bytes} bytes");
    }

    /// The policy of the pages allows nothing from elsewhere.
    #[test]
    fn files_fetch_nothing_from_elsewhere() {
        for (name, _, bytes) in FILES {
            let text = std::str::from_utf8(bytes).unwrap();
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for forbidden in ["http://", "https://", "@import", "eval(", "url("] {
                assert!(!text.contains(forbidden), "{name} has {forbidden}");
            }
        }
    }
}
