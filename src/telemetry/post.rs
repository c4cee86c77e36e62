//! Sends to a collector.

use std::time::Duration;

use reqwest::{Client, StatusCode};

use super::settings::TelemetrySettings;
use crate::connection::plain_client;

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Posted {
    Taken,
    /// It may be taken later.
    Later(String),
    Refused(String),
}

/// Speaks to a collector.
pub(super) struct Poster {
    client: Client,
    settings: TelemetrySettings,
}

impl Poster {
    /// # Errors
    /// When no client can be made, such as without random numbers.
    pub(super) fn new(settings: TelemetrySettings) -> Result<Self, String> {
        Ok(Self {
            client: plain_client(settings.timeout)?,
            settings,
        })
    }

    pub(super) fn settings(&self) -> &TelemetrySettings {
        &self.settings
    }

    /// Posts one body, within `patience` at most.
    pub(super) async fn post(&self, url: &str, body: Vec<u8>, patience: Duration) -> Posted {
        let mut request = self.client.post(url).body(body);
        request = request.header("content-type", "application/x-protobuf");
        for (name, value) in &self.settings.headers {
            request = request.header(name, value.reveal());
        }
        let sent = tokio::time::timeout(patience, request.send()).await;
        match sent {
            Err(_) => Posted::Later("the collector doesn't answer".to_owned()),
            // The URL may have a key in it.
            Ok(Err(error)) => Posted::Later(error.without_url().to_string()),
            Ok(Ok(answer)) => match answer.status() {
                status if status.is_success() => Posted::Taken,
                // As OTLP has it: these may be tried again, and no others.
                status @ (StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT) => {
                    Posted::Later(format!("the collector answers {status}"))
                }
                status => Posted::Refused(format!("the collector answers {status}")),
            },
        }
    }
}
