//! The library's client, made at the first use.

use std::sync::Once;
use std::time::Duration;

use super::HttpError;

/// What a client is made for. Requests that differ in it don't share connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ClientShape {
    pub(super) connect_timeout: Duration,
    pub(super) checked: bool,
}

/// Makes a client.
pub(super) fn build(shape: &ClientShape) -> Result<reqwest::Client, HttpError> {
    install_provider();
    reqwest::Client::builder()
        .connect_timeout(shape.connect_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("runner/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| HttpError::permanent(format!("no HTTP client can be made: {error}")))
}

/// Chooses the cryptography of all TLS in the process, once.
fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Another library may have been faster: with the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
