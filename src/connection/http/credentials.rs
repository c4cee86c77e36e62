//! How a connection signs in.

use std::pin::Pin;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{RequestBuilder, Url};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::cause::Failure;
use super::settings::Place;
use super::tries::Budget;
use super::{HttpApi, HttpBody, HttpLimits, HttpMethod, HttpRequest, Sending};
use crate::connection::form::{encoded, form_encoded};
use crate::secret::Secret;

/// What a connection shows of itself, to its own origin only.
#[derive(Debug, Default)]
pub(super) enum Credentials {
    #[default]
    None,
    /// They don't change.
    Fixed(Signature),
    /// A token that is fetched and renewed.
    Client(Box<ClientCredentials>),
}

/// The `Authorization` of a request.
#[derive(Debug, Clone)]
pub(super) enum Signature {
    /// A name and a password (RFC 7617).
    Basic {
        username: String,
        password: Secret<String>,
    },
    /// A token (RFC 6750).
    Bearer(HeaderValue),
}

impl Signature {
    /// A token; `None` when it can't stand in a header.
    pub(super) fn bearer(token: &str) -> Option<Self> {
        let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
        header.set_sensitive(true);
        Some(Self::Bearer(header))
    }

    pub(super) fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::Basic { username, password } => {
                request.basic_auth(username, Some(password.reveal()))
            }
            Self::Bearer(header) => request.header(AUTHORIZATION, header.clone()),
        }
    }
}

/// Client credentials of OAuth 2 (RFC 6749, section 4.4). One token for the whole connection; who
/// needs one while it is fetched waits for it.
#[derive(Debug)]
pub(super) struct ClientCredentials {
    /// The server that gives tokens.
    pub(super) server: HttpApi,
    pub(super) grant: Grant,
    pub(super) token: Mutex<Option<Token>>,
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) token_url: Url,
    pub(super) client_id: String,
    pub(super) client_secret: Secret<String>,
    pub(super) scope: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) send_in: Place,
}

/// A token that was fetched.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) text: Secret<String>,
    /// When it isn't used any more; `None` until the server refuses it.
    expires: Option<Instant>,
}

/// The longest before its end that a token is renewed. A short-lived one is used for most of its
/// time.
const MARGIN: Duration = Duration::from_secs(30);

impl Token {
    /// Whether it can still be used.
    pub(super) fn is_fresh(&self) -> bool {
        self.expires.is_none_or(|expires| Instant::now() < expires)
    }
}

/// The answer of a token endpoint (RFC 6749, section 5.1). Some servers write the number as a text.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
}

/// An answer with a token is short.
const LONGEST_ANSWER: u64 = 1 << 20;

impl ClientCredentials {
    /// The signature with the token that is kept, or with a new one.
    pub(super) async fn sign(
        &self,
        budget: &mut Budget,
        around: &Sending,
    ) -> Result<Signature, Failure> {
        let mut kept = budget.spend(self.token.lock(), around).await?;
        let token = match kept.as_ref().filter(|token| token.is_fresh()) {
            Some(token) => token.clone(),
            None => kept.insert(self.fetch(budget, around).await?).clone(),
        };
        around.masker.learn(token.text.reveal());
        Signature::bearer(token.text.reveal())
            .ok_or_else(|| Failure::permanent("the token that was given can't stand in a header"))
    }

    /// Forgets a token that was refused, unless somebody else was faster.
    pub(super) async fn forget(&self, refused: &HeaderValue) {
        let mut kept = self.token.lock().await;
        let is_refused = kept.as_ref().is_some_and(|token| {
            let header = refused.to_str().unwrap_or_default();
            header.strip_prefix("Bearer ") == Some(token.text.reveal())
        });
        if is_refused {
            *kept = None;
        }
    }

    /// A request for a token is a request: without a name of its own, its type would contain itself.
    fn fetch<'a>(&'a self, budget: &'a mut Budget, around: &'a Sending) -> Fetching<'a> {
        Box::pin(async move {
            let request = self.grant.request();
            let fetching = self.server.fetch(&request, LONGEST_ANSWER, around);
            let answer = budget.spend(fetching, around).await?;
            let (_, body) = answer.map_err(|error| Failure {
                transient: error.retryable,
                // The request that needs the token hasn't been sent.
                unsent: true,
                retry_after: error.retry_after,
                ..Failure::permanent(format!("no token: {}", error.message))
            })?;
            read(&body).map_err(|reason| Failure::permanent(format!("no token: {reason}")))
        })
    }
}

