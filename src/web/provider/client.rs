//! Asks the provider, and checks what it says. The one file that names `openidconnect`.

use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use axum::http::{Request, Response, header};
use chrono::TimeDelta;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClientAuthMethod,
    CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthType, AuthorizationCode, ClaimsVerificationError, Client, ClientId,
    ClientSecret, CsrfToken, DiscoveryError, EmptyExtraTokenFields, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, IdTokenFields, IssuerUrl, Nonce, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError,
    StandardErrorResponse, StandardTokenResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map as JsonMap, Value as Json};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::flow::Flow;
use crate::connection::{
    HttpApi, HttpBody, HttpError, HttpLimits, HttpMethod, HttpRequest, Sending, StatusSet,
};
use crate::model::Timestamp;
use crate::secret::{Environment, Masker};
use crate::spec::SignIn;

/// How long it is believed what a provider says of itself, and its keys.
const BELIEVED: TimeDelta = TimeDelta::hours(1);
/// A key that isn't known is looked for at most so often.
const LOOKED: TimeDelta = TimeDelta::minutes(1);
/// How long the provider may take for an answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest answer, in bytes.
const ANSWER: u64 = 1024 * 1024;

/// Which signatures are believed: those that only the provider can make.
const SIGNATURES: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// The claims that the standard doesn't name.
#[derive(Debug, Clone, Deserialize, Serialize)]
struct OtherClaims {
    #[serde(flatten)]
    claims: JsonMap<String, Json>,
}

impl AdditionalClaims for OtherClaims {}

type TokenResponse = StandardTokenResponse<
    IdTokenFields<
        OtherClaims,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

type OurClient = Client<
    OtherClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    TokenResponse,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why the provider lets nobody in. What it says is for the log, not for who asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProviderError {
    /// It can't be reached, or doesn't answer as a provider.
    #[error("{0}")]
    Unreachable(String),
    /// It doesn't take the code.
    #[error("{0}")]
    Refused(String),
    /// What it says can't be believed.
    #[error("{0}")]
    Unbelieved(String),
}

/// The provider, and what it last said of itself.
pub(in crate::web) struct Provider {
    http: HttpApi,
    known: Mutex<Option<Known>>,
}

#[derive(Clone)]
struct Known {
    metadata: CoreProviderMetadata,
    at: Timestamp,
}

impl Provider {
    /// Asks through the proxies of an environment.
    pub(in crate::web) fn new(environment: &Environment) -> Self {
        Self {
            http: HttpApi::straight(environment),
            known: Mutex::new(None),
        }
    }

    /// Where a browser is sent.
    ///
    /// # Errors
    /// [`ProviderError::Unreachable`].
    pub(super) async fn way_there(
        &self,
        settings: &SignIn,
        flow: &Flow,
        back: &str,
        now: Timestamp,
    ) -> Result<String, ProviderError> {
        let known = self.known(settings, now, BELIEVED).await?;
        let client = client(&known, settings, back)?;
        let verifier = PkceCodeVerifier::new(flow.verifier());
        let (state, nonce) = (CsrfToken::new(flow.state()), Nonce::new(flow.nonce()));
        let mut request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || state,
                move || nonce,
            )
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        let scopes = settings.scopes.iter().map(String::as_str);
        for scope in ["email", "profile"].into_iter().chain(scopes) {
            request = request.add_scope(Scope::new(scope.to_owned()));
        }
        let (url, _, _) = request.url();
        Ok(url.into())
    }

    /// What a code stands for: the claims of the ID token, all checked.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub(super) async fn claims(
        &self,
        settings: &SignIn,
        flow: &Flow,
        back: &str,
        code: String,
        now: Timestamp,
    ) -> Result<JsonMap<String, Json>, ProviderError> {
        let known = self.known(settings, now, BELIEVED).await?;
        let client = client(&known, settings, back)?;
        let http = self.caller(settings, now);
        let asked = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| ProviderError::Unreachable(words(&error, settings)))?
            .set_pkce_verifier(PkceCodeVerifier::new(flow.verifier()));
        let token = asked.request_async(&http).await.map_err(|error| {
            let text = words(&error, settings);
            match &error {
                RequestTokenError::ServerResponse(_) => ProviderError::Refused(text),
                RequestTokenError::Request(_) => ProviderError::Unreachable(text),
                // What was sent may have tokens in it: only where it breaks is told.
                RequestTokenError::Parse(error, _) => ProviderError::Unbelieved(format!(
                    "its token answer can't be read at `{}`",
                    plain(&error.path().to_string(), settings)
                )),
                RequestTokenError::Other(_) => ProviderError::Unbelieved(text),
            }
        })?;
        let id_token = token.extra_fields().id_token().ok_or_else(|| {
            ProviderError::Unbelieved("its token answer has no `id_token`".to_owned())
        })?;
        let nonce = Nonce::new(flow.nonce());
        let verify = |client: &OurClient| {
            let verifier = client
                .id_token_verifier()
                .set_allowed_algs(SIGNATURES)
                .set_time_fn(move || now);
            id_token.claims(&verifier, &nonce).cloned()
        };
        let mut verified = verify(&client);
        if let Err(ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::NoMatchingKey,
        )) = &verified
        {
            // It may have new keys.
            let known = self.known(settings, now, LOOKED).await?;
            verified = verify(&self::client(&known, settings, back)?);
        }
        let claims = verified.map_err(|error| {
            let text = words(&error, settings);
            ProviderError::Unbelieved(format!("its ID token isn't believed: {text}"))
        })?;
        match serde_json::to_value(&claims) {
            Ok(Json::Object(claims)) => Ok(claims),
            _ => Err(ProviderError::Unbelieved(
                "its ID token can't be read".to_owned(),
            )),
        }
    }

    /// What the provider says of itself, no older than so long.
    async fn known(
        &self,
        settings: &SignIn,
        now: Timestamp,
        believed: TimeDelta,
    ) -> Result<Known, ProviderError> {
        // One at a time: the others wait for what it learns.
        let mut kept = self.known.lock().await;
        if let Some(known) = &*kept
            && known.metadata.issuer().as_str() == settings.issuer
            && now - known.at < believed
        {
            return Ok(known.clone());
        }
        let unreachable = |text| ProviderError::Unreachable(text);
        let issuer = IssuerUrl::new(settings.issuer.clone())
            .map_err(|error| unreachable(words(&error, settings)))?;
        let http = self.caller(settings, now);
        let metadata = CoreProviderMetadata::discover_async(issuer, &http).await;
        let metadata = metadata.map_err(|error| {
            unreachable(match &error {
                DiscoveryError::Response(status, _, what) => {
                    plain(&format!("it answered {status}: {what}"), settings)
                }
                error => words(error, settings),
            })
        })?;
        let known = Known { metadata, at: now };
        *kept = Some(known.clone());
        Ok(known)
    }

    /// What `openidconnect` asks through. It owns what it needs: the library's futures must not
    /// borrow.
    fn caller(
        &self,
        settings: &SignIn,
        now: Timestamp,
    ) -> impl Fn(Request<Vec<u8>>) -> Calling + Send + Sync + 'static {
        let http = self.http.clone();
        let masker = masker(settings);
        move |request| Box::pin(call(http.clone(), request, masker.clone(), now))
    }
}

