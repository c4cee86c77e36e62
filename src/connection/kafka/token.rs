//! Tokens for logins by OAUTHBEARER.

use std::error::Error;
use std::ffi::CString;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rdkafka::bindings::{rd_kafka_oauthbearer_set_token, rd_kafka_resp_err_t};
use rdkafka::client::{Client, OAuthToken};
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::context::Told;
use super::error::KafkaError;
use super::settings::{Login, OauthClient};
use crate::connection::{HttpApi, HttpBody, HttpMethod, HttpRequest, Sending, form_encoded};
use crate::secret::Masker;

/// What fetches tokens (RFC 6749, section 4.4), shared by all clients of a cluster.
#[derive(Debug)]
struct TokenSource {
    client: OauthClient,
    api: HttpApi,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    token: String,
    principal: String,
    /// Milliseconds since 1970 in UTC.
    ends: i64,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kept(until {})", self.ends)
    }
}

/// An answer with a token is short.
const LONGEST_ANSWER: u64 = 1 << 20;

/// A token that ends sooner isn't used again.
const MARGIN: i64 = 30_000;

/// When the server doesn't say how long a token is good for.
const LIFETIME: f64 = 300.0;

/// The answer of a token endpoint (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<f64>,
}

/// Fetches tokens by the async runtime, on behalf of threads that wait for them.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    source: Arc<TokenSource>,
    runtime: Handle,
}

impl Tokens {
    /// What a login needs, if it needs tokens. Called on the runtime.
    pub(super) fn of(login: &Login) -> Option<Self> {
        let Login::Token(client) = login else {
            return None;
        };
        Some(Self {
            source: Arc::new(TokenSource {
                client: client.clone(),
                api: HttpApi::default(),
                kept: Mutex::default(),
            }),
            runtime: Handle::current(),
        })
    }

    /// A token that is good for a while yet. Blocks.
    pub(super) fn token(&self) -> Result<OAuthToken, Box<dyn Error>> {
        self.source.token(&self.runtime)
    }

    /// Gives an administrator's client its token: it isn't asked for one, since nobody listens to
    /// what such a client has to say. It lives shorter than any token. Blocks.
    #[expect(
        unsafe_code,
        reason = "the library has the call, but no safe name for it"
    )]
    pub(super) fn give(&self, client: &Client<Told>) -> Result<(), KafkaError> {
        let failed = |reason: String| KafkaError::Login { reason };
        let token = self.token().map_err(|error| failed(error.to_string()))?;
        let text = CString::new(token.token).map_err(|error| failed(error.to_string()))?;
        let principal =
            CString::new(token.principal_name).map_err(|error| failed(error.to_string()))?;
        let mut said = [0; 256];
        // SAFETY: the client lives as long as the reference to it; both texts end with a zero and
        // are copied; there are no extensions; the library writes no more than it is told.
        let code = unsafe {
            rd_kafka_oauthbearer_set_token(
                client.native_ptr(),
                text.as_ptr(),
                token.lifetime_ms,
                principal.as_ptr(),
                std::ptr::null_mut(),
                0,
                said.as_mut_ptr(),
                said.len(),
            )
        };
        if code == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(());
        }
        let said = said.iter().map(|byte| byte.to_ne_bytes()[0]);
        let said: Vec<u8> = said.take_while(|byte| *byte != 0).collect();
        Err(failed(String::from_utf8_lossy(&said).into_owned()))
    }
}

impl TokenSource {
    fn token(&self, runtime: &Handle) -> Result<OAuthToken, Box<dyn Error>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = milliseconds_now();
        let fresh = match kept.take() {
            Some(fresh) if fresh.ends > now + MARGIN => fresh,
            _ => runtime.block_on(self.fetch(now))?,
        };
        let token = OAuthToken {
            token: fresh.token.clone(),
            principal_name: fresh.principal.clone(),
            lifetime_ms: fresh.ends,
        };
        *kept = Some(fresh);
        Ok(token)
    }

    async fn fetch(&self, now: i64) -> Result<Kept, Box<dyn Error>> {
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", &self.client.client_id),
            ("client_secret", self.client.client_secret.reveal()),
        ];
        form.extend(self.client.scope.as_deref().map(|scope| ("scope", scope)));
        let mut request = HttpRequest::new(HttpMethod::Post, &self.client.token_url);
        request.retry_writes = true;
        request.headers = vec![("accept".to_owned(), "application/json".to_owned())];
        request.body = HttpBody::Bytes {
            content_type: "application/x-www-form-urlencoded".to_owned(),
            bytes: form_encoded(&form).into(),
        };
        request.limits.timeout = Some(Duration::from_secs(20));
        let around = Sending {
            log: Arc::new(|line: &str| tracing::debug!(target: "kafka", "{line}")),
            cancel: CancellationToken::new(),
            clock: Arc::new(|| milliseconds_as_time(milliseconds_now())),
            sent: None,
            masker: Masker::default(),
        };
        let (_, body) = self
            .api
            .fetch(&request, LONGEST_ANSWER, &around)
            .await
            .map_err(|error| format!("no token: {error}"))?;
        // The error would repeat what it stumbled over.
        let granted: Granted = serde_json::from_slice(&body)
            .map_err(|_| "no token: the answer has no `access_token`")?;
        let seconds = granted.expires_in.unwrap_or(LIFETIME).clamp(1.0, 1e9);
        #[expect(clippy::cast_possible_truncation, reason = "clamped")]
        let ends = now + (seconds * 1000.0) as i64;
        Ok(Kept {
            principal: self.client.client_id.clone(),
            token: granted.access_token,
            ends,
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tokens end by the clock of the world; nothing of a run depends on it"
)]
fn milliseconds_now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

fn milliseconds_as_time(milliseconds: i64) -> crate::model::Timestamp {
    chrono::DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}