type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Token, Failure>> + Send + 'a>>;

impl Grant {
    /// How requests for a token are signed.
    pub(super) fn signature(&self) -> Option<Signature> {
        (self.send_in == Place::Header).then(|| Signature::Basic {
            username: encoded(&self.client_id),
            password: Secret::new(encoded(self.client_secret.reveal())),
        })
    }

    fn request(&self) -> HttpRequest {
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        form.extend(
            self.audience
                .as_deref()
                .map(|audience| ("audience", audience)),
        );
        if self.send_in == Place::Body {
            form.push(("client_id", &self.client_id));
            form.push(("client_secret", self.client_secret.reveal()));
        }
        HttpRequest {
            body: HttpBody::Bytes {
                content_type: "application/x-www-form-urlencoded".to_owned(),
                bytes: form_encoded(&form).into(),
            },
            // A second token does no harm.
            retry_writes: true,
            headers: vec![("accept".to_owned(), "application/json".to_owned())],
            // The request that needs the token is tried again as a whole.
            limits: HttpLimits {
                tries: Some(1),
                ..HttpLimits::default()
            },
            ..HttpRequest::new(HttpMethod::Post, self.token_url.as_str())
        }
    }
}

/// Reads the answer of a token endpoint.
///
/// # Errors
/// It has no token.
fn read(answer: &[u8]) -> Result<Token, String> {
    // The error would repeat what it stumbled over.
    let granted: Granted = serde_json::from_slice(answer)
        .map_err(|_| "the answer has no `access_token`".to_owned())?;
    let seconds = granted.expires_in.and_then(|value| match value {
        serde_json::Value::String(text) => text.trim().parse().ok(),
        value => value.as_f64(),
    });
    let lifetime = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let expires = lifetime.and_then(|lifetime| {
        let margin = MARGIN.min(lifetime / 10);
        Instant::now().checked_add(lifetime.saturating_sub(margin))
    });
    Ok(Token {
        text: Secret::new(granted.access_token),
        expires,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(send_in: Place) -> Grant {
        Grant {
            token_url: "https://h/token".parse().unwrap(),
            client_id: "id:1".to_owned(),
            client_secret: Secret::new("se cret&".to_owned()),
            scope: Some("read write".to_owned()),
            audience: None,
            send_in,
        }
    }

    fn form(grant: &Grant) -> String {
        match grant.request().body {
            HttpBody::Bytes { bytes, .. } => String::from_utf8(bytes.to_vec()).unwrap(),
            _ => panic!("a form"),
        }
    }

    #[test]
    fn a_client_says_who_it_is_where_the_server_wants_it() {
        let asked = "grant_type=client_credentials&scope=read+write";
        let in_header = grant(Place::Header);
        assert_eq!(form(&in_header), asked);
        let Some(Signature::Basic { username, password }) = in_header.signature() else {
            panic!("a signature");
        };
        assert_eq!(
            (username.as_str(), password.reveal().as_str()),
            ("id%3A1", "se+cret%26")
        );
        let in_body = grant(Place::Body);
        let credentials = "&client_id=id%3A1&client_secret=se+cret%26";
        assert_eq!(form(&in_body), format!("{asked}{credentials}"));
        assert!(in_body.signature().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_fresh_until_shortly_before_its_end() {
        for (answer, seconds, fresh) in [
            (r#"{"access_token":"t","expires_in":3600}"#, 3569, true),
            (r#"{"access_token":"t","expires_in":3600}"#, 3571, false),
            (r#"{"access_token":"t","expires_in":"100"}"#, 89, true),
            (r#"{"access_token":"t","expires_in":"100"}"#, 91, false),
            (r#"{"access_token":"t"}"#, 1_000_000, true),
            (r#"{"access_token":"t","expires_in":1e300}"#, 10, true),
        ] {
            let token = read(answer.as_bytes()).unwrap();
            tokio::time::advance(Duration::from_secs(seconds)).await;
            assert_eq!(token.is_fresh(), fresh, "{answer} after {seconds} s");
        }
        assert!(read(b"{}").is_err());
    }
}