type Calling = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, HttpError>> + Send>>;

async fn call(
    http: HttpApi,
    request: Request<Vec<u8>>,
    masker: Masker,
    now: Timestamp,
) -> Result<Response<Vec<u8>>, HttpError> {
    let (parts, body) = request.into_parts();
    let method = match parts.method.as_str() {
        "POST" => HttpMethod::Post,
        _ => HttpMethod::Get,
    };
    let mut asked = HttpRequest::new(method, parts.uri.to_string());
    let mut content_type = String::new();
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if name == header::CONTENT_TYPE {
            content_type = value;
        } else {
            asked.headers.push((name.to_string(), value));
        }
    }
    if !body.is_empty() {
        let bytes = body.into();
        asked.body = HttpBody::Bytes {
            content_type,
            bytes,
        };
    }
    asked.limits = HttpLimits {
        timeout: Some(PATIENCE),
        connect_timeout: Some(Duration::from_secs(5)),
        read_timeout: Some(PATIENCE),
        body_limit: Some(ANSWER),
        tries: Some(2),
    };
    // What it says to a wrong code is an answer, too.
    asked.accept = StatusSet::new(vec![200..=299, 400..=499]);
    let around = Sending {
        log: std::sync::Arc::new(|line| tracing::debug!("{line}")),
        cancel: CancellationToken::new(),
        clock: std::sync::Arc::new(move || now),
        masker,
        sent: None,
    };
    let (head, bytes) = http.fetch(&asked, ANSWER, &around).await?;
    let mut response = Response::builder().status(head.status);
    for (name, value) in &head.headers {
        response = response.header(name, value);
    }
    let wrong = |_| HttpError::permanent("it answered with headers that can't be read");
    response.body(bytes.to_vec()).map_err(wrong)
}

fn client(known: &Known, settings: &SignIn, back: &str) -> Result<OurClient, ProviderError> {
    let back = RedirectUrl::new(back.to_owned())
        .map_err(|error| ProviderError::Unreachable(words(&error, settings)))?;
    let secret = settings.client_secret.as_ref();
    let secret = secret.map(|secret| ClientSecret::new(secret.reveal().clone()));
    let id = ClientId::new(settings.client_id.clone());
    let methods = known.metadata.token_endpoint_auth_methods_supported();
    // Without a word of it, the standard's own: HTTP Basic.
    let in_body = methods.is_some_and(|methods| {
        !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
            && methods.contains(&CoreClientAuthMethod::ClientSecretPost)
    });
    let client = OurClient::from_provider_metadata(known.metadata.clone(), id, secret)
        .set_redirect_uri(back);
    Ok(if in_body {
        client.set_auth_type(AuthType::RequestBody)
    } else {
        client
    })
}

fn masker(settings: &SignIn) -> Masker {
    let secret = settings.client_secret.iter();
    Masker::new(secret.map(|secret| secret.reveal().as_str()))
}

/// An error with its causes, in a line.
fn words(error: &dyn Error, settings: &SignIn) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    plain(&text, settings)
}

/// What a provider says, on one line and without the secret.
fn plain(text: &str, settings: &SignIn) -> String {
    let text: String = masker(settings)
        .mask(text)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(500)
        .collect();
    text
}
