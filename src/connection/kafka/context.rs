//! What the library tells on its own: its log, its errors, and when it needs a token.

use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as Library, RDKafkaErrorCode as Code};

use super::token::Tokens;

/// Kept by each client.
#[derive(Debug)]
pub(super) struct Told {
    tokens: Option<Tokens>,
    /// The last reason for which a broker couldn't be reached, or didn't let us in.
    trouble: Mutex<Option<Trouble>>,
}

/// Why a broker can't be used.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) code: Code,
    pub(super) reason: String,
}

impl Told {
    pub(super) fn new(tokens: Option<Tokens>) -> Self {
        Self {
            tokens,
            trouble: Mutex::default(),
        }
    }

    /// What was told last of a broker that can't be used.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lines that say nothing to whoever reads the log of a job.
const NOISE: &[&str] = &["CONFWARN", "TERMINATE", "GETSUBSCRIPTIONS"];

impl ClientContext for Told {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        match &self.tokens {
            Some(tokens) => tokens.token(),
            None => Err("the connection has no `oauth2`".into()),
        }
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            _ if NOISE.contains(&facility) => {
                tracing::debug!(target: "kafka", "{facility}: {message}");
            }
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(target: "kafka", "{facility}: {message}");
            }
            // A broker that is away for the moment is an error to the library, and none of ours:
            // what fails because of it says so.
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice => {
                tracing::info!(target: "kafka", "{facility}: {message}");
            }
            RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(target: "kafka", "{facility}: {message}");
            }
        }
    }

    fn error(&self, error: Library, reason: &str) {
        tracing::info!(target: "kafka", "{error}: {reason}");
        if let Some(code) = error.rdkafka_error_code()
            && code != Code::AllBrokersDown
        {
            *self.lock() = Some(Trouble {
                code,
                reason: shortened(reason).to_owned(),
            });
        }
    }
}

/// What the library calls back of a client: what every one hears, and what it has of its own.
pub(super) struct Context<T> {
    pub(super) told: Told,
    pub(super) own: T,
}

impl<T> Context<T> {
    pub(super) fn new(told: Told, own: T) -> Self {
        Self { told, own }
    }
}

impl<T: Send + Sync> ClientContext for Context<T> {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.told.generate_oauth_token(config)
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.told.log(level, facility, message);
    }

    fn error(&self, error: Library, reason: &str) {
        self.told.error(error, reason);
    }
}

/// Without "(after 0ms in state CONNECT, 3 identical error(s) suppressed)".
fn shortened(reason: &str) -> &str {
    reason
        .split_once(" (after ")
        .map_or(reason, |(reason, _)| reason)
}
