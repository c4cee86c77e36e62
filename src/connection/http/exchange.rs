//! `exchange/kraken` in place of a URL: an API of the project's private exchange.

use std::sync::Arc;

use reqwest::Url;
use tokio::sync::Mutex;

use super::HttpError;
use crate::connection::Places;
use crate::document::nearest;
use crate::embedded::exchange::{APIS, ExchangeServer, acquire};

/// What such a base begins with.
const PREFIX: &str = "exchange/";

/// An API of the project's private exchange, which is started when it is needed, and again when it was
/// lost together with its supervisor.
#[derive(Debug)]
pub(super) struct LocalExchange {
    places: Arc<Places>,
    api: &'static str,
    server: Mutex<Option<ExchangeServer>>,
}

impl LocalExchange {
    /// Reads a base; `None` when it isn't meant for an exchange.
    pub(super) fn read(text: &str, places: &Arc<Places>) -> Option<Result<Self, String>> {
        let name = text.strip_prefix(PREFIX)?;
        let Some(api) = APIS.iter().copied().find(|api| *api == name) else {
            return Some(Err(match nearest(name, APIS.iter().copied()) {
                Some(near) => {
                    format!("the exchange has no API `{name}`: did you mean `{PREFIX}{near}`?")
                }
                None => format!(
                    "the exchange has no API `{name}`, only `{}`",
                    APIS.join("`, `")
                ),
            }));
        };
        Some(Ok(Self {
            places: Arc::clone(places),
            api,
            server: Mutex::new(None),
        }))
    }

    /// The base URL of the API; the first to ask starts the exchange.
    ///
    /// # Errors
    /// It doesn't start.
    pub(super) async fn url(&self) -> Result<Url, HttpError> {
        let mut held = self.server.lock().await;
        let server = match held.take() {
            Some(server) if server.is_up() => server,
            _ => acquire(&self.places.state, &self.places.executable)
                .await
                .map_err(|error| HttpError {
                    retryable: error.is_transient(),
                    ..HttpError::permanent(format!("the exchange: {error}"))
                })?,
        };
        let server = held.insert(server);
        let text = server.base_url(self.api);
        Url::parse(&text).map_err(|error| HttpError::permanent(format!("`{text}`: {error}")))
    }
}
